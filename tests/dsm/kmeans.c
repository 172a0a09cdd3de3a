/* SPDX-License-Identifier: BSD-3-Clause */
/* Points in clusters: nearest centre, then the mean of each cluster; integers, so order is no matter. */
#include "tests/dsm/app.h"

MAIN_ENV

enum { DIMENSIONS = 8, CENTRES = 12 };

struct sums {
	int64_t sum[CENTRES][DIMENSIONS], n[CENTRES];
};

struct common {
	LOCKDEC(lock)
	BARDEC(bar)
	int ids;
	double seconds;
};

static struct app_options o;
static struct common *common;
static struct sums *sums;
static int32_t (*points)[DIMENSIONS];
static int32_t (*centres)[DIMENSIONS];

static int nearest(const int32_t *p, int32_t (*c)[DIMENSIONS])
{
	int64_t best = INT64_MAX;
	int out = 0;

	for (int i = 0; i < CENTRES; i++) {
		int64_t d = 0;
		for (int k = 0; k < DIMENSIONS; k++)
			d += (int64_t)(p[k] - c[i][k]) * (p[k] - c[i][k]);
		if (d < best) {
			best = d;
			out = i;
		}
	}
	return out;
}

static void add(struct sums *to, const struct sums *more)
{
	for (int i = 0; i < CENTRES; i++) {
		to->n[i] += more->n[i];
		for (int k = 0; k < DIMENSIONS; k++)
			to->sum[i][k] += more->sum[i][k];
	}
}

static void collect(struct sums *s, int32_t (*c)[DIMENSIONS], struct app_share share)
{
	memset(s, 0, sizeof *s);
	for (long i = share.first; i < share.last; i++) {
		int to = nearest(points[i], c);
		s->n[to]++;
		for (int k = 0; k < DIMENSIONS; k++)
			s->sum[to][k] += points[i][k];
	}
}

static void centre(int32_t (*c)[DIMENSIONS], const struct sums *s)
{
	for (int i = 0; i < CENTRES; i++)
		for (int k = 0; k < DIMENSIONS && s->n[i]; k++)
			c[i][k] = (int32_t)(s->sum[i][k] / s->n[i]);
}

static void work(void)
{
	LOCK(common->lock)
	int self = common->ids++;
	UNLOCK(common->lock)
	struct app_share share = app_share(o.n, self, o.p);
	struct sums mine;

	BARRIER(common->bar, o.p)
	double start = app_now();
	for (long i = 0; i < o.i; i++) {
		collect(&mine, centres, share);
		LOCK(common->lock)
		add(sums, &mine);
		UNLOCK(common->lock)
		BARRIER(common->bar, o.p)
		if (self == 0) {
			centre(centres, sums);
			memset(sums, 0, sizeof *sums);
		}
		BARRIER(common->bar, o.p)
	}
	if (self == 0)
		common->seconds = app_now() - start;
}

static void begin(int32_t (*c)[DIMENSIONS])
{
	memcpy(c, points, CENTRES * sizeof *c);
}

static int same_as_alone(void)
{
	int32_t c[CENTRES][DIMENSIONS];
	struct sums s;

	begin(c);
	for (long i = 0; i < o.i; i++) {
		collect(&s, c, (struct app_share){ 0, o.n });
		centre(c, &s);
	}
	return memcmp(c, centres, sizeof c) == 0;
}

int main(int argc, char **argv)
{
	MAIN_INITENV(, 256 << 20)
	o = app_options(argc, argv, 30000, 10);
	if (o.n < CENTRES)
		exit(2);
	common = app_alloc(sizeof *common);
	sums = app_alloc(sizeof *sums);
	points = app_alloc((size_t)o.n * sizeof *points);
	centres = app_alloc(CENTRES * sizeof *centres);
	common->ids = 0;
	memset(sums, 0, sizeof *sums);
	uint64_t seed = 1;
	for (long i = 0; i < o.n; i++)
		for (int k = 0; k < DIMENSIONS; k++)
			points[i][k] = (int32_t)(app_random(&seed) % 1000000) + (int32_t)(i % CENTRES) * 90000;
	begin(centres);
	CREATE(work, o.p)
	WAIT_FOR_END(o.p)
	int rc = app_result("kmeans", &o, common->seconds, same_as_alone());
	if (rc)
		exit(rc);
	MAIN_END
}
