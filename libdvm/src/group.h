/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups of a handle: their contexts, and what the protocol asks about them. Contexts are unique
 * within a job by construction: each rank gives away its own numbers, those that leave its rank
 * when divided by the ranks of the job. doc/design/0011-groups.md is the paper. All under the
 * handle's lock.
 */
#ifndef DVMI_SRC_GROUP_H
#define DVMI_SRC_GROUP_H

#include "libdvm/src/handle.h"

/* What the protocol asks, as in struct dvmi_p2p_owner; D is a handle. */
int dvmi_group_anybody(void *d, uint32_t ctx);
void dvmi_group_revoke(void *d, uint32_t src, uint32_t ctx, int code);

/* A set of contexts that no group of the job has had: 0 or -ENOSPC. */
int dvmi_ctx_reserve(dvm_t *d, uint32_t *ctx);
/* CTX was not needed; 0 is accepted. */
void dvmi_ctx_return(dvm_t *d, uint32_t ctx);
/* CTX can have been given away by PEER and is not known here. */
bool dvmi_ctx_good(dvm_t *d, uint32_t ctx, uint32_t peer);

/* The group with context CTX, which may be any of its contexts, or NULL. */
dvm_group_t *dvmi_group_find(dvm_t *d, uint32_t ctx);

/* A group of N PEERS with this rank at place RANK and contexts CTX. 0, -EINVAL or -ENOMEM. */
int dvmi_group_new(dvm_t *d, const uint32_t *peers, uint32_t n, uint32_t rank, uint32_t ctx,
		   dvm_group_t **out);
/* The same for an intergroup with N_FAR peers on the other side. */
int dvmi_intergroup_new(dvm_t *d, const dvm_group_t *local, const uint32_t *far, uint32_t n_far,
			uint32_t ctx, dvm_group_t **out);
/* Ends G, whoever uses it. */
void dvmi_group_destroy(dvm_group_t *g);
/* The same for all groups but the world, whose own things are freed. */
void dvmi_groups_fini(dvm_t *d);

/*
 * CTX of G, revoked here already, is told to all members but SRC, who said so; with its messages
 * all other contexts of G go.
 */
void dvmi_group_spread(dvm_group_t *g, uint32_t src, uint32_t ctx, int code);

/* dvm_group_split(), with checked arguments; COLOR -1: none. Takes the lock itself. */
int dvmi_group_split(dvm_group_t *g, int color, int key, dvm_group_t **out);

/* A barrier of both sides. */
int dvmi_intergroup_barrier(dvm_group_t *g);

/* The codes of a member that is gone, by its place in dests, or 0. */
static inline int dvmi_group_lost(const dvm_group_t *g, uint32_t rank)
{
	return g->d->p2p.peers[dvmi_rankmap_peer(&g->dests, rank)].down;
}

#endif
