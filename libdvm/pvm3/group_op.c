// SPDX-License-Identifier: BSD-3-Clause
/*
 * The operations of pvm_reduce(): the larger, the smaller, the sum, the product. Of two complex
 * numbers the larger is that of larger modulus. Bytes have no sum and no product, and what has no
 * sign has no operation at all: so it is in PVM.
 */
#include "pvm3.h"

enum op { MAX, MIN, SUM, PRODUCT };

/* For each type: X[i] becomes what OP makes of X[i] and Y[i]. Integers wrap. */
#define CHOOSE(op, x, y) ((op) == MAX ? ((x) < (y) ? (y) : (x)) : ((y) < (x) ? (y) : (x)))

#define INTEGER(element)                                                                           \
	static void do_##element(enum op op, void *to, const void *from, int n)                    \
	{                                                                                          \
		element *x = to;                                                                   \
		const element *y = from;                                                           \
		for (int i = 0; i < n; i++)                                                        \
			if (op == SUM)                                                             \
				x[i] = (element)((unsigned long)x[i] + (unsigned long)y[i]);       \
			else if (op == PRODUCT)                                                    \
				x[i] = (element)((unsigned long)x[i] * (unsigned long)y[i]);       \
			else                                                                       \
				x[i] = CHOOSE(op, x[i], y[i]);                                     \
	}
INTEGER(char)
INTEGER(short)
INTEGER(int)
INTEGER(long)

#define REAL(element)                                                                              \
	static void do_##element(enum op op, void *to, const void *from, int n)                    \
	{                                                                                          \
		element *x = to;                                                                   \
		const element *y = from;                                                           \
		for (int i = 0; i < n; i++)                                                        \
			if (op == SUM)                                                             \
				x[i] += y[i];                                                      \
			else if (op == PRODUCT)                                                    \
				x[i] *= y[i];                                                      \
			else                                                                       \
				x[i] = CHOOSE(op, x[i], y[i]);                                     \
	}
REAL(float)
REAL(double)

/* Is the complex number at Y to be preferred to that at X? */
#define PREFER(op, x, y)                                                                           \
	((op) == MAX ? (x)[0] * (x)[0] + (x)[1] * (x)[1] < (y)[0] * (y)[0] + (y)[1] * (y)[1]       \
		     : (y)[0] * (y)[0] + (y)[1] * (y)[1] < (x)[0] * (x)[0] + (x)[1] * (x)[1])

#define COMPLEX(element)                                                                           \
	static void do_complex_##element(enum op op, void *to, const void *from, int n)            \
	{                                                                                          \
		element *x = to;                                                                   \
		const element *y = from;                                                           \
		for (; n > 0; n--, x += 2, y += 2) {                                               \
			const element re = x[0] * y[0] - x[1] * y[1];                              \
			const element im = x[0] * y[1] + x[1] * y[0];                              \
			if (op == SUM)                                                             \
				x[0] += y[0], x[1] += y[1];                                        \
			else if (op == PRODUCT)                                                    \
				x[0] = re, x[1] = im;                                              \
			else if (PREFER(op, x, y))                                                 \
				x[0] = y[0], x[1] = y[1];                                          \
		}                                                                                  \
	}
COMPLEX(float)
COMPLEX(double)

static int apply(enum op op, int type, void *x, const void *y, int n)
{
	static void (*const types[])(enum op op, void *to, const void *from, int n) = {
		[PVM_BYTE] = do_char,	      [PVM_SHORT] = do_short,
		[PVM_INT] = do_int,	      [PVM_LONG] = do_long,
		[PVM_FLOAT] = do_float,	      [PVM_DOUBLE] = do_double,
		[PVM_CPLX] = do_complex_float, [PVM_DCPLX] = do_complex_double,
	};

	if (type < 0 || type >= (int)(sizeof types / sizeof *types) || !types[type] ||
	    (type == PVM_BYTE && op != MAX && op != MIN))
		return PvmBadParam;
	types[type](op, x, y, n);
	return PvmOk;
}

void PvmMax(int *type, void *x, void *y, int *count, int *info)
{
	*info = apply(MAX, *type, x, y, *count);
}

void PvmMin(int *type, void *x, void *y, int *count, int *info)
{
	*info = apply(MIN, *type, x, y, *count);
}

void PvmSum(int *type, void *x, void *y, int *count, int *info)
{
	*info = apply(SUM, *type, x, y, *count);
}

void PvmProduct(int *type, void *x, void *y, int *count, int *info)
{
	*info = apply(PRODUCT, *type, x, y, *count);
}
