/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtqueues over hosts: doc/design/0020-spread.md, "Virtqueues".
 *
 * A device that lends its queues' rings (dev_lend.c) is known here by a number, so that what other hosts
 * say of them gets there. Rings that other hosts have lent to this one are walked here, by the vCPU that
 * rings or by a thread of ours; neither waits for anything but pages.
 */
#ifndef VMM_QUEUES_H
#define VMM_QUEUES_H

#include "kvm-node/irq.h"
#include "kvm-node/memory.h"
#include "kvm-node/spread.h"

struct vmm_queues; /* incomplete */

int vmm_queues_create(struct vmm_queues **out, struct vmm_spread *s, struct vmm_irq *irq,
		      struct dvmi_log *log);
/* NULL is accepted. Nothing comes from other hosts any more. */
void vmm_queues_destroy(struct vmm_queues *qs);
/* Before vCPUs run. */
void vmm_queues_set_mem(struct vmm_queues *qs, struct vmm_mem *mem);

struct vmm_spread *vmm_queues_spread(const struct vmm_queues *qs);

/* A device that lends. */
struct vmm_lender {
	/* Host FROM has taken requests from the rings of queue Q: LEN bytes of their stream. Locked. */
	void (*requests)(void *arg, unsigned from, unsigned q, const void *bytes, size_t len);
	/* Its driver is to be interrupted, or (BROKEN) the rings make no sense. Locked. */
	void (*signal)(void *arg, unsigned from, unsigned q, bool broken);
	/* Somebody at FROM has written to ADDR: false, if that is no doorbell of this device. May wait. */
	bool (*rung)(void *arg, unsigned from, uint64_t addr);
	void *arg;
};
/* Its number. -ENOSPC. Before vCPUs run. */
int vmm_queues_add(struct vmm_queues *qs, const struct vmm_lender *l);

/* From another host; locked by the node. -ENOMEM: it is not kept. */
int vmm_queues_hear(struct vmm_queues *qs, unsigned from, const struct vmm_msg *n, const void *text,
		    size_t len);
/* A vCPU here has written to ADDR, which is nothing of this host's: was it a doorbell of lent rings? */
bool vmm_queues_ring(struct vmm_queues *qs, uint64_t addr);
/* One of FROM has, and it may be something of this host's. */
bool vmm_queues_rung(struct vmm_queues *qs, unsigned from, uint64_t addr);

/* Members of a JSON object, each after a comma. Any thread. */
void vmm_queues_stat(struct vmm_queues *qs, struct dvmi_buf *out);

#endif
