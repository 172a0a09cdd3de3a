/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm: going on after ranks were lost.
 *
 * No operation hangs because a rank is gone: it returns -DVM_EPEERLOST (crashed, or its node is
 * gone) or -DVM_ECLOSED (left by dvm_close()). But one rank may see the error where another does
 * not, and waits for a third that has given up. What it takes to go on, in this order:
 *
 *   dvm_group_revoke()   whoever sees an error ends all operations of the group, everywhere;
 *   dvm_group_shrink()   those that live make a new group, the same one at all of them;
 *   and the program finds out, in the new group, from where to go on.
 *
 * A group with losses is still good for messages between those that live. Its collectives fail
 * when they need a lost rank, and then for ever. `dvm run` ends a job when a rank fails unless it
 * was told --keep-going.
 *
 * What is agreed on here is uniform: all ranks that return from the call return the same, also
 * those that are lost right after. It rests on the verdict of the shepherds, who see processes end
 * and nodes go. A rank that is declared gone while it lives, as behind a cut cable, is not asked
 * and hears so (-DVM_EPEERLOST).
 *
 * Threads: see dvm/dvm.h; agreements of one group are made by one thread at a time.
 */
#ifndef DVM_FT_H
#define DVM_FT_H

#include "dvm/group.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Ends all operations of G with -DVM_EREVOKED, those that wait and all later ones, here at once
 * and at all members that live as soon as they are inside of the library; also if this rank is
 * lost meanwhile, provided one member has heard of it. Not collective. What remains: dvm_group_free(),
 * asking about G, and the calls below. Returns 0, also when it is revoked already; -EINVAL.
 */
DVM_PUBLIC int dvm_group_revoke(dvm_group_t *g);

/* 1 when G is revoked as far as this rank knows, else 0; -EINVAL. Takes news that have arrived. */
DVM_PUBLIC int dvm_group_is_revoked(dvm_group_t *g);

/*
 * The ranks of G (of an intergroup: of the other side) that are lost or have closed, as far as
 * this rank knows, in ascending order: as many as there is room for go to RANKS (MAX entries; may
 * be NULL with MAX 0). Returns their number, which may be larger than MAX; -EINVAL. Takes news
 * that have arrived.
 */
DVM_PUBLIC int dvm_group_failed(dvm_group_t *g, int *ranks, int max);

/*
 * Says that the program knows of the losses that dvm_group_failed() would tell now: receives from
 * DVM_ANY_SOURCE work again, and agreements do not report them any more. Returns the number of
 * losses known; -EINVAL, -ENOMEM.
 */
DVM_PUBLIC int dvm_group_ack_failed(dvm_group_t *g);

/*
 * Agrees on the conjunction of *FLAGS (bit by bit) of all members that take part. Collective over
 * those that live; works on a revoked group. Returns, at all the same: 0, or -DVM_EPEERLOST when
 * some member is gone whose loss not all others have acknowledged; *FLAGS is the result in both
 * cases. Else -EINVAL, -ENOTSUP (an intergroup, or members of another job), -EBUSY (another thread
 * is in it), -ENOMEM, or -DVM_EPEERLOST with *FLAGS as it was (this rank has lost its shepherd).
 */
DVM_PUBLIC int dvm_group_agree(dvm_group_t *g, uint32_t *flags);

/*
 * Agrees on who of G lives and makes a group of those, in their order. Collective over those that
 * live; works on a revoked group. Members that are lost at the last moment may be in the new group.
 * Returns 0, or -EINVAL, -ENOTSUP, -EBUSY, -ENOSPC, -ENOMEM, -DVM_EPEERLOST (this rank is taken
 * for lost, or has lost its shepherd), -DVM_EPROTO (some member called dvm_group_agree() instead).
 */
DVM_PUBLIC int dvm_group_shrink(dvm_group_t *g, dvm_group_t **out);

#ifdef __cplusplus
}
#endif

#endif
