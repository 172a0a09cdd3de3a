/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/absent.h"
#include "daemon/call.h"
#include "daemon/client.h"
#include "daemon/doctor.h"
#include "daemon/drain.h"
#include "daemon/history.h"
#include "daemon/lead.h"
#include "daemon/logs.h"
#include "daemon/origin.h"
#include "daemon/query.h"
#include "daemon/queue.h"
#include "daemon/reserve.h"
#include "daemon/roster.h"
#include "daemon/services.h"
#include "libdvm/base/buf.h"
#include "libdvm/base/clock.h"

#define FORWARD_TIMEOUT (20 * DVMI_SEC)

typedef void handler_fn(struct dvmd_call *call, const uint8_t *body, size_t len);

/* Which node serves a request, and what. A handler takes the call and answers it. */
static const struct {
	uint16_t type;
	bool at_leader;
	bool for_jobs; /* a shepherd may ask, too */
	handler_fn *fn;
} handlers[] = {
	{ DVMI_MSG_INFO, false, false, dvmd_query_info },
	{ DVMI_MSG_NODES, false, true, dvmd_query_nodes },
	{ DVMI_MSG_JOBS, false, false, dvmd_query_jobs },
	{ DVMI_MSG_PS, true, false, dvmd_lead_ps },
	{ DVMI_MSG_RUN, true, true, dvmd_lead_run },
	{ DVMI_MSG_ATTACH, true, false, dvmd_lead_attach },
	{ DVMI_MSG_SIGNAL, true, true, dvmd_lead_signal },
	{ DVMI_MSG_TOKEN, false, false, dvmd_roster_serve_token },
	{ DVMI_MSG_REMOVE, true, true, dvmd_roster_serve_remove },
	{ DVMI_MSG_HALT, true, false, dvmd_roster_serve_halt },
	{ DVMI_MSG_LEAVE, false, false, dvmd_roster_serve_leave },
	{ DVMI_MSG_LOG, false, false, dvmd_query_log },
	{ DVMI_MSG_LOGS, false, false, dvmd_logs_serve },
	{ DVMI_MSG_DOCTOR, false, false, dvmd_doctor_serve },
	{ DVMI_MSG_SUBMIT, true, false, dvmd_queue_submit },
	{ DVMI_MSG_QUEUE, true, false, dvmd_queue_change },
	{ DVMI_MSG_DRAIN, true, false, dvmd_drain_serve },
	{ DVMI_MSG_TURN, true, false, dvmd_queue_turn },
	{ DVMI_MSG_RESERVE, true, false, dvmd_reserve_serve },
	{ DVMI_MSG_HISTORY, true, false, dvmd_history_serve },
	{ DVMI_MSG_JOB_RECORD, false, true, dvmd_services_record },
	{ DVMI_MSG_NAME_PUT, true, true, dvmd_services_name_put },
	{ DVMI_MSG_NAME_GET, false, true, dvmd_services_name_get },
	{ DVMI_MSG_NAME_DROP, true, true, dvmd_services_name_drop },
	{ DVMI_MSG_HOST_ADD, false, true, dvmd_host_add_serve },
};

bool dvmd_call_is_admin(const struct dvmd_call *call)
{
	return dvmd_call_may(call, getuid());
}

static int find_handler(uint16_t type)
{
	for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
		if (handlers[i].type == type)
			return (int)i;
	return -1;
}

bool dvmd_call_for_jobs(uint16_t type)
{
	int i = find_handler(type);

	return i >= 0 && handlers[i].for_jobs;
}

void dvmd_call_raw(struct dvmd_call **callp, uint16_t type, const void *body, size_t len)
{
	struct dvmd_call *call = *callp;

	*callp = NULL;
	if (call->session) {
		dvmd_client_reply(call->d->clients, call->session, type, DVMI_FLAG_REPLY,
				  call->request, body, len);
		if (!call->job)
			dvmd_origin_answered(call, type, body, len);
	} else {
		dvmd_transport_reply(call->d->wire, call->reply, type, body, len);
	}
	free(call);
}

void dvmd_call_answer(struct dvmd_call **call, uint16_t type, const void *msg)
{
	struct dvmi_buf b = { 0 };

	if (msg)
		dvmi_pb_pack(&b, msg);
	if (b.err)
		dvmd_call_error(call, b.err, "out of memory");
	else if (b.len > DVMI_BODY_MAX)
		dvmd_call_error(call, -EMSGSIZE, "the answer has %zu bytes, too many for one message",
				b.len);
	else
		dvmd_call_raw(call, type, b.data, b.len);
	dvmi_buf_free(&b);
}

void dvmd_call_more(struct dvmd_call *call, uint16_t type, const void *msg)
{
	struct dvmi_buf b = { 0 };

	dvmi_pb_pack(&b, msg);
	if (!b.err)
		dvmd_client_reply(call->d->clients, call->session, type, DVMI_FLAG_ALL,
				  call->request, b.data, b.len);
	dvmi_buf_free(&b);
}

void dvmd_call_error(struct dvmd_call **call, int code, const char *fmt, ...)
{
	char text[DVM_ERROR_TEXT_MAX];
	Pb__Error e = PB__ERROR__INIT;
	struct dvmi_buf b = { 0 };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	e.code = code;
	e.text = text;
	dvmi_pb_pack(&b, &e);
	dvmd_call_raw(call, DVMI_MSG_ERROR, b.data, b.err ? 0 : b.len);
	dvmi_buf_free(&b);
}

static void on_forward_answer(int code, const char *text, uint16_t type, const uint8_t *body,
			      size_t len, void *arg)
{
	struct dvmd_call *call = arg;

	/* The answer to "remove me" may find the connection cut already: the order came before it. */
	if (code < 0 && type != DVMI_MSG_ERROR && call->type == DVMI_MSG_REMOVE && call->d->removed)
		dvmd_call_answer(&call, DVMI_MSG_OK, NULL);
	/* Said by the wires, not by the leader. */
	else if (type != DVMI_MSG_ERROR &&
	    (code == -DVM_EPEERLOST || code == -ETIMEDOUT || code == -ENOENT))
		dvmd_call_error(&call, -DVM_ENOQUORUM, "the machine's leader does not answer (%s)",
				dvm_strerror(code));
	else if (code < 0)
		dvmd_call_error(&call, code, "%s", text && *text ? text : dvm_strerror(code));
	else
		dvmd_call_raw(&call, type, body, len);
}

static int send_forward(struct dvmd_call *call, uint32_t node, const uint8_t *body, size_t len,
			dvmd_reply_fn *cb, void *arg)
{
	Pb__Forward f = PB__FORWARD__INIT;
	struct dvmi_buf b = { 0 };

	f.type = call->type;
	f.body = (ProtobufCBinaryData){ .len = len, .data = (uint8_t *)body };
	f.uid = call->uid;
	f.gid = call->gid;
	f.user = call->user;
	f.origin = call->origin;
	f.job = call->job;
	dvmi_pb_pack(&b, &f);
	int rc = b.err ? b.err :
			 dvmd_transport_request(call->d->wire, node, DVMI_MSG_FORWARD, b.data,
						b.len, FORWARD_TIMEOUT, cb, arg);
	dvmi_buf_free(&b);
	return rc;
}

void dvmd_call_forward(struct dvmd_call *call, uint32_t node, const uint8_t *body, size_t len)
{
	int rc = send_forward(call, node, body, len, on_forward_answer, call);

	if (rc < 0)
		on_forward_answer(rc, NULL, 0, NULL, 0, call);
}

static void no_answer(int code, const char *text, uint16_t type, const uint8_t *body, size_t len,
		      void *arg)
{
	(void)code, (void)text, (void)type, (void)body, (void)len, (void)arg;
}

void dvmd_call_copy(struct dvmd_call *call, uint32_t node, const uint8_t *body, size_t len)
{
	send_forward(call, node, body, len, no_answer, NULL);
}

void dvmd_call_dispatch(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct dvmd *d = call->d;
	int i = find_handler(call->type);

	if (i < 0)
		dvmd_call_error(&call, -DVM_EPROTO, "unknown request %#x", call->type);
	else if (!d->ready && call->type != DVMI_MSG_INFO && call->type != DVMI_MSG_LOG)
		dvmd_call_error(&call, -EAGAIN, "this node is still joining the machine");
	else if (call->type == DVMI_MSG_ATTACH && call->session &&
		 dvmd_origin_is_held(d->origin, body, len))
		dvmd_call_error(&call, -EBUSY, "another dvm holds the job");
	else if (!handlers[i].at_leader || dvmd_leads(d))
		handlers[i].fn(call, body, len);
	else if (!dvmd_absent_serve(&call, body, len))
		dvmd_call_forward(call, DVMD_LEADER, body, len);
}

void dvmd_call_forwarded(struct dvmd *d, const struct dvmd_sender *from, const uint8_t *body,
			 size_t len, struct dvmd_reply_to reply)
{
	cleanup_pb Pb__Forward *f = NULL;
	struct dvmd_call *call = calloc(1, sizeof *call);

	if (!call || !from->node || dvmi_pb_unpack(&pb__forward__descriptor, body, len, &f) < 0) {
		free(call);
		dvmd_transport_reply_error(d->wire, reply, -DVM_EPROTO, "malformed request");
		return;
	}
	call->d = d;
	call->type = (uint16_t)f->type;
	call->uid = f->uid;
	call->gid = f->gid;
	snprintf(call->user, sizeof call->user, "%s", f->user);
	call->origin = from->node;
	call->job = f->job;
	call->reply = reply;
	/* Carried once only: a node that does not serve it says so rather than passing it on. */
	int i = find_handler(call->type);
	bool elsewhere = i >= 0 && handlers[i].at_leader && !dvmd_leads(d);
	if (elsewhere && !dvmd_absent_serve(&call, f->body.data, f->body.len))
		dvmd_call_error(&call, -DVM_ESTALEVIEW, "this node does not lead the machine");
	else if (!elsewhere)
		dvmd_call_dispatch(call, f->body.data, f->body.len);
}
