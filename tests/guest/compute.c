/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parallel computations that check themselves, in whole numbers, so that a single wrong byte shows:
 * the product of two matrices, a transform over a prime field (there and back), a sort. Threads touch
 * first what is theirs, so that a kernel that knows where CPUs and memory are puts it beside them.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/guest/programs.h"

#define THREADS_MAX 4u

struct team; /* those who compute together */

struct member {
	pthread_t thread;
	struct team *team;
	unsigned index, cpu;
};

struct team {
	const struct task *task;
	unsigned n;
	pthread_barrier_t all;
	struct member member[THREADS_MAX];
	void *a, *b, *c; /* the task's memory; nobody has touched it */
	double began, took;
	_Atomic unsigned wrong;
};

/* fill: what is mine, touched first; run: timed; check: adds to team->wrong what is not right. */
struct task {
	const char *name;
	size_t bytes; /* of each of the three */
	void (*fill)(struct team *t, unsigned self);
	void (*run)(struct team *t, unsigned self);
	void (*check)(struct team *t, unsigned self);
};

static void meet(struct team *t)
{
	pthread_barrier_wait(&t->all);
}

/* Of N things those that are SELF's: [*FIRST, *END). */
static void share(const struct team *t, unsigned self, unsigned n, unsigned *first, unsigned *end)
{
	*first = n / t->n * self;
	*end = self + 1 == t->n ? n : *first + n / t->n;
}

/* ---- a matrix product, modulo 2^32 ---- */

enum { SIDE = 640 };

static void fill_matrices(struct team *t, unsigned self)
{
	uint32_t (*a)[SIDE] = t->a, (*b)[SIDE] = t->b, (*c)[SIDE] = t->c;
	uint64_t seed = self + 1;
	unsigned i, end;

	for (share(t, self, SIDE, &i, &end); i < end; i++)
		for (unsigned k = 0; k < SIDE; k++) {
			a[i][k] = (uint32_t)guest_next(&seed);
			b[i][k] = (uint32_t)guest_next(&seed);
			c[i][k] = 0;
		}
}

static void multiply(struct team *t, unsigned self)
{
	uint32_t (*a)[SIDE] = t->a, (*b)[SIDE] = t->b, (*c)[SIDE] = t->c;
	unsigned i, end;

	for (share(t, self, SIDE, &i, &end); i < end; i++)
		for (unsigned k = 0; k < SIDE; k++)
			for (unsigned j = 0; j < SIDE; j++)
				c[i][j] += a[i][k] * b[k][j];
}

/* C·x = A·(B·x) for a random x; each row that is wrong is found with a chance of 1 - 2^-32. */
static void check_product(struct team *t, unsigned self)
{
	uint32_t (*a)[SIDE] = t->a, (*b)[SIDE] = t->b, (*c)[SIDE] = t->c;
	static uint32_t x[SIDE], bx[SIDE];
	uint64_t seed = 99;

	if (self)
		return;
	for (unsigned i = 0; i < SIDE; i++)
		x[i] = (uint32_t)guest_next(&seed) | 1;
	memset(bx, 0, sizeof bx);
	for (unsigned i = 0; i < SIDE; i++)
		for (unsigned k = 0; k < SIDE; k++)
			bx[i] += b[i][k] * x[k];
	for (unsigned i = 0; i < SIDE; i++) {
		uint32_t want = 0, got = 0;
		for (unsigned k = 0; k < SIDE; k++) {
			want += a[i][k] * bx[k];
			got += c[i][k] * x[k];
		}
		t->wrong += want != got;
	}
}

/* ---- a transform modulo a prime: by rows, turned over, by rows ---- */

enum { PRIME = 998244353, ROOT = 3, ROW = 512 }; /* ROW x ROW points */

static uint32_t times(uint32_t a, uint32_t b)
{
	return (uint32_t)((uint64_t)a * b % PRIME);
}

static uint32_t power(uint32_t a, uint32_t n)
{
	uint32_t r = 1;

	for (; n; n /= 2, a = times(a, a))
		if (n & 1)
			r = times(r, a);
	return r;
}

/* Of N points (a power of two) in place; W is an N-th root of one. */
static void transform(uint32_t *x, unsigned n, uint32_t w)
{
	for (unsigned i = 1, j = 0; i < n; i++) {
		unsigned bit = n / 2;
		for (; j & bit; bit /= 2)
			j ^= bit;
		j ^= bit;
		if (i < j) {
			uint32_t swap = x[i];
			x[i] = x[j];
			x[j] = swap;
		}
	}
	for (unsigned len = 2; len <= n; len *= 2) {
		uint32_t step = power(w, n / len), f = 1;
		for (unsigned k = 0; k < len / 2; k++, f = times(f, step))
			for (unsigned i = k; i < n; i += len) {
				uint32_t u = x[i], v = times(x[i + len / 2], f);
				x[i] = (u + v) % PRIME;
				x[i + len / 2] = (u + PRIME - v) % PRIME;
			}
	}
}

static void turn_over(struct team *t, unsigned self, const void *from, void *to)
{
	const uint32_t (*f)[ROW] = from;
	uint32_t (*g)[ROW] = to;
	unsigned i, end;

	for (share(t, self, ROW, &i, &end); i < end; i++)
		for (unsigned k = 0; k < ROW; k++)
			g[i][k] = f[k][i];
}

/* All ROW * ROW points of A, by way of B: into A, their places turned over. */
static void transform_all(struct team *t, unsigned self, uint32_t root)
{
	uint32_t (*b)[ROW] = t->b, w = power(root, ROW), r = root;
	unsigned first, end;

	share(t, self, ROW, &first, &end);
	turn_over(t, self, t->a, b);
	r = power(root, first);
	for (unsigned i = first; i < end; i++, r = times(r, root)) {
		uint32_t f = 1;
		transform(b[i], ROW, w);
		for (unsigned k = 0; k < ROW; k++, f = times(f, r))
			b[i][k] = times(b[i][k], f);
	}
	meet(t);
	turn_over(t, self, b, t->a);
	for (unsigned i = first; i < end; i++)
		transform(((uint32_t (*)[ROW])t->a)[i], ROW, w);
	meet(t);
	turn_over(t, self, t->a, b);
	meet(t);
	for (unsigned i = first; i < end; i++)
		memcpy(((uint32_t (*)[ROW])t->a)[i], b[i], sizeof b[i]);
	meet(t);
}

static void fill_points(struct team *t, unsigned self)
{
	uint32_t (*a)[ROW] = t->a, (*c)[ROW] = t->c;
	uint64_t seed = self + 7;
	unsigned i, end;

	for (share(t, self, ROW, &i, &end); i < end; i++)
		for (unsigned k = 0; k < ROW; k++)
			a[i][k] = c[i][k] = (uint32_t)(guest_next(&seed) % PRIME);
}

static void there_and_back(struct team *t, unsigned self)
{
	uint32_t root = power(ROOT, (PRIME - 1) / (ROW * ROW));

	transform_all(t, self, root);
	transform_all(t, self, power(root, PRIME - 2));
}

/* Back again, every point is what it was, times their number. */
static void check_points(struct team *t, unsigned self)
{
	uint32_t (*a)[ROW] = t->a, (*c)[ROW] = t->c;
	unsigned i, end;

	for (share(t, self, ROW, &i, &end); i < end; i++)
		for (unsigned k = 0; k < ROW; k++)
			t->wrong += a[i][k] != times(c[i][k], ROW * ROW);
}

/* ---- a sort: each its part, then each the keys of a range ---- */

enum { KEYS = 1 << 19 };

struct sort_sums {
	uint64_t before[THREADS_MAX];
};

static int by_key(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void fill_keys(struct team *t, unsigned self)
{
	uint32_t *a = t->a;
	struct sort_sums *s = t->c;
	uint64_t seed = self + 3, sum = 0;
	unsigned i, end;

	for (share(t, self, KEYS, &i, &end); i < end; i++)
		sum += a[i] = (uint32_t)(guest_next(&seed) >> 16);
	s->before[self] = sum;
}

/* The first of N sorted keys that is not below KEY. */
static unsigned lower(const uint32_t *x, unsigned n, uint64_t key)
{
	unsigned low = 0;

	while (n) {
		unsigned half = n / 2;
		if (x[low + half] < key) {
			low += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return low;
}

/* The keys are spread evenly, so that ranges of equal width do. */
static uint64_t border(const struct team *t, unsigned i)
{
	return (UINT64_C(1) << 32) / t->n * i;
}

/* Parts of all that are of SELF's range, merged into B from AT on. */
static void merge(struct team *t, unsigned self, unsigned at)
{
	const uint32_t *a = t->a;
	uint32_t *b = t->b;
	unsigned next[THREADS_MAX], last[THREADS_MAX];

	for (unsigned i = 0; i < t->n; i++) {
		unsigned first, end;
		share(t, i, KEYS, &first, &end);
		next[i] = first + lower(a + first, end - first, border(t, self));
		last[i] = self + 1 == t->n ? end :
					     first + lower(a + first, end - first, border(t, self + 1));
	}
	for (;;) {
		unsigned best = t->n;
		for (unsigned i = 0; i < t->n; i++)
			if (next[i] < last[i] && (best == t->n || a[next[i]] < a[next[best]]))
				best = i;
		if (best == t->n)
			return;
		b[at++] = a[next[best]++];
	}
}

static void sort_keys(struct team *t, unsigned self)
{
	uint32_t *a = t->a;
	unsigned first, end, at = 0;

	share(t, self, KEYS, &first, &end);
	qsort(a + first, end - first, sizeof *a, by_key);
	meet(t);
	for (unsigned i = 0; i < t->n; i++) {
		share(t, i, KEYS, &first, &end);
		at += lower(a + first, end - first, border(t, self));
	}
	merge(t, self, at);
	meet(t);
}

static void check_keys(struct team *t, unsigned self)
{
	const uint32_t *b = t->b;
	struct sort_sums *s = t->c;
	uint64_t before = 0, sum = b[0];

	if (self)
		return;
	for (unsigned i = 0; i < t->n; i++)
		before += s->before[i];
	for (unsigned i = 1; i < KEYS; i++) {
		t->wrong += b[i - 1] > b[i];
		sum += b[i];
	}
	t->wrong += sum != before;
}

/* ---- all ---- */

static const struct task tasks[] = {
	{ "matrix", sizeof(uint32_t[SIDE][SIDE]), fill_matrices, multiply, check_product },
	{ "transform", sizeof(uint32_t[ROW][ROW]), fill_points, there_and_back, check_points },
	{ "sort", sizeof(uint32_t[KEYS]), fill_keys, sort_keys, check_keys },
};

/* Its part of each of the three, so that it lies beside it, and no page is new to the kernel later. */
static void touch_first(struct team *t, unsigned self)
{
	enum { PAGE = 4096 };
	uint8_t *all[] = { t->a, t->b, t->c };
	unsigned first, end;

	share(t, self, (unsigned)(t->task->bytes / PAGE), &first, &end);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned page = first; page < end; page++)
			((volatile uint8_t *)all[i])[(size_t)page * PAGE] = 0;
}

static void *compute(void *arg)
{
	struct member *m = arg;
	struct team *t = m->team;

	t->wrong += !guest_pin(m->cpu);
	touch_first(t, m->index);
	meet(t);
	t->task->fill(t, m->index);
	meet(t);
	if (m->index == 0)
		t->began = guest_now_ms();
	t->task->run(t, m->index);
	meet(t);
	if (m->index == 0)
		t->took = guest_now_ms() - t->began;
	t->task->check(t, m->index);
	return NULL;
}

static void *untouched(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void run_task(const struct task *task, unsigned n)
{
	struct team t = { .task = task, .n = n };
	unsigned cpus = guest_cpus();

	pthread_barrier_init(&t.all, NULL, n);
	t.a = untouched(task->bytes);
	t.b = untouched(task->bytes);
	t.c = untouched(task->bytes);
	for (unsigned i = 0; t.a && t.b && t.c && i < n; i++) {
		/* Of all CPUs, so that two threads are on the first and the last node. */
		t.member[i] = (struct member){ .team = &t, .index = i,
					       .cpu = n > 1 ? i * (cpus - 1) / (n - 1) : 0 };
		if (pthread_create(&t.member[i].thread, NULL, compute, &t.member[i]) != 0)
			return;
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(t.member[i].thread, NULL);
	printf("guest: %s threads %u ms %.0f: %s\n", task->name, n, t.took,
	       t.wrong ? "bad" : "good");
	munmap(t.a, task->bytes);
	munmap(t.b, task->bytes);
	munmap(t.c, task->bytes);
	pthread_barrier_destroy(&t.all);
}

void guest_compute(void)
{
	for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++)
		for (unsigned n = 1; n <= THREADS_MAX && n <= guest_cpus(); n *= 2)
			run_task(&tasks[i], n);
}

/* ---- streams ---- */

enum { STREAM = 16 << 20 };

static void show_stream(const char *what, double began, bool good)
{
	printf("guest: stream %s %.2f MiB/s: %s\n", what,
	       STREAM / 1048576.0 / ((guest_now_ms() - began) / 1e3), good ? "good" : "bad");
}

/* Memory that the first CPU has filled is read, then written, by the last one; then read back. */
void guest_stream(void)
{
	uint64_t *x = untouched(STREAM), bad = 0;
	const unsigned n = STREAM / sizeof *x;

	if (!x)
		return;
	guest_pin(0);
	for (unsigned i = 0; i < n; i++)
		x[i] = i + 1;
	guest_pin(guest_cpus() - 1);
	double began = guest_now_ms();
	for (unsigned i = 0; i < n; i++)
		bad += x[i] != i + 1;
	show_stream("read", began, !bad);
	began = guest_now_ms();
	for (unsigned i = 0; i < n; i++)
		x[i] = ~(uint64_t)i;
	show_stream("write", began, true);
	guest_pin(0);
	began = guest_now_ms();
	for (unsigned i = 0; i < n; i++)
		bad += x[i] != ~(uint64_t)i;
	show_stream("back", began, !bad);
	munmap(x, STREAM);
}
