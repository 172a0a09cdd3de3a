/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm ps at the leader: what the shares of jobs last reported of their ranks. */
#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

#include "daemon/lead_private.h"
#include "libdvm/base/grow.h"

#define PS_WAIT_MS   80	 /* for fresh reports of what ranks have used */
#define PS_ASKS_MAX  64u /* jobs; with more than that the last reports have to do */

struct ps {
	struct dvmd_lead *lead;
	Pb__ProcInfo *procs;
	Pb__ProcInfo **list;
	size_t n, cap;
	uint64_t job;
};

static int ps_add(struct ps *p, uint64_t job, const char *node, Pb__RankStatus *rank)
{
	if (dvmi_grow(&p->procs, p->n, &p->cap, sizeof *p->procs) < 0)
		return -ENOMEM;
	Pb__ProcInfo *info = &p->procs[p->n++];
	pb__proc_info__init(info);
	info->job = job;
	info->node = (char *)node;
	info->rank = rank;
	return 0;
}

static int ps_job(const Pb__JobRecord *r, void *arg)
{
	struct ps *p = arg;

	if ((p->job && r->id != p->job) || r->state == PB__JOB_STATE__JOB_DONE)
		return 0;
	for (size_t i = 0; i < r->placement->n_nodes; i++) {
		const Pb__NodeShare *share = r->placement->nodes[i];
		const Pb__JobStatus *st = dvmd_jobctl_share(p->lead->jobs, r->id, share->node);
		for (size_t k = 0; st && k < st->n_ranks; k++)
			if (ps_add(p, r->id, share->name, st->ranks[k]) < 0)
				return -ENOMEM;
	}
	return 0;
}

static void answer_ps(struct dvmd_lead *l, struct dvmd_call *call, uint64_t job)
{
	Pb__PsReply reply = PB__PS_REPLY__INIT;
	struct ps p = { .lead = l, .job = job };
	int rc = dvmd_cstate_each_job(dvmd_state(l->d), ps_job, &p);

	p.list = calloc(p.n + 1, sizeof *p.list);
	for (size_t i = 0; p.list && i < p.n; i++)
		p.list[i] = &p.procs[i];
	reply.procs = p.list;
	reply.n_procs = p.list ? p.n : 0;
	if (rc < 0 || !p.list)
		dvmd_call_error(&call, -ENOMEM, "out of memory");
	else
		dvmd_call_answer(&call, DVMI_MSG_PS, &reply);
	free(p.list);
	free(p.procs);
}

/* Reports that have been asked for are waited for, a moment. */
struct ps_wait {
	struct ps_wait *prev, *next;
	struct dvmd_lead *lead;
	struct dvmd_call *call;
	uint64_t job;
	uv_timer_t timer;
};

static void on_ps_closed(uv_handle_t *h)
{
	free(h->data);
}

static void ps_over(struct ps_wait *w)
{
	DL_DELETE(w->lead->ps, w);
	uv_close((uv_handle_t *)&w->timer, on_ps_closed);
}

static void on_ps_time(uv_timer_t *t)
{
	struct ps_wait *w = t->data;

	answer_ps(w->lead, w->call, w->job);
	ps_over(w);
}

static int ask_job(const Pb__JobRecord *r, void *arg)
{
	const struct ps_wait *w = arg;

	if ((!w->job || r->id == w->job) && r->state != PB__JOB_STATE__JOB_DONE)
		dvmd_lead_want_status(w->lead, r->id);
	return 0;
}

/* What ranks have used is not reported by itself: it changes all the time. */
static void ask_first(struct dvmd_lead *l, struct dvmd_call *call, uint64_t job)
{
	struct ps_wait *w = dvmd_jobctl_count(l->jobs) <= PS_ASKS_MAX ? calloc(1, sizeof *w) : NULL;

	if (!w) {
		answer_ps(l, call, job);
		return;
	}
	w->lead = l;
	w->call = call;
	w->job = job;
	w->timer.data = w;
	DL_APPEND(l->ps, w);
	dvmd_cstate_each_job(dvmd_state(l->d), ask_job, w);
	uv_timer_init(l->d->loop, &w->timer);
	uv_timer_start(&w->timer, on_ps_time, PS_WAIT_MS, 0);
}

void dvmd_lead_ps(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__JobRef *ref = NULL;

	if (dvmi_pb_unpack(&pb__job_ref__descriptor, body, len, &ref) < 0)
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
	else if (ref->job && !dvmd_cstate_job(dvmd_state(call->d), ref->job))
		dvmd_call_error(&call, -ENOENT, "no job %llu", (unsigned long long)ref->job);
	else
		ask_first(call->d->lead, call, ref->job);
}

void dvmd_lead_ps_stop(struct dvmd_lead *l)
{
	while (l->ps) {
		dvmd_call_error(&l->ps->call, -ECANCELED, "stopping");
		ps_over(l->ps);
	}
}
