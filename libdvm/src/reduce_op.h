/* SPDX-License-Identifier: BSD-3-Clause */
/* The arithmetic of reductions. Pure. */
#ifndef DVMI_SRC_REDUCE_OP_H
#define DVMI_SRC_REDUCE_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dvm/coll.h"

/* out[i] = a[i] OP b[i] for N elements. OUT may be A or B. */
typedef void dvmi_reduce_fn(void *out, const void *a, const void *b, size_t n);

/* NULL for an operator the type does not have, unknown ones and those of users. */
dvmi_reduce_fn *dvmi_reduce_fn_of(dvm_type_t type, dvm_op_t op);

/* An operator that a program has made. */
struct dvmi_user_op {
	dvm_op_fn *fn; /* NULL: this number is free */
	void *arg;
	bool commutes;
};

/* An operator with the type it works on: one of ours or one of a user. */
struct dvmi_combine {
	dvmi_reduce_fn *fn; /* NULL: user's */
	struct dvmi_user_op user;
	dvm_type_t type;
	size_t each; /* bytes of an element */
	bool commutes;
};

static inline void dvmi_combine(const struct dvmi_combine *c, void *out, const void *a,
				const void *b, size_t n)
{
	if (c->fn)
		c->fn(out, a, b, n);
	else
		c->user.fn(out, a, b, n, c->type, c->user.arg);
}

#endif
