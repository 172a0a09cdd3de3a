/* SPDX-License-Identifier: BSD-3-Clause */
/* A job starts: who asks may have it, it is placed, recorded and launched. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "daemon/assign.h"
#include "daemon/cast.h"
#include "daemon/lead_private.h"
#include "daemon/queue.h"
#include "daemon/replica.h"
#include "daemon/spec.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

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

/* Guests are found by the names of their jobs. Those of an earlier release's `dvm` are sole at least. */
static bool poses_as_guest(const Pb__JobSpec *spec)
{
	return !spec->guest && !spec->sole &&
	       !strncmp(spec->name, DVMD_SPEC_GUEST, strlen(DVMD_SPEC_GUEST));
}

static const char *spec_fault(const Pb__JobSpec *spec)
{
	if (!spec)
		return "no job";
	if (!spec->n_argv || !*spec->argv[0])
		return "no program";
	if (spec->wdir[0] != '/')
		return "the working directory must be an absolute path";
	if (poses_as_guest(spec))
		return "names that begin with \"" DVMD_SPEC_GUEST
		       "\" are those of guests: see `dvm guest start`";
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

struct namesake {
	const char *name;
	uint64_t before; /* what waits and came later is none */
	uint64_t job;	 /* 0: there is none */
};

static int find_namesake(const Pb__JobRecord *r, void *arg)
{
	struct namesake *n = arg;

	if (r->state != PB__JOB_STATE__JOB_DONE && !strcmp(r->spec->name, n->name))
		n->job = r->id;
	return 0;
}

static int find_waiting_namesake(const Pb__Waiting *w, void *arg)
{
	struct namesake *n = arg;

	if (w->id < n->before && !strcmp(w->spec->name, n->name))
		n->job = w->id;
	return 0;
}

int dvmd_lead_check_sole(const struct dvmd *d, const Pb__JobSpec *spec, uint64_t id, dvm_error_t *err)
{
	struct namesake n = { .name = spec->name, .before = id };

	if (spec->sole) {
		dvmd_cstate_each_waiting(dvmd_state(d), find_waiting_namesake, &n);
		dvmd_cstate_each_job(dvmd_state(d), find_namesake, &n);
	}
	return n.job ? dvmi_error_set(err, -EEXIST, "there is a job called %.128s already: %llu",
				      spec->name, (unsigned long long)n.job) :
		       0;
}

/* Who is refused at its turn needs the room no more that is kept for it. */
static int check_sole(const struct dvmd_call *call, const Pb__RunRequest *req, uint64_t id,
		      dvm_error_t *err)
{
	int rc = dvmd_lead_check_sole(call->d, req->spec, id, err);

	if (rc < 0 && req->ticket && !call->job)
		dvmd_queue_leave(call, req->ticket, err->text);
	return rc;
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
	dvmd_lead_act(la->lead);
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
	cleanup_free uint32_t *ids = dvmd_lead_job_nodes(l, s->id, false, &n);
	struct launch *la = calloc(1, sizeof *la);

	dvmd_jobctl_add(l->jobs, dvmd_cstate_job(dvmd_state(l->d), s->id), false, dvmi_clock_mono());
	msg.job = s->id;
	msg.spec = s->spec;
	msg.placement = s->placement;
	msg.key = s->key;
	msg.origin = s->origin;
	msg.machine = (char *)l->d->setup.machine;
	msg.launch_deadline_ns = l->d->setup.launch_timeout;
	msg.failure_timeout_ns = l->d->setup.failure_timeout;
	dvmd_cstate_each_member(dvmd_state(l->d), add_slots, &msg.universe);
	dvmi_pb_pack(&b, &msg);
	int rc = !la || !ids || b.err ? -ENOMEM : 0;
	if (rc == 0) {
		*la = (struct launch){ l, s->id };
		rc = dvmd_cast_send(l->d->cast, ids, n, DVMI_MSG_LAUNCH, b.data, b.len,
				    DVMD_LEAD_CAST_TIMEOUT, on_launch_result, free, la);
	}
	dvmi_buf_free(&b);
	if (rc < 0) {
		free(la);
		dvmd_jobctl_end(l->jobs, s->id, 0, dvm_strerror(rc), 0, dvmi_clock_mono());
	}
	dvmd_lead_act(l);
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
		rc = check_sole(call, req, s.id, &err);
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
