/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm: groups, ordered sets of ranks that exchange messages apart from all other sets.
 *
 * Every handle has one group from the start, dvm_world(). The calls here make others from it. A
 * group has contexts of its own: a message, a collective or a one-sided operation of one group is
 * never seen by another, also where the members are the same. Messages within a group are in
 * dvm/msg.h, its collective operations in dvm/coll.h, grids of ranks in dvm/cart.h, what to do
 * when members are lost in dvm/ft.h, groups of two jobs in dvm/connect.h.
 *
 * An intergroup joins two groups without a common member: messages go to, and come from, the other
 * side, whose ranks they name. Of the collectives it has the barrier, others return -ENOTSUP.
 *
 * Calls that make groups are collective: all members of the old group call, in the same order as
 * its other collectives; dvm_group_create() says otherwise. They block until this rank has what it
 * needs, which needs the others. When a member is lost or has closed they fail in bounded time
 * (-DVM_EPEERLOST, -DVM_ECLOSED) at some or all members; some may have made the group then and
 * should free it. On failure *OUT is untouched.
 *
 * A group is the caller's and ends with dvm_group_free(), at the latest with its handle. Its
 * contexts are never used again; after some hundred million divided by the ranks of the job there
 * are no more: -ENOSPC.
 *
 * Threads: see dvm/dvm.h; calls that make groups from the same one are made by one thread at a
 * time.
 */
#ifndef DVM_GROUP_H
#define DVM_GROUP_H

#include "dvm/dvm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a group's name, the final NUL included. */
#define DVM_GROUP_NAME_MAX 64

/* This rank within G, or -EINVAL where G is NULL. Any thread. */
DVM_PUBLIC int dvm_group_rank(const dvm_group_t *g);

/* Ranks in G, of an intergroup those on this side; or -EINVAL. Any thread. */
DVM_PUBLIC int dvm_group_size(const dvm_group_t *g);

/* Ranks on the other side of an intergroup, 0 of any other group; or -EINVAL. Any thread. */
DVM_PUBLIC int dvm_group_remote_size(const dvm_group_t *g);

/* The handle G belongs to; NULL where G is NULL. Any thread. */
DVM_PUBLIC dvm_t *dvm_group_handle(const dvm_group_t *g);

/*
 * For each of N RANKS of FROM the rank of the same process in TO, or DVM_NOBODY where it is no
 * member; DVM_NOBODY stays DVM_NOBODY. Of intergroups, this side counts. OUT may be RANKS. Any
 * thread. Returns 0, or -EINVAL (NULL, groups of two handles, a rank out of range; then OUT may be
 * written in part).
 */
DVM_PUBLIC int dvm_group_translate(const dvm_group_t *from, size_t n, const int *ranks,
				   const dvm_group_t *to, int *out);

/* Nodes that have ranks of G (of an intergroup: of this side), at least 1; -EINVAL, -ENOMEM. */
DVM_PUBLIC int dvm_group_num_nodes(dvm_group_t *g);

/*
 * The node of RANK, 0 … dvm_group_num_nodes() - 1, in the order of their lowest ranks: two ranks
 * are on one node if these are equal. -EINVAL (G NULL, RANK out of range), -ENOMEM.
 */
DVM_PUBLIC int dvm_group_node_of(dvm_group_t *g, int rank);

/*
 * Names G for people, at this rank alone: NAME is copied, cut at DVM_GROUP_NAME_MAX - 1 bytes.
 * Returns 0 or -EINVAL. The name is "world" or "" before. dvm_group_name() lends it until it is
 * changed or G ends; NULL where G is NULL.
 */
DVM_PUBLIC int dvm_group_set_name(dvm_group_t *g, const char *name);
DVM_PUBLIC const char *dvm_group_name(const dvm_group_t *g);

/*
 * Makes a group of the same ranks in the same order with contexts of its own. Collective.
 * Returns 0, -EINVAL, -ENOTSUP (an intergroup), -ENOSPC, -ENOMEM, -DVM_EPEERLOST, -DVM_ECLOSED,
 * -DVM_EREVOKED, -DVM_EPROTO.
 */
DVM_PUBLIC int dvm_group_dup(dvm_group_t *g, dvm_group_t **out);

/*
 * Splits G: ranks that name the same COLOR make a group, ordered by KEY and, where keys are equal,
 * by their rank in G. With a negative COLOR this rank is in none of them: *OUT is set to NULL.
 * Collective. Returns as dvm_group_dup().
 */
DVM_PUBLIC int dvm_group_split(dvm_group_t *g, int color, int key, dvm_group_t **out);

/* The same with the ranks of one node in each group: they share memory. */
DVM_PUBLIC int dvm_group_split_node(dvm_group_t *g, int key, dvm_group_t **out);

/*
 * Makes a group of the N RANKS of G, in that order. Called by those ranks alone, with the same
 * list and TAG (0 … DVM_TAG_MAX); others of G need not know and may be lost already. Two groups
 * with common members that are made at the same time have two tags. When some rank of the list is
 * lost, it fails at all others, but for deaths in the last moment.
 *
 * Returns 0, or as dvm_group_dup(); -EINVAL: also a rank twice or out of range, this rank not in
 * the list, TAG negative. -DVM_EPROTO: lists that differ.
 */
DVM_PUBLIC int dvm_group_create(dvm_group_t *g, size_t n, const int *ranks, int tag,
				dvm_group_t **out);

/*
 * Makes an intergroup of two groups, which must not have a common member. Collective over both.
 * LOCAL is this side's group, LEADER the rank in it that speaks for it; the leader names the other
 * side's leader by its rank REMOTE in BRIDGE, a group that has both leaders in it, and a TAG that
 * no other such call between the two uses at the same time. LEADER and TAG agree on each side and
 * TAG on both; BRIDGE and REMOTE count at the leaders only.
 *
 * Returns 0, or as dvm_group_dup(); -EINVAL: also a common member, which is seen at all ranks.
 */
DVM_PUBLIC int dvm_intergroup_create(dvm_group_t *local, int leader, dvm_group_t *bridge, int remote,
				     int tag, dvm_group_t **out);

/*
 * Makes an ordinary group of both sides of INTER. The side that passes HIGH 0 comes first; if both
 * pass the same, that whose rank 0 has the lower rank in the world. HIGH agrees on each side.
 * Collective over both. Returns as dvm_group_dup(); -EINVAL: also no intergroup.
 */
DVM_PUBLIC int dvm_intergroup_merge(dvm_group_t *inter, int high, dvm_group_t **out);

/*
 * Ends G at this rank; does not wait for the others. Messages that nobody has received are lost.
 * NULL is accepted. Returns 0, -EINVAL for the world (which ends with its handle), -EBUSY while
 * requests of G have not been waited for, or windows or the like live on it; then nothing has
 * happened.
 */
DVM_PUBLIC int dvm_group_free(dvm_group_t *g);

#ifdef __cplusplus
}
#endif

#endif
