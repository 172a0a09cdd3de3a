/* SPDX-License-Identifier: BSD-3-Clause */
/* The arithmetic of reductions. Pure. */
#ifndef DVMI_SRC_REDUCE_OP_H
#define DVMI_SRC_REDUCE_OP_H

#include <stddef.h>

#include "dvm/coll.h"

/* out[i] = a[i] OP b[i] for N elements. OUT may be A or B. */
typedef void dvmi_reduce_fn(void *out, const void *a, const void *b, size_t n);

/* NULL for an operator the type does not have, or unknown ones. */
dvmi_reduce_fn *dvmi_reduce_fn_of(dvm_type_t type, dvm_op_t op);

#endif
