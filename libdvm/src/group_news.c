/* SPDX-License-Identifier: BSD-3-Clause */
/* What the protocol asks about groups, and what it tells. */
#include <errno.h>

#include "libdvm/src/group.h"

static bool is_acked(const dvm_group_t *g, uint32_t rank)
{
	return g->losses.acked && g->losses.acked[rank / 64] >> rank % 64 & 1;
}

/* Closing is no failure: the others may send. A loss is, until the program has said it knows. */
static int judge(const dvm_group_t *g)
{
	uint32_t others = 0;
	int last = 0;

	for (uint32_t r = 0; r < g->dests.size; r++) {
		int code = dvmi_group_lost(g, r);
		if (code && code != -DVM_ECLOSED && !is_acked(g, r))
			return code;
		if (code && last != -DVM_EPEERLOST)
			last = code;
		others += !code && dvmi_rankmap_peer(&g->dests, r) != g->d->env.rank;
	}
	return others ? 0 : last ? last : 1;
}

int dvmi_group_anybody(void *arg, uint32_t ctx)
{
	dvm_t *d = arg;
	dvm_group_t *g = dvmi_group_find(d, ctx);

	if (!g)
		return 0;
	if (g->losses.judged != d->p2p.ndown + 1) {
		g->losses.judged = d->p2p.ndown + 1;
		g->losses.verdict = judge(g);
	}
	return g->losses.verdict;
}

static bool is_member(const dvm_group_t *g, uint32_t peer)
{
	return dvmi_rankmap_rank(&g->map, peer) >= 0 || dvmi_rankmap_rank(&g->dests, peer) >= 0;
}

static void tell_all(dvm_group_t *g, const struct dvmi_rankmap *map, uint32_t src, uint32_t ctx,
		     int code)
{
	struct dvmi_p2p *p = &g->d->p2p;

	for (uint32_t r = 0; r < map->size; r++) {
		uint32_t peer = dvmi_rankmap_peer(map, r);
		if (peer != p->self && peer != src && !p->peers[peer].down)
			dvmi_p2p_tell_revoked(p, peer, ctx, code);
	}
}

/* Without its messages nothing of a group is left. */
void dvmi_group_spread(dvm_group_t *g, uint32_t src, uint32_t ctx, int code)
{
	tell_all(g, &g->map, src, ctx, code);
	if (g->local)
		tell_all(g, &g->remote, src, ctx, code);
	if (ctx != g->ctx + DVMI_CTX_MSG)
		return;
	for (uint32_t i = DVMI_CTX_MSG + 1; i < DVMI_CTX_EACH; i++)
		dvmi_p2p_revoke_here(&g->d->p2p, g->ctx + i, code);
}

void dvmi_group_revoke(void *arg, uint32_t src, uint32_t ctx, int code)
{
	dvm_t *d = arg;
	dvm_group_t *g = dvmi_group_find(d, ctx);

	if (g && src != d->env.rank && !is_member(g, src)) {
		d->p2p.stats.dropped++;
		return;
	}
	if (dvmi_p2p_revoke_here(&d->p2p, ctx, code) <= 0)
		return;
	if (g)
		dvmi_group_spread(g, src, ctx, code);
	else
		dvmi_revoked_set_orphan(&d->p2p.revoked, ctx, true);
}
