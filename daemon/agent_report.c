/* SPDX-License-Identifier: BSD-3-Clause */
/* What the leader is told of a share: once something is new, and again if that seems to be lost. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/agent_private.h"
#include "daemon/lead.h"
#include "libdvm/base/clock.h"

/* A report is repeated, since it may be lost: soon while the log does not show it yet. */
#define REPORT_SOON  (DVMI_SEC - DVMD_AGENT_TICK_MS / 10 * DVMI_MSEC)
#define REPORT_EVERY (5 * DVMI_SEC)

bool dvmd_status_is_final(const Pb__JobStatus *st)
{
	return st && (st->phase == PB__SHARE_PHASE__SHARE_DONE ||
		      st->phase == PB__SHARE_PHASE__SHARE_FAILED);
}

static void report(struct dvmd_agent *a, const Pb__JobStatus *st)
{
	struct dvmi_buf b = { 0 };

	if (dvmd_leads(a->d)) {
		dvmd_lead_status(a->d->lead, st);
		return;
	}
	dvmi_pb_pack(&b, st);
	if (!b.err)
		dvmd_transport_send(a->d->wire, DVMD_LEADER, DVMI_MSG_JOB_STATUS, b.data, b.len);
	dvmi_buf_free(&b);
}

void dvmd_share_report(struct dvmd_share *s)
{
	s->reported = dvmi_clock_mono();
	if (s->status)
		report(s->agent, s->status);
}

void dvmd_share_take_status(struct dvmd_share *s, Pb__JobStatus *st)
{
	st->job = s->job;
	st->node = s->agent->d->self;
	dvmi_pb_free(s->status);
	s->status = st;
	s->repeat_after = REPORT_SOON;
	dvmd_share_report(s);
}

/* Does the log not show yet what we have reported? Perhaps because others are not so far. */
static bool is_news(const struct dvmd_share *s, const Pb__JobRecord *r)
{
	if (!r || s->status->phase == PB__SHARE_PHASE__SHARE_STARTING)
		return false;
	if (s->status->phase == PB__SHARE_PHASE__SHARE_RUNNING)
		return r->state == PB__JOB_STATE__JOB_LAUNCHING;
	return r->state != PB__JOB_STATE__JOB_DONE;
}

void dvmd_share_repeat(struct dvmd_share *s, const Pb__JobRecord *r, uint64_t now)
{
	if (now - s->reported < (is_news(s, r) ? s->repeat_after : REPORT_EVERY))
		return;
	s->repeat_after = s->repeat_after < REPORT_EVERY / 2 ? 2 * s->repeat_after : REPORT_EVERY;
	dvmd_share_report(s);
}

void dvmd_agent_report_failed(struct dvmd_agent *a, struct dvmd_share *s, uint64_t job, int code,
			      const char *text)
{
	Pb__JobStatus st = PB__JOB_STATUS__INIT;

	st.job = job;
	st.node = a->d->self;
	st.serial = UINT64_MAX; /* nothing can come after it */
	st.phase = PB__SHARE_PHASE__SHARE_FAILED;
	st.code = code;
	st.text = (char *)text;
	if (s && s->status) {
		/* Keep what is known of the ranks and of the output. */
		st.ranks = s->status->ranks;
		st.n_ranks = s->status->n_ranks;
		st.output_seq = s->status->output_seq;
	}
	if (!s) {
		report(a, &st);
		return;
	}
	Pb__JobStatus *copy = dvmi_pb_dup(&st);
	if (copy)
		dvmd_share_take_status(s, copy);
}
