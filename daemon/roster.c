/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "daemon/lead.h"
#include "daemon/replica.h"
#include "daemon/roster_private.h"
#include "libdvm/base/clock.h"

#define TICK_MS		1000

int dvmd_roster_log(struct dvmd *d, Pb__Command *cmd, dvm_error_t *err)
{
	int rc = dvmd_replica_propose(d->replica, cmd, err);

	if (rc < 0)
		dvmi_log(&d->log, "state", LOG_WARNING, "%s", err->text);
	return rc;
}

void dvmd_roster_node_changed(struct dvmd *d, uint32_t node, bool up)
{
	const Pb__Member *m = dvmd_cstate_member(dvmd_state(d), node);
	Pb__MemberState state = up ? PB__MEMBER_STATE__MEMBER_UP : PB__MEMBER_STATE__MEMBER_DOWN;
	Pb__Command cmd = PB__COMMAND__INIT;
	Pb__MemberChange change = PB__MEMBER_CHANGE__INIT;
	dvm_error_t err = { 0 };

	if (!m || m->state == state)
		return;
	change.id = node;
	change.state = state;
	cmd.what_case = PB__COMMAND__WHAT_MEMBER_CHANGE;
	cmd.member_change = &change;
	dvmd_roster_log(d, &cmd, &err);
}

static void on_tick(uv_timer_t *t)
{
	struct dvmd_roster *r = t->data;
	uint64_t now = dvmi_clock_mono();

	if (!r->d->ready || !dvmd_leads(r->d))
		return;
	dvmd_roster_expire_tokens(r, now);
	if (r->halt && (dvmd_lead_jobs(r->d->lead) == 0 || now > r->halt_by))
		dvmd_roster_halt_now(r);
}

void dvmd_roster_tick_every(struct dvmd_roster *r, unsigned ms)
{
	uv_timer_start(&r->timer, on_tick, 0, ms);
}

int dvmd_roster_create(struct dvmd_roster **out, struct dvmd *d)
{
	struct dvmd_roster *r = calloc(1, sizeof *r);

	if (!r)
		return -ENOMEM;
	r->d = d;
	uv_timer_init(d->loop, &r->timer);
	r->timer.data = r;
	dvmd_roster_tick_every(r, TICK_MS);
	*out = r;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

void dvmd_roster_destroy(struct dvmd_roster *r)
{
	if (!r)
		return;
	dvmd_roster_forget_tokens(r);
	free(r->halt);
	uv_close((uv_handle_t *)&r->timer, on_closed);
}
