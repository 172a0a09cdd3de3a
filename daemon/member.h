/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is alive: SWIM membership with suspicion and Lifeguard's local health, as a pure engine.
 *
 * The engine has no socket, clock or file. The caller feeds it time, messages and the set of
 * members (which the cluster's state decides), and after each call drains the actions:
 *
 *	dvmd_member_receive(m, now, from, &msg);
 *	while (dvmd_member_next(m, &act))
 *		perform(&act);
 *	set_timer(dvmd_member_next_deadline(m));
 *
 * The set of members comes from outside (add, remove); liveness is decided here:
 *
 *	ALIVE -> SUSPECT -> DEAD, ALIVE again by a higher incarnation; LEFT after an announced leave
 *
 * To everyone else a node that left and a node that crashed are the same: one event DOWN.
 * Table, timing and failure cases: doc/design/0002-membership.md.
 *
 * Ids are assigned by the machine and never used twice. An incarnation is, in its high 32 bits,
 * the life of the daemon (a number that rises with each start) and, in its low 32 bits, the
 * refutations of that life. The high half should rise with every start; where it does not, the
 * others' memory makes the node catch up.
 *
 * All times are nanoseconds of one monotonic clock of the caller. Not thread-safe: one owner.
 * Calls that return int: 0 or more is good, -ENOMEM and what their comment says is bad.
 */
#ifndef DVMD_MEMBER_H
#define DVMD_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libdvm/proto/member_msg.h"

#define DVMD_MEMBER_NEVER UINT64_MAX
/* The first incarnation of the daemon's START-th life. */
#define DVMD_MEMBER_LIFE(start) ((uint64_t)(start) << 32)

struct dvmd_member_conf {
	size_t size;		  /* sizeof(struct dvmd_member_conf) */
	uint64_t failure_timeout; /* the promise: a dead node is known everywhere within it */
	uint64_t period;	  /* one probe per period; both times its local health + 1 */
	uint64_t probe_timeout;	  /* then others are asked to probe */
	uint64_t suspicion_min;	  /* from suspicion to death, with all confirmations */
	uint64_t suspicion_max;	  /* and with none */
	uint64_t dead_period;	  /* at most so often one dead member is probed again */
	uint64_t settle;	  /* tables that differ for so long are compared entry by entry */
	uint32_t indirect;	  /* helpers asked for an indirect probe */
	uint32_t confirmations;	  /* independent suspicions that make the timeout minimal */
	uint32_t retransmit_mult; /* an update is sent mult * log10(members + 1) times by each node */
	uint32_t health_max;	  /* bound of the local health score; 0 is healthy */
	bool no_info;		  /* keep no load and time per member (large simulations) */
};

/*
 * Everything derived from the one setting a user has. FAILURE_TIMEOUT in ns, for example 10 s
 * (default) or 3 s (tuned). A process may be held up for a fifth of it without being called dead.
 * -EINVAL below 500 ms or above an hour.
 */
int dvmd_member_conf_init(struct dvmd_member_conf *conf, uint64_t failure_timeout);

typedef struct dvmd_member dvmd_member_t;

/*
 * A new engine for node SELF, which is a member from the start. SEED: any number, other on each
 * node and in each life. The first probe goes out within one period after NOW.
 */
int dvmd_member_create(dvmd_member_t **out, const struct dvmd_member_conf *conf, uint32_t self,
		       uint64_t incarnation, uint64_t seed, uint64_t now);
void dvmd_member_destroy(dvmd_member_t *m);

/* --- inputs -------------------------------------------------------------- */

/*
 * The cluster's state has a new member, assumed ALIVE until found otherwise; no event. Cheapest in
 * rising order of id. 0 also where it is there already.
 */
int dvmd_member_add(dvmd_member_t *m, uint64_t now, uint32_t id);
/* The cluster's state no longer has this member; no event. Without effect where unknown. */
void dvmd_member_remove(dvmd_member_t *m, uint64_t now, uint32_t id);

/*
 * MSG came from FROM, an identity the transport has checked. Claims about ids that are no members
 * are ignored; a ping of a node that is no member (yet) is answered and otherwise ignored.
 */
void dvmd_member_receive(dvmd_member_t *m, uint64_t now, uint32_t from,
			 const struct dvmi_member_msg *msg);

/*
 * Does what is due at NOW. Early or repeated calls do no harm. A late call is taken as a sign that
 * this process was held up: what it missed meanwhile is not held against others.
 */
void dvmd_member_tick(dvmd_member_t *m, uint64_t now);

/* This node leaves: tells some others at once. Answers on, but probes and refutes no more. */
void dvmd_member_leave(dvmd_member_t *m, uint64_t now);

/* What every following message tells about this node. */
void dvmd_member_set_applied(dvmd_member_t *m, uint64_t applied);
void dvmd_member_set_load(dvmd_member_t *m, const struct dvmi_member_load *load);

/* --- outputs ------------------------------------------------------------- */

enum dvmd_member_act_type { DVMD_MEMBER_SEND = 1, DVMD_MEMBER_EVENT = 2 };

enum dvmd_member_event {
	DVMD_MEMBER_UP = 1,	 /* it is back after DOWN, or RESTARTED */
	DVMD_MEMBER_SUSPECTED = 2, /* may be dead; followed by TRUSTED or DOWN */
	DVMD_MEMBER_TRUSTED = 3, /* the suspicion was refuted */
	DVMD_MEMBER_DOWN = 4,
};

enum {
	DVMD_MEMBER_F_LEFT = 1,	     /* with DOWN: it had announced its leave */
	DVMD_MEMBER_F_RESTARTED = 2, /* with UP: a new life, the old one was never seen to end */
};

struct dvmd_member_act {
	enum dvmd_member_act_type type;
	uint32_t node; /* SEND: to whom. EVENT: about whom, never this node itself */
	/* SEND; valid until the next call that takes this engine and is not next() */
	const struct dvmi_member_msg *msg;
	enum dvmd_member_event event; /* EVENT, and the two below */
	unsigned flags;
	uint64_t incarnation;
};

/* Takes the oldest action. False when there is none left. */
bool dvmd_member_next(dvmd_member_t *m, struct dvmd_member_act *act);

/* When tick() has something to do: absolute ns. Ask after each input. */
uint64_t dvmd_member_next_deadline(const dvmd_member_t *m);

/* --- looking ------------------------------------------------------------- */

struct dvmd_member_info {
	uint32_t id;
	enum dvmi_member_state state;
	uint64_t incarnation;
	uint64_t heard;	  /* when a message of the node itself last came; 0: never (or no_info) */
	uint64_t applied; /* as it said then, like its load */
	struct dvmi_member_load load;
};

/* Members, this node included. */
size_t dvmd_member_count(const dvmd_member_t *m);
/* The I-th in rising order of id. -ENOENT past the end. */
int dvmd_member_at(const dvmd_member_t *m, size_t i, struct dvmd_member_info *info);
/* -ENOENT where ID is no member. */
int dvmd_member_get(const dvmd_member_t *m, uint32_t id, struct dvmd_member_info *info);
/* ALIVE or SUSPECT: counts as there. False for no member. */
bool dvmd_member_is_up(const dvmd_member_t *m, uint32_t id);
size_t dvmd_member_count_up(const dvmd_member_t *m);
uint64_t dvmd_member_incarnation(const dvmd_member_t *m);
/* 0 (healthy) … conf.health_max: how little this node trusts its own timing. */
uint32_t dvmd_member_health(const dvmd_member_t *m);
/* Equal on nodes that agree about every member, whatever way they came there. */
uint64_t dvmd_member_digest(const dvmd_member_t *m);
/* Bytes of memory this engine holds. */
size_t dvmd_member_memory(const dvmd_member_t *m);

#endif
