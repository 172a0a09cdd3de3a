/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "libdvm/src/handle.h"

int dvm_group_rank(const dvm_group_t *g)
{
	return g ? (int)g->rank : -EINVAL;
}

int dvm_group_size(const dvm_group_t *g)
{
	return g ? (int)g->size : -EINVAL;
}
