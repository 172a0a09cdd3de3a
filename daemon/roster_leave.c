/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes that are removed or leave, and the end of them all. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/cast.h"
#include "daemon/lead.h"
#include "daemon/live.h"
#include "daemon/roster_private.h"
#include "libdvm/base/clock.h"

#define REMOVE_TIMEOUT	(2 * DVMI_SEC)
#define HALT_TICK_MS	20
#define HALT_CAST	(1 * DVMI_SEC) /* some may be gone before they have answered */
#define HALT_TIMEOUT	(15 * DVMI_SEC) /* for jobs to end before their nodes are halted */

struct removal {
	struct dvmd_call *call;
	uint32_t node;
};

static void on_removed_told(int code, const char *text, uint16_t type, const uint8_t *body,
			    size_t len, void *arg)
{
	struct removal *r = arg;
	struct dvmd *d = r->call->d;
	Pb__Command cmd = PB__COMMAND__INIT;
	dvm_error_t err = { 0 };

	if (code == -ECANCELED) { /* this daemon is stopping */
		dvmd_call_error(&r->call, code, "stopping");
		free(r);
		return;
	}
	/* Whether or not it has heard: from now on its key opens nothing. */
	dvmd_lead_node_down(d->lead, r->node);
	cmd.what_case = PB__COMMAND__WHAT_MEMBER_REMOVE;
	cmd.member_remove = r->node;
	if (dvmd_roster_log(d, &cmd, &err) < 0)
		dvmd_call_error(&r->call, err.code, "%s", err.text);
	else
		dvmd_call_answer(&r->call, DVMI_MSG_OK, NULL);
	free(r);
}

struct on_node {
	uint32_t node;
	unsigned jobs;
};

static int count_on_node(const Pb__JobRecord *r, void *arg)
{
	struct on_node *c = arg;

	if (r->spec->no_slots)
		return 0; /* a helper of others, which ends with its node */
	for (size_t i = 0; r->state != PB__JOB_STATE__JOB_DONE && i < r->placement->n_nodes; i++)
		c->jobs += r->placement->nodes[i]->node == c->node;
	return 0;
}

void dvmd_roster_serve_remove(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct dvmd *d = call->d;
	cleanup_pb Pb__NodeRef *ref = NULL;
	struct on_node on = { 0 };

	if (dvmi_pb_unpack(&pb__node_ref__descriptor, body, len, &ref) < 0) {
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
		return;
	}
	const Pb__Member *m = dvmd_cstate_member_by_name(dvmd_state(d), ref->name);
	if (m) {
		on.node = m->id;
		dvmd_cstate_each_job(dvmd_state(d), count_on_node, &on);
	}
	struct removal *r = malloc(sizeof *r);
	if (!dvmd_call_is_admin(call))
		dvmd_call_error(&call, -EPERM, "only the machine's owner may remove nodes");
	else if (!m)
		dvmd_call_error(&call, -ENOENT, "no node is called %s", ref->name);
	else if (m->id == DVMD_LEADER)
		dvmd_call_error(&call, -EBUSY, "%s leads the machine: dvm halt ends it", m->name);
	else if (on.jobs && !ref->force)
		dvmd_call_error(&call, -EBUSY, "%u job%s on %s: cancel, or use --force", on.jobs,
				on.jobs == 1 ? " runs" : "s run", m->name);
	else if (!r)
		dvmd_call_error(&call, -ENOMEM, "out of memory");
	else {
		*r = (struct removal){ call, m->id };
		int rc = dvmd_transport_request(d->wire, m->id, DVMI_MSG_HALT_NODES, NULL, 0,
						REMOVE_TIMEOUT, on_removed_told, r);
		if (rc < 0)
			on_removed_told(rc, NULL, 0, NULL, 0, r);
		return;
	}
	free(r);
}

void dvmd_roster_serve_leave(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct dvmd *d = call->d;
	Pb__NodeRef ref = PB__NODE_REF__INIT;
	struct dvmi_buf b = { 0 };

	ref.name = (char *)d->setup.name;
	dvmi_pb_pack(&b, &ref);
	call->type = DVMI_MSG_REMOVE;
	if (b.err)
		dvmd_call_error(&call, b.err, "out of memory");
	else
		dvmd_call_dispatch(call, b.data, b.len);
	dvmi_buf_free(&b);
}

struct ids {
	uint32_t *ids;
	size_t n;
	const struct dvmd *d;
};

static int collect_up(const Pb__Member *m, void *arg)
{
	struct ids *c = arg;

	if (m->id != c->d->self && dvmd_live_is_up(c->d->live, m->id))
		c->ids[c->n++] = m->id;
	return 0;
}

static void halt_self(void *arg)
{
	dvmd_stop(arg, true);
}

void dvmd_roster_halt_now(struct dvmd_roster *r)
{
	struct dvmd *d = r->d;
	struct ids c = { .ids = calloc(dvmd_cstate_members(dvmd_state(d)) + 1, sizeof(uint32_t)),
			 .d = d };

	dvmd_call_answer(&r->halt, DVMI_MSG_OK, NULL);
	if (c.ids)
		dvmd_cstate_each_member(dvmd_state(d), collect_up, &c);
	if (!c.n || dvmd_cast_send(d->cast, c.ids, c.n, DVMI_MSG_HALT_NODES, NULL, 0,
				   HALT_CAST, NULL, halt_self, d) < 0)
		dvmd_stop(d, true);
	free(c.ids);
}

/* Helpers that take no slots are nobody's work. */
static int count_work(const Pb__JobRecord *r, void *arg)
{
	*(size_t *)arg += r->state != PB__JOB_STATE__JOB_DONE && !r->spec->no_slots;
	return 0;
}

void dvmd_roster_serve_halt(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct dvmd *d = call->d;
	cleanup_pb Pb__HaltRequest *req = NULL;
	size_t jobs = 0;

	dvmd_cstate_each_job(dvmd_state(d), count_work, &jobs);
	if (dvmi_pb_unpack(&pb__halt_request__descriptor, body, len, &req) < 0)
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
	else if (!dvmd_call_is_admin(call))
		dvmd_call_error(&call, -EPERM, "only the machine's owner may halt it");
	else if (jobs && !req->force)
		dvmd_call_error(&call, -EBUSY, "%zu job%s: wait, cancel, or use --force", jobs,
				jobs == 1 ? " is running" : "s are running");
	else if (d->roster->halt)
		dvmd_call_error(&call, -EALREADY, "the machine is being halted");
	else {
		d->roster->halt = call;
		d->halting = true;
		d->roster->halt_by = dvmi_clock_mono() + HALT_TIMEOUT;
		dvmd_lead_end_all(d->lead, "the machine is being halted");
		dvmd_roster_tick_every(d->roster, HALT_TICK_MS);
	}
}
