/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/src/coll.h"
#include "libdvm/src/coll_shm.h"
#include "libdvm/src/request.h"
#include "libdvm/src/wait.h"

static struct dvmi_coll *coll_of(struct dvmi_task *t)
{
	return (struct dvmi_coll *)t;
}

void dvmi_coll_revoke(dvm_group_t *g, int code)
{
	dvmi_p2p_revoke(&g->d->p2p, g->ctx + DVMI_CTX_COLL, code);
}

static void post_recv(struct dvmi_coll *c, struct dvmi_op *op, const struct dvmi_step *step)
{
	struct dvmi_match_key key = {
		.ctx = c->ctx,
		.source = (int32_t)dvmi_rankmap_peer(&c->g->map, step->peer),
		.tag = c->tag,
	};

	dvmi_p2p_recv(&c->d->p2p, op, &key, step->out, step->len);
}

static void post_send(struct dvmi_coll *c, struct dvmi_op *op, const struct dvmi_step *step)
{
	uint32_t peer = dvmi_rankmap_peer(&c->g->map, step->peer);

	if (dvmi_p2p_send_now(&c->d->p2p, peer, c->ctx, c->tag, step->a, step->len) == 0)
		dvmi_p2p_nothing(op, DVMI_OP_SEND);
	else
		dvmi_p2p_send(&c->d->p2p, op, peer, c->ctx, c->tag, step->a, step->len);
}

/* Starts the messages of the round that begins at NEXT. */
static void post_round(struct dvmi_coll *c)
{
	const struct dvmi_step *step;

	c->round = c->next;
	c->nops = c->ndone = 0;
	do {
		step = &c->s.steps[c->next++];
		if (step->kind == DVMI_STEP_RECV)
			post_recv(c, &c->ops[c->nops++], step);
		else if (step->kind == DVMI_STEP_SEND)
			post_send(c, &c->ops[c->nops++], step);
	} while (!step->last && c->next < c->s.nsteps);
}

/* What a message ends with: one of another length than was agreed is a mistake. */
static int code_of(const struct dvmi_op *op)
{
	if (op->kind == DVMI_OP_RECV && op->tag >= 0 && op->total != op->len &&
	    (op->code == 0 || op->code == -DVM_ETRUNC))
		return -DVM_EPROTO;
	return op->code;
}

/* Looks at the messages of this round: 1 all done, 0 not yet, or the first error. */
static int look(struct dvmi_coll *c)
{
	while (c->ndone < c->nops) {
		if (!dvmi_op_done(&c->ops[c->ndone]))
			return 0;
		int code = code_of(&c->ops[c->ndone]);
		if (code < 0)
			return code;
		c->ndone++;
	}
	return 1;
}

static void local_steps(struct dvmi_coll *c)
{
	for (uint32_t i = c->round; i < c->next; i++) {
		const struct dvmi_step *step = &c->s.steps[i];
		if (step->kind == DVMI_STEP_COPY)
			memcpy(step->out, step->a, step->len);
		else if (step->kind == DVMI_STEP_REDUCE)
			dvmi_combine(&c->op, step->out, step->a, step->b, step->len);
	}
}

static int advance(struct dvmi_task *t)
{
	struct dvmi_coll *c = coll_of(t);
	int rc, rounds = 0;

	while ((rc = look(c)) > 0) {
		local_steps(c);
		rounds++;
		if (c->next == c->s.nsteps) {
			dvmi_task_end(t, 0);
			return rounds;
		}
		post_round(c);
	}
	if (rc < 0) {
		/* Which also ends what is still under way. */
		dvmi_coll_revoke(c->g, rc);
		dvmi_task_end(t, rc);
		return rounds + 1;
	}
	return rounds;
}

/* Frees what belongs to the operation; messages that are under way are forgotten. */
static void release(struct dvmi_coll *c)
{
	for (uint32_t i = c->ndone; i < c->nops; i++)
		dvmi_p2p_abandon(&c->d->p2p, &c->ops[i]);
	if (c->ops != c->own_ops)
		free(c->ops);
	dvmi_sched_fini(&c->s);
}

static void destroy(struct dvmi_task *t)
{
	struct dvmi_coll *c = coll_of(t);

	release(c);
	if (c->allocated)
		free(c);
}

static void init(struct dvmi_coll *c, dvm_group_t *g, int32_t tag, const struct dvmi_combine *op,
		 bool allocated)
{
	c->task = (struct dvmi_task){ .advance = advance, .destroy = destroy };
	c->g = g;
	c->d = g->d;
	c->ctx = g->ctx + DVMI_CTX_COLL;
	c->tag = tag;
	c->round = c->next = c->nops = c->ndone = 0;
	c->allocated = allocated;
	c->ops = c->own_ops;
	if (op)
		c->op = *op;
	dvmi_sched_init(&c->s);
}

static int plan(struct dvmi_coll *c, dvmi_coll_planner *planner, const void *arg)
{
	struct dvmi_coll_state *st = dvmi_coll_state(c->g);

	if (!st)
		return -ENOMEM;
	planner(&c->s, &st->layout, arg);
	if (c->s.rc < 0)
		return c->s.rc;
	if (c->s.nmsgs_max <= DVMI_COLL_OPS)
		return 0;
	struct dvmi_op *ops = malloc(c->s.nmsgs_max * sizeof *ops);
	if (!ops)
		return -ENOMEM;
	c->ops = ops;
	return 0;
}

/* Plans and takes the first steps. An error has been told to the others. */
static int begin(struct dvmi_coll *c, dvmi_coll_planner *planner, const void *arg)
{
	int rc = dvmi_p2p_revoked(&c->d->p2p, c->ctx);

	if (rc == 0)
		rc = plan(c, planner, arg);
	if (rc == 0) {
		dvmi_task_start(c->d, &c->task);
		return 0;
	}
	dvmi_coll_revoke(c->g, rc);
	release(c);
	return rc;
}

int dvmi_coll_exec(dvm_group_t *g, int32_t tag, dvmi_coll_planner *planner, const void *arg,
		   const struct dvmi_combine *op)
{
	struct dvmi_coll c;

	init(&c, g, tag, op, false);
	int rc = begin(&c, planner, arg);
	if (rc == 0) {
		rc = dvmi_wait_task(&c.task);
		release(&c);
	}
	return rc;
}

int32_t dvmi_coll_number(dvm_group_t *g)
{
	return (int32_t)(g->coll_seq++ & DVM_TAG_MAX);
}

static void plan_args(struct dvmi_sched *s, const struct dvmi_layout *l, const void *arg)
{
	dvmi_coll_plan(s, l, arg);
}

/* In shared memory as far as that goes, else with messages. */
static int run(dvm_group_t *g, struct dvmi_coll_state *st, const struct dvmi_coll_args *a)
{
	int rc = 0;

	if (!st->asked)
		rc = dvmi_coll_ask_area(g, st);
	if (rc < 0)
		return rc;
	int32_t tag = dvmi_coll_number(g);
	if (st->has_area && st->layout.nnodes == 1 && dvmi_shm_collective(&st->area, a, &rc))
		return rc;
	if (st->layout.nnodes > 1 && dvmi_coll_by_nodes(g, st, tag, a, &rc))
		return rc;
	return dvmi_coll_exec(g, tag, plan_args, a, &a->op);
}

int dvmi_coll_run(dvm_group_t *g, const struct dvmi_coll_args *a)
{
	if (g->local)
		return -ENOTSUP; /* between two groups */
	dvmi_enter(g->d);
	struct dvmi_coll_state *st = dvmi_coll_state(g);
	int rc = dvmi_p2p_revoked(&g->d->p2p, g->ctx + DVMI_CTX_COLL);
	if (rc == 0)
		rc = st ? run(g, st, a) : -ENOMEM;
	if (rc < 0)
		dvmi_coll_revoke(g, rc);
	dvmi_leave(g->d);
	return rc;
}

struct dvmi_area *dvmi_coll_quick(dvm_group_t *g)
{
	dvmi_enter(g->d);
	struct dvmi_coll_state *st = g->coll;
	if (st && st->has_area && st->layout.nnodes == 1 &&
	    !dvmi_p2p_revoked(&g->d->p2p, g->ctx + DVMI_CTX_COLL)) {
		dvmi_coll_number(g);
		return &st->area;
	}
	dvmi_leave(g->d);
	return NULL;
}

int dvmi_coll_quick_end(dvm_group_t *g, int rc)
{
	if (rc < 0)
		dvmi_coll_revoke(g, rc);
	dvmi_leave(g->d);
	return rc;
}

/* The request is found before anything is sent. */
static int start(dvm_group_t *g, const struct dvmi_coll_args *a, dvm_req_t **req)
{
	struct dvmi_coll *c = malloc(sizeof *c);
	struct dvm_req *r = c ? dvmi_req_of_task(g, &c->task) : NULL;

	if (!r) {
		free(c);
		dvmi_coll_revoke(g, -ENOMEM);
		return -ENOMEM;
	}
	init(c, g, dvmi_coll_number(g), &a->op, true);
	int rc = begin(c, plan_args, a);
	if (rc == 0) {
		*req = r;
		return 0;
	}
	dvmi_req_put(r);
	free(c);
	return rc;
}

int dvmi_coll_start(dvm_group_t *g, const struct dvmi_coll_args *a, dvm_req_t **req)
{
	if (g->local)
		return -ENOTSUP;
	dvmi_enter(g->d);
	int rc = start(g, a, req);
	dvmi_leave(g->d);
	return rc;
}
