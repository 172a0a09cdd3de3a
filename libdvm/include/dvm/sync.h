/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm: locks, barriers, conditions and atomic cells that go with a segment, and an allocator in it.
 *
 * They are named by numbers that the program chooses, ID, any 64 bits; each kind has its own. None
 * has to be made: it is there, free, or zero, when it is first named. They are served by messages at
 * a home, a rank that follows from the number, so no page travels for them; where all ranks are on
 * one node, in memory they share, without messages.
 *
 * In a segment with release consistency every call that lets others go on releases first, and every
 * one that waits for others acquires before it returns.
 *
 * Calls return 0 or: -EINVAL, -ENOMEM, -EBUSY (within a handler of dvm/am.h), -DVM_EPEERLOST (the
 * home is lost, or who was waited for), -DVM_ECLOSED, -DVM_EPROTO.
 *
 * Failures: calls never wait for somebody who is gone. A lock whose holder is lost is given on; whoever
 * waits for a condition or at a barrier when a rank is lost gets -DVM_EPEERLOST, and so does whoever
 * names something whose home is lost.
 *
 * Threads: any; a thread that locks counts as itself.
 */
#ifndef DVM_SYNC_H
#define DVM_SYNC_H

#include "dvm/mem.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * First come, first served. The holder was lost: -EOWNERDEAD, and the lock is held. Who asks for a
 * lock that it holds waits for ever.
 */
DVM_PUBLIC int dvm_lock_acquire(dvm_seg_t *seg, uint64_t id);
/* -EBUSY: somebody holds it. */
DVM_PUBLIC int dvm_lock_try(dvm_seg_t *seg, uint64_t id);
/* -EPERM: it is not held here. */
DVM_PUBLIC int dvm_lock_release(dvm_seg_t *seg, uint64_t id);

/*
 * Many readers or one writer; who has waited longest is next, all readers in a row together. A writer
 * was lost: -EOWNERDEAD, and the lock is held; so told are all up to the next writer.
 */
DVM_PUBLIC int dvm_rwlock_read(dvm_seg_t *seg, uint64_t id);
DVM_PUBLIC int dvm_rwlock_write(dvm_seg_t *seg, uint64_t id);
DVM_PUBLIC int dvm_rwlock_release(dvm_seg_t *seg, uint64_t id);

/* Waits until N threads (0: one of each rank of the group) have come. */
DVM_PUBLIC int dvm_seg_barrier(dvm_seg_t *seg, uint64_t id, uint32_t n);

/*
 * As pthread_cond_wait() and so on, with lock LOCK, which is held. TIMEOUT_MS < 0: for ever, else
 * -ETIMEDOUT. LOCK is held again on return, also after a failure; but not after -EPERM (it was not
 * held before), nor where its home is lost.
 */
DVM_PUBLIC int dvm_cond_wait(dvm_seg_t *seg, uint64_t id, uint64_t lock, int timeout_ms);
DVM_PUBLIC int dvm_cond_signal(dvm_seg_t *seg, uint64_t id);
DVM_PUBLIC int dvm_cond_broadcast(dvm_seg_t *seg, uint64_t id);

/* Cells of 64 bits, zero at first. What was there before goes to *OLD, which may be NULL. */
DVM_PUBLIC int dvm_atomic_add(dvm_seg_t *seg, uint64_t id, uint64_t value, uint64_t *old);
DVM_PUBLIC int dvm_atomic_swap(dvm_seg_t *seg, uint64_t id, uint64_t value, uint64_t *old);
DVM_PUBLIC int dvm_atomic_cas(dvm_seg_t *seg, uint64_t id, uint64_t expected, uint64_t value,
			      uint64_t *old);
DVM_PUBLIC int dvm_atomic_load(dvm_seg_t *seg, uint64_t id, uint64_t *value);

/*
 * For segments with release consistency; others have nothing to do. Release: what any thread of this
 * rank has written before is seen by every rank that acquires after the return, however it came to
 * know of that. Acquire: what was released before is seen from now on.
 */
DVM_PUBLIC int dvm_sync_release(dvm_seg_t *seg);
DVM_PUBLIC int dvm_sync_acquire(dvm_seg_t *seg);

/*
 * Memory inside of the segment, the same for all ranks. Aligned to ALIGN, a power of two (0: 16).
 * Who allocates or frees first anywhere makes the whole segment the allocator's. -ENOMEM.
 */
DVM_PUBLIC int dvm_seg_alloc(dvm_seg_t *seg, uint64_t bytes, uint64_t align, void **out);
DVM_PUBLIC int dvm_seg_free(dvm_seg_t *seg, void *p); /* NULL is accepted */

#ifdef __cplusplus
}
#endif

#endif
