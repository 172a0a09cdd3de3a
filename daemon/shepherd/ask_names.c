/* SPDX-License-Identifier: BSD-3-Clause */
/* Service names: published and taken back, and waited for. */
#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "daemon/shepherd/shepherd_private.h"
#include "dvm/error.h"
#include "libdvm/base/clock.h"

#define LOOK_AGAIN (1 * DVMI_SEC) /* although nobody has told of a name */
#define TURN_AGAIN (20 * DVMI_MSEC)

struct request {
	Pb__NameRequest msg;
	uint8_t value[DVMI_RANK_VALUE_MAX];
};

/* Fills R from the packet, the service into A. -EINVAL. */
static int read_name(struct shep *s, struct shep_ask *a, const uint8_t *body, size_t len,
		     bool with_value, struct request *r)
{
	uint32_t lens[2];

	if (len < sizeof lens)
		return -EINVAL;
	memcpy(lens, body, sizeof lens);
	if (lens[0] == 0 || lens[0] > DVMI_RANK_SERVICE_MAX || lens[1] > DVMI_RANK_VALUE_MAX ||
	    len != sizeof lens + lens[0] + lens[1] || (lens[1] && !with_value))
		return -EINVAL;
	memcpy(a->service, body + sizeof lens, lens[0]);
	if (strlen(a->service) != lens[0])
		return -EINVAL;
	memcpy(r->value, body + sizeof lens + lens[0], lens[1]);
	pb__name_request__init(&r->msg);
	r->msg.service = a->service;
	r->msg.value = (ProtobufCBinaryData){ .len = lens[1], .data = r->value };
	r->msg.rank = s->share->ranks[a->local];
	return 0;
}

static void on_done(struct shep *s, struct shep_ask *a, const struct shep_said *said)
{
	if (said->code == -EEXIST && a->once) {
		a->again_at = dvmi_clock_mono() + TURN_AGAIN;
		return;
	}
	if (!shep_ask_failed(s, a, said))
		shep_ask_answer(s, a, &(struct shep_reply){ 0 });
}

static void on_found(struct shep *s, struct shep_ask *a, const struct shep_said *said)
{
	cleanup_pb Pb__ServiceName *n = NULL;

	if (said->code == -ENOENT && a->timeout_ms) {
		if (a->news)
			shep_ask_repeat(s, a);
		else
			a->again_at = dvmi_clock_mono() + LOOK_AGAIN;
		a->news = false;
		return;
	}
	if (!shep_ask_unpacked(s, a, said, &pb__service_name__descriptor, &n))
		return;
	shep_ask_answer(s, a,
			&(struct shep_reply){ .job = n->job,
					      .rank = n->rank,
					      .bytes = n->value.data,
					      .len = n->value.len });
}

void shep_ask_name(struct shep *s, struct shep_ask *a, uint16_t type, const Pb__NameRequest *req)
{
	bool get = type == DVMI_MSG_NAME_GET;

	a->once = req->once;
	shep_ask_call(s, a, type, req, get, get ? on_found : on_done);
}

static void ask(struct shep *s, struct shep_ask *a, const uint8_t *body, size_t len, uint16_t type)
{
	struct request r;

	if (read_name(s, a, body, len, type == DVMI_MSG_NAME_PUT, &r) < 0)
		shep_ask_fail(s, a, -EINVAL, "malformed name or value");
	else
		shep_ask_name(s, a, type, &r.msg);
}

void shep_ask_name_put(struct shep *s, struct shep_ask *a, const uint8_t *body, size_t len, int fd)
{
	ask(s, a, body, len, DVMI_MSG_NAME_PUT);
}

void shep_ask_name_get(struct shep *s, struct shep_ask *a, const uint8_t *body, size_t len, int fd)
{
	ask(s, a, body, len, DVMI_MSG_NAME_GET);
}

void shep_ask_name_drop(struct shep *s, struct shep_ask *a, const uint8_t *body, size_t len, int fd)
{
	ask(s, a, body, len, DVMI_MSG_NAME_DROP);
}

void shep_ask_names_news(struct shep *s)
{
	struct shep_ask *a;

	DL_FOREACH(s->asks.list, a)
	{
		if (a->type != DVMI_RANK_NAME_GET)
			continue;
		if (a->again_at)
			shep_ask_repeat(s, a);
		else
			a->news = true;
	}
}
