/* SPDX-License-Identifier: BSD-3-Clause */
/* Other tasks: their state, signals, lists of them. */
#include <signal.h>
#include <stdlib.h>

#include "libdvm/pvm3/manager.h"
#include "libdvm/pvm3/trace.h"

static int ask_one(uint16_t type, int tid)
{
	struct dvmi_buf args = { 0 };

	dvmi_buf_put_u32(&args, (uint32_t)tid);
	int rc = pvmi_ask(type, &args, NULL);
	dvmi_buf_free(&args);
	return rc;
}

int pvm_pstat(int tid)
{
	int rc = pvmi_enrol();

	return pvmi_result("pvm_pstat", rc < 0 ? rc : ask_one(PVMI_PSTAT, tid));
}

static int send_signal(int tid, int sig)
{
	struct dvmi_buf args = { 0 };
	int rc = pvmi_enrol();

	if (rc < 0)
		return rc;
	dvmi_buf_put_u32(&args, (uint32_t)tid);
	dvmi_buf_put_u32(&args, (uint32_t)sig);
	rc = pvmi_ask(PVMI_SIGNAL, &args, NULL);
	dvmi_buf_free(&args);
	return rc;
}

int pvm_sendsig(int tid, int signum)
{
	PVMI_BEGINS(TEV_SENDSIG, PVMI_INT(TT, tid), PVMI_INT(SN, signum));
	return pvmi_result("pvm_sendsig", pvmi_ends(TEV_SENDSIG, send_signal(tid, signum)));
}

int pvm_kill(int tid)
{
	PVMI_BEGINS(TEV_KILL, PVMI_INT(TT, tid));
	return pvmi_result("pvm_kill", pvmi_ends(TEV_KILL, send_signal(tid, SIGTERM)));
}

/* ---- lists ---- */

struct tasks {
	struct pvmtaskinfo *v;
	int n;
};

static struct tasks shown; /* what pvm_tasks() lends until it is called again */

static void forget(struct tasks *t)
{
	for (int i = 0; i < t->n; i++)
		free(t->v[i].ti_a_out);
	free(t->v);
	*t = (struct tasks){ 0 };
}

static int take_tasks(const struct dvmi_buf *body, struct tasks *out)
{
	struct dvmi_reader r;

	dvmi_reader_init(&r, body->data, body->len);
	uint32_t n = dvmi_get_u32(&r);
	if (r.err || n > body->len / 20)
		return PvmBadMsg;
	out->v = calloc(n + 1, sizeof *out->v);
	if (!out->v)
		return PvmNoMem;
	for (; out->n < (int)n; out->n++) {
		struct pvmtaskinfo *t = &out->v[out->n];
		t->ti_tid = (int)dvmi_get_u32(&r);
		t->ti_ptid = (int)dvmi_get_u32(&r);
		t->ti_host = (int)dvmi_get_u32(&r);
		t->ti_flag = (int)dvmi_get_u32(&r);
		t->ti_a_out = dvmi_get_str(&r, PVMI_NAME_MAX);
		t->ti_pid = (int)dvmi_get_u32(&r);
	}
	return dvmi_reader_done(&r) < 0 ? PvmBadMsg : 0;
}

/* As the resource manager has them: a number that means nothing but an error, then tasks to the end. */
static int take_packed(struct pvmi_msg *m, struct tasks *out)
{
	int code = pvmi_get_int(m);

	if (code < 0)
		return code;
	out->v = calloc(m->len / 24 + 1, sizeof *out->v);
	if (!out->v)
		return PvmNoMem;
	for (; pvmi_msg_left(m) > 0; out->n++) {
		struct pvmtaskinfo *t = &out->v[out->n];
		t->ti_tid = pvmi_get_int(m);
		t->ti_ptid = pvmi_get_int(m);
		t->ti_host = pvmi_get_int(m);
		t->ti_flag = pvmi_get_int(m);
		t->ti_a_out = pvmi_get_str(m);
		t->ti_pid = pvmi_get_int(m);
		if (!t->ti_a_out)
			return PvmBadMsg;
	}
	return 0;
}

static int ask_manager(int where, struct tasks *out)
{
	struct pvmi_msg *body = pvmi_manager_body(), *reply;

	if (body)
		pvmi_put_int(body, where);
	int rc = pvmi_ask_manager(SM_TASK, body, &reply);
	if (rc != 0)
		return rc;
	rc = take_packed(reply, out);
	pvmi_drop(reply);
	return rc;
}

static int ask_tasks(int where, struct tasks *out)
{
	struct dvmi_buf args = { 0 }, body;
	int rc = pvmi_enrol();

	if (rc < 0)
		return rc;
	rc = pvmi_managed() ? ask_manager(where, out) : PVMI_NO_MANAGER;
	if (rc != PVMI_NO_MANAGER)
		return rc;
	dvmi_buf_put_u32(&args, (uint32_t)where);
	rc = pvmi_ask(PVMI_TASKS, &args, &body);
	if (rc >= 0)
		rc = take_tasks(&body, out);
	dvmi_buf_free(&args);
	dvmi_buf_free(&body);
	return rc;
}

int pvm_tasks(int where, int *ntask, struct pvmtaskinfo **info)
{
	struct tasks now = { 0 };
	int rc = ask_tasks(where, &now);

	if (rc == 0 && ntask)
		*ntask = now.n;
	if (rc < 0 || !info) {
		forget(&now); /* whoever has the last list keeps it */
		return pvmi_result("pvm_tasks", rc);
	}
	forget(&shown);
	shown = now;
	*info = shown.v;
	return 0;
}
