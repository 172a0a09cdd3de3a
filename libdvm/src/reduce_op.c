/* SPDX-License-Identifier: BSD-3-Clause */
#include <complex.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "libdvm/src/reduce_op.h"

/* Element by element, so that an output that is one of the inputs hinders no vector code. */
#if defined(__clang__)
/* A wish: what has no vectors, long double say, goes without. */
#pragma clang diagnostic ignored "-Wpass-failed"
#define FAST
#define EACH _Pragma("clang loop vectorize(assume_safety)")
#else
#define FAST __attribute__((optimize("O3")))
#define EACH _Pragma("GCC ivdep")
#endif

#define DEFINE(name, T, expr)                                                                      \
	static FAST void name(void *out, const void *ap, const void *bp, size_t n)                 \
	{                                                                                          \
		const T *va = ap, *vb = bp;                                                        \
		T *vo = out;                                                                       \
		EACH for (size_t i = 0; i < n; i++)                                                \
		{                                                                                  \
			T a = va[i], b = vb[i];                                                    \
			vo[i] = (T)(expr);                                                         \
		}                                                                                  \
	}

/* Arithmetic in W, an unsigned type no narrower than int, wraps where T would be undefined. */
#define DEFINE_COMMON(t, T, W)                                                                     \
	DEFINE(sum_##t, T, (W)a + (W)b)                                                            \
	DEFINE(prod_##t, T, (W)a *(W)b)                                                            \
	DEFINE(min_##t, T, b < a ? b : a)                                                          \
	DEFINE(max_##t, T, b > a ? b : a)                                                          \
	DEFINE(land_##t, T, a &&b)                                                                 \
	DEFINE(lor_##t, T, a || b)                                                                 \
	DEFINE(lxor_##t, T, !a != !b)

#define DEFINE_INTEGER(t, T, W)                                                                    \
	DEFINE_COMMON(t, T, W)                                                                     \
	DEFINE(band_##t, T, a &b)                                                                  \
	DEFINE(bor_##t, T, a | b)                                                                  \
	DEFINE(bxor_##t, T, a ^ b)

DEFINE_INTEGER(i8, int8_t, uint32_t)
DEFINE_INTEGER(u8, uint8_t, uint32_t)
DEFINE_INTEGER(i16, int16_t, uint32_t)
DEFINE_INTEGER(u16, uint16_t, uint32_t)
DEFINE_INTEGER(i32, int32_t, uint32_t)
DEFINE_INTEGER(u32, uint32_t, uint32_t)
DEFINE_INTEGER(i64, int64_t, uint64_t)
DEFINE_INTEGER(u64, uint64_t, uint64_t)
DEFINE_COMMON(f, float, float)
DEFINE_COMMON(d, double, double)
DEFINE_COMMON(ld, long double, long double)

#define DEFINE_COMPLEX(t, T)                                                                       \
	DEFINE(sum_##t, T, a + b)                                                                  \
	DEFINE(prod_##t, T, a *b)

DEFINE_COMPLEX(cf, float complex)
DEFINE_COMPLEX(cd, double complex)

/* Of equal values the lower index wins, so the order of combining does not show. */
#define DEFINE_PAIR(t, T)                                                                          \
	DEFINE_STRUCT(minloc_##t, T, b.value < a.value || (b.value == a.value && b.index < a.index)) \
	DEFINE_STRUCT(maxloc_##t, T, b.value > a.value || (b.value == a.value && b.index < a.index))

/* Whole elements are copied, padding too: all ranks shall get the same bits. */
#define DEFINE_STRUCT(name, T, second)                                                             \
	static void name(void *out, const void *ap, const void *bp, size_t n)                      \
	{                                                                                          \
		for (size_t i = 0; i < n; i++) {                                                   \
			const char *pa = (const char *)ap + i * sizeof(T);                         \
			const char *pb = (const char *)bp + i * sizeof(T);                         \
			T a, b;                                                                    \
			memcpy(&a, pa, sizeof a);                                                  \
			memcpy(&b, pb, sizeof b);                                                  \
			memmove((char *)out + i * sizeof(T), (second) ? pb : pa, sizeof(T));       \
		}                                                                                  \
	}

DEFINE_PAIR(f_i, dvm_float_int_t)
DEFINE_PAIR(d_i, dvm_double_int_t)
DEFINE_PAIR(i32_i, dvm_int32_int_t)
DEFINE_PAIR(i64_i, dvm_int64_int_t)

#define COMMON(t)                                                                                  \
	[DVM_SUM] = sum_##t, [DVM_PROD] = prod_##t, [DVM_MIN] = min_##t, [DVM_MAX] = max_##t,      \
	[DVM_LAND] = land_##t, [DVM_LOR] = lor_##t, [DVM_LXOR] = lxor_##t
#define INTEGER(t) COMMON(t), [DVM_BAND] = band_##t, [DVM_BOR] = bor_##t, [DVM_BXOR] = bxor_##t

#define COMPLEX(t) [DVM_SUM] = sum_##t, [DVM_PROD] = prod_##t
#define PAIR(t)	   [DVM_MINLOC] = minloc_##t, [DVM_MAXLOC] = maxloc_##t
#define TYPES	   (DVM_INT64_INT + 1)
#define OPERATORS  (DVM_LXOR + 1)

static dvmi_reduce_fn *const table[TYPES][OPERATORS] = {
	[DVM_INT8] = { INTEGER(i8) },	[DVM_UINT8] = { INTEGER(u8) },
	[DVM_INT16] = { INTEGER(i16) }, [DVM_UINT16] = { INTEGER(u16) },
	[DVM_INT32] = { INTEGER(i32) }, [DVM_UINT32] = { INTEGER(u32) },
	[DVM_INT64] = { INTEGER(i64) }, [DVM_UINT64] = { INTEGER(u64) },
	[DVM_FLOAT] = { COMMON(f) },	[DVM_DOUBLE] = { COMMON(d) },
	[DVM_LONG_DOUBLE] = { COMMON(ld) },
	[DVM_FLOAT_COMPLEX] = { COMPLEX(cf) },
	[DVM_DOUBLE_COMPLEX] = { COMPLEX(cd) },
	[DVM_FLOAT_INT] = { PAIR(f_i) },
	[DVM_DOUBLE_INT] = { PAIR(d_i) },
	[DVM_INT32_INT] = { PAIR(i32_i) },
	[DVM_INT64_INT] = { PAIR(i64_i) },
};

dvmi_reduce_fn *dvmi_reduce_fn_of(dvm_type_t type, dvm_op_t op)
{
	int t = (int)type, o = (int)op;

	return t < 0 || t >= TYPES || o < 0 || o >= OPERATORS ? NULL : table[t][o];
}

int dvm_type_opaque(size_t bytes)
{
	return bytes < 1 || bytes > DVM_OPAQUE_MAX ? -EINVAL : (int)(DVM_OPAQUE + bytes);
}

int dvm_type_size(dvm_type_t type)
{
	static const uint8_t sizes[TYPES] = {
		[DVM_INT8] = 1,
		[DVM_UINT8] = 1,
		[DVM_INT16] = 2,
		[DVM_UINT16] = 2,
		[DVM_INT32] = 4,
		[DVM_UINT32] = 4,
		[DVM_INT64] = 8,
		[DVM_UINT64] = 8,
		[DVM_FLOAT] = sizeof(float),
		[DVM_DOUBLE] = sizeof(double),
		[DVM_LONG_DOUBLE] = sizeof(long double),
		[DVM_FLOAT_COMPLEX] = sizeof(float complex),
		[DVM_DOUBLE_COMPLEX] = sizeof(double complex),
		[DVM_FLOAT_INT] = sizeof(dvm_float_int_t),
		[DVM_DOUBLE_INT] = sizeof(dvm_double_int_t),
		[DVM_INT32_INT] = sizeof(dvm_int32_int_t),
		[DVM_INT64_INT] = sizeof(dvm_int64_int_t),
	};
	int t = (int)type;

	if (t > DVM_OPAQUE && t <= DVM_OPAQUE + DVM_OPAQUE_MAX)
		return t - DVM_OPAQUE;
	return t <= 0 || t >= TYPES ? -EINVAL : sizes[t];
}
