/* SPDX-License-Identifier: BSD-3-Clause */
#include <limits.h>
#include <stdlib.h>

#include "daemon/shepherd/room.h"
#include "daemon/shepherd/shepherd_private.h"
#include "libdvm/base/clock.h"

#define RECORD_MS 30000

static uint64_t own_job(const struct shep *s)
{
	return s->c->launch->job;
}

static uint32_t to_ms(uint64_t ns)
{
	return ns / DVMI_MSEC < INT_MAX ? (uint32_t)(ns / DVMI_MSEC) : INT_MAX;
}

static uint32_t leave_ms(const struct shep_room *r)
{
	uint64_t now = dvmi_clock_mono();

	return r->wanted_by && r->leave_by > now ? to_ms(r->leave_by - now) : 0;
}

/* ---- telling ---- */

static void tell_room(struct shep *s, const struct dvmi_idset *to)
{
	const struct dvmi_rank_event e = { .kind = DVMI_EVENT_ROOM,
					   .job = own_job(s),
					   .status = (int32_t)s->room.room };

	shep_event_send(s, &e, "", to);
}

static void tell_leave(struct shep *s, uint64_t job, uint32_t ms, const struct dvmi_idset *to)
{
	const struct dvmi_rank_event e = { .kind = DVMI_EVENT_LEAVE,
					   .job = job,
					   .status = (int32_t)ms };

	shep_event_send(s, &e, "", to);
}

static void hear(struct shep *s, uint32_t room, uint64_t wanted_by, uint64_t grace)
{
	struct shep_room *r = &s->room;
	bool asked = wanted_by && !r->wanted_by;

	if (room && room != r->room) {
		r->room = room;
		tell_room(s, NULL);
	}
	if (!asked)
		return;
	r->wanted_by = wanted_by;
	r->leave_by = dvmi_clock_mono() + grace;
	tell_leave(s, own_job(s), to_ms(grace), NULL);
}

void shep_room_news(struct shep *s, const Pb__News *n)
{
	if (n->job == own_job(s))
		hear(s, n->room, n->wanted_by, n->grace_ns);
	else if (n->parent == own_job(s) && n->wanted_by)
		tell_leave(s, n->job, to_ms(n->grace_ns), NULL);
}

void shep_room_watched(struct shep *s, uint32_t local)
{
	struct dvmi_idset to = { 0 };

	if (dvmi_idset_add(&to, local, local) == 0) {
		if (s->room.room)
			tell_room(s, &to);
		if (s->room.wanted_by)
			tell_leave(s, own_job(s), leave_ms(&s->room), &to);
	}
	dvmi_idset_free(&to);
}

/* ---- asking ---- */

static void on_record(struct shep *s, struct shep_ask *a, const struct shep_said *said)
{
	cleanup_pb Pb__JobRecord *r = NULL;

	if (said->code == 0 &&
	    dvmi_pb_unpack(&pb__job_record__descriptor, said->body, said->len, &r) == 0)
		hear(s, r->room, r->wanted_by, r->grace_ns);
	shep_ask_drop(s, a);
}

void shep_room_up(struct shep *s)
{
	const Pb__JobSpec *spec = s->c->launch->spec;
	Pb__JobRef ref = PB__JOB_REF__INIT;
	struct shep_ask *a = spec->ranks_max || spec->lent ? shep_asks_own(s, RECORD_MS) : NULL;

	if (!a)
		return;
	a->job = ref.job = own_job(s);
	shep_ask_call(s, a, DVMI_MSG_JOB_RECORD, &ref, true, on_record);
}

void shep_ask_room(struct shep *s, struct shep_ask *a, const uint8_t *body, size_t len, int fd)
{
	const struct dvmi_rank_room r = { .max = s->c->launch->spec->ranks_max,
					  .room = s->room.room,
					  .wanted_by = s->room.wanted_by,
					  .leave_ms = leave_ms(&s->room) };

	shep_ask_answer(s, a, &(struct shep_reply){ .bytes = &r, .len = sizeof r });
}
