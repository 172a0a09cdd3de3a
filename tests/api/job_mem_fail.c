/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments whose ranks are lost: what has a copy lives on, what has none is an error, soon. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <dvm/sync.h>

#include "tests/api/job.h"

#define PAGE 4096u

static sigjmp_buf back;
static volatile sig_atomic_t armed;

static void on_sigbus(int sig)
{
	if (!armed)
		_exit(99);
	(void)sig;
	siglongjmp(back, 1);
}

/* 1 and *VALUE, or 0: the page is lost. */
static int load(volatile uint64_t *p, uint64_t *value)
{
	if (sigsetjmp(back, 1)) {
		armed = 0;
		return 0;
	}
	armed = 1;
	*value = *p;
	armed = 0;
	return 1;
}

static int store(volatile uint64_t *p, uint64_t value)
{
	if (sigsetjmp(back, 1)) {
		armed = 0;
		return 0;
	}
	armed = 1;
	*p = value;
	armed = 0;
	return 1;
}

static int make(struct job *j, uint64_t pages, dvm_seg_t **s)
{
	dvm_seg_config_t c = {
		.size = sizeof c,
		.bytes = pages * PAGE,
		.flags = DVM_SEG_PROTOCOL | DVM_SEG_NO_PREFETCH, /* who has what is known */
		.faults = (uint32_t)arg(j, 0, DVM_FAULT_THREAD),
		.homes = (uint32_t)arg(j, 4, DVM_HOMES_ROUND_ROBIN),
		.consistency = (uint32_t)arg(j, 2, DVM_SEG_SEQUENTIAL),
	};
	struct sigaction sa = { .sa_handler = on_sigbus, .sa_flags = SA_NODEFER };

	sigaction(SIGBUS, &sa, NULL);
	return dvm_seg_create(j->w, &c, s, NULL);
}

/* The first N ranks wait for each other: who leaves takes its pages along. */
static int meet(struct job *j, int n)
{
	for (int r = 1; r < n && j->rank == 0; r++)
		CHECK_INT(dvm_recv(j->w, NULL, 0, r, 1, NULL), 0);
	for (int r = 1; r < n && j->rank == 0; r++)
		CHECK_INT(dvm_send(j->w, NULL, 0, r, 2), 0);
	if (j->rank) {
		CHECK_INT(dvm_send(j->w, NULL, 0, 0, 1), 0);
		CHECK_INT(dvm_recv(j->w, NULL, 0, 0, 2, NULL), 0);
	}
	return 0;
}

/* The last rank dies; each page has a number that it, or rank 0, has written. */
int dies_mem(struct job *j)
{
	enum { PAGES = 30, EACH = PAGE / 8 };
	int last = j->size - 1;
	uint64_t v, at;
	dvm_seg_t *s;

	CHECK_INT(make(j, PAGES, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	/* 0 … 9: of rank 0; 10 … 19: of the last, read by rank 0; 20 … 29: of the last alone. */
	for (uint64_t i = 0; i < PAGES; i++)
		if (j->rank == (i < 10 ? 0 : last))
			p[i * EACH] = i + 1;
	CHECK_INT(dvm_barrier(j->w), 0);
	for (uint64_t i = 10; i < 20 && j->rank == 0; i++)
		CHECK_INT(p[i * EACH], i + 1);
	CHECK_INT(dvm_barrier(j->w), 0);
	if (j->rank == last)
		raise(SIGKILL);
	while (dvm_peer_state(j->d, last) == DVM_ALIVE)
		usleep(100);
	for (uint64_t i = 0; i < PAGES; i++) {
		int there = load(p + i * EACH, &v);
		CHECK_INT(there, i < 20);
		if (there)
			CHECK_INT(v, i + 1);
	}
	CHECK_INT(dvm_seg_lost(s, 0, &at), 1);
	CHECK_INT(at, 20 * PAGE);
	/* Those that are left go on, and to the end. */
	for (int i = 0; i < 50; i++)
		__atomic_fetch_add(p + 1, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(p + 1, __ATOMIC_SEQ_CST) < 50 * (uint64_t)last)
		usleep(100);
	return meet(j, last);
}

/* The last rank dies at any time, while all read and write. No hang, and nothing goes back. */
int dies_mem_busy(struct job *j)
{
	enum { PAGES = 12, EACH = PAGE / 8, N = 6000 };
	uint64_t seed = (uint64_t)arg(j, 1, 1), mine[PAGES] = { 0 }, lost = 0, v;
	dvm_seg_t *s;

	CHECK_INT(make(j, PAGES, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	CHECK_INT(dvm_barrier(j->w), 0);
	for (uint64_t i = 0; i < N; i++) {
		uint64_t r = mix(seed * 64 + (uint64_t)j->rank, i), k = r % PAGES;
		if (j->rank == j->size - 1 && i == mix(seed, 77) % (N / 4))
			raise(SIGKILL);
		volatile uint64_t *own = p + k * EACH + (uint64_t)j->rank;
		if (!(load(own, &v))) {
			lost++;
			continue;
		}
		CHECK_INT(v, mine[k]);
		if (r >> 20 & 1 && store(own, v + 1))
			mine[k]++;
		if (i % 16 == 0) {
			CHECK_INT(dvm_sync_release(s), 0);
			CHECK_INT(dvm_sync_acquire(s), 0);
		}
	}
	CHECK(lost < N);
	return meet(j, j->size - 1);
}

/*
 * The last rank, home to a share of the pages, dies. What others have of the newest lives on; locks
 * and pages go on.
 */
int dies_mem_rc(struct job *j)
{
	enum { PAGES = 30, EACH = PAGE / 8 };
	int last = j->size - 1;
	dvm_seg_t *s;

	CHECK_INT(make(j, PAGES, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	for (uint64_t i = 0; i < PAGES; i++)
		if ((int)(i % (uint64_t)j->size) == j->rank)
			p[i * EACH] = i + 1;
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	/* All have all of it now. */
	for (uint64_t i = 0; i < PAGES; i++)
		CHECK_INT(p[i * EACH], i + 1);
	CHECK_INT(dvm_seg_barrier(s, 2, 0), 0);
	if (j->rank == last)
		raise(SIGKILL);
	while (dvm_peer_state(j->d, last) == DVM_ALIVE)
		usleep(100);
	for (uint64_t round = 0; round < 30; round++) {
		/* The homes of some locks died, too. */
		uint64_t id = 4;
		int rc;
		while ((rc = dvm_lock_acquire(s, id)) == -DVM_EPEERLOST && id < 100)
			id++;
		CHECK(rc == 0 || rc == -EOWNERDEAD);
		for (uint64_t i = 0; i < PAGES; i++) {
			CHECK_INT(p[i * EACH], i + 1);
			p[i * EACH + 1]++;
			CHECK_INT(p[i * EACH + 1], p[1]);
		}
		CHECK_INT(dvm_lock_release(s, id), 0);
	}
	return meet(j, last);
}

/* All have written and see it; what is sequential does without. */
static int agree(struct job *j, dvm_seg_t *s)
{
	CHECK_INT(dvm_sync_release(s), 0);
	CHECK_INT(dvm_barrier(j->w), 0);
	return dvm_sync_acquire(s);
}

/* The last rank leaves in order, and ends: nothing of what it had, of so many pages, is lost. */
int leaves_mem(struct job *j)
{
	enum { EACH = PAGE / 8, LOCKS = 12 };
	const uint64_t PAGES = (uint64_t)arg(j, 3, 40);
	int last = j->size - 1;
	uint64_t v, at;
	dvm_seg_t *s;

	CHECK_INT(make(j, PAGES, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	for (uint64_t i = 0; i < PAGES; i++)
		if (j->rank == (i % 4 ? last : 0))
			p[i * EACH] = i + 1;
	CHECK_INT(agree(j, s), 0);
	for (uint64_t i = 0; i < PAGES && j->rank == 0; i += 2)
		CHECK_INT(p[i * EACH], i + 1);
	CHECK_INT(agree(j, s), 0);
	/* What it has locked goes to who waits for it, as far as the locks live elsewhere. */
	for (uint64_t id = 0; id < LOCKS && j->rank == last; id++)
		CHECK_INT(dvm_lock_acquire(s, id), 0);
	CHECK_INT(agree(j, s), 0);
	if (j->rank == last) {
		CHECK_INT(dvm_seg_leave(s, last - 1), 0);
		return 0;
	}
	int got = 0;
	for (uint64_t id = 0; id < LOCKS && j->rank == 0; id++) {
		int rc = dvm_lock_acquire(s, id);
		CHECK(rc == 0 || rc == -DVM_EPEERLOST);
		got += rc == 0;
	}
	CHECK(j->rank || got);
	/* Also while it does. */
	for (int round = 0; round < 20 || dvm_peer_state(j->d, last) == DVM_ALIVE; round++)
		for (uint64_t i = 0; i < PAGES; i++) {
			CHECK_INT(load(p + i * EACH, &v), 1);
			CHECK_INT(v, i + 1);
			CHECK_INT(store(p + i * EACH + 1 + (uint64_t)j->rank, (uint64_t)round), 1);
		}
	for (uint64_t i = 0; i < PAGES; i++) {
		CHECK_INT(load(p + i * EACH, &v), 1);
		CHECK_INT(v, i + 1);
		CHECK(dvm_seg_home(s, i * PAGE) < last);
	}
	CHECK_INT(dvm_seg_lost(s, 0, &at), 0);
	return meet(j, last);
}

/* The last rank dies; the one before is home to part of what was its, here and there, and leaves then. */
int leaves_mem_later(struct job *j)
{
	enum { PAGES = 600, EACH = PAGE / 8 };
	int last = j->size - 1, leaver = last - 1;
	uint64_t v, at;
	dvm_seg_t *s;

	CHECK_INT(make(j, PAGES, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	for (uint64_t i = 0; i < PAGES && j->rank == 0; i++)
		p[i * EACH] = i + 1;
	CHECK_INT(agree(j, s), 0);
	if (j->rank == leaver)
		for (uint64_t i = 0; i < PAGES; i++)
			CHECK_INT(p[i * EACH], i + 1);
	CHECK_INT(agree(j, s), 0);
	if (j->rank == last)
		raise(SIGKILL);
	while (dvm_seg_home(s, (uint64_t)last * PAGE) == last)
		usleep(100);
	CHECK_INT(meet(j, last), 0);
	if (j->rank == leaver) {
		CHECK_INT(dvm_seg_leave(s, 0), 0);
		return 0;
	}
	while (dvm_peer_state(j->d, leaver) == DVM_ALIVE)
		usleep(100);
	for (uint64_t i = 0; i < PAGES; i++) {
		CHECK_INT(load(p + i * EACH, &v), 1);
		CHECK_INT(v, i + 1);
		CHECK(dvm_seg_home(s, i * PAGE) < leaver);
	}
	CHECK_INT(dvm_seg_lost(s, 0, &at), 0);
	return meet(j, leaver);
}

/* It is ended from outside: to touch it is an error, to destroy it is not. */
int ends_mem(struct job *j)
{
	uint64_t v = 0, at = 1;
	dvm_seg_t *s;

	CHECK_INT(make(j, 12, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	while (load(p + mix(v, (uint64_t)j->rank) % 12 * PAGE / 8, &v))
		usleep(1000);
	CHECK_INT(dvm_seg_lost(s, 0, &at), 1);
	CHECK_INT(at, 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}

/* One rank is stopped for a while in the midst of it: the others wait, and go on. */
int stops_mem(struct job *j)
{
	dvm_seg_t *s;

	CHECK_INT(make(j, 2, &s), 0);
	volatile uint64_t *p = dvm_seg_base(s);
	CHECK_INT(dvm_barrier(j->w), 0);
	for (int i = 0; i < 300; i++) {
		__atomic_fetch_add(p, 1, __ATOMIC_SEQ_CST);
		if (j->rank == 0 && i == 100) {
			pid_t self = getpid();
			pid_t child = fork();
			if (child == 0) {
				kill(self, SIGSTOP);
				usleep(300000);
				kill(self, SIGCONT);
				_exit(0);
			}
			CHECK(child > 0);
		}
	}
	CHECK_INT(dvm_barrier(j->w), 0);
	CHECK_INT(*p, 300 * j->size);
	CHECK_INT(dvm_seg_destroy(s), 0);
	return 0;
}
