/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the membership engines of two nodes say to each other, and its bytes.
 *
 * Packed little-endian, not protobuf: every node sends a few of these each second. A message is at
 * most DVMI_MEMBER_MSG_BYTES_MAX long, so it fits one packet on any network. See
 * doc/design/0002-membership.md. Plain values, no ownership; any thread.
 */
#ifndef DVMI_PROTO_MEMBER_MSG_H
#define DVMI_PROTO_MEMBER_MSG_H

#include <stddef.h>
#include <stdint.h>

#include "libdvm/base/buf.h"

#define DVMI_MEMBER_UPDATES_MAX	  32
#define DVMI_MEMBER_HEADER_BYTES  52
#define DVMI_MEMBER_UPDATE_BYTES  17
#define DVMI_MEMBER_MSG_BYTES_MAX                                                                  \
	(DVMI_MEMBER_HEADER_BYTES + DVMI_MEMBER_UPDATES_MAX * DVMI_MEMBER_UPDATE_BYTES)

enum dvmi_member_msg_type {
	DVMI_MEMBER_PING = 1,	  /* answer with ACK and the same seq */
	DVMI_MEMBER_PING_REQ = 2, /* ping `target` for me; ACK if it answers, else NACK */
	DVMI_MEMBER_ACK = 3,	  /* `target` (the sender, or whom it pinged for you) is there */
	DVMI_MEMBER_NACK = 4,	  /* I am there, but had nothing from `target` so far */
};

/* In order of rank: of two claims with one incarnation the later in this list is the stronger. */
enum dvmi_member_state {
	DVMI_MEMBER_ALIVE = 0,
	DVMI_MEMBER_SUSPECT = 1,
	DVMI_MEMBER_DEAD = 2,
	DVMI_MEMBER_LEFT = 3, /* it said so itself */
};
#define DVMI_MEMBER_STATES 4

/* A claim about one node. */
struct dvmi_member_update {
	uint64_t incarnation; /* of the node `id`, as known to who claims */
	uint32_t id;
	uint32_t by;   /* who first claims it: counts independent suspicions */
	uint8_t state; /* enum dvmi_member_state */
};

/* What every message tells about its sender, for the node table a person sees. */
struct dvmi_member_load {
	uint64_t mem_free; /* bytes */
	uint32_t load100;  /* load average of one minute, times 100 */
	uint32_t slots_used;
};

struct dvmi_member_msg {
	uint8_t type;	 /* enum dvmi_member_msg_type */
	uint8_t state;	 /* of the sender: ALIVE, or LEFT while it goes */
	uint16_t nupdates;
	uint32_t seq;	 /* of the probe this belongs to */
	uint32_t target; /* PING_REQ, ACK, NACK: whom it is about */
	uint64_t incarnation; /* of the sender */
	uint64_t applied;     /* index of the last log entry the sender has applied */
	uint64_t digest;      /* of the sender's table: equal tables, equal digests */
	struct dvmi_member_load load;
	struct dvmi_member_update updates[DVMI_MEMBER_UPDATES_MAX];
};

/* Bytes that encode() will write for M. */
size_t dvmi_member_msg_size(const struct dvmi_member_msg *m);

/* Appends M to B. 0; -EINVAL where M itself is out of range; -ENOMEM. */
int dvmi_member_msg_encode(const struct dvmi_member_msg *m, struct dvmi_buf *b);

/*
 * Reads one whole message from the N bytes at P into M. 0, or -DVM_EPROTO for anything that
 * encode() would not have written: too short, too long, an unknown type or state, too many
 * updates, an impossible incarnation. M is untouched then.
 */
int dvmi_member_msg_decode(struct dvmi_member_msg *m, const void *p, size_t n);

/* "ping", "alive", …; "?" for an unknown number. */
const char *dvmi_member_msg_type_name(unsigned type);
const char *dvmi_member_state_name(unsigned state);

#endif
