/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments with release consistency, and those that are mostly read. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#include <dvm/sync.h>

#include "tests/api/job.h"

#define PAGE 4096u

/* As the arguments of the verb say: consistency, flags, faults, unit in pages, homes. */
static int make(struct job *j, uint64_t pages, dvm_seg_t **s)
{
	dvm_error_t err = { 0 };
	dvm_seg_config_t c = {
		.size = sizeof c,
		.bytes = pages * PAGE,
		.consistency = (uint32_t)arg(j, 0, DVM_SEG_RELEASE),
		.flags = (uint32_t)arg(j, 1, DVM_SEG_PROTOCOL),
		.faults = (uint32_t)arg(j, 2, DVM_FAULT_THREAD),
		.unit = (uint32_t)arg(j, 3, 1) * PAGE,
		.homes = (uint32_t)arg(j, 4, DVM_HOMES_RANGE),
	};
	int rc = dvm_seg_create(j->w, &c, s, &err);

	if (rc < 0)
		fprintf(stderr, "rank %d: %s\n", j->rank, err.text);
	return rc;
}

/* Homes go to who writes first, wherever they would have been; who was home at first knows, too. */
int mem_rc_first_touch(struct job *j)
{
	dvm_seg_t *s;
	uint64_t n = (uint64_t)j->size, pages = 12 * n;
	dvm_seg_stat_t st = { .size = sizeof st };

	CHECK_INT(make(j, pages, &s), 0);
	CHECK_INT(dvm_seg_advise(s, 0, pages * PAGE, DVM_ADVISE_RANDOM), 0);
	CHECK_INT(dvm_seg_stat(s, &st), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	for (uint64_t i = 0; i < pages; i++) {
		bool ours = i * 5 % n == (uint64_t)j->rank;
		if (ours)
			p[i * PAGE / 8] = mix(i, 1);
		if (ours && !st.plain)
			CHECK_INT(dvm_seg_home(s, i * PAGE), j->rank);
	}
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	for (uint64_t i = 0; i < pages; i++)
		if (!st.plain && i / 12 == (uint64_t)j->rank)
			CHECK_INT(dvm_seg_home(s, i * PAGE), i * 5 % n);
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	for (uint64_t i = 0; i < pages; i++)
		CHECK_INT(p[i * PAGE / 8], mix(i, 1));
	/* All have asked for it: now they know. */
	for (uint64_t i = 0; i < pages; i++)
		if (!st.plain && arg(j, 0, 0) == DVM_SEG_SEQUENTIAL)
			CHECK_INT(dvm_seg_home(s, i * PAGE), i * 5 % n);
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	for (uint64_t i = (uint64_t)j->rank; i < pages; i += n)
		p[i * PAGE / 8] = mix(i, 2);
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	for (uint64_t i = 0; i < pages; i++)
		CHECK_INT(p[i * PAGE / 8], mix(i, 2));
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* All write to all pages at a time, byte next to byte, and see all of it after a barrier. */
int mem_rc_writers(struct job *j)
{
	enum { PAGES = 40 };
	uint64_t bytes = PAGES * PAGE, bad = 0;
	dvm_seg_stat_t st = { .size = sizeof st };
	dvm_seg_t *s;

	CHECK_INT(make(j, PAGES, &s), 0);
	volatile uint8_t *p = dvm_seg_base(s);
	for (uint64_t round = 1; round < 6; round++) {
		for (uint64_t i = (uint64_t)j->rank; i < bytes; i += (uint64_t)j->size)
			p[i] = (uint8_t)mix(i, round);
		CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
		for (uint64_t i = 0; i < bytes; i++)
			bad += p[i] != (uint8_t)mix(i, round);
		CHECK_INT(bad, 0);
		CHECK_INT(dvm_seg_barrier(s, 2, 0), 0);
	}
	CHECK_INT(dvm_seg_stat(s, &st), 0);
	CHECK(st.plain || j->size == 1 || st.diffs > 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* Counters under locks of their own, all in one page; and some words of each rank's beside them. */
int mem_rc_locks(struct job *j)
{
	enum { LOCKS = 5, N = 60 };
	uint64_t sum = 0, own = 0;
	dvm_seg_t *s;

	CHECK_INT(make(j, 2, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	for (uint64_t i = 0; i < N; i++) {
		uint64_t l = mix((uint64_t)j->rank, i) % LOCKS;
		CHECK_INT(dvm_lock_acquire(s, l), 0);
		p[l]++;
		CHECK_INT(p[64 + j->rank], own);
		p[64 + j->rank] = ++own;
		CHECK_INT(dvm_lock_release(s, l), 0);
	}
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	for (int l = 0; l < LOCKS; l++)
		sum += p[l];
	CHECK_INT(sum, N * (uint64_t)j->size);
	for (int r = 0; r < j->size; r++)
		CHECK_INT(p[64 + r], N);
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	/* Readers and writers. */
	for (int i = 0; i < 20; i++) {
		CHECK_INT(dvm_rwlock_write(s, 9), 0);
		p[100]++;
		p[101]++;
		CHECK_INT(dvm_rwlock_release(s, 9), 0);
		CHECK_INT(dvm_rwlock_read(s, 9), 0);
		CHECK_INT(p[100], p[101]);
		CHECK_INT(dvm_rwlock_release(s, 9), 0);
	}
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	CHECK_INT(p[100], 20 * j->size);
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* What is passed on by other means: messages, with calls of its own; cells; conditions. */
int mem_rc_passed_on(struct job *j)
{
	int next = (j->rank + 1) % j->size, before = (j->rank + j->size - 1) % j->size;
	uint64_t seen;
	dvm_seg_t *s;

	CHECK_INT(make(j, 4, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	for (int lap = 0; lap < 5 && j->size > 1; lap++) {
		if (lap || j->rank) {
			CHECK_INT(dvm_recv(j->w, NULL, 0, before, 3, NULL), 0);
			CHECK_INT(dvm_sync_acquire(s), 0);
		}
		uint64_t turn = (uint64_t)(lap * j->size + j->rank);
		for (int i = 0; i < 700; i++) {
			CHECK_INT(p[i], turn);
			p[i] = turn + 1;
		}
		CHECK_INT(dvm_sync_release(s), 0);
		if (lap < 4 || next)
			CHECK_INT(dvm_send(j->w, NULL, 0, next, 3), 0);
	}
	/* A cell says how many have written. */
	p[1024 + j->rank * 8] = 5;
	CHECK_INT(dvm_atomic_add(s, 7, 1, NULL), 0);
	do
		CHECK_INT(dvm_atomic_load(s, 7, &seen), 0);
	while (seen < (uint64_t)j->size);
	for (int r = 0; r < j->size; r++)
		CHECK_INT(p[1024 + r * 8], 5);
	/* A condition: everybody waits for the first to say so. */
	CHECK_INT(dvm_lock_acquire(s, 1), 0);
	if (j->rank == 0) {
		p[1500] = 6;
		CHECK_INT(dvm_cond_broadcast(s, 1), 0);
	}
	while (p[1500] != 6)
		CHECK_INT(dvm_cond_wait(s, 1, 1, -1), 0);
	CHECK_INT(dvm_lock_release(s, 1), 0);
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

struct thread {
	struct job *j;
	dvm_seg_t *s;
	int self, bad;
};

static void *count(void *arg)
{
	struct thread *t = arg;
	volatile uint64_t *p = dvm_seg_base(t->s);

	for (int i = 0; i < 40; i++) {
		t->bad |= dvm_lock_acquire(t->s, 3);
		p[0]++;
		p[512 * (1 + i % 3)]++;
		t->bad |= dvm_lock_release(t->s, 3);
		p[8 + t->j->rank * 2 + t->self]++; /* under no lock: nobody else's */
	}
	return NULL;
}

/* Two threads of each rank. */
int mem_rc_threads(struct job *j)
{
	dvm_seg_t *s;
	struct thread t[2];
	pthread_t id[2];

	CHECK_INT(make(j, 4, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	for (int i = 0; i < 2; i++) {
		t[i] = (struct thread){ .j = j, .s = s, .self = i };
		CHECK_INT(pthread_create(&id[i], NULL, count, &t[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		CHECK_INT(pthread_join(id[i], NULL), 0);
		CHECK_INT(t[i].bad, 0);
	}
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	CHECK_INT(p[0], 80 * j->size);
	CHECK_INT(p[512] + p[1024] + p[1536], 80 * j->size);
	for (int i = 0; i < 2 * j->size; i++)
		CHECK_INT(p[8 + i], 40);
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* More pages are written than are released in one go; and more than there is room for. */
int mem_rc_many(struct job *j)
{
	uint64_t pages = 1500, each = PAGE / 8;
	dvm_seg_t *s;

	CHECK_INT(make(j, pages, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	for (uint64_t turn = 0; turn < 2 * (uint64_t)j->size; turn++) {
		for (uint64_t i = 0; i < pages && turn % (uint64_t)j->size == (uint64_t)j->rank; i++) {
			CHECK_INT(p[i * each], turn);
			p[i * each] = turn + 1;
		}
		CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	}
	for (uint64_t i = 0; i < pages; i++)
		CHECK_INT(p[i * each], 2 * j->size);
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* Homes move to and fro under ranks that count, with locks and beside each other. */
int mem_rc_moves(struct job *j)
{
	enum { PAGES = 24, N = 400, EACH = PAGE / 8 };
	uint64_t own[PAGES] = { 0 }, sum = 0;
	dvm_seg_t *s;

	CHECK_INT(make(j, PAGES, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	for (uint64_t i = 0; i < N; i++) {
		uint64_t r = mix((uint64_t)j->rank, i), page = r % PAGES;
		volatile uint64_t *slot = p + page * EACH;
		CHECK_INT(slot[j->rank], own[page]);
		slot[j->rank] = ++own[page];
		CHECK_INT(dvm_lock_acquire(s, page), 0);
		slot[100]++;
		CHECK_INT(dvm_lock_release(s, page), 0);
		if (i % 50 == 25) {
			uint64_t first = (r >> 20) % PAGES, len = 1 + (r >> 30) % (PAGES - first);
			CHECK_INT(dvm_seg_move_home(s, first * PAGE, len * PAGE,
						    (int)((r >> 40) % (uint64_t)j->size)), 0);
		}
	}
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	for (uint64_t i = 0; i < PAGES; i++) {
		sum += p[i * EACH + 100];
		CHECK_INT(p[i * EACH + (uint64_t)j->rank], own[i]);
	}
	CHECK_INT(sum, N * (uint64_t)j->size);
	if (j->rank == 0)
		CHECK_INT(dvm_seg_move_home(s, 0, PAGES * PAGE, j->size - 1), 0);
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	for (uint64_t i = 0; i < PAGES && arg(j, 1, DVM_SEG_PROTOCOL); i++)
		CHECK_INT(dvm_seg_home(s, i * PAGE), j->size - 1);
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* Who only reads has what was written without asking for it again. */
int mem_rc_pushed(struct job *j)
{
	dvm_seg_stat_t before = { .size = sizeof before }, after = { .size = sizeof after };
	dvm_seg_t *s;

	CHECK_INT(make(j, 8, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	for (uint64_t round = 0; round < 12; round++) {
		for (uint64_t i = 0; i < 8 && j->rank == 0; i++)
			p[i * PAGE / 8 + round] = round * 8 + i + 1;
		CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
		for (uint64_t i = 0; i < 8; i++)
			CHECK_INT(p[i * PAGE / 8 + round], round * 8 + i + 1);
		CHECK_INT(dvm_seg_barrier(s, 2, 0), 0);
		if (round == 1)
			CHECK_INT(dvm_seg_stat(s, &before), 0);
	}
	CHECK_INT(dvm_seg_stat(s, &after), 0);
	if (j->rank && !after.plain)
		CHECK_INT(after.read_faults - before.read_faults,
			  arg(j, 0, DVM_SEG_RELEASE) == DVM_SEG_READ_MOSTLY ?
				  0 :
				  (int64_t)(after.read_faults - before.read_faults));
	CHECK_INT(dvm_seg_barrier(s, 2, 0), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}
