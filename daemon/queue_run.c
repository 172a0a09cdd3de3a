/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `dvm run` and the queue: what starts at once must not pass those who wait. A client that has to wait
 * takes a ticket, a waiting job like any other, and asks for its turn again and again; when it has come
 * the decision keeps its room free until the client starts it. Who stops asking loses the ticket.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "daemon/assign.h"
#include "daemon/lead.h"
#include "daemon/queue_private.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define SILENCE_MAX (10 * DVMI_SEC) /* of a client that waits */

struct dvmd_ticket {
	struct dvmd_ticket *prev, *next;
	uint64_t id;
	uint64_t asked; /* last */
	bool ready;
	char why[24];
	char reason[DVM_ERROR_TEXT_MAX];
	uint64_t expected; /* wall */
};

/* ---- tickets ---- */

static struct dvmd_ticket *find(struct dvmd_queue *q, uint64_t id)
{
	struct dvmd_ticket *t;

	DL_FOREACH(q->tickets, t)
		if (t->id == id)
			break;
	return t;
}

static struct dvmd_ticket *ticket(struct dvmd_queue *q, uint64_t id)
{
	struct dvmd_ticket *t = find(q, id);

	if (t || !(t = calloc(1, sizeof *t)))
		return t;
	t->id = id;
	t->asked = dvmi_clock_mono();
	DL_APPEND(q->tickets, t);
	return t;
}

static void drop(struct dvmd_queue *q, struct dvmd_ticket *t)
{
	DL_DELETE(q->tickets, t);
	free(t);
}

void dvmd_queue_tickets_free(struct dvmd_queue *q)
{
	while (q->tickets)
		drop(q, q->tickets);
}

void dvmd_queue_tickets_check(struct dvmd_queue *q)
{
	struct dvmd_ticket *t, *tmp;
	dvm_error_t err = { 0 };

	DL_FOREACH_SAFE(q->tickets, t, tmp)
	{
		bool waits = dvmd_cstate_waiting(dvmd_state(q->d), t->id);
		bool silent = dvmi_clock_mono() - t->asked > SILENCE_MAX;
		if (waits && silent)
			dvmd_queue_end(q->d, t->id, DVMD_QUEUE_NEVER_CODE,
				       "who waited for it has gone away", &err);
		if (!waits || silent)
			drop(q, t);
	}
}

bool dvmd_queue_tickets_any(const struct dvmd_queue *q)
{
	return q->tickets;
}

/* What the decision says of those that wait with a client. One of before a restart is new here. */
void dvmd_queue_tickets_told(struct dvmd_queue *q, struct dvmd_queue_view *v)
{
	for (size_t i = 0; i < v->njobs; i++) {
		const struct dsched_answer *a = &v->decision.answers[i];
		struct dvmi_buf b = { 0 };
		struct dvmd_ticket *t = v->waiting[i]->spec->interactive ? ticket(q, v->jobs[i].id) : NULL;
		if (!t)
			continue;
		dsched_why_text(&v->queue, &v->decision, i, &b);
		dvmi_buf_put_u8(&b, 0);
		t->ready = a->why == DSCHED_STARTS;
		snprintf(t->why, sizeof t->why, "%s", dsched_why_name(a->why));
		snprintf(t->reason, sizeof t->reason, "%s", b.err ? "" : (char *)b.data);
		t->expected = dvmd_queue_expected(v, a);
		dvmi_buf_free(&b);
	}
}

/* ---- asking for a turn ---- */

static int take(struct dvmd_call *call, Pb__JobSpec *spec, uint64_t *id, dvm_error_t *err)
{
	Pb__Waiting w = PB__WAITING__INIT;
	int rc = dvmd_lead_admit(call, spec, err);

	if (rc == 0)
		rc = dvmd_queue_check(call, spec, err);
	if (rc == 0)
		rc = dvmd_lead_check_sole(call->d, spec, dvmd_cstate_next_job(dvmd_state(call->d)), err);
	if (rc < 0)
		return rc;
	spec->interactive = true;
	w.spec = spec;
	w.origin = call->origin;
	rc = dvmd_queue_enter(call->d, &w, err);
	if (rc == 0 && !ticket(call->d->queue, w.id))
		rc = dvmi_error_code(err, -ENOMEM, "the job");
	*id = w.id;
	return rc;
}

static int ask(struct dvmd_call *call, const Pb__TurnRequest *req, struct dvmd_ticket **out,
	       dvm_error_t *err)
{
	const Pb__Waiting *w = dvmd_cstate_waiting(dvmd_state(call->d), req->ticket);

	if (!w || !w->spec->interactive)
		return dvmi_error_set(err, -ECANCELED, "job %llu waits no more",
				      (unsigned long long)req->ticket);
	int rc = dvmd_queue_permitted(call, w->id, w->spec, err);
	if (rc < 0)
		return rc;
	*out = ticket(call->d->queue, req->ticket);
	if (!*out)
		return dvmi_error_code(err, -ENOMEM, "the job");
	(*out)->asked = dvmi_clock_mono();
	return 0;
}

void dvmd_queue_turn(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__TurnRequest *req = NULL;
	Pb__TurnReply reply = PB__TURN_REPLY__INIT;
	struct dvmd_ticket *t = NULL;
	dvm_error_t err = { 0 };
	int rc = dvmi_pb_unpack(&pb__turn_request__descriptor, body, len, &req);

	if (rc < 0 || (!req->ticket && !req->spec))
		rc = dvmi_error_set(&err, -DVM_EPROTO, "malformed request");
	else if (!req->ticket)
		rc = take(call, req->spec, &req->ticket, &err);
	if (rc == 0)
		rc = ask(call, req, &t, &err);
	if (rc < 0) {
		dvmd_call_error(&call, rc, "%s", err.text);
		return;
	}
	reply.ticket = t->id;
	reply.ready = t->ready;
	reply.why = t->why;
	reply.reason = t->reason;
	reply.expected = t->expected;
	dvmd_call_answer(&call, DVMI_MSG_TURN, &reply);
}

void dvmd_queue_leave(const struct dvmd_call *call, uint64_t ticket, const char *reason)
{
	const Pb__Waiting *w = dvmd_cstate_waiting(dvmd_state(call->d), ticket);
	dvm_error_t err = { 0 };

	if (!w || !w->spec->interactive || dvmd_queue_permitted(call, w->id, w->spec, &err) < 0)
		return;
	if (dvmd_queue_end(call->d, ticket, DVMD_QUEUE_NEVER_CODE, reason, &err) < 0)
		dvmi_log(&call->d->log, "job", LOG_WARNING, "job %llu waits on: %s",
			 (unsigned long long)ticket, err.text);
}

/* ---- starting ---- */

static int refuse(const struct dvmd_queue_view *v, size_t i, dvm_error_t *err)
{
	const struct dsched_answer *a = &v->decision.answers[i];
	struct dvmi_buf b = { 0 };
	int code = a->why == DSCHED_W_IMPOSSIBLE ? -DVM_ENOSLOTS : -EAGAIN;

	dsched_why_text(&v->queue, &v->decision, i, &b);
	dvmi_buf_put_u8(&b, 0);
	dvmi_error_set(err, code, "%s", b.err ? dvm_strerror(code) : (char *)b.data);
	dvmi_buf_free(&b);
	return code;
}

static int place(struct dvmd *d, struct dvmd_queue_view *v, size_t i, Pb__Placement **out,
		 char **bindings, dvm_error_t *err)
{
	const struct dsched_placement *p = &v->decision.answers[i].placement;

	if (v->decision.answers[i].why != DSCHED_STARTS)
		return refuse(v, i, err);
	int rc = bindings ? dvmd_assign_bindings(&v->snap, p, bindings) : 0;
	if (rc == 0)
		rc = dvmd_assign_export(d, &v->snap, v->jobs[i].req, p, out);
	return rc < 0 ? dvmi_error_code(err, rc, "placement") : 0;
}

/* The one that waits as ID, or the one that does not wait and is the last. */
static size_t find_job(const struct dvmd_queue_view *v, uint64_t id)
{
	size_t i = 0;

	while (i + 1 < v->njobs && v->jobs[i].id != id)
		i++;
	return i;
}

/* Growth is for when nobody else could use the room. */
static int check_idle(const struct dvmd_queue_view *v, size_t but, dvm_error_t *err)
{
	for (size_t i = 0; i < v->njobs; i++)
		if (i != but && dsched_waits_for_room(&v->decision.answers[i]))
			return dvmi_error_set(err, -EAGAIN, "job %llu waits for room",
					      (unsigned long long)v->jobs[i].id);
	return 0;
}

int dvmd_queue_place_in(struct dvmd *d, const struct dvmd_queue_want *want, Pb__Placement **out,
			char **bindings, dvm_error_t *err)
{
	Pb__Waiting w = PB__WAITING__INIT;
	struct dvmd_queue_view v;

	w.id = want->id;
	w.spec = want->spec;
	w.submitted = dvmd_steady_now(&d->clock);
	int rc = dvmd_queue_view_with(&v, d, want->waits ? NULL : &w);
	size_t i = find_job(&v, want->id);
	if (rc < 0)
		dvmi_error_code(err, rc, "placement");
	else if (want->lent)
		rc = check_idle(&v, i, err);
	if (rc == 0)
		rc = place(d, &v, i, out, bindings, err);
	dvmd_queue_view_free(&v);
	return rc;
}

int dvmd_queue_place(const struct dvmd_call *call, Pb__JobSpec *spec, uint64_t ticket_id,
		     Pb__Placement **out, char **bindings, dvm_error_t *err)
{
	struct dvmd *d = call->d;
	const struct dvmd_cstate *s = dvmd_state(d);
	const Pb__Waiting *w = ticket_id ? dvmd_cstate_waiting(s, ticket_id) : NULL;

	if (spec->lent)
		return dvmd_queue_place_lent(call, spec, out, bindings, err);
	/* What else a job spawns is part of it; helpers take nothing. */
	if (call->job || spec->no_slots)
		return dvmd_assign(d, spec, out, bindings, err);
	int rc = dvmd_queue_check(call, spec, err);
	if (rc == 0 && ticket_id && (!w || !w->spec->interactive))
		rc = dvmi_error_set(err, -ECANCELED, "job %llu waits no more",
				    (unsigned long long)ticket_id);
	if (rc == 0 && w)
		rc = dvmd_queue_permitted(call, w->id, w->spec, err);
	if (rc < 0)
		return rc;
	if (!w && !dvmd_cstate_queued(s) && !dvmd_cstate_reservations(s))
		return dvmd_assign(d, spec, out, bindings, err);
	struct dvmd_queue_want want = { .spec = spec,
					.id = w ? w->id : dvmd_cstate_next_job(s),
					.waits = w };
	return dvmd_queue_place_in(d, &want, out, bindings, err);
}
