/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Integer sort. Each process parts its keys by whose range they are in; then each gathers those of
 * its own range from all, and sorts them where they belong.
 */
#include "tests/dsm/app.h"

MAIN_ENV

enum { DIGIT = 11, DIGITS = 1 << DIGIT, PROCESSES = 64 };

struct common {
	LOCKDEC(lock)
	BARDEC(bar)
	int ids;
	double seconds;
};

static struct app_options o;
static struct common *common;
static uint32_t *keys, *parted, *sorted;
static long (*counts)[PROCESSES]; /* [of whom][for whom] */

static int range_of(uint32_t key)
{
	return (int)((uint64_t)key * (uint64_t)o.p >> 32);
}

/* Keys for the same process lie together afterwards, within our share. */
static void part(struct app_share s, int self)
{
	long at[PROCESSES], before = s.first;

	memset(counts[self], 0, sizeof counts[self]);
	for (long i = s.first; i < s.last; i++)
		counts[self][range_of(keys[i])]++;
	for (int p = 0; p < o.p; p++) {
		at[p] = before;
		before += counts[self][p];
	}
	for (long i = s.first; i < s.last; i++)
		parted[at[range_of(keys[i])]++] = keys[i];
	BARRIER(common->bar, o.p)
}

/* What is for us, from all, to where our range begins. Returns how many. */
static long gather(int self, uint32_t **to)
{
	long begin = 0, n = 0;

	for (int from = 0; from < o.p; from++)
		for (int p = 0; p < self; p++)
			begin += counts[from][p];
	*to = sorted + begin;
	for (int from = 0; from < o.p; from++) {
		long at = app_share(o.n, from, o.p).first;
		for (int p = 0; p < self; p++)
			at += counts[from][p];
		memcpy(*to + n, parted + at, (size_t)counts[from][self] * sizeof *parted);
		n += counts[from][self];
	}
	return n;
}

static void sort_by_digit(uint32_t *to, const uint32_t *from, long n, int shift)
{
	long place[DIGITS + 1] = { 0 };

	for (long i = 0; i < n; i++)
		place[(from[i] >> shift & (DIGITS - 1)) + 1]++;
	for (int v = 0; v < DIGITS; v++)
		place[v + 1] += place[v];
	for (long i = 0; i < n; i++)
		to[place[from[i] >> shift & (DIGITS - 1)]++] = from[i];
}

static void sort(uint32_t *at, long n)
{
	size_t bytes = (size_t)n * sizeof *at;
	uint32_t *a = malloc(bytes + 1), *b = malloc(bytes + 1);

	sort_by_digit(a, at, n, 0);
	sort_by_digit(b, a, n, DIGIT);
	sort_by_digit(a, b, n, 2 * DIGIT);
	memcpy(at, a, bytes);
	free(a);
	free(b);
}

static void work(void)
{
	uint32_t *to;

	LOCK(common->lock)
	int self = common->ids++;
	UNLOCK(common->lock)
	BARRIER(common->bar, o.p)
	double start = app_now();
	part(app_share(o.n, self, o.p), self);
	long n = gather(self, &to);
	sort(to, n);
	BARRIER(common->bar, o.p)
	if (self == 0)
		common->seconds = app_now() - start;
}

static int is_sorted(void)
{
	uint64_t seed = 1, sum = 0, want = 0;
	int good = 1;

	for (long i = 0; i < o.n; i++) {
		want += (uint32_t)app_random(&seed) * UINT64_C(2654435761) % 1000003;
		sum += sorted[i] * UINT64_C(2654435761) % 1000003;
		good &= i == 0 || sorted[i - 1] <= sorted[i];
	}
	return good && sum == want;
}

int main(int argc, char **argv)
{
	MAIN_INITENV(, 256 << 20)
	o = app_options(argc, argv, 400000, 1);
	if (o.p > PROCESSES)
		exit(2);
	common = app_alloc(sizeof *common);
	keys = app_alloc((size_t)o.n * sizeof *keys);
	parted = app_alloc((size_t)o.n * sizeof *parted);
	sorted = app_alloc((size_t)o.n * sizeof *sorted);
	counts = app_alloc(PROCESSES * sizeof *counts);
	common->ids = 0;
	uint64_t seed = 1;
	for (long i = 0; i < o.n; i++)
		keys[i] = (uint32_t)app_random(&seed);
	CREATE(work, o.p)
	WAIT_FOR_END(o.p)
	int rc = app_result("isort", &o, common->seconds, is_sorted());
	if (rc)
		exit(rc);
	MAIN_END
}
