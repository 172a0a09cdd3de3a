/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocking collectives over several nodes with several ranks each: in shared memory within each
 * node, with messages between one rank of each, its head: the lowest, or the root where there is
 * one. Which ones is what coll_choose.c says for messages alone; a node without an area uses
 * messages inside, too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/src/coll.h"
#include "libdvm/src/coll_shm.h"

struct levels {
	dvm_group_t *g;
	struct dvmi_coll_state *st;
	int32_t tag;
	const struct dvmi_combine *op;
	struct dvmi_team heads;
	uint32_t head; /* of this node, in the local team */
	bool is_head;
};

/* What is planned for a team within a schedule. */
struct step {
	struct dvmi_team team;
	uint8_t *buf;
	size_t len;
	struct dvmi_parts parts;
	struct dvmi_vector v;
	uint32_t root;
};

static int exec(struct levels *l, dvmi_coll_planner *planner, const struct step *step)
{
	return dvmi_coll_exec(l->g, l->tag, planner, step, l->op);
}

static void plan_barrier(struct dvmi_sched *s, const struct dvmi_layout *l, const void *arg)
{
	const struct step *step = arg;

	(void)l;
	dvmi_plan_barrier(s, &step->team);
}

static void plan_bcast(struct dvmi_sched *s, const struct dvmi_layout *l, const void *arg)
{
	const struct step *step = arg;

	(void)l;
	dvmi_coll_plan_bcast(s, &step->team, step->buf, step->len, step->root);
}

static void plan_reduce(struct dvmi_sched *s, const struct dvmi_layout *l, const void *arg)
{
	const struct step *step = arg;

	(void)l;
	dvmi_coll_plan_reduce(s, &step->team, &step->v, step->root);
}

static void plan_allreduce(struct dvmi_sched *s, const struct dvmi_layout *l, const void *arg)
{
	const struct step *step = arg;

	(void)l;
	dvmi_coll_plan_allreduce(s, &step->team, &step->v);
}

static void plan_gather(struct dvmi_sched *s, const struct dvmi_layout *l, const void *arg)
{
	const struct step *step = arg;

	(void)l;
	dvmi_plan_gather(s, &step->team, step->buf, step->len, &step->parts, step->root);
}

static void plan_ring(struct dvmi_sched *s, const struct dvmi_layout *l, const void *arg)
{
	const struct step *step = arg;

	(void)l;
	dvmi_plan_allgather_ring(s, &step->team, &step->parts);
}

static int local_barrier(struct levels *l)
{
	struct step step = { .team = l->st->local };

	return l->st->has_area ? dvmi_shm_barrier(&l->st->area) : exec(l, plan_barrier, &step);
}

static int local_bcast(struct levels *l, uint8_t *buf, size_t len)
{
	struct step step = { .team = l->st->local, .buf = buf, .len = len, .root = l->head };

	if (l->st->has_area)
		return dvmi_shm_bcast(&l->st->area, buf, len, l->head);
	return exec(l, plan_bcast, &step);
}

static int local_reduce(struct levels *l, const struct dvmi_vector *v)
{
	struct step step = { .team = l->st->local, .v = *v, .root = l->head };

	if (l->st->has_area && dvmi_shm_fits(&l->st->area, l->op))
		return dvmi_shm_reduce(&l->st->area, l->op, v, l->head);
	return exec(l, plan_reduce, &step);
}

static int local_gather(struct levels *l, const uint8_t *in, size_t len, uint8_t *out)
{
	struct step step = { .team = l->st->local,
			     .buf = (uint8_t *)(uintptr_t)in,
			     .len = len,
			     .parts = { .buf = out, .len = len },
			     .root = l->head };

	if (l->st->has_area)
		return dvmi_shm_gather(&l->st->area, in, len, out, l->head);
	return exec(l, plan_gather, &step);
}

/* All have come, the heads meet, all may go. */
static int barrier(struct levels *l)
{
	struct step step = { .team = l->heads };
	int rc = local_barrier(l);

	if (rc == 0 && l->is_head)
		rc = exec(l, plan_barrier, &step);
	return rc < 0 ? rc : local_barrier(l);
}

static int bcast(struct levels *l, uint8_t *buf, size_t len, uint32_t root_node)
{
	struct step step = { .team = l->heads, .buf = buf, .len = len, .root = root_node };
	int rc = l->is_head ? exec(l, plan_bcast, &step) : 0;

	return rc < 0 ? rc : local_bcast(l, buf, len);
}

static int reduce(struct levels *l, const struct dvmi_vector *v, uint32_t root_node, bool is_root)
{
	struct step step = { .team = l->heads, .v = *v, .root = root_node };
	uint8_t *tmp = NULL;

	if (l->is_head && !is_root) {
		step.v.out = tmp = malloc(v->count * v->each + 1);
		if (!tmp)
			return -ENOMEM;
	}
	int rc = local_reduce(l, &step.v);
	step.v.in = step.v.out;
	if (rc == 0 && l->is_head)
		rc = exec(l, plan_reduce, &step);
	free(tmp);
	return rc;
}

static int allreduce(struct levels *l, const struct dvmi_vector *v)
{
	struct step step = { .team = l->heads, .v = *v };
	int rc = local_reduce(l, v);

	step.v.in = step.v.out;
	if (rc == 0 && l->is_head)
		rc = exec(l, plan_allreduce, &step);
	return rc < 0 ? rc : local_bcast(l, v->out, v->count * v->each);
}

/* PACKED has the parts node by node; LENS and what follows it those of whole nodes. */
static int allgather_packed(struct levels *l, const uint8_t *in, size_t len, uint8_t *packed,
			    size_t *lens)
{
	const struct dvmi_layout *lay = &l->st->layout;
	struct step step = { .team = l->heads,
			     .parts = {
				     .buf = packed, .lens = lens, .offsets = lens + lay->nnodes } };

	for (uint32_t n = 0; n < lay->nnodes; n++) {
		lens[lay->nnodes + n] = lay->first[n] * len;
		lens[n] = (lay->first[n + 1] - lay->first[n]) * len;
	}
	int rc = local_gather(l, in, len, packed + lay->first[lay->node] * len);
	if (rc == 0 && l->is_head)
		rc = exec(l, plan_ring, &step);
	return rc < 0 ? rc : local_bcast(l, packed, lay->size * len);
}

static int allgather(struct levels *l, const uint8_t *in, size_t len, uint8_t *out)
{
	const struct dvmi_layout *lay = &l->st->layout;
	size_t *lens = malloc(2 * (size_t)lay->nnodes * sizeof *lens);
	uint8_t *packed = lay->runs ? out : malloc(lay->size * len + 1);
	int rc = -ENOMEM;

	if (lens && (packed || !len))
		rc = allgather_packed(l, in, len, packed, lens);
	for (uint32_t i = 0; rc == 0 && packed != out && i < lay->size; i++)
		memcpy(out + lay->members[i] * len, packed + i * len, len);
	if (packed != out)
		free(packed);
	free(lens);
	return rc;
}

static int find_levels(struct levels *l, const struct dvmi_coll_args *a)
{
	const struct dvmi_layout *lay = &l->st->layout;
	bool rooted = a->kind == DVMI_COLL_BCAST || a->kind == DVMI_COLL_REDUCE;
	uint32_t *ranks = malloc(lay->nnodes * sizeof *ranks);

	if (!ranks)
		return -ENOMEM;
	for (uint32_t n = 0; n < lay->nnodes; n++)
		ranks[n] = dvmi_layout_leader(lay, n);
	if (rooted)
		ranks[lay->node_of[a->root]] = a->root;
	l->heads = (struct dvmi_team){ .rank = lay->node, .size = lay->nnodes, .ranks = ranks };
	while (dvmi_team_rank(&l->st->local, l->head) != ranks[lay->node])
		l->head++;
	l->is_head = l->head == l->st->local.rank;
	return 0;
}

static int run(struct levels *l, const struct dvmi_coll_args *a)
{
	const struct dvmi_layout *lay = &l->st->layout;

	switch (a->kind) {
	case DVMI_COLL_BARRIER:
		return barrier(l);
	case DVMI_COLL_BCAST:
		return bcast(l, a->out.buf, a->out.len, lay->node_of[a->root]);
	case DVMI_COLL_REDUCE:
		return reduce(l, &a->v, lay->node_of[a->root], a->root == lay->rank);
	case DVMI_COLL_ALLREDUCE:
		return allreduce(l, &a->v);
	default:
		return allgather(l, a->in.buf, a->out.len, a->out.buf);
	}
}

bool dvmi_coll_by_nodes(dvm_group_t *g, struct dvmi_coll_state *st, int32_t tag,
			const struct dvmi_coll_args *a, int *rc)
{
	struct levels l = { .g = g, .st = st, .tag = tag, .op = &a->op };

	if (!dvmi_coll_in_levels(&st->layout, a))
		return false;
	*rc = find_levels(&l, a);
	if (*rc == 0)
		*rc = run(&l, a);
	free((void *)(uintptr_t)l.heads.ranks);
	return true;
}
