/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments: what all ranks see. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dvm/mem.h>
#include <dvm/sync.h>

#include "tests/api/job.h"

#define PAGE 4096u

/* A segment of PAGES pages as the arguments of the verb say: flags, faults, unit in pages. */
static int make(struct job *j, uint64_t pages, const char *name, dvm_seg_t **s)
{
	dvm_error_t err = { 0 };
	dvm_seg_config_t c = {
		.size = sizeof c,
		.bytes = pages * PAGE,
		.name = name,
		.flags = (uint32_t)arg(j, 0, DVM_SEG_PROTOCOL),
		.faults = (uint32_t)arg(j, 1, DVM_FAULT_THREAD),
		.unit = (uint32_t)arg(j, 2, 1) * PAGE,
		.homes = (uint32_t)arg(j, 3, DVM_HOMES_RANGE),
	};
	int rc = dvm_seg_create(j->w, &c, s, &err);

	if (rc < 0)
		fprintf(stderr, "rank %d: %s\n", j->rank, err.text);
	return rc;
}

/* Each rank writes a page of each other one's range in turn; all see it after a barrier. */
int mem_seen(struct job *j)
{
	dvm_seg_t *s;
	uint64_t pages = 16 * (uint64_t)j->size;

	CHECK_INT(make(j, pages, NULL, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	CHECK(dvm_seg_size(s) >= pages * PAGE);
	for (int round = 0; round < 4; round++) {
		for (uint64_t i = (uint64_t)j->rank; i < pages; i += (uint64_t)j->size)
			p[i * PAGE / 8 + (uint64_t)round] = mix(i, (uint64_t)round);
		CHECK_INT(dvm_barrier(j->w), 0);
		for (uint64_t i = 0; i < pages; i++)
			CHECK_INT(p[i * PAGE / 8 + (uint64_t)round], mix(i, (uint64_t)round));
		CHECK_INT(dvm_barrier(j->w), 0);
	}
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* Atomic instructions on words of one page. */
int mem_count(struct job *j)
{
	dvm_seg_t *s;
	uint64_t n = (uint64_t)arg(j, 4, 300);

	CHECK_INT(make(j, 2, NULL, &s), 0);
	uint64_t *p = dvm_seg_base(s);
	for (uint64_t i = 0; i < n; i++) {
		__atomic_fetch_add(&p[0], 1, __ATOMIC_SEQ_CST);
		p[1 + j->rank] = i + 1; /* of our own, on the same page */
	}
	CHECK_INT(dvm_barrier(j->w), 0);
	CHECK_INT(p[0], n * (uint64_t)j->size);
	for (int r = 0; r < j->size; r++)
		CHECK_INT(p[1 + r], n);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* Of the token's page a word changes; ranks that have their pages in common send nothing at all. */
static int how_sent(struct job *j, const dvm_seg_stat_t *st)
{
	const uint32_t off = DVM_SEG_NO_SHARE | DVM_SEG_BASELINE_IVY;
	uint64_t mine[2] = { st->diffs, st->units_sent }, all[2];
	uint32_t flags = (uint32_t)arg(j, 0, 0);
	bool own = flags & off || getenv("DVM_SHM_TRANSPORT") || getenv("DVM_SHM_UFFD");
	bool one = true, several = false;

	for (int r = 0; r < j->size; r++) {
		one &= dvm_node_of(j->d, r) == dvm_node_of(j->d, 0);
		several |= r > 0 && dvm_node_of(j->d, r) == dvm_node_of(j->d, r - 1);
	}
	CHECK_INT(dvm_allreduce(j->w, mine, all, 2, DVM_UINT64, DVM_SUM), 0);
	CHECK_INT(all[1] > 0, own || !one);
	if (own || !several)
		CHECK_INT(all[0] > 0, !(flags & (DVM_SEG_NO_DIFF | DVM_SEG_BASELINE_IVY)));
	else
		CHECK_INT(all[0], 0);
	return 0;
}

/* Whoever has the token adds one to every word, and gives it to the next by a store. */
int mem_ring(struct job *j)
{
	dvm_seg_t *s;
	uint64_t laps = (uint64_t)arg(j, 4, 10), words = 3 * PAGE / 8, n = (uint64_t)j->size;
	dvm_seg_stat_t st = { .size = sizeof st };

	CHECK_INT(make(j, 4, NULL, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s), *token = p + words;
	for (uint64_t lap = 0; lap < laps; lap++) {
		uint64_t turn = lap * n + (uint64_t)j->rank;
		while (__atomic_load_n(token, __ATOMIC_ACQUIRE) != turn)
			usleep(20);
		for (uint64_t i = 0; i < words; i++) {
			CHECK_INT(p[i], turn);
			p[i] = turn + 1;
		}
		__atomic_store_n(token, turn + 1, __ATOMIC_RELEASE);
	}
	CHECK_INT(dvm_barrier(j->w), 0);
	CHECK_INT(p[words - 1], laps * n);
	CHECK_INT(dvm_seg_stat(s, &st), 0);
	if (!st.plain && j->size > 1)
		CHECK_INT(how_sent(j, &st), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* The kernel reads and writes pages that are elsewhere. */
int mem_system_calls(struct job *j)
{
	dvm_seg_t *s;
	enum { N = 40 * PAGE };
	int fds[2];

	CHECK_INT(make(j, 2 * N / PAGE, NULL, &s), 0);
	uint8_t *p = dvm_seg_base(s);
	if (j->rank == 0)
		fill(p, N, 7);
	CHECK_INT(dvm_barrier(j->w), 0);
	if (j->rank == j->size - 1) {
		CHECK_INT(pipe(fds), 0);
		for (size_t at = 0; at < N; at += PAGE) {
			CHECK_INT(write(fds[1], p + at, PAGE), PAGE);
			CHECK_INT(read(fds[0], p + N + at, PAGE), PAGE);
		}
		close(fds[0]);
		close(fds[1]);
	}
	CHECK_INT(dvm_barrier(j->w), 0);
	CHECK(filled(p + N, N, 7));
	CHECK_INT(dvm_barrier(j->w), 0);
	/* Messages out of it and into it. */
	if (j->size > 1 && j->rank == 0) {
		fill(p, N, 8);
		CHECK_INT(dvm_send(j->w, p, N, 1, 5), 0);
	} else if (j->rank == 1) {
		CHECK_INT(dvm_recv(j->w, p + N, N, 0, 5, NULL), 0);
		CHECK(filled(p + N, N, 8));
	}
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* Names, several handles, coming and going. */
int mem_attach(struct job *j)
{
	dvm_seg_t *s, *again = NULL, *other = NULL;
	dvm_error_t err;

	CHECK_INT(make(j, 8, "field", &s), 0);
	CHECK(strcmp(dvm_seg_name(s), "field") == 0);
	CHECK_INT(make(j, 8, "field", &other), -EEXIST);
	CHECK(!other);
	CHECK_INT(dvm_seg_attach(j->d, "fields", &again, &err), -ENOENT);
	CHECK(err.text[0] && !again);
	CHECK_INT(dvm_seg_attach(j->d, "field", &again, NULL), 0);
	volatile uint64_t *p = dvm_seg_base(again);
	p[(size_t)j->rank * PAGE / 8] = 77 + (uint64_t)j->rank;
	CHECK_INT(dvm_seg_detach(again), 0);
	CHECK_INT(p[(size_t)j->rank * PAGE / 8], 77 + j->rank);
	if (j->rank == 0) {
		/* Away: the others still get what is here. */
		CHECK_INT(dvm_seg_detach(s), 0);
		CHECK_INT(dvm_seg_detach(s), -EINVAL);
	}
	CHECK_INT(dvm_barrier(j->w), 0);
	if (j->rank != 0)
		CHECK_INT(p[0], 77);
	CHECK_INT(dvm_barrier(j->w), 0);
	if (j->rank == 0) {
		CHECK_INT(dvm_seg_attach(j->d, "field", &again, NULL), 0);
		CHECK(dvm_seg_base(again) == (void *)(uintptr_t)p);
	}
	for (int r = 0; r < j->size && r < 8; r++)
		CHECK_INT(p[(size_t)r * PAGE / 8], 77 + r);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* Several segments at a time, at different places. */
int mem_several(struct job *j)
{
	enum { N = 5 };
	dvm_seg_t *s[N];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++)
			CHECK_INT(make(j, 4, NULL, &s[i]), 0);
		for (int i = 0; i < N; i++) {
			volatile uint64_t *p = dvm_seg_base(s[i]);
			CHECK_INT(p[j->rank], 0);
			p[j->rank] = (uint64_t)(i + 1);
		}
		CHECK_INT(dvm_barrier(j->w), 0);
		for (int i = 0; i < N; i++) {
			volatile uint64_t *p = dvm_seg_base(s[i]);
			for (int r = 0; r < j->size; r++)
				CHECK_INT(p[r], i + 1);
		}
		for (int i = 0; i < N; i++)
			CHECK_INT(dvm_seg_destroy(s[i]), 0);
	}
	return 0;
}

/* One more segment, and its bytes go to all. */
static int one_more(struct job *j)
{
	dvm_seg_t *s;

	CHECK_INT(make(j, 1, NULL, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	p[j->rank] = (uint64_t)j->rank + 1;
	CHECK_INT(dvm_barrier(j->w), 0);
	for (int r = 0; r < j->size; r++)
		CHECK_INT(p[r], r + 1);
	return dvm_seg_destroy(s);
}

/*
 * What one rank alone refuses, with a name that is taken there, leaves all of one mind about the next;
 * and there may be any number, one after the other, beside one that stays.
 */
int mem_numbers(struct job *j)
{
	dvm_seg_t *s, *own = NULL, *none;
	dvm_group_t *g;
	dvm_seg_config_t c = { .size = sizeof c, .bytes = PAGE, .name = "mine" };

	CHECK_INT(make(j, 1, NULL, &s), 0);
	CHECK_INT(dvm_group_split(j->w, j->rank, 0, &g), 0);
	if (j->rank == 1)
		CHECK_INT(dvm_seg_create(g, &c, &own, NULL), 0);
	CHECK_INT(make(j, 1, "mine", &none), -EEXIST);
	for (int i = 0; i < 1100; i++)
		CHECK_INT(one_more(j), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	p[j->rank] = 5;
	CHECK_INT(dvm_barrier(j->w), 0);
	for (int r = 0; r < j->size; r++)
		CHECK_INT(p[r], 5);
	CHECK_INT(dvm_barrier(j->w), 0);
	CHECK_INT(dvm_seg_destroy(own), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return dvm_group_free(g);
}

/* Many pages in a row, read and written: streams. */
int mem_stream(struct job *j)
{
	dvm_seg_t *s;
	uint64_t pages = (uint64_t)arg(j, 4, 600), words = pages * PAGE / 8;
	dvm_seg_stat_t st = { .size = sizeof st };

	CHECK_INT(make(j, pages, NULL, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	for (int turn = 0; turn < 2 * j->size; turn++) {
		if (turn % j->size == j->rank)
			for (uint64_t i = 0; i < words; i++)
				p[i] += i;
		CHECK_INT(dvm_barrier(j->w), 0);
	}
	uint64_t bad = 0;
	for (uint64_t i = 0; i < words; i++)
		bad += p[i] != i * 2 * (uint64_t)j->size;
	CHECK_INT(bad, 0);
	CHECK_INT(dvm_seg_stat(s, &st), 0);
	if (getenv("MEM_STATS"))
		fprintf(stderr,
			"rank %d: r %llu w %llu local %llu msgs %llu got %llu ahead %llu used %llu "
			"same %llu zero %llu held %llu avg %llu us\n",
			j->rank, (unsigned long long)st.read_faults,
			(unsigned long long)st.write_faults, (unsigned long long)st.local_faults,
			(unsigned long long)st.messages, (unsigned long long)st.units_got,
			(unsigned long long)st.prefetched, (unsigned long long)st.prefetch_used,
			(unsigned long long)st.elided_same, (unsigned long long)st.elided_zero,
			(unsigned long long)st.held,
			(unsigned long long)(st.fault_ns /
					     (st.read_faults + st.write_faults + 1) / 1000));
	CHECK_INT(dvm_barrier(j->w), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* Random reads and writes of words that each belong to one writer, with checks. */
int mem_random(struct job *j)
{
	dvm_seg_t *s;
	uint64_t pages = 24, n = (uint64_t)arg(j, 4, 20000), seed = (uint64_t)arg(j, 5, 1);
	uint64_t slots = pages * PAGE / 8 / (uint64_t)j->size, mine[64] = { 0 };

	CHECK_INT(make(j, pages, NULL, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t r = mix(seed * 1000 + (uint64_t)j->rank, i);
		uint64_t k = r % 64, at = k * slots / 64 * (uint64_t)j->size;
		if (r >> 32 & 1) {
			CHECK_INT(p[at + (uint64_t)j->rank], mine[k]);
			p[at + (uint64_t)j->rank] = ++mine[k];
		} else {
			/* Another's only grows. */
			uint64_t who = (r >> 8) % (uint64_t)j->size;
			uint64_t a = p[at + who], b = p[at + who];
			CHECK(b >= a);
		}
	}
	CHECK_INT(dvm_barrier(j->w), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* So many parts that there is no room for another one; what takes their place makes room. */
int mem_moves_apart(struct job *j)
{
	enum { PAGES = 600 }; /* half of them at rank 0 */
	dvm_seg_t *s;
	uint64_t i;
	int rc = 0;

	CHECK_INT(make(j, PAGES, NULL, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	for (i = 0; i < PAGES && j->rank == 0; i++)
		p[i * PAGE / 8] = i + 1;
	CHECK_INT(dvm_barrier(j->w), 0);
	if (j->rank == 0) {
		for (i = 0; i < PAGES && rc == 0; i += 2)
			rc = dvm_seg_move_home(s, i * PAGE, PAGE, 1);
		CHECK_INT(rc, -ENOSPC);
		CHECK_INT(i, 2 * 129);
		CHECK_INT(dvm_seg_move_home(s, 0, 200 * PAGE, 1), 0);
		CHECK_INT(dvm_seg_home(s, 0), 1);
		CHECK_INT(dvm_seg_move_home(s, 280 * PAGE, PAGE, 1), 0);
	}
	CHECK_INT(dvm_barrier(j->w), 0);
	for (i = 0; i < PAGES; i++)
		CHECK_INT(p[i * PAGE / 8], i + 1);
	CHECK_INT(dvm_barrier(j->w), 0);
	return dvm_seg_destroy(s);
}

/* Homes move to and fro under ranks that read and write. */
int mem_moves(struct job *j)
{
	dvm_seg_t *s;
	uint64_t pages = 24, n = (uint64_t)arg(j, 4, 4000), own = 0;

	CHECK_INT(make(j, pages, NULL, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t r = mix((uint64_t)j->rank, i), page = r % pages;
		/* One slot in each page for each rank; what all have written there only grows. */
		volatile uint64_t *slot = p + page * PAGE / 8;
		uint64_t before = slot[j->rank];
		slot[j->rank] = before + 1;
		own++;
		__atomic_fetch_add(&slot[100], 1, __ATOMIC_SEQ_CST);
		if (i % 500 == 250) {
			uint64_t first = (r >> 20) % pages, len = 1 + (r >> 30) % (pages - first);
			CHECK_INT(dvm_seg_move_home(s, first * PAGE, len * PAGE,
						    (int)((r >> 40) % (uint64_t)j->size)), 0);
		}
	}
	CHECK_INT(dvm_barrier(j->w), 0);
	uint64_t sum = 0, mine = 0;
	for (uint64_t i = 0; i < pages; i++) {
		sum += p[i * PAGE / 8 + 100];
		mine += p[i * PAGE / 8 + (uint64_t)j->rank];
	}
	CHECK_INT(mine, own);
	CHECK_INT(sum, n * (uint64_t)j->size);
	CHECK_INT(dvm_barrier(j->w), 0);
	if (j->rank == 0)
		CHECK_INT(dvm_seg_move_home(s, 0, pages * PAGE, j->size - 1), 0);
	CHECK_INT(dvm_barrier(j->w), 0);
	for (uint64_t i = 0; i < pages; i++)
		if (arg(j, 0, DVM_SEG_PROTOCOL))
			CHECK_INT(dvm_seg_home(s, i * PAGE), j->size - 1);
	CHECK_INT(dvm_barrier(j->w), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* The even ranks have a segment, which the others get, too. */
int mem_extend(struct job *j)
{
	enum { PAGES = 70, EACH = PAGE / 8 };
	dvm_group_t *g, *world = j->w, *self;
	dvm_seg_t *s = NULL, *none = NULL;
	dvm_error_t err = { 0 };

	CHECK_INT(dvm_group_split(j->w, j->rank % 2, j->rank, &g), 0);
	j->w = g;
	if (j->rank % 2 == 0)
		CHECK_INT(make(j, PAGES, "shared", &s), 0);
	j->w = world;
	volatile uint64_t *p = dvm_seg_base(s);
	for (uint64_t i = 0; s && i < PAGES * EACH; i++)
		if (i / EACH % 7 && i % (uint64_t)dvm_group_size(g) == (uint64_t)dvm_group_rank(g))
			p[i] = mix(i, 3);
	/* Nobody has one; not all who have it are there. */
	CHECK_INT(dvm_seg_extend(j->w, &none, &err), -EINVAL);
	CHECK_INT(dvm_group_split(j->w, j->rank, 0, &self), 0);
	if (s && dvm_group_size(g) > 1)
		CHECK_INT(dvm_seg_extend(self, &s, NULL), -EINVAL);
	void *before = dvm_seg_base(s);
	CHECK_INT(dvm_seg_extend(j->w, &s, &err), 0);
	CHECK(!before || dvm_seg_base(s) == before);
	p = dvm_seg_base(s);
	for (uint64_t i = 0; i < PAGES * EACH; i++)
		CHECK_INT(p[i], i / EACH % 7 ? mix(i, 3) : 0);
	CHECK_INT(dvm_barrier(j->w), 0);
	for (int i = 0; i < 50; i++) {
		CHECK_INT(dvm_lock_acquire(s, 4), 0);
		p[0]++;
		CHECK_INT(dvm_lock_release(s, 4), 0);
	}
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	CHECK_INT(p[0], 50 * j->size);
	CHECK_INT(dvm_seg_attach(j->d, "shared", &none, NULL), 0);
	CHECK(none == s);
	CHECK_INT(dvm_barrier(j->w), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	CHECK_INT(dvm_group_free(self), 0);
	return dvm_group_free(g);
}

/* Homes that were chosen stay with whom they were, whatever its rank in the larger group. */
int mem_extend_homes(struct job *j)
{
	const int ranks[] = { 1, 0, 1 };
	dvm_group_t *g, *turned;
	dvm_seg_t *s = NULL;
	dvm_seg_config_t c = { .size = sizeof c, .bytes = 9 * PAGE, .flags = DVM_SEG_PROTOCOL };

	c.homes = DVM_HOMES_EXPLICIT;
	c.nhomes = 3;
	c.home_ranks = ranks;
	CHECK_INT(dvm_group_split(j->w, j->rank < 2 ? 0 : 1, j->rank, &g), 0);
	if (j->rank < 2)
		CHECK_INT(dvm_seg_create(g, &c, &s, NULL), 0);
	/* The other way round: who was 0 and 1 is the last but none, and the last but one. */
	CHECK_INT(dvm_group_split(j->w, 0, -j->rank, &turned), 0);
	CHECK_INT(dvm_seg_extend(turned, &s, NULL), 0);
	for (int i = 0; i < 3; i++)
		CHECK_INT(dvm_seg_home(s, (uint64_t)(3 * i) * PAGE), j->size - 1 - ranks[i]);
	CHECK_INT(dvm_barrier(j->w), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	CHECK_INT(dvm_group_free(turned), 0);
	return dvm_group_free(g);
}

/* A child does not have it; the parent keeps it. */
int mem_fork(struct job *j)
{
	dvm_seg_t *s;
	int status;

	CHECK_INT(make(j, 4, NULL, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	p[j->rank] = 5;
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	CHECK(child > 0);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK_INT(p[j->rank], 5);
	CHECK_INT(system("true"), 0);
	CHECK_INT(dvm_barrier(j->w), 0);
	for (int r = 0; r < j->size; r++)
		CHECK_INT(p[r], 5);
	CHECK_INT(dvm_barrier(j->w), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* Prefetch, drop, pin, advise: nothing is lost by them. */
int mem_hints(struct job *j)
{
	dvm_seg_t *s;
	uint64_t pages = 64, len = pages * PAGE;

	CHECK_INT(make(j, pages, NULL, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	for (int turn = 0; turn < j->size * 2; turn++) {
		if (turn % j->size == j->rank) {
			CHECK_INT(dvm_seg_prefetch(s, 0, len, turn & 1), 0);
			CHECK_INT(dvm_seg_advise(s, 0, len, turn % 3), 0);
			for (uint64_t i = 0; i < pages; i++)
				p[i * PAGE / 8] += 1;
			CHECK_INT(dvm_seg_pin(s, 8, PAGE), 0);
			p[1] += 1;
			CHECK_INT(dvm_seg_unpin(s, 8, PAGE), 0);
			CHECK_INT(dvm_seg_drop(s, 0, len), 0);
		}
		CHECK_INT(dvm_barrier(j->w), 0);
	}
	for (uint64_t i = 0; i < pages; i++)
		CHECK_INT(p[i * PAGE / 8], 2 * j->size);
	CHECK_INT(p[1], 2 * j->size);
	for (uint64_t i = 0; i < pages; i++) {
		int home = dvm_seg_home(s, i * PAGE);
		CHECK(home >= 0 && home < j->size);
	}
	CHECK_INT(dvm_barrier(j->w), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* More than a rank may keep ($DVM_SHM_MEMORY): the rest goes home, and is right. */
int mem_larger(struct job *j)
{
	dvm_seg_t *s;
	dvm_seg_stat_t st = { .size = sizeof st };
	uint64_t pages = 2000, room = strtoull(getenv("DVM_SHM_MEMORY"), NULL, 10) / PAGE;

	CHECK_INT(make(j, pages, NULL, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	for (int turn = 0; turn < j->size; turn++) {
		for (uint64_t i = 0; i < pages && turn == j->rank; i++) {
			CHECK_INT(p[i * PAGE / 8], turn);
			p[i * PAGE / 8] = (uint64_t)turn + 1;
		}
		CHECK_INT(dvm_barrier(j->w), 0);
	}
	for (uint64_t i = 0; i < pages; i++)
		CHECK_INT(p[i * PAGE / 8], j->size);
	CHECK_INT(dvm_seg_stat(s, &st), 0);
	CHECK(st.evicted > 0);
	/* What it is home to, what it may have, and what is on its way. */
	CHECK(st.resident <= pages / (uint64_t)j->size + 1 + room + 300);
	CHECK_INT(dvm_barrier(j->w), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/*
 * Each rank may have so many MiB, by whatever counts: more than all have together is refused, and what
 * is more than one has can be used. 2: there is no such limit.
 */
int mem_limited(struct job *j)
{
	uint64_t mib = (uint64_t)arg(j, 4, 64), pages = mib * 256 * 5 / 4;
	dvm_error_t err = { 0 };
	dvm_seg_config_t c = { .size = sizeof c, .bytes = (mib * (uint64_t)j->size + 1) << 20,
			       .consistency = (uint32_t)arg(j, 5, DVM_SEG_SEQUENTIAL) };
	dvm_seg_t *s = NULL;

	CHECK_INT(dvm_seg_create(j->w, &c, &s, &err), -ENOMEM);
	CHECK(strstr(err.text, "MiB free"));
	c.bytes = pages * PAGE;
	CHECK_INT(dvm_seg_create(j->w, &c, &s, &err), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	for (int turn = 0; turn < j->size; turn++) {
		for (uint64_t i = 0; i < pages && turn == j->rank; i++) {
			CHECK_INT(p[i * PAGE / 8], turn ? mix(i, (uint64_t)turn) : 0);
			p[i * PAGE / 8] = mix(i, (uint64_t)turn + 1);
		}
		CHECK_INT(dvm_sync_release(s), 0);
		CHECK_INT(dvm_barrier(j->w), 0);
		CHECK_INT(dvm_sync_acquire(s), 0);
	}
	for (uint64_t i = 0; i < pages; i++)
		CHECK_INT(p[i * PAGE / 8], mix(i, (uint64_t)j->size));
	CHECK_INT(dvm_barrier(j->w), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* Is there until it is ended from outside. */
int mem_lives(struct job *j)
{
	dvm_seg_t *s;

	CHECK_INT(make(j, 8, "board", &s), 0);
	*(volatile uint64_t *)dvm_seg_base(s) = 1;
	for (;;)
		pause();
}
