/* SPDX-License-Identifier: BSD-3-Clause */
/* The shares of this node: how each begins, finds its shepherd, and ends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/agent_private.h"
#include "daemon/toposave.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define HELLO_TIMEOUT (5 * DVMI_SEC) /* for shepherds of before our restart: they retry each second */

struct dvmd_share *dvmd_agent_share(struct dvmd_agent *a, uint64_t job)
{
	struct dvmd_share *s;

	HASH_FIND(hh, a->shares, &job, sizeof job, s);
	return s;
}

static void share_free(struct dvmd_share *s)
{
	dvmd_child_forget(s->child);
	dvmi_pb_free(s->placement);
	dvmi_pb_free(s->status);
	dvmd_share_forget_waiting(s);
	dvmd_interest_free(&s->interest);
	free(s);
}

struct dvmd_share *dvmd_share_add(struct dvmd_agent *a, uint64_t job, const Pb__JobSpec *spec,
				  const Pb__Placement *placement, uint32_t origin)
{
	struct dvmd_share *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->agent = a;
	s->job = job;
	s->uid = spec->uid;
	s->origin = origin;
	s->hello_by = dvmi_clock_mono() + HELLO_TIMEOUT;
	s->placement = dvmi_pb_dup(placement);
	if (!s->placement) {
		free(s);
		return NULL;
	}
	HASH_ADD(hh, a->shares, job, sizeof s->job, s);
	return s;
}

void dvmd_share_remove(struct dvmd_share *s)
{
	HASH_DEL(s->agent->shares, s);
	share_free(s);
}

/* ---- for others to know and to tell ---- */

void dvmd_agent_each(struct dvmd_agent *a, void (*fn)(struct dvmd_share *s, void *arg), void *arg)
{
	struct dvmd_share *s, *tmp;

	HASH_ITER(hh, a->shares, s, tmp)
		fn(s, arg);
}

uint64_t dvmd_share_job(const struct dvmd_share *s)
{
	return s->job;
}

uint32_t dvmd_share_uid(const struct dvmd_share *s)
{
	return s->uid;
}

struct dvmd_interest *dvmd_share_interest(struct dvmd_share *s)
{
	return &s->interest;
}

void dvmd_share_tell(struct dvmd_share *s, uint16_t type, const void *msg)
{
	if (s->stream && !s->released)
		dvmi_stream_send_pb(s->stream, (struct dvmi_envelope){ .type = type }, msg);
}

/* ---- starting ---- */

void dvmd_share_orphan(struct dvmd_share *s, const char *how, bool order)
{
	struct dvmd_agent *a = s->agent;
	const struct dvmd_place place = dvmd_agent_place(a, s->job);

	if (order)
		dvmd_sweep_tidy(&place);
	else
		dvmd_agent_clean_up(a, s->job);
	if (s->released) {
		/* With a stream it is the session's, too: its end follows, and removes it. */
		if (!s->stream)
			dvmd_share_remove(s);
		return;
	}
	if (!dvmd_status_is_final(s->status)) {
		char text[128];
		snprintf(text, sizeof text, "the shepherd of the job %s", how);
		dvmi_log(&a->d->log, "job", LOG_ERR, "job %llu: %s", (unsigned long long)s->job,
			 text);
		dvmd_agent_report_failed(a, s, s->job, -DVM_EPEERLOST, text);
	}
}

static void on_child_exit(int status, int signal, void *arg)
{
	struct dvmd_share *s = arg;
	char how[64];

	s->child = NULL;
	if (signal)
		snprintf(how, sizeof how, "was killed by signal %d", signal);
	else
		snprintf(how, sizeof how, "ended with code %d", status);
	dvmd_share_orphan(s, how, status == 0 && signal == 0 && dvmd_status_is_final(s->status));
}

const Pb__NodeShare *dvmd_share_own(const struct dvmd *d, const Pb__Placement *p)
{
	for (size_t i = 0; p && i < p->n_nodes; i++)
		if (p->nodes[i]->node == d->self)
			return p->nodes[i];
	return NULL;
}

int dvmd_agent_launch(struct dvmd_agent *a, const uint8_t *body, size_t len, dvm_error_t *err)
{
	cleanup_pb Pb__Launch *l = NULL;

	if (dvmi_pb_unpack(&pb__launch__descriptor, body, len, &l) < 0 || !l->spec ||
	    !dvmd_share_own(a->d, l->placement))
		return dvmi_error_set(err, -DVM_EPROTO, "malformed launch");
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state(a->d), l->job);
	if (dvmd_agent_share(a, l->job) || (r && r->state == PB__JOB_STATE__JOB_DONE))
		return 0; /* told twice, or too late */
	struct dvmd_share *s = dvmd_share_add(a, l->job, l->spec, l->placement, l->origin);
	if (!s)
		return dvmi_error_code(err, -ENOMEM, "launch");
	dvmd_toposave(a->d);
	int rc = dvmd_child_spawn(&s->child, a->d, body, len, s->cookie, on_child_exit, s, err);
	if (rc < 0)
		dvmd_share_remove(s);
	return rc;
}

struct dvmd_share *dvmd_agent_hello(struct dvmd_agent *a, struct dvmi_stream *stream,
				    const struct dvmi_peercred *cred, const uint8_t *body,
				    size_t len, dvm_error_t *err)
{
	cleanup_pb Pb__ShepherdHello *h = NULL;

	if (dvmi_pb_unpack(&pb__shepherd_hello__descriptor, body, len, &h) < 0) {
		dvmi_error_set(err, -DVM_EPROTO, "malformed hello");
		return NULL;
	}
	struct dvmd_share *s = dvmd_agent_share(a, h->job);
	if (!a->d->ready || (!s && h->job >= dvmd_cstate_next_job(dvmd_state(a->d)))) {
		dvmi_error_set(err, -EAGAIN, "this node does not know of job %llu yet",
			       (unsigned long long)h->job);
		return NULL;
	}
	if (!s || s->released) {
		dvmi_error_set(err, -ENOENT, "job %llu is over", (unsigned long long)h->job);
		return NULL;
	}
	/* The kernel's word on the user is what counts; after a restart there is no cookie. */
	if (cred->uid != s->uid && cred->uid != 0 && cred->uid != getuid()) {
		dvmi_error_set(err, -EPERM, "job %llu is not yours", (unsigned long long)h->job);
		return NULL;
	}
	if (s->child && (h->cookie.len != sizeof s->cookie ||
			 memcmp(h->cookie.data, s->cookie, sizeof s->cookie))) {
		dvmi_error_set(err, -DVM_EAUTH, "wrong cookie");
		return NULL;
	}
	if (s->stream) {
		dvmi_error_set(err, -EAGAIN, "job %llu has its shepherd",
			       (unsigned long long)h->job);
		return NULL;
	}
	s->stream = stream;
	if (h->status)
		dvmd_share_take_status(s, dvmi_pb_dup(h->status));
	return s;
}

void dvmd_agent_greeted(struct dvmd_share *s)
{
	dvmd_share_flush_waiting(s);
}

void dvmd_agent_shepherd_gone(struct dvmd_agent *a, struct dvmd_share *s)
{
	s->stream = NULL;
	s->hello_by = dvmi_clock_mono() + HELLO_TIMEOUT;
	/* A child's end is told by the loop; of an older shepherd only the socket tells. */
	if (!s->child && s->released) {
		dvmd_agent_clean_up(a, s->job);
		dvmd_share_remove(s);
	}
}

/* ---- all of them ---- */

bool dvmd_agent_end_all(struct dvmd_agent *a)
{
	struct dvmd_share *s, *tmp;
	Pb__JobSignal kill = PB__JOB_SIGNAL__INIT;
	Pb__JobRef ref = PB__JOB_REF__INIT;
	struct dvmi_envelope release = { .type = DVMI_MSG_JOB_RELEASE };

	kill.end = true;
	kill.reason = (char *)"the machine is being halted";
	HASH_ITER(hh, a->shares, s, tmp)
	{
		ref.job = kill.job = s->job;
		if (s->stream && !s->released) {
			dvmi_stream_send_pb(s->stream,
					    (struct dvmi_envelope){ .type = DVMI_MSG_JOB_KILL },
					    &kill);
			dvmi_stream_send_pb(s->stream, release, &ref);
		}
		s->released = true;
		if (!s->stream && !s->child)
			dvmd_share_remove(s);
	}
	return !a->shares && !a->leftovers;
}

static void on_tick(uv_timer_t *t)
{
	dvmd_agent_tick(t->data);
}

int dvmd_agent_create(struct dvmd_agent **out, struct dvmd *d)
{
	struct dvmd_agent *a = calloc(1, sizeof *a);

	if (!a)
		return -ENOMEM;
	a->d = d;
	uv_timer_init(d->loop, &a->timer);
	uv_timer_init(d->loop, &a->sweeper);
	a->timer.data = a->sweeper.data = a;
	a->handles = 2;
	uv_timer_start(&a->timer, on_tick, DVMD_AGENT_TICK_MS, DVMD_AGENT_TICK_MS);
	*out = a;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct dvmd_agent *a = h->data;

	if (--a->handles == 0)
		free(a);
}

void dvmd_agent_destroy(struct dvmd_agent *a)
{
	struct dvmd_share *s, *tmp;

	if (!a)
		return;
	HASH_ITER(hh, a->shares, s, tmp)
		dvmd_share_remove(s);
	dvmd_agent_forget_leftovers(a);
	uv_close((uv_handle_t *)&a->timer, on_closed);
	uv_close((uv_handle_t *)&a->sweeper, on_closed);
}
