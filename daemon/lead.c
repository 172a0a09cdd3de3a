/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>
#include <utlist.h>

#include "daemon/agent.h"
#include "daemon/cast.h"
#include "daemon/jobctl.h"
#include "daemon/lead_private.h"
#include "daemon/live.h"
#include "daemon/origin.h"
#include "daemon/assign.h"
#include "daemon/queue.h"
#include "daemon/replica.h"
#include "daemon/spec.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define NOTICE_AFTER (3 * DVMI_SEC)
#define END_TIMEOUT  (30 * DVMI_SEC)
#define CAST_TIMEOUT (10 * DVMI_SEC)
#define RETRY_MS     1000
#define ACTIONS_MAX  256 /* taken together */

/* ---- carrying out ---- */

static void job_nodes_free(uint32_t **ids)
{
	free(*ids);
}

/* Ids of the job's nodes; with UP_ONLY the dead ones are left out. */
static uint32_t *job_nodes(struct dvmd_lead *l, uint64_t job, bool up_only, size_t *n)
{
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state(l->d), job);
	uint32_t *ids = r ? calloc(r->placement->n_nodes + 1, sizeof *ids) : NULL;

	*n = 0;
	for (size_t i = 0; ids && i < r->placement->n_nodes; i++) {
		uint32_t id = r->placement->nodes[i]->node;
		if (!up_only || dvmd_live_is_up(l->d->live, id))
			ids[(*n)++] = id;
	}
	return ids;
}

static void cast_to_job(struct dvmd_lead *l, uint64_t job, uint16_t type, const void *msg)
{
	size_t n;
	__attribute__((cleanup(job_nodes_free))) uint32_t *ids = job_nodes(l, job, true, &n);
	struct dvmi_buf b = { 0 };

	dvmi_pb_pack(&b, msg);
	if (ids && n && !b.err)
		dvmd_cast_send(l->d->cast, ids, n, type, b.data, b.len, CAST_TIMEOUT, NULL, NULL,
			       NULL);
	dvmi_buf_free(&b);
}

static void tell_origin(struct dvmd_lead *l, uint64_t job, const Pb__JobEvent *event)
{
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state(l->d), job);
	struct dvmi_buf b = { 0 };

	dvmi_pb_pack(&b, event);
	if (r && !b.err && r->origin == l->d->self)
		dvmd_origin_to_client(l->d->origin, DVMI_MSG_JOB_EVENT, b.data, b.len);
	else if (r && !b.err)
		dvmd_transport_send(l->d->wire, r->origin, DVMI_MSG_JOB_EVENT, b.data, b.len);
	dvmi_buf_free(&b);
}

static int propose_change(struct dvmd_lead *l, Pb__JobChange *change, dvm_error_t *err)
{
	Pb__Command cmd = PB__COMMAND__INIT;

	cmd.what_case = PB__COMMAND__WHAT_JOB_CHANGE;
	cmd.job_change = change;
	return dvmd_replica_propose(l->d->replica, &cmd, err);
}

static void drop_unlogged(struct dvmd_lead *l, struct unlogged *u)
{
	LL_DELETE(l->unlogged, u);
	dvmi_pb_free(u->change);
	free(u);
}

static bool may_pass(int rc)
{
	return rc == -ENOSPC || rc == -EIO || rc == -EDQUOT || rc == -ENOMEM;
}

static void on_retry(uv_timer_t *t)
{
	struct dvmd_lead *l = t->data;
	dvm_error_t err = { 0 };

	while (l->unlogged) {
		int rc = propose_change(l, l->unlogged->change, &err);
		if (may_pass(rc))
			return;
		drop_unlogged(l, l->unlogged);
	}
	uv_timer_stop(t);
}

static void keep_unlogged(struct dvmd_lead *l, const Pb__JobChange *change)
{
	struct unlogged *u = calloc(1, sizeof *u);

	if (!u || !(u->change = dvmi_pb_dup(change))) {
		free(u);
		return;
	}
	LL_APPEND(l->unlogged, u);
	uv_timer_start(&l->retry, on_retry, RETRY_MS, RETRY_MS);
}

static void log_change(struct dvmd_lead *l, Pb__JobChange *change)
{
	dvm_error_t err = { 0 };
	int rc = l->unlogged ? -ENOSPC : propose_change(l, change, &err);

	if (rc < 0 && *err.text)
		dvmi_log(&l->d->log, "job", LOG_ERR, "job %llu: %s",
			 (unsigned long long)change->id, err.text);
	if (may_pass(rc))
		keep_unlogged(l, change);
	if (change->state == PB__JOB_STATE__JOB_DONE)
		dvmi_log(&l->d->log, "job", LOG_INFO, "job %llu ended with code %d%s%s",
			 (unsigned long long)change->id, change->exit_code,
			 *change->reason ? ": " : "", change->reason);
}

/* All changes of a turn of the loop are one write; those that the disk does not take wait. */
static void log_changes(struct dvmd_lead *l, const struct dvmd_jobctl_action *a, size_t n)
{
	dvm_error_t err = { 0 };

	dvmd_replica_hold(l->d->replica);
	for (size_t i = 0; i < n; i++)
		if (a[i].change)
			log_change(l, a[i].change);
	if (dvmd_replica_release(l->d->replica, &err) == 0)
		return;
	dvmi_log(&l->d->log, "job", LOG_ERR, "changes of jobs: %s", err.text);
	for (size_t i = 0; i < n; i++)
		if (a[i].change) /* one that waits already is refused as the second */
			keep_unlogged(l, a[i].change);
}

static void act(struct dvmd_lead *l, struct dvmd_jobctl_action *a)
{
	Pb__JobRef ref = PB__JOB_REF__INIT;

	ref.job = a->job;
	switch (a->what) {
	case DVMD_DO_CHANGE:
		break; /* has been logged */
	case DVMD_DO_KILL:
		if (a->kill)
			cast_to_job(l, a->job, DVMI_MSG_JOB_KILL, a->kill);
		break;
	case DVMD_DO_EVENT:
		if (a->event)
			tell_origin(l, a->job, a->event);
		break;
	case DVMD_DO_LOST:
		if (a->lost)
			cast_to_job(l, a->job, DVMI_MSG_RANKS_LOST, a->lost);
		break;
	case DVMD_DO_RELEASE:
		cast_to_job(l, a->job, DVMI_MSG_JOB_RELEASE, &ref);
		break;
	}
}

static void on_timer(uv_timer_t *t);

/* What has been decided is logged, and then done. */
static bool act_on_some(struct dvmd_lead *l)
{
	struct dvmd_jobctl_action a[ACTIONS_MAX];
	size_t n = 0;

	while (n < ACTIONS_MAX && dvmd_jobctl_next(l->jobs, &a[n]))
		n++;
	if (n)
		log_changes(l, a, n);
	for (size_t i = 0; i < n; i++) {
		act(l, &a[i]);
		dvmd_jobctl_action_free(&a[i]);
	}
	return n;
}

/* After each turn of the loop in which something was decided. */
static void on_turn(uv_timer_t *t)
{
	struct dvmd_lead *l = t->data;

	while (act_on_some(l))
		;
	uint64_t now = dvmi_clock_mono(), at = dvmd_jobctl_next_deadline(l->jobs);
	if (at == UINT64_MAX)
		uv_timer_stop(&l->timer);
	else
		uv_timer_start(&l->timer, on_timer,
			       at > now ? (at - now + DVMI_MSEC - 1) / DVMI_MSEC : 0, 0);
}

static void drain(struct dvmd_lead *l)
{
	if (!uv_is_active((uv_handle_t *)&l->turn))
		uv_timer_start(&l->turn, on_turn, 0, 0);
}

static void on_timer(uv_timer_t *t)
{
	struct dvmd_lead *l = t->data;

	dvmd_jobctl_tick(l->jobs, dvmi_clock_mono());
	drain(l);
}

/* ---- starting a job ---- */

/* Several programs: each whole, and all ranks theirs. */
static bool are_programs(const Pb__JobSpec *spec)
{
	uint64_t ranks = 0;

	for (size_t i = 0; i < spec->n_apps; i++) {
		const Pb__App *a = spec->apps[i];
		if (!a->n_argv || !*a->argv[0] || !a->ranks || (*a->wdir && *a->wdir != '/'))
			return false;
		ranks += a->ranks;
	}
	return ranks == spec->ranks;
}

static const char *spec_fault(const Pb__JobSpec *spec)
{
	if (!spec)
		return "no job";
	if (!spec->n_argv || !*spec->argv[0])
		return "no program";
	if (spec->wdir[0] != '/')
		return "the working directory must be an absolute path";
	if (spec->n_apps && !are_programs(spec))
		return "its programs do not make up the job";
	for (size_t i = 0; i < spec->n_env; i++)
		if (!strchr(spec->env[i], '='))
			return "an environment entry has no '='";
	return NULL;
}

static int fill_credentials(const struct dvmd_call *call, Pb__JobSpec *spec)
{
	char *user = strdup(call->user);

	if (!user)
		return -ENOMEM;
	spec->uid = call->uid;
	spec->gid = call->gid;
	free(spec->groups); /* each node looks the user's groups up itself */
	spec->groups = NULL;
	spec->n_groups = 0;
	if (spec->user != protobuf_c_empty_string)
		free(spec->user);
	spec->user = user;
	return 0;
}

/*
 * The job in whose name a rank spawns, and what its child has from it. Where a client holds the
 * parent, it holds the child as well, unless that is to outlive the parent.
 */
static int take_parent(struct dvmd_lead *l, const struct dvmd_call *call, Pb__JobSpec *spec,
		       uint32_t *origin, dvm_error_t *err)
{
	const Pb__JobRecord *parent = dvmd_cstate_job(dvmd_state(l->d), call->job);

	spec->parent_job = call->job;
	if (!call->job) {
		spec->parent_rank = 0;
		spec->outlives_parent = spec->lent = false;
		return 0;
	}
	spec->ranks_max = 0;
	if (!parent || parent->state >= PB__JOB_STATE__JOB_ENDING)
		return dvmi_error_set(err, -ECANCELED, "job %llu is ending",
				      (unsigned long long)call->job);
	if (parent->spec->uid != call->uid || spec->parent_rank >= parent->placement->ranks)
		return dvmi_error_set(err, -EPERM, "job %llu has no such rank",
				      (unsigned long long)call->job);
	if (spec->lent && dvmd_spec_set_string(&spec->account, parent->spec->account) < 0)
		return dvmi_error_code(err, -ENOMEM, "the job");
	*origin = parent->origin;
	spec->detached = parent->spec->detached || spec->outlives_parent;
	return 0;
}

/* The record keeps what people ask about; the environment only the launch needs. */
int dvmd_lead_log(struct dvmd_lead *l, struct dvmd_start *s, dvm_error_t *err)
{
	Pb__Command cmd = PB__COMMAND__INIT;
	Pb__JobRecord r = PB__JOB_RECORD__INIT;
	Pb__JobSpec lean = *s->spec;

	lean.n_env = 0;
	randombytes_buf(&s->key, sizeof s->key);
	r.id = s->id;
	r.spec = &lean;
	r.placement = s->placement;
	r.origin = s->origin;
	r.submitted = dvmd_steady_now(&l->d->clock);
	r.key = s->key;
	cmd.what_case = PB__COMMAND__WHAT_JOB_ADD;
	cmd.job_add = &r;
	int rc = dvmd_replica_propose(l->d->replica, &cmd, err);
	return rc < 0 ? dvmi_error_prefix(err, "the job could not be recorded") : 0;
}

struct launch {
	struct dvmd_lead *lead;
	uint64_t job;
};

static void on_launch_result(uint32_t node, int code, const char *text, void *arg)
{
	struct launch *la = arg;

	if (code == -ETIMEDOUT)
		text = "did not answer to the launch";
	dvmd_jobctl_launch_failed(la->lead->jobs, la->job, node, code, text, dvmi_clock_mono());
	drain(la->lead);
}

static int add_slots(const Pb__Member *m, void *arg)
{
	uint32_t *slots = arg;

	if (m->state == PB__MEMBER_STATE__MEMBER_UP)
		*slots += m->slots;
	return 0;
}

void dvmd_lead_launch(struct dvmd_lead *l, const struct dvmd_start *s)
{
	Pb__Launch msg = PB__LAUNCH__INIT;
	struct dvmi_buf b = { 0 };
	size_t n;
	__attribute__((cleanup(job_nodes_free))) uint32_t *ids = job_nodes(l, s->id, false, &n);
	struct launch *la = calloc(1, sizeof *la);

	dvmd_jobctl_add(l->jobs, dvmd_cstate_job(dvmd_state(l->d), s->id), false, dvmi_clock_mono());
	msg.job = s->id;
	msg.spec = s->spec;
	msg.placement = s->placement;
	msg.key = s->key;
	msg.origin = s->origin;
	msg.machine = (char *)l->d->setup.machine;
	msg.launch_deadline_ns = l->d->setup.launch_timeout;
	dvmd_cstate_each_member(dvmd_state(l->d), add_slots, &msg.universe);
	dvmi_pb_pack(&b, &msg);
	int rc = !la || !ids || b.err ? -ENOMEM : 0;
	if (rc == 0) {
		*la = (struct launch){ l, s->id };
		rc = dvmd_cast_send(l->d->cast, ids, n, DVMI_MSG_LAUNCH, b.data, b.len,
				    CAST_TIMEOUT, on_launch_result, free, la);
	}
	dvmi_buf_free(&b);
	if (rc < 0) {
		free(la);
		dvmd_jobctl_end(l->jobs, s->id, 0, dvm_strerror(rc), 0, dvmi_clock_mono());
	}
	drain(l);
}

/* BINDINGS: a line for each rank, or NULL; it is cut up. */
static void answer_run(struct dvmd_call **call, uint64_t job, Pb__Placement *placement,
		       char *bindings)
{
	Pb__RunReply reply = PB__RUN_REPLY__INIT;
	cleanup_free char **lines = bindings ? calloc(placement->ranks + 1, sizeof *lines) : NULL;
	char *save = NULL;

	reply.job = job;
	reply.placement = placement;
	reply.state = PB__JOB_STATE__JOB_LAUNCHING;
	reply.bindings = lines;
	for (char *l = lines ? strtok_r(bindings, "\n", &save) : NULL;
	     l && reply.n_bindings < placement->ranks; l = strtok_r(NULL, "\n", &save))
		lines[reply.n_bindings++] = l;
	dvmd_call_answer(call, DVMI_MSG_RUN, &reply);
}

int dvmd_lead_admit(const struct dvmd_call *call, Pb__JobSpec *spec, dvm_error_t *err)
{
	const char *fault = spec_fault(spec);

	if (fault)
		return dvmi_error_set(err, -EINVAL, "%s", fault);
	int rc = fill_credentials(call, spec);
	return rc < 0 ? dvmi_error_code(err, rc, "the job") : 0;
}

void dvmd_lead_run(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct dvmd_lead *l = call->d->lead;
	cleanup_pb Pb__RunRequest *req = NULL;
	cleanup_pb Pb__Placement *placement = NULL;
	cleanup_free char *bindings = NULL;
	struct dvmd_start s = { .id = dvmd_cstate_next_job(dvmd_state(l->d)),
				.origin = call->origin };
	dvm_error_t err = { 0 };

	if (dvmi_pb_unpack(&pb__run_request__descriptor, body, len, &req) < 0) {
		dvmd_call_error(&call, -EINVAL, "malformed request");
		return;
	}
	char **wanted = req->report_bindings ? &bindings : NULL;
	int rc = dvmd_lead_admit(call, req->spec, &err);
	if (req->ticket && !call->job)
		s.id = req->ticket;
	if (rc == 0)
		rc = take_parent(l, call, req->spec, &s.origin, &err);
	if (rc == 0)
		rc = req->dry_run ? dvmd_assign(l->d, req->spec, &placement, wanted, &err) :
				    dvmd_queue_place(call, req->spec, req->ticket, &placement,
						     wanted, &err);
	if (rc == 0 && req->dry_run) {
		answer_run(&call, 0, placement, bindings);
		return;
	}
	s.spec = req->spec;
	s.placement = placement;
	if (rc == 0)
		rc = dvmd_lead_log(l, &s, &err);
	if (rc < 0) {
		dvmd_call_error(&call, rc, "%s", err.text);
		return;
	}
	answer_run(&call, s.id, placement, bindings);
	dvmd_lead_launch(l, &s);
}

/* ---- for the queue ---- */

int dvmd_lead_end(struct dvmd_lead *l, uint64_t job, Pb__JobHow how, bool again, const char *reason)
{
	uint64_t now = dvmi_clock_mono();
	int rc = again ? dvmd_jobctl_again(l->jobs, job, how, reason, now) :
			 dvmd_jobctl_end(l->jobs, job, SIGTERM, reason, DVMD_JOBCTL_GRACE, now);

	drain(l);
	return rc;
}

/* Logged first: a new leader has to know whom it may let go on. */
int dvmd_lead_suspend(struct dvmd_lead *l, uint64_t job, Pb__Suspended how, dvm_error_t *err)
{
	Pb__Command cmd = PB__COMMAND__INIT;
	Pb__JobSuspend c = PB__JOB_SUSPEND__INIT;
	Pb__JobSignal sig = PB__JOB_SIGNAL__INIT;

	c.id = sig.job = job;
	c.suspended = how;
	cmd.what_case = PB__COMMAND__WHAT_JOB_SUSPEND;
	cmd.job_suspend = &c;
	sig.signal = how ? SIGTSTP : SIGCONT;
	int rc = dvmd_replica_propose(l->d->replica, &cmd, err);
	if (rc < 0)
		return rc;
	cast_to_job(l, job, DVMI_MSG_JOB_KILL, &sig);
	dvmd_jobctl_stopped(l->jobs, job, how, dvmi_clock_mono());
	drain(l);
	return 0;
}

int dvmd_lead_leave(struct dvmd_lead *l, uint64_t job, uint64_t other, dvm_error_t *err)
{
	Pb__Command cmd = PB__COMMAND__INIT;
	Pb__JobRoom c = PB__JOB_ROOM__INIT;

	c.id = job;
	c.wanted_by = other;
	c.grace_ns = l->d->setup.queue.grace;
	cmd.what_case = PB__COMMAND__WHAT_JOB_ROOM;
	cmd.job_room = &c;
	int rc = dvmd_replica_propose(l->d->replica, &cmd, err);
	if (rc == 0) {
		dvmd_jobctl_leave(l->jobs, job, other, c.grace_ns, dvmi_clock_mono());
		drain(l);
	}
	return rc;
}

/* ---- other requests ---- */

/* The job a request names, if its caller may touch it; else the call is answered and NULL. */
static const Pb__JobRecord *permitted_job(struct dvmd_call **call, uint64_t job)
{
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state((*call)->d), job);

	if (!r)
		dvmd_call_error(call, -ENOENT, "no job %llu", (unsigned long long)job);
	else if (!dvmd_call_may(*call, r->spec->uid))
		dvmd_call_error(call, -EPERM, "job %llu belongs to %s", (unsigned long long)job,
				r->spec->user);
	else
		return r;
	return NULL;
}

static void tell_ended(struct dvmd_lead *l, const Pb__JobRecord *r)
{
	Pb__JobEvent event = dvmd_origin_ended(r);

	tell_origin(l, r->id, &event);
}

void dvmd_lead_attach(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct dvmd_lead *l = call->d->lead;
	cleanup_pb Pb__AttachRequest *req = NULL;
	Pb__RunReply reply = PB__RUN_REPLY__INIT;
	char name[32];

	if (dvmi_pb_unpack(&pb__attach_request__descriptor, body, len, &req) < 0) {
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
		return;
	}
	const Pb__JobRecord *r = permitted_job(&call, req->job);
	if (!r)
		return;
	if (r->origin != call->origin) {
		dvmd_call_error(&call, -EXDEV, "job %llu was started on %s: attach there",
				(unsigned long long)r->id, dvmd_node_name(l->d, r->origin, name));
		return;
	}
	reply.job = r->id;
	reply.placement = r->placement;
	reply.state = r->state;
	reply.detached = r->spec->detached;
	dvmd_call_answer(&call, DVMI_MSG_ATTACH, &reply);
	if (r->state == PB__JOB_STATE__JOB_DONE)
		tell_ended(l, r);
	else
		dvmd_jobctl_reannounce(l->jobs, r->id);
	drain(l);
}

/* What a client asks for between TERM and KILL, within reason. */
static uint64_t grace_of(const Pb__JobSignal *req)
{
	if (req->signal == SIGKILL)
		return 0;
	if (!req->grace_ns)
		return DVMD_JOBCTL_GRACE;
	return req->grace_ns < 3600 * DVMI_SEC ? req->grace_ns : 3600 * DVMI_SEC;
}

struct ending {
	const struct dvmd_call *call;
	const Pb__JobSignal *req;
	size_t n;
};

static void end_job(struct dvmd_lead *l, uint64_t job, const Pb__JobSignal *req)
{
	dvmd_jobctl_end(l->jobs, job, req->signal, *req->reason ? req->reason : "cancelled",
			grace_of(req), dvmi_clock_mono());
}

/* Another task than the first of the array that is to end. */
static int end_task(const Pb__JobRecord *r, void *arg)
{
	struct ending *e = arg;

	if (r->spec->array != e->req->job || r->id == e->req->job ||
	    r->state == PB__JOB_STATE__JOB_DONE || !dvmd_call_may(e->call, r->spec->uid))
		return 0;
	end_job(e->call->d->lead, r->id, e->req);
	e->n++;
	return 0;
}

/* An array is called as its first task is. How many others of it are ended; -E… and ERR. */
static int end_array(const struct dvmd_call *call, const Pb__JobSignal *req, dvm_error_t *err)
{
	struct ending e = { call, req, 0 };
	int n = dvmd_queue_end_tasks(call, req, err);

	if (n < 0)
		return n;
	dvmd_cstate_each_job(dvmd_state(call->d), end_task, &e);
	drain(call->d->lead);
	return n + (int)e.n;
}

void dvmd_lead_signal(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct dvmd_lead *l = call->d->lead;
	cleanup_pb Pb__JobSignal *req = NULL;
	dvm_error_t err = { 0 };

	if (dvmi_pb_unpack(&pb__job_signal__descriptor, body, len, &req) < 0 || req->signal < 0 ||
	    req->signal >= NSIG) {
		dvmd_call_error(&call, -EINVAL, "malformed request");
		return;
	}
	int others = req->end ? end_array(call, req, &err) : 0;
	if (others < 0) {
		dvmd_call_error(&call, others, "%s", err.text);
		return;
	}
	if (dvmd_cstate_waiting(dvmd_state(l->d), req->job)) {
		dvmd_queue_signal(call, req);
		return;
	}
	const Pb__JobRecord *r = permitted_job(&call, req->job);
	if (!r)
		return;
	if (r->state == PB__JOB_STATE__JOB_DONE && !others) {
		dvmd_call_error(&call, -ESRCH, "job %llu is over", (unsigned long long)r->id);
		return;
	}
	if (req->end)
		end_job(l, r->id, req);
	else
		cast_to_job(l, r->id, DVMI_MSG_JOB_KILL, req);
	dvmd_call_answer(&call, DVMI_MSG_OK, NULL);
	drain(l);
}

/* ---- what happens ---- */

/* A report of a job that is over: its share waits for a release that was lost. */
static void release_again(struct dvmd_lead *l, const Pb__JobStatus *status)
{
	Pb__JobRef ref = PB__JOB_REF__INIT;
	struct dvmi_buf b = { 0 };

	ref.job = status->job;
	dvmi_pb_pack(&b, &ref);
	if (!b.err && status->node == l->d->self)
		dvmd_agent_from_leader(l->d->agent, DVMI_MSG_JOB_RELEASE, b.data, b.len);
	else if (!b.err)
		dvmd_transport_send(l->d->wire, status->node, DVMI_MSG_JOB_RELEASE, b.data, b.len);
	dvmi_buf_free(&b);
}

void dvmd_lead_status(struct dvmd_lead *l, const Pb__JobStatus *status)
{
	if (!dvmd_leads(l->d))
		return;
	if (dvmd_jobctl_status(l->jobs, status, dvmi_clock_mono()) == -ENOENT)
		release_again(l, status);
	drain(l);
}

void dvmd_lead_node_down(struct dvmd_lead *l, uint32_t node)
{
	char name[32];

	dvmd_jobctl_node_down(l->jobs, node, dvmd_node_name(l->d, node, name), dvmi_clock_mono());
	drain(l);
}

static int end_one(const Pb__JobRecord *r, void *arg)
{
	struct {
		struct dvmd_lead *l;
		const char *reason;
	} *end = arg;

	if (r->state != PB__JOB_STATE__JOB_DONE)
		dvmd_jobctl_end(end->l->jobs, r->id, SIGTERM, end->reason, DVMD_JOBCTL_GRACE,
				dvmi_clock_mono());
	return 0;
}

void dvmd_lead_end_all(struct dvmd_lead *l, const char *reason)
{
	struct {
		struct dvmd_lead *l;
		const char *reason;
	} end = { l, reason };

	dvmd_cstate_each_job(dvmd_state(l->d), end_one, &end);
	drain(l);
}

size_t dvmd_lead_jobs(const struct dvmd_lead *l)
{
	return dvmd_jobctl_count(l->jobs);
}

void dvmd_lead_want_status(struct dvmd_lead *l, uint64_t job)
{
	Pb__JobRef ref = PB__JOB_REF__INIT;

	ref.job = job;
	cast_to_job(l, job, DVMI_MSG_STATUS_WANTED, &ref);
}

/* A node that was removed or died while nobody led will send no more news of its share. */
static void lose_absent_shares(struct dvmd_lead *l, const Pb__JobRecord *r, uint64_t now)
{
	for (size_t i = 0; i < r->placement->n_nodes; i++) {
		const Pb__NodeShare *s = r->placement->nodes[i];
		const Pb__Member *m = dvmd_cstate_member(dvmd_state(l->d), s->node);
		if (!m || m->state != PB__MEMBER_STATE__MEMBER_UP)
			dvmd_jobctl_node_down(l->jobs, s->node, s->name, now);
	}
}

static int recover_job(const Pb__JobRecord *r, void *arg)
{
	struct dvmd_lead *l = arg;

	if (r->state == PB__JOB_STATE__JOB_DONE)
		return 0;
	dvmd_jobctl_add(l->jobs, r, true, dvmi_clock_mono());
	dvmd_jobctl_has_run(l->jobs, r->id, dvmd_queue_ran(r, dvmd_steady_now(&l->d->clock)),
			    dvmi_clock_mono());
	lose_absent_shares(l, r, dvmi_clock_mono());
	dvmd_lead_want_status(l, r->id);
	return 0;
}

struct restarted {
	struct dvmd_lead *lead;
	uint32_t node;
};

static int ask_restarted(const Pb__JobRecord *r, void *arg)
{
	struct restarted *re = arg;

	for (size_t i = 0; r->state != PB__JOB_STATE__JOB_DONE && i < r->placement->n_nodes; i++)
		if (r->placement->nodes[i]->node == re->node)
			dvmd_lead_want_status(re->lead, r->id);
	return 0;
}

void dvmd_lead_node_restarted(struct dvmd_lead *l, uint32_t node)
{
	struct restarted re = { l, node };

	dvmd_cstate_each_job(dvmd_state(l->d), ask_restarted, &re);
}

void dvmd_lead_recover(struct dvmd_lead *l)
{
	if (!dvmd_leads(l->d))
		return;
	dvmd_cstate_each_job(dvmd_state(l->d), recover_job, l);
	drain(l);
}

int dvmd_lead_create(struct dvmd_lead **out, struct dvmd *d)
{
	struct dvmd_lead *l = calloc(1, sizeof *l);
	const struct dvmd_jobctl_config config = { .kill_grace = d->setup.kill_grace,
						   .launch_timeout = d->setup.launch_timeout,
						   .end_timeout = END_TIMEOUT,
						   .notice_after = NOTICE_AFTER };

	if (!l || dvmd_jobctl_create(&l->jobs, &config) < 0) {
		free(l);
		return -ENOMEM;
	}
	l->d = d;
	uv_timer_init(d->loop, &l->timer);
	uv_timer_init(d->loop, &l->retry);
	uv_timer_init(d->loop, &l->turn);
	l->timer.data = l->retry.data = l->turn.data = l;
	l->handles = 3;
	*out = l;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct dvmd_lead *l = h->data;

	if (--l->handles == 0)
		free(l);
}

void dvmd_lead_destroy(struct dvmd_lead *l)
{
	if (!l)
		return;
	while (l->unlogged)
		drop_unlogged(l, l->unlogged);
	dvmd_lead_ps_stop(l);
	dvmd_jobctl_destroy(l->jobs);
	uv_close((uv_handle_t *)&l->timer, on_closed);
	uv_close((uv_handle_t *)&l->retry, on_closed);
	uv_close((uv_handle_t *)&l->turn, on_closed);
}
