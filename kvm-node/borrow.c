/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/borrow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int vmm_borrow_begin(struct vmm_borrow *b, const struct vmm_gmem *mem, const struct vmm_loan *l)
{
	memset(b, 0, sizeof *b);
	b->q = (struct vmm_virtq){
		.mem = mem,
		.desc = l->desc,
		.avail = l->avail,
		.used = l->used,
		.max = VMM_VIRTQ_MAX,
		.num = l->num,
		.event_idx = l->event_idx,
		.indirect = l->indirect,
	};
	int rc = vmm_virtq_enable(&b->q);
	b->q.seen = l->seen;
	b->q.next = l->next;
	b->q.signalled = l->signalled;
	return rc;
}

static void send(struct vmm_borrow *b, struct dvmi_buf *out)
{
	const struct vmm_chain *c = &b->chain;
	uint64_t cost = c->out_len + c->in_len;
	bool carried = cost <= VMM_PARCEL_DATA && b->bytes + cost <= VMM_BORROW_BYTES;

	cost = carried ? cost : 0;
	vmm_parcel_request(out, c, carried);
	b->asked++;
	b->requests++;
	b->carried += carried;
	b->bytes += cost;
	if (c->head < VMM_VIRTQ_MAX)
		b->cost[c->head] = (uint32_t)cost;
}

int vmm_borrow_walk(struct vmm_borrow *b, struct dvmi_buf *out)
{
	do {
		vmm_virtq_kicks(&b->q, false);
		while (b->asked < b->q.num) {
			int rc = vmm_virtq_pop(&b->q, &b->chain);
			if (rc < 0)
				return rc;
			if (rc == 0)
				break;
			send(b, out);
			if (out->len >= VMM_BORROW_TURN)
				return 1;
		}
		b->stalled = b->asked >= b->q.num;
		if (b->stalled)
			return 0;
	} while (vmm_virtq_kicks(&b->q, true));
	return 0;
}

/* A hostile guest gives a request twice: then what it cost is known once only. */
static void settle(struct vmm_borrow *b, uint16_t head)
{
	uint64_t cost = head < VMM_VIRTQ_MAX ? b->cost[head] : 0;

	b->asked -= b->asked > 0;
	b->bytes -= cost < b->bytes ? cost : b->bytes;
	if (head < VMM_VIRTQ_MAX)
		b->cost[head] = 0;
	if (!b->asked)
		b->bytes = 0;
}

static void take(void *arg, struct vmm_parcel *p)
{
	struct vmm_borrow *b = arg;

	vmm_parcel_deliver(p, b->q.mem);
	vmm_virtq_fill(&b->q, b->filled++, p->head, p->written);
	if (!(p->flags & VMM_PARCEL_MORE) || b->filled == b->q.num) {
		vmm_virtq_publish(&b->q, b->filled);
		b->filled = 0;
	}
	b->answers++;
	settle(b, p->head);
	free(p);
}

int vmm_borrow_answers(struct vmm_borrow *b, const void *bytes, size_t len)
{
	return vmm_parcels_feed(&b->stream, bytes, len, take, b);
}

bool vmm_borrow_wants_signal(struct vmm_borrow *b)
{
	return vmm_virtq_wants_signal(&b->q);
}

void vmm_borrow_end(struct vmm_borrow *b)
{
	vmm_parcels_clear(&b->stream);
}
