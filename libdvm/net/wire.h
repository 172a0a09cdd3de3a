/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What travels between ranks: kinds of packets, their bodies, and what goes before them: the
 * header of a packet on a fabric, where each stands for itself; a hello per connection and a frame
 * per packet on TCP. Packed, little-endian; every decoder checks. Inside a node the same packets
 * go without either.
 */
#ifndef DVMI_NET_WIRE_H
#define DVMI_NET_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libdvm/net/tport.h"

enum dvmi_pkt_kind {
	DVMI_PKT_EAGER = 1,  /* a whole message */
	DVMI_PKT_RTS = 2,    /* an announced message: struct dvmi_wire_rts */
	DVMI_PKT_CTS = 3,    /* the receiver asks: struct dvmi_wire_cts */
	DVMI_PKT_DATA = 4,   /* the next bytes; context and tag hold the receiver's id */
	DVMI_PKT_CREDIT = 5, /* matched bytes, 64 bits in context and tag */
	DVMI_PKT_REVOKE = 6, /* the context is dead; tag holds the negative code */
	DVMI_PKT_BYE = 7,    /* between nodes: nothing more will come from this rank */
	DVMI_PKT_ACK = 8,    /* fabric only: see ack below; has no number of its own */
	DVMI_PKT_SYNC = 9,   /* struct dvmi_wire_rts and the whole message: matching is answered */
	DVMI_PKT_AGREE = 12, /* of an agreement of the group with that context, see agree.c */
	DVMI_PKT_ACTIVE = 16, /* an active message; its tag: dvmi_wire_am_tag() */
	DVMI_PKT_ACTIVE_CREDIT = 17, /* bytes of active messages handled, in context and tag */
	/* Inside a node only: memory to memory, see p2p_copy.c. */
	DVMI_PKT_OFFER = 24, /* an RTS with an address: struct dvmi_wire_offer */
	DVMI_PKT_JOIN = 25,  /* the receiver lets the sender help: struct dvmi_wire_join */
	DVMI_PKT_DONE = 26,  /* it has all; context and tag hold the sender's id */
};

#define DVMI_WIRE_AM_HEAD_MAX 256u

struct dvmi_wire_rts {
	uint64_t len; /* of the message */
	uint64_t id;  /* the sender's operation, not 0 */
} __attribute__((packed));

struct dvmi_wire_cts {
	uint64_t sender, receiver; /* ids of the two operations */
	uint64_t want;		   /* bytes to send, at most the length announced */
} __attribute__((packed));

struct dvmi_wire_offer {
	uint64_t len, id; /* as in an RTS */
	uint64_t addr;	  /* of the bytes, in the sender's memory */
	uint32_t slot;	  /* number 16 bits, generation 16 bits */
	uint32_t reserved;
} __attribute__((packed));

struct dvmi_wire_join {
	uint64_t sender, receiver, want; /* as in a CTS */
	uint64_t addr;			 /* where they go, in the receiver's memory */
} __attribute__((packed));

#define DVMI_WIRE_MAGIC	  UINT32_C(0x316d7664) /* "dvm1" */
#define DVMI_WIRE_VERSION 1

struct dvmi_wire_hdr {
	uint32_t magic;
	uint8_t version, kind;
	uint16_t reserved; /* 0 */
	uint64_t key;	   /* of the job */
	uint32_t src, dst; /* ranks */
	uint32_t seq;	   /* counts the packets from src to dst */
	uint32_t ack;	   /* packets from dst that src has taken */
	uint32_t ctx;
	int32_t tag;
	uint32_t len;	    /* of the payload behind */
	uint32_t reserved2; /* 0 */
} __attribute__((packed));

_Static_assert(sizeof(struct dvmi_wire_rts) == 16, "wire format");
_Static_assert(sizeof(struct dvmi_wire_cts) == 24, "wire format");
_Static_assert(sizeof(struct dvmi_wire_offer) == 32, "wire format");
_Static_assert(sizeof(struct dvmi_wire_join) == 32, "wire format");
_Static_assert(sizeof(struct dvmi_wire_hdr) == 48, "wire format");
_Static_assert(offsetof(struct dvmi_wire_hdr, key) == 8, "wire format");

/* Who we are and what we accept. */
struct dvmi_wire_end {
	uint64_t key;
	uint32_t self, size; /* this rank; ranks in the job */
	uint32_t len_max;    /* largest payload */
};

void dvmi_wire_put_rts(struct dvmi_wire_rts *w, uint64_t len, uint64_t id);
void dvmi_wire_put_cts(struct dvmi_wire_cts *w, uint64_t sender, uint64_t receiver, uint64_t want);
/* 0 or -DVM_EPROTO. N is the length of the packet's payload P. */
int dvmi_wire_get_rts(const void *p, size_t n, uint64_t *len, uint64_t *id);
int dvmi_wire_get_cts(const void *p, size_t n, uint64_t *sender, uint64_t *receiver,
		      uint64_t *want);

/* From and to the byte order of the wire; get: 0 or -DVM_EPROTO. */
void dvmi_wire_put_offer(struct dvmi_wire_offer *w, const struct dvmi_wire_offer *host);
int dvmi_wire_get_offer(const void *p, size_t n, struct dvmi_wire_offer *host);
void dvmi_wire_put_join(struct dvmi_wire_join *w, const struct dvmi_wire_join *host);
int dvmi_wire_get_join(const void *p, size_t n, struct dvmi_wire_join *host);

/* 64 bits in a packet's context and tag. */
static inline void dvmi_pkt_set64(struct dvmi_pkt *pkt, uint64_t v)
{
	pkt->ctx = (uint32_t)v;
	pkt->tag = (int32_t)(uint32_t)(v >> 32);
}

static inline uint64_t dvmi_pkt_get64(const struct dvmi_pkt *pkt)
{
	return (uint64_t)(uint32_t)pkt->tag << 32 | pkt->ctx;
}

/* The tag of an active message: its number, the length of its head, which comes first in the
 * payload, and whether it is exempt from credit. Small, since small tags travel in less. */
static inline int32_t dvmi_wire_am_tag(uint32_t id, uint32_t head_len, int exempt)
{
	return (int32_t)(id | head_len << 10 | (uint32_t)!!exempt << 19);
}

/* The reverse. 0 or -DVM_EPROTO. */
int dvmi_wire_am_get(const struct dvmi_pkt *pkt, uint32_t *id, uint32_t *head_len, bool *exempt);

/* A packet's place among those between two ranks. */
struct dvmi_wire_place {
	uint32_t peer; /* the other end */
	uint32_t seq, ack;
};

/* The fabric header of PKT from END's rank to at->peer. */
void dvmi_wire_encode(struct dvmi_wire_hdr *h, const struct dvmi_wire_end *end,
		      const struct dvmi_wire_place *at, const struct dvmi_pkt *pkt);
/*
 * Reads the N bytes at P: *PKT and where it comes from. The payload is behind the header. 0;
 * -DVM_EAUTH (wrong key, the packet is none of ours), -DVM_EVERSION, -DVM_EPROTO.
 */
int dvmi_wire_decode(const struct dvmi_wire_end *end, const void *p, size_t n, struct dvmi_pkt *pkt,
		     struct dvmi_wire_place *at);

/* On TCP. Both ends say hello, then frames follow. */
#define DVMI_WIRE_TCP_MAGIC   UINT32_C(0x746d7664) /* "dvmt" */
#define DVMI_WIRE_TCP_VERSION 1

enum dvmi_hello_kind {
	DVMI_HELLO_CALL = 1,	/* of the end that has connected */
	DVMI_HELLO_WELCOME = 2, /* the answer; none comes where the call is not taken */
};

struct dvmi_wire_hello {
	uint32_t magic;
	uint8_t version, kind;
	uint16_t reserved; /* 0 */
	uint64_t key;	   /* of the job */
	uint32_t src, dst; /* ranks */
	uint64_t reserved2; /* 0 */
} __attribute__((packed));

struct dvmi_wire_frame {
	uint8_t kind;
	uint8_t reserved[3]; /* 0 */
	uint32_t ctx;
	int32_t tag;
	uint32_t len; /* of the payload behind */
} __attribute__((packed));

_Static_assert(sizeof(struct dvmi_wire_hello) == 32, "wire format");
_Static_assert(sizeof(struct dvmi_wire_frame) == 16, "wire format");

/* The largest payload of each kind of frame. */
struct dvmi_wire_limits {
	uint32_t data, other;
};

void dvmi_wire_put_hello(struct dvmi_wire_hello *h, const struct dvmi_wire_end *end,
			 enum dvmi_hello_kind kind, uint32_t dst);
/*
 * The rank that says this hello of KIND to END: 0; -DVM_EAUTH (wrong key, none of ours),
 * -DVM_EVERSION, -DVM_EPROTO.
 */
int dvmi_wire_get_hello(const struct dvmi_wire_end *end, const struct dvmi_wire_hello *h,
			enum dvmi_hello_kind kind, uint32_t *src);
void dvmi_wire_put_frame(struct dvmi_wire_frame *f, const struct dvmi_pkt *pkt);
/* P holds a frame at least. 0 or -DVM_EPROTO. */
int dvmi_wire_get_frame(const struct dvmi_wire_limits *max, const void *p, struct dvmi_pkt *pkt);

#endif
