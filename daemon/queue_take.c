/* SPDX-License-Identifier: BSD-3-Clause */
/* Taking jobs into the queue: who may have what, and whether this machine could ever run it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/assign.h"
#include "daemon/lead.h"
#include "daemon/queue_private.h"
#include "daemon/replica.h"
#include "daemon/spec.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define TASKS_MAX 10000

/* Refuses what this machine could not run with all of its nodes up. */
static int check_feasible(struct dvmd *d, const Pb__JobSpec *spec, dvm_error_t *err)
{
	struct dvmd_snapshot s;
	struct dsched_request req;
	struct dsched_host *hosts = NULL;
	struct dsched_reason reason = { 0 };
	int rc = dvmd_snapshot_take(d, &s);

	if (rc == 0)
		rc = dvmd_assign_request(&s, spec, &req, &hosts);
	for (size_t i = 0; rc == 0 && i < s.n; i++)
		s.nodes[i].state = DSCHED_NODE_UP;
	if (rc == 0) {
		const struct dsched_snapshot snap = dvmd_snapshot_view(&s);
		rc = dsched_feasible(&snap, &req, &reason);
	}
	free(hosts);
	dvmd_snapshot_free(&s);
	if (rc == -ENOSPC)
		return dvmi_error_set(err, -EINVAL, "there are %d kinds of generic resources already",
				      DSCHED_GRES_MAX);
	return rc < 0 ? dvmi_error_set(err, rc, "%s", *reason.text ? reason.text : dvm_strerror(rc))
		      : 0;
}

static bool may_use(const struct dvmd_call *call, const Pb__Reservation *r)
{
	bool found = !r->n_users || dvmd_call_is_admin(call) || !strcmp(r->by, call->user);

	for (size_t i = 0; !found && i < r->n_users; i++)
		found = !strcmp(r->users[i], call->user);
	return found;
}

static int check_rights(const struct dvmd_call *call, const Pb__JobSpec *spec, dvm_error_t *err)
{
	const struct dvmd *d = call->d;
	const Pb__Reservation *r = dvmd_cstate_reservation(dvmd_state(d), spec->reservation);
	const char *tiers = d->setup.queue_tiers ? d->setup.queue_tiers : "";
	uint64_t most = dvmd_pairs_find(tiers, call->user, dvmd_pairs_find(tiers, "*", 0));

	if (*spec->reservation && !r)
		return dvmi_error_set(err, -ENOENT, "there is no reservation \"%.80s\"",
				      spec->reservation);
	if (r && !may_use(call, r))
		return dvmi_error_set(err, -EPERM, "reservation %s is not for %s", r->name, call->user);
	if (spec->tier > most && !dvmd_call_is_admin(call))
		return dvmi_error_set(err, -EPERM, "tier %u: %s may ask for %llu at most", spec->tier,
				      call->user, (unsigned long long)most);
	return 0;
}

int dvmd_queue_check(const struct dvmd_call *call, const Pb__JobSpec *spec, dvm_error_t *err)
{
	int rc = dvmd_gres_check(spec->gres, spec->n_gres, err);

	if (rc == 0)
		rc = check_rights(call, spec, err);
	return rc < 0 ? rc : check_feasible(call->d, spec, err);
}

/* A task of an array knows which one it is, and one of its output is not like the other. */
static void mark_task(Pb__Waiting *w, uint32_t task, size_t count)
{
	w->task = w->spec->task = task;
	w->spec->array = w->array;
	w->spec->array_count = (uint32_t)count;
}

int dvmd_queue_enter(struct dvmd *d, Pb__Waiting *w, dvm_error_t *err)
{
	Pb__Command cmd = PB__COMMAND__INIT;

	w->id = dvmd_cstate_next_job(dvmd_state(d));
	cmd.what_case = PB__COMMAND__WHAT_QUEUE_ADD;
	cmd.queue_add = w;
	return dvmd_queue_propose(d, &cmd, err);
}

/* All tasks or none: what was entered before a failure is taken back. */
static int enqueue_array(struct dvmd *d, const Pb__SubmitRequest *req, dvm_error_t *err)
{
	uint64_t first = dvmd_cstate_next_job(dvmd_state(d));
	size_t n = 0, n_env = req->job->spec->n_env;
	int rc = 0;

	req->job->array = first;
	dvmd_replica_hold(d->replica);
	for (; rc == 0 && n < req->n_tasks; n++) {
		mark_task(req->job, req->tasks[n], req->n_tasks);
		/* The log has the environment once. */
		req->job->env_of = n ? first : 0;
		req->job->spec->n_env = n ? 0 : n_env;
		rc = dvmd_queue_enter(d, req->job, err);
	}
	req->job->spec->n_env = n_env;
	for (size_t i = 0; rc < 0 && i + 1 < n; i++)
		dvmd_queue_end(d, first + i, DVMD_QUEUE_NEVER_CODE, "the rest of its array could not be queued",
			    NULL);
	int all = dvmd_replica_release(d->replica, err);
	return rc < 0 ? rc : all;
}

uint64_t dvmd_queue_date(const struct dvmd *d, uint64_t delay)
{
	uint64_t now = dvmd_steady_now(&d->clock);

	return delay < UINT64_MAX - now ? now + delay : UINT64_MAX;
}

static int admit(const struct dvmd_call *call, Pb__SubmitRequest *req, dvm_error_t *err)
{
	Pb__Waiting *w = req->job;

	if (!w || !w->spec)
		return dvmi_error_set(err, -EINVAL, "no job");
	if (req->n_tasks > TASKS_MAX)
		return dvmi_error_set(err, -EINVAL, "an array has at most %d tasks", TASKS_MAX);
	w->origin = call->origin;
	w->spec->detached = true;
	w->spec->stdin_to = PB__STDIN_TO__STDIN_NONE;
	w->array = w->env_of = 0;
	if (req->delay_ns)
		w->begin = dvmd_queue_date(call->d, req->delay_ns);
	int rc = dvmd_lead_admit(call, w->spec, err);
	return rc < 0 ? rc : dvmd_queue_check(call, w->spec, err);
}

void dvmd_queue_submit(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct dvmd *d = call->d;
	cleanup_pb Pb__SubmitRequest *req = NULL;
	Pb__SubmitReply reply = PB__SUBMIT_REPLY__INIT;
	dvm_error_t err = { 0 };

	if (dvmi_pb_unpack(&pb__submit_request__descriptor, body, len, &req) < 0) {
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
		return;
	}
	reply.job = dvmd_cstate_next_job(dvmd_state(d));
	reply.count = req->n_tasks ? (uint32_t)req->n_tasks : 1;
	int rc = admit(call, req, &err);
	if (rc == 0)
		rc = req->n_tasks ? enqueue_array(d, req, &err) : dvmd_queue_enter(d, req->job, &err);
	if (rc < 0)
		dvmd_call_error(&call, rc, "%s", *err.text ? err.text : dvm_strerror(rc));
	else
		dvmd_call_answer(&call, DVMI_MSG_SUBMIT, &reply);
}
