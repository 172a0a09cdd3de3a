/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rings of another host's device, walked here: the other side of virtq_away.h. An engine; its
 * owner's lock is around it.
 *
 * No more requests are taken than the queue has entries until some are answered, and no more bytes go
 * with them than VMM_BORROW_BYTES: what a guest can make us and the device's host keep is bounded.
 */
#ifndef VMM_BORROW_H
#define VMM_BORROW_H

#include "kvm-node/virtq_away.h"

enum { VMM_BORROW_BYTES = 8 << 20, VMM_BORROW_TURN = 1 << 18 };

struct vmm_borrow {
	struct vmm_virtq q;
	struct vmm_parcels stream;
	unsigned asked;		      /* requests that were sent and are not answered */
	bool stalled;		      /* ... too many: after answers, walk again */
	uint64_t bytes;		      /* that go with them, either way */
	uint32_t cost[VMM_VIRTQ_MAX]; /* ... by head */
	unsigned filled;	      /* answers that wait for more */
	struct vmm_chain chain;
	uint64_t requests, carried, answers;
};

/* -EINVAL: they are no rings in MEM; B is broken then, and may be given back like any other. */
int vmm_borrow_begin(struct vmm_borrow *b, const struct vmm_gmem *mem, const struct vmm_loan *l);
/*
 * Requests that are there, as parcels. 1: some, and there may be more; 0: there is no more now, the driver
 * will say when; -EPROTO: the rings make no sense.
 */
int vmm_borrow_walk(struct vmm_borrow *b, struct dvmi_buf *out);
/* Answers, LEN bytes of their stream. 0; -EBADMSG, -ENOMEM: the device's host makes no sense. */
int vmm_borrow_answers(struct vmm_borrow *b, const void *bytes, size_t len);
/* After a batch of them: is the driver to be interrupted? */
bool vmm_borrow_wants_signal(struct vmm_borrow *b);
/* Not used any more; vmm_loan_state(&b->q) still says how far it was. */
void vmm_borrow_end(struct vmm_borrow *b);

#endif
