/* SPDX-License-Identifier: BSD-3-Clause */
/* How far a job is, or an array: what those who wait for its end ask again and again. */
#include <errno.h>

#include "daemon/cstate.h"
#include "daemon/query.h"

struct progress {
	Pb__JobProgress reply;
	bool known;
	uint32_t failed; /* the task whose exit code it is */
};

static int add_job(const Pb__JobRecord *r, void *arg)
{
	struct progress *p = arg;

	if (r->id != p->reply.job && r->spec->array != p->reply.job)
		return 0;
	p->known = true;
	if (r->state != PB__JOB_STATE__JOB_DONE) {
		p->reply.left++;
	} else if (r->exit_code && !r->next &&
		   (!p->reply.exit_code || r->spec->task < p->failed)) {
		p->reply.exit_code = r->exit_code;
		p->failed = r->spec->task;
	}
	return 0;
}

static int add_waiting(const Pb__Waiting *w, void *arg)
{
	struct progress *p = arg;

	if (w->id == p->reply.job || w->array == p->reply.job) {
		p->known = true;
		p->reply.left++;
	}
	return 0;
}

/* A job goes on under the id with which it waits again; an array keeps its own. */
static uint64_t goes_on_as(const struct dvmd_cstate *st, uint64_t job)
{
	const Pb__JobRecord *r;

	while ((r = dvmd_cstate_job(st, job)) && r->next && r->spec->array != job)
		job = r->next;
	return job;
}

void dvmd_query_progress(struct dvmd_call *call, uint64_t job, const uint8_t *body, size_t len)
{
	const struct dvmd_cstate *st = dvmd_state(call->d);
	struct progress p = { .reply = PB__JOB_PROGRESS__INIT };
	Pb__JobsReply r = PB__JOBS_REPLY__INIT;

	p.reply.job = goes_on_as(st, job);
	r.progress = &p.reply;
	dvmd_cstate_each_job(st, add_job, &p);
	dvmd_cstate_each_waiting(st, add_waiting, &p);
	if (p.known)
		dvmd_call_answer(&call, DVMI_MSG_JOBS, &r);
	else if (!dvmd_leads(call->d)) /* which may know what a copy does not yet */
		dvmd_call_forward(call, DVMD_LEADER, body, len);
	else
		dvmd_call_error(&call, -ENOENT, "no job %llu", (unsigned long long)job);
}
