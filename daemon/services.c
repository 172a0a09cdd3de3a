/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "daemon/agent.h"
#include "daemon/replica.h"
#include "daemon/services.h"

/* The asking job's share, where it is here: its interests are kept with it. */
static struct dvmd_interest *interest_of(const struct dvmd_call *call)
{
	struct dvmd_share *s = call->session && call->job ?
				       dvmd_agent_share(call->d->agent, call->job) :
				       NULL;

	return s ? dvmd_share_interest(s) : NULL;
}

/* Our copy of the state may be behind the leader's: what is missing here is asked there. */
static bool ask_leader(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	if (dvmd_leads(call->d) || !call->session)
		return false;
	dvmd_call_forward(call, DVMD_LEADER, body, len);
	return true;
}

/* ---- jobs ---- */

static void answer_record(struct dvmd_call **call, const Pb__JobRecord *r)
{
	Pb__JobRecord lean = *r;
	Pb__JobSpec spec = *r->spec;

	spec.n_env = 0;
	lean.spec = &spec;
	dvmd_call_answer(call, DVMI_MSG_JOB_RECORD, &lean);
}

void dvmd_services_record(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__JobRef *ref = NULL;
	struct dvmd_interest *in = interest_of(call);

	if (dvmi_pb_unpack(&pb__job_ref__descriptor, body, len, &ref) < 0) {
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
		return;
	}
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state(call->d), ref->job);
	if (!r && ask_leader(call, body, len)) {
		if (in)
			dvmd_interest_add(in, ref->job);
	} else if (!r) {
		dvmd_call_error(&call, -ENOENT, "no job %llu", (unsigned long long)ref->job);
	} else if (!dvmd_call_may(call, r->spec->uid)) {
		dvmd_call_error(&call, -EPERM, "job %llu belongs to %s",
				(unsigned long long)ref->job, r->spec->user);
	} else if (in && dvmd_interest_add(in, ref->job) < 0) {
		dvmd_call_error(&call, -ENOSPC, "this job has to do with too many others");
	} else {
		answer_record(&call, r);
	}
}

void dvmd_services_nodes(const struct dvmd_call *call)
{
	struct dvmd_interest *in = interest_of(call);

	if (in)
		in->hosts = true;
}

/* ---- names ---- */

/* The request as the state keeps it, if it is a job's; else the call is answered. */
static Pb__NameRequest *take_request(struct dvmd_call **call, const uint8_t *body, size_t len,
				     Pb__ServiceName *name)
{
	Pb__NameRequest *req = NULL;

	pb__service_name__init(name);
	if (!(*call)->job) {
		dvmd_call_error(call, -EPERM, "names are for jobs");
		return NULL;
	}
	if (dvmi_pb_unpack(&pb__name_request__descriptor, body, len, &req) < 0) {
		dvmd_call_error(call, -DVM_EPROTO, "malformed request");
		return NULL;
	}
	name->uid = (*call)->uid;
	name->service = req->service;
	name->job = (*call)->job;
	name->rank = req->rank;
	name->value = req->value;
	name->once = req->once;
	return req;
}

static void change_name(struct dvmd_call *call, const uint8_t *body, size_t len,
			Pb__Command__WhatCase what)
{
	Pb__ServiceName name;
	cleanup_pb Pb__NameRequest *req = take_request(&call, body, len, &name);
	Pb__Command cmd = PB__COMMAND__INIT;
	dvm_error_t err = { 0 };

	if (!req)
		return;
	cmd.what_case = what;
	cmd.name_add = &name; /* the same member of the union in both cases */
	if (dvmd_replica_propose(call->d->replica, &cmd, &err) < 0)
		dvmd_call_error(&call, err.code, "%s", err.text);
	else
		dvmd_call_answer(&call, DVMI_MSG_OK, NULL);
}

void dvmd_services_name_put(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	change_name(call, body, len, PB__COMMAND__WHAT_NAME_ADD);
}

void dvmd_services_name_drop(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	change_name(call, body, len, PB__COMMAND__WHAT_NAME_REMOVE);
}

static bool is_for(const Pb__ServiceName *found, uint64_t job, uint32_t rank)
{
	return !found->reader_job || (found->reader_job == job && found->reader_rank == rank);
}

/* For one reader: RANK of the asking job it is now, if it may be. */
static void take_name(struct dvmd_call *call, uint32_t rank, const Pb__ServiceName *found)
{
	cleanup_pb Pb__ServiceName *copy = NULL;
	Pb__Command cmd = PB__COMMAND__INIT;
	dvm_error_t err = { .code = -ENOMEM, .text = "out of memory" };

	if (!is_for(found, call->job, rank)) {
		dvmd_call_error(&call, -ENOENT, "%s is for another reader", found->service);
		return;
	}
	copy = dvmi_pb_dup(found); /* which the command ends */
	if (copy) {
		copy->reader_job = call->job;
		copy->reader_rank = rank;
	}
	cmd.what_case = PB__COMMAND__WHAT_NAME_REMOVE;
	cmd.name_remove = copy;
	if (!copy || dvmd_replica_propose(call->d->replica, &cmd, &err) < 0)
		dvmd_call_error(&call, err.code, "%s", err.text);
	else
		dvmd_call_answer(&call, DVMI_MSG_NAME_GET, copy);
}

/*
 * Only the leader knows: our copy may still have what was taken back before the asker was told of it,
 * or what has been replaced.
 */
void dvmd_services_name_get(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	Pb__ServiceName name;
	struct dvmd_interest *in = interest_of(call);
	cleanup_pb Pb__NameRequest *req = take_request(&call, body, len, &name);

	if (!req)
		return;
	if (in)
		in->names = true;
	if (ask_leader(call, body, len))
		return;
	const Pb__ServiceName *found =
		dvmd_cstate_name(dvmd_state(call->d), name.uid, name.service);
	if (found && found->once)
		take_name(call, name.rank, found);
	else if (found)
		dvmd_call_answer(&call, DVMI_MSG_NAME_GET, found);
	else
		dvmd_call_error(&call, -ENOENT, "nobody has published %s", name.service);
}

/* ---- news ---- */

struct telling {
	const Pb__News *news;
	uint32_t uid; /* of a name */
};

static void tell_about_job(struct dvmd_share *s, void *arg)
{
	const struct telling *t = arg;

	if (t->news->parent == dvmd_share_job(s) ||
	    dvmd_interest_has(dvmd_share_interest(s), t->news->job))
		dvmd_share_tell(s, DVMI_MSG_NEWS, t->news);
	if (t->news->state == PB__JOB_STATE__JOB_DONE)
		dvmd_interest_drop(dvmd_share_interest(s), t->news->job);
}

static void tell_about_host(struct dvmd_share *s, void *arg)
{
	const struct telling *t = arg;

	if (dvmd_share_interest(s)->hosts)
		dvmd_share_tell(s, DVMI_MSG_NEWS, t->news);
}

static void tell_about_name(struct dvmd_share *s, void *arg)
{
	const struct telling *t = arg;

	if (dvmd_share_interest(s)->names && dvmd_share_uid(s) == t->uid)
		dvmd_share_tell(s, DVMI_MSG_NEWS, t->news);
}

static void tell(struct dvmd_share *s, void *arg)
{
	const struct telling *t = arg;

	dvmd_share_tell(s, DVMI_MSG_NEWS, t->news);
}

static void job_news(struct dvmd *d, uint64_t job)
{
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state(d), job);
	Pb__News n = PB__NEWS__INIT;
	struct telling t = { .news = &n };

	if (!r)
		return;
	n.kind = PB__NEWS__KIND__JOB;
	n.job = job;
	n.state = r->state;
	n.exit_code = r->exit_code;
	n.reason = r->reason;
	n.parent = r->spec->parent_job;
	dvmd_agent_each(d->agent, tell_about_job, &t);
}

static void tell_about_room(struct dvmd_share *s, void *arg)
{
	const struct telling *t = arg;

	if (t->news->job == dvmd_share_job(s) || t->news->parent == dvmd_share_job(s))
		dvmd_share_tell(s, DVMI_MSG_NEWS, t->news);
}

static void room_news(struct dvmd *d, uint64_t job)
{
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state(d), job);
	Pb__News n = PB__NEWS__INIT;
	struct telling t = { .news = &n };

	if (!r)
		return;
	n.kind = PB__NEWS__KIND__ROOM;
	n.job = job;
	n.parent = r->spec->parent_job;
	n.room = r->room;
	n.wanted_by = r->wanted_by;
	n.grace_ns = r->grace_ns;
	dvmd_agent_each(d->agent, tell_about_room, &t);
}

static void host_news(struct dvmd *d, uint32_t id)
{
	const Pb__Member *m = dvmd_cstate_member(dvmd_state(d), id);
	Pb__News n = PB__NEWS__INIT;
	struct telling t = { .news = &n };

	n.kind = PB__NEWS__KIND__HOST;
	n.node = id;
	if (m)
		n.name = m->name;
	n.up = m && m->state == PB__MEMBER_STATE__MEMBER_UP;
	n.removed = !m;
	dvmd_agent_each(d->agent, tell_about_host, &t);
}

static void name_news(struct dvmd *d, uint32_t uid)
{
	Pb__News n = PB__NEWS__INIT;
	struct telling t = { .news = &n, .uid = uid };

	n.kind = PB__NEWS__KIND__NAME;
	dvmd_agent_each(d->agent, tell_about_name, &t);
}

void dvmd_services_applied(struct dvmd *d, const Pb__Command *cmd)
{
	switch (cmd->what_case) {
	case PB__COMMAND__WHAT_JOB_CHANGE:
		job_news(d, cmd->job_change->id);
		break;
	case PB__COMMAND__WHAT_JOB_ROOM:
		room_news(d, cmd->job_room->id);
		break;
	case PB__COMMAND__WHAT_MEMBER_ADD:
		host_news(d, cmd->member_add->id);
		break;
	case PB__COMMAND__WHAT_MEMBER_CHANGE:
		host_news(d, cmd->member_change->id);
		break;
	case PB__COMMAND__WHAT_MEMBER_REMOVE:
		host_news(d, cmd->member_remove);
		break;
	case PB__COMMAND__WHAT_NAME_ADD:
		name_news(d, cmd->name_add->uid);
		break;
	default:
		break;
	}
}

void dvmd_services_resync(struct dvmd *d)
{
	Pb__News n = PB__NEWS__INIT;
	struct telling t = { .news = &n };

	n.kind = PB__NEWS__KIND__ALL;
	dvmd_agent_each(d->agent, tell, &t);
}
