/* SPDX-License-Identifier: BSD-3-Clause */
/* Events: asked for, kept until they are read, and read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/clock.h"
#include "libdvm/src/ask.h"
#include "libdvm/src/wait.h"

#define EVENTS_MAX 4096 /* kept unread; what comes then is missed */

_Static_assert((int)DVM_EVENT_MISSED == (int)DVMI_EVENT_MISSED && (int)DVM_EVENT_HOST_LEFT == (int)DVMI_EVENT_HOST_LEFT &&
		       (int)DVM_EVENT_RANK_EXIT == (int)DVMI_EVENT_RANK_EXIT &&
		       (int)DVM_EVENT_ANY == (1 << (int)DVMI_EVENT_KINDS) - 1,
	       "one numbering of events");
_Static_assert((int)DVM_EVENT_ROOM == (int)DVMI_EVENT_ROOM && (int)DVM_EVENT_LEAVE == (int)DVMI_EVENT_LEAVE,
	       "one numbering of events");

struct dvmi_event_node {
	struct dvmi_event_node *next;
	dvm_event_t event;
};

static void append(struct dvmi_dyn *y, struct dvmi_event_node *n)
{
	if (!y->events)
		y->events_end = &y->events;
	*y->events_end = n;
	y->events_end = &n->next;
	y->n_events++;
}

void dvmi_event_take(dvm_t *d, const struct dvmi_ctl_packet *p)
{
	struct dvmi_rank_event e;
	struct dvmi_event_node *n =
		d->dyn.n_events < EVENTS_MAX ? calloc(1, sizeof *n) : NULL;

	if (!n || p->len < sizeof e || p->len - sizeof e > DVMI_RANK_TEXT_MAX) {
		d->dyn.missed = true;
		free(n);
		return;
	}
	memcpy(&e, p->body, sizeof e);
	n->event = (dvm_event_t){ .kind = e.kind,
				  .rank = (int32_t)e.rank,
				  .job = e.job,
				  .host = e.node,
				  .status = e.status,
				  .signal = (int32_t)e.signal };
	memcpy(n->event.text, p->body + sizeof e, p->len - sizeof e);
	append(&d->dyn, n);
}

void dvmi_events_free(dvm_t *d)
{
	struct dvmi_event_node *n;

	while ((n = d->dyn.events)) {
		d->dyn.events = n->next;
		free(n);
	}
	d->dyn.n_events = 0;
}

/* 1, 0, or why there will be none. */
static int take_event(dvm_t *d, dvm_event_t *event)
{
	struct dvmi_event_node *n = d->dyn.events;

	if (n) {
		*event = n->event;
		d->dyn.events = n->next;
		d->dyn.n_events--;
		free(n);
		return 1;
	}
	if (d->dyn.missed) {
		d->dyn.missed = false;
		*event = (dvm_event_t){ .kind = DVM_EVENT_MISSED };
		return 1;
	}
	return d->ctl.fd < 0 ? -DVM_EPEERLOST : 0;
}

int dvm_watch(dvm_t *d, uint32_t mask)
{
	struct dvmi_rank_watch w = { .mask = mask };
	struct dvmi_question q = { .type = DVMI_RANK_WATCH, .head = &w, .head_len = sizeof w };
	struct dvmi_ask a;

	if (!d || mask > DVM_EVENT_ANY)
		return -EINVAL;
	return dvmi_ask(d, &a, &q, NULL);
}

int dvm_event(dvm_t *d, dvm_event_t *event)
{
	if (!d || !event)
		return -EINVAL;
	if (!d->env.shepherd)
		return 0;
	dvmi_enter(d);
	if (!d->dyn.events)
		dvmi_news(d);
	int rc = take_event(d, event);
	dvmi_leave(d);
	return rc;
}

int dvm_event_wait(dvm_t *d, dvm_event_t *event, int timeout_ms)
{
	struct dvmi_wait w = { 0 };
	uint64_t end = timeout_ms < 0 ? UINT64_MAX :
					dvmi_clock_mono() + (uint64_t)timeout_ms * DVMI_MSEC;
	int rc;

	if (!d || !event || timeout_ms < -1)
		return -EINVAL;
	if (!d->env.shepherd)
		return -ENOTCONN;
	dvmi_enter(d);
	dvmi_news(d);
	while ((rc = take_event(d, event)) == 0) {
		if (end != UINT64_MAX && dvmi_clock_mono() >= end) {
			rc = -ETIMEDOUT;
			break;
		}
		dvmi_wait_round(d, &w);
	}
	dvmi_leave(d);
	return rc;
}
