/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the broadcast engines of two nodes say to each other, and its bytes (packed
 * little-endian). See doc/design/0004-broadcast.md.
 *
 * An operation is named by (origin, op) and covers a list of nodes. A node's place in the origin's
 * list is its position; every message speaks of positions, so that an answer is a few runs of
 * equal statuses instead of one entry per node.
 */
#ifndef DVMI_PROTO_BCAST_MSG_H
#define DVMI_PROTO_BCAST_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libdvm/base/buf.h"

#define DVMI_BCAST_NODES_MAX   UINT32_C(65536)	 /* positions in one list */
#define DVMI_BCAST_PAYLOAD_MAX UINT32_C(4194304) /* bytes handed down */
#define DVMI_BCAST_RESULT_MAX  UINT32_C(1024)	 /* bytes handed up by one node */
#define DVMI_BCAST_TIME_MAX    (UINT64_C(86400) * UINT64_C(1000000000))
#define DVMI_BCAST_WIDTH_MIN   2
#define DVMI_BCAST_WIDTH_MAX   64
#define DVMI_BCAST_NOBODY      UINT32_MAX /* in `ids`: nobody is to be asked for this position */

enum dvmi_bcast_msg_type {
	DVMI_BCAST_REQUEST = 1, /* the receiver is ids[0]: do it, and see to the rest of ids */
	DVMI_BCAST_ANSWER = 2,	/* what is known so far; `final`: no more will come */
	DVMI_BCAST_QUERY = 3,	/* what do you know of base … base + count? ANSWER or UNKNOWN */
	DVMI_BCAST_UNKNOWN = 4, /* I know nothing of this operation */
};

enum dvmi_bcast_kind {
	DVMI_BCAST_CODE = 0,	 /* the node answered: `code` is its status */
	DVMI_BCAST_DEAD = 1,	 /* membership calls it dead, and no answer came before */
	DVMI_BCAST_NOANSWER = 2, /* the deadline passed (never sent: only an origin decides it) */
};

/* `count` nodes from position `pos` on, all with the same status. */
struct dvmi_bcast_run {
	uint32_t pos, count;
	int32_t code;
	uint8_t kind; /* enum dvmi_bcast_kind */
};

/* What one node had to say beside its status. */
struct dvmi_bcast_result {
	uint32_t pos;
	uint32_t len;
	const uint8_t *data;
};

struct dvmi_bcast_msg {
	uint8_t type;  /* enum dvmi_bcast_msg_type */
	uint8_t final; /* ANSWER: 0 or 1 */
	uint8_t width; /* REQUEST: the k of the k-ary split */
	uint32_t origin;
	uint64_t op;
	uint32_t base, count; /* the positions this is about */
	/* REQUEST */
	uint64_t remaining;  /* ns until the sender wants its answer */
	const uint32_t *ids; /* `count` of them */
	const uint8_t *payload;
	uint32_t payload_len;
	/* ANSWER: in rising order of position, inside base … base + count */
	uint32_t nruns, nresults;
	const struct dvmi_bcast_run *runs;
	const struct dvmi_bcast_result *results;
	bool decoded; /* ids, runs and results belong to this message */
};

/* Appends M to B. 0; -EINVAL where M itself is out of range; -ENOMEM. Takes nothing over. */
int dvmi_bcast_msg_encode(const struct dvmi_bcast_msg *m, struct dvmi_buf *b);

/*
 * Reads one whole message. 0, -ENOMEM, or -DVM_EPROTO for anything that encode() would not have
 * written. `payload` and the results' `data` point into P; the arrays belong to M: give them back
 * with dvmi_bcast_msg_free(). M is untouched on failure.
 */
int dvmi_bcast_msg_decode(struct dvmi_bcast_msg *m, const void *p, size_t n);
void dvmi_bcast_msg_free(struct dvmi_bcast_msg *m);

/* "request", "dead", …; "?" for an unknown number. */
const char *dvmi_bcast_msg_type_name(unsigned type);
const char *dvmi_bcast_kind_name(unsigned kind);

#endif
