/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/net/fab_loop.h"
#include "libdvm/net/split.h"

struct item {
	struct item *next;
	struct dvmi_pkt pkt;
	uint8_t payload[];
};

struct lane {
	struct item *head, **tail;
	struct dvmi_split split[DVMI_TPORT_SPLITS];
};

struct end {
	struct dvmi_tport t;
	struct dvmi_loop *l;
	uint32_t self;
};

struct dvmi_loop {
	struct dvmi_loop_config cfg;
	struct dvmi_rng rng;
	bool *cut;	    /* [n] */
	struct lane *lanes; /* [n * n]: from, to */
};

static struct end *end_of(struct dvmi_tport *t)
{
	return (struct end *)t;
}

static struct lane *lane_of(struct dvmi_loop *l, uint32_t from, uint32_t to)
{
	return &l->lanes[(size_t)from * l->cfg.n + to];
}

static bool chance(struct dvmi_loop *l, uint32_t pct)
{
	return dvmi_rng_below(&l->rng, 100) < pct;
}

static int loop_send(struct dvmi_tport *t, uint32_t peer, const struct dvmi_pkt *pkt,
		     const void *payload)
{
	struct end *e = end_of(t);
	struct dvmi_loop *l = e->l;
	struct lane *lane = lane_of(l, e->self, peer);

	if (l->cut[e->self] || l->cut[peer])
		return 0; /* into the void: nobody notices before he is told */
	if (chance(l, l->cfg.refuse_pct))
		return -EAGAIN;
	struct item *it = malloc(sizeof *it + pkt->len);
	if (!it)
		return -EAGAIN;
	it->next = NULL;
	it->pkt = *pkt;
	if (pkt->len)
		memcpy(it->payload, payload, pkt->len);
	*lane->tail = it;
	lane->tail = &it->next;
	return 0;
}

static void pop(struct lane *lane)
{
	struct item *it = lane->head;

	lane->head = it->next;
	if (!lane->head)
		lane->tail = &lane->head;
	free(it);
}

static int deliver(struct end *e, uint32_t from, int max)
{
	struct lane *lane = lane_of(e->l, from, e->self);
	int n = 0;

	while (lane->head && n < max) {
		struct item *it = lane->head;
		if (e->t.sink.packet(e->t.sink.arg, from, &it->pkt, it->payload) < 0)
			break;
		pop(lane);
		n++;
	}
	return n;
}

static int loop_progress(struct dvmi_tport *t)
{
	struct end *e = end_of(t);
	int n = 0;

	for (uint32_t i = 0; i < e->l->cfg.n; i++)
		if (!chance(e->l, e->l->cfg.hold_pct))
			n += deliver(e, i, 1 + (int)dvmi_rng_below(&e->l->rng, 4));
	return n;
}

static int loop_drain(struct dvmi_tport *t, uint32_t peer, bool dead)
{
	struct end *e = end_of(t);

	while (deliver(e, peer, 16) > 0)
		;
	return lane_of(e->l, peer, e->self)->head ? -EAGAIN : 0;
}

static int loop_arm(struct dvmi_tport *t, struct pollfd *fds, int n)
{
	return -ENOTSUP;
}

static void loop_disarm(struct dvmi_tport *t)
{
}

static int loop_flush(struct dvmi_tport *t)
{
	return 0;
}

static void loop_free_end(struct dvmi_tport *t)
{
	free(end_of(t));
}

static bool loop_reaches(struct dvmi_tport *t, uint32_t peer)
{
	struct end *e = end_of(t);

	return e->l->cfg.copies && peer != e->self;
}

static int copy(struct dvmi_loop *l, void *to, const void *from, size_t len, uint32_t fail_pct)
{
	bool fails = chance(l, fail_pct);

	memcpy(to, from, fails ? len / 2 : len);
	return fails ? -EFAULT : 0;
}

static int loop_pull(struct dvmi_tport *t, uint32_t peer, void *to, uint64_t addr, size_t len)
{
	struct dvmi_loop *l = end_of(t)->l;

	return l->cut[peer] ? -ESRCH
			    : copy(l, to, (void *)(uintptr_t)addr, len, l->cfg.pull_fail_pct);
}

static int loop_push(struct dvmi_tport *t, uint32_t peer, uint64_t addr, const void *from,
		     size_t len)
{
	struct dvmi_loop *l = end_of(t)->l;

	return l->cut[peer] ? -ESRCH
			    : copy(l, (void *)(uintptr_t)addr, from, len, l->cfg.push_fail_pct);
}

static struct dvmi_split *loop_split(struct dvmi_tport *t, uint32_t peer, bool out, uint32_t slot)
{
	struct end *e = end_of(t);
	struct lane *lane = out ? lane_of(e->l, e->self, peer) : lane_of(e->l, peer, e->self);

	return slot < DVMI_TPORT_SPLITS ? &lane->split[slot] : NULL;
}

static const struct dvmi_tport_ops loop_ops = {
	.size = sizeof loop_ops,
	.name = "loop",
	.send = loop_send,
	.progress = loop_progress,
	.drain = loop_drain,
	.arm = loop_arm,
	.disarm = loop_disarm,
	.flush = loop_flush,
	.destroy = loop_free_end,
	.reaches = loop_reaches,
	.pull = loop_pull,
	.push = loop_push,
	.split = loop_split,
};

struct dvmi_loop *dvmi_loop_create(const struct dvmi_loop_config *cfg)
{
	struct dvmi_loop *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	l->cfg = *cfg;
	dvmi_rng_seed(&l->rng, cfg->seed);
	l->cut = calloc(cfg->n, sizeof *l->cut);
	l->lanes = calloc((size_t)cfg->n * cfg->n, sizeof *l->lanes);
	if (!l->cut || !l->lanes) {
		dvmi_loop_destroy(l);
		return NULL;
	}
	for (size_t i = 0; i < (size_t)cfg->n * cfg->n; i++)
		l->lanes[i].tail = &l->lanes[i].head;
	return l;
}

void dvmi_loop_destroy(struct dvmi_loop *l)
{
	if (!l)
		return;
	for (size_t i = 0; l->lanes && i < (size_t)l->cfg.n * l->cfg.n; i++)
		while (l->lanes[i].head)
			pop(&l->lanes[i]);
	free(l->lanes);
	free(l->cut);
	free(l);
}

int dvmi_loop_end(struct dvmi_loop *l, uint32_t self, struct dvmi_sink sink,
		  struct dvmi_tport **out)
{
	struct end *e = malloc(sizeof *e);

	if (!e)
		return -ENOMEM;
	*e = (struct end){
		.t = {
			.ops = &loop_ops,
			.packet_max = UINT32_MAX,
			.eager_max = l->cfg.eager_max,
			.chunk = l->cfg.chunk,
			.sink = sink,
		},
		.l = l,
		.self = self,
	};
	*out = &e->t;
	return 0;
}

void dvmi_loop_cut(struct dvmi_loop *l, uint32_t rank)
{
	l->cut[rank] = true;
}
