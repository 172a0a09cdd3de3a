/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A Fourier transform of m * m numbers in six steps: transpose, transform rows, twiddle, transpose,
 * transform rows, transpose. Each process has some of the rows; transposing moves all to all.
 */
#include "tests/dsm/app.h"

MAIN_ENV

struct number {
	double re, im;
};

struct common {
	LOCKDEC(lock)
	BARDEC(bar)
	int ids;
	double seconds;
};

static struct app_options o;
static struct common *common;
static struct number *x, *y;
static long m;

static struct number times(struct number a, struct number b)
{
	return (struct number){ a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re };
}

static struct number turn(double part, int sign)
{
	return (struct number){ cos(2 * M_PI * part), sign * sin(2 * M_PI * part) };
}

static void swap_bits(struct number *row)
{
	for (long i = 1, k = 0; i < m; i++) {
		long bit = m >> 1;
		for (; k & bit; bit >>= 1)
			k ^= bit;
		k ^= bit;
		if (i < k) {
			struct number t = row[i];
			row[i] = row[k];
			row[k] = t;
		}
	}
}

static void transform_row(struct number *row, int sign)
{
	swap_bits(row);
	for (long len = 2; len <= m; len *= 2)
		for (long i = 0; i < m; i += len)
			for (long k = 0; k < len / 2; k++) {
				struct number t = times(turn((double)k / (double)len, sign),
							row[i + k + len / 2]);
				row[i + k + len / 2] = (struct number){ row[i + k].re - t.re,
									row[i + k].im - t.im };
				row[i + k].re += t.re;
				row[i + k].im += t.im;
			}
}

/* Rows [first, last) of TO are columns of FROM. */
static void transpose(struct number *to, const struct number *from, struct app_share s)
{
	enum { TILE = 16 };

	for (long c = 0; c < m; c += TILE)
		for (long r = s.first; r < s.last; r++)
			for (long k = c; k < c + TILE && k < m; k++)
				to[r * m + k] = from[k * m + r];
	BARRIER(common->bar, o.p)
}

static void transform(int sign, struct app_share s)
{
	transpose(y, x, s);
	for (long r = s.first; r < s.last; r++) {
		transform_row(y + r * m, sign);
		for (long k = 0; k < m; k++)
			y[r * m + k] = times(y[r * m + k],
					     turn((double)(r * k) / (double)(m * m), sign));
	}
	BARRIER(common->bar, o.p)
	transpose(x, y, s);
	for (long r = s.first; r < s.last; r++)
		transform_row(x + r * m, sign);
	BARRIER(common->bar, o.p)
	transpose(y, x, s);
	memcpy(x + s.first * m, y + s.first * m, (size_t)((s.last - s.first) * m) * sizeof *x);
	BARRIER(common->bar, o.p)
}

static void work(void)
{
	LOCK(common->lock)
	int self = common->ids++;
	UNLOCK(common->lock)
	struct app_share s = app_share(m, self, o.p);

	BARRIER(common->bar, o.p)
	double start = app_now();
	transform(-1, s);
	transform(1, s);
	if (self == 0)
		common->seconds = app_now() - start;
}

/* Forth and back is what was there, m * m times; a wave in it was one line in between. */
static int is_back(void)
{
	uint64_t seed = 1;
	double worst = 0, n = (double)(m * m);

	for (long i = 0; i < m * m; i++) {
		double re = app_unit(&seed), im = app_unit(&seed);
		worst = fmax(worst, fabs(x[i].re / n - re) + fabs(x[i].im / n - im));
	}
	return worst < 1e-9;
}

int main(int argc, char **argv)
{
	MAIN_INITENV(, 512 << 20)
	o = app_options(argc, argv, 65536, 1);
	for (m = 2; m * m < o.n; m *= 2)
		;
	o.n = m * m;
	common = app_alloc(sizeof *common);
	x = app_alloc((size_t)o.n * sizeof *x);
	y = app_alloc((size_t)o.n * sizeof *y);
	common->ids = 0;
	uint64_t seed = 1;
	for (long i = 0; i < o.n; i++) {
		x[i].re = app_unit(&seed);
		x[i].im = app_unit(&seed);
	}
	CREATE(work, o.p)
	WAIT_FOR_END(o.p)
	int rc = app_result("fft", &o, common->seconds, is_back());
	if (rc)
		exit(rc);
	MAIN_END
}
