/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/shepherd/shepherd_private.h"
#include "dvm/error.h"
#include "libdvm/base/clock.h"

#define TIMEOUT_MS     60000u /* of a question that names none, and the most it can have */
#define TIMEOUT_LONG   90000u /* the same of those that start something */
#define AGAIN	       (1 * DVMI_SEC)

static const struct {
	shep_ask_handler *fn;
	bool starts_something;
} handlers[] = {
	[DVMI_RANK_LINK] = { shep_ask_link, false },
	[DVMI_RANK_UNLINK] = { shep_ask_unlink, false },
	[DVMI_RANK_SPAWN] = { shep_ask_spawn, true },
	[DVMI_RANK_CANCEL] = { shep_ask_cancel, false },
	[DVMI_RANK_NAME_PUT] = { shep_ask_name_put, false },
	[DVMI_RANK_NAME_GET] = { shep_ask_name_get, false },
	[DVMI_RANK_NAME_DROP] = { shep_ask_name_drop, false },
	[DVMI_RANK_WATCH] = { shep_ask_watch, false },
	[DVMI_RANK_HOSTS] = { shep_ask_hosts, false },
	[DVMI_RANK_HOST_ADD] = { shep_ask_host_add, true },
	[DVMI_RANK_HOST_DROP] = { shep_ask_host_drop, true },
	[DVMI_RANK_ROOM] = { shep_ask_room, false },
	[DVMI_RANK_UFFD] = { shep_ask_uffd, false },
};

/* ---- asking ---- */

static struct shep_ask *add(struct shep *s, uint32_t local, uint32_t id, uint16_t type)
{
	struct shep_ask *a = calloc(1, sizeof *a);

	if (!a)
		return NULL;
	a->local = local;
	a->id = id;
	a->type = type;
	DL_APPEND(s->asks.list, a);
	return a;
}

void shep_ask_drop(struct shep *s, struct shep_ask *a)
{
	DL_DELETE(s->asks.list, a);
	dvmi_buf_free(&a->call);
	free(a);
}

static void refuse(struct shep *s, uint32_t local, uint32_t id, int code)
{
	struct dvmi_rank_answer answer = { .id = id, .code = code };

	shep_server_send(s->server, local, DVMI_RANK_ANSWER, &answer, sizeof answer);
}

/* 0, or why this question is not taken. */
static int may_ask(const struct shep *s, uint32_t local, uint32_t id)
{
	const struct shep_ask *a;
	unsigned n = 0;

	DL_FOREACH(s->asks.list, a)
	{
		if (a->local == local && a->id == id)
			return -EINVAL;
		n += a->local == local;
	}
	return n >= DVMI_RANK_ASKS_MAX ? -EAGAIN : 0;
}

static uint64_t deadline_of(const struct shep_ask *a)
{
	uint32_t most = handlers[a->type].starts_something ? TIMEOUT_LONG : TIMEOUT_MS;
	uint32_t ms = a->timeout_ms && a->timeout_ms < most ? a->timeout_ms : most;

	return dvmi_clock_mono() + ms * DVMI_MSEC;
}

void shep_asks_take(struct shep *s, uint32_t local, uint16_t type, const uint8_t *body, size_t len,
		    int fd)
{
	struct dvmi_rank_ask ask;

	memcpy(&ask, body, sizeof ask);
	int rc = may_ask(s, local, ask.id);
	struct shep_ask *a = rc < 0 ? NULL : add(s, local, ask.id, type);
	if (!a) {
		refuse(s, local, ask.id, rc < 0 ? rc : -ENOMEM);
		return;
	}
	a->timeout_ms = ask.timeout_ms;
	a->deadline = deadline_of(a);
	handlers[type].fn(s, a, body + sizeof ask, len - sizeof ask, fd);
}

struct shep_ask *shep_asks_own(struct shep *s, uint32_t ms)
{
	struct shep_ask *a = add(s, DVMI_RANK_NOBODY, 0, 0);

	if (a)
		a->deadline = dvmi_clock_mono() + ms * DVMI_MSEC;
	return a;
}

struct shep_ask *shep_asks_heard(struct shep *s, uint16_t type, uint32_t ms,
				 shep_ask_heard_fn *heard, uint64_t id)
{
	struct shep_ask *a = shep_asks_own(s, ms);

	if (!a)
		return NULL;
	a->type = type;
	a->heard = heard;
	a->heard_id = id;
	return a;
}

/* ---- answering ---- */

static void answer_own(struct shep *s, struct shep_ask *a, int code, const struct shep_reply *r)
{
	shep_ask_heard_fn *heard = a->heard;

	a->heard = NULL;
	if (heard)
		heard(s, code, r, a->heard_id);
}

static void send_answer(struct shep *s, struct shep_ask *a, int code, const struct shep_reply *r)
{
	struct dvmi_rank_answer head = {
		.id = a->id, .code = code, .job = r->job, .rank = r->rank, .count = r->count
	};
	uint8_t body[DVMI_RANK_PACKET_MAX - sizeof(struct dvmi_rank_hdr)];
	size_t room = sizeof body - sizeof head, len = r->len < room ? r->len : room;

	if (a->local == DVMI_RANK_NOBODY) {
		answer_own(s, a, code, r);
		return;
	}
	memcpy(body, &head, sizeof head);
	if (len)
		memcpy(body + sizeof head, r->bytes, len);
	int rc = shep_server_send_fd(s->server, a->local, DVMI_RANK_ANSWER, body,
				     sizeof head + len, r->fd > 0 ? r->fd : -1);
	if (rc < 0 && rc != -ENOTCONN && code == 0)
		refuse(s, a->local, a->id, rc);
}

void shep_ask_answer(struct shep *s, struct shep_ask *a, const struct shep_reply *reply)
{
	send_answer(s, a, 0, reply);
	shep_ask_drop(s, a);
}

void shep_ask_fail(struct shep *s, struct shep_ask *a, int code, const char *fmt, ...)
{
	char text[DVMI_RANK_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	const struct shep_reply r = { .bytes = text, .len = strlen(text) };
	send_answer(s, a, code, &r);
	shep_ask_drop(s, a);
}

void shep_ask_tell(struct shep *s, struct shep_ask *a, int code, const char *text)
{
	const struct shep_reply r = { .bytes = text, .len = strlen(text) };

	send_answer(s, a, code, &r);
	a->local = DVMI_RANK_NOBODY;
}

void shep_ask_over(struct shep *s, struct shep_ask *a, const struct shep_said *said)
{
	shep_ask_drop(s, a);
}

bool shep_ask_failed(struct shep *s, struct shep_ask *a, const struct shep_said *said)
{
	if (said->code >= 0)
		return false;
	shep_ask_fail(s, a, said->code, "%s", said->text);
	return true;
}

bool shep_ask_unpacked(struct shep *s, struct shep_ask *a, const struct shep_said *said,
		       const ProtobufCMessageDescriptor *desc, void *out)
{
	if (shep_ask_failed(s, a, said))
		return false;
	if (dvmi_pb_unpack(desc, said->body, said->len, out) == 0)
		return true;
	shep_ask_fail(s, a, -DVM_EPROTO, "malformed answer");
	return false;
}

/* ---- calls ---- */

static void send_call(struct shep *s, struct shep_ask *a)
{
	a->sent = shep_link_call(s->link, a->call_type, a->request, a->call.data, a->call.len) == 0;
}

static void next_request(struct shep *s, struct shep_ask *a)
{
	if (++s->asks.last == 0)
		s->asks.last = 1;
	a->request = s->asks.last;
	a->again_at = 0;
}

void shep_ask_call(struct shep *s, struct shep_ask *a, uint16_t type, const void *msg, bool repeat,
		   shep_ask_fn *then)
{
	dvmi_buf_free(&a->call);
	if (msg)
		dvmi_pb_pack(&a->call, msg);
	if (a->call.err) {
		shep_ask_fail(s, a, -ENOMEM, "out of memory");
		return;
	}
	a->call_type = type;
	a->repeat = repeat;
	a->then = then;
	shep_ask_repeat(s, a);
}

void shep_ask_repeat(struct shep *s, struct shep_ask *a)
{
	next_request(s, a);
	send_call(s, a);
}

void shep_asks_replied(struct shep *s, uint32_t request, uint16_t type, const uint8_t *body,
		       size_t len)
{
	cleanup_pb Pb__Error *e = NULL;
	struct shep_said said = { .text = "", .body = body, .len = len };
	struct shep_ask *a;

	DL_SEARCH_SCALAR(s->asks.list, a, request, request);
	if (!a || request == 0)
		return; /* it was not worth waiting for */
	if (type == DVMI_MSG_ERROR) {
		bool good = dvmi_pb_unpack(&pb__error__descriptor, body, len, &e) == 0 && e->code < 0;
		said.code = good ? e->code : -DVM_EPROTO;
		said.text = good ? e->text : "";
	}
	a->request = 0;
	/* It has just started: the next try will find it ready. */
	if (said.code == -EAGAIN && a->repeat)
		a->again_at = dvmi_clock_mono() + AGAIN / 10;
	else
		a->then(s, a, &said);
}

void shep_asks_up(struct shep *s)
{
	struct shep_ask *a;

	DL_FOREACH(s->asks.list, a)
		if (a->request && !a->sent)
			send_call(s, a);
}

void shep_asks_down(struct shep *s)
{
	static const struct shep_said lost = {
		.code = -DVM_EPEERLOST,
		.text = "this node's dvmd was lost over the question; it may have done as asked",
	};
	struct shep_ask *a, *next;

	DL_FOREACH_SAFE(s->asks.list, a, next)
	{
		if (!a->request || !a->sent)
			continue;
		a->sent = false;
		if (a->repeat)
			continue;
		a->request = 0;
		a->then(s, a, &lost);
	}
}

/* ---- ends ---- */

void shep_asks_forget(struct shep *s, uint32_t local)
{
	struct shep_ask *a, *next;

	DL_FOREACH_SAFE(s->asks.list, a, next)
	{
		if (a->local != local)
			continue;
		a->local = DVMI_RANK_NOBODY;
		/* A spawn that is under way cannot be taken back: its child is this job's. */
		if (a->type != DVMI_RANK_SPAWN)
			shep_ask_drop(s, a);
	}
}

static void expire(struct shep *s, struct shep_ask *a)
{
	if (a->type == DVMI_RANK_SPAWN)
		shep_ask_spawn_late(s, a);
	else if (a->request && !a->sent)
		shep_ask_fail(s, a, -DVM_ENOQUORUM, "there is no dvmd on this node");
	else
		shep_ask_fail(s, a, -ETIMEDOUT, "no answer in time");
}

void shep_asks_turn(struct shep *s, uint64_t now)
{
	struct shep_ask *a, *next;

	DL_FOREACH_SAFE(s->asks.list, a, next)
	{
		if (now >= a->deadline)
			expire(s, a);
		else if (a->again_at && now >= a->again_at)
			shep_ask_repeat(s, a);
	}
}

uint64_t shep_asks_next(const struct shep *s)
{
	const struct shep_ask *a;
	uint64_t t = 0;

	DL_FOREACH(s->asks.list, a)
	{
		uint64_t at = a->again_at && a->again_at < a->deadline ? a->again_at : a->deadline;
		t = !t || at < t ? at : t;
	}
	return t;
}

void shep_asks_free(struct shep *s)
{
	while (s->asks.list)
		shep_ask_drop(s, s->asks.list);
}
