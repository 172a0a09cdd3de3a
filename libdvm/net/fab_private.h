/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the fab*.c files. */
#ifndef DVMI_NET_FAB_PRIVATE_H
#define DVMI_NET_FAB_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "libdvm/net/fab.h"
#include "libdvm/net/fab_lib.h"
#include "libdvm/net/wire.h"

#define PACKET_MAX DVMI_TPORT_PACKET_MIN
#define HDR	   sizeof(struct dvmi_wire_hdr)
#define SLOTS	   64 /* packets under way, each direction */
#define WINDOW	   64 /* packets to one peer it has not acknowledged */

enum state { UNUSED, LOADING, LOADED, READY, FAILED };

struct slot {
	struct slot *next;
	struct fab *f;
	uint8_t *buf; /* HDR + PACKET_MAX */
	uint32_t peer;
	size_t len;
	bool tx;
};

struct slots {
	struct slot *head, **tail;
};

struct fpeer {
	fi_addr_t addr;
	uint32_t tx_seq, tx_acked; /* packets sent; those it has taken */
	uint32_t rx_seq, rx_told;  /* packets taken; what it knows of that */
	bool asked, known, sent;
	uint8_t *name; /* its address before our endpoint is there */
	bool bye_sent, bye_acked, bye_got;
	bool owe_bye, owe_ack;
	int down;	 /* why no packet goes to it any more, or 0 */
	uint64_t broken; /* when its connection broke, or 0 */
	uint64_t drain;	 /* since when it is known to have left, or 0 */
};

struct fab {
	struct dvmi_tport t;
	struct dvmi_remote_config cfg;
	const char *provider;
	struct dvmi_wire_end end;
	_Atomic int state; /* enum state; LOADED is set by the loader, the rest by the owner */
	pthread_t loader;
	int loaded_fd; /* tells a sleeper that the loader is done */
	int load_rc;
	struct dvmi_fab_ep ep;
	struct fpeer *peers; /* [size] */
	uint32_t nbroken, nowe;
	bool wanted;	  /* by some rank on another node */
	bool blocked;	  /* the provider was out of room; its end is no event */
	uint64_t leaving; /* since when, or 0 */
	struct slot slots[2 * SLOTS];
	uint8_t *memory;
	struct slot *free_tx;
	uint32_t ntx;	     /* under way */
	struct slots held;   /* received, not yet taken by the sink */
	struct slots repost; /* to be given back to the endpoint */
	uint64_t dropped;
};

static inline struct fab *fab_of(struct dvmi_tport *t)
{
	return (struct fab *)t;
}

static inline enum state state_of(const struct fab *f)
{
	return (enum state)atomic_load_explicit(&f->state, memory_order_acquire);
}

static inline void set_state(struct fab *f, enum state s)
{
	atomic_store_explicit(&f->state, s, memory_order_release);
}

static inline void push(struct slots *q, struct slot *s)
{
	s->next = NULL;
	*q->tail = s;
	q->tail = &s->next;
}

static inline struct slot *pop(struct slots *q)
{
	struct slot *s = q->head;

	if (s) {
		q->head = s->next;
		if (!q->head)
			q->tail = &q->head;
	}
	return s;
}

/* Begins to load the fabric, if that has not begun. */
void dvmi_fab_start(struct fab *f);

/* PEER is lost to us with CODE; its sink is told once. */
void dvmi_fab_peer_down(struct fab *f, uint32_t peer, int code);
/* Its connection broke: the shepherd's word is awaited. */
void dvmi_fab_peer_broken(struct fab *f, uint32_t peer);
/* Ends peers for whose broken connection there was no word. */
void dvmi_fab_peer_judge(struct fab *f);
/* Has its address looked up, once. */
void dvmi_fab_peer_ask(struct fab *f, uint32_t peer);
/* Gives the endpoint the addresses that have come. */
void dvmi_fab_peer_learn(struct fab *f);

/* What a remote transport does with peers and their addresses. */
void dvmi_fab_likely(struct dvmi_tport *t, uint32_t peer);
void dvmi_fab_address(struct dvmi_tport *t, uint32_t peer, int code, const void *addr, size_t len);

/* The transport's send. */
int dvmi_fab_tx_send(struct dvmi_tport *t, uint32_t peer, const struct dvmi_pkt *pkt,
		     const void *payload);
/* The packet of S is on its way, its buffer free. */
void dvmi_fab_tx_free(struct fab *f, struct slot *s);
/* Sends what we owe: acknowledgements and answers to BYE. */
void dvmi_fab_tx_pay(struct fab *f);
/* Says BYE where it is due; true while some answer or packet is outstanding. */
bool dvmi_fab_tx_farewells(struct fab *f);

/* Gives free buffers to the endpoint. */
void dvmi_fab_rx_post(struct fab *f);
/* Takes events of the fabric. Returns their number. */
int dvmi_fab_rx_read(struct fab *f);
/* Offers packets that waited for their turn or for the sink. */
void dvmi_fab_rx_offer(struct fab *f);
/* Some packet of PEER waits. */
bool dvmi_fab_rx_holds(const struct fab *f, uint32_t peer);

#endif
