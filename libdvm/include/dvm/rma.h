/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm: one-sided communication. A window is memory of every rank of a group that all of them may
 * read, write and update without the others taking part.
 *
 * RANK is the target's rank in the group of the window, OFFSET counts bytes from the beginning of
 * its memory; both are checked. Any operation is allowed at any time between the creation of a
 * window and its end: there are no epochs that have to be opened. Locks exclude those who lock, and
 * nothing else.
 *
 * Ranks of one node share the memory of windows that dvm_win_allocate() made: there all operations
 * are plain loads, stores and atomic instructions, also through the pointer of dvm_win_base().
 * Otherwise operations are messages: then the target has to be inside the library now and then, or
 * to have been opened with DVM_OPEN_PROGRESS, for an operation to happen.
 *
 * Completion and order: dvm_get(), dvm_get_accumulate(), dvm_fetch_op() and dvm_compare_swap() are
 * complete on return. dvm_put() and dvm_accumulate() return when the buffer may be used again; they
 * are complete at the target, and precede whatever this rank does next, after dvm_win_flush(),
 * dvm_win_unlock() or dvm_win_fence(). Without one of those, operations may take place in any
 * order, except that accumulates by one rank on the same element keep theirs.
 *
 * Atomicity: each element of an accumulate, get_accumulate, fetch_op and compare_swap is updated
 * atomically with respect to all of these, wherever they come from, and to atomic instructions of
 * the same size on that memory. Elements must be aligned to their size at the target. Puts and
 * gets are not atomic, but one of 1, 2, 4 or 8 bytes, so aligned, within a node never tears.
 *
 * Failures: an operation on a rank that has crashed (-DVM_EPEERLOST) or closed (-DVM_ECLOSED) fails
 * in bounded time; one that only touches shared memory may also succeed, then the next flush,
 * unlock or fence tells. A rank that dies gives up its locks.
 *
 * Types are the integers, DVM_FLOAT and DVM_DOUBLE of dvm/coll.h, with the operators that it has
 * for them, DVM_REPLACE and DVM_NO_OP.
 *
 * Calls return 0 or: -EINVAL (a NULL, RANK, OFFSET or a length outside, type and operator that do
 * not go together, an element not aligned), -ENOMEM, -EBUSY (within a handler of dvm/am.h),
 * -DVM_EPEERLOST, -DVM_ECLOSED, -DVM_EPROTO, -DVM_EREVOKED.
 *
 * Threads: see dvm/dvm.h; any thread may operate on a window, and every thread that locks counts as
 * its rank. Creating, freeing and fencing are collective operations.
 */
#ifndef DVM_RMA_H
#define DVM_RMA_H

#include "dvm/coll.h"
#include "dvm/layout.h"
#include "dvm/msg.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A window. Made by dvm_win_create() or dvm_win_allocate(), ended by dvm_win_free(). */
typedef struct dvm_win dvm_win_t;

/* How dvm_win_lock() locks. */
enum {
	DVM_LOCK_SHARED = 1,	/* with others that lock so */
	DVM_LOCK_EXCLUSIVE = 2, /* alone */
};

/*
 * Makes a window of G in which this rank takes part with BYTES (zero allowed) at BASE, memory of
 * the program that stays until the window has been freed. Collective. Returns 0 and *WIN at all
 * ranks, or an error at all ranks, *WIN untouched. Not of an intergroup (-EINVAL); G cannot be freed before
 * its windows.
 */
DVM_PUBLIC int dvm_win_create(dvm_group_t *g, void *base, uint64_t bytes, dvm_win_t **win);

/*
 * The same with memory of the library: BYTES (zero allowed), all zero at first, aligned to a page,
 * shared with the ranks of the same node. It exists from its first touch.
 */
DVM_PUBLIC int dvm_win_allocate(dvm_group_t *g, uint64_t bytes, dvm_win_t **win);

/*
 * Ends WIN and the memory the library made for it, once all ranks have called it; what they began
 * is complete then. Not while a lock is held. WIN is gone afterwards in every case; NULL is
 * accepted. Returns 0, or why not all ranks could be waited for.
 */
DVM_PUBLIC int dvm_win_free(dvm_win_t *win);

/*
 * The memory of RANK where this process can reach it: its own, or that of a rank of the same node
 * in a window of dvm_win_allocate(). Else NULL. It lives as long as WIN. Any thread.
 */
DVM_PUBLIC void *dvm_win_base(dvm_win_t *win, int rank);

/* Bytes of RANK's memory in WIN, or -EINVAL. Any thread. */
DVM_PUBLIC int64_t dvm_win_size(const dvm_win_t *win, int rank);

/* Copies LEN bytes at BUF to OFFSET of RANK. */
DVM_PUBLIC int dvm_put(dvm_win_t *win, const void *buf, size_t len, int rank, uint64_t offset);

/* Copies LEN bytes at OFFSET of RANK to BUF. */
DVM_PUBLIC int dvm_get(dvm_win_t *win, void *buf, size_t len, int rank, uint64_t offset);

/*
 * The same without waiting: *REQ is complete (dvm_wait() and the like) when BUF may be used again,
 * or is there. On failure *REQ is untouched; a lost target is reported by the wait.
 */
DVM_PUBLIC int dvm_rput(dvm_win_t *win, const void *buf, size_t len, int rank, uint64_t offset,
			dvm_req_t **req);
DVM_PUBLIC int dvm_rget(dvm_win_t *win, void *buf, size_t len, int rank, uint64_t offset,
			dvm_req_t **req);

/*
 * The same with memory that is not in one piece (dvm/layout.h): COUNT elements L at BUF, and
 * TARGET_COUNT elements TARGET from OFFSET of RANK on, which have as many bytes of data. Each
 * stretch that is in one piece at both ends is an operation of its own; dvm_getl() has several
 * under way at the same time and returns when all is there. -EINVAL also where the numbers of
 * bytes differ or any of it lies outside, nothing was copied then; -EOVERFLOW.
 */
DVM_PUBLIC int dvm_putl(dvm_win_t *win, const void *buf, size_t count, const dvm_layout_t *l,
			int rank, uint64_t offset, size_t target_count,
			const dvm_layout_t *target);
DVM_PUBLIC int dvm_getl(dvm_win_t *win, void *buf, size_t count, const dvm_layout_t *l, int rank,
			uint64_t offset, size_t target_count, const dvm_layout_t *target);

/*
 * target[i] = target[i] OP buf[i] for COUNT elements of TYPE from OFFSET of RANK on. OP may also be
 * DVM_REPLACE.
 */
DVM_PUBLIC int dvm_accumulate(dvm_win_t *win, const void *buf, size_t count, dvm_type_t type,
			      dvm_op_t op, int rank, uint64_t offset);

/*
 * The same, with what was there before at RESULT, which does not overlap BUF. OP may also be
 * DVM_NO_OP, an atomic read; then BUF may be NULL.
 */
DVM_PUBLIC int dvm_get_accumulate(dvm_win_t *win, const void *buf, void *result, size_t count,
				  dvm_type_t type, dvm_op_t op, int rank, uint64_t offset);

/* The same for one element. */
DVM_PUBLIC int dvm_fetch_op(dvm_win_t *win, const void *value, void *result, dvm_type_t type,
			    dvm_op_t op, int rank, uint64_t offset);

/*
 * What is at OFFSET of RANK goes to RESULT; where it was the same as COMPARE, bit by bit, VALUE
 * takes its place. TYPE gives the size.
 */
DVM_PUBLIC int dvm_compare_swap(dvm_win_t *win, const void *compare, const void *value,
				void *result, dvm_type_t type, int rank, uint64_t offset);

/* What this rank has put to RANK, or to all, is complete there; requests were waited for, too. */
DVM_PUBLIC int dvm_win_flush(dvm_win_t *win, int rank);
DVM_PUBLIC int dvm_win_flush_all(dvm_win_t *win);

/* The buffers of requests to RANK that have not been waited for may be used again. */
DVM_PUBLIC int dvm_win_flush_local(dvm_win_t *win, int rank);

/*
 * Flushes all, waits for all ranks of the group to do so, and makes what they have put visible to
 * loads. Collective.
 */
DVM_PUBLIC int dvm_win_fence(dvm_win_t *win);

/*
 * Orders loads and stores of the program before it with those behind it, in memory that others
 * load from and store to.
 */
DVM_PUBLIC int dvm_win_sync(dvm_win_t *win);

/*
 * Locks RANK's part of WIN, DVM_LOCK_SHARED or DVM_LOCK_EXCLUSIVE, in the order in which it was
 * asked for; waits. -EALREADY where this rank has locked it already.
 */
DVM_PUBLIC int dvm_win_lock(dvm_win_t *win, int mode, int rank);

/* Flushes RANK and unlocks it. -EPERM where it was not locked. */
DVM_PUBLIC int dvm_win_unlock(dvm_win_t *win, int rank);

/* The same for all ranks, shared. After a failure none is locked. */
DVM_PUBLIC int dvm_win_lock_all(dvm_win_t *win);
DVM_PUBLIC int dvm_win_unlock_all(dvm_win_t *win);

#ifdef __cplusplus
}
#endif

#endif
