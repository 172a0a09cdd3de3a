/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Elastic jobs: what nobody waits for is offered to them; what they take of it they spawn, and each
 * such child is lent. Asking it back is queue_act.c's, as all making of room.
 */
#include <errno.h>

#include "daemon/queue_private.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define OFFER_EVERY (1 * DVMI_SEC) /* an offer is an entry of the log, and free slots come and go */

struct count {
	uint64_t parent;
	uint32_t ranks;
};

static int add_lent(const Pb__JobRecord *r, void *arg)
{
	struct count *c = arg;

	if (r->spec->lent && r->spec->parent_job == c->parent && r->state != PB__JOB_STATE__JOB_DONE)
		c->ranks += r->placement->ranks;
	return 0;
}

uint32_t dvmd_queue_ranks(const struct dvmd_cstate *s, const Pb__JobRecord *r)
{
	struct count c = { r->id, r->placement->ranks };

	if (r->spec->ranks_max)
		dvmd_cstate_each_job(s, add_lent, &c);
	return c.ranks;
}

static int is_elastic(const Pb__JobRecord *r, void *arg)
{
	*(bool *)arg |= r->spec->ranks_max && r->state == PB__JOB_STATE__JOB_RUNNING;
	return 0;
}

bool dvmd_queue_lends(const struct dvmd_queue *q)
{
	bool any = false;

	dvmd_cstate_each_job(dvmd_state(q->d), is_elastic, &any);
	return any;
}

/* ---- offering ---- */

static void offer(struct dvmd_queue *q, const struct dvmd_elastic *e, uint32_t room)
{
	Pb__Command cmd = PB__COMMAND__INIT;
	Pb__JobRoom c = PB__JOB_ROOM__INIT;
	dvm_error_t err = { 0 };

	c.id = e->job;
	c.room = room;
	cmd.what_case = PB__COMMAND__WHAT_JOB_ROOM;
	cmd.job_room = &c;
	if (dvmd_queue_propose(q->d, &cmd, &err) < 0)
		dvmi_log(&q->d->log, "job", LOG_WARNING, "job %llu cannot be offered room: %s",
			 (unsigned long long)e->job, err.text);
}

void dvmd_queue_offer(struct dvmd_queue *q, const struct dvmd_queue_view *v)
{
	uint64_t next = q->offered + OFFER_EVERY;
	bool early = q->offered && v->now < next, any = false;

	for (size_t i = 0; i < v->nelastics; i++) {
		const struct dvmd_elastic *e = &v->elastic[i];
		uint32_t room = e->ranks + v->decision.rooms[i];
		if (room == e->said || (room == e->ranks && !e->said))
			continue;
		any = true;
		if (!early)
			offer(q, e, room);
	}
	if (any && early)
		dvmd_queue_sleep(q, next - v->now);
	else if (any)
		q->offered = v->now;
}

/* ---- lending ---- */

int dvmd_queue_place_lent(const struct dvmd_call *call, Pb__JobSpec *spec, Pb__Placement **out,
			  char **bindings, dvm_error_t *err)
{
	const struct dvmd_cstate *s = dvmd_state(call->d);
	const Pb__JobRecord *parent = dvmd_cstate_job(s, call->job);
	unsigned long long id = call->job;
	uint32_t most = parent->spec->ranks_max, has = dvmd_queue_ranks(s, parent);

	if (!most)
		return dvmi_error_set(err, -EINVAL, "job %llu was not submitted with --max", id);
	if (!spec->ranks || spec->no_slots || spec->oversubscribe || spec->outlives_parent)
		return dvmi_error_set(err, -EINVAL, "growth has a number of ranks, a slot for each, "
						    "and ends with its job");
	if (has >= most || spec->ranks > most - has)
		return dvmi_error_set(err, -EBUSY, "job %llu may have %u ranks and has %u", id, most,
				      has);
	spec->mem_per_rank = parent->spec->mem_per_rank;
	struct dvmd_queue_want want = { .spec = spec, .id = dvmd_cstate_next_job(s), .lent = true };
	int rc = dvmd_queue_place_in(call->d, &want, out, bindings, err);
	return rc == -EAGAIN ? dvmi_error_set(err, -EBUSY, "%s", err->text) : rc;
}
