/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Telling many nodes to do one thing and folding their answers: a pure engine.
 *
 * The list of nodes is split in k contiguous parts; the head of each part becomes a child and gets
 * the rest of its part, and so on down. There is no standing tree and so nothing to repair: where
 * a child dies or falls silent its parent splits what is left of the child's part again and asks
 * the silent one directly. Asking twice is harmless, since an operation is known by (origin, op)
 * and answered again from memory; a node executes it once in each life of its daemon. In the
 * second half of an operation's time the origin itself asks for every answer it misses. Nothing
 * hangs: at the deadline the origin has, for every node, its code, "dead" or "no answer".
 *
 * Used like dvmd_member: after each input drain the actions with dvmd_bcast_next() and set a timer
 * to dvmd_bcast_next_deadline(). Pointers in an action stay valid until the next input; an input
 * forgets actions that were not drained, so always drain.
 *
 * Not thread-safe: one owner. All times are ns of one monotonic clock of the caller.
 * Failure cases: doc/design/0004-broadcast.md.
 */
#ifndef DVMD_BCAST_H
#define DVMD_BCAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libdvm/proto/bcast_msg.h"

#define DVMD_BCAST_NEVER UINT64_MAX

struct dvmd_bcast_conf {
	size_t size;	  /* sizeof(struct dvmd_bcast_conf) */
	uint32_t width;	  /* k: 2 … 64 */
	uint32_t ops_max; /* operations remembered; above it new ones are refused */
	uint64_t keep;	  /* how long after its deadline an operation is remembered, ns */
};

/* Width 8, 4096 operations, 30 s. */
void dvmd_bcast_conf_init(struct dvmd_bcast_conf *conf);

typedef struct dvmd_bcast dvmd_bcast_t;

/*
 * FIRST_OP: op ids of this origin count up from here and must not repeat over restarts; take
 * DVMD_MEMBER_LIFE(start). -EINVAL, -ENOMEM.
 */
int dvmd_bcast_create(dvmd_bcast_t **out, const struct dvmd_bcast_conf *conf, uint32_t self,
		      uint64_t first_op);
void dvmd_bcast_destroy(dvmd_bcast_t *b);

/* --- inputs -------------------------------------------------------------- */

/*
 * Starts an operation on the N nodes IDS (no id twice; this node may be among them) with PAYLOAD,
 * which are copied. DONE for *OP follows after at most TIME ns. List nodes that are near each
 * other next to each other. -EINVAL, -E2BIG, -ENOMEM, -EAGAIN (too many operations): then there
 * will be no DONE.
 */
int dvmd_bcast_start(dvmd_bcast_t *b, uint64_t now, const uint32_t *ids, size_t n,
		     const void *payload, size_t len, uint64_t time, uint64_t *op);

/*
 * The caller has executed what DELIVER asked for, with status CODE and LEN bytes of RESULT
 * (copied; at most DVMI_BCAST_RESULT_MAX, may be none). -ENOENT: nobody waits for it any more,
 * -EALREADY: answered before, -E2BIG, -ENOMEM.
 */
int dvmd_bcast_answer(dvmd_bcast_t *b, uint64_t now, uint32_t origin, uint64_t op, int32_t code,
		      const void *result, size_t len);

/* MSG came from FROM, an identity the transport has checked. */
void dvmd_bcast_receive(dvmd_bcast_t *b, uint64_t now, uint32_t from,
			const struct dvmi_bcast_msg *msg);

/* Membership's DOWN and UP. A restarted node (F_RESTARTED) is both, in this order. */
void dvmd_bcast_node_down(dvmd_bcast_t *b, uint64_t now, uint32_t id);
void dvmd_bcast_node_up(dvmd_bcast_t *b, uint64_t now, uint32_t id);

void dvmd_bcast_tick(dvmd_bcast_t *b, uint64_t now);

/* --- outputs ------------------------------------------------------------- */

enum dvmd_bcast_act_type { DVMD_BCAST_SEND = 1, DVMD_BCAST_DELIVER = 2, DVMD_BCAST_DONE = 3 };

struct dvmd_bcast_status {
	uint8_t kind; /* enum dvmi_bcast_kind */
	int32_t code; /* with DVMI_BCAST_CODE */
	uint32_t len; /* of result */
	const uint8_t *result;
};

struct dvmd_bcast_act {
	enum dvmd_bcast_act_type type;
	uint32_t node;			  /* SEND: to whom. DELIVER, DONE: the origin */
	const struct dvmi_bcast_msg *msg; /* SEND */
	uint64_t op;			  /* DELIVER, DONE */
	const uint8_t *payload;		  /* DELIVER: execute this and answer() */
	uint32_t payload_len;
	uint32_t n;	  /* DONE: nodes of the operation */
	uint32_t missing; /* DONE: those of them without a code */
};

/* Takes the oldest action. False when there is none left. */
bool dvmd_bcast_next(dvmd_bcast_t *b, struct dvmd_bcast_act *act);

/* While a DONE is the newest action taken: node and status at position I of its list. -ENOENT. */
int dvmd_bcast_done_at(const dvmd_bcast_t *b, const struct dvmd_bcast_act *done, uint32_t i,
		       uint32_t *id, struct dvmd_bcast_status *status);

/* When tick() has something to do: absolute ns. Ask after each input. */
uint64_t dvmd_bcast_next_deadline(const dvmd_bcast_t *b);

/* --- looking ------------------------------------------------------------- */

size_t dvmd_bcast_count(const dvmd_bcast_t *b);	 /* operations remembered */
size_t dvmd_bcast_memory(const dvmd_bcast_t *b); /* bytes held */

#endif
