/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/doctor.h"
#include "daemon/doctor_host.h"
#include "daemon/live.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"

#define PROBE_TIMEOUT  (2 * DVMI_SEC)
#define WHY_TIMEOUT    (2 * DVMI_SEC)
#define GATHER_TIMEOUT (6 * DVMI_SEC) /* longer than both */

/* An examination: checks come in from many sides; the last one sends the answer. */
struct exam {
	struct dvmd_call *call;
	Pb__DoctorReply reply;
	unsigned pending;
	int err;
};

struct probe {
	struct exam *exam;
	uint32_t node;
	int code; /* what the probe came to */
	uint64_t sent;
	unsigned port;
	char to[64];
};

static void add(struct exam *e, const Pb__DoctorCheck *check)
{
	Pb__DoctorCheck **list = reallocarray(e->reply.checks, e->reply.n_checks + 1, sizeof *list);
	Pb__DoctorCheck *copy = dvmi_pb_dup(check);

	if (list)
		e->reply.checks = list;
	if (!list || !copy) {
		dvmi_pb_free(copy);
		e->err = -ENOMEM;
		return;
	}
	list[e->reply.n_checks++] = copy;
}

__attribute__((format(printf, 7, 8))) static void note(struct exam *e, const char *to,
							 const char *what, bool ok, bool warning,
							 uint64_t ns, const char *fmt, ...)
{
	char detail[512];
	Pb__DoctorCheck c = PB__DOCTOR_CHECK__INIT;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof detail, fmt, ap);
	va_end(ap);
	c.from = (char *)e->call->d->setup.name;
	c.to = (char *)to;
	c.what = (char *)what;
	c.ok = ok;
	c.warning = warning;
	c.detail = detail;
	c.ns = ns;
	add(e, &c);
}

static void exam_free(struct exam *e)
{
	for (size_t i = 0; i < e->reply.n_checks; i++)
		dvmi_pb_free(e->reply.checks[i]);
	free(e->reply.checks);
	free(e);
}

static void release(struct exam *e)
{
	if (--e->pending)
		return;
	if (e->err)
		dvmd_call_error(&e->call, e->err, "%s", dvm_strerror(e->err));
	else
		dvmd_call_answer(&e->call, DVMI_MSG_DOCTOR, &e->reply);
	exam_free(e);
}

/* ---- this host ---- */

static void note_host(void *arg, const char *what, bool ok, const char *detail)
{
	note(arg, "", what, ok, !ok, 0, "%s", detail);
}

static void check_run_dir(struct exam *e)
{
	const char *dir = e->call->d->setup.run_dir;

	if (access(dir, W_OK) < 0)
		note(e, "", "run directory", false, false, 0, "%s: %s", dir, strerror(errno));
	else
		note(e, "", "run directory", true, false, 0, "%s", dir);
}

/* ---- the way to others ---- */

/* There was no answer to the probe; what a plain connection to the same port came to says more. */
static void on_known_why(int code, const char *text, void *arg)
{
	struct probe *p = arg;
	struct exam *e = p->exam;

	if (code == 0)
		note(e, p->to, "control port", false, false, 0, "dvmd listens on port %u, but: %s",
		     p->port, dvm_strerror(p->code));
	else if (code == -ETIMEDOUT)
		note(e, p->to, "control port", false, false, 0,
		     "%s: is port %u blocked on the way, or the host down?", text, p->port);
	else
		note(e, p->to, "control port", false, false, 0, "port %u: %s", p->port, text);
	free(p);
	release(e);
}

static void on_probed(int code, const char *text, uint16_t type, const uint8_t *body, size_t len,
		      void *arg)
{
	struct probe *p = arg;
	struct exam *e = p->exam;
	uint64_t ns = dvmi_clock_mono() - p->sent;

	if (code < 0) {
		p->code = code;
		int rc = dvmd_transport_why(e->call->d->wire, p->node, WHY_TIMEOUT, on_known_why, p);
		if (rc < 0)
			on_known_why(rc, dvm_strerror(rc), p);
		return;
	}
	note(e, p->to, "control port", true, false, ns, "answers");
	free(p);
	release(e);
}

static int probe_member(const Pb__Member *m, void *arg)
{
	struct exam *e = arg;
	struct dvmd *d = e->call->d;

	if (m->id == d->self)
		return 0;
	struct probe *p = calloc(1, sizeof *p);
	if (!p)
		return e->err = -ENOMEM;
	p->exam = e;
	p->node = m->id;
	p->sent = dvmi_clock_mono();
	p->port = m->port;
	snprintf(p->to, sizeof p->to, "%s", m->name);
	e->pending++;
	int rc = dvmd_transport_request(d->wire, m->id, DVMI_MSG_PROBE, NULL, 0, PROBE_TIMEOUT,
					on_probed, p);
	if (rc < 0)
		on_probed(rc, NULL, 0, NULL, 0, p);
	return 0;
}

/* ---- asking all ---- */

static void on_gathered(int code, const char *text, uint16_t type, const uint8_t *body, size_t len,
			void *arg)
{
	struct probe *p = arg;
	struct exam *e = p->exam;
	cleanup_pb Pb__DoctorReply *r = NULL;

	if (code == 0 && dvmi_pb_unpack(&pb__doctor_reply__descriptor, body, len, &r) < 0)
		code = -DVM_EPROTO;
	if (code < 0)
		note(e, p->to, "examination", false, false, 0, "%s",
		     text && *text ? text : dvm_strerror(code));
	for (size_t i = 0; r && i < r->n_checks; i++)
		add(e, r->checks[i]);
	free(p);
	release(e);
}

static int ask_member(const Pb__Member *m, void *arg)
{
	struct exam *e = arg;
	struct dvmd *d = e->call->d;
	Pb__Forward f = PB__FORWARD__INIT;
	struct dvmi_buf b = { 0 };

	if (m->id == d->self)
		return 0;
	struct probe *p = calloc(1, sizeof *p);
	if (!p)
		return e->err = -ENOMEM;
	p->exam = e;
	snprintf(p->to, sizeof p->to, "%s", m->name);
	f.type = DVMI_MSG_DOCTOR;
	f.uid = e->call->uid;
	f.user = e->call->user;
	dvmi_pb_pack(&b, &f);
	e->pending++;
	int rc = b.err ? b.err :
			 dvmd_transport_request(d->wire, m->id, DVMI_MSG_FORWARD, b.data, b.len,
						GATHER_TIMEOUT, on_gathered, p);
	dvmi_buf_free(&b);
	if (rc < 0)
		on_gathered(rc, NULL, 0, NULL, 0, p);
	return 0;
}

void dvmd_doctor_serve(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct exam *e = calloc(1, sizeof *e);
	const struct dvmd_cstate *st = dvmd_state(call->d);

	if (!e) {
		dvmd_call_error(&call, -ENOMEM, "out of memory");
		return;
	}
	pb__doctor_reply__init(&e->reply);
	e->call = call;
	e->pending = 1; /* ours, until all has been asked */
	check_run_dir(e);
	dvmd_doctor_host("", note_host, e);
	dvmd_cstate_each_member(st, probe_member, e);
	if (call->session)
		dvmd_cstate_each_member(st, ask_member, e);
	release(e);
}
