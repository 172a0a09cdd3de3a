/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processes that share memory and wait for each other: every object by several processes and
 * threads, and processes that are killed while they hold, wait or arrive.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "shm/alloc.h"
#include "shm/syncer.h"
#include "tests/unit/cm.h"

enum { RANKS = 4, SPACE = 3, MANY = 20 };

struct board {
	_Atomic uint32_t dead[MANY]; /* told by the parent */
	_Atomic uint32_t stage;
	uint64_t plain, sum; /* under a lock */
	uint64_t version[8]; /* under a readers-writer lock */
	uint32_t tokens;
	_Atomic uint32_t met[MANY];
	uint32_t lines[600 * 64];
};

static struct board *board;
static void *mem, *books;
static uint32_t ranks;

static bool dead(void *arg, uint32_t rank)
{
	return atomic_load(&board->dead[rank]);
}

static void set_up(uint32_t n)
{
	ranks = n;
	board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	mem = mmap(NULL, dsm_syncer_bytes(n), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		   -1, 0);
	assert_true(board != MAP_FAILED && mem != MAP_FAILED);
}

static void tear_down(void)
{
	munmap(board, sizeof *board);
	munmap(mem, dsm_syncer_bytes(ranks));
}

#define MUST(x)                                                                                    \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "# %s:%d: %s\n", __FILE__, __LINE__, #x);                  \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* FN runs as each rank; its exit status is 0 or it was killed. */
static void run(uint32_t n, void (*fn)(struct dsm_syncer *s, uint32_t rank))
{
	pid_t pids[MANY];

	set_up(n);
	for (uint32_t r = 0; r < n; r++) {
		pids[r] = fork();
		if (pids[r])
			continue;
		struct dsm_syncer_plain c = { .self = r, .ranks = n, .mem = mem, .dead = dead };
		struct dsm_syncer *s;
		alarm(60);
		MUST(dsm_syncer_create_plain(&s, &c) == 0);
		fn(s, r);
		dsm_syncer_destroy(s);
		_exit(0);
	}
	for (uint32_t i = 0; i < n; i++) {
		int status;
		pid_t pid = wait(&status);
		for (uint32_t r = 0; r < n; r++)
			if (pids[r] == pid && WIFSIGNALED(status))
				atomic_store(&board->dead[r], 1);
		assert_true((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
			    (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
	}
	tear_down();
}

static int ask(struct dsm_syncer *s, uint64_t id, uint32_t op)
{
	return dsm_syncer_ask(s, SPACE, id, op, 0, 0, NULL);
}

static void count(struct dsm_syncer *s, uint32_t rank)
{
	for (int i = 0; i < 5000; i++) {
		MUST(ask(s, 1, DSM_SYNC_LOCK) == 0);
		board->plain++;
		MUST(dsm_syncer_unlock(s, SPACE, 1, DSM_SYNC_LOCK) == 0);
	}
	MUST(dsm_syncer_unlock(s, SPACE, 1, DSM_SYNC_LOCK) == -EPERM);
	MUST(dsm_syncer_meet(s, SPACE, 0) >= 0);
	MUST(board->plain == 5000u * ranks);
}

static void locks_count(void **state)
{
	run(1, count);
	run(2, count);
	run(RANKS, count);
}

static void read_and_write(struct dsm_syncer *s, uint32_t rank)
{
	for (int i = 0; i < 3000; i++) {
		bool write = i % 4 == (int)rank;
		uint32_t op = write ? DSM_SYNC_WRITE : DSM_SYNC_READ;
		MUST(ask(s, 1, op) == 0);
		for (int k = 1; k < 8; k++)
			MUST(board->version[k] == board->version[0]);
		for (int k = 0; k < 8 && write; k++)
			board->version[k]++;
		MUST(dsm_syncer_unlock(s, SPACE, 1, op) == 0);
	}
}

static void readers_see_whole_writes(void **state)
{
	run(RANKS, read_and_write);
}

static void meet(struct dsm_syncer *s, uint32_t rank)
{
	for (uint32_t i = 1; i <= 200; i++) {
		atomic_store(&board->met[rank], i);
		MUST(dsm_syncer_meet(s, SPACE, i % 2) >= 0);
		for (uint32_t r = 0; r < ranks; r++)
			MUST(atomic_load(&board->met[r]) - i <= 1);
	}
}

static void all_meet(void **state)
{
	run(2, meet);
	run(RANKS, meet);
	run(MANY, meet); /* more than one group */
}

static void pass_tokens(struct dsm_syncer *s, uint32_t rank)
{
	for (int i = 0; i < 1000; i++) {
		MUST(ask(s, 1, DSM_SYNC_LOCK) == 0);
		board->tokens++;
		MUST(dsm_syncer_unlock(s, SPACE, 1, DSM_SYNC_LOCK) == 0);
		MUST(dsm_syncer_ask(s, SPACE, 1, DSM_SYNC_SIGNAL, 1, 0, NULL) == 0);
		MUST(ask(s, 1, DSM_SYNC_LOCK) == 0);
		while (!board->tokens)
			MUST(dsm_syncer_wait(s, SPACE, 1, 1, DSM_SYNC_EVER) == 0);
		board->tokens--;
		MUST(dsm_syncer_unlock(s, SPACE, 1, DSM_SYNC_LOCK) == 0);
	}
	MUST(dsm_syncer_wait(s, SPACE, 1, 1, DSM_SYNC_EVER) == -EPERM);
	MUST(ask(s, 9 + rank, DSM_SYNC_LOCK) == 0);
	MUST(dsm_syncer_wait(s, SPACE, 9, 9 + rank, dvmi_clock_mono() + DVMI_MSEC) == -ETIMEDOUT);
	MUST(dsm_syncer_unlock(s, SPACE, 9 + rank, DSM_SYNC_LOCK) == 0);
}

static void conditions(void **state)
{
	run(1, pass_tokens);
	run(RANKS, pass_tokens);
}

static void add_up(struct dsm_syncer *s, uint32_t rank)
{
	uint64_t old, seen = 0;

	for (int i = 0; i < 3000; i++) {
		MUST(dsm_syncer_ask(s, SPACE, 5, DSM_SYNC_ADD, 1, 0, &old) == 0);
		MUST(i == 0 || old > seen);
		seen = old;
	}
	MUST(dsm_syncer_meet(s, SPACE, 0) >= 0);
	MUST(dsm_syncer_ask(s, SPACE, 5, DSM_SYNC_LOAD, 0, 0, &old) == 0 && old == 3000u * ranks);
	MUST(dsm_syncer_meet(s, SPACE, 0) >= 0);
	dsm_syncer_forget(s, SPACE);
	MUST(dsm_syncer_ask(s, SPACE, 5, DSM_SYNC_LOAD, 0, 0, &old) == 0 && old == 0);
}

static void cells(void **state)
{
	run(RANKS, add_up);
}

enum { UNIT = 4096, PAGES = 600, OBJECTS = 100 };

/* Who owns a cache line; nobody else may get it meanwhile. */
static void take_and_give(struct dsm_syncer *s, uint32_t rank)
{
	uint64_t at[OBJECTS], len[OBJECTS], n = 0;
	uint32_t *lines = board->lines;

	MUST(dsm_syncer_segment(s, SPACE, (uint64_t)PAGES * UNIT, UNIT, books) == 0);
	MUST(dsm_syncer_take(s, SPACE, 0, 16, at) == -EINVAL);
	MUST(dsm_syncer_take(s, SPACE + 1, 1, 16, at) == -EINVAL);
	MUST(dsm_syncer_give(s, SPACE, 8) == -EINVAL);
	for (uint32_t i = 0; i < 2000; i++) {
		if (n < OBJECTS && i % 3) {
			len[n] = 1 + i * 37 % 3000;
			MUST(dsm_syncer_take(s, SPACE, len[n], 16, &at[n]) == 0);
			for (uint64_t l = at[n] / 64; l <= (at[n] + len[n] - 1) / 64; l++)
				MUST(__atomic_exchange_n(&lines[l], rank + 1, __ATOMIC_SEQ_CST) ==
				     0);
			n++;
		} else if (n) {
			n--;
			for (uint64_t l = at[n] / 64; l <= (at[n] + len[n] - 1) / 64; l++)
				MUST(__atomic_exchange_n(&lines[l], 0, __ATOMIC_SEQ_CST) ==
				     rank + 1);
			MUST(dsm_syncer_give(s, SPACE, at[n]) == 0);
		}
	}
}

static void ranges(void **state)
{
	size_t bytes = dsm_alloc_bytes((uint64_t)PAGES * UNIT, UNIT, RANKS);

	books = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(books != MAP_FAILED);
	run(RANKS, take_and_give);
	munmap(books, bytes);
}

struct worker {
	pthread_t thread;
	struct dsm_syncer *s;
};

static void *count_in_thread(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < 2000; i++) {
		MUST(ask(w->s, 1, DSM_SYNC_LOCK) == 0);
		board->plain++;
		MUST(dsm_syncer_unlock(w->s, SPACE, 1, DSM_SYNC_LOCK) == 0);
		if (i % 100 == 0)
			MUST(dsm_syncer_ask(w->s, SPACE, 2, DSM_SYNC_BARRIER, 3 * ranks, 0, NULL) ==
			     0);
	}
	return NULL;
}

static void in_threads(struct dsm_syncer *s, uint32_t rank)
{
	struct worker w[3];

	for (int i = 0; i < 3; i++) {
		w[i].s = s;
		MUST(pthread_create(&w[i].thread, NULL, count_in_thread, &w[i]) == 0);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(w[i].thread, NULL);
	MUST(dsm_syncer_meet(s, SPACE, 0) >= 0);
	MUST(board->plain == 3 * 2000u * ranks);
}

static void threads(void **state)
{
	run(1, in_threads);
	run(2, in_threads);
}

/* Rank 0 dies with the lock, 1 while it waits, 2 and 3 get it and are told once. */
static void die_holding(struct dsm_syncer *s, uint32_t rank)
{
	if (rank == 0) {
		MUST(ask(s, 1, DSM_SYNC_LOCK) == 0);
		atomic_store(&board->stage, 1);
		usleep(20000);
		kill(getpid(), SIGKILL);
	}
	while (!atomic_load(&board->stage))
		sched_yield();
	if (rank == 1) {
		if (fork() == 0) {
			usleep(10000);
			kill(getppid(), SIGKILL);
			_exit(0);
		}
	}
	int rc = ask(s, 1, DSM_SYNC_LOCK);
	MUST(rank != 1 && rc >= 0);
	board->sum += rc == DSM_SYNC_OWNER_DEAD;
	MUST(board->sum == 1);
	MUST(dsm_syncer_unlock(s, SPACE, 1, DSM_SYNC_LOCK) == 0);
	MUST(dsm_syncer_meet(s, SPACE, 0) == -DVM_EPEERLOST);
	MUST(ask(s, 1, DSM_SYNC_LOCK) == 0);
	MUST(dsm_syncer_unlock(s, SPACE, 1, DSM_SYNC_LOCK) == 0);
}

static void holder_dies(void **state)
{
	run(RANKS, die_holding);
}

static void die_waiting(struct dsm_syncer *s, uint32_t rank)
{
	if (rank == 0) {
		while (atomic_load(&board->stage) < RANKS - 1)
			sched_yield();
		usleep(20000);
		kill(getpid(), SIGKILL);
	}
	if (rank == 1) {
		atomic_fetch_add(&board->stage, 1);
		MUST(dsm_syncer_meet(s, SPACE, 0) == -DVM_EPEERLOST);
		return;
	}
	MUST(ask(s, rank, DSM_SYNC_LOCK) == 0);
	atomic_fetch_add(&board->stage, 1);
	MUST(dsm_syncer_wait(s, SPACE, 1, rank, DSM_SYNC_EVER) == -DVM_EPEERLOST);
	MUST(dsm_syncer_unlock(s, SPACE, rank, DSM_SYNC_LOCK) == 0);
}

static void signaller_dies(void **state)
{
	run(RANKS, die_waiting);
}

/* Killed at any instruction, perhaps with the latch: then all fail, but nobody waits for ever. */
static void die_anywhere(struct dsm_syncer *s, uint32_t rank)
{
	if (rank == 0 && fork() == 0) {
		usleep((useconds_t)(1000 + dvmi_clock_mono() % 5000));
		kill(getppid(), SIGKILL);
		_exit(0);
	}
	for (int i = 0; rank == 0 || i < 3000; i++) {
		int rc = ask(s, 1, DSM_SYNC_LOCK);
		if (rc == -DVM_EPEERLOST)
			return;
		MUST(rc >= 0);
		rc = dsm_syncer_unlock(s, SPACE, 1, DSM_SYNC_LOCK);
		if (rc == -EPERM || rc == -DVM_EPEERLOST)
			return;
		MUST(rc == 0);
	}
}

static void killed_anywhere(void **state)
{
	for (int i = 0; i < 15; i++)
		run(RANKS, die_anywhere);
}

static void bad_arguments(void **state)
{
	struct dsm_syncer *s = NULL;

	set_up(2);
	struct dsm_syncer_plain c = { .self = 2, .ranks = 2, .mem = mem };
	assert_int_equal(dsm_syncer_create_plain(&s, &c), -EINVAL);
	c = (struct dsm_syncer_plain){ .self = 0, .ranks = 2 };
	assert_int_equal(dsm_syncer_create_plain(&s, &c), -EINVAL);
	c = (struct dsm_syncer_plain){ .self = 0, .ranks = 0, .mem = mem };
	assert_int_equal(dsm_syncer_create_plain(&s, &c), -EINVAL);
	assert_null(s);
	dsm_syncer_destroy(NULL);
	tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_arguments),
		cmocka_unit_test(locks_count),
		cmocka_unit_test(readers_see_whole_writes),
		cmocka_unit_test(all_meet),
		cmocka_unit_test(conditions),
		cmocka_unit_test(cells),
		cmocka_unit_test(ranges),
		cmocka_unit_test(threads),
		cmocka_unit_test(holder_dies),
		cmocka_unit_test(signaller_dies),
		cmocka_unit_test(killed_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
