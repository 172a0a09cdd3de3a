/* SPDX-License-Identifier: BSD-3-Clause */
/* Operators that programs make: a table in the handle, numbered from DVM_OP_USER on. */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/src/coll.h"

static int free_slot(dvm_t *d)
{
	for (uint32_t i = 0; i < d->nuser_ops; i++)
		if (!d->user_ops[i].fn)
			return (int)i;
	if (d->nuser_ops > DVM_OP_USER_LAST - DVM_OP_USER)
		return -ENOSPC;
	uint32_t n = d->nuser_ops ? d->nuser_ops * 2 : 8;
	struct dvmi_user_op *ops = realloc(d->user_ops, n * sizeof *ops);
	if (!ops)
		return -ENOMEM;
	for (uint32_t i = d->nuser_ops; i < n; i++)
		ops[i] = (struct dvmi_user_op){ 0 };
	int slot = (int)d->nuser_ops;
	d->user_ops = ops;
	d->nuser_ops = n;
	return slot;
}

int dvm_op_create(dvm_t *d, dvm_op_fn *fn, void *arg, int commutes)
{
	if (!d || !fn || commutes < 0 || commutes > 1)
		return -EINVAL;
	dvmi_enter(d);
	int slot = free_slot(d);
	if (slot >= 0)
		d->user_ops[slot] =
			(struct dvmi_user_op){ .fn = fn, .arg = arg, .commutes = commutes };
	dvmi_leave(d);
	return slot < 0 ? slot : DVM_OP_USER + slot;
}

static const struct dvmi_user_op *find(const dvm_t *d, dvm_op_t op)
{
	uint32_t i = (uint32_t)op - DVM_OP_USER;

	return op >= DVM_OP_USER && i < d->nuser_ops && d->user_ops[i].fn ? &d->user_ops[i] : NULL;
}

int dvm_op_destroy(dvm_t *d, dvm_op_t op)
{
	if (!d)
		return -EINVAL;
	dvmi_enter(d);
	const struct dvmi_user_op *u = find(d, op);
	if (u)
		d->user_ops[u - d->user_ops] = (struct dvmi_user_op){ 0 };
	dvmi_leave(d);
	return u ? 0 : -EINVAL;
}

int dvmi_coll_combine(const dvm_group_t *g, dvm_type_t type, dvm_op_t op, struct dvmi_combine *out)
{
	int each = dvm_type_size(type);

	if (each < 0)
		return each;
	*out = (struct dvmi_combine){ .type = type, .each = (size_t)each, .commutes = true };
	if (op < DVM_OP_USER) {
		out->fn = dvmi_reduce_fn_of(type, op);
		return out->fn ? 0 : -EINVAL;
	}
	dvmi_enter(g->d);
	const struct dvmi_user_op *u = find(g->d, op);
	if (u)
		out->user = *u;
	dvmi_leave(g->d);
	out->commutes = out->user.commutes;
	return u ? 0 : -EINVAL;
}
