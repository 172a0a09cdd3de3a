/* SPDX-License-Identifier: BSD-3-Clause */
/* Carries out what the engine has decided: logs it, then tells nodes and clients. */
#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

#include "daemon/cast.h"
#include "daemon/lead_private.h"
#include "daemon/live.h"
#include "daemon/origin.h"
#include "daemon/replica.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"

#define RETRY_MS     1000
#define ACTIONS_MAX  256 /* taken together */

uint32_t *dvmd_lead_job_nodes(struct dvmd_lead *l, uint64_t job, bool up_only, size_t *n)
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

void dvmd_lead_cast(struct dvmd_lead *l, uint64_t job, uint16_t type, const void *msg)
{
	size_t n;
	cleanup_free uint32_t *ids = dvmd_lead_job_nodes(l, job, true, &n);
	struct dvmi_buf b = { 0 };

	dvmi_pb_pack(&b, msg);
	if (ids && n && !b.err)
		dvmd_cast_send(l->d->cast, ids, n, type, b.data, b.len, DVMD_LEAD_CAST_TIMEOUT, NULL, NULL,
			       NULL);
	dvmi_buf_free(&b);
}

void dvmd_lead_tell_origin(struct dvmd_lead *l, uint64_t job, const Pb__JobEvent *event)
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
			dvmd_lead_cast(l, a->job, DVMI_MSG_JOB_KILL, a->kill);
		break;
	case DVMD_DO_EVENT:
		if (a->event)
			dvmd_lead_tell_origin(l, a->job, a->event);
		break;
	case DVMD_DO_LOST:
		if (a->lost)
			dvmd_lead_cast(l, a->job, DVMI_MSG_RANKS_LOST, a->lost);
		break;
	case DVMD_DO_RELEASE:
		dvmd_lead_cast(l, a->job, DVMI_MSG_JOB_RELEASE, &ref);
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

void dvmd_lead_act(struct dvmd_lead *l)
{
	if (!uv_is_active((uv_handle_t *)&l->turn))
		uv_timer_start(&l->turn, on_turn, 0, 0);
}

static void on_timer(uv_timer_t *t)
{
	struct dvmd_lead *l = t->data;

	dvmd_jobctl_tick(l->jobs, dvmi_clock_mono());
	dvmd_lead_act(l);
}

void dvmd_lead_want_status(struct dvmd_lead *l, uint64_t job)
{
	Pb__JobRef ref = PB__JOB_REF__INIT;

	ref.job = job;
	dvmd_lead_cast(l, job, DVMI_MSG_STATUS_WANTED, &ref);
}

void dvmd_lead_act_stop(struct dvmd_lead *l)
{
	while (l->unlogged)
		drop_unlogged(l, l->unlogged);
}
