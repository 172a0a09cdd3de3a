/* SPDX-License-Identifier: BSD-3-Clause */
/* What a decision says to people and to programs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched/queue_private.h"

static const char *const names[DSCHED_WHYS] = {
	[DSCHED_STARTS] = "starts",
	[DSCHED_W_RESOURCES] = "resources",
	[DSCHED_W_PRIORITY] = "priority",
	[DSCHED_W_HELD] = "held",
	[DSCHED_W_BEGIN] = "begin",
	[DSCHED_W_DEPENDS] = "dependency",
	[DSCHED_W_NEVER] = "dependency-never",
	[DSCHED_W_ARRAY] = "array-limit",
	[DSCHED_W_BOOKING] = "reservation",
	[DSCHED_W_PREEMPTS] = "preempting",
	[DSCHED_W_SHRINKS] = "shrinking",
	[DSCHED_W_IMPOSSIBLE] = "impossible",
};

const char *dsched_why_name(enum dsched_why why)
{
	return (unsigned)why < DSCHED_WHYS ? names[why] : "?";
}

int dsched_feasible(const struct dsched_snapshot *snap, const struct dsched_request *req,
		    struct dsched_reason *reason)
{
	struct dsched_work w = { .snap = snap, .req = req, .reason = reason };
	int rc = dsched_probe(&w);

	free(w.cands);
	return rc == -EAGAIN ? 0 : rc;
}

/* Why it does not fit now, worked out where the decision did not have to. */
static void lacking(const struct dsched_queue *q, const struct dsched_answer *a,
		    const struct dsched_job *j, struct dvmi_buf *out)
{
	struct dsched_reason reason = { 0 };
	struct dsched_work w = { .snap = q->snap, .req = j->req, .reason = &reason };

	if (a->reason) {
		dvmi_buf_printf(out, "%s", a->reason->text);
		return;
	}
	int rc = dsched_probe(&w);
	free(w.cands);
	if (rc == 0)
		dvmi_buf_printf(out, "there is room, but not for as long as it may run");
	else
		dvmi_buf_printf(out, "%s", reason.text);
}

static void behind(const struct dsched_queue *q, const struct dsched_answer *a,
		   const struct dsched_job *j, struct dvmi_buf *out)
{
	dvmi_buf_printf(out, "job %llu comes first; ", (unsigned long long)a->other);
	if (q->policy->order == DSCHED_FIFO)
		dvmi_buf_printf(out, "nobody passes it");
	else
		lacking(q, a, j, out);
}

static void booked(const struct dsched_answer *a, const struct dsched_job *j, struct dvmi_buf *out)
{
	if (a->start == DSCHED_NEVER)
		dvmi_buf_printf(out, "there is no reservation \"%s\" (any more)", j->booking);
	else
		dvmi_buf_printf(out, "reservation \"%s\" has not begun", j->booking);
}

void dsched_why_text(const struct dsched_queue *q, const struct dsched_decision *d, size_t i,
		     struct dvmi_buf *out)
{
	const struct dsched_answer *a = &d->answers[i];
	const struct dsched_job *j = &q->jobs[i];
	unsigned long long other = a->other;

	switch (a->why) {
	case DSCHED_STARTS:
		dvmi_buf_printf(out, "starts");
		break;
	case DSCHED_W_RESOURCES:
	case DSCHED_W_IMPOSSIBLE:
		lacking(q, a, j, out);
		break;
	case DSCHED_W_PRIORITY:
		behind(q, a, j, out);
		break;
	case DSCHED_W_HELD:
		dvmi_buf_printf(out, "held until it is released");
		break;
	case DSCHED_W_BEGIN:
		dvmi_buf_printf(out, "is not to begin yet");
		break;
	case DSCHED_W_DEPENDS:
		dvmi_buf_printf(out, "waits for job %llu", other);
		break;
	case DSCHED_W_NEVER:
		dvmi_buf_printf(out, "job %llu did not end as this one needs it to", other);
		break;
	case DSCHED_W_ARRAY:
		dvmi_buf_printf(out, "%u tasks of array %llu run, more may not", j->array_max,
				other);
		break;
	case DSCHED_W_BOOKING:
		booked(a, j, out);
		break;
	case DSCHED_W_PREEMPTS:
		dvmi_buf_printf(out, "running jobs make room for it");
		break;
	case DSCHED_W_SHRINKS:
		dvmi_buf_printf(out, "elastic jobs give back room for it");
		break;
	case DSCHED_WHYS:
		break;
	}
}
