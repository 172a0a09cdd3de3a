/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/net/wire.h"
#include "libdvm/src/accord.h"

#define GHOSTS_MAX 64	/* groups that are freed */
#define EARLY_MAX  1024 /* packets without a group */

struct dvmi_early {
	struct dvmi_early *next;
	uint32_t src, ctx, len;
	uint8_t bytes[];
};

static void send_message(void *arg, uint32_t to, const void *msg, size_t len)
{
	struct dvmi_accord *c = arg;
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_AGREE, .ctx = c->ctx, .len = (uint32_t)len };

	dvmi_p2p_post(&c->d->p2p, dvmi_rankmap_peer(&c->map, to), &pkt, msg);
}

static void destroy(struct dvmi_accord *c)
{
	dvmi_agree_fini(&c->a);
	dvmi_rankmap_fini(&c->map);
	free(c);
}

static void learn_losses(struct dvmi_accord *c)
{
	for (uint32_t r = 0; r < c->map.size; r++)
		if (c->d->p2p.peers[dvmi_rankmap_peer(&c->map, r)].down)
			dvmi_agree_down(&c->a, r);
}

struct dvmi_accord *dvmi_accord_get(dvm_group_t *g)
{
	if (g->accord)
		return g->accord;
	struct dvmi_accord *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->d = g->d;
	c->ctx = g->ctx;
	int rc = dvmi_rankmap_copy(&c->map, &g->map);
	if (rc == 0)
		rc = dvmi_agree_init(&c->a, g->size, g->rank, send_message, c);
	if (rc < 0) {
		destroy(c);
		return NULL;
	}
	learn_losses(c);
	return g->accord = c;
}

static void drop_oldest_ghost(struct dvmi_groups *gs)
{
	struct dvmi_accord **p = &gs->ghosts, *c;

	while ((*p)->next)
		p = &(*p)->next;
	c = *p;
	*p = NULL;
	gs->nghosts--;
	destroy(c);
}

void dvmi_accord_leave(dvm_group_t *g)
{
	struct dvmi_accord *c = g->accord;

	/* A world that was never opened has no handle either. */
	if (!c)
		return;
	g->accord = NULL;
	if (!c->a.done) {
		destroy(c);
		return;
	}
	struct dvmi_groups *gs = &g->d->groups;
	c->next = gs->ghosts;
	gs->ghosts = c;
	if (++gs->nghosts > GHOSTS_MAX)
		drop_oldest_ghost(gs);
}

static struct dvmi_accord *ghost_of(dvm_t *d, uint32_t ctx)
{
	struct dvmi_accord *c = d->groups.ghosts;

	while (c && c->ctx != ctx)
		c = c->next;
	return c;
}

/* The oldest one goes when there are too many: it is the likeliest to be for a freed group. */
static int keep(dvm_t *d, uint32_t src, const struct dvmi_pkt *pkt, const void *payload)
{
	struct dvmi_groups *gs = &d->groups;
	struct dvmi_early *e = malloc(sizeof *e + pkt->len), **p = &gs->early;

	if (!e)
		return -EAGAIN;
	e->next = NULL;
	e->src = src;
	e->ctx = pkt->ctx;
	e->len = pkt->len;
	memcpy(e->bytes, payload, pkt->len);
	while (*p)
		p = &(*p)->next;
	*p = e;
	if (++gs->nearly > EARLY_MAX) {
		e = gs->early;
		gs->early = e->next;
		gs->nearly--;
		free(e);
	}
	return 0;
}

static void take(struct dvmi_accord *c, uint32_t src, const void *payload, size_t len)
{
	int64_t rank = dvmi_rankmap_rank(&c->map, src);

	if (rank < 0 || dvmi_agree_take(&c->a, (uint32_t)rank, payload, len) < 0)
		c->d->p2p.stats.dropped++;
}

int dvmi_accord_packet(dvm_t *d, uint32_t src, const struct dvmi_pkt *pkt, const void *payload)
{
	dvm_group_t *g = dvmi_group_find(d, pkt->ctx);
	struct dvmi_accord *c = g ? dvmi_accord_get(g) : ghost_of(d, pkt->ctx);

	if (g && !c)
		return -EAGAIN;
	if (!c && pkt->len)
		return keep(d, src, pkt, payload);
	if (c && pkt->ctx == c->ctx && !(g && g->local))
		take(c, src, payload, pkt->len);
	else
		d->p2p.stats.dropped++;
	return 0;
}

void dvmi_accord_enter(dvm_group_t *g)
{
	struct dvmi_early **p = &g->d->groups.early, *e;

	while ((e = *p)) {
		if (e->ctx != g->ctx || !dvmi_accord_get(g)) {
			p = &e->next;
			continue;
		}
		*p = e->next;
		g->d->groups.nearly--;
		take(g->accord, e->src, e->bytes, e->len);
		free(e);
	}
}

static void down(dvm_group_t *g, uint32_t peer)
{
	int64_t rank = g->accord ? dvmi_rankmap_rank(&g->map, peer) : -1;

	if (rank >= 0)
		dvmi_agree_down(&g->accord->a, (uint32_t)rank);
}

void dvmi_accord_down(dvm_t *d, uint32_t peer)
{
	down(&d->world, peer);
	for (int i = 0; i < DVMI_GROUP_BINS; i++)
		for (dvm_group_t *g = d->groups.bins[i]; g; g = g->next)
			down(g, peer);
}

void dvmi_accord_fini(dvm_t *d)
{
	struct dvmi_early *e;

	while (d->groups.ghosts)
		drop_oldest_ghost(&d->groups);
	while ((e = d->groups.early)) {
		d->groups.early = e->next;
		free(e);
	}
}
