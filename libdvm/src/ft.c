/* SPDX-License-Identifier: BSD-3-Clause */
/* Going on after losses. */
#include <errno.h>
#include <stdlib.h>

#include "dvm/ft.h"
#include "libdvm/src/accord.h"
#include "libdvm/src/wait.h"

int dvm_group_revoke(dvm_group_t *g)
{
	if (!g)
		return -EINVAL;
	dvmi_enter(g->d);
	dvmi_p2p_revoke(&g->d->p2p, g->ctx + DVMI_CTX_MSG, -DVM_EREVOKED);
	dvmi_leave(g->d);
	return 0;
}

int dvm_group_is_revoked(dvm_group_t *g)
{
	if (!g)
		return -EINVAL;
	dvmi_enter(g->d);
	dvmi_poll(g->d);
	int code = dvmi_p2p_revoked(&g->d->p2p, g->ctx + DVMI_CTX_MSG);
	dvmi_leave(g->d);
	return code != 0;
}

int dvm_group_failed(dvm_group_t *g, int *ranks, int max)
{
	int n = 0;

	if (!g || max < 0 || (!ranks && max))
		return -EINVAL;
	dvmi_enter(g->d);
	dvmi_poll(g->d);
	for (uint32_t r = 0; r < g->dests.size; r++) {
		if (!dvmi_group_lost(g, r))
			continue;
		if (n < max)
			ranks[n] = (int)r;
		n++;
	}
	dvmi_leave(g->d);
	return n;
}

static int ack(dvm_group_t *g)
{
	uint32_t n = g->dests.size;
	int known = 0;

	if (!g->losses.acked)
		g->losses.acked = calloc(DVMI_AGREE_WORDS(n), sizeof(uint64_t));
	if (!g->losses.acked)
		return -ENOMEM;
	for (uint32_t r = 0; r < n; r++) {
		if (!dvmi_group_lost(g, r))
			continue;
		dvmi_bit_set(g->losses.acked, r);
		known++;
	}
	g->losses.judged = 0;
	return known;
}

int dvm_group_ack_failed(dvm_group_t *g)
{
	if (!g)
		return -EINVAL;
	dvmi_enter(g->d);
	dvmi_poll(g->d);
	int rc = ack(g);
	dvmi_leave(g->d);
	return rc;
}

/* One agreement of G. 0, then the result is the accord's last one. */
static int settle(dvm_group_t *g, uint32_t flags, uint32_t ctx, struct dvmi_accord **out)
{
	struct dvmi_accord *c = dvmi_accord_get(g);
	struct dvmi_wait w = { 0 };
	dvm_t *d = g->d;

	if (!c)
		return -ENOMEM;
	if (d->broken || c->a.active)
		return d->broken ? d->broken : -EBUSY;
	g->users++;
	dvmi_agree_start(&c->a, flags, ctx, g->losses.acked);
	while (c->a.active && !d->broken)
		dvmi_wait_round(d, &w);
	g->users--;
	*out = c;
	/* With the shepherd all others are gone for us: what we have decided then, we alone have. */
	return d->broken;
}

static bool surprising(const struct dvmi_agree *a)
{
	for (uint32_t r = 0; r < a->n; r++)
		if (!dvmi_agree_alive(a, r) && !dvmi_agree_acked(a, r))
			return true;
	return false;
}

int dvm_group_agree(dvm_group_t *g, uint32_t *flags)
{
	struct dvmi_accord *c;

	if (!g || !flags)
		return -EINVAL;
	if (g->local || g->link)
		return -ENOTSUP;
	dvmi_enter(g->d);
	int rc = settle(g, *flags, 0, &c);
	if (rc == 0) {
		*flags = dvmi_agree_flags(&c->a);
		rc = surprising(&c->a) ? -DVM_EPEERLOST : 0;
	}
	dvmi_leave(g->d);
	return rc;
}

/* The group of those who live, after the result in A. */
static int rebuild(dvm_group_t *g, const struct dvmi_agree *a, dvm_group_t **out)
{
	uint32_t *peers = malloc(a->n * sizeof *peers), n = 0, rank = 0;

	if (!peers)
		return -ENOMEM;
	for (uint32_t r = 0; r < a->n; r++) {
		if (!dvmi_agree_alive(a, r))
			continue;
		if (r == g->rank)
			rank = n;
		peers[n++] = dvmi_rankmap_peer(&g->map, r);
	}
	int rc = dvmi_group_new(g->d, peers, n, rank, dvmi_agree_ctx(a), out);
	free(peers);
	return rc;
}

static int shrink(dvm_group_t *g, uint32_t ctx, dvm_group_t **out)
{
	struct dvmi_accord *c;
	int rc = settle(g, UINT32_MAX, ctx, &c);

	if (rc < 0)
		return rc;
	uint32_t chosen = dvmi_agree_ctx(&c->a);
	if (chosen != ctx)
		dvmi_ctx_return(g->d, ctx);
	if (!dvmi_agree_alive(&c->a, g->rank))
		return -DVM_EPEERLOST;
	if (!chosen)
		return -ENOSPC;
	if (chosen % DVMI_CTX_EACH || dvmi_group_find(g->d, chosen))
		return -DVM_EPROTO;
	return rebuild(g, &c->a, out);
}

int dvm_group_shrink(dvm_group_t *g, dvm_group_t **out)
{
	uint32_t ctx = 0;

	if (!g || !out)
		return -EINVAL;
	if (g->local || g->link)
		return -ENOTSUP;
	dvmi_enter(g->d);
	dvmi_ctx_reserve(g->d, &ctx);
	int rc = shrink(g, ctx, out);
	dvmi_leave(g->d);
	return rc;
}
