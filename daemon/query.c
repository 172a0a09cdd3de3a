/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/live.h"
#include "daemon/logring.h"
#include "daemon/assign.h"
#include "daemon/queue.h"
#include "daemon/query.h"
#include "daemon/services.h"
#include "daemon/topo.h"
#include "libdvm/base/clock.h"

void dvmd_query_info(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct dvmd *d = call->d;
	Pb__InfoReply r = PB__INFO_REPLY__INIT;

	r.machine = (char *)d->setup.machine;
	r.node = d->self;
	r.name = (char *)d->setup.name;
	r.address = (char *)d->setup.address;
	r.port = d->setup.port;
	r.version = (char *)PACKAGE_VERSION;
	r.pid = (uint32_t)getpid();
	r.run_dir = (char *)d->setup.run_dir;
	r.state_dir = (char *)d->setup.state_dir;
	r.leader = d->self ? DVMD_LEADER : 0;
	r.view = dvmd_cstate_index(dvmd_state(d));
	r.ready = d->ready;
	dvmd_call_answer(&call, DVMI_MSG_INFO, &r);
}

/* ---- nodes ---- */

struct nodes {
	const struct dvmd *d;
	Pb__NodeInfo *infos;
	Pb__NodeInfo **list;
	size_t n;
};

static const char *state_text(const struct dvmd *d, const Pb__Member *m)
{
	struct dvmd_member_info info;

	if (dvmd_live_info(d->live, m->id, &info) < 0 || info.state == DVMI_MEMBER_ALIVE)
		return m->state == PB__MEMBER_STATE__MEMBER_UP ? "up" : "down";
	return info.state == DVMI_MEMBER_SUSPECT ? "suspect" : "down";
}

static uint32_t count_cores(const Pb__Member *m)
{
	struct dvmd_topo topo = { 0 };
	uint32_t n = 0;

	if (dvmd_topo_decode(&topo, m->topology.data, m->topology.len) == 0)
		n = topo.cpus.ncores;
	dvmd_topo_free(&topo);
	return n;
}

static int add_node(const Pb__Member *m, void *arg)
{
	struct nodes *ns = arg;
	Pb__NodeInfo *info = &ns->infos[ns->n];
	struct dvmd_member_info live;

	pb__node_info__init(info);
	info->id = m->id;
	info->name = m->name;
	info->state = (char *)state_text(ns->d, m);
	info->address = m->address;
	info->port = m->port;
	info->version = m->version;
	info->cores = count_cores(m);
	info->slots = m->slots ? m->slots : info->cores;
	info->slots_used = dvmd_assign_slots_used(ns->d, m->id);
	info->mem_total = m->memory;
	info->since = dvmd_steady_shown(&ns->d->clock, m->since);
	info->leader = m->id == DVMD_LEADER;
	info->self = m->id == ns->d->self;
	info->host = m->host;
	info->draining = m->draining;
	info->drain_why = m->drain_why;
	info->drained_by = m->drained_by;
	info->drained = dvmd_steady_shown(&ns->d->clock, m->drained);
	info->kvm = m->kvm;
	info->kvm_why = m->kvm_why;
	if (dvmd_live_info(ns->d->live, m->id, &live) == 0) {
		info->mem_free = live.load.mem_free;
		info->load_100 = live.load.load100;
	}
	ns->list[ns->n++] = info;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const Pb__NodeInfo *const *x = a, *const *y = b;

	return strverscmp((*x)->name, (*y)->name);
}

void dvmd_query_nodes(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	const struct dvmd_cstate *st = dvmd_state(call->d);
	size_t max = dvmd_cstate_members(st) + 1;
	dvmd_services_nodes(call);
	struct nodes ns = { .d = call->d,
			    .infos = calloc(max, sizeof *ns.infos),
			    .list = calloc(max, sizeof *ns.list) };
	Pb__NodesReply r = PB__NODES_REPLY__INIT;

	if (!ns.infos || !ns.list) {
		dvmd_call_error(&call, -ENOMEM, "out of memory");
	} else {
		dvmd_cstate_each_member(st, add_node, &ns);
		qsort(ns.list, ns.n, sizeof *ns.list, by_name);
		r.machine = (char *)call->d->setup.machine;
		r.view = dvmd_cstate_index(st);
		r.nodes = ns.list;
		r.n_nodes = ns.n;
		dvmd_call_answer(&call, DVMI_MSG_NODES, &r);
	}
	free(ns.infos);
	free(ns.list);
}

/* ---- jobs ---- */

struct jobs {
	const struct dvmd *d;
	const Pb__JobsRequest *req;
	Pb__JobsReply reply;
};

static const char *const job_states[] = {
	[PB__JOB_STATE__JOB_LAUNCHING] = "launching",
	[PB__JOB_STATE__JOB_RUNNING] = "running",
	[PB__JOB_STATE__JOB_ENDING] = "ending",
	[PB__JOB_STATE__JOB_DONE] = "done",
};

static int node_names(const Pb__JobRecord *r, Pb__JobInfo *info)
{
	info->nodes = calloc(r->placement->n_nodes + 1, sizeof *info->nodes);
	if (!info->nodes)
		return -ENOMEM;
	for (size_t i = 0; i < r->placement->n_nodes; i++)
		info->nodes[info->n_nodes++] = r->placement->nodes[i]->name;
	return 0;
}

static int fill_job(const struct dvmd *d, const Pb__JobRecord *r, bool one, Pb__JobInfo *info)
{
	char buf[32];

	pb__job_info__init(info);
	info->id = r->id;
	info->name = r->spec->name;
	info->user = r->spec->user;
	info->owner = r->spec->uid + UINT64_C(1);
	info->state = (char *)(r->suspended ? "suspended" : job_states[r->state]);
	info->ranks = r->placement->ranks;
	info->submitted = dvmd_steady_shown(&d->clock, r->submitted);
	info->started = dvmd_steady_shown(&d->clock, r->started);
	info->ended = dvmd_steady_shown(&d->clock, r->ended);
	info->exit_code = r->exit_code;
	info->reason = r->reason;
	info->argv = r->spec->argv;
	info->n_argv = r->spec->n_argv;
	info->detached = r->spec->detached;
	info->parent = r->spec->parent_job;
	info->parent_rank = r->spec->parent_rank;
	info->placement = one ? r->placement : NULL;
	info->array = r->spec->array;
	info->limit = r->spec->timeout_ns;
	info->task = r->spec->task;
	info->account = r->spec->account;
	info->restarts = r->restarts;
	info->next = r->next;
	info->ranks_max = r->spec->ranks_max;
	info->ranks_all = r->spec->ranks_max ? dvmd_queue_ranks(dvmd_state(d), r) : 0;
	info->lent = r->spec->lent;
	info->wanted_by = r->wanted_by;
	/* Owned by the reply, unlike all above. */
	info->origin = strdup(dvmd_node_name(d, r->origin, buf));
	return info->origin ? node_names(r, info) : -ENOMEM;
}

/* One more in the list; NULL: out of memory. */
static Pb__JobInfo *next_job(struct jobs *js)
{
	Pb__JobInfo **list = reallocarray(js->reply.jobs, js->reply.n_jobs + 1, sizeof *list);
	Pb__JobInfo *info = malloc(sizeof *info);
	if (list)
		js->reply.jobs = list;
	if (!list || !info) {
		free(info);
		return NULL;
	}
	pb__job_info__init(info);
	info->origin = NULL;
	return list[js->reply.n_jobs++] = info;
}

static int add_job(const Pb__JobRecord *r, void *arg)
{
	struct jobs *js = arg;
	bool over = r->state == PB__JOB_STATE__JOB_DONE;

	if (js->req->job ? r->id != js->req->job && r->spec->array != js->req->job :
			   over && !js->req->all)
		return 0;
	Pb__JobInfo *info = next_job(js);
	return info ? fill_job(js->d, r, r->id == js->req->job, info) : -ENOMEM;
}

/* FROM's reason lives no longer than this call: ours is the reply's, as what has a `why` tells. */
static int add_waiting(const Pb__Waiting *w, Pb__JobInfo *from, void *arg)
{
	struct jobs *js = arg;
	char buf[32];

	if (js->req->job && w->id != js->req->job && w->array != js->req->job)
		return 0;
	Pb__JobInfo *info = next_job(js);
	if (!info)
		return -ENOMEM;
	*info = *from;
	info->reason = strdup(from->reason);
	info->origin = strdup(dvmd_node_name(js->d, w->origin, buf));
	return info->reason && info->origin ? 0 : -ENOMEM;
}

static void free_jobs(struct jobs *js)
{
	for (size_t i = 0; i < js->reply.n_jobs; i++) {
		if (*js->reply.jobs[i]->why)
			free(js->reply.jobs[i]->reason);
		free(js->reply.jobs[i]->origin);
		free(js->reply.jobs[i]->nodes);
		free(js->reply.jobs[i]);
	}
	free(js->reply.jobs);
}

void dvmd_query_jobs(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__JobsRequest *req = NULL;
	struct jobs js = { .d = call->d, .reply = PB__JOBS_REPLY__INIT };

	if (dvmi_pb_unpack(&pb__jobs_request__descriptor, body, len, &req) < 0) {
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
		return;
	}
	if (req->progress) {
		dvmd_query_progress(call, req->job, body, len);
		return;
	}
	/* Why jobs wait is known where it is decided. */
	bool queue = dvmd_cstate_queued(dvmd_state(call->d)) > 0;
	if (queue && !dvmd_leads(call->d)) {
		dvmd_call_forward(call, DVMD_LEADER, body, len);
		return;
	}
	js.req = req;
	if (dvmd_cstate_each_job(dvmd_state(call->d), add_job, &js) < 0 ||
	    (queue && dvmd_queue_explain(call->d, add_waiting, &js) < 0))
		dvmd_call_error(&call, -ENOMEM, "out of memory");
	else if (req->job && !js.reply.n_jobs && !dvmd_leads(call->d)) /* which may know more by now */
		dvmd_call_forward(call, DVMD_LEADER, body, len);
	else if (req->job && !js.reply.n_jobs)
		dvmd_call_error(&call, -ENOENT, "no job %llu", (unsigned long long)req->job);
	else
		dvmd_call_answer(&call, DVMI_MSG_JOBS, &js.reply);
	free_jobs(&js);
}

/* ---- the log of a node ---- */

static void answer_log(struct dvmd_call *call, const Pb__LogRequest *req)
{
	Pb__LogReply *r = dvmd_logring_reply(call->d->ring, req->lines, (int)req->level);

	if (r)
		dvmd_call_answer(&call, DVMI_MSG_LOG, r);
	else
		dvmd_call_error(&call, -ENOMEM, "out of memory");
	dvmi_pb_free(r);
}

void dvmd_query_log(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct dvmd *d = call->d;
	cleanup_pb Pb__LogRequest *req = NULL;

	if (dvmi_pb_unpack(&pb__log_request__descriptor, body, len, &req) < 0) {
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
		return;
	}
	const Pb__Member *m = *req->node ? dvmd_cstate_member_by_name(dvmd_state(d), req->node) :
					   NULL;
	if (!*req->node || (m && m->id == d->self))
		answer_log(call, req);
	else if (!m)
		dvmd_call_error(&call, -ENOENT, "no node is called %s", req->node);
	else
		dvmd_call_forward(call, m->id, body, len);
}
