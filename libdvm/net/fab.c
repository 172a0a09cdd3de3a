/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs over several nodes are refused until this transport is there. */
#include <errno.h>

#include "libdvm/net/fab.h"

int dvmi_fab_create(struct dvmi_tport **out, const struct dvmi_fab_config *cfg)
{
	return -EPROTONOSUPPORT;
}

void dvmi_fab_wanted(struct dvmi_tport *t)
{
}

void dvmi_fab_address(struct dvmi_tport *t, uint32_t peer, int code, const void *addr, size_t len)
{
}

bool dvmi_fab_active(const struct dvmi_tport *t)
{
	return false;
}
