// SPDX-License-Identifier: BSD-3-Clause
/* Fortran: groups, and the operations of pvmfreduce. */
#include "libdvm/pvm3/fortran.h"

void pvmfjoingroup_(const char *group, int *inst, pvmi_flen len)
{
	PVMI_TEXT(name, group, len);
	*inst = pvm_joingroup(name);
}

void pvmflvgroup_(const char *group, int *info, pvmi_flen len)
{
	PVMI_TEXT(name, group, len);
	*info = pvm_lvgroup(name);
}

void pvmfgetinst_(const char *group, int *tid, int *inst, pvmi_flen len)
{
	PVMI_TEXT(name, group, len);
	*inst = pvm_getinst(name, *tid);
}

void pvmfgettid_(const char *group, int *inst, int *tid, pvmi_flen len)
{
	PVMI_TEXT(name, group, len);
	*tid = pvm_gettid(name, *inst);
}

void pvmfgsize_(const char *group, int *size, pvmi_flen len)
{
	PVMI_TEXT(name, group, len);
	*size = pvm_gsize(name);
}

void pvmfbarrier_(const char *group, int *count, int *info, pvmi_flen len)
{
	PVMI_TEXT(name, group, len);
	*info = pvm_barrier(name, *count);
}

void pvmfbcast_(const char *group, int *tag, int *info, pvmi_flen len)
{
	PVMI_TEXT(name, group, len);
	*info = pvm_bcast(name, *tag);
}

void pvmffreezegroup_(const char *group, int *size, int *info, pvmi_flen len)
{
	PVMI_TEXT(name, group, len);
	*info = pvm_freezegroup(name, *size);
}

void pvmfreduce_(void (*op)(int *, void *, void *, int *, int *), void *data, int *count, int *type,
		 int *tag, const char *group, int *root, int *info, pvmi_flen len)
{
	PVMI_TEXT(name, group, len);
	*info = pvm_reduce(op, data, *count, *type, *tag, name, *root);
}

void pvmfscatter_(void *result, void *data, int *count, int *type, int *tag, const char *group,
		  int *root, int *info, pvmi_flen len)
{
	PVMI_TEXT(name, group, len);
	*info = pvm_scatter(result, data, *count, *type, *tag, name, *root);
}

void pvmfgather_(void *result, void *data, int *count, int *type, int *tag, const char *group,
		 int *root, int *info, pvmi_flen len)
{
	PVMI_TEXT(name, group, len);
	*info = pvm_gather(result, data, *count, *type, *tag, name, *root);
}

void pvmmax_(int *type, void *x, void *y, int *count, int *info)
{
	PvmMax(type, x, y, count, info);
}

void pvmmin_(int *type, void *x, void *y, int *count, int *info)
{
	PvmMin(type, x, y, count, info);
}

void pvmsum_(int *type, void *x, void *y, int *count, int *info)
{
	PvmSum(type, x, y, count, info);
}

void pvmproduct_(int *type, void *x, void *y, int *count, int *info)
{
	PvmProduct(type, x, y, count, info);
}
