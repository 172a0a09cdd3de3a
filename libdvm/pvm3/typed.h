/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packing what a number says the type of, as groups and Fortran have it: into the current send
 * buffer, out of the current receive buffer. Fortran has no types without a sign.
 */
#ifndef PVMI_TYPED_H
#define PVMI_TYPED_H

#include <stddef.h>

#include "pvm3.h"

/* Bytes of an element; 0: no such type. */
static inline size_t pvmi_typed_size(int type)
{
	static const unsigned char sizes[] = {
		[PVM_STR] = 1,
		[PVM_BYTE] = 1,
		[PVM_SHORT] = sizeof(short),
		[PVM_INT] = sizeof(int),
		[PVM_FLOAT] = sizeof(float),
		[PVM_CPLX] = 2 * sizeof(float),
		[PVM_DOUBLE] = sizeof(double),
		[PVM_DCPLX] = 2 * sizeof(double),
		[PVM_LONG] = sizeof(long),
	};

	return type >= 0 && type <= PVM_LONG ? sizes[type] : 0;
}

static inline int pvmi_typed_pack(int type, void *from, int count, int stride)
{
	switch (type) {
	case PVM_SHORT:
		return pvm_pkshort(from, count, stride);
	case PVM_INT:
		return pvm_pkint(from, count, stride);
	case PVM_LONG:
		return pvm_pklong(from, count, stride);
	case PVM_FLOAT:
		return pvm_pkfloat(from, count, stride);
	case PVM_CPLX:
		return pvm_pkcplx(from, count, stride);
	case PVM_DOUBLE:
		return pvm_pkdouble(from, count, stride);
	case PVM_DCPLX:
		return pvm_pkdcplx(from, count, stride);
	case PVM_STR:
	case PVM_BYTE:
		return pvm_pkbyte(from, count, stride);
	default:
		return PvmBadParam;
	}
}

static inline int pvmi_typed_unpack(int type, void *to, int count, int stride)
{
	switch (type) {
	case PVM_SHORT:
		return pvm_upkshort(to, count, stride);
	case PVM_INT:
		return pvm_upkint(to, count, stride);
	case PVM_LONG:
		return pvm_upklong(to, count, stride);
	case PVM_FLOAT:
		return pvm_upkfloat(to, count, stride);
	case PVM_CPLX:
		return pvm_upkcplx(to, count, stride);
	case PVM_DOUBLE:
		return pvm_upkdouble(to, count, stride);
	case PVM_DCPLX:
		return pvm_upkdcplx(to, count, stride);
	case PVM_STR:
	case PVM_BYTE:
		return pvm_upkbyte(to, count, stride);
	default:
		return PvmBadParam;
	}
}

#endif
