/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Release consistency with homes (Keleher, Cox and Zwaenepoel 1992; Zhou, Iftode and Li 1996), with
 * notices that are sent early and taken late (Kontothanassis, Scott and Bianchini 1995). Several
 * nodes write a page at a time, each into its own copy, beside which lies a twin of what was there
 * before. A release sends what has changed to the homes, which tell those that have copies, and is
 * over once all of them know; an acquire drops what was told of. So what was written before a
 * release is seen after any acquire that follows it, however the program passes that on.
 * doc/design/0023-release.md has the rules.
 *
 * Pushing: homes send the changes themselves instead of notices; copies stay.
 *
 * Pure: no memory of pages, sockets, clocks or threads. Channels between two nodes keep order and
 * lose nothing while both live. All of one segment and node is called by one thread at a time.
 */
#ifndef SHM_RELEASE_H
#define SHM_RELEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DSM_RC_NODES_MAX 1024

/* What a node may do with its copy. */
enum dsm_rc_state {
	DSM_RC_INVALID = 0, /* nothing; at its home: nobody here has touched it yet */
	DSM_RC_READ,
	DSM_RC_WRITTEN, /* read and write; what has changed is not released */
	DSM_RC_OPEN,	/* its home, or who has it lent, and nobody else has a copy: read and write,
			 * nobody asks what */
	DSM_RC_LOST,
};

enum dsm_rc_kind {
	/* → home */
	DSM_RC_GET = 1,
	DSM_RC_DIFF, /* what has changed in `part` of the page, in our release `flush` */
	/* home → */
	DSM_RC_DATA,  /* the page as it is in `version` */
	DSM_RC_TAKEN, /* → writer: DIFF has made `version`; those in `sharers` acknowledge to you */
	DSM_RC_NOTICE, /* → sharer: there is `version`; acknowledge `flush` to `node` */
	DSM_RC_GONE,   /* the page is lost */
	/* sharer → writer */
	DSM_RC_ACK, /* of a NOTICE of `node` */
	/* after a death, → the new home */
	DSM_RC_HOLD, /* have a copy of `version`, have heard of `sharers` (a version) */
	DSM_RC_HELD, /* that was all */
	DSM_RC_PULL, /* new home →: send yours */
	/* pages that are lent */
	DSM_RC_RECALL, /* home → who has it: others want it */
	DSM_RC_BACK,   /* → home: the page as it is, or (without bytes) it was not taken */
	DSM_RC_GOT,    /* home → who gave it back: `version` has come */
	/* homes that move */
	DSM_RC_MADE, /* new home → all: has what it is home to now */
	DSM_RC_KINDS
};

enum dsm_rc_flag {
	DSM_RC_BYTES = 1,   /* the page's bytes go with the message: those of its twin, if it has one */
	DSM_RC_ZEROS = 2,   /* likewise, and are all zero */
	DSM_RC_CHANGES = 4, /* what has changed in the page since its twin was made goes with it: of
			     * part `part` */
	DSM_RC_FORWARD = 8, /* the changes that are being received go with it */
	DSM_RC_VALID = 16,  /* HOLD: the copy is good; BACK: it stays */
	DSM_RC_AGAIN = 32,  /* the changes in *kept go with it */
	DSM_RC_PULLED = 64, /* DATA: an answer to PULL */
	DSM_RC_ALONE = 128, /* GET: to be written; DATA, TAKEN: it is lent to you */
};

struct dsm_rc_msg {
	uint8_t kind, flags; /* enum dsm_rc_kind, dsm_rc_flag */
	uint8_t part;	     /* with CHANGES and FORWARD: of the page */
	uint16_t node;
	uint32_t epoch, flush;
	uint64_t page, version, sharers;
	void **kept; /* not sent: of DIFF, where the caller keeps its changes until forget() */
};

/* What the engine has done to a page; the caller makes it so before it returns. */
struct dsm_rc_ops {
	/* Sends M, with what its flags say. Never to oneself. */
	void (*send)(void *arg, uint32_t node, const struct dsm_rc_msg *m);
	/* The bytes of the message that is being received are kept, under the changes since the twin,
	 * if there is one; the page may not be touched. */
	void (*fill)(void *arg, uint64_t page);
	/* The changes of the message that is being received are made in what is kept, and in the
	 * twin; the page may be in use. */
	void (*merge)(void *arg, uint64_t page);
	/* The page may be read, or written. Who waits for it goes on. */
	void (*install)(void *arg, uint64_t page, bool write);
	void (*protect)(void *arg, uint64_t page); /* it may be read only */
	void (*drop)(void *arg, uint64_t page);	   /* it may not be touched; its bytes are kept */
	void (*poison)(void *arg, uint64_t page);
	/* A twin of what is kept is made, or forgotten. False: no memory. */
	bool (*twin)(void *arg, uint64_t page);
	void (*untwin)(void *arg, uint64_t page);
	/* The changes KEPT of a DIFF are made in the bytes of the message that is being received,
	 * before fill(); or forgotten. KEPT may be NULL. */
	void (*redo)(void *arg, unsigned part, void *kept);
	void (*forget)(void *arg, void *kept);
	/* Whether PART of the page differs from its twin. */
	bool (*changed)(void *arg, uint64_t page, unsigned part);
};

struct dsm_rc_config {
	uint32_t self, nodes;
	uint64_t pages;
	uint32_t parts;	 /* in which changes of a page are sent, 1 … 255 */
	uint32_t twins;	 /* pages at most that are written and not released; 0: any number */
	bool push;
	bool lend; /* pages that only one node writes; not with push */
	uint32_t (*home)(void *arg, uint64_t page); /* at first; the same everywhere */
	/* PAGE has another home since view *SINCE, *TO if that lives. Changes with a view, the same
	 * everywhere, after dsm_rc_remember(). NULL: no home moves. */
	bool (*moved)(void *arg, uint64_t page, uint32_t *to, uint32_t *since);
	const struct dsm_rc_ops *ops;
	void *arg;
};

struct dsm_rc_stats {
	uint64_t releases, diffs, notices, pushed; /* sent */
	uint64_t lent, recalled;
	uint64_t dropped; /* messages that made no sense, or came from the dead */
	uint64_t lost;	  /* pages */
};

struct dsm_rc; /* incomplete */

/* At first every page is all zeros. 0 or -E…. */
int dsm_rc_create(struct dsm_rc **out, const struct dsm_rc_config *config);
void dsm_rc_destroy(struct dsm_rc *d); /* NULL is accepted */

/*
 * A thread cannot read, or write, PAGE: install() or poison() comes for it. AHEAD: nobody has
 * touched it yet. -EINVAL; -ENOMEM: nothing has happened, try again.
 */
int dsm_rc_fault(struct dsm_rc *d, uint64_t page, bool write, bool ahead);

/*
 * What has been written here until now is sent: MOST pages of it at once, so that the caller can do
 * other things. Returns 1 when there is more, 0 or -ENOMEM. It is over when dsm_rc_over(*NUMBER).
 */
int dsm_rc_release(struct dsm_rc *d, uint64_t most, uint32_t *number);
bool dsm_rc_over(const struct dsm_rc *d, uint32_t number);
/* Copies of what others have released since they came are dropped. 0, -ENOMEM or -EAGAIN. */
int dsm_rc_acquire(struct dsm_rc *d);

/*
 * The copy of PAGE is given up, what has changed in it goes home. 0: its bytes are not needed any
 * more; -EAGAIN (something is under way), -ENOENT (there is none, or it is the home).
 */
int dsm_rc_discard(struct dsm_rc *d, uint64_t page);

/*
 * M came from FROM, in the order of its channel. It is input: nonsense is counted. -ENOMEM; -EAGAIN:
 * it cannot be looked at yet, and shall come again in its order once anything else was taken, or a
 * view has come, and before anything newer does; and all such as long as one more is taken. 0; 1: it
 * was what others may wait for, which come again now from the first on.
 */
int dsm_rc_receive(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m);
/* As dsm_view() of protocol.h. */
int dsm_rc_view(struct dsm_rc *d, uint32_t epoch, const bool *alive);
/* It is being found out who has what of the dead: what was written waits. */
bool dsm_rc_settling(const struct dsm_rc *d);
/* With the view that comes PAGE gets another home: before moved() says so. 0 or -ENOMEM. */
int dsm_rc_remember(struct dsm_rc *d, uint64_t page);
/* Something of PAGE would be lost with us: we are its home, or have what that does not have yet. */
bool dsm_rc_is_needed(const struct dsm_rc *d, uint64_t page);

enum dsm_rc_state dsm_rc_state(const struct dsm_rc *d, uint64_t page);
/* Whether PAGE may be touched so here. */
bool dsm_rc_allows(const struct dsm_rc *d, uint64_t page, bool write);
uint32_t dsm_rc_home(const struct dsm_rc *d, uint64_t page);
uint64_t dsm_rc_version(const struct dsm_rc *d, uint64_t page);
/* We are home to PAGE and have lent it: to that node; else -1. */
int64_t dsm_rc_lent(const struct dsm_rc *d, uint64_t page);
const struct dsm_rc_stats *dsm_rc_stats(const struct dsm_rc *d);

#endif
