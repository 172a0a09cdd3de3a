/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Distributed shared memory of a process: what is around the coherence engine (protocol.h), for
 * segments of ranks and for the memory of guests. doc/design/0017-segments.md is its paper.
 *
 * A node is a process that takes part; nodes of one domain are numbered from 0 and know each other
 * from the beginning. A node has one thread of its own, the service thread, which handles faults
 * and messages; every other thread may do so too, under the node's lock.
 *
 * Thread rules: what says "locked" is called between dsm_node_enter() and dsm_node_leave(), or from
 * a callback; everything else without the lock, by any thread. A thread that has the lock touches
 * no memory of a segment.
 */
#ifndef SHM_DSM_H
#define SHM_DSM_H

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libdvm/base/hist.h"
#include "libdvm/base/log.h"

struct dsm_node; /* incomplete */
struct dsm_seg;	 /* likewise */

/* ---- how nodes talk ---- */

/* Packets between nodes: in order per pair, without loss while both live. All locked. */
struct dsm_link {
	uint32_t packet_max; /* bytes */
	/* Takes a packet: 0; -EAGAIN, no room now; another code: NODE is gone, the packet with it. */
	int (*send)(void *arg, uint32_t node, const void *bytes, size_t len);
	/* Hands what has come to dsm_node_packet(). The number of events. */
	int (*progress)(void *arg);
	/* Whether NODE cannot be reached any more, dead or not; NULL: that does not happen. */
	bool (*down)(void *arg, uint32_t node);
	/* Before and after sleeping, as in libdvm/net/tport.h. */
	int (*arm)(void *arg, struct pollfd *fds, int n);
	void (*disarm)(void *arg);
	void *arg;
};

/* ---- nodes ---- */

#define DSM_GROUP_MAX 1024 /* nodes of a domain */
#define DSM_SERVICES  8

struct dsm_node_config {
	uint32_t self, nodes;
	struct dsm_link link;
	struct dvmi_log *log;
	uint64_t spin; /* ns for which the service thread looks before it sleeps */
	bool urgent;   /* it goes before other threads of the host, as far as that is allowed */
	/*
	 * ns that a link may be down to a node that is not `dead`. Then this one, if it is the higher of the
	 * two, gives up all it has and is gone for the others; the lower one waits as long again for that.
	 * 0: nobody does.
	 */
	uint64_t patience;
	/* NODE is dead, for good: looked at now and then. */
	bool (*dead)(void *arg, uint32_t node);
	/* Locked: the others go on without this node, which has nothing of any segment any more. May be NULL. */
	void (*out)(void *arg);
	/* A descriptor as of open("/dev/userfaultfd"), or -E…; NULL: there is no other way. */
	int (*open_uffd)(void *arg);
	void *arg;
};

int dsm_node_create(struct dsm_node **out, const struct dsm_node_config *config);
/* Its segments are gone before. NULL is accepted. */
void dsm_node_destroy(struct dsm_node *n);

/* Locked; by the link's progress: PACKET has come. It is input. */
void dsm_node_packet(struct dsm_node *n, uint32_t from, const void *packet, size_t len);
void dsm_node_enter(struct dsm_node *n);
/* What was posted meanwhile goes. */
void dsm_node_leave(struct dsm_node *n);

uint32_t dsm_node_self(const struct dsm_node *n);
uint32_t dsm_node_size(const struct dsm_node *n);
bool dsm_node_alive(const struct dsm_node *n, uint32_t node); /* as far as all agree */

/* ---- other protocols between the same nodes: locks, barriers ---- */

#define DSM_POST_MAX 16384 /* bytes */

struct dsm_service {
	/* MESSAGE of another node, or of this one, in the order of its channel. It is input. */
	void (*message)(void *arg, uint32_t from, const void *message, size_t len, uint64_t now);
	/* NODE is gone; all agree on that, nothing of it comes any more. May be NULL. */
	void (*gone)(void *arg, uint32_t node, uint64_t now);
	/* When tick is due, UINT64_MAX never. Both may be NULL. */
	uint64_t (*deadline)(void *arg);
	void (*tick)(void *arg, uint64_t now);
	void *arg;
};

/* NUMBER (0 … DSM_SERVICES - 1) is served so; all callbacks are locked. -EINVAL, -EBUSY. */
int dsm_node_serve(struct dsm_node *n, unsigned number, const struct dsm_service *s);
/* Nobody serves NUMBER any more. */
void dsm_node_unserve(struct dsm_node *n, unsigned number);

/*
 * Locked: MESSAGE goes to service NUMBER of node TO, which may be this one: then once the lock is
 * given back, or after the callback. 0; -EINVAL, -ENOMEM, -ENOTCONN (TO is gone).
 */
int dsm_node_post(struct dsm_node *n, uint32_t to, unsigned number, const void *message,
		  size_t len);

/*
 * By a thread that waits for something else: does what there is to do unless somebody else does.
 * STAYS: it will do so again soon, as long as it waits. Never blocks. The number of events.
 */
int dsm_node_help(struct dsm_node *n, bool stays);
/* A thread that has helped goes to sleep, or comes back from that. */
void dsm_node_doze(struct dsm_node *n, bool on);
/* Whether pages are mapped from where they lie (1), or copied there (0); or -E…, as a segment's creation. */
int dsm_node_maps(struct dsm_node *n, bool signals);
/* How often the service thread has had its turn: who gave way and lost the core may ask. */
uint32_t dsm_node_turns(const struct dsm_node *n);
/* The service thread looks for NS at least before it sleeps. */
void dsm_node_spin(struct dsm_node *n, uint64_t ns);

/*
 * Waits until *DONE, 0 at first, is set by dsm_node_done(), working for the node meanwhile: this thread
 * looks for itself at first, then sleeps. One thread a word. 0, or -ETIMEDOUT at DEADLINE (of
 * dvmi_clock_mono(); UINT64_MAX: never).
 */
int dsm_node_wait(struct dsm_node *n, _Atomic uint32_t *done, uint64_t deadline);
/* Locked or not: *DONE becomes VALUE (not 0 nor UINT32_MAX), who waits for it goes on. */
void dsm_node_done(_Atomic uint32_t *done, uint32_t value);

/* ---- segments ---- */

struct dsm_seg_stats;

enum dsm_seg_flag {
	DSM_NO_PREFETCH = 1,
	DSM_NO_ELISION = 2,
	DSM_NO_BATCH = 4,
	DSM_NO_HOLD = 8,
	DSM_NO_DIFF = 16,
	DSM_SERIAL = 32, /* sharers are told one after the other, as by the first of its kind */
	DSM_SIGBUS = 64, /* faults are handled by the thread that has them */
	DSM_MOSTLY_READ = 128, /* release consistency; changes go to all who have copies */
	/*
	 * A guest's memory, on hosts whose hardware walks page tables by writes: pages of those that
	 * nodes fight for are written by all of them (0021-walked.md). The same everywhere. Units of
	 * 4096 bytes.
	 */
	DSM_WALKED = 256,
	DSM_RELEASE = 1024, /* release consistency */
	DSM_NO_LEND = 2048, /* of that: also pages that one node alone writes stay at home */
	DSM_READ_OWNS = 4096, /* who reads becomes the owner, as with the first of its kind */
	DSM_FIRST_TOUCH = 8192, /* who writes a page first is its home */
	/* Of the node, as long as it has such a segment: */
	DSM_NO_SPIN = 16384,  /* who waits sleeps at once, also the service thread */
	DSM_NO_SLICE = 32768, /* that has its turn like any other thread */
};

/* What is told of pages, for those who keep translations of their own. All locked. */
struct dsm_seg_hooks {
	/* Before PAGE may be read only, or not at all, here. */
	void (*protect)(void *arg, uint64_t page);
	void (*drop)(void *arg, uint64_t page);
	/* It is lost. */
	void (*lost)(void *arg, uint64_t page);
	/* THREAD (as of gettid()) waits for PAGE, which is asked for; maybe not for the first time. */
	void (*wait)(void *arg, uint64_t page, int thread);
	/* PAGE has come: who waits for it goes on soon. */
	void (*came)(void *arg, uint64_t page);
	void *arg;
};

/* A table that processors begin with, and how many levels there are below and with it. */
struct dsm_root {
	uint64_t frame;
	unsigned levels;
};

#define DSM_ROOTS 16

struct dsm_seg_config {
	/* The same everywhere, below DSM_SEGS, not in use; nor lately, as something may be under way. */
	uint32_t id;
	uint64_t bytes; /* whole units */
	uint32_t unit;	/* bytes of a page of the engine: a power of two, a page at least */
	void *address;	/* where to map it: nothing may be there; NULL: anywhere */
	uint32_t flags; /* enum dsm_seg_flag */
	uint64_t hold;	/* ns for which a page that came stays */
	uint64_t hold_max; /* as long as it takes to come, up to this; 0: no longer than `hold` */
	uint64_t memory; /* bytes for pages whose home is elsewhere; 0: no limit */
	/* The home of a page at first, the same everywhere. */
	uint32_t (*home)(void *arg, uint64_t page);
	/* Of a guest's memory (DSM_WALKED): the page in which a frame is, or none; NULL: that number. */
	uint64_t (*page_of)(void *arg, uint64_t frame);
	/*
	 * Likewise, locked: the tables that processors of this node have used lately, as many as there are, to ROOT
	 * [DSM_ROOTS]; only what they lead to may be written by several. NULL: what looks like a table is one.
	 */
	unsigned (*roots)(void *arg, struct dsm_root *root);
	void *home_arg; /* for all three */
	/*
	 * Nodes with the same number there, not 0, have one file between them: FILE (the caller's), as
	 * large as the segment and empty; what one of them gives to another is not sent. For segments
	 * that need no `memory` limit, where dsm_node_maps(). NULL: each has its own.
	 */
	const uint32_t *hosts; /* [nodes] */
	int file;
	struct dsm_seg_hooks hooks;	/* each may be NULL */
	struct dsm_seg_stats *figures; /* is brought up to date now and then; NULL: none */
	struct dsm_seg_end *end;       /* is looked at as often; likewise */
};

/* How a segment is ended from outside, at all nodes: as if all of it were lost. */
struct dsm_seg_end {
	_Atomic uint32_t wanted; /* set by anybody, not 0 */
	_Atomic uint32_t done;	 /* it is over here */
};

#define DSM_SEGS     1024
#define DSM_UNIT_MAX 65536 /* bytes */

struct dsm_seg_stats {
	uint64_t read_faults, write_faults, local_faults;
	uint64_t messages, message_bytes, units_sent, units_got;
	uint64_t elided_zero, elided_same, diffs, diff_bytes;
	uint64_t prefetched, prefetch_used, batches, held, evicted, lost;
	uint64_t resident, writable;
	uint64_t fault_ns, fault_ns_max;
};

/*
 * Maps a segment. Before any node touches it all must have come back from here. 0; -EINVAL,
 * -EEXIST (the id, or the address), -ENOMEM, -EPERM (no userfaultfd), -ENOTSUP, -DVM_EPEERLOST (the others go
 * on without us).
 */
int dsm_seg_create(struct dsm_node *n, struct dsm_seg **out, const struct dsm_seg_config *config);
/* No node uses it any more. NULL is accepted. */
void dsm_seg_destroy(struct dsm_seg *s);
void *dsm_seg_base(const struct dsm_seg *s);
/* The memory goes away here, or comes back at the same place; others are still served. */
int dsm_seg_unmap(struct dsm_seg *s);
int dsm_seg_map(struct dsm_seg *s);
/* It goes to ADDRESS here, in the place of what is there. 0 or -E…: then it is nowhere. */
int dsm_seg_move(struct dsm_seg *s, void *address);

void dsm_seg_stats(struct dsm_seg *s, struct dsm_seg_stats *out);
/* How long faults have taken that another node had to see to, in ns. */
void dsm_seg_fault_times(struct dsm_seg *s, struct dvmi_hist *out);
/* Pages [FIRST, FIRST + N): checked by the caller. As in dvm/mem.h; -DVM_EPEERLOST: nothing of it is left here. */
int dsm_seg_prefetch(struct dsm_seg *s, uint64_t first, uint64_t n, bool write);
int dsm_seg_drop(struct dsm_seg *s, uint64_t first, uint64_t n);
/*
 * Nobody wants the bytes of [FIRST, FIRST + N) any more, anywhere, and nobody touches them until all nodes
 * have said so, in any order: then they are zeros and take no memory, as far as they could be had soon.
 * Waits. Sequential consistency, and a file of each node's own. How many this node has emptied, or -EINVAL.
 */
int64_t dsm_seg_free(struct dsm_seg *s, uint64_t first, uint64_t n);
int dsm_seg_pin(struct dsm_seg *s, uint64_t first, uint64_t n);
int dsm_seg_unpin(struct dsm_seg *s, uint64_t first, uint64_t n);
int dsm_seg_advise(struct dsm_seg *s, uint64_t first, uint64_t n, int advice);
/*
 * With release consistency: what was written here until now is seen by all that acquire after the
 * return; what others have released until now is seen. 0; -DVM_EPEERLOST: the others go on without
 * us. Nothing to do for other segments.
 */
int dsm_seg_release(struct dsm_seg *s);
int dsm_seg_acquire(struct dsm_seg *s);
/* The first page from FIRST on that is lost; its number in *PAGE. 1 or 0. */
int dsm_seg_lost(struct dsm_seg *s, uint64_t first, uint64_t *page);
uint32_t dsm_seg_home(struct dsm_seg *s, uint64_t page);
/*
 * Node TO becomes home to [FIRST, FIRST + N). 0; -ENOSPC (too much was moved in
 * pieces), -DVM_EPEERLOST (TO is gone, or the others go on without us).
 */
int dsm_seg_move_home(struct dsm_seg *s, uint64_t first, uint64_t n, uint32_t to);
/*
 * HEIR gets all homes that are here, and the homes all pages; nothing is lost with us then. It is one
 * move, and one for each dead node whose place is ours in part. Likewise.
 */
int dsm_seg_leave(struct dsm_seg *s, uint32_t heir);

/* Who fights for pages: the busiest ones, in falling order. Their number. */
struct dsm_seg_hot {
	uint64_t page;
	uint32_t moves; /* times it was taken away here */
	uint32_t by;	/* the node that took it last */
};
int dsm_seg_hot(struct dsm_seg *s, struct dsm_seg_hot *out, int max);

/* The slowest fault until now: page, nanoseconds (0: none), in one line of words what happened. */
struct dsm_seg_slowest {
	uint64_t page, ns;
	char words[1200];
};
void dsm_seg_slowest(struct dsm_seg *s, struct dsm_seg_slowest *out);

/* Pages that several nodes write (DSM_WALKED). */
struct dsm_walk_stats {
	uint64_t now;		/* pages */
	uint64_t entered, left; /* times one began here, and ended */
	uint64_t looks;		/* pages compared before something was told */
	uint64_t diffs;		/* pages of which something was sent for that */
	uint64_t conflicts;	/* entries that two had changed */
	uint64_t ends;		/* pages that were no tables any more */
	uint64_t later;		/* entries that waited for what they lead to */
	/* Of the node: times something was to be told, and it had to wait. */
	uint64_t flushes, waits;
};
void dsm_seg_walk_stats(struct dsm_seg *s, struct dsm_walk_stats *out);

/* ---- a link over sockets and shared memory ---- */

struct dsm_mesh; /* incomplete */

struct dsm_mesh_config {
	uint32_t self, nodes;
	const char *interface; /* numeric address to bind to; must outlive it */
	uint32_t port_low, port_high;
	uint64_t key; /* the same everywhere, and secret */
	const char *dir; /* of this process' node, for sockets */
	struct dvmi_log *log;
	/* All nodes give EACH bytes; all get all of them, in order. Blocks. 0 or -E…. */
	int (*exchange)(void *arg, const void *mine, void *all, size_t each);
	void *arg;
};

/*
 * Nodes on one kernel talk through shared memory, unless $DVM_SHM_TRANSPORT is "tcp"; all others
 * over TCP. Collective.
 */
int dsm_mesh_create(struct dsm_mesh **out, const struct dsm_mesh_config *config);
/* To be given to dsm_node_create(); packets go to *NODE, set before the first progress. */
struct dsm_link dsm_mesh_link(struct dsm_mesh *m, struct dsm_node **node);
/* NODE is on our kernel, and we talk through memory. */
bool dsm_mesh_local(const struct dsm_mesh *m, uint32_t node);
/* Locked: there is no connection to NODE any more, which has not closed it; it may be dead or not. */
bool dsm_mesh_down(const struct dsm_mesh *m, uint32_t node);
/* After the node's end. NULL is accepted. */
void dsm_mesh_destroy(struct dsm_mesh *m);

#endif
