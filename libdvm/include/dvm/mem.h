/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm: memory shared by ranks on different nodes. A segment is mapped at the same address by every
 * rank of a group and read and written with plain loads and stores. Ranks on one node alone share
 * plain memory; otherwise pages travel when they are touched. dvm/sync.h has locks, barriers,
 * conditions, atomics and an allocator to go with it.
 *
 * Consistency is chosen per segment. Sequential (the default): as if there were one memory, with
 * what the processor itself allows (on x86: total store order). Release: what one rank has written
 * is seen by another once the one has released, and then the other has acquired. The calls of
 * dvm/sync.h do both: giving a lock back releases, taking it acquires, a barrier does one and then
 * the other; for what is not done by them there are dvm_sync_release() and dvm_sync_acquire(). Several
 * ranks may write to one page at a time, as long as no two of them write the same byte. Read-mostly:
 * likewise, but what was written goes to all ranks that have a copy, so those that only read never
 * wait for it; for what is read by many and seldom written. Where all ranks are on one node every
 * segment is sequential.
 *
 * A segment may be larger than the memory of a node, not than that of all its nodes: a rank keeps
 * what it is home to, and of the rest as much as there is room for ($DVM_SHM_MEMORY bytes, else half
 * of what is free); the rest goes back to its homes.
 *
 * Every page has a home, a rank that knows where its copies are. That says nothing about where
 * its bytes are: those go to whoever uses them.
 *
 * System calls (read(), send(), …) may be given memory of a segment as any other. Not so with
 * DVM_FAULT_SIGBUS, where they fail with EFAULT for pages that are not there; and never direct I/O
 * or whatever else keeps pages while they may go (registered buffers, vmsplice). With DVM_FAULT_SIGBUS a
 * handler of a signal that may have interrupted malloc() does not touch the memory either: who has a fault
 * works for it itself. A child made by fork() does not have the segment.
 *
 * Failures: a rank that is lost takes the bytes with it of which it had the only copy. Where another
 * copy is left, the newest one lives on. Touching a page that was lost raises SIGBUS, and makes a
 * system call fail with EFAULT or EIO; it never shows old bytes and never waits. Which pages:
 * dvm_seg_lost(). A rank that closes while others use the segment is lost to it; dvm_seg_leave() hands
 * over before. A rank that has lost its connection to another one, though both live, gives up what it has of
 * the group's segments, within half a minute, or some three times the machine's failure_timeout where that
 * is longer (dvm.conf(5)): all of it is lost then, calls return -DVM_EPEERLOST, and
 * for the others it is as if the rank were lost.
 *
 * So does a rank that has no memory for a message that others wait for, at once.
 *
 * From outside, `dvm seg destroy` ends a segment of several nodes at all its ranks, which is as if all
 * of it were lost. It has still to be destroyed by the program.
 *
 * Calls return 0 or: -EINVAL (a NULL, a range outside), -ENOMEM, -EBUSY (within a handler of
 * dvm/am.h), -DVM_EPEERLOST, -DVM_ECLOSED, -DVM_EPROTO, -DVM_EREVOKED.
 *
 * Threads: any number of threads may use a segment's memory. Calls are made by any thread, but
 * collective ones and those that end a segment by one at a time.
 */
#ifndef DVM_MEM_H
#define DVM_MEM_H

#include "dvm/group.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DVM_SEG_NAME_MAX 64 /* bytes, with the NUL */
#define DVM_SEG_UNIT_MAX 65536

/* A segment as this rank has it. Made by dvm_seg_create() or dvm_seg_attach(). */
typedef struct dvm_seg dvm_seg_t;

/* What is seen of what others write. */
enum {
	DVM_SEG_SEQUENTIAL = 0,
	DVM_SEG_RELEASE = 1,
	DVM_SEG_READ_MOSTLY = 2,
};

/* Who is home to which pages at first. */
enum {
	DVM_HOMES_RANGE = 0,	   /* each rank an equal range, in their order */
	DVM_HOMES_ROUND_ROBIN = 1, /* unit by unit */
	DVM_HOMES_EXPLICIT = 2,	   /* as home_ranks says */
	/*
	 * Who writes a unit first, as long as it has room; until then as with RANGE, and again after a
	 * rank was lost or homes were moved. With READ_MOSTLY, and on one node: RANGE.
	 */
	DVM_HOMES_FIRST_TOUCH = 3,
};

/* Who brings a page that is not there. */
enum {
	DVM_FAULT_THREAD = 0, /* a thread of the library's own */
	DVM_FAULT_SIGBUS = 1, /* the thread that touched it: sooner, but see above for system calls.
			       * Needs SIGBUS: no handler of the program's may replace it later. */
};

/* What is switched off, to see what it is worth, or switched on. */
enum {
	DVM_SEG_NO_PREFETCH = 1,
	DVM_SEG_NO_ELISION = 2, /* pages of zeros, or that are there already, are sent all the same */
	DVM_SEG_NO_BATCH = 4,
	DVM_SEG_NO_HOLD = 8,
	DVM_SEG_NO_DIFF = 16,
	DVM_SEG_BASELINE_IVY = 32, /* all that is clever, at once: as the first of its kind were */
	DVM_SEG_PROTOCOL = 64,	   /* also where plain shared memory would do */
	DVM_SEG_SERIAL = 256,	   /* copies are given up one after the other, not at once */
	DVM_SEG_READ_OWNS = 512,   /* who reads a page becomes its owner */
	DVM_SEG_NO_LEND = 128,	   /* release: a page that one rank writes goes home at each release */
	DVM_SEG_NO_SHARE = 4096,   /* sequential: each rank of a node has its own copy of a page */
	/* As long as the group has such a segment, for all of its segments: */
	DVM_SEG_NO_SPIN = 1024,	 /* who waits for news sleeps at once, threads of the library, too */
	DVM_SEG_NO_SLICE = 2048, /* the library's thread waits for its turn like any other */
};

/* What dvm_seg_advise() says. */
enum {
	DVM_ADVISE_NORMAL = 0,
	DVM_ADVISE_SEQUENTIAL = 1, /* prefetch from the first page on, with the largest window */
	DVM_ADVISE_RANDOM = 2,	   /* no prefetch */
};

/* What a segment shall be. Zero is a good value for all but the first two. */
typedef struct dvm_seg_config {
	size_t size;	       /* of this struct */
	uint64_t bytes;	       /* of the segment; rounded up to units */
	const char *name;      /* NULL: it has none */
	void *address;	       /* where to map it; NULL: at a free place, the same everywhere */
	uint32_t consistency;  /* DVM_SEG_… */
	uint32_t homes;	       /* DVM_HOMES_… */
	uint32_t faults;       /* DVM_FAULT_… */
	uint32_t flags;	       /* DVM_SEG_NO_PREFETCH and so on */
	uint32_t unit;	       /* bytes that travel together: a power of two from the size of a page to
				* DVM_SEG_UNIT_MAX; 0: a page */
	uint32_t hold_us;      /* a page that came is kept at least so long; 0: the library chooses */
	uint32_t spin_us;      /* the library's thread looks for so long before it sleeps; likewise */
	uint32_t nhomes;       /* DVM_HOMES_EXPLICIT: the segment is cut into that many equal parts, */
	const int *home_ranks; /* [nhomes] whose homes are these ranks of the group */
} dvm_seg_config_t;

/* What has happened to a segment at this rank since its creation. */
typedef struct dvm_seg_stat {
	size_t size; /* of this struct, set by the caller */
	uint64_t bytes;
	uint64_t unit;
	uint64_t plain;	       /* 1: ordinary shared memory; then all below is zero */
	uint64_t resident;     /* units that may be read here now */
	uint64_t writable;     /* of these, may be written */
	uint64_t read_faults;  /* that needed another rank */
	uint64_t write_faults; /* likewise */
	uint64_t local_faults; /* that did not */
	uint64_t messages;     /* sent */
	uint64_t message_bytes;
	uint64_t units_sent;   /* with bytes */
	uint64_t units_got;    /* likewise */
	uint64_t elided_zero;  /* sent without bytes: zeros */
	uint64_t elided_same;  /* sent without bytes: they were there */
	uint64_t diffs;	       /* sent as what has changed */
	uint64_t diff_bytes;
	uint64_t prefetched;	 /* units asked for ahead of time */
	uint64_t prefetch_used;	 /* of these, touched */
	uint64_t batches;	 /* messages that carried more than one request or unit */
	uint64_t held;		 /* requests that waited for the hold */
	uint64_t evicted;	 /* units given up for want of memory, or by dvm_seg_drop() */
	uint64_t lost;		 /* units */
	uint64_t fault_ns;	 /* all faults together, from the notice to the resumption */
	uint64_t fault_ns_max;
} dvm_seg_stat_t;

/*
 * Makes a segment for all ranks of G, all zero, and attaches this rank. Collective; all ranks give
 * the same CONFIG. *SEG at all ranks, or an error at all, *SEG untouched. G cannot be freed before
 * its segments. Errors beside those above: -EEXIST (the name is taken in this job), -ENOMEM (the
 * nodes have not the memory for it together; ERR says what they have), -EADDRINUSE (the address is
 * taken at some rank), -EPERM (no access to userfaultfd, and the shepherd cannot give it), -ENOTSUP
 * (this kernel cannot do it), -E2BIG, -ENOSPC (a group has 960 segments at most). ERR may be NULL.
 */
DVM_PUBLIC int dvm_seg_create(dvm_group_t *g, const dvm_seg_config_t *config, dvm_seg_t **seg,
			      dvm_error_t *err);

/*
 * The segment *SEG goes on with all ranks of G: those that have it, all of its living ones, and
 * others, at which *SEG is NULL before; as those of a job that was spawned (dvm_intergroup_merge()).
 * Collective in G; no rank touches the segment, has a lock of it or waits for one meanwhile. *SEG is
 * a new handle afterwards, at all ranks, of the same bytes at the same address; handles of before are
 * gone. Homes are as they were asked for, by the ranks of G now; explicit ones stay where they are. It is
 * copied: as long as that lasts there has to be memory for two. Errors as of dvm_seg_create(), *SEG
 * as before; -EADDRINUSE: something else is at its address in a new rank; -DVM_EPEERLOST: some of it
 * is lost; -EINVAL: not all who have it are in G. ERR may be NULL.
 */
DVM_PUBLIC int dvm_seg_extend(dvm_group_t *g, dvm_seg_t **seg, dvm_error_t *err);

/*
 * Maps the segment called NAME, made by a group that this rank is in, once more after
 * dvm_seg_detach(), or gives another part of the program a handle of its own. Not collective.
 * -ENOENT: there is none.
 */
DVM_PUBLIC int dvm_seg_attach(dvm_t *dvm, const char *name, dvm_seg_t **seg, dvm_error_t *err);

/*
 * This handle is given back. With the last one the memory is unmapped here; the rank goes on
 * serving others what it has of it. Not collective. NULL is accepted.
 */
DVM_PUBLIC int dvm_seg_detach(dvm_seg_t *seg);

/*
 * Ends the segment, at all ranks of its group, and all handles of it. Collective. Returns 0 or why
 * not all could be waited for; SEG is gone in every case. NULL is accepted.
 */
DVM_PUBLIC int dvm_seg_destroy(dvm_seg_t *seg);

/* Where it is, the same at all ranks; NULL for NULL. */
DVM_PUBLIC void *dvm_seg_base(const dvm_seg_t *seg);
/* Its size in bytes, whole units; 0 for NULL. */
DVM_PUBLIC uint64_t dvm_seg_size(const dvm_seg_t *seg);
/* Its name, "" when it has none; NULL for NULL. */
DVM_PUBLIC const char *dvm_seg_name(const dvm_seg_t *seg);

/* What has happened so far, at this rank. STAT->size is set by the caller. */
DVM_PUBLIC int dvm_seg_stat(dvm_seg_t *seg, dvm_seg_stat_t *stat);

/* Asks for LEN bytes at OFFSET, to be read or (WRITE) written, and does not wait for them. */
DVM_PUBLIC int dvm_seg_prefetch(dvm_seg_t *seg, uint64_t offset, uint64_t len, int write);

/*
 * LEN bytes at OFFSET are not needed here for now: copies are given up, what only this rank has goes
 * to its home. Only a hint; nothing is lost by it.
 */
DVM_PUBLIC int dvm_seg_drop(dvm_seg_t *seg, uint64_t offset, uint64_t len);

/*
 * LEN bytes at OFFSET, which are brought here to be written, stay until dvm_seg_unpin(): others
 * wait for them. For short times. With release consistency nobody takes them anyway, and they are
 * only brought.
 */
DVM_PUBLIC int dvm_seg_pin(dvm_seg_t *seg, uint64_t offset, uint64_t len);
DVM_PUBLIC int dvm_seg_unpin(dvm_seg_t *seg, uint64_t offset, uint64_t len);

/* How LEN bytes at OFFSET will be used by this rank: DVM_ADVISE_…. */
DVM_PUBLIC int dvm_seg_advise(dvm_seg_t *seg, uint64_t offset, uint64_t len, int advice);

/*
 * The rank of the group that is home to the byte at OFFSET; with DVM_HOMES_FIRST_TOUCH as far as this
 * rank has heard: who has the unit, and who was home to it first, know. -EINVAL.
 */
DVM_PUBLIC int dvm_seg_home(dvm_seg_t *seg, uint64_t offset);

/*
 * RANK becomes home to LEN bytes at OFFSET, whole units of them, while all go on. Not collective; for
 * once in a while: all ranks say what they have of the group's segments, and faults wait for that. On
 * one node there is nothing to move. -ENOSPC: too many parts of the group's segments, 128, have moved
 * apart from each other; to move a part that has them in it makes room.
 */
DVM_PUBLIC int dvm_seg_move_home(dvm_seg_t *seg, uint64_t offset, uint64_t len, int rank);

/*
 * This rank, which has stopped using the segment, hands over to HEIR what it is home to, and to the
 * homes what only it has: then nothing of the segment is lost with it, and it may close while others
 * go on. Not collective; no threads of this rank touch the segment meanwhile, nor afterwards. Locks
 * (dvm/sync.h) that it holds are given back, and go to who waits for them; those whose home it is are
 * not handed over. -EINVAL: HEIR is this rank; -ENOSPC: too many homes have moved, as of
 * dvm_seg_move_home(): to leave takes a place, and one for each dead rank whose part is here.
 */
DVM_PUBLIC int dvm_seg_leave(dvm_seg_t *seg, int heir);

/*
 * The first byte at OFFSET or behind it that is known here to be lost goes to *AT. Returns 1, 0 when
 * there is none.
 */
DVM_PUBLIC int dvm_seg_lost(dvm_seg_t *seg, uint64_t offset, uint64_t *at);

#ifdef __cplusplus
}
#endif

#endif
