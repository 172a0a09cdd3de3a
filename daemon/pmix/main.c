/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm-pmix: started by a shepherd with a connected stream socket as descriptor 3. It gets one
 * SETUP, answers READY, and lives until the stream ends.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <uv.h>

#include "daemon/pmix/pmixd.h"
#include "libdvm/base/err.h"
#include "libdvm/proto/dispatch.h"
#include "libdvm/proto/msgtype.h"
#include "libdvm/proto/stream.h"

enum { SOCKET = 3 };

struct program {
	uv_loop_t loop;
	uv_async_t notes;
	struct dvmi_stream *shepherd;
	struct pmixd d;
	bool started;
};

static void wake(void *arg)
{
	struct program *p = arg;

	uv_async_send(&p->notes);
}

static void on_notes(uv_async_t *h)
{
	struct program *p = h->data;
	struct pmixd_note *n = pmixd_notes_take(&p->d), *next;

	for (; n; n = next) {
		struct dvmi_envelope env = { .type = n->type };
		next = n->next;
		if (p->shepherd)
			dvmi_stream_send(p->shepherd, env, n->body.data, n->body.len);
		pmixd_note_free(n);
	}
}

/* The strings in BUF as a list that points into it. */
static size_t split(struct dvmi_buf *buf, char **list, size_t max)
{
	size_t n = 0;

	for (size_t at = 0; at < buf->len && n < max; n++) {
		list[n] = (char *)buf->data + at;
		at += strlen(list[n]) + 1;
	}
	return n;
}

static void on_setup(struct program *p, const Pb__PmixSetup *setup)
{
	Pb__PmixReady ready = PB__PMIX_READY__INIT;
	struct dvmi_buf env = { 0 };
	dvm_error_t err = { 0 };
	char *list[128];

	if (p->started)
		return;
	p->started = true;
	ready.code = pmixd_server_start(&p->d, setup, &env, &err);
	ready.text = err.text;
	ready.env = list;
	ready.n_env = ready.code == 0 ? split(&env, list, sizeof list / sizeof list[0]) : 0;
	dvmi_stream_send_pb(p->shepherd, (struct dvmi_envelope){ .type = DVMI_MSG_PMIX_READY },
			    &ready);
	dvmi_buf_free(&env);
}

static void on_fence(struct program *p, const Pb__PmixFence *f)
{
	const struct pmixd_said said = { .code = f->code, .data = f->data.data, .len = f->data.len };

	pmixd_answer(&p->d, f->id, &said);
}

static void on_modex(struct program *p, const Pb__PmixModex *m)
{
	const struct pmixd_said said = { .code = m->code, .data = m->data.data, .len = m->data.len };

	if (m->answer)
		pmixd_answer(&p->d, m->id, &said);
	else
		pmixd_modex(&p->d, m->id, m->rank);
}

static void on_answer(struct program *p, const Pb__PmixAnswer *a)
{
	const struct pmixd_said said = { .code = a->code,
					 .job = a->job,
					 .rank = a->rank,
					 .data = a->value.data,
					 .len = a->value.len };

	pmixd_answer(&p->d, a->id, &said);
}

static void on_connect(struct program *p, const Pb__PmixConnect *c)
{
	pmixd_connected(&p->d, c);
}

static void on_event(struct program *p, const Pb__PmixEvent *e)
{
	if (p->started)
		pmixd_event(&p->d, e);
}

static const struct dvmi_taker takers[] = {
	DVMI_TAKES(DVMI_MSG_PMIX_SETUP, pmix_setup, on_setup),
	DVMI_TAKES(DVMI_MSG_PMIX_FENCE, pmix_fence, on_fence),
	DVMI_TAKES(DVMI_MSG_PMIX_MODEX, pmix_modex, on_modex),
	DVMI_TAKES(DVMI_MSG_PMIX_ANSWER, pmix_answer, on_answer),
	DVMI_TAKES(DVMI_MSG_PMIX_CONNECT, pmix_connect, on_connect),
	DVMI_TAKES(DVMI_MSG_PMIX_EVENT, pmix_event, on_event),
};

static void on_message(struct dvmi_stream *s, const struct dvmi_envelope *env, const uint8_t *body,
		       size_t len, void *arg)
{
	struct program *p = arg;

	/* Answered behind everything that has been said so far. */
	if (env->type == DVMI_MSG_OK)
		pmixd_note(&p->d, DVMI_MSG_OK, NULL);
	else
		dvmi_dispatch(takers, sizeof takers / sizeof takers[0], env->type, body, len, p);
}

static void on_closed(struct dvmi_stream *s, int code, void *arg)
{
	struct program *p = arg;

	dvmi_stream_destroy(s);
	p->shepherd = NULL;
	uv_close((uv_handle_t *)&p->notes, NULL);
	uv_stop(&p->loop);
}

static const struct dvmi_stream_ops stream_ops = { .message = on_message, .closed = on_closed };

int main(int argc, char **argv)
{
	static struct program p;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	pthread_mutex_init(&p.d.lock, NULL);
	p.d.last = &p.d.notes;
	p.d.wake = wake;
	p.d.arg = &p;
	if (argc > 1 || uv_loop_init(&p.loop) < 0 ||
	    uv_async_init(&p.loop, &p.notes, on_notes) < 0 ||
	    dvmi_stream_open(&p.shepherd, &p.loop, SOCKET, &stream_ops, &p) < 0) {
		fprintf(stderr, "dvm-pmix is started by dvm-shepherd\n");
		return 2;
	}
	p.notes.data = &p;
	uv_run(&p.loop, UV_RUN_DEFAULT);
	if (p.started)
		pmixd_server_stop(&p.d);
	return 0;
}
