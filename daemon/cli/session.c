/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cli/conn.h"
#include "daemon/cli/session.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"
#include "libdvm/proto/msgtype.h"
#include "libdvm/proto/stream.h"

#define GAP_MS	     200
#define HOLD_REQUEST 1u /* id of RUN and ATTACH; signals have higher ones */

enum state {
	IDLE,	 /* connected, nothing asked for yet */
	ASKED,	 /* RUN or the first ATTACH is under way */
	HOLDING, /* accepted */
	AWAY,	 /* the connection is lost; trying again */
	AGAIN,	 /* connected again, ATTACH is under way */
	OVER,
};

/* A node of the job, or of one it has spawned. */
struct node {
	uint64_t job;
	uint32_t id;
	uint64_t arrived;
	bool gap; /* something behind the next message has come: that one was lost on the way */
	bool begun; /* it has said where its output begins */
};

struct cli_session {
	uv_loop_t *loop;
	char *path;
	const struct cli_session_ops *ops;
	void *arg;
	enum state state;
	struct dvmi_stream *stream; /* NULL while AWAY */
	uv_timer_t timer;	    /* AWAY: the next try */
	uv_timer_t gap_timer;	    /* what was lost is asked for until it is there */
	unsigned open_handles;
	uint64_t give_up; /* uv_now() */
	uint64_t job;
	uint32_t request;
	struct node *nodes;
	size_t n_nodes;
	bool adopt; /* another client may have had the beginning: the first number seen counts */
};

static void try_again(uv_timer_t *t);

static void over(struct cli_session *s, const dvm_error_t *err)
{
	s->state = OVER;
	uv_timer_stop(&s->timer);
	uv_timer_stop(&s->gap_timer);
	dvmi_stream_destroy(s->stream);
	s->stream = NULL;
	s->ops->failed(err, s->arg);
}

static void fail(struct cli_session *s, int code, const char *text)
{
	dvm_error_t err;

	dvmi_error_set(&err, code, "%s", text);
	over(s, &err);
}

/* ---- what has arrived of each node's output ---- */

static struct node *find_node(const struct cli_session *s, uint64_t job, uint32_t id)
{
	for (size_t i = 0; i < s->n_nodes; i++)
		if (s->nodes[i].id == id && s->nodes[i].job == job)
			return &s->nodes[i];
	return NULL;
}

static struct node *node_of(struct cli_session *s, uint64_t job, uint32_t id)
{
	struct node *n = find_node(s, job, id);

	if (n)
		return n;
	struct node *nodes = realloc(s->nodes, (s->n_nodes + 1) * sizeof *nodes);
	if (!nodes)
		return NULL;
	s->nodes = nodes;
	nodes[s->n_nodes] = (struct node){ .job = job, .id = id };
	return &nodes[s->n_nodes++];
}

uint64_t cli_session_arrived(const struct cli_session *s, uint64_t job, uint32_t node)
{
	const struct node *n = find_node(s, job, node);

	return n ? n->arrived : 0;
}

/* ---- losing and finding the connection ---- */

static void lost(struct cli_session *s)
{
	dvmi_stream_destroy(s->stream);
	s->stream = NULL;
	if (s->state != AGAIN)
		s->give_up = uv_now(s->loop) + CLI_SESSION_GIVE_UP;
	s->state = AWAY;
	uv_timer_start(&s->timer, try_again, CLI_SESSION_RETRY_MS, 0);
}

static void on_closed(struct dvmi_stream *stream, int code, void *arg)
{
	struct cli_session *s = arg;

	if (code == -DVM_EVERSION)
		fail(s, code, "dvmd speaks another version of the protocol");
	else if (s->state == HOLDING || s->state == AGAIN)
		lost(s);
	else
		fail(s, -DVM_EPEERLOST,
		     "dvmd went away before it answered; `dvm jobs` tells whether the job was "
		     "started");
}

static int send_attach(struct cli_session *s)
{
	Pb__AttachRequest req;
	Pb__OutputAck *acks = calloc(s->n_nodes + 1, sizeof *acks);
	Pb__OutputAck **list = calloc(s->n_nodes + 1, sizeof *list);
	int rc = -ENOMEM;

	if (acks && list) {
		pb__attach_request__init(&req);
		req.job = s->job;
		for (size_t i = 0; i < s->n_nodes; i++) {
			pb__output_ack__init(&acks[i]);
			acks[i].job = s->nodes[i].job;
			acks[i].node = s->nodes[i].id;
			acks[i].seq = s->nodes[i].arrived;
			list[i] = &acks[i];
		}
		req.have = list;
		req.n_have = s->n_nodes;
		rc = dvmi_stream_send_pb(
			s->stream,
			(struct dvmi_envelope){ .type = DVMI_MSG_ATTACH, .request = HOLD_REQUEST },
			&req);
	}
	free(acks);
	free(list);
	return rc;
}

static int connect_stream(struct cli_session *s, dvm_error_t *err);

static void try_again(uv_timer_t *t)
{
	struct cli_session *s = t->data;

	if (uv_now(s->loop) >= s->give_up) {
		fail(s, -DVM_EPEERLOST, "the connection to dvmd was lost and did not come back");
		return;
	}
	if (connect_stream(s, NULL) == 0 && send_attach(s) == 0) {
		s->state = AGAIN;
		return;
	}
	dvmi_stream_destroy(s->stream);
	s->stream = NULL;
	uv_timer_start(&s->timer, try_again, CLI_SESSION_RETRY_MS, 0);
}

/* ---- sending ---- */

static int send_now(struct cli_session *s, uint16_t type, uint32_t request, const void *msg)
{
	if (s->state != HOLDING)
		return -ENOTCONN;
	return dvmi_stream_send_pb(s->stream,
				   (struct dvmi_envelope){ .type = type, .request = request }, msg);
}

static int send_ack(struct cli_session *s, uint64_t job, uint32_t node, uint64_t seq, bool again)
{
	Pb__OutputAck ack;

	pb__output_ack__init(&ack);
	ack.job = job;
	ack.node = node;
	ack.seq = seq;
	ack.again = again;
	return send_now(s, DVMI_MSG_OUTPUT_ACK, 0, &ack);
}

static void start_gap_timer(struct cli_session *s);

/* The nodes of a detached job send nothing before they are asked. */
static void listen_to(struct cli_session *s, struct node *n)
{
	Pb__OutputAck ack;

	pb__output_ack__init(&ack);
	ack.job = s->job;
	ack.node = n->id;
	ack.again = ack.forget = true;
	n->gap = true; /* a node where the job has not started yet does not hear it: asked again */
	send_now(s, DVMI_MSG_OUTPUT_ACK, 0, &ack);
	start_gap_timer(s);
}

int cli_session_ack(struct cli_session *s, uint64_t job, uint32_t node, uint64_t seq)
{
	return send_ack(s, job, node, seq, false);
}

/* ---- messages ---- */

static void on_reply(struct cli_session *s, const Pb__RunReply *r)
{
	bool first = s->state == ASKED;

	if (s->state != ASKED && s->state != AGAIN)
		return;
	s->state = HOLDING;
	if (first) {
		s->job = r->job;
		for (size_t i = 0; r->placement && i < r->placement->n_nodes; i++)
			node_of(s, r->job, r->placement->nodes[i]->node);
		s->ops->accepted(r, s->arg);
		for (size_t i = 0; r->detached && i < s->n_nodes; i++)
			listen_to(s, &s->nodes[i]);
	} else {
		/* What was under way when the connection broke is lost. */
		for (size_t i = 0; i < s->n_nodes; i++)
			cli_session_ask_again(s, s->nodes[i].job, s->nodes[i].id);
		s->ops->resumed(s->arg);
	}
}

/* A dvmd that has just started may not know the machine yet: that is no answer. */
static bool is_passing(int code)
{
	return code == -EAGAIN || code == -DVM_ENOQUORUM || code == -DVM_ESTALEVIEW ||
	       code == -DVM_EPEERLOST || code == -ETIMEDOUT;
}

static void on_error(struct cli_session *s, uint32_t request, const Pb__Error *e)
{
	dvm_error_t err;

	dvmi_error_set(&err, e->code < 0 ? e->code : -EIO, "%s", e->text);
	if (request != HOLD_REQUEST)
		s->ops->refused(&err, s->arg);
	else if (s->state == AGAIN && is_passing(err.code))
		lost(s);
	else
		over(s, &err);
}

void cli_session_ask_again(struct cli_session *s, uint64_t job, uint32_t node)
{
	send_ack(s, job, node, cli_session_arrived(s, job, node), true);
}

static void on_gap_timer(uv_timer_t *t)
{
	struct cli_session *s = t->data;
	bool any = false;

	for (size_t i = 0; i < s->n_nodes; i++) {
		if (s->nodes[i].gap)
			cli_session_ask_again(s, s->nodes[i].job, s->nodes[i].id);
		any |= s->nodes[i].gap;
	}
	if (!any)
		uv_timer_stop(t);
}

static void start_gap_timer(struct cli_session *s)
{
	if (!uv_is_active((uv_handle_t *)&s->gap_timer))
		uv_timer_start(&s->gap_timer, on_gap_timer, GAP_MS, GAP_MS);
}

/* Not the next one: a repeat of what is here already, or the sign that one was lost before it. */
static void on_wrong_output(struct cli_session *s, struct node *n, uint64_t seq)
{
	if (seq <= n->arrived) {
		cli_session_ack(s, n->job, n->id, n->arrived); /* the first one did not get there */
	} else if (!n->gap) {
		n->gap = true;
		cli_session_ask_again(s, n->job, n->id);
		start_gap_timer(s);
	}
}

/* What came before is not there to be asked for. Known in the first one; else we were slow. */
static void on_begin(struct cli_session *s, struct node *n, uint64_t seq)
{
	if (seq > n->arrived) {
		n->arrived = seq - 1;
		if (n->begun)
			s->ops->dropped(n->id, s->arg);
	}
	n->begun = true;
}

static void on_output(struct cli_session *s, Pb__Output *o)
{
	/* Of a child it is known which nodes there are; it is sent again when it is. */
	struct node *n = o->job == s->job ? node_of(s, o->job, o->node) :
					    find_node(s, o->job, o->node);

	if (n && o->begin && o->seq)
		on_begin(s, n, o->seq);
	if (n && s->adopt && n->arrived == 0 && o->seq && n->job == s->job)
		n->arrived = o->seq - 1;
	if (n && o->seq == n->arrived + 1) {
		n->arrived = o->seq;
		n->gap = false;
		s->ops->output(o, s->arg);
		return;
	}
	if (n)
		on_wrong_output(s, n, o->seq);
	dvmi_pb_free(o);
}

static void *decode(struct cli_session *s, const ProtobufCMessageDescriptor *desc,
		    const uint8_t *body, size_t len)
{
	void *msg = NULL;

	if (dvmi_pb_unpack(desc, body, len, &msg) < 0)
		fail(s, -DVM_EPROTO, "dvmd sent a message that cannot be read");
	return msg;
}

static bool is_known(const struct cli_session *s, uint64_t job)
{
	for (size_t i = 0; i < s->n_nodes; i++)
		if (s->nodes[i].job == job)
			return true;
	return false;
}

/* What its nodes have sent until now went nowhere. */
static void add_child(struct cli_session *s, const Pb__JobEvent *e)
{
	for (size_t i = 0; e->placement && i < e->placement->n_nodes; i++)
		if (node_of(s, e->job, e->placement->nodes[i]->node))
			cli_session_ask_again(s, e->job, e->placement->nodes[i]->node);
}

static void on_event(struct cli_session *s, const Pb__JobEvent *e)
{
	bool known = e->job == s->job || is_known(s, e->job);

	if (e->kind == PB__JOB_EVENT__KIND__CHILD)
		add_child(s, e);
	if (known != (e->kind == PB__JOB_EVENT__KIND__CHILD))
		s->ops->event(e, s->arg);
}

/* What answers a request: the first is the hold on the job, further ones are signals' OKs. */
static void on_answer(struct cli_session *s, const struct dvmi_envelope *env, const uint8_t *body,
		      size_t len)
{
	cleanup_pb void *msg = NULL;

	if (env->type == DVMI_MSG_ERROR) {
		if ((msg = decode(s, &pb__error__descriptor, body, len)))
			on_error(s, env->request, msg);
	} else if (env->request == HOLD_REQUEST) {
		if ((msg = decode(s, &pb__run_reply__descriptor, body, len)))
			on_reply(s, msg);
	}
}

static void dispatch(struct cli_session *s, const struct dvmi_envelope *env, const uint8_t *body,
		     size_t len)
{
	cleanup_pb void *msg = NULL;

	if (env->flags & DVMI_FLAG_REPLY) {
		on_answer(s, env, body, len);
		return;
	}
	switch (env->type) {
	case DVMI_MSG_OUTPUT:
		if ((msg = decode(s, &pb__output__descriptor, body, len)))
			on_output(s, take_ptr(msg));
		break;
	case DVMI_MSG_JOB_EVENT:
		if ((msg = decode(s, &pb__job_event__descriptor, body, len)))
			on_event(s, msg);
		break;
	case DVMI_MSG_STDIN_ACK:
		if ((msg = decode(s, &pb__stdin_ack__descriptor, body, len)))
			s->ops->stdin_ack(msg, s->arg);
		break;
	default: /* whatever a newer dvmd may say */
		break;
	}
}

static void on_message(struct dvmi_stream *stream, const struct dvmi_envelope *env,
		       const uint8_t *body, size_t len, void *arg)
{
	struct cli_session *s = arg;

	/* After OVER, or from a connection that was given up within this very batch. */
	if (s->state != OVER && s->stream == stream)
		dispatch(s, env, body, len);
}

static const struct dvmi_stream_ops stream_ops = { .message = on_message, .closed = on_closed };

static int connect_stream(struct cli_session *s, dvm_error_t *err)
{
	int fd = cli_connect(s->path, err);

	if (fd < 0)
		return fd;
	int rc = dvmi_stream_open(&s->stream, s->loop, fd, &stream_ops, s);
	return rc < 0 ? dvmi_error_code(err, rc, "%s", s->path) : 0;
}

/* ---- the caller's side ---- */

static void on_freed(uv_handle_t *h)
{
	struct cli_session *s = h->data;

	if (--s->open_handles)
		return;
	free(s->nodes);
	free(s->path);
	free(s);
}

int cli_session_open(struct cli_session **out, uv_loop_t *loop, const char *path,
		     const struct cli_session_ops *ops, void *arg, dvm_error_t *err)
{
	struct cli_session *s = calloc(1, sizeof *s);

	if (!s || !(s->path = strdup(path))) {
		free(s);
		return dvmi_error_code(err, -ENOMEM, "connecting to dvmd");
	}
	s->loop = loop;
	s->ops = ops;
	s->arg = arg;
	s->request = HOLD_REQUEST;
	uv_timer_init(loop, &s->timer);
	uv_timer_init(loop, &s->gap_timer);
	s->timer.data = s->gap_timer.data = s;
	s->open_handles = 2;
	int rc = connect_stream(s, err);
	if (rc < 0) {
		cli_session_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

void cli_session_close(struct cli_session *s)
{
	if (!s)
		return;
	s->state = OVER;
	dvmi_stream_destroy(s->stream);
	s->stream = NULL;
	uv_close((uv_handle_t *)&s->timer, on_freed);
	uv_close((uv_handle_t *)&s->gap_timer, on_freed);
}

int cli_session_run(struct cli_session *s, const Pb__RunRequest *req)
{
	s->state = ASKED;
	return dvmi_stream_send_pb(
		s->stream, (struct dvmi_envelope){ .type = DVMI_MSG_RUN, .request = HOLD_REQUEST },
		req);
}

int cli_session_attach(struct cli_session *s, uint64_t job)
{
	s->state = ASKED;
	s->adopt = true;
	s->job = job;
	return send_attach(s);
}

uint64_t cli_session_job(const struct cli_session *s)
{
	return s->job;
}

int cli_session_signal(struct cli_session *s, const Pb__JobSignal *sig)
{
	return send_now(s, DVMI_MSG_SIGNAL, ++s->request, sig);
}

int cli_session_stdin(struct cli_session *s, const Pb__Stdin *in)
{
	return send_now(s, DVMI_MSG_STDIN, 0, in);
}

bool cli_session_flushed(const struct cli_session *s)
{
	return !s->stream || dvmi_stream_queued(s->stream) == 0;
}
