/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the shm*.c files. */
#ifndef DVMI_NET_SHM_PRIVATE_H
#define DVMI_NET_SHM_PRIVATE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "libdvm/net/bell.h"
#include "libdvm/net/ring.h"
#include "libdvm/net/shm.h"
#include "libdvm/net/split.h"

#define DVMI_SHM_RING_BYTES  (32u * 1024)
#define DVMI_SHM_BULK_BYTES  (2u * 1024 * 1024)
#define DVMI_SHM_SPLIT_BYTES (DVMI_TPORT_SPLITS * (uint32_t)sizeof(struct dvmi_split))
/* Ring, slots of divided copies, bulk area. */
#define DVMI_SHM_SPLIT_AT   DVMI_SHM_RING_BYTES
#define DVMI_SHM_BULK_AT    (DVMI_SHM_SPLIT_AT + DVMI_SHM_SPLIT_BYTES)
#define DVMI_SHM_PAIR_BYTES ((size_t)DVMI_SHM_BULK_AT + DVMI_SHM_BULK_BYTES)
#define DVMI_SHM_PACKET_MAX (256u * 1024)

/*
 * The user's part of a record's word: the kind of the packet, and where the rest of it is. Small
 * contexts and tags are in the word itself, then the body is the payload; else they are in front
 * of it. A bulk body says where in the bulk area the payload is.
 */
#define DVMI_SHM_KIND	   0xffu
#define DVMI_SHM_BULK	   0x100u
#define DVMI_SHM_SHORT	   0x200u
#define DVMI_SHM_CTX_SHIFT 10
#define DVMI_SHM_CTX_BITS  16
#define DVMI_SHM_TAG_SHIFT 26
#define DVMI_SHM_TAG_BITS  22
#define DVMI_SHM_HEAD	   8u /* context and tag in front of a payload */

/*
 * A local rank as the others see it. Its process number may be that of somebody else in another
 * namespace: who reads eight bytes at cookie_at and finds the cookie has found the rank.
 */
struct dvmi_shm_block {
	_Atomic uint32_t asleep;
	uint8_t pad[60];
	_Atomic uint64_t senders[DVMI_SHM_RANKS_MAX / 64]; /* who has a ring to this rank */
	uint64_t cookie, cookie_at;
	_Atomic int32_t pid; /* 0: the two before are not there yet */
	uint8_t pad2[44];
};

_Static_assert(sizeof(struct dvmi_shm_block) == 256, "whole cache lines");

/*
 * The record is there before its payload is: READY counts the bytes that are, so that the consumer
 * brings them into its cache while the producer still copies the rest.
 */
struct dvmi_shm_bulk_body {
	uint32_t ctx;
	int32_t tag;
	uint32_t off, advance, len;
	_Atomic uint32_t ready;
};

_Static_assert(sizeof(struct dvmi_shm_bulk_body) == 24, "aligned behind the word");

struct dvmi_shm_out {
	struct dvmi_ring_tx tx;
	uint8_t *map, *bulk;
	bool blocked; /* the last send found no room */
};

#define DVMI_SHM_OUT_OF_REACH (-1)

struct dvmi_shm_in {
	struct dvmi_ring_rx rx;
	uint8_t *map;
	const uint8_t *bulk;
	uint32_t rank, local;
	bool broken;
	bool served;		   /* records are taken one by one: not pumped next time */
	uint32_t touched;	   /* bytes of the oldest payload that were brought here */
	struct dvmi_ring_rec seen; /* by peek, to be taken */
	uint32_t advance;
};

struct dvmi_shm {
	struct dvmi_tport t;
	struct dvmi_shm_block *blocks;
	uint32_t self, n;
	const uint32_t *rank_of, *local_of;
	int fd;
	bool fence; /* our sends need a fence of their own */
	bool armed;
	uint32_t nin;
	struct dvmi_shm_in **in;    /* [nin], in the order in which they appeared */
	struct dvmi_shm_in **in_of; /* [n] by local rank */
	struct dvmi_shm_out **out;  /* [n] by local rank */
	uint64_t seen[DVMI_SHM_RANKS_MAX / 64];
	struct dvmi_bell bell;
	int32_t *reach;	 /* [n] by local rank: its process, 0 unknown, or OUT_OF_REACH */
	uint64_t cookie; /* what others look for to know us */
};

static inline struct dvmi_shm *dvmi_shm_of(struct dvmi_tport *t)
{
	return (struct dvmi_shm *)t;
}

/* The memory of an ordered pair, by local ranks; NULL without memory. */
void *dvmi_shm_map_pair(struct dvmi_shm *s, uint32_t src, uint32_t dst);

/* The way to local rank LOCAL, which has not been used yet; NULL without memory. */
struct dvmi_shm_out *dvmi_shm_open_out(struct dvmi_shm *s, uint32_t local);
int dvmi_shm_send(struct dvmi_tport *t, uint32_t peer, const struct dvmi_pkt *pkt,
		  const void *payload);
int dvmi_shm_send_filled(struct dvmi_tport *t, uint32_t peer, const struct dvmi_pkt *pkt,
			 void (*fill)(void *arg, void *to), void *arg);

int dvmi_shm_progress(struct dvmi_tport *t);
int dvmi_shm_drain(struct dvmi_tport *t, uint32_t peer, bool dead);
int dvmi_shm_peek(struct dvmi_tport *t, uint32_t peer, struct dvmi_pkt *pkt, const void **payload);
void dvmi_shm_took(struct dvmi_tport *t, uint32_t peer);

/* Tells others how to reach our memory. */
void dvmi_shm_vm_init(struct dvmi_shm *s);
bool dvmi_shm_reaches(struct dvmi_tport *t, uint32_t peer);
int dvmi_shm_pull(struct dvmi_tport *t, uint32_t peer, void *to, uint64_t addr, size_t len);
int dvmi_shm_push(struct dvmi_tport *t, uint32_t peer, uint64_t addr, const void *from, size_t len);
struct dvmi_split *dvmi_shm_split(struct dvmi_tport *t, uint32_t peer, bool out, uint32_t slot);

int dvmi_shm_arm(struct dvmi_tport *t, struct pollfd *fds, int n);
void dvmi_shm_disarm(struct dvmi_tport *t);
/* 0 when what arm relies on works in this process, or -1. */
int dvmi_shm_sleep_init(void);
void dvmi_shm_wake(struct dvmi_shm *s, uint32_t local);

/*
 * Between what we published and our look at the other's flag. The sleeper's membarrier makes it a
 * fence when it matters. (The builtin, because the thread sanitizer knows no C11 fence.)
 */
static inline void dvmi_shm_publish_before_look(const struct dvmi_shm *s)
{
	if (__builtin_expect(s->fence, 0))
		__sync_synchronize();
	else
		atomic_signal_fence(memory_order_seq_cst);
}

/* Local rank LOCAL has been given something: gets it up if it sleeps. */
static inline void dvmi_shm_notice(struct dvmi_shm *s, uint32_t local)
{
	dvmi_shm_publish_before_look(s);
	if (__builtin_expect(atomic_load_explicit(&s->blocks[local].asleep, memory_order_relaxed),
			     0))
		dvmi_shm_wake(s, local);
}

#endif
