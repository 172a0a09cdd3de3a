/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes through this node between the shepherds of jobs and everybody else. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "daemon/agent_private.h"
#include "daemon/origin.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define WAITING_MAX (4u << 20) /* bytes */

/* ---- to the shepherd ---- */

void dvmd_share_forget_waiting(struct dvmd_share *s)
{
	struct dvmd_waiting *w, *tmp;

	LL_FOREACH_SAFE(s->waiting, w, tmp)
		free(w);
	s->waiting = NULL;
	s->waiting_bytes = 0;
}

static void keep_waiting(struct dvmd_share *s, uint16_t type, const uint8_t *body, size_t len)
{
	struct dvmd_waiting *w =
		s->waiting_bytes + len < WAITING_MAX ? malloc(sizeof *w + len) : NULL;

	if (!w)
		return;
	w->type = type;
	w->len = len;
	memcpy(w->body, body, len);
	LL_APPEND(s->waiting, w);
	s->waiting_bytes += len;
}

void dvmd_share_to_shepherd(struct dvmd_share *s, uint16_t type, const uint8_t *body, size_t len)
{
	if (s->stream)
		dvmi_stream_send(s->stream, (struct dvmi_envelope){ .type = type }, body, len);
	else
		keep_waiting(s, type, body, len);
}

void dvmd_share_flush_waiting(struct dvmd_share *s)
{
	const struct dvmd_waiting *w;

	LL_FOREACH(s->waiting, w)
		dvmd_share_to_shepherd(s, w->type, w->body, w->len);
	dvmd_share_forget_waiting(s);
}

/* ---- from the shepherd ---- */

/* A shepherd runs as the job's user: it may speak for its own share only. */
static bool speaks_for(const struct dvmd_share *s, uint16_t type, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__Output *out = NULL;
	cleanup_pb Pb__StdinAck *ack = NULL;
	uint32_t self = s->agent->d->self;

	if (type == DVMI_MSG_OUTPUT)
		return dvmi_pb_unpack(&pb__output__descriptor, body, len, &out) == 0 &&
		       out->job == s->job && out->node == self;
	return dvmi_pb_unpack(&pb__stdin_ack__descriptor, body, len, &ack) == 0 &&
	       ack->job == s->job && ack->node == self;
}

static void to_origin(struct dvmd_share *s, uint16_t type, const uint8_t *body, size_t len)
{
	struct dvmd *d = s->agent->d;

	if (!speaks_for(s, type, body, len))
		return;
	if (s->origin == d->self)
		dvmd_origin_to_client(d->origin, type, body, len);
	else
		dvmd_transport_send(d->wire, s->origin, type, body, len);
}

/* To a shepherd of another job, in the name of this one and of its user. */
static void to_other_job(struct dvmd_share *s, Pb__PeerMessage *m)
{
	struct dvmd *d = s->agent->d;
	struct dvmi_buf b = { 0 };

	m->from = d->self;
	m->uid = s->uid;
	dvmi_pb_pack(&b, m);
	if (!b.err && m->to == d->self)
		dvmd_agent_from_origin(s->agent, DVMI_MSG_PEER, b.data, b.len);
	else if (!b.err)
		dvmd_transport_send(d->wire, m->to, DVMI_MSG_PEER, b.data, b.len);
	dvmi_buf_free(&b);
}

static void to_peers(struct dvmd_share *s, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__PeerMessage *m = NULL;
	struct dvmd *d = s->agent->d;

	if (dvmi_pb_unpack(&pb__peer_message__descriptor, body, len, &m) < 0)
		return;
	if (m->from_job && m->from_job == s->job && m->job != s->job)
		to_other_job(s, m);
	if (m->from_job || m->job != s->job)
		return;
	for (size_t i = 0; i < s->placement->n_nodes; i++) {
		uint32_t node = s->placement->nodes[i]->node;
		if (node != d->self && (m->to == 0 || m->to == node))
			dvmd_transport_send(d->wire, node, DVMI_MSG_PEER, body, len);
	}
}

void dvmd_agent_message(struct dvmd_agent *a, struct dvmd_share *s, const struct dvmi_envelope *env,
			const uint8_t *body, size_t len)
{
	Pb__JobStatus *st = NULL;

	switch (env->type) {
	case DVMI_MSG_JOB_STATUS:
		if (dvmi_pb_unpack(&pb__job_status__descriptor, body, len, &st) == 0)
			dvmd_share_take_status(s, st);
		break;
	case DVMI_MSG_OUTPUT:
	case DVMI_MSG_STDIN_ACK:
		to_origin(s, env->type, body, len);
		break;
	case DVMI_MSG_PEER:
		to_peers(s, body, len);
		break;
	default:
		dvmi_log(&a->d->log, "job", LOG_WARNING, "unexpected message %#x of a shepherd",
			 env->type);
	}
}

/* ---- from the leader and the origin ---- */

static int on_kill(struct dvmd_agent *a, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__JobSignal *sig = NULL;

	if (dvmi_pb_unpack(&pb__job_signal__descriptor, body, len, &sig) < 0)
		return -DVM_EPROTO;
	struct dvmd_share *s = dvmd_agent_share(a, sig->job);
	if (s)
		dvmd_share_to_shepherd(s, DVMI_MSG_JOB_KILL, body, len);
	else
		dvmd_agent_report_failed(a, NULL, sig->job, -ENOENT,
					 "the job is not known on this node");
	return 0;
}

static int on_release(struct dvmd_agent *a, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__JobRef *ref = NULL;

	if (dvmi_pb_unpack(&pb__job_ref__descriptor, body, len, &ref) < 0)
		return -DVM_EPROTO;
	struct dvmd_share *s = dvmd_agent_share(a, ref->job);
	if (!s)
		return 0;
	if (!s->released)
		s->released_at = dvmi_clock_mono();
	s->released = true;
	dvmd_share_to_shepherd(s, DVMI_MSG_JOB_RELEASE, body, len);
	if (!s->stream && !s->child)
		dvmd_share_remove(s);
	return 0;
}

static int on_lost(struct dvmd_agent *a, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__RanksState *lost = NULL;

	if (dvmi_pb_unpack(&pb__ranks_state__descriptor, body, len, &lost) < 0)
		return -DVM_EPROTO;
	struct dvmd_share *s = dvmd_agent_share(a, lost->job);
	if (s)
		dvmd_share_to_shepherd(s, DVMI_MSG_RANKS_LOST, body, len);
	return 0;
}

static int on_status_wanted(struct dvmd_agent *a, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__JobRef *ref = NULL;

	if (dvmi_pb_unpack(&pb__job_ref__descriptor, body, len, &ref) < 0)
		return -DVM_EPROTO;
	struct dvmd_share *s = dvmd_agent_share(a, ref->job);
	if (!s) {
		dvmd_agent_report_failed(a, NULL, ref->job, -ENOENT,
					 "the job never started on this node");
		return 0;
	}
	dvmd_share_report(s);
	/* What its ranks have used has changed since. */
	if (s->stream && !dvmd_status_is_final(s->status))
		dvmd_share_to_shepherd(s, DVMI_MSG_STATUS_WANTED, body, len);
	return 0;
}

int dvmd_agent_from_leader(struct dvmd_agent *a, uint16_t type, const uint8_t *body, size_t len)
{
	switch (type) {
	case DVMI_MSG_JOB_KILL:
		return on_kill(a, body, len);
	case DVMI_MSG_JOB_RELEASE:
		return on_release(a, body, len);
	case DVMI_MSG_RANKS_LOST:
		return on_lost(a, body, len);
	case DVMI_MSG_STATUS_WANTED:
		return on_status_wanted(a, body, len);
	default:
		return -DVM_EPROTO;
	}
}

void dvmd_agent_from_origin(struct dvmd_agent *a, uint16_t type, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__Stdin *in = NULL;
	cleanup_pb Pb__OutputAck *ack = NULL;
	cleanup_pb Pb__PeerMessage *peer = NULL;
	uint64_t job = 0;

	if (type == DVMI_MSG_STDIN && !dvmi_pb_unpack(&pb__stdin__descriptor, body, len, &in))
		job = in->job;
	if (type == DVMI_MSG_OUTPUT_ACK &&
	    !dvmi_pb_unpack(&pb__output_ack__descriptor, body, len, &ack))
		job = ack->job;
	if (type == DVMI_MSG_PEER &&
	    !dvmi_pb_unpack(&pb__peer_message__descriptor, body, len, &peer))
		job = peer->job;
	struct dvmd_share *s = dvmd_agent_share(a, job);
	/* Jobs of two users have nothing to say to each other. */
	if (s && peer && peer->from_job && peer->uid != s->uid)
		return;
	if (s)
		dvmd_share_to_shepherd(s, type, body, len);
}
