/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dates in the state are of a clock that nobody sets (steady.h); sched/ gets them on the monotonic one,
 * by how long ago they were.
 */
#include <errno.h>
#include <stdlib.h>

#include "daemon/live.h"
#include "daemon/queue.h"
#include "daemon/queue_view.h"
#include "daemon/shares.h"
#include "libdvm/base/clock.h"

static uint64_t mono(const struct dvmd_queue_view *v, uint64_t date)
{
	if (date > v->date)
		return v->now + (date - v->date);
	return v->date - date < v->now ? v->now - (v->date - date) : 0;
}

/* When it will have run for as long as it may: while it is stopped that moves on. */
static uint64_t end_of(const struct dvmd_queue_view *v, const Pb__JobRecord *r)
{
	uint64_t limit = r->spec->timeout_ns, start = r->started ? r->started : v->date;
	uint64_t ran = dvmd_queue_ran(r, v->date);

	if (!limit || limit >= DSCHED_LONG)
		return DSCHED_NEVER;
	if (!r->suspended)
		return mono(v, start) + limit + r->stopped_ns;
	return v->now + (ran < limit ? limit - ran : 0);
}

/* ---- what runs ---- */

static uint32_t node_index(const struct dvmd_queue_view *v, uint32_t id)
{
	uint32_t i = 0;

	while (i < v->nodes.n && v->nodes.nodes[i].id != id)
		i++;
	return i;
}

static struct dsched_use use_of(struct dvmd_queue_view *v, const Pb__JobRecord *r, uint32_t node,
				size_t ranks)
{
	struct dsched_use u = { .node = node,
				.slots = (uint32_t)ranks,
				.mem = r->spec->mem_per_rank * ranks,
				.exclusive = r->spec->exclusive };

	for (size_t i = 0; i < r->spec->n_gres; i++) {
		int kind = dvmd_snapshot_gres(&v->nodes, r->spec->gres[i]->name);
		if (kind >= 0)
			u.gres[kind] += r->spec->gres[i]->count;
	}
	return u;
}

static struct dsched_use *make_uses(struct dvmd_queue_view *v, const Pb__JobRecord *r, uint32_t *n)
{
	struct dsched_use *uses = calloc(r->placement->n_nodes + 1, sizeof *uses);

	*n = 0;
	for (size_t i = 0; uses && i < r->placement->n_nodes; i++) {
		const Pb__NodeShare *share = r->placement->nodes[i];
		uint32_t node = node_index(v, share->node);
		if (node < v->nodes.n) /* else: it was removed */
			uses[(*n)++] = use_of(v, r, node, share->n_ranks);
	}
	return uses;
}

static int grow_runs(struct dvmd_queue_view *v)
{
	if (v->nruns < v->runs_cap)
		return 0;
	size_t cap = v->runs_cap ? 2 * v->runs_cap : 32;
	struct dsched_run *runs = reallocarray(v->runs, cap, sizeof *runs);
	if (runs)
		v->runs = runs;
	struct dsched_use **uses = reallocarray(v->uses, cap, sizeof *uses);
	if (uses)
		v->uses = uses;
	if (!runs || !uses)
		return -ENOMEM;
	v->runs_cap = cap;
	return 0;
}

/* A client that holds a job could not follow it into the queue, nor could its parent. */
static enum dsched_preempt preemptible(const struct dvmd_queue_view *v, const Pb__JobRecord *r)
{
	enum dsched_preempt how = v->nodes.d->setup.queue.preempt;

	if (r->spec->lent)
		return DSCHED_PREEMPT_LEAVE;
	if (how == DSCHED_PREEMPT_REQUEUE && (!r->spec->detached || r->spec->parent_job))
		return DSCHED_PREEMPT_NO;
	if (how == DSCHED_PREEMPT_SUSPEND && r->state != PB__JOB_STATE__JOB_RUNNING)
		return DSCHED_PREEMPT_NO;
	return how;
}

static int add_run(const Pb__JobRecord *r, void *arg)
{
	struct dvmd_queue_view *v = arg;
	uint32_t n;

	if (r->state == PB__JOB_STATE__JOB_DONE || r->spec->no_slots ||
	    r->suspended == PB__SUSPENDED__FOR_ANOTHER)
		return 0;
	if (grow_runs(v) < 0)
		return -ENOMEM;
	struct dsched_use *uses = v->uses[v->nruns] = make_uses(v, r, &n);
	if (!uses)
		return -ENOMEM;
	uint64_t start = r->started ? mono(v, r->started) : v->now;
	v->runs[v->nruns++] = (struct dsched_run){
		.id = r->id,
		.start = start,
		.end = end_of(v, r),
		.uses = uses,
		.nuses = n,
		.array = r->spec->array,
		.leaving = r->state == PB__JOB_STATE__JOB_ENDING || r->wanted_by,
		.tier = r->spec->tier,
		.preempt = preemptible(v, r),
	};
	return 0;
}

/* ---- what waits ---- */

static enum dsched_fate fate(const struct dvmd_cstate *s, uint64_t job)
{
	const Pb__JobRecord *r = dvmd_cstate_job(s, job);

	while (r && r->next) { /* it waits, or has run, again */
		job = r->next;
		r = dvmd_cstate_job(s, job);
	}
	if (dvmd_cstate_waiting(s, job))
		return DSCHED_F_WAITS;
	if (!r) /* nobody remembers it any more */
		return DSCHED_F_OK;
	if (r->state != PB__JOB_STATE__JOB_DONE)
		return DSCHED_F_RUNS;
	return r->exit_code == 0 ? DSCHED_F_OK : DSCHED_F_NOTOK;
}

static const enum dsched_after afters[] = {
	[PB__AFTER__KIND__ANY] = DSCHED_AFTER_ANY,
	[PB__AFTER__KIND__OK] = DSCHED_AFTER_OK,
	[PB__AFTER__KIND__NOTOK] = DSCHED_AFTER_NOTOK,
	[PB__AFTER__KIND__STARTED] = DSCHED_AFTER_STARTED,
};

static struct dsched_depend *make_depends(const struct dvmd_queue_view *v, const Pb__Waiting *w)
{
	const struct dvmd_cstate *s = dvmd_state(v->nodes.d);
	struct dsched_depend *d = calloc(w->n_after + 1, sizeof *d);

	for (size_t i = 0; d && i < w->n_after; i++)
		d[i] = (struct dsched_depend){ .job = w->after[i]->job,
					       .after = afters[w->after[i]->kind],
					       .fate = fate(s, w->after[i]->job) };
	return d;
}

static int add_waiting(const Pb__Waiting *w, void *arg)
{
	struct dvmd_queue_view *v = arg;
	size_t i = v->njobs;

	v->waiting[i] = w;
	v->depends[i] = make_depends(v, w);
	v->njobs++;
	int user = dvmd_shares_index(dvmd_queue_users(v->nodes.d), w->spec->user);
	int account = dvmd_shares_index(dvmd_queue_accounts(v->nodes.d), w->spec->account);
	if (!v->depends[i] || user < 0 || account < 0 ||
	    dvmd_assign_request(&v->nodes, w->spec, &v->reqs[i], &v->hosts[i]) == -ENOMEM)
		return -ENOMEM;
	v->jobs[i] = (struct dsched_job){ .id = w->id,
					  .req = &v->reqs[i],
					  .submitted = mono(v, w->submitted),
					  .begin = w->begin ? mono(v, w->begin) : 0,
					  .limit = w->spec->timeout_ns,
					  .priority = w->priority,
					  .held = w->held,
					  .depends = v->depends[i],
					  .ndepends = (uint32_t)w->n_after,
					  .array = w->array,
					  .array_max = w->at_once,
					  .user = (uint32_t)user,
					  .account = (uint32_t)account,
					  .tier = w->spec->tier,
					  .booking = *w->spec->reservation ? w->spec->reservation :
									     NULL };
	return 0;
}

static int allocate(struct dvmd_queue_view *v, size_t n)
{
	v->waiting = calloc(n, sizeof *v->waiting);
	v->jobs = calloc(n, sizeof *v->jobs);
	v->reqs = calloc(n, sizeof *v->reqs);
	v->hosts = calloc(n, sizeof *v->hosts);
	v->depends = calloc(n, sizeof *v->depends);
	return v->waiting && v->jobs && v->reqs && v->hosts && v->depends ? 0 : -ENOMEM;
}

/* ---- what is set apart ---- */

static int add_booking(const Pb__Reservation *r, void *arg)
{
	struct dvmd_queue_view *v = arg;
	uint32_t i = v->nbookings++, n = 0, *nodes = v->booked[i] = calloc(r->n_nodes + 1, sizeof *nodes);

	if (!nodes)
		return -ENOMEM;
	for (size_t k = 0; k < r->n_nodes; k++) {
		uint32_t node = node_index(v, r->nodes[k]);
		if (node < v->nodes.n)
			nodes[n++] = node;
	}
	v->bookings[i] = (struct dsched_booking){ .name = r->name,
						  .start = mono(v, r->start),
						  .end = mono(v, r->end),
						  .nodes = nodes,
						  .nnodes = n };
	return 0;
}

static int add_bookings(struct dvmd_queue_view *v, const struct dvmd_cstate *s)
{
	size_t n = dvmd_cstate_reservations(s) + 1;

	v->bookings = calloc(n, sizeof *v->bookings);
	v->booked = calloc(n, sizeof *v->booked);
	return v->bookings && v->booked ? dvmd_cstate_each_reservation(s, add_booking, v) : -ENOMEM;
}

/* ---- what may grow ---- */

static bool may_grow(const Pb__JobRecord *r)
{
	return r->state == PB__JOB_STATE__JOB_RUNNING && r->spec->ranks_max && !r->suspended;
}

static int count_elastic(const Pb__JobRecord *r, void *arg)
{
	*(size_t *)arg += may_grow(r);
	return 0;
}

static int add_elastic(const Pb__JobRecord *r, void *arg)
{
	struct dvmd_queue_view *v = arg;

	if (!may_grow(r))
		return 0;
	uint32_t ranks = dvmd_queue_ranks(dvmd_state(v->nodes.d), r);
	if (ranks >= r->spec->ranks_max)
		return 0;
	struct dvmd_elastic *e = &v->elastic[v->nelastics];
	*e = (struct dvmd_elastic){ .job = r->id, .ranks = ranks, .said = r->room };
	e->req = (struct dsched_request){ .size = sizeof e->req,
					  .ranks = r->spec->ranks_max - ranks,
					  .mem_per_rank = r->spec->mem_per_rank };
	v->elastics[v->nelastics++] = (struct dsched_elastic){
		.req = &e->req,
		.extra = ranks - r->placement->ranks,
		.until = end_of(v, r),
	};
	return 0;
}

static int count_pushed(const Pb__JobRecord *r, void *arg)
{
	*(size_t *)arg += r->suspended == PB__SUSPENDED__FOR_ANOTHER;
	return 0;
}

/* Nobody grows while a job that has been stopped for another waits to go on. */
static int add_elastics(struct dvmd_queue_view *v, const struct dvmd_cstate *s)
{
	size_t n = 0, pushed = 0;

	dvmd_cstate_each_job(s, count_elastic, &n);
	dvmd_cstate_each_job(s, count_pushed, &pushed);
	v->elastic = calloc(n + 1, sizeof *v->elastic);
	v->elastics = calloc(n + 1, sizeof *v->elastics);
	if (!v->elastic || !v->elastics)
		return -ENOMEM;
	return n && !pushed ? dvmd_cstate_each_job(s, add_elastic, v) : 0;
}

/* ---- both ---- */

static int add_shares(struct dvmd_queue_view *v, struct dvmd *d)
{
	const char *shares = d->setup.queue_shares ? d->setup.queue_shares : "";

	v->users = dvmd_shares_view(dvmd_queue_users(d), v->now, shares, "");
	v->accounts = dvmd_shares_view(dvmd_queue_accounts(d), v->now, shares, "@");
	return v->users && v->accounts ? 0 : -ENOMEM;
}

static int decide(struct dvmd_queue_view *v, struct dvmd *d)
{
	const struct dvmd_queue_conf *c = &d->setup.queue;

	v->snap = dvmd_snapshot_view(&v->nodes);
	v->policy = (struct dsched_policy){ .size = sizeof v->policy,
					    .order = c->order,
					    .depth = c->depth,
					    .w_age = c->w_age,
					    .w_size = c->w_size,
					    .w_fair = c->w_fair,
					    .w_asked = c->w_asked,
					    .preempt = c->preempt != DSCHED_PREEMPT_NO };
	v->queue = (struct dsched_queue){ .size = sizeof v->queue,
					  .now = v->now,
					  .snap = &v->snap,
					  .runs = v->runs,
					  .nruns = v->nruns,
					  .jobs = v->jobs,
					  .njobs = v->njobs,
					  .bookings = v->bookings,
					  .nbookings = v->nbookings,
					  .users = v->users,
					  .nusers = (uint32_t)dvmd_queue_users(d)->n,
					  .accounts = v->accounts,
					  .naccounts = (uint32_t)dvmd_queue_accounts(d)->n,
					  .policy = &v->policy,
					  .elastics = v->elastics,
					  .nelastics = v->nelastics };
	return dsched_decide(&v->queue, &v->decision);
}

int dvmd_queue_view_with(struct dvmd_queue_view *v, struct dvmd *d, const Pb__Waiting *extra)
{
	const struct dvmd_cstate *s = dvmd_state(d);

	*v = (struct dvmd_queue_view){ .now = dvmi_clock_mono(),
				       .date = dvmd_steady_now(&d->clock),
				       .wall = dvmi_clock_wall() };
	int rc = dvmd_snapshot_take(d, &v->nodes);
	if (rc == 0)
		rc = allocate(v, dvmd_cstate_queued(s) + 2);
	if (rc == 0)
		rc = dvmd_cstate_each_job(s, add_run, v);
	if (rc == 0)
		rc = dvmd_cstate_each_waiting(s, add_waiting, v);
	if (rc == 0 && extra)
		rc = add_waiting(extra, v);
	if (rc == 0)
		rc = add_elastics(v, s);
	if (rc == 0)
		rc = add_bookings(v, s);
	if (rc == 0)
		rc = add_shares(v, d);
	return rc < 0 ? rc : decide(v, d);
}

int dvmd_queue_view_make(struct dvmd_queue_view *v, struct dvmd *d)
{
	return dvmd_queue_view_with(v, d, NULL);
}

void dvmd_queue_view_free(struct dvmd_queue_view *v)
{
	dsched_decision_free(&v->decision);
	for (size_t i = 0; i < v->nruns; i++)
		free(v->uses[i]);
	for (size_t i = 0; i < v->njobs; i++) {
		free(v->hosts[i]);
		free(v->depends[i]);
	}
	free(v->uses);
	free(v->runs);
	free(v->waiting);
	free(v->jobs);
	free(v->reqs);
	free(v->hosts);
	free(v->depends);
	for (uint32_t i = 0; i < v->nbookings; i++)
		free(v->booked[i]);
	free(v->booked);
	free(v->bookings);
	free(v->elastic);
	free(v->elastics);
	free(v->users);
	free(v->accounts);
	dvmd_snapshot_free(&v->nodes);
}

/* ---- for people ---- */

/* What waits for a job without limit has a date, but not one to tell anybody. */
uint64_t dvmd_queue_expected(const struct dvmd_queue_view *v, const struct dsched_answer *a)
{
	return a->start < v->now + DSCHED_LONG / 2 ? v->wall + (a->start - v->now) : 0;
}

static void describe(const struct dvmd_queue_view *v, size_t i, char *text, Pb__JobInfo *info)
{
	const struct dsched_answer *a = &v->decision.answers[i];
	const Pb__Waiting *w = v->waiting[i];

	pb__job_info__init(info);
	info->id = w->id;
	info->name = w->spec->name;
	info->user = w->spec->user;
	info->owner = w->spec->uid + UINT64_C(1);
	info->state = (char *)(w->held ? "held" : "waiting");
	info->ranks = w->spec->ranks;
	info->submitted = dvmd_steady_shown(&v->nodes.d->clock, w->submitted);
	info->argv = w->spec->argv;
	info->n_argv = w->spec->n_argv;
	info->detached = true;
	info->reason = text;
	info->why = (char *)dsched_why_name(a->why);
	info->expected = dvmd_queue_expected(v, a);
	info->priority = a->priority;
	info->array = w->array;
	info->task = w->task;
	info->limit = w->spec->timeout_ns;
	info->ranks_max = w->spec->ranks_max;
	info->account = w->spec->account;
	info->restarts = w->restarts;
}

int dvmd_queue_explain(struct dvmd *d,
		       int (*fn)(const Pb__Waiting *w, Pb__JobInfo *info, void *arg), void *arg)
{
	struct dvmd_queue_view v;
	int rc = dvmd_queue_view_make(&v, d);

	for (size_t i = 0; rc == 0 && i < v.njobs; i++) {
		struct dvmi_buf b = { 0 };
		Pb__JobInfo info;
		dsched_why_text(&v.queue, &v.decision, i, &b);
		dvmi_buf_put_u8(&b, 0);
		rc = b.err;
		if (rc == 0) {
			describe(&v, i, (char *)b.data, &info);
			rc = fn(v.waiting[i], &info, arg);
		}
		dvmi_buf_free(&b);
	}
	dvmd_queue_view_free(&v);
	return rc < 0 ? rc : 0;
}
