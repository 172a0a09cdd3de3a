/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "daemon/agent.h"
#include "daemon/told.h"
#include "libdvm/base/err.h"

int dvmd_told(struct dvmd *d, uint32_t origin, uint16_t type, const uint8_t *body, size_t len,
	      dvm_error_t *err)
{
	if (origin != DVMD_LEADER)
		return dvmi_error_set(err, -EPERM, "only the leader tells nodes what to do");
	switch (type) {
	case DVMI_MSG_LAUNCH:
		return dvmd_agent_launch(d->agent, body, len, err);
	case DVMI_MSG_HALT_NODES:
		dvmd_stop(d, true);
		return 0;
	default:
		return dvmd_agent_from_leader(d->agent, type, body, len);
	}
}
