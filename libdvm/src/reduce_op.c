/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdint.h>

#include "libdvm/src/reduce_op.h"

/* Element by element, so that an output that is one of the inputs hinders no vector code. */
#if defined(__clang__)
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
	DEFINE(lor_##t, T, a || b)

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

#define COMMON(t)                                                                                  \
	[DVM_SUM] = sum_##t, [DVM_PROD] = prod_##t, [DVM_MIN] = min_##t, [DVM_MAX] = max_##t,      \
	[DVM_LAND] = land_##t, [DVM_LOR] = lor_##t
#define INTEGER(t) COMMON(t), [DVM_BAND] = band_##t, [DVM_BOR] = bor_##t, [DVM_BXOR] = bxor_##t

static dvmi_reduce_fn *const table[DVM_DOUBLE + 1][DVM_BXOR + 1] = {
	[DVM_INT8] = { INTEGER(i8) },	[DVM_UINT8] = { INTEGER(u8) },
	[DVM_INT16] = { INTEGER(i16) }, [DVM_UINT16] = { INTEGER(u16) },
	[DVM_INT32] = { INTEGER(i32) }, [DVM_UINT32] = { INTEGER(u32) },
	[DVM_INT64] = { INTEGER(i64) }, [DVM_UINT64] = { INTEGER(u64) },
	[DVM_FLOAT] = { COMMON(f) },	[DVM_DOUBLE] = { COMMON(d) },
};

dvmi_reduce_fn *dvmi_reduce_fn_of(dvm_type_t type, dvm_op_t op)
{
	int t = (int)type, o = (int)op;

	return t < 0 || t > DVM_DOUBLE || o < 0 || o > DVM_BXOR ? NULL : table[t][o];
}

int dvm_type_size(dvm_type_t type)
{
	switch (type) {
	case DVM_INT8:
	case DVM_UINT8:
		return 1;
	case DVM_INT16:
	case DVM_UINT16:
		return 2;
	case DVM_INT32:
	case DVM_UINT32:
	case DVM_FLOAT:
		return 4;
	case DVM_INT64:
	case DVM_UINT64:
	case DVM_DOUBLE:
		return 8;
	}
	return -EINVAL;
}
