/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of the membership engine, shared by daemon/member*.c and their tests. */
#ifndef DVMD_MEMBER_PRIVATE_H
#define DVMD_MEMBER_PRIVATE_H

#include <assert.h>

#include "daemon/member.h"
#include "libdvm/base/rng.h"

/* --- the table of state and claim (member_cell.c) ------------------------ */

/* The incarnation of a claim against the one we hold. */
enum dvmd_member_order { DVMD_MEMBER_LOWER, DVMD_MEMBER_EQUAL, DVMD_MEMBER_HIGHER };
#define DVMD_MEMBER_ORDERS 3

/* What a claim makes us do, beside the next state. */
enum dvmd_member_effect {
	DVMD_MEMBER_ADOPT = 1 << 0,   /* take the claim's incarnation */
	DVMD_MEMBER_SPREAD = 1 << 1,  /* news: pass it on */
	DVMD_MEMBER_CORRECT = 1 << 2, /* we know better: tell who claimed it */
	DVMD_MEMBER_DISPUTE = 1 << 3, /* one of us is wrong: let the accused itself refute */
	DVMD_MEMBER_CONFIRM = 1 << 4, /* one more accuser: the suspicion gets shorter */
	DVMD_MEMBER_START = 1 << 5,   /* a suspicion begins (anew) */
	DVMD_MEMBER_SAY_UP = 1 << 6,
	DVMD_MEMBER_SAY_TRUSTED = 1 << 7,
	DVMD_MEMBER_SAY_DOWN = 1 << 8,
};

struct dvmd_member_cell {
	uint8_t next; /* enum dvmi_member_state */
	uint16_t effects;
};

/* The cell for a member in STATE and a claim CLAIM; never NULL for numbers in range. */
const struct dvmd_member_cell *dvmd_member_cell(enum dvmi_member_state state,
						enum dvmi_member_state claim,
						enum dvmd_member_order order);
/* "adopt+spread", into OUT, for tests and the design document. */
void dvmd_member_effects_format(unsigned effects, char *out, size_t size);

/* --- the engine's data --------------------------------------------------- */

#define DVMD_MEMBER_CONFIRM_MAX 8
#define DVMD_MEMBER_RELAYS	32
#define DVMD_MEMBER_CORRECTIONS 16
#define DVMD_MEMBER_TELLS	8 /* accused nodes told per period on behalf of disputes */
#define DVMD_MEMBER_EAGER	8 /* others told at once of a leave or a refutation */

/* One member; there are as many as nodes, in each engine, so it is kept at 16 bytes. */
struct dvmd_member_rec {
	uint64_t incarnation;
	uint32_t id;
	uint8_t state;
	uint8_t sends_left; /* transmissions still due in the gossip queue */
	uint8_t queued;	    /* is in the gossip queue */
	uint8_t unused;
};
static_assert(sizeof(struct dvmd_member_rec) == 16, "a member's record");

/* What a member last told about itself. */
struct dvmd_member_heard {
	uint64_t when, applied;
	struct dvmi_member_load load;
};

struct dvmd_member_table {
	struct dvmd_member_rec *recs; /* in rising order of id */
	struct dvmd_member_heard *heard; /* parallel to recs; NULL with no_info */
	size_t n, cap;
	size_t count[DVMI_MEMBER_STATES];
	uint64_t digest;
};

struct dvmd_member_suspicion {
	uint32_t id;
	uint32_t by[DVMD_MEMBER_CONFIRM_MAX + 1]; /* accusers, the latest last */
	uint32_t nby;
	uint32_t need; /* confirmations that make the timeout minimal */
	uint64_t start, deadline;
	bool last_call; /* others were asked whether they know better */
};

struct dvmd_member_suspicions {
	struct dvmd_member_suspicion *v;
	size_t n, cap;
};

/* The probe of this period. */
struct dvmd_member_probe {
	bool running;
	bool was_suspect; /* at its start: then its failure says nothing about us */
	uint32_t target, seq;
	uint64_t indirect_at; /* NEVER once the helpers are asked */
	uint32_t asked, nacks;
};

/* A probe on behalf of another node. */
struct dvmd_member_relay {
	uint32_t origin, origin_seq, target, seq; /* seq 0: free */
	uint64_t nack_at;			  /* NEVER once said */
	uint64_t expires;
};

/* Ids whose state is to be passed on: newest first, then round and round. */
struct dvmd_member_gossip {
	uint32_t *ids;
	size_t head, n, cap; /* cap: a power of two */
	size_t window;	     /* cursor of the walk over the table */
	size_t turn;	     /* and of that over the suspicions */
};

struct dvmd_member_queued {
	struct dvmd_member_act act;
	size_t msg; /* index in msgs, of a SEND */
};

struct dvmd_member_out {
	struct dvmd_member_queued *acts;
	size_t first, n, cap;
	struct dvmi_member_msg *msgs;
	size_t nmsgs, msgs_cap;
};

struct dvmd_member {
	struct dvmd_member_conf conf;
	struct dvmi_rng rng;
	uint32_t self;
	bool leaving;
	uint64_t incarnation;
	uint64_t applied;
	struct dvmi_member_load load;

	/* Time of the engine: the caller's minus what this process was held up for. */
	uint64_t t, held;
	bool late; /* the present delay is counted already */
	uint32_t health;

	struct dvmd_member_table table;
	struct dvmd_member_suspicions suspicions;
	struct dvmd_member_gossip gossip;
	struct dvmd_member_out out;

	struct dvmd_member_probe probe;
	struct dvmd_member_relay relays[DVMD_MEMBER_RELAYS];
	uint32_t seq;
	uint64_t period_end;
	uint64_t dead_at; /* next look at a dead member */
	/* This round of probing: index start + i * stride, i = 0 … round_n - 1. */
	size_t round_n, round_i, round_start, round_stride;
	uint32_t probe_next; /* disputed: probed before its turn; self: nobody */
	uint32_t tells;	     /* left in this period */
	uint64_t agreed;     /* when a peer's table last equalled ours */

	/* Of the message being received: members about which its sender must be told. */
	uint32_t corrections[DVMD_MEMBER_CORRECTIONS];
	uint32_t ncorrections;
};

/* --- member_table.c ------------------------------------------------------ */

void dvmd_member_table_free(struct dvmd_member_table *t);
struct dvmd_member_rec *dvmd_member_table_find(const struct dvmd_member_table *t, uint32_t id);
int dvmd_member_table_insert(struct dvmd_member_table *t, uint32_t id, uint64_t incarnation,
			     bool heard);
void dvmd_member_table_remove(struct dvmd_member_table *t, struct dvmd_member_rec *rec);
/* The one way a record changes: keeps the counts and the digest right. */
void dvmd_member_table_set(struct dvmd_member_table *t, struct dvmd_member_rec *rec,
			   enum dvmi_member_state state, uint64_t incarnation);

/* --- member_suspicion.c -------------------------------------------------- */

struct dvmd_member_suspicion *dvmd_member_suspicion_find(dvmd_member_t *m, uint32_t id);
/* Begins or begins again, accused by BY. -ENOMEM. */
int dvmd_member_suspicion_start(dvmd_member_t *m, uint32_t id, uint32_t by);
/* True where BY is a new accuser and still counts. */
bool dvmd_member_suspicion_confirm(dvmd_member_t *m, uint32_t id, uint32_t by);
/* The suspect itself was heard: it has a full minimum from now to refute. */
void dvmd_member_suspicion_heard(dvmd_member_t *m, uint32_t id);
void dvmd_member_suspicion_end(dvmd_member_t *m, uint32_t id);
uint64_t dvmd_member_suspicion_deadline(const dvmd_member_t *m);

/* --- member_gossip.c ----------------------------------------------------- */

void dvmd_member_gossip_free(struct dvmd_member_gossip *g);
/* News about REC: to be passed on mult * log10(n + 1) times. */
void dvmd_member_gossip_spread(dvmd_member_t *m, struct dvmd_member_rec *rec);
enum {
	DVMD_MEMBER_REPLY = 1,	/* to the message being received: takes the corrections along */
	DVMD_MEMBER_WINDOW = 2, /* spare room takes table entries */
};
/* Puts into MSG, which goes to TO, what TO should know; HOW: the flags above. */
void dvmd_member_gossip_fill(dvmd_member_t *m, struct dvmi_member_msg *msg, uint32_t to,
			     unsigned how);

/* --- member_out.c -------------------------------------------------------- */

void dvmd_member_out_free(struct dvmd_member_out *o);
/* An input begins: forgets actions already taken. */
void dvmd_member_out_begin(struct dvmd_member_out *o);
/* Makes sure that N events can be said. False when out of memory. */
bool dvmd_member_out_reserve(struct dvmd_member_out *o, size_t n);
void dvmd_member_out_event(struct dvmd_member_out *o, const struct dvmd_member_rec *rec,
			   enum dvmd_member_event event, unsigned flags);
/* A message about to go to TO, zeroed; NULL when out of memory (as good as lost on the way). */
struct dvmi_member_msg *dvmd_member_out_send(struct dvmd_member_out *o, uint32_t to);

/* --- member_claim.c ------------------------------------------------------ */

/* A claim from elsewhere or of our own about a member: looks up its cell and does it. */
void dvmd_member_claim(dvmd_member_t *m, const struct dvmi_member_update *u);
/* Judges the suspicions whose time is up. */
void dvmd_member_claim_expired(dvmd_member_t *m);
void dvmd_member_health_worse(dvmd_member_t *m);
void dvmd_member_health_better(dvmd_member_t *m);

/* --- member_probe.c ------------------------------------------------------ */

/* A message of TYPE to TO with all that belongs into every message. */
void dvmd_member_probe_send(dvmd_member_t *m, uint32_t to, enum dvmi_member_msg_type type,
			    uint32_t seq, uint32_t target, unsigned how);
/* An unsolicited ping: TO learns at once what we think of it, and our news. */
void dvmd_member_probe_tell(dvmd_member_t *m, uint32_t to);
/* The same, and what was claimed about TO itself. */
void dvmd_member_probe_pass(dvmd_member_t *m, uint32_t to, const struct dvmi_member_update *u);
/* The same as tell() to WANT random members, at most DVMD_MEMBER_EAGER. */
void dvmd_member_probe_tell_some(dvmd_member_t *m, uint32_t want);
/* Up to WANT random ALIVE members, not EXCEPT and not this node. Returns how many. */
uint32_t dvmd_member_probe_pick(dvmd_member_t *m, uint32_t want, uint32_t except, uint32_t *out);
/* MSG of FROM once its claims are taken in: answers, relays, ends the probe. */
void dvmd_member_probe_receive(dvmd_member_t *m, uint32_t from, const struct dvmi_member_msg *msg);
void dvmd_member_probe_tick(dvmd_member_t *m);
uint64_t dvmd_member_probe_deadline(const dvmd_member_t *m);

#endif
