/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Atomic updates of elements in memory that other ranks update at the same time, by the processor's
 * own means, so that it does not matter who does it. Pure.
 */
#ifndef DVMI_SRC_RMA_ATOMIC_H
#define DVMI_SRC_RMA_ATOMIC_H

#include <stdbool.h>
#include <stddef.h>

#include "dvm/coll.h"

/*
 * N elements at TARGET, aligned: target[i] = target[i] OP in[i], each atomically; what was there
 * goes to OUT unless that is NULL. IN and OUT are aligned to nothing; IN may be NULL for NO_OP.
 */
typedef void dvmi_rma_fn(void *target, const void *in, void *out, size_t n);

/* NULL for an operator the type does not have, or unknown ones. */
dvmi_rma_fn *dvmi_rma_fn_of(dvm_type_t type, dvm_op_t op);

/* One element of SIZE bytes (1, 2, 4, 8) at TARGET: what was there to OUT, VALUE if it was COMPARE.
 */
void dvmi_rma_cas(void *target, const void *compare, const void *value, void *out, size_t size);

#endif
