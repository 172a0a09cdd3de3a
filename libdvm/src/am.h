/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Active messages of one handle, public ones and those of one-sided operations. A packet holds a
 * head and a payload; context and number say whose it is. Beside the protocol of messages, with
 * queues and credit of its own, so that neither has to wait for the other. doc/design/0013.
 *
 * Under the handle's lock, handlers included.
 */
#ifndef DVMI_SRC_AM_H
#define DVMI_SRC_AM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "dvm/am.h"
#include "libdvm/net/tport.h"

#define DVMI_AM_OVERHEAD 256u		     /* what a message costs beside its bytes */
#define DVMI_AM_QUEUED	 (UINT64_C(1) << 20) /* queued by handlers: then no credit is given back */

/* A message on its way out. */
struct dvmi_am_msg {
	uint32_t ctx, id;
	const void *head, *payload;
	uint32_t head_len, len;
};

/* One that waits for credit or room, in a queue of its peer. */
struct dvmi_am_out {
	struct dvmi_am_msg m;
	bool exempt; /* from credit, and a copy that is ours */
	bool done;
	int code;
	struct dvmi_task *task; /* ends with it; may be NULL */
	struct dvmi_am_out *next;
};

struct dvmi_am_peer {
	uint32_t rank;	 /* in the job */
	uint64_t unread; /* our bytes it has not acknowledged */
	uint64_t due;	 /* its bytes that we have handled and not acknowledged */
	uint64_t held;	 /* its bytes that wait for a handler */
	struct dvmi_am_out *head, **tail;
	uint32_t answers; /* of them exempt */
	bool busy;
	struct dvmi_am_peer *next_busy;
};

struct dvmi_am_slot {
	dvm_am_fn *fn;
	void *arg;
};

/* The handlers of a group. */
struct dvmi_am_set {
	struct dvmi_am_set *next;
	dvm_group_t *g;
	uint32_t ctx, n;
	struct dvmi_am_slot *slots; /* [n] by number */
};

/* A message that waits for its handler. */
struct dvmi_am_kept {
	struct dvmi_am_kept *next;
	uint32_t src, ctx, id, head_len, len;
	bool exempt;
	uint8_t bytes[]; /* head and payload */
};

struct dvmi_am {
	struct dvmi_am_peer **peers; /* as those of p2p; NULL until needed */
	struct dvmi_am_peer *busy;
	struct dvmi_am_set *sets, *last; /* last: found last */
	struct dvmi_am_kept *kept, **kept_tail;
	uint64_t queued;	    /* bytes queued by handlers */
	uint8_t *scratch;	    /* where a long message is put together */
	_Atomic uintptr_t handling; /* the thread that runs a handler, 0 none */
	uint64_t dropped;	    /* packets that made no sense */
};

/* Whether the caller is a handler of this handle. Any thread, without the lock. */
static inline bool dvmi_am_inside(struct dvmi_am *a)
{
	return atomic_load_explicit(&a->handling, memory_order_relaxed) ==
	       (uintptr_t)pthread_self();
}

void dvmi_am_init(struct dvmi_am *a);
void dvmi_am_fini(dvm_t *d);

/* Sends M to PEER (a rank of the job) without waiting: 0, -EAGAIN, or the code the peer or the
 * context ends with. Not within a handler. */
int dvmi_am_send_now(dvm_t *d, uint32_t peer, const struct dvmi_am_msg *m);
/* The same within a handler, or for an answer: what cannot go now is copied and queued. 0, a code
 * or -ENOMEM. */
int dvmi_am_answer(dvm_t *d, uint32_t peer, const struct dvmi_am_msg *m);
/* Queues OUT, whose m, exempt and task are set and which stays until it is done. 0 or a code. */
int dvmi_am_queue(dvm_t *d, uint32_t peer, struct dvmi_am_out *out);
/* OUT, which is not done, is forgotten. */
void dvmi_am_unqueue(dvm_t *d, uint32_t peer, struct dvmi_am_out *out);
/* Sends, waits until it is sent. */
int dvmi_am_send_wait(dvm_t *d, uint32_t peer, const struct dvmi_am_msg *m);

/* Sends what waits. Returns the number of packets. */
int dvmi_am_flush(dvm_t *d);
/* All with PEER ends with CODE. */
void dvmi_am_down(dvm_t *d, uint32_t peer, int code);
/* A packet has come; as the packet of a sink. */
int dvmi_am_packet(dvm_t *d, uint32_t src, const struct dvmi_pkt *pkt, const void *payload);
/* The group whose first context is CTX ends: its handlers and kept messages go. */
void dvmi_am_forget(dvm_t *d, uint32_t ctx);

/* Hands kept messages of CTX and ID (negative: any) to whoever takes them now. */
void dvmi_am_offer(dvm_t *d, uint32_t ctx, int id);

/* COST bytes of SRC are dealt with. */
void dvmi_am_acknowledge(dvm_t *d, uint32_t src, uint64_t cost);
/* What is known of a peer; NULL without memory. */
struct dvmi_am_peer *dvmi_am_peer(dvm_t *d, uint32_t rank);

#endif
