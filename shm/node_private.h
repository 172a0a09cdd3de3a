/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared by what a node consists of: node.c (life, packets, views), node_out.c (what is to be sent),
 * node_run.c (the lock, the service thread, waiting), seg*.c (segments). Everything is under the
 * lock unless it says otherwise.
 */
#ifndef SHM_NODE_PRIVATE_H
#define SHM_NODE_PRIVATE_H

#include <pthread.h>

#include "shm/dsm.h"
#include "shm/member.h"
#include "shm/uffd.h"
#include "shm/wire.h"

/* A packet that is being put together, or waits. */
struct dsm_out {
	struct dsm_out *next;
	size_t len, records;
	bool last; /* a peer's last_word: there is no room for anything else */
	uint8_t bytes[];
};

/* Packets in the order in which they go. */
struct dsm_outs {
	struct dsm_out *head, *tail;
};

struct dsm_peer {
	struct dsm_outs out;	      /* to be sent */
	struct dsm_outs closed, open; /* wait: node_gate.c */
	bool listed; /* in the list of those that have something to be sent */
	struct dsm_out *last_word; /* set aside, as leaving must not need memory; NULL: it was said */
	uint64_t lost_since; /* there is no connection, though it lives; 0: there is */
};

/* What is to be told waits for differences of pages that several nodes write: node_gate.c. */
struct dsm_gate {
	bool walking; /* there were such pages */
	bool any;     /* something is in an open list */
	bool tells;   /* and tells of what was written here */
	bool shut;    /* what is in the closed lists waits */
	bool again;   /* and not all is told: it has to be looked for once more */
	uint64_t flushes, waits;
};

/* A record for a segment that is not there yet. */
struct dsm_early {
	struct dsm_early *prev, *next;
	uint32_t from, len;
	unsigned service;
	uint8_t bytes[];
};

/*
 * Pages [first, first + count) of a segment have their home at TO since that view; of them only those
 * that were FROM's by what comes before, dead or not, unless that is DSM_ANY.
 */
struct dsm_move {
	uint32_t segment, from, to, since;
	uint64_t first, count;
};

#define DSM_ANY	      UINT32_MAX
#define DSM_MOVES_MAX 128

struct dsm_moves {
	struct dsm_move moves[DSM_MOVES_MAX]; /* what comes later counts */
	uint32_t n;
};

struct dsm_node {
	struct dsm_node_config c;
	pthread_mutex_t lock;
	_Atomic uint32_t wanting; /* threads that want the lock */
	pthread_t thread;
	bool running;
	bool alone; /* there is one processor for all of us */
	bool faults; /* there may be some: the service thread's */
	_Atomic bool stop;
	int kick;	      /* eventfd */
	bool asleep;	      /* the service thread */
	bool fresh;	      /* there is a descriptor that it does not wait for yet */
	uint64_t asleep_till; /* while it is */
	bool armed;	      /* likewise: packets wake it */
	uint64_t attended;    /* when a thread that waits has last looked for packets */
	_Atomic uint32_t dozing; /* threads of the program that wait and sleep */
	_Atomic uint64_t crowded_till; /* others want our cores: known to threads that wait, */
	uint64_t wanted_till;	       /* and to the service thread: the program does, maybe */
	_Atomic uint32_t turns;	       /* that this has had */
	uint64_t now, looked; /* now; when we have last looked for the dead */
	uint64_t news, gap;   /* when something last came; from one to the next, of late */
	uint32_t no_spin, no_slice; /* segments that want none: node_run.c */
	uint64_t idle_till; /* there is nothing to do before, unless something comes; 0: maybe */
	const volatile uint8_t *warm; /* where bytes that are asked for will be written; or NULL */

	struct dsm_peer *peers; /* [nodes] */
	uint32_t *unsent, nunsent; /* whose packets are to be sent */
	struct dsm_out *spare;
	size_t packet_max;
	bool second; /* the last record was the second of its packet */
	bool behind; /* a link had no room */
	struct dsm_gate gate;
	uint8_t *self; /* records to ourselves */
	size_t self_len, self_room;

	struct dsm_member member;
	bool cut; /* the others go on without us */
	bool starved; /* a message was lost for want of memory: nothing may follow it */
	struct dsm_moves homes, next_homes; /* of the view; of the one that is to come */
	struct dsm_service services[DSM_SERVICES];
	struct dsm_uffd uffd[2]; /* faults for the thread, and as signals */
	struct dsm_seg *segs[DSM_SEGS];
	uint32_t nsegs; /* none has an index from here on */
	uint32_t last_id; /* of the segment that was made last */
	struct dsm_early *early;
	uint32_t nearly;
	uint32_t waiting; /* faults under way: it pays to look for their end */
	uint64_t dropped; /* records that made no sense */
};

/* ---- node_out.c ---- */

int dsm_out_init(struct dsm_node *n);
void dsm_out_fini(struct dsm_node *n);
/* Room for a record for TO, to be filled at once; NULL without memory or when TO is gone. */
void *dsm_out_record(struct dsm_node *n, uint32_t to, unsigned service, size_t len);
/* The same in LANE; the other one tells. */
void *dsm_out_in_lane(struct dsm_node *n, uint32_t to, unsigned service, size_t len,
		      enum dsm_lane lane);
/* TO hears MESSAGE, of LEN bytes up to 4, behind what goes already: once, and without memory. */
void dsm_out_last_word(struct dsm_node *n, uint32_t to, unsigned service, const void *message,
		       size_t len);
/* What is open is closed, behind what is; what is closed is to be sent. */
void dsm_out_close(struct dsm_node *n);
void dsm_out_release(struct dsm_node *n);
/* Gives the links what they take. */
void dsm_out_flush(struct dsm_node *n);
void dsm_out_forget(struct dsm_node *n, uint32_t node);

/* ---- node_gate.c ---- */

/* Whether records that are not free have to wait. */
bool dsm_gate_needed(const struct dsm_node *n);
/* Compares, and lets go what may; before dsm_out_flush(), not from inside of a handler. */
void dsm_gate_step(struct dsm_node *n);
/* There is a new view: nobody answers for the old one any more. */
void dsm_gate_open(struct dsm_node *n);

/* ---- node.c ---- */

/* The descriptor for segments whose faults are signals, or not; made when first needed. */
int dsm_node_uffd(struct dsm_node *n, bool signals, const struct dsm_uffd **out);
/* Looks for who has died. */
void dsm_node_look(struct dsm_node *n);
/* Takes what was posted to ourselves. Returns the number of records. */
int dsm_node_take_own(struct dsm_node *n);
/* Records that came before S go to it now. */
void dsm_node_replay(struct dsm_node *n, uint32_t id);
/* Those for segment ID, which is not there, are of one that is gone. */
void dsm_node_forget_early(struct dsm_node *n, uint32_t id);
/* Does whatever can be done now; FAULTS: reads them, too. Returns the number of events. */
int dsm_node_round(struct dsm_node *n, bool faults);
/* When something is due by itself. */
uint64_t dsm_node_deadline(struct dsm_node *n);

/* Decides on a view if that is for us and there is something new, or anyhow (AGAIN). */
void dsm_node_decide(struct dsm_node *n, bool again);

/* Nothing of any segment can be had here any more. */
void dsm_node_cut_off(struct dsm_node *n);

/* ---- node_leave.c ---- */

/* Looks for connections that are lost; after too long this node leaves. */
void dsm_leave_look(struct dsm_node *n);
/* Likewise, if there was no memory for a message. Not inside of a handler. */
void dsm_leave_starved(struct dsm_node *n);
/* Another one has. */
void dsm_leave_on(struct dsm_node *n, const struct dsm_wire_record *r);

/* ---- node_homes.c ---- */

/* What L says of PAGE of S, which has been given another home; or NULL. */
const struct dsm_move *dsm_homes_find(const struct dsm_seg *s, const struct dsm_moves *l,
				      uint64_t page);
/* Who is home to PAGE of S as long as that lives. */
uint32_t dsm_homes_of(const struct dsm_seg *s, uint64_t page);
/* There is room for M, as far as is known here. */
bool dsm_homes_fits(const struct dsm_node *n, const struct dsm_move *m);
/* L counts from now on; a new view follows. 0 or -ENOMEM. */
int dsm_homes_adopt(struct dsm_node *n, const struct dsm_moves *l);
/* SEGMENT is gone here. */
void dsm_homes_forget(struct dsm_node *n, uint32_t segment);
/* What has been told of moves was old when it came: they count from the view that is to come on. */
void dsm_homes_again(struct dsm_node *n);
/* TO hears of all moves. */
void dsm_homes_tell(struct dsm_node *n, uint32_t to);
/* Asks for M, of a segment that is there. */
void dsm_homes_ask(struct dsm_node *n, const struct dsm_move *m);
void dsm_homes_on_list(struct dsm_node *n, const struct dsm_wire_record *r);
void dsm_homes_on_ask(struct dsm_node *n, const struct dsm_wire_record *r);

/* ---- node_run.c ---- */

int dsm_run_start(struct dsm_node *n);
void dsm_run_stop(struct dsm_node *n);

/* ---- seg.c ---- */

void dsm_seg_message(struct dsm_seg *s, uint32_t from, const struct dsm_wire_record *r);
void dsm_seg_view(struct dsm_seg *s, uint32_t epoch, const bool *alive);
uint64_t dsm_seg_deadline(const struct dsm_seg *s);
void dsm_seg_tick(struct dsm_seg *s);
/* It was ended, here or elsewhere. */
void dsm_seg_end(struct dsm_seg *s);
/* What is to be mapped is. */
void dsm_seg_settle(struct dsm_seg *s);
/* Compares pages that several nodes write; true if there are any. */
bool dsm_seg_walk_look(struct dsm_seg *s);
uint64_t dsm_seg_walk_pending(const struct dsm_seg *s);
/* Something could not be told before what is pending now is over. */
bool dsm_seg_walk_again(const struct dsm_seg *s);
/* What this node tells waits from now on, or goes. */
void dsm_seg_trace_gate(struct dsm_seg *s, bool shut);
/* FROM has waited too long for a page of S: what is known of it is put on record. */
void dsm_seg_on_why(struct dsm_seg *s, uint32_t from, uint64_t page);
/* A fault at FAULT->at, if that is in S. */
bool dsm_seg_fault(struct dsm_seg *s, const struct dsm_uffd_fault *fault);
/* Its figures are brought up to date. */
void dsm_seg_show(struct dsm_seg *s);
/* Nothing of it can be had any more. */
void dsm_seg_cut(struct dsm_seg *s);

#endif
