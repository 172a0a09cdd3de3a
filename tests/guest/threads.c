/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads of one process, one on each CPU: counters by atomic instructions, under a mutex, and handed
 * on by a condition must be exact; and of the outcomes of two threads' loads and stores there are
 * those that an x86 processor may show, and no others.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tests/guest/programs.h"
#include "tests/guest/threads.h"

#define THREADS_MAX 16
#define LINE	    4096 /* what is shared lies in pages of its own */

/* ---- all at once ---- */

static struct {
	_Alignas(LINE) _Atomic unsigned counter;
	_Alignas(LINE) pthread_mutex_t mutex;
	unsigned guarded;
	_Alignas(LINE) pthread_mutex_t turn_mutex;
	pthread_cond_t turned;
	unsigned turn;
	_Alignas(LINE) pthread_barrier_t begin;
} all = { .mutex = PTHREAD_MUTEX_INITIALIZER,
	  .turn_mutex = PTHREAD_MUTEX_INITIALIZER,
	  .turned = PTHREAD_COND_INITIALIZER };

struct worker {
	pthread_t thread;
	unsigned index, of, rounds;
	bool pinned;
};

static void wait_my_turn(const struct worker *w)
{
	pthread_mutex_lock(&all.turn_mutex);
	while (all.turn % w->of != w->index)
		pthread_cond_wait(&all.turned, &all.turn_mutex);
	all.turn++;
	pthread_cond_broadcast(&all.turned);
	pthread_mutex_unlock(&all.turn_mutex);
}

static void *count(void *arg)
{
	struct worker *w = arg;

	w->pinned = guest_pin(w->index);
	pthread_barrier_wait(&all.begin);
	for (unsigned i = 0; i < w->rounds; i++) {
		for (unsigned k = 0; k < 100; k++)
			atomic_fetch_add(&all.counter, 1);
		pthread_mutex_lock(&all.mutex);
		all.guarded++;
		pthread_mutex_unlock(&all.mutex);
		wait_my_turn(w);
	}
	return NULL;
}

void guest_threads(unsigned rounds)
{
	struct worker w[THREADS_MAX];
	unsigned cpus = guest_cpus(), n = cpus < THREADS_MAX ? cpus : THREADS_MAX;
	bool good = true;

	all.counter = all.guarded = all.turn = 0;
	pthread_barrier_init(&all.begin, NULL, n);
	for (unsigned i = 0; i < n; i++) {
		w[i] = (struct worker){ .index = i, .of = n, .rounds = rounds };
		good &= pthread_create(&w[i].thread, NULL, count, &w[i]) == 0;
	}
	for (unsigned i = 0; good && i < n; i++) {
		pthread_join(w[i].thread, NULL);
		good &= w[i].pinned;
	}
	good &= all.counter == 100 * n * rounds && all.guarded == n * rounds &&
		all.turn == n * rounds;
	printf("guest: threads %u of %u rounds, atomic %u, mutex %u, turns %u: %s\n", n, rounds,
	       all.counter, all.guarded, all.turn, good ? "good" : "bad");
}

/* ---- for a while ---- */

#define FOUGHT 16 /* pages */

static struct {
	_Alignas(LINE) _Atomic uint64_t n;
} fought[FOUGHT];

struct spender {
	pthread_t thread;
	unsigned cpu, seconds;
	uint64_t done;
};

static void *fight(void *arg)
{
	struct spender *s = arg;
	const double end = guest_now_ms() + s->seconds * 1e3;

	if (!guest_pin(s->cpu))
		return NULL;
	for (; guest_now_ms() < end; s->done += FOUGHT)
		for (unsigned i = 0; i < FOUGHT; i++)
			atomic_fetch_add(&fought[i].n, 1);
	return NULL;
}

static void *toil(void *arg)
{
	struct spender *s = arg;
	const double end = guest_now_ms() + s->seconds * 1e3;
	uint64_t x = s->cpu + 1;

	if (!guest_pin(s->cpu))
		return NULL;
	while (guest_now_ms() < end)
		for (unsigned i = 0; i < 1000000; i++)
			x = x * UINT64_C(6364136223846793005) + 1;
	s->done = x;
	return NULL;
}

/* On the CPUs from the first on, STEP apart. The sum of what they have done; *GOOD: all have begun. */
static uint64_t spend(void *(*how)(void *), unsigned step, unsigned seconds, bool *good)
{
	struct spender s[THREADS_MAX];
	unsigned cpus = guest_cpus(), n = 0;
	uint64_t done = 0;

	*good = true;
	for (unsigned cpu = 0; cpu < cpus && n < THREADS_MAX; cpu += step, n++) {
		s[n] = (struct spender){ .cpu = cpu, .seconds = seconds };
		*good &= pthread_create(&s[n].thread, NULL, how, &s[n]) == 0;
	}
	for (unsigned i = 0; *good && i < n; i++) {
		pthread_join(s[i].thread, NULL);
		done += s[i].done;
		*good &= s[i].done != 0;
	}
	return done;
}

void guest_fight(unsigned seconds)
{
	unsigned cpus = guest_cpus();
	uint64_t sum = 0;
	bool good;

	for (unsigned i = 0; i < FOUGHT; i++)
		fought[i].n = 0;
	uint64_t done = spend(fight, cpus > 1 ? cpus - 1 : 1, seconds, &good);
	for (unsigned i = 0; i < FOUGHT; i++)
		sum += fought[i].n;
	printf("guest: fight %llu additions: %s\n", (unsigned long long)done,
	       good && sum == done ? "good" : "bad");
}

void guest_toil(unsigned seconds)
{
	bool good;

	(void)spend(toil, 1, seconds, &good);
	printf("guest: toil: %s\n", good ? "good" : "bad");
}

/* ---- shapes of two threads ---- */

static struct {
	_Alignas(LINE) volatile unsigned x;
	_Alignas(LINE) volatile unsigned y;
	_Alignas(LINE) _Atomic unsigned at[2]; /* rounds begun */
	_Alignas(LINE) unsigned seen[2][2];
} l;

static void fence(void)
{
	atomic_thread_fence(memory_order_seq_cst);
}

static void compiler(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

/* What each of the two does, and what they must not have seen. A thread reads R[0], then R[1]. */
struct shape {
	const char *name;
	void (*run[2])(unsigned v, unsigned r[2]);
	bool (*forbidden)(unsigned v, const unsigned a[2], const unsigned b[2]);
};

static void write_xy(unsigned v, unsigned r[2])
{
	l.x = v;
	compiler();
	l.y = v;
}

static void read_yx(unsigned v, unsigned r[2])
{
	r[0] = l.y;
	compiler();
	r[1] = l.x;
}

static void x_then_y(unsigned v, unsigned r[2])
{
	l.x = v;
	fence();
	r[0] = l.y;
}

static void y_then_x(unsigned v, unsigned r[2])
{
	l.y = v;
	fence();
	r[0] = l.x;
}

static void read_x_write_y(unsigned v, unsigned r[2])
{
	r[0] = l.x;
	compiler();
	l.y = v;
}

static void read_y_write_x(unsigned v, unsigned r[2])
{
	r[0] = l.y;
	compiler();
	l.x = v;
}

static void read_xx(unsigned v, unsigned r[2])
{
	r[0] = l.x;
	compiler();
	r[1] = l.x;
}

static bool passed_on(unsigned v, const unsigned a[2], const unsigned b[2])
{
	return b[0] == v && b[1] != v;
}

static bool both_old(unsigned v, const unsigned a[2], const unsigned b[2])
{
	return a[0] != v && b[0] != v;
}

static bool both_new(unsigned v, const unsigned a[2], const unsigned b[2])
{
	return a[0] == v && b[0] == v;
}

static const struct shape shapes[] = {
	{ "MP", { write_xy, read_yx }, passed_on },
	{ "SB+fences", { x_then_y, y_then_x }, both_old },
	{ "LB", { read_x_write_y, read_y_write_x }, both_new },
	{ "CoRR", { write_xy, read_xx }, passed_on },
};

struct player {
	const struct shape *shape;
	unsigned index, cpu, rounds, bad;
};

/* Both begin round V when the other one has, and look at the results when both have ended it. */
static void meet(unsigned self, unsigned step)
{
	atomic_store(&l.at[self], step);
	while (atomic_load(&l.at[!self]) < step)
		sched_yield();
}

static void *play(void *arg)
{
	struct player *p = arg;

	guest_pin(p->cpu);
	for (unsigned v = 1; v <= p->rounds; v++) {
		unsigned r[2] = { 0, 0 };
		meet(p->index, 3 * v - 2);
		p->shape->run[p->index](v, r);
		memcpy(l.seen[p->index], r, sizeof r);
		meet(p->index, 3 * v - 1);
		p->bad += p->index == 0 && p->shape->forbidden(v, l.seen[0], l.seen[1]);
		meet(p->index, 3 * v);
	}
	return NULL;
}

static unsigned try_shape(const struct shape *s, unsigned last_cpu, unsigned rounds)
{
	struct player p[2] = { { s, 0, 0, rounds, 0 }, { s, 1, last_cpu, rounds, 0 } };
	pthread_t other;

	l.x = l.y = 0;
	l.at[0] = l.at[1] = 0;
	if (pthread_create(&other, NULL, play, &p[1]) != 0)
		return 1;
	play(&p[0]);
	pthread_join(other, NULL);
	return p[0].bad;
}

void guest_litmus(unsigned rounds)
{
	unsigned bad = 0, last = guest_cpus() - 1;

	printf("guest: litmus");
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
		unsigned n = try_shape(&shapes[i], last, rounds);
		printf(" %s %u", shapes[i].name, n);
		bad += n;
	}
	printf(" of %u: %s\n", rounds, bad ? "bad" : "good");
}
