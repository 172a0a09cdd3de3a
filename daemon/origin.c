/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#include <utlist.h>

#include "daemon/agent.h"
#include "daemon/client.h"
#include "daemon/origin.h"
#include "libdvm/base/clock.h"

#define ATTACH_GRACE  (10 * DVMI_SEC) /* for clients of before our own restart */
#define EARLY_MAX     16	      /* events kept for a client that has no answer yet */
#define INPUT_MAX     (4u << 20)      /* bytes of input kept for a job that has not started */
#define CLIENT_QUEUED (8u << 20)      /* bytes; above it output is dropped and sent again later */
#define SWEEP_MS      1000

struct early {
	struct early *next;
	size_t len;
	uint8_t body[];
};

/* A job that was started here. */
struct held {
	UT_hash_handle hh;
	uint64_t job;
	uint64_t session;    /* 0: none */
	bool client_gone;
	uint64_t orphan_since;
	struct early *early; /* JOB_EVENTs */
	unsigned n_early;
	bool started;	     /* its shepherds are there to take input */
	struct early *input; /* STDINs of before that */
	size_t input_bytes;
};

struct dvmd_origin {
	struct dvmd *d;
	uv_timer_t sweep;
	struct held *jobs;
};

static struct held *find(struct dvmd_origin *o, uint64_t job)
{
	struct held *h;

	HASH_FIND(hh, o->jobs, &job, sizeof job, h);
	return h;
}

static struct held *find_or_add(struct dvmd_origin *o, uint64_t job)
{
	struct held *h = find(o, job);

	if (h || !(h = calloc(1, sizeof *h)))
		return h;
	h->job = job;
	h->orphan_since = dvmi_clock_mono();
	HASH_ADD(hh, o->jobs, job, sizeof h->job, h);
	return h;
}

static void held_free(struct dvmd_origin *o, struct held *h)
{
	struct early *e, *tmp;

	LL_FOREACH_SAFE(h->early, e, tmp)
		free(e);
	LL_FOREACH_SAFE(h->input, e, tmp)
		free(e);
	HASH_DEL(o->jobs, h);
	free(h);
}

static int to_session(struct dvmd_origin *o, uint64_t session, uint16_t type, const uint8_t *body,
		      size_t len)
{
	return dvmd_client_reply(o->d->clients, session, type, 0, 0, body, len);
}

static struct early *early_new(const uint8_t *body, size_t len)
{
	struct early *e = malloc(sizeof *e + len);

	if (e) {
		e->next = NULL;
		e->len = len;
		memcpy(e->body, body, len);
	}
	return e;
}

static void keep_early(struct held *h, const uint8_t *body, size_t len)
{
	struct early *e = h->n_early < EARLY_MAX ? early_new(body, len) : NULL;

	if (!e)
		return;
	LL_APPEND(h->early, e);
	h->n_early++;
}

/* What does not fit is lost here and sent again: it was not acknowledged. */
static void keep_input(struct held *h, const uint8_t *body, size_t len)
{
	struct early *e = h->input_bytes + len <= INPUT_MAX ? early_new(body, len) : NULL;

	if (!e)
		return;
	LL_APPEND(h->input, e);
	h->input_bytes += len;
}

static void flush_early(struct dvmd_origin *o, struct held *h)
{
	struct early *e, *tmp;

	LL_FOREACH_SAFE(h->early, e, tmp)
	{
		LL_DELETE(h->early, e);
		to_session(o, h->session, DVMI_MSG_JOB_EVENT, e->body, e->len);
		free(e);
	}
	h->n_early = 0;
}

static void event_to(struct dvmd_origin *o, const struct held *h, const Pb__JobEvent *event)
{
	struct dvmi_buf b = { 0 };

	dvmi_pb_pack(&b, event);
	if (!b.err)
		to_session(o, h->session, DVMI_MSG_JOB_EVENT, b.data, b.len);
	dvmi_buf_free(&b);
}

Pb__JobEvent dvmd_origin_ended(const Pb__JobRecord *r)
{
	Pb__JobEvent event = PB__JOB_EVENT__INIT;

	event.job = r->id;
	event.kind = PB__JOB_EVENT__KIND__ENDED;
	event.exit_code = r->exit_code;
	event.text = r->reason;
	event.ends = r->ends ? r->ends->nodes : NULL;
	event.n_ends = r->ends ? r->ends->n_nodes : 0;
	return event;
}

/* The end of a child that ended while its client was away. */
static void tell_over(struct dvmd_origin *o, const struct held *h, const Pb__JobRecord *r)
{
	Pb__JobEvent event = dvmd_origin_ended(r);

	event_to(o, h, &event);
}

static bool is_child_here(const struct dvmd_origin *o, const Pb__JobRecord *r)
{
	return r && r->spec->parent_job && r->origin == o->d->self && !r->spec->detached;
}

/* The child's client is its parent's; it is told of the child before anything of the child. */
static void adopt(struct dvmd_origin *o, const Pb__JobRecord *r)
{
	const struct held *parent = find(o, r->spec->parent_job);
	struct held *h = find_or_add(o, r->id);
	Pb__JobEvent event = PB__JOB_EVENT__INIT;

	if (!h)
		return;
	h->client_gone = !parent || parent->client_gone;
	h->session = parent ? parent->session : 0;
	if (!h->session)
		return;
	event.job = r->id;
	event.kind = PB__JOB_EVENT__KIND__CHILD;
	event.placement = r->placement;
	event_to(o, h, &event);
	if (r->state == PB__JOB_STATE__JOB_DONE)
		tell_over(o, h, r);
	else
		flush_early(o, h);
}

/* Ids ascend, so that a parent is met before its children. */
static int adopt_if_known(const Pb__JobRecord *r, void *arg)
{
	struct dvmd_origin *o = arg;
	const struct held *parent = is_child_here(o, r) ? find(o, r->spec->parent_job) : NULL;
	const struct held *h = parent ? find(o, r->id) : NULL;

	if (parent && parent->session && (!h || h->session != parent->session))
		adopt(o, r);
	return 0;
}

void dvmd_origin_job_added(struct dvmd_origin *o, uint64_t job)
{
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state(o->d), job);

	if (is_child_here(o, r))
		adopt(o, r);
}

static void bind_session(struct dvmd_origin *o, uint64_t job, uint64_t session)
{
	struct held *h = find_or_add(o, job);

	if (!h)
		return;
	h->session = dvmd_client_alive(o->d->clients, session) ? session : 0;
	h->client_gone = !h->session;
	if (!h->session)
		return;
	flush_early(o, h);
	dvmd_cstate_each_job(dvmd_state(o->d), adopt_if_known, o);
}

static uint64_t answered_job(const struct dvmd_call *call, uint16_t type, const uint8_t *body,
			     size_t len)
{
	cleanup_pb Pb__RunReply *r = NULL;

	if ((call->type != DVMI_MSG_RUN && call->type != DVMI_MSG_ATTACH) ||
	    type == DVMI_MSG_ERROR || dvmi_pb_unpack(&pb__run_reply__descriptor, body, len, &r) < 0)
		return 0;
	return r->job;
}

bool dvmd_origin_is_held(struct dvmd_origin *o, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__AttachRequest *req = NULL;
	struct held *h = NULL;

	if (dvmi_pb_unpack(&pb__attach_request__descriptor, body, len, &req) == 0)
		h = find(o, req->job);
	return h && h->session && dvmd_client_alive(o->d->clients, h->session);
}

void dvmd_origin_answered(const struct dvmd_call *call, uint16_t type, const uint8_t *body,
			  size_t len)
{
	uint64_t job = answered_job(call, type, body, len);

	if (job)
		bind_session(call->d->origin, job, call->session);
}

static void to_node(struct dvmd_origin *o, uint32_t node, uint16_t type, const uint8_t *body,
		    size_t len)
{
	if (node == o->d->self)
		dvmd_agent_from_origin(o->d->agent, type, body, len);
	else
		dvmd_transport_send(o->d->wire, node, type, body, len);
}

/* In place of a client that is gone: its nodes' shepherds need not wait for it. */
static void ack(struct dvmd_origin *o, const Pb__OutputAck *msg)
{
	struct dvmi_buf b = { 0 };

	dvmi_pb_pack(&b, msg);
	if (!b.err)
		to_node(o, msg->node, DVMI_MSG_OUTPUT_ACK, b.data, b.len);
	dvmi_buf_free(&b);
}

/*
 * What the client has not acknowledged comes again, to be acknowledged here; a detached job, which
 * goes on, need not send it.
 */
static void release_output(struct dvmd_origin *o, const Pb__JobRecord *r)
{
	Pb__OutputAck msg = PB__OUTPUT_ACK__INIT;

	msg.job = r->id;
	msg.again = !r->spec->detached;
	msg.forget = r->spec->detached;
	for (size_t i = 0; i < r->placement->n_nodes; i++) {
		msg.node = r->placement->nodes[i]->node;
		ack(o, &msg);
	}
}

/* Asks the leader, as root would, to end a job whose client is gone. */
static void end_job(struct dvmd_origin *o, uint64_t job)
{
	struct dvmd_call *call = calloc(1, sizeof *call);
	Pb__JobSignal sig = PB__JOB_SIGNAL__INIT;
	struct dvmi_buf b = { 0 };

	if (!call)
		return;
	*call = (struct dvmd_call){ .d = o->d, .type = DVMI_MSG_SIGNAL, .origin = o->d->self };
	strcpy(call->user, "dvmd");
	sig.job = job;
	sig.end = true;
	sig.signal = 1; /* SIGHUP: as if its terminal had gone */
	sig.reason = (char *)"the dvm run that held it is gone";
	dvmi_pb_pack(&b, &sig);
	if (b.err)
		free(call);
	else
		dvmd_call_dispatch(call, b.data, b.len);
	dvmi_buf_free(&b);
}

static void on_client_gone(struct dvmd_origin *o, uint64_t job)
{
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state(o->d), job);

	if (r)
		release_output(o, r);
	if (r && r->state != PB__JOB_STATE__JOB_DONE && !r->spec->detached)
		end_job(o, job);
}

void dvmd_origin_session_gone(struct dvmd_origin *o, uint64_t session)
{
	struct held *h, *tmp;

	HASH_ITER(hh, o->jobs, h, tmp)
	{
		if (h->session != session)
			continue;
		h->session = 0;
		h->client_gone = true;
		h->orphan_since = dvmi_clock_mono();
		on_client_gone(o, h->job);
	}
}

static int sweep_record(const Pb__JobRecord *r, void *arg)
{
	struct dvmd_origin *o = arg;

	if (r->origin != o->d->self || r->spec->detached)
		return 0;
	if (r->state == PB__JOB_STATE__JOB_DONE || r->state == PB__JOB_STATE__JOB_ENDING)
		return 0;
	adopt_if_known(r, o);
	struct held *h = find_or_add(o, r->id);
	if (!h || h->session)
		return 0;
	if (h->client_gone || dvmi_clock_mono() - h->orphan_since > ATTACH_GRACE)
		end_job(o, r->id);
	return 0;
}

/* Forgets what is over: a record that is gone or done, with nobody left to be told. */
static void forget_done(struct dvmd_origin *o)
{
	struct held *h, *tmp;

	HASH_ITER(hh, o->jobs, h, tmp)
	{
		const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state(o->d), h->job);
		if (!h->session && (!r || r->state == PB__JOB_STATE__JOB_DONE) &&
		    dvmi_clock_mono() - h->orphan_since > ATTACH_GRACE)
			held_free(o, h);
	}
}

static void on_sweep(uv_timer_t *t)
{
	struct dvmd_origin *o = t->data;

	if (!o->d->ready)
		return;
	dvmd_cstate_each_job(dvmd_state(o->d), sweep_record, o);
	forget_done(o);
}

int dvmd_origin_create(struct dvmd_origin **out, struct dvmd *d)
{
	struct dvmd_origin *o = calloc(1, sizeof *o);

	if (!o)
		return -ENOMEM;
	o->d = d;
	uv_timer_init(d->loop, &o->sweep);
	o->sweep.data = o;
	uv_timer_start(&o->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	*out = o;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

void dvmd_origin_destroy(struct dvmd_origin *o)
{
	struct held *h, *tmp;

	if (!o)
		return;
	HASH_ITER(hh, o->jobs, h, tmp)
		held_free(o, h);
	uv_close((uv_handle_t *)&o->sweep, on_closed);
}

/* The job a message is about: field 1 of each of the three. */
static uint64_t job_of(uint16_t type, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__JobEvent *event = NULL;
	cleanup_pb Pb__Output *output = NULL;
	cleanup_pb Pb__StdinAck *ack = NULL;

	switch (type) {
	case DVMI_MSG_JOB_EVENT:
		return dvmi_pb_unpack(&pb__job_event__descriptor, body, len, &event) < 0 ?
			       0 :
			       event->job;
	case DVMI_MSG_OUTPUT:
		return dvmi_pb_unpack(&pb__output__descriptor, body, len, &output) < 0 ?
			       0 :
			       output->job;
	default:
		return dvmi_pb_unpack(&pb__stdin_ack__descriptor, body, len, &ack) < 0 ? 0 :
											  ack->job;
	}
}

static void stdin_to_nodes(struct dvmd_origin *o, const Pb__JobRecord *r, const uint8_t *body,
			   size_t len)
{
	for (size_t i = 0; i < r->placement->n_nodes; i++) {
		const Pb__NodeShare *s = r->placement->nodes[i];
		bool has_rank0 = s->n_ranks && s->ranks[0] == 0;
		if (has_rank0 || r->spec->stdin_to == PB__STDIN_TO__STDIN_ALL)
			to_node(o, s->node, DVMI_MSG_STDIN, body, len);
	}
}

/* The job runs: its nodes have all heard of it, and its record has come before this news. */
static void on_running(struct dvmd_origin *o, struct held *h)
{
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state(o->d), h->job);
	struct early *e, *tmp;

	h->started = true;
	LL_FOREACH_SAFE(h->input, e, tmp)
	{
		if (r)
			stdin_to_nodes(o, r, e->body, e->len);
		LL_DELETE(h->input, e);
		free(e);
	}
	h->input_bytes = 0;
}

static bool tells_running(uint16_t type, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__JobEvent *e = NULL;

	return type == DVMI_MSG_JOB_EVENT &&
	       dvmi_pb_unpack(&pb__job_event__descriptor, body, len, &e) == 0 &&
	       e->kind == PB__JOB_EVENT__KIND__STARTED;
}

static void ack_output(struct dvmd_origin *o, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__Output *out = NULL;
	Pb__OutputAck msg = PB__OUTPUT_ACK__INIT;

	if (dvmi_pb_unpack(&pb__output__descriptor, body, len, &out) < 0)
		return;
	msg.job = out->job;
	msg.node = out->node;
	msg.seq = out->seq;
	msg.forget = true; /* if the job is detached, it has not heard of it */
	ack(o, &msg);
}

void dvmd_origin_to_client(struct dvmd_origin *o, uint16_t type, const uint8_t *body, size_t len)
{
	uint64_t job = job_of(type, body, len);
	struct held *h = job ? find_or_add(o, job) : NULL;

	if (!h)
		return;
	if (!h->started && tells_running(type, body, len))
		on_running(o, h);
	if (!h->session && type == DVMI_MSG_JOB_EVENT)
		keep_early(h, body, len);
	else if (h->client_gone && type == DVMI_MSG_OUTPUT)
		ack_output(o, body, len);
	else if (h->session && (type != DVMI_MSG_OUTPUT ||
				dvmd_client_queued(o->d->clients, h->session) < CLIENT_QUEUED))
		to_session(o, h->session, type, body, len);
}

void dvmd_origin_from_client(struct dvmd_origin *o, uint64_t session, uint16_t type,
			     const uint8_t *body, size_t len)
{
	cleanup_pb Pb__OutputAck *acked = NULL;
	cleanup_pb Pb__Stdin *in = NULL;
	uint64_t job = 0;

	if (type == DVMI_MSG_STDIN && dvmi_pb_unpack(&pb__stdin__descriptor, body, len, &in) == 0)
		job = in->job;
	if (type == DVMI_MSG_OUTPUT_ACK &&
	    dvmi_pb_unpack(&pb__output_ack__descriptor, body, len, &acked) == 0)
		job = acked->job;
	struct held *h = job ? find(o, job) : NULL;
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state(o->d), job);
	if (!h || h->session != session) /* only the client that holds the job feeds it */
		return;
	if (acked)
		to_node(o, acked->node, type, body, len);
	else if (!h->started)
		keep_input(h, body, len);
	else if (r)
		stdin_to_nodes(o, r, body, len);
}
