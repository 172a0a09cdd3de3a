/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks, barriers, conditions, cells and ranges between ranks, over plain memory and over the
 * protocol, and ranks that die in each of them. Argument 0: DVM_SEG_… flags.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <dvm/sync.h>

#include "tests/api/job.h"

enum { BYTES = 1 << 20, PAGE = 4096 };

static int make_seg(struct job *j, dvm_seg_t **s)
{
	dvm_seg_config_t c = { .size = sizeof c, .bytes = BYTES };
	dvm_error_t err = { 0 };

	c.flags = (uint32_t)arg(j, 0, 0);
	int rc = dvm_seg_create(j->w, &c, s, &err);
	if (rc < 0)
		fprintf(stderr, "rank %d: %s\n", j->rank, err.text);
	return rc;
}

static uint64_t *word(dvm_seg_t *s, int page)
{
	return (uint64_t *)((char *)dvm_seg_base(s) + (size_t)page * PAGE);
}

/* What is counted under a lock is counted exactly, also by readers and writers. */
int sync_locks(struct job *j)
{
	enum { N = 300 };
	dvm_seg_t *s;

	CHECK_INT(make_seg(j, &s), 0);
	volatile uint64_t *a = word(s, 0), *b = word(s, 1);
	for (int i = 0; i < N; i++) {
		CHECK_INT(dvm_lock_acquire(s, 7), 0);
		*a = *a + 1;
		CHECK_INT(dvm_lock_release(s, 7), 0);
		if (i % 3 == 0) {
			CHECK_INT(dvm_rwlock_write(s, 7), 0);
			b[0] = b[0] + 1;
			b[1] = b[1] + 1;
		} else {
			CHECK_INT(dvm_rwlock_read(s, 7), 0);
			CHECK_INT(b[0], b[1]);
		}
		CHECK_INT(dvm_rwlock_release(s, 7), 0);
	}
	CHECK_INT(dvm_lock_release(s, 7), -EPERM);
	CHECK_INT(dvm_seg_barrier(s, 0, 0), 0);
	CHECK_INT(*a, N * j->size);
	CHECK_INT(*b, N / 3 * j->size);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* Nobody is past a barrier before all have come; cells count; who is odd meets by itself. */
int sync_barriers(struct job *j)
{
	enum { N = 60 };
	uint64_t v, half = (uint64_t)(j->size + 1 - j->rank % 2) / 2;
	dvm_seg_t *s;

	CHECK_INT(make_seg(j, &s), 0);
	for (uint64_t i = 1; i <= N; i++) {
		CHECK_INT(dvm_atomic_add(s, 1, 1, NULL), 0);
		CHECK_INT(dvm_seg_barrier(s, i % 2, i % 4 ? 0 : (uint32_t)j->size), 0);
		CHECK_INT(dvm_atomic_load(s, 1, &v), 0);
		CHECK(v >= i * (uint64_t)j->size && v < (i + 1) * (uint64_t)j->size);
		CHECK_INT(dvm_seg_barrier(s, 100 + (uint64_t)(j->rank % 2), (uint32_t)half), 0);
	}
	CHECK_INT(dvm_seg_barrier(s, 0, 0), 0);
	CHECK_INT(dvm_atomic_swap(s, 1, 5, &v), 0);
	CHECK(v == 5 || v == (uint64_t)(N * j->size));
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

enum { PLACES = 3, NOT_FULL = 1, NOT_EMPTY = 2, LOCK = 3 };

/* Words of a queue of few places, each on a page of its own. */
struct queue {
	dvm_seg_t *s;
	volatile uint64_t *n, *place, *taken, *sum;
};

static int put(struct job *j, const struct queue *q, uint64_t value)
{
	CHECK_INT(dvm_lock_acquire(q->s, LOCK), 0);
	while (*q->n == PLACES)
		CHECK_INT(dvm_cond_wait(q->s, NOT_FULL, LOCK, 20000), 0);
	q->place[*q->n] = value;
	*q->n = *q->n + 1;
	CHECK_INT(dvm_cond_signal(q->s, NOT_EMPTY), 0);
	CHECK_INT(dvm_lock_release(q->s, LOCK), 0);
	return 0;
}

/* The last one lets all others know. */
static int take(struct job *j, const struct queue *q, uint64_t all)
{
	CHECK_INT(dvm_lock_acquire(q->s, LOCK), 0);
	while (*q->n == 0 && *q->taken < all)
		CHECK_INT(dvm_cond_wait(q->s, NOT_EMPTY, LOCK, 20000), 0);
	if (*q->n) {
		*q->n = *q->n - 1;
		*q->sum = *q->sum + q->place[*q->n];
		*q->taken = *q->taken + 1;
	}
	CHECK_INT(dvm_cond_signal(q->s, NOT_FULL), 0);
	if (*q->taken == all)
		CHECK_INT(dvm_cond_broadcast(q->s, NOT_EMPTY), 0);
	CHECK_INT(dvm_lock_release(q->s, LOCK), 0);
	return 0;
}

/* Even ranks put, odd ones take. */
int sync_conditions(struct job *j)
{
	enum { N = 100 };
	uint64_t all = (uint64_t)((j->size + 1) / 2 * N);
	dvm_seg_t *s;

	CHECK_INT(make_seg(j, &s), 0);
	struct queue q = { s, word(s, 0), word(s, 1), word(s, 2), word(s, 3) };
	for (uint64_t i = 1; i <= N && j->rank % 2 == 0; i++)
		if (put(j, &q, i))
			return 1;
	for (uint64_t seen = 0; seen < all && j->rank % 2; seen = *q.taken)
		if (take(j, &q, all))
			return 1;
	CHECK_INT(dvm_seg_barrier(s, 0, 0), 0);
	CHECK_INT(*q.n, 0);
	CHECK_INT(*q.taken, all);
	CHECK_INT(*q.sum, all * (N + 1) / 2);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* Ranges of all ranks, filled, checked, given back by others. */
int sync_ranges(struct job *j)
{
	enum { N = 40 };
	int next = (j->rank + 1) % j->size;
	uint64_t at;
	dvm_seg_t *s;
	void *p[N];

	CHECK_INT(make_seg(j, &s), 0);
	for (int i = 0; i < N; i++) {
		size_t len = 1 + (size_t)(i * 97) % 1500;
		CHECK_INT(dvm_seg_alloc(s, len, 0, &p[i]), 0);
		fill(p[i], len, mix((uint64_t)j->rank, (uint64_t)i));
		CHECK_INT(dvm_atomic_swap(s, (uint64_t)(j->rank * N + i), (uintptr_t)p[i], NULL),
			  0);
	}
	CHECK_INT(dvm_seg_barrier(s, 0, 0), 0);
	for (int i = 0; i < N; i++) {
		size_t len = 1 + (size_t)(i * 97) % 1500;
		CHECK(filled(p[i], len, mix((uint64_t)j->rank, (uint64_t)i)));
		CHECK_INT(dvm_atomic_load(s, (uint64_t)(next * N + i), &at), 0);
		CHECK(filled((void *)(uintptr_t)at, len, mix((uint64_t)next, (uint64_t)i)));
	}
	CHECK_INT(dvm_seg_barrier(s, 0, 0), 0);
	for (int i = 0; i < N; i++) {
		CHECK_INT(dvm_atomic_load(s, (uint64_t)(next * N + i), &at), 0);
		CHECK_INT(dvm_seg_free(s, (void *)(uintptr_t)at), 0);
		CHECK_INT(dvm_seg_free(s, (void *)(uintptr_t)at), -EINVAL);
	}
	CHECK_INT(dvm_seg_barrier(s, 0, 0), 0);
	void *all = NULL;
	if (j->rank == 0)
		CHECK_INT(dvm_seg_alloc(s, BYTES, 0, &all), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

struct helper {
	struct job *j;
	dvm_seg_t *s;
	pthread_t thread;
	int rc;
};

static int count_for_a_while(struct job *j, dvm_seg_t *s)
{
	volatile uint64_t *n = word(s, 0);

	for (int i = 0; i < 100; i++) {
		CHECK_INT(dvm_lock_acquire(s, 1), 0);
		*n = *n + 1;
		CHECK_INT(dvm_lock_release(s, 1), 0);
		if (i % 10 == 0)
			CHECK_INT(dvm_seg_barrier(s, 1, 3 * (uint32_t)j->size), 0);
	}
	return 0;
}

static void *help(void *at)
{
	struct helper *h = at;

	h->rc = count_for_a_while(h->j, h->s);
	return NULL;
}

int sync_threads(struct job *j)
{
	struct helper h[3];
	dvm_seg_t *s;

	CHECK_INT(make_seg(j, &s), 0);
	for (int i = 0; i < 3; i++) {
		h[i] = (struct helper){ .j = j, .s = s };
		CHECK_INT(pthread_create(&h[i].thread, NULL, help, &h[i]), 0);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(h[i].thread, NULL);
		CHECK_INT(h[i].rc, 0);
	}
	CHECK_INT(dvm_seg_barrier(s, 0, 0), 0);
	CHECK_INT(*word(s, 0), 300 * j->size);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

static void die(void)
{
	fflush(NULL);
	kill(getpid(), SIGKILL);
}

/* The error of a loss, from objects that die with their home or were shared with the dead. */
static int lost(int rc)
{
	return rc == -DVM_EPEERLOST || rc == -DVM_ECLOSED;
}

/*
 * Argument 1: rank 1 dies with locks, in a barrier, or while others wait for its signal. All must
 * hear of it, and locks at homes that live go on.
 */
int dies_sync(struct job *j)
{
	long how = arg(j, 1, 0);
	int inherited = 0;
	dvm_seg_t *s;

	CHECK_INT(make_seg(j, &s), 0);
	for (uint64_t id = 0; id < 20 && j->rank == 1; id++)
		CHECK_INT(dvm_lock_acquire(s, id), 0);
	CHECK_INT(dvm_seg_barrier(s, 0, 0), 0);
	if (j->rank == 1 && how == 0) {
		usleep(20000);
		die();
	}
	if (how == 0) {
		for (uint64_t id = 0; id < 20; id++) {
			int rc = dvm_lock_acquire(s, id);
			CHECK(rc == 0 || rc == -EOWNERDEAD || lost(rc));
			inherited += rc == -EOWNERDEAD;
			if (!lost(rc))
				CHECK_INT(dvm_lock_release(s, id), 0);
		}
		CHECK(inherited > 0 || j->size > 2);
	} else if (how == 1) {
		if (j->rank == 1)
			die();
		CHECK(lost(dvm_seg_barrier(s, 1, 0)));
	} else {
		if (j->rank == 1) {
			usleep(20000);
			die();
		}
		uint64_t id = 100 + (uint64_t)j->rank;
		int rc = dvm_lock_acquire(s, id);
		for (; lost(rc) && id < 1000; rc = dvm_lock_acquire(s, id))
			id += 100;
		CHECK_INT(rc, 0);
		CHECK(lost(dvm_cond_wait(s, 1, id, 30000)));
		/* It may have been at home with the dead one. */
		rc = dvm_lock_release(s, id);
		CHECK(rc == 0 || rc == -EPERM);
	}
	CHECK(lost(dvm_seg_barrier(s, 2, 0)));
	return 0;
}
