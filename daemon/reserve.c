/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/name.h"
#include "daemon/queue_private.h"
#include "daemon/replica.h"
#include "daemon/reserve.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define YEAR (366 * 24 * 3600 * DVMI_SEC)

/* ---- which nodes ---- */

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int named_nodes(struct dvmd *d, const Pb__ReserveCreate *c, Pb__Reservation *r,
		       dvm_error_t *err)
{
	for (size_t i = 0; i < c->n_nodes; i++) {
		const Pb__Member *m = dvmd_cstate_member_by_name(dvmd_state(d), c->nodes[i]);
		if (!m)
			return dvmi_error_set(err, -ENOENT, "no node is called %s", c->nodes[i]);
		r->nodes[r->n_nodes++] = m->id;
	}
	return 0;
}

struct taken {
	const Pb__Reservation *r;
	const struct dsched_node *node;
	bool taken;
};

static int is_taken(const Pb__Reservation *o, void *arg)
{
	struct taken *t = arg;

	for (size_t i = 0; o->start < t->r->end && t->r->start < o->end && i < o->n_nodes; i++)
		t->taken |= o->nodes[i] == t->node->id;
	return 0;
}

/* The nodes that are up and nobody's at that time, those with the fewest jobs first. */
static int any_nodes(struct dvmd *d, uint32_t count, Pb__Reservation *r, dvm_error_t *err)
{
	struct dvmd_snapshot s;
	int rc = dvmd_snapshot_take(d, &s);
	uint32_t most = 0;

	for (size_t i = 0; rc == 0 && i < s.n; i++)
		most = s.nodes[i].jobs > most ? s.nodes[i].jobs : most;
	for (uint32_t jobs = 0; rc == 0 && jobs <= most; jobs++)
		for (size_t i = 0; i < s.n && r->n_nodes < count; i++) {
			struct taken t = { .r = r, .node = &s.nodes[i] };
			if (t.node->jobs != jobs || t.node->state != DSCHED_NODE_UP)
				continue;
			dvmd_cstate_each_reservation(dvmd_state(d), is_taken, &t);
			if (!t.taken)
				r->nodes[r->n_nodes++] = t.node->id;
		}
	dvmd_snapshot_free(&s);
	if (rc == 0 && r->n_nodes < count)
		return dvmi_error_set(err, -DVM_ENOSLOTS,
				      "%u nodes asked, %zu are free for it at that time: use -N %zu", count,
				      r->n_nodes, r->n_nodes);
	return rc < 0 ? dvmi_error_code(err, rc, "the reservation") : 0;
}

/* ---- making and removing ---- */

static int add(struct dvmd *d, Pb__Reservation *r, dvm_error_t *err)
{
	Pb__Command cmd = PB__COMMAND__INIT;
	size_t n = 0;

	qsort(r->nodes, r->n_nodes, sizeof *r->nodes, by_number);
	for (size_t i = 0; i < r->n_nodes; i++)
		if (!i || r->nodes[i] != r->nodes[n - 1])
			r->nodes[n++] = r->nodes[i];
	r->n_nodes = n;
	cmd.what_case = PB__COMMAND__WHAT_RESERVE_ADD;
	cmd.reserve_add = r;
	return dvmd_queue_propose(d, &cmd, err);
}

static int create(const struct dvmd_call *call, const Pb__ReserveCreate *c, dvm_error_t *err)
{
	struct dvmd *d = call->d;
	Pb__Reservation r = PB__RESERVATION__INIT;

	if (!c || !c->duration_ns || c->duration_ns > YEAR || c->delay_ns > YEAR)
		return dvmi_error_set(err, -EINVAL, "a reservation has 1s to a year, and begins within one");
	r.nodes = calloc(c->n_nodes + dvmd_cstate_members(dvmd_state(d)) + 1, sizeof *r.nodes);
	if (!r.nodes)
		return dvmi_error_code(err, -ENOMEM, "the reservation");
	r.name = c->name;
	r.start = dvmd_queue_date(d, c->delay_ns);
	r.end = r.start + c->duration_ns;
	r.users = c->users;
	r.n_users = c->n_users;
	r.by = (char *)call->user;
	int rc = c->n_nodes ? named_nodes(d, c, &r, err) : any_nodes(d, c->count, &r, err);
	if (rc == 0)
		rc = add(d, &r, err);
	free(r.nodes);
	return rc;
}

static int remove_one(struct dvmd *d, const char *name, dvm_error_t *err)
{
	Pb__Command cmd = PB__COMMAND__INIT;

	cmd.what_case = PB__COMMAND__WHAT_RESERVE_REMOVE;
	cmd.reserve_remove = (char *)name;
	return dvmd_queue_propose(d, &cmd, err);
}

struct over {
	uint64_t wall;
	char name[DVMD_NAME_MAX + 1];
};

static int find_over(const Pb__Reservation *r, void *arg)
{
	struct over *o = arg;

	if (r->end <= o->wall && !o->name[0])
		strncpy(o->name, r->name, DVMD_NAME_MAX);
	return 0;
}

void dvmd_reserve_expire(struct dvmd *d, uint64_t wall)
{
	dvm_error_t err = { 0 };

	for (;;) {
		struct over o = { .wall = wall };
		dvmd_cstate_each_reservation(dvmd_state(d), find_over, &o);
		if (!o.name[0] || remove_one(d, o.name, &err) < 0)
			return;
	}
}

struct moment {
	uint64_t wall, next;
};

static int find_next(const Pb__Reservation *r, void *arg)
{
	struct moment *m = arg;
	uint64_t at = r->start > m->wall ? r->start : r->end;

	if (at > m->wall && at < m->next)
		m->next = at;
	return 0;
}

uint64_t dvmd_reserve_next(const struct dvmd *d, uint64_t wall)
{
	struct moment m = { .wall = wall, .next = UINT64_MAX };

	dvmd_cstate_each_reservation(dvmd_state(d), find_next, &m);
	return m.next;
}

/* ---- answering ---- */

static Pb__ReserveInfo *describe(const struct dvmd *d, const Pb__Reservation *r)
{
	Pb__ReserveInfo info = PB__RESERVE_INFO__INIT;
	char (*texts)[32] = calloc(r->n_nodes + 1, sizeof *texts);
	char **names = calloc(r->n_nodes + 1, sizeof *names);
	Pb__ReserveInfo *copy = NULL;

	for (size_t i = 0; texts && names && i < r->n_nodes; i++)
		names[i] = (char *)dvmd_node_name(d, r->nodes[i], texts[i]);
	info.name = r->name;
	info.start = dvmd_steady_shown(&d->clock, r->start);
	info.end = info.start + (r->end - r->start); /* shown twice, the clock would have gone on */
	info.nodes = names;
	info.n_nodes = r->n_nodes;
	info.users = r->users;
	info.n_users = r->n_users;
	info.by = r->by;
	if (texts && names)
		copy = dvmi_pb_dup(&info);
	free(texts);
	free(names);
	return copy;
}

struct listing {
	const struct dvmd *d;
	Pb__ReserveReply reply;
};

static int add_info(const Pb__Reservation *r, void *arg)
{
	struct listing *l = arg;
	Pb__ReserveInfo *info = describe(l->d, r);

	if (info)
		l->reply.reservations[l->reply.n_reservations++] = info;
	return info ? 0 : -ENOMEM;
}

static void answer(struct dvmd_call *call)
{
	const struct dvmd_cstate *s = dvmd_state(call->d);
	struct listing l = { .d = call->d, .reply = PB__RESERVE_REPLY__INIT };

	l.reply.reservations =
		calloc(dvmd_cstate_reservations(s) + 1, sizeof *l.reply.reservations);
	if (!l.reply.reservations || dvmd_cstate_each_reservation(s, add_info, &l) < 0)
		dvmd_call_error(&call, -ENOMEM, "out of memory");
	else
		dvmd_call_answer(&call, DVMI_MSG_RESERVE, &l.reply);
	for (size_t i = 0; i < l.reply.n_reservations; i++)
		dvmi_pb_free(l.reply.reservations[i]);
	free(l.reply.reservations);
}

void dvmd_reserve_serve(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__ReserveRequest *req = NULL;
	dvm_error_t err = { 0 };
	int rc = dvmi_pb_unpack(&pb__reserve_request__descriptor, body, len, &req);

	if (rc < 0 || req->what_case == PB__RESERVE_REQUEST__WHAT__NOT_SET) {
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
		return;
	}
	if (req->what_case != PB__RESERVE_REQUEST__WHAT_LIST && !dvmd_call_is_admin(call))
		rc = dvmi_error_set(&err, -EPERM, "only the machine's owner may set nodes apart");
	else if (req->what_case == PB__RESERVE_REQUEST__WHAT_CREATE)
		rc = create(call, req->create, &err);
	else if (req->what_case == PB__RESERVE_REQUEST__WHAT_REMOVE)
		rc = remove_one(call->d, req->remove, &err);
	if (rc < 0)
		dvmd_call_error(&call, rc, "%s", *err.text ? err.text : dvm_strerror(rc));
	else
		answer(call);
}
