/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lock of windows: rules and fairness against a model, many processes of which some die at any
 * instruction, and the arithmetic of updates against that of reductions.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libdvm/base/rng.h"
#include "libdvm/src/reduce_op.h"
#include "libdvm/src/rma_atomic.h"
#include "libdvm/src/rma_lock.h"
#include "tests/unit/cm.h"

enum { RANKS = 8 };

struct shared {
	_Atomic uint32_t dead; /* bits */
	_Atomic uint64_t writers, readers, entered;
	_Atomic uint32_t inside[RANKS]; /* 1 shared, 2 exclusive */
	_Atomic uint32_t wrong;
	struct dvmi_rma_lock lock;
	uint64_t words[RANKS];
};

static bool is_dead(void *arg, uint32_t rank)
{
	struct shared *s = arg;

	return s->dead >> rank & 1;
}

static void nobody_cares(void *arg, uint32_t rank)
{
}

static struct dvmi_rma_locker locker(struct shared *s, uint32_t self)
{
	return (struct dvmi_rma_locker){
		.l = &s->lock,
		.n = RANKS,
		.self = self,
		.gone = is_dead,
		.granted = nobody_cares,
		.arg = s,
	};
}

static void rules(void **state)
{
	struct shared s = { 0 };
	struct dvmi_rma_locker k = locker(&s, 0);

	(void)state;
	assert_int_equal(dvmi_rma_lock_ask(&k, 0, false), 0);
	assert_int_equal(dvmi_rma_lock_ask(&k, 0, true), -EALREADY);
	assert_int_equal(dvmi_rma_lock_ask(&k, 1, false), 0);
	assert_true(dvmi_rma_lock_has(&s.lock, 0) && dvmi_rma_lock_has(&s.lock, 1));
	assert_int_equal(dvmi_rma_lock_ask(&k, 2, true), 0);
	assert_int_equal(dvmi_rma_lock_ask(&k, 3, false), 0); /* behind the writer */
	assert_false(dvmi_rma_lock_has(&s.lock, 2) || dvmi_rma_lock_has(&s.lock, 3));
	assert_int_equal(dvmi_rma_lock_drop(&k, 0), 0);
	assert_false(dvmi_rma_lock_has(&s.lock, 2));
	assert_int_equal(dvmi_rma_lock_drop(&k, 1), 0);
	assert_true(dvmi_rma_lock_has(&s.lock, 2));
	assert_false(dvmi_rma_lock_has(&s.lock, 3));
	assert_int_equal(dvmi_rma_lock_drop(&k, 2), 0);
	assert_true(dvmi_rma_lock_has(&s.lock, 3));
	/* One that gives up while it waits lets those behind it through. */
	assert_int_equal(dvmi_rma_lock_ask(&k, 4, true), 0);
	assert_int_equal(dvmi_rma_lock_ask(&k, 5, false), 0);
	assert_int_equal(dvmi_rma_lock_drop(&k, 4), 0);
	assert_true(dvmi_rma_lock_has(&s.lock, 5));
	assert_int_equal(dvmi_rma_lock_drop(&k, 4), 0);
	/* A latch whose holder lives, one that is no rank, and one whose holder is dead. */
	s.lock.latch = 7;
	assert_int_equal(dvmi_rma_lock_ask(&k, 6, false), -EAGAIN);
	assert_int_equal(dvmi_rma_lock_drop(&k, 5), -EAGAIN);
	s.dead = 1 << 6;
	assert_int_equal(dvmi_rma_lock_drop(&k, 5), 0);
	s.lock.latch = 1000;
	assert_int_equal(dvmi_rma_lock_drop(&k, 3), -EAGAIN);
}

/* Random asking and dropping, with a list in order of asking as the model. */
static void model(void **state)
{
	struct shared s = { 0 };
	struct dvmi_rma_locker k = locker(&s, 0);
	struct {
		uint32_t rank;
		bool exclusive;
	} line[RANKS];
	uint32_t n = 0;
	struct dvmi_rng rng;

	(void)state;
	dvmi_rng_seed(&rng, 3);
	for (int step = 0; step < 20000; step++) {
		uint32_t r = (uint32_t)dvmi_rng_below(&rng, RANKS), at = 0;
		while (at < n && line[at].rank != r)
			at++;
		if (at < n) {
			assert_int_equal(dvmi_rma_lock_drop(&k, r), 0);
			memmove(&line[at], &line[at + 1], (--n - at) * sizeof line[0]);
		} else {
			line[n].rank = r;
			line[n].exclusive = dvmi_rng_below(&rng, 3) == 0;
			assert_int_equal(dvmi_rma_lock_ask(&k, r, line[n].exclusive), 0);
			n++;
		}
		bool writer_before = false;
		for (uint32_t i = 0; i < n; i++) {
			bool want = line[i].exclusive ? i == 0 : !writer_before;
			writer_before |= line[i].exclusive;
			assert_int_equal(dvmi_rma_lock_has(&s.lock, line[i].rank), want);
		}
	}
}

static void enter(struct shared *s, uint32_t self, bool exclusive)
{
	s->inside[self] = exclusive ? 2 : 1;
	for (uint32_t i = 0; i < RANKS; i++)
		if (i != self && !is_dead(s, i) && s->inside[i] &&
		    (exclusive || s->inside[i] == 2) && !is_dead(s, i))
			s->wrong++;
	s->entered++;
	s->inside[self] = 0;
}

static void work(struct shared *s, uint32_t self)
{
	struct dvmi_rma_locker k = locker(s, self);
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, self);
	for (;;) {
		bool exclusive = dvmi_rng_below(&rng, 2);
		while (dvmi_rma_lock_ask(&k, self, exclusive) == -EAGAIN)
			sched_yield();
		while (!dvmi_rma_lock_has(&s->lock, self))
			sched_yield();
		enter(s, self, exclusive);
		while (dvmi_rma_lock_drop(&k, self) == -EAGAIN)
			sched_yield();
	}
}

/* The survivors do what the library does when it hears of a death. */
static void bury(struct shared *s, uint32_t who, uint32_t by)
{
	struct dvmi_rma_locker k = locker(s, by);

	s->inside[who] = 0;
	atomic_fetch_or(&s->dead, 1u << who);
	for (int i = 0; dvmi_rma_lock_drop(&k, who) == -EAGAIN; i++) {
		assert_true(i < 1000000);
		sched_yield();
	}
}

static void let_them(struct shared *s, uint64_t more)
{
	uint64_t until = s->entered + more;

	for (int i = 0; s->entered < until; i++) {
		assert_true(i < 10000000);
		sched_yield();
	}
}

/* Processes, killed one after the other wherever they are; the rest goes on. */
static void deaths(void **state)
{
	(void)state;
	for (int round = 0; round < 10; round++) {
		struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		pid_t pid[RANKS];
		assert_true(s != MAP_FAILED);
		for (uint32_t i = 1; i < RANKS; i++) {
			pid[i] = fork();
			if (pid[i] == 0)
				work(s, i);
		}
		for (uint32_t i = 1; i < RANKS; i++) {
			let_them(s, 200);
			kill(pid[i], SIGKILL);
			waitpid(pid[i], NULL, 0);
			bury(s, i, 0);
		}
		struct dvmi_rma_locker k = locker(s, 0);
		assert_int_equal(dvmi_rma_lock_ask(&k, 0, true), 0);
		assert_true(dvmi_rma_lock_has(&s->lock, 0));
		assert_int_equal(s->wrong, 0);
		munmap(s, sizeof *s);
	}
}

/* Every type and operator: the same as a reduction of two; and what was there comes back. */
static void arithmetic(void **state)
{
	struct dvmi_rng rng;
	uint8_t _Alignas(8) a[64], b[65], want[64], old[65];

	(void)state;
	dvmi_rng_seed(&rng, 4);
	for (int i = 0; i < 200; i++)
		for (int t = DVM_INT8; t <= DVM_DOUBLE; t++)
			for (int o = DVM_SUM; o <= DVM_BXOR; o++) {
				dvmi_rma_fn *fn = dvmi_rma_fn_of((dvm_type_t)t, (dvm_op_t)o);
				dvmi_reduce_fn *ref = dvmi_reduce_fn_of((dvm_type_t)t, (dvm_op_t)o);
				assert_true(!fn == !ref);
				if (!fn)
					continue;
				for (int k = 0; k < 64; k++) {
					/* No NaN, which is not equal to itself: small exponents. */
					a[k] = (uint8_t)dvmi_rng_below(&rng, 64);
					b[k + 1] = (uint8_t)dvmi_rng_below(&rng, 64);
				}
				uint8_t _Alignas(8) before[64], c[64];
				memcpy(before, a, 64);
				memcpy(c, b + 1, 64);
				size_t n = 64 / (size_t)dvm_type_size((dvm_type_t)t);
				ref(want, a, c, n);
				fn(a, b + 1, old + 1, n);
				assert_memory_equal(a, want, 64);
				assert_memory_equal(old + 1, before, 64);
				memcpy(a, before, 64);
				fn(a, b + 1, NULL, n);
				assert_memory_equal(a, want, 64);
			}
	assert_null(dvmi_rma_fn_of((dvm_type_t)0, DVM_SUM));
	assert_null(dvmi_rma_fn_of(DVM_FLOAT_INT, DVM_SUM));
	assert_null(dvmi_rma_fn_of((dvm_type_t)-1, DVM_SUM));
	assert_null(dvmi_rma_fn_of(DVM_INT8, (dvm_op_t)0));
	assert_null(dvmi_rma_fn_of(DVM_INT8, DVM_MINLOC));
	assert_null(dvmi_rma_fn_of(DVM_INT8, (dvm_op_t)(DVM_NO_OP + 1)));
	assert_null(dvmi_rma_fn_of(DVM_INT8, (dvm_op_t)-1));
	assert_null(dvmi_reduce_fn_of(DVM_INT8, DVM_REPLACE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules),
		cmocka_unit_test(model),
		cmocka_unit_test(deaths),
		cmocka_unit_test(arithmetic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
