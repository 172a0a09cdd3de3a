/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "daemon/agent.h"
#include "daemon/lead_private.h"
#include "daemon/queue.h"
#include "daemon/replica.h"
#include "libdvm/base/clock.h"

#define NOTICE_AFTER (3 * DVMI_SEC)
#define END_TIMEOUT  (30 * DVMI_SEC)

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
	dvmd_lead_act(l);
}

void dvmd_lead_node_down(struct dvmd_lead *l, uint32_t node)
{
	char name[32];

	dvmd_jobctl_node_down(l->jobs, node, dvmd_node_name(l->d, node, name), dvmi_clock_mono());
	dvmd_lead_act(l);
}

int dvmd_lead_end(struct dvmd_lead *l, uint64_t job, Pb__JobHow how, bool again, const char *reason)
{
	uint64_t now = dvmi_clock_mono();
	int rc = again ? dvmd_jobctl_again(l->jobs, job, how, reason, now) :
			 dvmd_jobctl_end(l->jobs, job, SIGTERM, reason, DVMD_JOBCTL_GRACE, now);

	dvmd_lead_act(l);
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
	dvmd_lead_cast(l, job, DVMI_MSG_JOB_KILL, &sig);
	dvmd_jobctl_stopped(l->jobs, job, how, dvmi_clock_mono());
	dvmd_lead_act(l);
	return 0;
}

int dvmd_lead_limit(struct dvmd_lead *l, uint64_t job, uint64_t limit, dvm_error_t *err)
{
	Pb__Command cmd = PB__COMMAND__INIT;
	Pb__JobLimit c = PB__JOB_LIMIT__INIT;

	c.id = job;
	c.limit_ns = limit;
	cmd.what_case = PB__COMMAND__WHAT_JOB_LIMIT;
	cmd.job_limit = &c;
	int rc = dvmd_replica_propose(l->d->replica, &cmd, err);
	if (rc < 0)
		return rc;
	dvmd_jobctl_limit(l->jobs, job, dvmd_cstate_job(dvmd_state(l->d), job)->spec,
			  dvmi_clock_mono());
	dvmd_lead_act(l);
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
		dvmd_lead_act(l);
	}
	return rc;
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
	dvmd_lead_act(l);
}

size_t dvmd_lead_jobs(const struct dvmd_lead *l)
{
	return dvmd_jobctl_count(l->jobs);
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
	dvmd_lead_act(l);
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
	dvmd_lead_act_stop(l);
	dvmd_lead_ps_stop(l);
	dvmd_jobctl_destroy(l->jobs);
	uv_close((uv_handle_t *)&l->timer, on_closed);
	uv_close((uv_handle_t *)&l->retry, on_closed);
	uv_close((uv_handle_t *)&l->turn, on_closed);
}
