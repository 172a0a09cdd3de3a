/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages about virtqueues (queues.h): streams, and the rings called back. */
#include <errno.h>

#include "kvm-node/spread_private.h"
#include "libdvm/base/err.h"

void vmm_spread_queue(struct vmm_spread *s, unsigned host, const struct vmm_msg *n, const void *bytes,
		      size_t len)
{
	spread_post_long(s, host, n, bytes, len);
}

int vmm_spread_recall(struct vmm_spread *s, unsigned host, uint32_t device, unsigned queue,
		      uint64_t *state)
{
	struct spread_wait w = { .from = UINT64_C(1) << host };
	struct vmm_msg n = { .kind = VMM_MSG_RECALL, .op = (uint8_t)queue, .code = device };

	dsm_node_enter(s->node);
	bool attached = s->attached;
	dsm_node_leave(s->node);
	if (!attached)
		return -ENOTCONN;
	int rc = spread_question(s, &w, &n);
	if (rc == 0)
		*state = w.value;
	return rc;
}

void vmm_spread_returned(struct vmm_spread *s, unsigned host, uint32_t id, uint64_t state)
{
	const struct vmm_msg n = { .kind = VMM_MSG_ANSWER, .id = id, .value = state };

	vmm_spread_queue(s, host, &n, NULL, 0);
}
