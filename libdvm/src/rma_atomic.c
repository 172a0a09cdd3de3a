/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdint.h>
#include <string.h>

#include "libdvm/src/rma_atomic.h"

/* What there is an instruction for. */
#define NATIVE(name, T, builtin)                                                                   \
	static void name(void *target, const void *in, void *out, size_t n)                        \
	{                                                                                          \
		T *t = target, b, a;                                                               \
		for (size_t i = 0; i < n; i++) {                                                   \
			memcpy(&b, (const char *)in + i * sizeof b, sizeof b);                     \
			a = builtin(&t[i], b, __ATOMIC_SEQ_CST);                                   \
			if (out)                                                                   \
				memcpy((char *)out + i * sizeof a, &a, sizeof a);                  \
		}                                                                                  \
	}

/* All else: compute from what is there (bits B), try to put it in place, begin again. */
#define LOOP(name, T, BITS, expr)                                                                  \
	static void name(void *target, const void *in, void *out, size_t n)                        \
	{                                                                                          \
		BITS *t = target, old, new;                                                        \
		for (size_t i = 0; i < n; i++) {                                                   \
			T a, b, r;                                                                 \
			memcpy(&b, (const char *)in + i * sizeof b, sizeof b);                     \
			old = __atomic_load_n(&t[i], __ATOMIC_RELAXED);                            \
			do {                                                                       \
				memcpy(&a, &old, sizeof a);                                        \
				r = (T)(expr);                                                     \
				memcpy(&new, &r, sizeof new);                                      \
			} while (!__atomic_compare_exchange_n(                                     \
				&t[i], &old, new, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));      \
			if (out)                                                                   \
				memcpy((char *)out + i * sizeof old, &old, sizeof old);            \
		}                                                                                  \
	}

#define READ(name, BITS)                                                                           \
	static void name(void *target, const void *in, void *out, size_t n)                        \
	{                                                                                          \
		BITS *t = target;                                                                  \
		(void)in;                                                                          \
		for (size_t i = 0; i < n && out; i++) {                                            \
			BITS a = __atomic_load_n(&t[i], __ATOMIC_SEQ_CST);                         \
			memcpy((char *)out + i * sizeof a, &a, sizeof a);                          \
		}                                                                                  \
	}

/* Arithmetic in W, an unsigned type no narrower than int, wraps where T would be undefined. */
#define COMPUTED(t, T, BITS, W)                                                                    \
	LOOP(prod_##t, T, BITS, (W)a *(W)b)                                                        \
	LOOP(min_##t, T, BITS, b < a ? b : a)                                                      \
	LOOP(max_##t, T, BITS, b > a ? b : a)                                                      \
	LOOP(land_##t, T, BITS, a &&b)                                                             \
	LOOP(lor_##t, T, BITS, a || b)                                                             \
	LOOP(lxor_##t, T, BITS, !a != !b)

#define INTEGER(t, T, BITS, W)                                                                     \
	COMPUTED(t, T, BITS, W)                                                                    \
	NATIVE(sum_##t, BITS, __atomic_fetch_add)                                                  \
	NATIVE(band_##t, BITS, __atomic_fetch_and)                                                 \
	NATIVE(bor_##t, BITS, __atomic_fetch_or)                                                   \
	NATIVE(bxor_##t, BITS, __atomic_fetch_xor)

#define FLOATING(t, T, BITS)                                                                       \
	COMPUTED(t, T, BITS, T)                                                                    \
	LOOP(sum_##t, T, BITS, a + b)

#define BITS_ONLY(n)                                                                               \
	NATIVE(replace_##n, uint##n##_t, __atomic_exchange_n)                                      \
	READ(read_##n, uint##n##_t)

INTEGER(i8, int8_t, uint8_t, uint32_t)
INTEGER(u8, uint8_t, uint8_t, uint32_t)
INTEGER(i16, int16_t, uint16_t, uint32_t)
INTEGER(u16, uint16_t, uint16_t, uint32_t)
INTEGER(i32, int32_t, uint32_t, uint32_t)
INTEGER(u32, uint32_t, uint32_t, uint32_t)
INTEGER(i64, int64_t, uint64_t, uint64_t)
INTEGER(u64, uint64_t, uint64_t, uint64_t)
FLOATING(f, float, uint32_t)
FLOATING(d, double, uint64_t)
BITS_ONLY(8)
BITS_ONLY(16)
BITS_ONLY(32)
BITS_ONLY(64)

#define ROW_COMMON(t, n)                                                                           \
	[DVM_SUM] = sum_##t, [DVM_PROD] = prod_##t, [DVM_MIN] = min_##t, [DVM_MAX] = max_##t,      \
	[DVM_LAND] = land_##t, [DVM_LOR] = lor_##t, [DVM_LXOR] = lxor_##t,                         \
	[DVM_REPLACE] = replace_##n, [DVM_NO_OP] = read_##n
#define ROW_INTEGER(t, n)                                                                          \
	ROW_COMMON(t, n), [DVM_BAND] = band_##t, [DVM_BOR] = bor_##t, [DVM_BXOR] = bxor_##t

#define OPS (DVM_NO_OP + 1)

static dvmi_rma_fn *const table[DVM_DOUBLE + 1][OPS] = {
	[DVM_INT8] = { ROW_INTEGER(i8, 8) },	[DVM_UINT8] = { ROW_INTEGER(u8, 8) },
	[DVM_INT16] = { ROW_INTEGER(i16, 16) }, [DVM_UINT16] = { ROW_INTEGER(u16, 16) },
	[DVM_INT32] = { ROW_INTEGER(i32, 32) }, [DVM_UINT32] = { ROW_INTEGER(u32, 32) },
	[DVM_INT64] = { ROW_INTEGER(i64, 64) }, [DVM_UINT64] = { ROW_INTEGER(u64, 64) },
	[DVM_FLOAT] = { ROW_COMMON(f, 32) },	[DVM_DOUBLE] = { ROW_COMMON(d, 64) },
};

dvmi_rma_fn *dvmi_rma_fn_of(dvm_type_t type, dvm_op_t op)
{
	int t = (int)type, o = (int)op;

	return t < 0 || t > DVM_DOUBLE || o < 0 || o >= OPS ? NULL : table[t][o];
}

#define CAS(BITS)                                                                                  \
	do {                                                                                       \
		BITS old, new;                                                                     \
		memcpy(&old, compare, sizeof old);                                                 \
		memcpy(&new, value, sizeof new);                                                   \
		__atomic_compare_exchange_n((BITS *)target, &old, new, false, __ATOMIC_SEQ_CST,    \
					    __ATOMIC_SEQ_CST);                                     \
		memcpy(out, &old, sizeof old);                                                     \
	} while (0)

void dvmi_rma_cas(void *target, const void *compare, const void *value, void *out, size_t size)
{
	switch (size) {
	case 1:
		CAS(uint8_t);
		break;
	case 2:
		CAS(uint16_t);
		break;
	case 4:
		CAS(uint32_t);
		break;
	default:
		CAS(uint64_t);
	}
}
