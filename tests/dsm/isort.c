/* SPDX-License-Identifier: BSD-3-Clause */
/* Integer sort: each process counts its keys, the counts say where every key goes. */
#include "tests/dsm/app.h"

MAIN_ENV

enum { BITS = 11, DIGITS = 1 << BITS, PASSES = 3, PROCESSES = 64 };

struct common {
	LOCKDEC(lock)
	BARDEC(bar)
	int ids;
	double seconds;
};

static struct app_options o;
static struct common *common;
static uint32_t *keys, *sorted;
static long (*counts)[DIGITS]; /* by process */

static uint32_t digit(uint32_t key, int pass)
{
	return key >> (pass * BITS) & (DIGITS - 1);
}

static void count(const uint32_t *from, struct app_share s, int self, int pass)
{
	long mine[DIGITS] = { 0 };

	for (long i = s.first; i < s.last; i++)
		mine[digit(from[i], pass)]++;
	memcpy(counts[self], mine, sizeof mine);
	BARRIER(common->bar, o.p)
}

/* Behind all smaller digits, and equal ones of lower processes. */
static void places(int self, long *place)
{
	long before = 0;

	for (int v = 0; v < DIGITS; v++)
		for (int p = 0; p < o.p; p++) {
			if (p == self)
				place[v] = before;
			before += counts[p][v];
		}
}

static void move(uint32_t *to, const uint32_t *from, struct app_share s, int self, int pass)
{
	long place[DIGITS];

	places(self, place);
	for (long i = s.first; i < s.last; i++)
		to[place[digit(from[i], pass)]++] = from[i];
	BARRIER(common->bar, o.p)
}

static void work(void)
{
	LOCK(common->lock)
	int self = common->ids++;
	UNLOCK(common->lock)
	struct app_share s = app_share(o.n, self, o.p);
	uint32_t *from = keys, *to = sorted;

	BARRIER(common->bar, o.p)
	double start = app_now();
	for (int pass = 0; pass < PASSES; pass++) {
		count(from, s, self, pass);
		move(to, from, s, self, pass);
		uint32_t *t = from;
		from = to;
		to = t;
	}
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
