/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Coherence of the pages of a segment: a home-based directory protocol with a single writer or many
 * readers. Pure: knows neither memory nor sockets nor clocks, so that it is simulated and model
 * checked; doc/design/0015-coherence.md is its paper and has the same tables.
 *
 * Every page has a home, which knows who owns it and who may have copies, and which handles one
 * transaction a page at a time, in the order of arrival. Owners send pages straight to whoever asks
 * (three hops at most), sharers acknowledge straight to the writer, all in parallel. A read never
 * moves ownership. Each right to write makes a new version, so bytes of equal version are equal and
 * need not be sent.
 *
 * Channels between two nodes keep order and lose nothing while both live; nothing is assumed of
 * messages over different channels. All of one segment and node is called by one thread at a time.
 */
#ifndef SHM_PROTOCOL_H
#define SHM_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DSM_NODES_MAX  1024
#define DSM_NO_VERSION UINT64_MAX /* no bytes are kept */

/* What a node may do with its copy. */
enum dsm_state {
	DSM_INVALID = 0, /* nothing; the bytes of an old version may still be there */
	DSM_SHARED,	 /* read; the owner is another node */
	DSM_OWNED,	 /* read, and give to others */
	DSM_MODIFIED,	 /* read and write, nobody else has a copy */
	DSM_POISONED,	 /* its only copy was lost with a node */
	DSM_WALKING,	 /* read and write, and so may others: what is changed is sent to all */
};

enum dsm_kind {
	/* requester → home */
	DSM_GETS = 1, /* to read; version: of the bytes it keeps */
	DSM_GETM,     /* to write; likewise */
	DSM_DONE,     /* has what it asked for */
	DSM_PUT,      /* the owner wants to get rid of the page */
	/* home → others */
	DSM_FWD_GETS, /* → owner: send to `node`, which keeps `version` */
	DSM_FWD_GETM, /* → owner: likewise, and keep nothing */
	DSM_INV,      /* → sharer: keep nothing, acknowledge to `node` */
	DSM_GRANT,    /* → requester, the owner: may write once `acks` acknowledgements are there; to
		       * GETS: may read anyhow */
	DSM_LOST,     /* → requester: the page is poisoned */
	/* to the requester */
	DSM_DATA, /* owner →: bytes of `version`, to read or (exclusive) to write, after `acks` */
	DSM_ACK,  /* sharer →; version: of what it had, DSM_NO_VERSION nothing */
	/* views */
	DSM_MARK,   /* nothing of an older view follows on this channel */
	DSM_HOLD,   /* → home: `node` has a copy, `state` and `version` */
	DSM_HELD,   /* → home: that was all */
	DSM_OWN,    /* home →: you own what you share, or what you keep of `version` */
	/* pages that several nodes write: 0021-walked.md */
	DSM_FWD_WALK, /* home → one that does: `node` will, too; send it what all have agreed on */
	DSM_DIFF,     /* → home: what has changed here */
	DSM_APPLY,    /* home → the others: what has changed at `node` */
	DSM_APPLIED,  /* → home */
	DSM_SETTLED,  /* → `node` (who has changed something): all have it. With DSM_WALK → the others */
	DSM_END,      /* home → all but `node`, which will have it alone: keep nothing */
	DSM_ENDED,    /* → the one: what had changed here. Counts as ACK */
	DSM_KINDS
};

enum dsm_flag {
	DSM_BYTES = 1,	   /* the page's bytes go with the message */
	DSM_FINAL = 2,	   /* no DONE is needed */
	DSM_EXCLUSIVE = 4, /* DATA for a writer */
	DSM_OWNER = 16,	   /* FWD_GETS, DATA to read: who asks becomes the owner; SETTLED: the
			    * mode has ended everywhere */
	DSM_CLAIM = 32,	   /* GETM: would be home to it; DATA: you are */
	DSM_PASSED = 64,   /* a request that came to who was the home, for `node` */
	DSM_WALK = 8,	   /* DATA, DONE: one of several that write; GRANT: not any more; APPLY: SETTLED
			    * will come here, too */
};

struct dsm_msg {
	uint8_t kind;  /* enum dsm_kind */
	uint8_t flags; /* enum dsm_flag */
	uint8_t state; /* HOLD */
	uint16_t node;	/* of DATA: the page's home, as far as its sender knows */
	uint16_t acks;
	uint32_t epoch; /* view of the sender */
	uint64_t page, version;
	uint64_t have; /* not sent: of DATA, which version the receiver keeps */
	const uint8_t *diff; /* DIFF, APPLY, ENDED: diff.h; the caller's */
	size_t ndiff;
};

/* The same for pages that several nodes write. */
struct dsm_walk_ops {
	/* PAGE, which is ours alone and others want: may all write it from now on? */
	bool (*may)(void *arg, uint64_t page);
	/*
	 * They do. What lies there now is what all have agreed on; after may(): what that has seen. False: what
	 * is written here could not be told, so the mode has to end before anything is. Not after may().
	 */
	bool (*enter)(void *arg, uint64_t page);
	/*
	 * What another node has changed; LAST: what it had not told when the mode ended, so it is not
	 * agreed on. False: we have changed the same, the mode has to end.
	 */
	bool (*merge)(void *arg, uint64_t page, const uint8_t *diff, size_t n, bool last);
	/* What was given to dsm_walk_diff() is agreed on. */
	void (*settled)(void *arg, uint64_t page);
	/* The page was dropped: what we have changed of it goes with M. */
	void (*last)(void *arg, uint64_t page, struct dsm_msg *m);
	/* The mode has ended here. */
	void (*leave)(void *arg, uint64_t page);
	/*
	 * What we have not told of PAGE leads to other pages that are not dsm_walk_known(): those are to
	 * end, and PAGE does not go before.
	 */
	bool (*leads)(void *arg, uint64_t page);
};

/* What the engine has done to a page; the caller makes it so before it returns. */
struct dsm_ops {
	/* Sends M; with DSM_BYTES the page's bytes as they are now. Never to oneself. */
	void (*send)(void *arg, uint32_t node, const struct dsm_msg *m);
	/* The bytes of the message that is being received are kept; the page may not be touched yet. */
	void (*fill)(void *arg, uint64_t page);
	/* The page may be read, or written, with the bytes that are kept. Who waits for it goes on. */
	void (*install)(void *arg, uint64_t page, bool write);
	/* PAGE has a new version and will be installed to be written; its bytes are still those of
	 * the version before. May be NULL. */
	void (*begin)(void *arg, uint64_t page);
	/* It may be read, but not written any more. */
	void (*protect)(void *arg, uint64_t page);
	/* It may not be touched any more; its bytes are kept. */
	void (*drop)(void *arg, uint64_t page);
	/* It is lost: whoever waits for it, or touches it from now on, gets an error. */
	void (*poison)(void *arg, uint64_t page);
};

struct dsm_config {
	uint32_t self, nodes; /* 1 … DSM_NODES_MAX; all of them are there at first */
	uint64_t pages;
	/* The node a page belongs to as long as that lives. The same function everywhere. */
	uint32_t (*home)(void *arg, uint64_t page);
	uint64_t hold; /* ns for which a page that came is not given away; 0: none */
	/* A page is held for as long as it takes to come, up to this: else who fights for it does
	 * nothing but wait. Below `hold`: no longer than that. */
	uint64_t hold_max;
	bool late;     /* this node was not there at first: it owns nothing */
	/*
	 * Whoever is the first to write a page, and may (this says so), is its home until there is a
	 * new view. NULL, or not, at all nodes. first_touch.c
	 */
	bool (*claim)(void *arg, uint64_t page);
	/* As the first of its kind were (Li and Hudak 1989, and what came of that), to compare with;
	 * the same everywhere, and not with `walk`. */
	bool serial;	/* sharers are told one after the other */
	bool reads_own; /* who reads a page becomes its owner */
	const struct dsm_ops *ops;
	const struct dsm_walk_ops *walk; /* NULL: a page has one writer, always */
	void *arg;
};

struct dsm_stats {
	uint64_t read_faults, write_faults; /* that needed another node */
	uint64_t sent[DSM_KINDS];
	uint64_t elided;   /* pages that were not sent, their bytes being there */
	uint64_t deferred; /* by the hold */
	uint64_t dropped;  /* messages that made no sense, or came from the dead */
	uint64_t lost;	   /* pages */
	uint64_t walked;   /* times that a page got several writers here */
};

struct dsm; /* incomplete */

/* At first the home owns each page, and it is all zeros everywhere (version 0). 0 or -E…. */
int dsm_create(struct dsm **out, const struct dsm_config *config);
void dsm_destroy(struct dsm *d); /* NULL is accepted */

/*
 * A thread of this node cannot read, or write, PAGE. install() or poison() comes for it, perhaps
 * from inside the call; further faults for the same page meanwhile are welcome. -EINVAL: no such
 * page. -ENOMEM: nothing has happened, try again.
 */
int dsm_fault(struct dsm *d, uint64_t page, bool write, uint64_t now);

/*
 * Asks the home to take a page that is owned here, so that its memory can be freed when it has
 * become INVALID; the home may be busy and do nothing. 0; -EAGAIN (something is under way), -ENOENT
 * (it is not owned here, or this is its home).
 */
int dsm_evict(struct dsm *d, uint64_t page);

/*
 * A copy that others have, too, or the kept bytes of an INVALID page, are given up; drop() comes for
 * a copy. 0; -EAGAIN (something is under way), -ENOENT (we are responsible for it, or there are no
 * bytes).
 */
int dsm_discard(struct dsm *d, uint64_t page);

/*
 * What is known of PAGE does not follow from who is its home any more: before the home function
 * changes, which it may with a view, the same everywhere. 0 or -ENOMEM.
 */
int dsm_remember(struct dsm *d, uint64_t page);

/*
 * A page that may be written here has other bytes from now on, which nobody has written: it is a new
 * version. 0; -EAGAIN: it is not ours alone, or does not stay, or is pinned.
 */
int dsm_renew(struct dsm *d, uint64_t page);

/* M came from node FROM, in the order of its channel. It is input: nonsense is counted. -ENOMEM. */
int dsm_receive(struct dsm *d, uint32_t from, const struct dsm_msg *m, uint64_t now);

/* Memory was short, and a message, or what it brought about, was lost for that: nothing here is sound any more. */
bool dsm_starved(const struct dsm *d);

/* When dsm_tick() is due, UINT64_MAX never. */
uint64_t dsm_deadline(const struct dsm *d);
/* Gives away what was held for long enough. What came and was not woken for is held from now. */
void dsm_tick(struct dsm *d, uint64_t now);

/* Who waited for what was installed since the last time can go on: its time begins only now. */
void dsm_woken(struct dsm *d, uint64_t now);
/* How long a page takes to come when nobody fights for it, as far as known. */
uint64_t dsm_trip(const struct dsm *d);

/*
 * A page that may be written here is not given away until it is unpinned, or there is a new view.
 * 0; -EAGAIN (it may not be written), -ENOMEM.
 */
int dsm_pin(struct dsm *d, uint64_t page);
void dsm_unpin(struct dsm *d, uint64_t page, uint64_t now);

/*
 * Membership: from view EPOCH on, ALIVE[0 … nodes - 1] are there; this node is. Epochs grow; the
 * same one is the same everywhere. -EINVAL.
 */
int dsm_view(struct dsm *d, uint32_t epoch, const bool *alive, uint64_t now);
/* A view is being agreed on: faults wait. */
bool dsm_settling(const struct dsm *d);

/*
 * Pages that several nodes write (DSM_WALKING). The caller compares them with what it has told before
 * any message leaves the node by which another one could learn of anything, and keeps such messages
 * until dsm_walk_pending() is 0; dsm_walk_lane() says which.
 */
/* What has changed in PAGE since the last time; that one is settled. -EINVAL: it is not WALKED. */
int dsm_walk_diff(struct dsm *d, uint64_t page, const uint8_t *diff, size_t n);
/* It is to be ours alone. */
void dsm_walk_end(struct dsm *d, uint64_t page, uint64_t now);
/* All have what was written here in PAGE, or none of it but by way of its owner. */
bool dsm_walk_known(const struct dsm *d, uint64_t page);
/* What is under way that messages have to wait for. */
uint64_t dsm_walk_pending(const struct dsm *d);

/* How a message goes. */
enum dsm_lane {
	DSM_LANE_FREE,	  /* at once */
	DSM_LANE_ORDERED, /* after those that wait */
	DSM_LANE_TELLS,	  /* its receiver learns of what was written here */
};
enum dsm_lane dsm_walk_lane(const struct dsm_msg *m);

enum dsm_state dsm_state(const struct dsm *d, uint64_t page);
uint64_t dsm_version(const struct dsm *d, uint64_t page);
uint32_t dsm_home(const struct dsm *d, uint64_t page);
const struct dsm_stats *dsm_stats(const struct dsm *d);
/* What is known of PAGE and what is under way for it, in words. The length. */
size_t dsm_explain(const struct dsm *d, uint64_t page, char *out, size_t room);
/* Names for people. */
const char *dsm_state_name(enum dsm_state s);
const char *dsm_kind_name(enum dsm_kind k);

#endif
