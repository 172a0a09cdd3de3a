/* SPDX-License-Identifier: BSD-3-Clause */
/* Dissemination barrier (Hensgen, Finkel and Manber 1988). */
#include <errno.h>

#include "libdvm/src/coll.h"

int dvm_barrier(dvm_group_t *g)
{
	struct dvmi_coll c;

	if (!g)
		return -EINVAL;
	dvmi_coll_begin(&c, g);
	for (uint64_t step = 1; step < c.size; step *= 2) {
		uint32_t to = (uint32_t)((c.rank + step) % c.size);
		uint32_t from = (uint32_t)((c.rank + c.size - step) % c.size);
		dvmi_coll_send(&c, NULL, 0, to);
		dvmi_coll_recv(&c, NULL, 0, from);
	}
	return dvmi_coll_end(&c);
}
