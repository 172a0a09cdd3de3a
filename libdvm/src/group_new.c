/* SPDX-License-Identifier: BSD-3-Clause */
/* Contexts, and the beginning and end of groups. */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/src/accord.h"
#include "libdvm/src/cart.h"
#include "libdvm/src/coll.h"
#include "libdvm/src/link.h"

int dvmi_ctx_reserve(dvm_t *d, uint32_t *ctx)
{
	uint64_t number = (uint64_t)(d->groups.contexts + 1) * d->env.size + d->env.rank;

	if (number >= (UINT64_C(1) << 32) / DVMI_CTX_EACH)
		return -ENOSPC;
	d->groups.contexts++;
	*ctx = (uint32_t)number * DVMI_CTX_EACH;
	return 0;
}

/* Only the last one given away can be had back; another thread may have taken one meanwhile. */
void dvmi_ctx_return(dvm_t *d, uint32_t ctx)
{
	uint32_t last = d->groups.contexts * d->env.size + d->env.rank;

	if (ctx && ctx / DVMI_CTX_EACH == last)
		d->groups.contexts--;
}

bool dvmi_ctx_good(dvm_t *d, uint32_t ctx, uint32_t peer)
{
	return ctx % DVMI_CTX_EACH == 0 && ctx / DVMI_CTX_EACH >= d->env.size &&
	       ctx / DVMI_CTX_EACH % d->env.size == peer && !dvmi_group_find(d, ctx);
}

static dvm_group_t **bin_of(dvm_t *d, uint32_t ctx)
{
	uint64_t h = ctx / DVMI_CTX_EACH * UINT64_C(0x9e3779b97f4a7c15);

	return &d->groups.bins[(h >> 32) % DVMI_GROUP_BINS];
}

dvm_group_t *dvmi_group_find(dvm_t *d, uint32_t ctx)
{
	ctx -= ctx % DVMI_CTX_EACH;
	if (ctx == 0)
		return &d->world;
	dvm_group_t *g = *bin_of(d, ctx);
	while (g && g->ctx != ctx)
		g = g->next;
	return g;
}

/* From here on packets find it; news that were faster than the group are taken in. */
static void enlist(dvm_group_t *g)
{
	dvm_group_t **bin = bin_of(g->d, g->ctx);

	g->next = *bin;
	*bin = g;
	for (uint32_t i = 0; i < DVMI_CTX_EACH; i++) {
		int code = dvmi_p2p_revoked(&g->d->p2p, g->ctx + i);
		if (!code)
			continue;
		dvmi_revoked_set_orphan(&g->d->p2p.revoked, g->ctx + i, false);
		dvmi_group_spread(g, g->d->env.rank, g->ctx + i, code);
	}
	dvmi_accord_enter(g);
}

static void strike(dvm_group_t *g)
{
	dvm_group_t **p = bin_of(g->d, g->ctx);

	while (*p != g)
		p = &(*p)->next;
	*p = g->next;
	dvmi_am_forget(g->d, g->ctx);
	for (uint32_t i = 0; i < DVMI_CTX_EACH; i++) {
		dvmi_p2p_forget(&g->d->p2p, g->ctx + i);
		dvmi_revoked_set_orphan(&g->d->p2p.revoked, g->ctx + i, true);
	}
}

static bool is_world(const dvm_t *d, const uint32_t *peers, uint32_t n)
{
	if (n != d->env.size)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (peers[i] != i)
			return false;
	return true;
}

static dvm_group_t *blank(dvm_t *d, uint32_t rank, uint32_t size, uint32_t ctx)
{
	dvm_group_t *g = calloc(1, sizeof *g);

	if (!g)
		return NULL;
	g->d = d;
	g->ctx = ctx;
	g->rank = rank;
	g->size = size;
	return g;
}

static void free_own(dvm_group_t *g)
{
	if (g->local) {
		dvmi_coll_forget(g->local);
		free(g->local->nodes);
		free(g->local);
	}
	if (g->link)
		dvmi_link_put(g->link);
	dvmi_coll_forget(g);
	free(g->nodes);
	free(g->cart);
	free(g->losses.acked);
	dvmi_rankmap_fini(&g->remote);
	dvmi_rankmap_fini(&g->map);
}

int dvmi_group_new(dvm_t *d, const uint32_t *peers, uint32_t n, uint32_t rank, uint32_t ctx,
		   dvm_group_t **out)
{
	dvm_group_t *g = blank(d, rank, n, ctx);

	if (!g)
		return -ENOMEM;
	int rc = 0;
	if (is_world(d, peers, n))
		dvmi_rankmap_init(&g->map, n);
	else
		rc = dvmi_rankmap_set(&g->map, peers, n);
	if (rc < 0) {
		free(g);
		return rc;
	}
	g->dests = g->map;
	enlist(g);
	*out = g;
	return 0;
}

/* This side of G by itself. Its contexts are those of G, whose messages only cross. */
static int make_local(dvm_group_t *g)
{
	g->local = blank(g->d, g->rank, g->size, g->ctx);
	if (!g->local)
		return -ENOMEM;
	g->local->map = g->local->dests = g->map;
	return 0;
}

int dvmi_intergroup_new(dvm_t *d, const dvm_group_t *local, const uint32_t *far, uint32_t n_far,
			uint32_t ctx, dvm_group_t **out)
{
	dvm_group_t *g = blank(d, local->rank, local->size, ctx);
	int rc = g ? dvmi_rankmap_copy(&g->map, &local->map) : -ENOMEM;

	if (rc == 0)
		rc = dvmi_rankmap_set(&g->remote, far, n_far);
	if (rc == 0)
		rc = make_local(g);
	if (rc < 0) {
		if (g)
			free_own(g);
		free(g);
		return rc;
	}
	g->dests = g->remote;
	enlist(g);
	*out = g;
	return 0;
}

void dvmi_group_destroy(dvm_group_t *g)
{
	strike(g);
	dvmi_accord_leave(g);
	free_own(g);
	free(g);
}

void dvmi_groups_fini(dvm_t *d)
{
	for (int i = 0; i < DVMI_GROUP_BINS; i++)
		while (d->groups.bins[i])
			dvmi_group_destroy(d->groups.bins[i]);
	dvmi_accord_leave(&d->world);
	dvmi_accord_fini(d);
	free_own(&d->world);
}
