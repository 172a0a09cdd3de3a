/* SPDX-License-Identifier: BSD-3-Clause */
/* A matrix taken apart into triangles, by blocks; a block is contiguous and belongs to a process. */
#include "tests/dsm/app.h"

MAIN_ENV

enum { B = 32 };

struct common {
	LOCKDEC(lock)
	BARDEC(bar)
	int ids;
	double seconds;
};

static struct app_options o;
static struct common *common;
static double *matrix; /* block by block, row by row */
static long blocks;    /* in a row */
static int across;     /* processes in a row of them */

static double *block(long i, long k)
{
	return matrix + (i * blocks + k) * B * B;
}

/* Owners are dealt out in two dimensions. */
static int owner(long i, long k)
{
	return (int)(i % (o.p / across)) * across + (int)(k % across);
}

static void take_apart(double *a)
{
	for (int k = 0; k < B; k++)
		for (int i = k + 1; i < B; i++) {
			a[i * B + k] /= a[k * B + k];
			for (int j = k + 1; j < B; j++)
				a[i * B + j] -= a[i * B + k] * a[k * B + j];
		}
}

/* X = X U^-1 for the upper triangle of D. */
static void divide_by_upper(double *x, const double *d)
{
	for (int i = 0; i < B; i++)
		for (int k = 0; k < B; k++) {
			x[i * B + k] /= d[k * B + k];
			for (int j = k + 1; j < B; j++)
				x[i * B + j] -= x[i * B + k] * d[k * B + j];
		}
}

/* X = L^-1 X for the lower triangle of D, with ones. */
static void divide_by_lower(double *x, const double *d)
{
	for (int k = 0; k < B; k++)
		for (int i = k + 1; i < B; i++)
			for (int j = 0; j < B; j++)
				x[i * B + j] -= d[i * B + k] * x[k * B + j];
}

static void subtract_product(double *c, const double *a, const double *b)
{
	for (int i = 0; i < B; i++)
		for (int k = 0; k < B; k++)
			for (int j = 0; j < B; j++)
				c[i * B + j] -= a[i * B + k] * b[k * B + j];
}

static void step(long k, int self)
{
	if (owner(k, k) == self)
		take_apart(block(k, k));
	BARRIER(common->bar, o.p)
	for (long i = k + 1; i < blocks; i++) {
		if (owner(i, k) == self)
			divide_by_upper(block(i, k), block(k, k));
		if (owner(k, i) == self)
			divide_by_lower(block(k, i), block(k, k));
	}
	BARRIER(common->bar, o.p)
	for (long i = k + 1; i < blocks; i++)
		for (long j = k + 1; j < blocks; j++)
			if (owner(i, j) == self)
				subtract_product(block(i, j), block(i, k), block(k, j));
}

static void work(void)
{
	LOCK(common->lock)
	int self = common->ids++;
	UNLOCK(common->lock)

	BARRIER(common->bar, o.p)
	double start = app_now();
	for (long k = 0; k < blocks; k++)
		step(k, self);
	BARRIER(common->bar, o.p)
	if (self == 0)
		common->seconds = app_now() - start;
}

static double *at(long y, long x)
{
	return block(y / B, x / B) + y % B * B + x % B;
}

/* What is large on the diagonal needs no exchange of rows. */
static void fill(void)
{
	uint64_t seed = 1;

	for (long y = 0; y < o.n; y++)
		for (long x = 0; x < o.n; x++)
			*at(y, x) = app_unit(&seed) + (x == y ? (double)o.n : 0);
}

/* The sums of the rows of the matrix, and of L times U. */
static int is_product(void)
{
	uint64_t seed = 1;
	double *u = calloc((size_t)o.n, sizeof *u), worst = 0;

	for (long y = 0; y < o.n; y++)
		for (long x = y; x < o.n; x++)
			u[y] += *at(y, x);
	for (long y = 0; y < o.n; y++) {
		double sum = 0, lu = u[y];
		for (long x = 0; x < o.n; x++)
			sum += app_unit(&seed) + (x == y ? (double)o.n : 0);
		for (long x = 0; x < y; x++)
			lu += *at(y, x) * u[x];
		worst = fmax(worst, fabs(lu - sum) / sum);
	}
	free(u);
	return worst < 1e-9;
}

int main(int argc, char **argv)
{
	MAIN_INITENV(, 256 << 20)
	o = app_options(argc, argv, 384, 1);
	o.n = (o.n + B - 1) / B * B;
	blocks = o.n / B;
	for (across = 1; (across + 1) * (across + 1) <= o.p && o.p % (across + 1) == 0;)
		across++;
	common = app_alloc(sizeof *common);
	matrix = app_alloc((size_t)(o.n * o.n) * sizeof *matrix);
	common->ids = 0;
	fill();
	CREATE(work, o.p)
	WAIT_FOR_END(o.p)
	int rc = app_result("lu", &o, common->seconds, is_product());
	if (rc)
		exit(rc);
	MAIN_END
}
