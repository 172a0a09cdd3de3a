/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Long messages go by the way that is measured to be the fastest: $DVM_TEST_WAY, a number of enum
 * dvmi_p2p_way, decides instead, so that each is tested. The one file that knows the inside.
 */
#include "libdvm/src/handle.h"
#include "tests/api/job.h"

void choose_way(dvm_t *d)
{
	const char *way = getenv("DVM_TEST_WAY");

	if (way)
		d->p2p.way = (enum dvmi_p2p_way)atoi(way);
}
