/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames to and from the agent. Questions wait in a list until their answers come; whatever else
 * comes is dealt with at once. The agent raises the doorbell after it has written, so that a task
 * that spins need not look at the socket.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libdvm/pvm3/code.h"
#include "libdvm/pvm3/state.h"
#include "libdvm/src/wait.h"

#define READ_STEP (64u * 1024)

void pvmi_frames_lost(void)
{
	if (pvmi.fd >= 0)
		close(pvmi.fd);
	pvmi.fd = -1;
	pvmi.manager = 0;
	for (struct pvmi_question *q = pvmi.questions; q; q = q->next) {
		q->done = true;
		q->code = PvmSysErr;
	}
}

/* All of it: the agent reads whatever is sent to it. */
static int send_all(struct iovec *iov, int n)
{
	while (n > 0) {
		struct msghdr m = { .msg_iov = iov, .msg_iovlen = (size_t)n };
		ssize_t put = sendmsg(pvmi.fd, &m, MSG_NOSIGNAL);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return PvmSysErr;
		for (; n > 0 && (size_t)put >= iov->iov_len; n--, iov++)
			put -= (ssize_t)iov->iov_len;
		if (n > 0) {
			iov->iov_base = (char *)iov->iov_base + put;
			iov->iov_len -= (size_t)put;
		}
	}
	return 0;
}

int pvmi_frame_send(uint16_t type, uint32_t id, const struct dvmi_buf *body)
{
	struct pvmi_frame f = { .len = body ? (uint32_t)body->len : 0,
				.type = type,
				.version = PVMI_VERSION,
				.id = id };
	struct iovec iov[2] = { { &f, sizeof f }, { body ? body->data : NULL, f.len } };

	if (body && body->err)
		return PvmNoMem;
	if (body && body->len > PVMI_FRAME_MAX)
		return PvmOverflow;
	if (pvmi.fd < 0)
		return PvmSysErr;
	return send_all(iov, body && body->len ? 2 : 1);
}

static void answered(const struct pvmi_frame *f, const uint8_t *body)
{
	for (struct pvmi_question *q = pvmi.questions; q; q = q->next)
		if (q->id == f->id && !q->done) {
			dvmi_buf_put(&q->body, body, f->len);
			q->code = q->body.err ? PvmNoMem : f->code;
			q->done = true;
		}
}

/* A message that the service sends. */
static void deliver(struct dvmi_reader *r)
{
	int src = (int)dvmi_get_u32(r), tag = (int)dvmi_get_u32(r), ctx = (int)dvmi_get_u32(r);
	int enc = (int)dvmi_get_u32(r), wid = (int)dvmi_get_u32(r);
	uint32_t len = 0;
	const uint8_t *body = dvmi_get_blob(r, PVMI_FRAME_MAX, &len);
	struct pvmi_msg *m = body ? pvmi_msg_new(enc) : NULL;

	if (!m)
		return;
	m->src = src;
	m->tag = tag;
	m->ctx = ctx;
	m->wid = wid;
	m->dst = pvmi.tid;
	if (pvmi_pack_bytes(m, body, len) < 0)
		pvmi_msg_free(m);
	else
		pvmi_enqueue(m);
}

static void take(const struct pvmi_frame *f, const uint8_t *body)
{
	struct dvmi_reader r;
	int tid;

	dvmi_reader_init(&r, body, f->len);
	switch (f->type) {
	case PVMI_ANSWER:
		answered(f, body);
		break;
	case PVMI_DELIVER:
		deliver(&r);
		break;
	case PVMI_GONE:
		tid = (int)dvmi_get_u32(&r);
		pvmi_peer_set(tid, PvmNoTask);
		pvmi_route_gone(tid);
		break;
	case PVMI_MANAGER:
		pvmi.manager = f->code;
		break;
	case PVMI_MATES:
		if (pvmi.d)
			pvmi.d->mates = dvmi_get_u32(&r);
		break;
	default:
		break; /* of a newer release */
	}
}

/* Takes the whole frames of what was read. Their number, or PvmBadMsg. */
static int take_whole(void)
{
	struct pvmi_frame f;
	size_t at = 0;
	int n = 0;

	while (pvmi.in.len - at >= sizeof f) {
		memcpy(&f, pvmi.in.data + at, sizeof f);
		if (f.version != PVMI_VERSION || f.len > PVMI_FRAME_MAX)
			return PvmBadMsg;
		if (pvmi.in.len - at - sizeof f < f.len)
			break;
		take(&f, pvmi.in.data + at + sizeof f);
		at += sizeof f + f.len;
		n++;
	}
	dvmi_buf_consume(&pvmi.in, at);
	return n;
}

int pvmi_frames_take(void *unused)
{
	int n = 0;

	(void)unused;
	while (pvmi.fd >= 0) {
		size_t had = pvmi.in.len;
		uint8_t *to = dvmi_buf_extend(&pvmi.in, READ_STEP);
		ssize_t got = to ? recv(pvmi.fd, to, READ_STEP, MSG_DONTWAIT) : -1;
		int code = to ? errno : ENOMEM;
		if (to)
			pvmi.in.len = had + (got > 0 ? (size_t)got : 0);
		if (got < 0 && (code == EAGAIN || code == EINTR))
			break;
		int taken = got > 0 ? take_whole() : PvmSysErr;
		if (taken < 0) {
			pvmi_frames_lost();
			return n + 1;
		}
		n += taken;
		if ((size_t)got < READ_STEP)
			break;
	}
	return n;
}

static int begin(struct pvmi_question *q, uint16_t type, const struct dvmi_buf *args)
{
	*q = (struct pvmi_question){ .id = ++pvmi.last_id ? pvmi.last_id : ++pvmi.last_id,
				     .next = pvmi.questions };
	pvmi.questions = q;
	int rc = pvmi_frame_send(type, q->id, args);
	if (rc < 0) {
		q->done = true;
		q->code = rc;
		if (rc == PvmSysErr)
			pvmi_frames_lost();
	}
	return rc;
}

static int finish(struct pvmi_question *q, struct dvmi_buf *out)
{
	struct pvmi_question **p = &pvmi.questions;

	while (*p != q)
		p = &(*p)->next;
	*p = q->next;
	if (out)
		*out = q->body;
	else
		dvmi_buf_free(&q->body);
	return q->code;
}

int pvmi_ask_first(uint16_t type, const struct dvmi_buf *args, struct dvmi_buf *out)
{
	struct pvmi_question q;

	begin(&q, type, args);
	while (!q.done) {
		struct pollfd p = { .fd = pvmi.fd, .events = POLLIN };
		poll(&p, 1, -1);
		pvmi_frames_take(NULL);
	}
	return finish(&q, out);
}

int pvmi_ask(uint16_t type, const struct dvmi_buf *args, struct dvmi_buf *reply)
{
	struct pvmi_question q;
	struct dvmi_wait w = { .helper = true }; /* another process answers: sleep soon */

	if (reply)
		*reply = (struct dvmi_buf){ 0 };
	begin(&q, type, args);
	while (!q.done)
		pvmi_wait(&w);
	return finish(&q, reply);
}
