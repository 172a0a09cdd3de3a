/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared by the files of the protocol: protocol.c (its life and messages), protocol_want.c, protocol_give.c
 * and protocol_hold.c (this node's copies), protocol_walk.c (those that others write, too), directory.c (pages whose home it is), view.c (nodes that come and go), cells.c
 * (what is remembered of pages).
 */
#ifndef SHM_PROTOCOL_PRIVATE_H
#define SHM_PROTOCOL_PRIVATE_H

#include <uthash.h>

#include "shm/protocol.h"

/* This node's copy of a page. Pages that nobody has touched have no cell. */
struct dsm_cell {
	uint64_t version; /* of the bytes that are kept, or DSM_NO_VERSION */
	uint8_t state;	  /* enum dsm_state */
	uint8_t left;	  /* times that what we had told at the mode's end is not settled */
	uint16_t home;	  /* first_touch.c: who is, as far as known, + 1; 0: who was at first */
};

#define DSM_CHUNK 512 /* pages */

struct dsm_chunk {
	struct dsm_cell cells[DSM_CHUNK];
	struct dsm_shelf *shelf; /* entries.c: of those of its pages that have one; or NULL */
};

/* A page of which somebody else has a copy, at its home. */
struct dsm_entry {
	uint64_t page;
	uint64_t sharers; /* a bit a node, or a group of nodes where there are more than 64 */
	uint32_t owner;
	bool owned;	    /* an owner is known; not so while the directory is made anew, or OWN is under way */
	uint32_t keeper;    /* likewise: keeps a copy that it gave up in vain */
	uint64_t kept;	    /* of this version; DSM_NO_VERSION: nobody does */
	bool poisoned;
	bool busy; /* with `requester`, until its DONE */
	uint32_t requester;
	bool serial;	  /* sharers are told one after the other: `next` is, for who keeps `have` */
	uint32_t next;
	uint64_t have;
	bool walked;	  /* the sharers write it, all of them; the owner is one of them */
	uint32_t giver;	  /* who sends it to the requester */
	uint16_t applies; /* the requester's differences are on the way to so many */
	bool many;	  /* to more than one: they wait for the others */
	uint64_t ended;	  /* version of the last time that it was walked and is not any more */
	struct dsm_request *queue;
};

struct dsm_request {
	struct dsm_request *prev, *next;
	uint32_t from;
	struct dsm_msg m;
	uint8_t diff[]; /* m.diff */
};

/* What this node has asked for. One a page. */
struct dsm_want {
	uint64_t page, since;
	bool write;
	bool then_write; /* a thread wants to write what is being read */
	bool data;	 /* the bytes are there, or ours are good */
	bool final;	 /* no DONE is needed */
	bool owner;	 /* who reads it owns it */
	bool blind;	 /* what is written while it is WALKING could not be told: it is not touched */
	uint32_t needed, acks; /* `needed` counts once `data` */
	/* Somebody who has given its copy up for us, and of which version. */
	uint32_t giver;
	uint64_t given; /* DSM_NO_VERSION: nobody */
	uint64_t owed;	/* nodes that wait until all have ended the mode of several writers: bits */
	UT_hash_handle hh;
};

/* A page that came lately and is not given away before its time. */
struct dsm_held {
	struct dsm_held *prev, *next;
	uint64_t page, until;
	bool asked;  /* m waits */
	bool pinned; /* until it is unpinned: not in a list */
	bool woken;  /* in the list of those, else in that of those that are not */
	struct dsm_msg m;
	UT_hash_handle hh;
};

#define DSM_LOCAL_MAX 16

struct dsm {
	struct dsm_config c;
	uint64_t now;
	struct dsm_chunk **chunks; /* those that were touched */
	struct dsm_want *wants;
	struct dsm_held *held, *held_list; /* the list in the order of their times */
	struct dsm_held *asleep;	   /* who waited for them has not been woken */
	uint64_t trip;			   /* ns, of a page that nobody fights for */
	/* Messages to ourselves: what one message can bring about, and more. */
	struct dsm_msg local[DSM_LOCAL_MAX];
	uint32_t nlocal;
	bool running; /* they are being taken */
	bool starved; /* there was no memory for what cannot be tried again */

	uint32_t epoch;
	bool *alive;	  /* [nodes] */
	uint32_t *marked; /* [nodes]: the last epoch each has marked */
	uint32_t *told;	  /* [nodes]: the last epoch each has reported for */
	bool flushing;	  /* not all have marked */
	bool making;	  /* not all have reported: the directory is not complete */
	struct dsm_request *waiting; /* until it is */
	struct dsm_request *kept; /* what was reported for a directory that was never complete */

	/* Differences of ours that not all have, and those of others likewise. */
	uint64_t unsettled, foreign;
	struct dsm_request *ends; /* END and ENDED that wait: protocol_walk.c */

	struct dsm_stats stats;
};

/* ---- cells.c ---- */
int dsm_cells_init(struct dsm *d);
struct dsm_cell dsm_cell_get(const struct dsm *d, uint64_t page);
/* To be changed; NULL without memory. */
struct dsm_cell *dsm_cell_touch(struct dsm *d, uint64_t page);
void dsm_cells_free(struct dsm *d);
/* Calls FN for each touched page. */
void dsm_cells_each(struct dsm *d, void (*fn)(struct dsm *d, uint64_t page, struct dsm_cell *c));

/* ---- entries.c ---- */
/* What the home knows of PAGE, or NULL. */
struct dsm_entry *dsm_entry_find(const struct dsm *d, uint64_t page);
/* To be changed: at first the page is the home's own. NULL without memory. */
struct dsm_entry *dsm_entry_touch(struct dsm *d, uint64_t page);
/* The first one from PAGE on, or NULL. */
struct dsm_entry *dsm_entry_next(const struct dsm *d, uint64_t page);
void dsm_entry_free(struct dsm *d, struct dsm_entry *e);
void dsm_entries_free(struct dsm *d);
/* M of FROM at the end of LIST. 0 or -ENOMEM. */
int dsm_request_queue(struct dsm *d, struct dsm_request **list, uint32_t from, const struct dsm_msg *m);
void dsm_requests_free(struct dsm_request **list);

/* ---- protocol.c ---- */
/* Sends, also to ourselves; the epoch is filled in. */
void dsm_send(struct dsm *d, uint32_t to, struct dsm_msg m);
/* What was sent to ourselves is done now. */
void dsm_run_local(struct dsm *d);
/* What a message has brought to an end, or not. */
int dsm_take(struct dsm *d, uint32_t from, const struct dsm_msg *m);

/* ---- protocol_hold.c ---- */
/* PAGE has just come. Without memory it is simply not held. */
void dsm_hold(struct dsm *d, uint64_t page);
/* What is known of that, or NULL; perhaps its time is over. */
struct dsm_held *dsm_held_find(const struct dsm *d, uint64_t page);
/* The page may not be given away, or changed, now. */
bool dsm_is_held(struct dsm *d, uint64_t page);
/* Keeps M for later if its page is held. */
bool dsm_deferred(struct dsm *d, const struct dsm_msg *m);
/* A page took so long to come. */
void dsm_learn_trip(struct dsm *d, uint64_t took);
void dsm_held_clear(struct dsm *d);

/* ---- protocol_give.c ---- */
/* Our copy goes to NODE, which keeps bytes of version HAVE: to be read, or to be written. */
void dsm_give_shared(struct dsm *d, struct dsm_cell *c, uint64_t page, uint32_t node, uint64_t have,
		     uint8_t flags);
void dsm_give_away(struct dsm *d, struct dsm_cell *c, uint64_t page, uint32_t node, uint64_t have,
		   uint16_t acks, uint8_t flags);
/* What a home wants of our copy. False: it makes no sense. */
bool dsm_take_order(struct dsm *d, uint32_t from, const struct dsm_msg *m, struct dsm_cell *c);

/* ---- protocol_want.c ---- */
/* Asks for what W wants, once more after a change of view. */
void dsm_ask(struct dsm *d, struct dsm_want *w);
void dsm_want_end(struct dsm *d, struct dsm_want *w);
struct dsm_want *dsm_want_find(const struct dsm *d, uint64_t page);
/* Asks for PAGE; -ENOMEM. */
int dsm_want(struct dsm *d, uint64_t page, bool write);
/* W is fulfilled if all is there. */
void dsm_want_advance(struct dsm *d, struct dsm_want *w, struct dsm_cell *c);
/* What was asked for. False: it makes no sense. */
bool dsm_take_answer(struct dsm *d, uint32_t from, const struct dsm_msg *m, struct dsm_cell *c);

/* ---- protocol_walk.c ---- */
/* Our copy, which is asked for to be written, gets several writers, if it may. */
bool dsm_walk_enter(struct dsm *d, struct dsm_cell *c, uint64_t page, uint32_t node, uint8_t flags);
/* A message of the mode. False: it makes no sense. */
bool dsm_walk_take(struct dsm *d, uint32_t from, const struct dsm_msg *m, struct dsm_cell *c);
/* Differences of another node. */
void dsm_walk_apply(struct dsm *d, const struct dsm_msg *m);
bool dsm_walk_data(struct dsm *d, const struct dsm_msg *m, struct dsm_cell *c);
/* All others have ended it: the page is ours alone. */
void dsm_walk_alone(struct dsm *d, const struct dsm_want *w);
/* With a new view each page becomes somebody's alone: all ask for all of theirs. */
void dsm_walk_view(struct dsm *d);
/* What was under way is not, with a new view; or at the end. */
void dsm_walk_forget(struct dsm *d);
/* Something has happened: does what waits for that. */
void dsm_walk_retry(struct dsm *d);

/* ---- directory.c, directory_view.c ---- */
/* The bit of NODE among sharers. */
static inline uint64_t dsm_bit(const struct dsm *d, uint32_t node)
{
	uint32_t n = d->c.nodes;

	return UINT64_C(1) << (n <= 64 ? node : (uint64_t)node * 64 / n);
}
/* Handles what waits until something takes time. */
void dsm_home_serve(struct dsm *d, struct dsm_entry *e, struct dsm_cell *c);
int dsm_home_request(struct dsm *d, uint32_t from, const struct dsm_msg *m);
/* Our own copy, which was held, has gone to whom it was for: no DONE. WALKED: we keep it, too. */
void dsm_home_given(struct dsm *d, uint64_t page, bool walked);
void dsm_home_done(struct dsm *d, uint32_t from, const struct dsm_msg *m);
/* Somebody has given up its copy of PAGE, and it was us who asked for that. */
bool dsm_home_acked(struct dsm *d, uint64_t page);
void dsm_home_applied(struct dsm *d, uint32_t from, uint64_t page);
void dsm_home_clear(struct dsm *d);
void dsm_home_end(struct dsm *d);
/* A copy is reported. */
int dsm_home_hold(struct dsm *d, const struct dsm_msg *m);
/*
 * The next view comes before the directory was complete, or before a sharer has said that it owns the page,
 * so nobody got anything of us: that a copy was given up in vain, as M and the entries say, is as true as it
 * was, and is reported once more: nobody else knows.
 * Without memory it is not, and the page may be lost.
 */
int dsm_home_keep(struct dsm *d, const struct dsm_msg *m);
void dsm_home_unmade(struct dsm *d);
void dsm_home_kept(struct dsm *d);
/* FROM, which was to own PAGE, has nothing. */
void dsm_home_gone(struct dsm *d, uint32_t from, uint64_t page);
/* Nobody but us has PAGE, ours, and nobody has asked. */
bool dsm_home_alone(const struct dsm *d, uint64_t page);
/* It needs no entry. */
void dsm_home_forget(struct dsm *d, uint64_t page);
/* All are: entries without an owner get one. Then requests that have waited are handled. */
void dsm_home_made(struct dsm *d);

/* ---- first_touch.c ---- */
/* The home of PAGE as the function says, of those that live. */
uint32_t dsm_first_home(const struct dsm *d, uint64_t page);
/* What to send with GETM. */
uint8_t dsm_claims(const struct dsm *d, uint64_t page);
/* FROM writes PAGE, ours and never written, as the first: it is its home now. False: not so. */
bool dsm_claimed(struct dsm *d, struct dsm_cell *c, uint32_t from, const struct dsm_msg *m);
/* M is for who has become the home of its page, and went there. */
bool dsm_pass_on(struct dsm *d, uint32_t from, const struct dsm_msg *m);
/* M was passed on to us: *FROM is who sent it first. False: nonsense. */
bool dsm_was_passed(const struct dsm *d, uint32_t *from, const struct dsm_msg *m);
/* NODE has spoken, or was spoken of, as the home of PAGE. */
void dsm_learn_home(struct dsm *d, uint64_t page, struct dsm_cell *c, uint32_t node);
/* All homes are what they were at first. */
void dsm_homes_back(struct dsm *d);

/* ---- view.c ---- */
/* Messages of views. */
int dsm_view_message(struct dsm *d, uint32_t from, const struct dsm_msg *m);
/* Whether M may be looked at at all, now. */
bool dsm_view_lets(const struct dsm *d, uint32_t from, const struct dsm_msg *m);
/* A copy, to its page's home. */
void dsm_report(struct dsm *d, const struct dsm_msg *m);

#endif
