/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shortest round trip, by branch and bound. Beginnings of trips wait in a common heap, those
 * with the best bound first; whoever takes one makes longer ones of it, or, when it is long enough,
 * tries all ends by itself. It is over when the heap is empty and nobody works.
 */
#include "tests/dsm/app.h"

MAIN_ENV

enum { CITIES = 20, DEEP = 4, ROOM = 60000 };

struct trip {
	int length, bound, n;
	unsigned char city[CITIES];
};

struct common {
	LOCKDEC(lock)
	int ids;
	int working, waiting; /* in the heap */
	double seconds;
	BARDEC(bar)
	struct trip heap[ROOM];
};

/* A page of its own: read by all at every turn, written seldom. */
struct best {
	LOCKDEC(lock)
	volatile int length;
};

static struct app_options o;
static struct common *common;
static struct best *best;
static int way[CITIES][CITIES], least[CITIES]; /* least: the shortest way from a city */

static void push(const struct trip *t)
{
	int i = common->waiting++;

	for (; i && common->heap[(i - 1) / 2].bound > t->bound; i = (i - 1) / 2)
		common->heap[i] = common->heap[(i - 1) / 2];
	common->heap[i] = *t;
}

static struct trip pop(void)
{
	struct trip top = common->heap[0], last = common->heap[--common->waiting];
	int i = 0, n = common->waiting;

	for (int k; (k = 2 * i + 1) < n; i = k) {
		k += k + 1 < n && common->heap[k + 1].bound < common->heap[k].bound;
		if (common->heap[k].bound >= last.bound)
			break;
		common->heap[i] = common->heap[k];
	}
	common->heap[i] = last;
	return top;
}

static int visited(const struct trip *t, int city)
{
	for (int i = 0; i < t->n; i++)
		if (t->city[i] == city)
			return 1;
	return 0;
}

static struct trip longer(const struct trip *t, int city)
{
	struct trip u = *t;
	int from = t->city[t->n - 1];

	u.city[u.n++] = (unsigned char)city;
	u.length += way[from][city];
	u.bound += way[from][city] - least[from];
	return u;
}

static void improve(int length)
{
	LOCK(best->lock)
	if (length < best->length)
		best->length = length;
	UNLOCK(best->lock)
}

static void try_ends(const struct trip *t)
{
	if (t->bound >= best->length)
		return;
	if (t->n == o.n) {
		int length = t->length + way[t->city[t->n - 1]][0];
		if (length < best->length)
			improve(length);
		return;
	}
	for (int c = 1; c < o.n; c++)
		if (!visited(t, c)) {
			struct trip u = longer(t, c);
			try_ends(&u);
		}
}

static void branch(const struct trip *t)
{
	LOCK(common->lock)
	for (int c = 1; c < o.n; c++) {
		struct trip u;
		if (visited(t, c))
			continue;
		u = longer(t, c);
		if (u.bound < best->length && common->waiting < ROOM)
			push(&u);
	}
	UNLOCK(common->lock)
}

/* 1: a trip; 0: none just now; -1: there will be none. */
static int take(struct trip *t)
{
	int rc;

	LOCK(common->lock)
	rc = common->waiting ? 1 : common->working ? 0 : -1;
	if (rc > 0) {
		*t = pop();
		common->working++;
	}
	UNLOCK(common->lock)
	return rc;
}

static void work(void)
{
	struct trip t;
	int rc;

	LOCK(common->lock)
	int self = common->ids++;
	UNLOCK(common->lock)
	BARRIER(common->bar, o.p)
	double start = app_now();
	while ((rc = take(&t)) >= 0) {
		if (rc == 0) {
			usleep(20);
			continue;
		}
		if (t.n >= DEEP || t.n == o.n)
			try_ends(&t);
		else if (t.bound < best->length)
			branch(&t);
		LOCK(common->lock)
		common->working--;
		UNLOCK(common->lock)
	}
	BARRIER(common->bar, o.p)
	if (self == 0)
		common->seconds = app_now() - start;
}

/* All subsets, with the shortest way to end in each of their cities. */
static int shortest(void)
{
	long sets = 1L << (o.n - 1);
	int n = (int)o.n - 1, *d = malloc((size_t)(sets * n) * sizeof *d), out = INT32_MAX;

	for (long s = 1; s < sets; s++)
		for (int e = 0; e < n; e++) {
			long rest = s & ~(1L << e);
			int *at = &d[s * n + e];
			*at = rest == 0 && s >> e & 1 ? way[0][e + 1] : INT32_MAX / 2;
			for (int k = 0; k < n && s >> e & 1 && rest; k++)
				if (rest >> k & 1 && d[rest * n + k] + way[k + 1][e + 1] < *at)
					*at = d[rest * n + k] + way[k + 1][e + 1];
		}
	for (int e = 0; e < n; e++)
		if (d[(sets - 1) * n + e] + way[e + 1][0] < out)
			out = d[(sets - 1) * n + e] + way[e + 1][0];
	free(d);
	return out;
}

static void place_cities(void)
{
	uint64_t seed = 3;
	double x[CITIES], y[CITIES];

	for (int i = 0; i < o.n; i++) {
		x[i] = app_unit(&seed);
		y[i] = app_unit(&seed);
	}
	for (int i = 0; i < o.n; i++) {
		least[i] = INT32_MAX;
		for (int k = 0; k < o.n; k++) {
			way[i][k] = (int)(1e6 * hypot(x[i] - x[k], y[i] - y[k]));
			if (i != k && way[i][k] < least[i])
				least[i] = way[i][k];
		}
	}
}

int main(int argc, char **argv)
{
	struct trip first = { .n = 1 };

	MAIN_INITENV(, 64 << 20)
	o = app_options(argc, argv, 12, 1);
	if (o.n > CITIES || o.n < 2)
		exit(2);
	common = app_alloc(sizeof *common);
	best = app_alloc(4096);
	common->ids = common->working = common->waiting = 0;
	best->length = INT32_MAX;
	place_cities();
	for (int i = 0; i < o.n; i++)
		first.bound += least[i];
	push(&first);
	CREATE(work, o.p)
	WAIT_FOR_END(o.p)
	int rc = app_result("tsp", &o, common->seconds, best->length == shortest());
	if (rc)
		exit(rc);
	MAIN_END
}
