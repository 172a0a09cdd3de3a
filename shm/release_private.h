/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared by the files of release consistency: release.c (this node's copies), release_flush.c (what
 * is sent and not yet known to all), release_home.c (pages whose home it is), release_view.c (nodes
 * that die).
 */
#ifndef SHM_RELEASE_PRIVATE_H
#define SHM_RELEASE_PRIVATE_H

#include <uthash.h>

#include "shm/release.h"

/* What is known of a page. */
enum {
	RC_STALE = 1,	/* there is a newer version than the copy: an acquire drops it */
	RC_DIRTY = 2,	/* in the list of those that are written */
	RC_WANT = 4,	/* GET is under way */
	RC_WRITE = 8,	/* likewise, and it is to be written */
	RC_ADOPTED = 16, /* its home is dead, or has moved, and we have its bytes in its place */
	RC_PULLED = 32,	/* likewise, and they are under way */
	RC_KEPT = 64,	/* the bytes of `version` are there, also if the copy was dropped, and may be
			 * needed: who is home to it has not said that it has them */
	RC_RECALLED = 128, /* the home wants it back */
};

struct dsm_rc_cell {
	uint64_t version; /* of the copy */
	uint64_t known;	  /* the highest that was heard of */
	uint64_t sharers; /* at the home: a bit a node, or a group of nodes */
	uint8_t state;	  /* enum dsm_rc_state */
	uint8_t flags;
	uint16_t lessee; /* at the home, and at who was until its move is over: who has it lent + 1;
			  * what lies here is old */
	uint16_t writer; /* likewise: who has written it last, and was alone with it, + 1 */
	uint8_t streak;	 /* how often in a row */
	uint8_t recalls; /* how often it was lent in vain */
};

#define RC_CHUNK 512 /* pages */

struct dsm_rc_chunk {
	struct dsm_rc_cell cells[RC_CHUNK];
};

/* Pages, in the order in which they came; may have some that are not meant any more. */
struct dsm_rc_list {
	uint64_t *pages;
	size_t n, room;
};

/* Changes that their home has not answered yet: it may die, then the next one gets them. */
struct dsm_rc_sent {
	struct dsm_rc_sent *prev, *next;
	uint64_t page;
	uint32_t home, epoch; /* to that one, in this view */
	uint8_t part;
	void *kept; /* the caller's */
};

/* Acknowledgements of a node that another, the home, has asked for. */
struct dsm_rc_due {
	uint32_t key;  /* home and node */
	int32_t count; /* to come; less than 0: came before it was known that they would */
	UT_hash_handle hh;
};

/* What one release has sent. */
struct dsm_rc_flush {
	struct dsm_rc_flush *prev, *next;
	struct dsm_rc_sent *sent;
	struct dsm_rc_due *dues;
	uint32_t number;
	uint32_t owing;	 /* dues, and nodes in own[], that are not 0 */
	uint32_t own[]; /* [nodes]: acknowledgements to come for what we are home to */
};

/* A page that another node was home to, at the new one: what the others say of it. */
struct dsm_rc_claim {
	uint64_t page, known, version, sharers;
	uint32_t node; /* has `version` */
	bool valid;    /* somebody has */
	UT_hash_handle hh;
};

struct dsm_rc {
	struct dsm_rc_config c;
	struct dsm_rc_chunk **chunks;
	struct dsm_rc_list dirty, stale;
	uint32_t written; /* pages that are */
	struct dsm_rc_flush *flushes;
	struct dsm_rc_flush *open; /* the one that is being filled */
	uint32_t flush;		   /* the last number */

	uint32_t epoch, before; /* of this view, and the last one */
	bool *alive, *lived;	/* [nodes]: likewise */
	uint32_t *held; /* [nodes]: the last epoch each has reported for */
	bool making;	/* not all have reported */
	uint32_t pulls;
	bool claimed; /* in this view we have become home to something */
	struct dsm_rc_claim *claims;
	struct dsm_rc_stats stats;
};

/* ---- release.c ---- */

struct dsm_rc_cell dsm_rc_cell(const struct dsm_rc *d, uint64_t page);
struct dsm_rc_cell *dsm_rc_touch(struct dsm_rc *d, uint64_t page); /* NULL without memory */
/* Calls FN for each page that was touched. */
void dsm_rc_each(struct dsm_rc *d,
		 void (*fn)(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c));
void dsm_rc_send(struct dsm_rc *d, uint32_t to, struct dsm_rc_msg m);
/* We are home to PAGE, and have it. */
bool dsm_rc_is_home(const struct dsm_rc *d, uint64_t page, const struct dsm_rc_cell *c);
void dsm_rc_poison(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c);
/* It may be written here. */
bool dsm_rc_writable(const struct dsm_rc_cell *c);
/* At its home: a thread wants it. */
int dsm_rc_fault_at_home(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c, bool write);
/* Asks for PAGE, or finds that it is here. */
int dsm_rc_want(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c, bool write, bool ahead);
/* The copy of PAGE is dropped with the next acquire. */
void dsm_rc_stale(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c);
bool dsm_rc_list_add(struct dsm_rc_list *l, uint64_t page);

/* ---- release_flush.c ---- */

/* Whom a bit of sharers means: NODE is among them. */
bool dsm_rc_among(const struct dsm_rc *d, uint64_t sharers, uint32_t node);
uint64_t dsm_rc_bit(const struct dsm_rc *d, uint32_t node);
/* The flush that is being filled; NULL without memory. */
struct dsm_rc_flush *dsm_rc_flush_open(struct dsm_rc *d);
/* It is full: who waits for it may go on as soon as all have answered. */
void dsm_rc_flush_close(struct dsm_rc *d);
/* NODE is to acknowledge F. */
void dsm_rc_flush_owes(struct dsm_rc *d, struct dsm_rc_flush *f, uint32_t node);
int dsm_rc_on_taken(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m);
int dsm_rc_on_ack(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m);
/* Nobody waits for NODE any more. */
void dsm_rc_flush_died(struct dsm_rc *d, uint32_t node);
/* Changes whose home is dead go to the new one; where that is us, others are told of them (HERE). */
void dsm_rc_flush_again(struct dsm_rc *d, bool here);
/* What another has sent of PAGE, which is ours now, is without them: before it is filled in. */
void dsm_rc_flush_redo(struct dsm_rc *d, uint64_t page);
void dsm_rc_flush_free(struct dsm_rc *d);
/* What is written in PAGE goes where it has to, as part of F; the page is DROPped, or stays. */
void dsm_rc_write_back(struct dsm_rc *d, struct dsm_rc_flush *f, uint64_t page,
		       struct dsm_rc_cell *c, bool drop);

/* ---- release_home.c ---- */

int dsm_rc_at_home(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m);
/* What is written in PAGE, at its home, is told those that have copies. */
void dsm_rc_tell(struct dsm_rc *d, struct dsm_rc_flush *f, uint64_t page, struct dsm_rc_cell *c);

/* NOTICE to all of SHARERS but WRITER, who waits for them; F: it is us. */
void dsm_rc_notify(struct dsm_rc *d, uint64_t page, uint64_t sharers, uint32_t writer,
		   struct dsm_rc_msg m, struct dsm_rc_flush *f);

/* ---- release_lend.c: pages that one node writes and nobody else looks at ---- */

/* FROM asks for PAGE to write it, or has written it: shall it have it to itself from now on? */
bool dsm_rc_lends_first(const struct dsm_rc *d, const struct dsm_rc_cell *c, const struct dsm_rc_msg *m);
bool dsm_rc_lends_writer(const struct dsm_rc *d, struct dsm_rc_cell *c, uint32_t from);
void dsm_rc_lend(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c, uint32_t to);
/* A request for what is lent. 0 or -EAGAIN. */
int dsm_rc_while_lent(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m,
		      struct dsm_rc_cell *c);
/* We want to touch PAGE, which we have lent. */
void dsm_rc_recall(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c);
/* PAGE, which we have lent to us, goes home; STAYS: we keep a copy. */
void dsm_rc_give_back(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c, bool stays);
/* TAKEN said that PAGE is lent to us; F: the only flush there is. */
void dsm_rc_keep(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c, bool possible);
bool dsm_rc_on_recall(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m,
		      struct dsm_rc_cell *c);
bool dsm_rc_on_back(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m,
		    struct dsm_rc_cell *c);
bool dsm_rc_on_got(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m,
		   struct dsm_rc_cell *c);

/* ---- release_view.c ---- */

int dsm_rc_on_view(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m);
/* PAGE has, or had, another home than at first. */
bool dsm_rc_has_moved(const struct dsm_rc *d, uint64_t page);
/* Who was to be its home is dead. */
bool dsm_rc_is_orphan(const struct dsm_rc *d, uint64_t page);
/* In view EPOCH it had another home, or has had one since. */
bool dsm_rc_has_moved_since(const struct dsm_rc *d, uint64_t page, uint32_t epoch);
/* The home has what we have of PAGE. */
void dsm_rc_safe(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c);
/* M cannot be looked at yet. */
bool dsm_rc_too_early(const struct dsm_rc *d, const struct dsm_rc_msg *m);
/* What was pulled has come. */
void dsm_rc_pulled(struct dsm_rc *d, const struct dsm_rc_msg *m, struct dsm_rc_cell *c);
/* Its home, or who was to have it, says that a page is lost. */
void dsm_rc_on_gone(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m,
		    struct dsm_rc_cell *c);
void dsm_rc_view_free(struct dsm_rc *d);

#endif
