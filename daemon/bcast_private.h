/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of the broadcast engine, shared by daemon/bcast*.c. */
#ifndef DVMD_BCAST_PRIVATE_H
#define DVMD_BCAST_PRIVATE_H

#include <uthash.h>

#include "daemon/bcast.h"

#define DVMD_BCAST_REQUESTS_MAX 64 /* askers remembered per operation */

/* What we know of the node at one position. */
enum dvmd_bcast_pos {
	DVMD_BCAST_HOLE,    /* not ours to see to */
	DVMD_BCAST_UNASKED, /* ours, and nobody is asked yet */
	DVMD_BCAST_PENDING, /* somebody is asked, or it is this node and works on it */
	DVMD_BCAST_GONE,    /* dead before it answered */
	DVMD_BCAST_KNOWN,   /* answered: `code` */
};

struct dvmd_bcast_blob {
	uint8_t *data;
	uint32_t len;
};

/* Positions lo … hi of the origin's list, the span of all we were ever asked for. */
struct dvmd_bcast_span {
	uint32_t lo, hi;
	uint32_t *ids;
	int32_t *codes;
	uint8_t *states;		 /* enum dvmd_bcast_pos */
	struct dvmd_bcast_blob *results; /* NULL while no node had any */
};

/* Somebody wants to know about base … base + count of us: a parent, or the caller at the origin. */
struct dvmd_bcast_request {
	uint32_t from, base, count;
	uint32_t left; /* positions not yet GONE or KNOWN */
	bool answered;
};

/* We wait for a child to see to base … base + count. */
struct dvmd_bcast_ask {
	uint32_t child, base, count;
	uint32_t silent; /* polls in a row without a sign of it */
	bool heard;	 /* since the last poll */
	bool again;	 /* made by a takeover: the next one asks each node directly */
	uint64_t poll_at;
};

struct dvmd_bcast_key {
	uint64_t op;
	uint32_t origin;
	uint32_t zero;
};

struct dvmd_bcast_op {
	struct dvmd_bcast_key key;
	UT_hash_handle hh;
	struct dvmd_bcast_blob payload;
	struct dvmd_bcast_span span;
	struct dvmd_bcast_request *requests;
	uint32_t nrequests;
	struct dvmd_bcast_ask *asks;
	uint32_t nasks, asks_cap;
	uint32_t local; /* this node's position, NOBODY where it has none */
	uint8_t width;
	bool delivered;
	bool over;	    /* the deadline passed, the origin died, or it is DONE */
	uint64_t poll;	    /* between two looks at a child */
	uint64_t deadline;  /* then what is known is answered */
	uint64_t rescue_at; /* origin: every missing answer is asked for directly; else NEVER */
	uint64_t expires;
	uint64_t wake; /* the earliest of all that */
};

struct dvmd_bcast_queued {
	struct dvmd_bcast_act act;
	struct dvmi_bcast_msg msg; /* of a SEND */
};

struct dvmd_bcast_out {
	struct dvmd_bcast_queued *acts;
	size_t first, n, cap;
	void **blocks; /* memory the messages point to */
	size_t nblocks, blocks_cap;
};

struct dvmd_bcast {
	struct dvmd_bcast_conf conf;
	uint32_t self;
	uint64_t next_op;
	uint64_t now;
	struct dvmd_bcast_op *ops; /* uthash, in order of creation */
	uint32_t *down;		   /* ids, in rising order */
	size_t ndown, down_cap;
	struct dvmd_bcast_out out;
};

/* --- bcast_op.c: what one operation knows --------------------------------------------------------
 */

struct dvmd_bcast_op *dvmd_bcast_op_find(dvmd_bcast_t *b, uint32_t origin, uint64_t op);
/* -EAGAIN: too many; -ENOMEM. */
int dvmd_bcast_op_create(dvmd_bcast_t *b, uint32_t origin, uint64_t op, uint64_t deadline,
			 const void *payload, uint32_t len, struct dvmd_bcast_op **out);
void dvmd_bcast_op_free(dvmd_bcast_t *b, struct dvmd_bcast_op *op);
/* Takes on positions base … base + count. -EINVAL where they contradict what is known, -ENOMEM. */
int dvmd_bcast_op_absorb(dvmd_bcast_t *b, struct dvmd_bcast_op *op, uint32_t base, uint32_t count,
			 const uint32_t *ids);
struct dvmd_bcast_request *dvmd_bcast_op_request(struct dvmd_bcast_op *op, uint32_t from,
						 uint32_t base, uint32_t count);
/* Finds or adds. NULL: no room. */
struct dvmd_bcast_request *dvmd_bcast_op_add_request(struct dvmd_bcast_op *op, uint32_t from,
						     uint32_t base, uint32_t count);
enum dvmd_bcast_pos dvmd_bcast_op_state(const struct dvmd_bcast_op *op, uint32_t pos);
void dvmd_bcast_op_set_state(struct dvmd_bcast_op *op, uint32_t pos, enum dvmd_bcast_pos state);
uint32_t dvmd_bcast_op_id(const struct dvmd_bcast_op *op, uint32_t pos);
/* A node's fate becomes known. A code replaces "dead", nothing replaces a code. */
void dvmd_bcast_op_known(struct dvmd_bcast_op *op, uint32_t pos, int32_t code);
void dvmd_bcast_op_gone(struct dvmd_bcast_op *op, uint32_t pos);
int dvmd_bcast_op_set_result(struct dvmd_bcast_op *op, uint32_t pos, const void *data,
			     uint32_t len);
/* Something within base … base + count is still unknown. */
bool dvmd_bcast_op_open(const struct dvmd_bcast_op *op, uint32_t base, uint32_t count);
/* What is known of base … base + count, as runs and results in MSG. False: out of memory. */
bool dvmd_bcast_op_fold(dvmd_bcast_t *b, const struct dvmd_bcast_op *op,
			struct dvmi_bcast_msg *msg);
size_t dvmd_bcast_op_memory(const struct dvmd_bcast_op *op);

/* --- bcast_ask.c: handing parts to children and watching over them -------------------------------
 */

/* Splits what is UNASKED within base … end among children; FLAT: each node by itself. */
void dvmd_bcast_ask_dispatch(dvmd_bcast_t *b, struct dvmd_bcast_op *op, uint32_t base, uint32_t end,
			     bool again, bool flat);
void dvmd_bcast_ask_heard(struct dvmd_bcast_op *op, uint32_t from);
/* FROM says that of base … base + count no more will come. */
void dvmd_bcast_ask_final(dvmd_bcast_t *b, struct dvmd_bcast_op *op, uint32_t from, uint32_t base,
			  uint32_t count);
/* FROM knows nothing of the operation: asks it again. */
void dvmd_bcast_ask_unknown(dvmd_bcast_t *b, struct dvmd_bcast_op *op, uint32_t from);
void dvmd_bcast_ask_down(dvmd_bcast_t *b, struct dvmd_bcast_op *op, uint32_t id);
void dvmd_bcast_ask_poll(dvmd_bcast_t *b, struct dvmd_bcast_op *op);
/* The origin asks every missing node itself. */
void dvmd_bcast_ask_rescue(dvmd_bcast_t *b, struct dvmd_bcast_op *op);
bool dvmd_bcast_is_down(const dvmd_bcast_t *b, uint32_t id);

/* --- bcast_out.c: actions ------------------------------------------------ */

void dvmd_bcast_out_begin(struct dvmd_bcast_out *o);
void dvmd_bcast_out_free(struct dvmd_bcast_out *o);
/* SIZE bytes that live until the next input; NULL when out of memory. */
void *dvmd_bcast_out_block(struct dvmd_bcast_out *o, size_t size);
/* Room for one more action, zeroed; NULL when out of memory. */
struct dvmd_bcast_queued *dvmd_bcast_out_push(struct dvmd_bcast_out *o,
					      enum dvmd_bcast_act_type type, uint32_t node);
/* A message of TYPE about base … base + count of KEY, to TO. NULL when out of memory. */
struct dvmi_bcast_msg *dvmd_bcast_out_send(dvmd_bcast_t *b, uint32_t to,
					   enum dvmi_bcast_msg_type type,
					   const struct dvmd_bcast_key *key, uint32_t base,
					   uint32_t count);

#endif
