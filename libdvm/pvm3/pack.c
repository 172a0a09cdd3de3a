/* SPDX-License-Identifier: BSD-3-Clause */
/* pvm_pk…() and pvm_upk…(): data into the send buffer and out of the receive buffer. */
#include <stdlib.h>

#include "libdvm/pvm3/code.h"
#include "libdvm/pvm3/trace.h"

/* The trace event of packing each type. */
static const int packs[] = {
	[PVM_BYTE] = TEV_PKBYTE,
	[PVM_SHORT] = TEV_PKSHORT,
	[PVM_INT] = TEV_PKINT,
	[PVM_FLOAT] = TEV_PKFLOAT,
	[PVM_CPLX] = TEV_PKCPLX,
	[PVM_DOUBLE] = TEV_PKDOUBLE,
	[PVM_DCPLX] = TEV_PKDCPLX,
	[PVM_LONG] = TEV_PKLONG,
	[PVM_USHORT] = TEV_PKUSHORT,
	[PVM_UINT] = TEV_PKUINT,
	[PVM_ULONG] = TEV_PKULONG,
};

/* The events of unpacking stand in the same order. */
static int unpacks(int type)
{
	return packs[type] + (TEV_UPKBYTE - TEV_PKBYTE);
}

_Static_assert(TEV_UPKSTR - TEV_PKSTR == TEV_UPKBYTE - TEV_PKBYTE, "as many of both");

static int pack(const char *call, int type, const void *from, int n, int stride)
{
	struct pvmi_msg *m = pvmi.sbuf;
	int rc = PvmNoBuf;

	PVMI_BEGINS(packs[type], PVMI_ADDRESS(PDA, from), PVMI_INT(PC, n), PVMI_INT(PSD, stride));
	if (m) {
		pvmi_msg_packing(m);
		rc = pvmi_pack(m, type, from, n, stride);
	}
	return pvmi_result(call, pvmi_ends(packs[type], rc));
}

static int unpack(const char *call, int type, void *to, int n, int stride)
{
	struct pvmi_msg *m = pvmi.rbuf;
	int rc = PvmNoBuf;

	PVMI_BEGINS(unpacks(type), PVMI_ADDRESS(PDA, to), PVMI_INT(PC, n), PVMI_INT(PSD, stride));
	if (m) {
		pvmi_msg_unpacking(m);
		rc = pvmi_unpack(m, type, to, n, stride);
	}
	return pvmi_result(call, pvmi_ends(unpacks(type), rc));
}

static int pack_str(const char *from)
{
	struct pvmi_msg *m = pvmi.sbuf;

	if (!m || !from)
		return m ? PvmBadParam : PvmNoBuf;
	pvmi_msg_packing(m);
	return pvmi_pack_str(m, from);
}

int pvm_pkstr(char *from)
{
	PVMI_BEGINS(TEV_PKSTR, PVMI_ADDRESS(PDA, from));
	return pvmi_result("pvm_pkstr", pvmi_ends(TEV_PKSTR, pack_str(from)));
}

static int unpack_str(char *to)
{
	struct pvmi_msg *m = pvmi.rbuf;

	if (!m || !to)
		return m ? PvmBadParam : PvmNoBuf;
	pvmi_msg_unpacking(m);
	return pvmi_unpack_str(m, to);
}

int pvm_upkstr(char *to)
{
	PVMI_BEGINS(TEV_UPKSTR, PVMI_ADDRESS(PDA, to));
	return pvmi_result("pvm_upkstr", pvmi_ends(TEV_UPKSTR, unpack_str(to)));
}

int pvm_pkbyte(char *from, int count, int stride)
{
	return pack("pvm_pkbyte", PVM_BYTE, from, count, stride);
}

int pvm_upkbyte(char *to, int count, int stride)
{
	return unpack("pvm_upkbyte", PVM_BYTE, to, count, stride);
}

int pvm_pkcplx(float *from, int count, int stride)
{
	return pack("pvm_pkcplx", PVM_CPLX, from, count, stride);
}

int pvm_upkcplx(float *to, int count, int stride)
{
	return unpack("pvm_upkcplx", PVM_CPLX, to, count, stride);
}

int pvm_pkdcplx(double *from, int count, int stride)
{
	return pack("pvm_pkdcplx", PVM_DCPLX, from, count, stride);
}

int pvm_upkdcplx(double *to, int count, int stride)
{
	return unpack("pvm_upkdcplx", PVM_DCPLX, to, count, stride);
}

int pvm_pkdouble(double *from, int count, int stride)
{
	return pack("pvm_pkdouble", PVM_DOUBLE, from, count, stride);
}

int pvm_upkdouble(double *to, int count, int stride)
{
	return unpack("pvm_upkdouble", PVM_DOUBLE, to, count, stride);
}

int pvm_pkfloat(float *from, int count, int stride)
{
	return pack("pvm_pkfloat", PVM_FLOAT, from, count, stride);
}

int pvm_upkfloat(float *to, int count, int stride)
{
	return unpack("pvm_upkfloat", PVM_FLOAT, to, count, stride);
}

int pvm_pkint(int *from, int count, int stride)
{
	return pack("pvm_pkint", PVM_INT, from, count, stride);
}

int pvm_upkint(int *to, int count, int stride)
{
	return unpack("pvm_upkint", PVM_INT, to, count, stride);
}

int pvm_pklong(long *from, int count, int stride)
{
	return pack("pvm_pklong", PVM_LONG, from, count, stride);
}

int pvm_upklong(long *to, int count, int stride)
{
	return unpack("pvm_upklong", PVM_LONG, to, count, stride);
}

int pvm_pkshort(short *from, int count, int stride)
{
	return pack("pvm_pkshort", PVM_SHORT, from, count, stride);
}

int pvm_upkshort(short *to, int count, int stride)
{
	return unpack("pvm_upkshort", PVM_SHORT, to, count, stride);
}

int pvm_pkuint(unsigned int *from, int count, int stride)
{
	return pack("pvm_pkuint", PVM_UINT, from, count, stride);
}

int pvm_upkuint(unsigned int *to, int count, int stride)
{
	return unpack("pvm_upkuint", PVM_UINT, to, count, stride);
}

int pvm_pkulong(unsigned long *from, int count, int stride)
{
	return pack("pvm_pkulong", PVM_ULONG, from, count, stride);
}

int pvm_upkulong(unsigned long *to, int count, int stride)
{
	return unpack("pvm_upkulong", PVM_ULONG, to, count, stride);
}

int pvm_pkushort(unsigned short *from, int count, int stride)
{
	return pack("pvm_pkushort", PVM_USHORT, from, count, stride);
}

int pvm_upkushort(unsigned short *to, int count, int stride)
{
	return unpack("pvm_upkushort", PVM_USHORT, to, count, stride);
}
