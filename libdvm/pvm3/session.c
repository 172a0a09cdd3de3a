/* SPDX-License-Identifier: BSD-3-Clause */
/* Becoming a task and ceasing to be one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dvm/dvm.h"
#include "libdvm/pvm3/trace.h"
#include "libdvm/src/wait.h"

/* What an agent says of the place that it gives a new task. */
struct place {
	struct dvmi_env env;
	char *socket; /* env points to it */
	uint32_t mates;
};

static void read_where(struct dvmi_reader *r, struct pvmi_where *w)
{
	w->tid = (int)dvmi_get_u32(r);
	w->tag = (int)dvmi_get_u32(r);
	w->ctx = (int)dvmi_get_u32(r);
}

static int read_siblings(struct dvmi_reader *r)
{
	uint32_t n = dvmi_get_u32(r);

	if (r->err || n > PVMI_FRAME_MAX / 4)
		return PvmBadMsg;
	free(pvmi.siblings);
	pvmi.siblings = calloc(n + 1, sizeof *pvmi.siblings);
	if (!pvmi.siblings)
		return PvmNoMem;
	for (uint32_t i = 0; i < n; i++)
		pvmi.siblings[i] = (int)dvmi_get_u32(r);
	pvmi.nsiblings = (int)n;
	return 0;
}

static int read_place(const struct dvmi_buf *body, struct place *p)
{
	struct dvmi_reader r;

	dvmi_reader_init(&r, body->data, body->len);
	pvmi.tid = (int)dvmi_get_u32(&r);
	pvmi.ptid = (int)dvmi_get_u32(&r);
	p->env.rank = dvmi_get_u32(&r);
	p->env.size = dvmi_get_u32(&r);
	p->env.node = dvmi_get_u32(&r);
	p->env.nnodes = dvmi_get_u32(&r);
	p->env.local_rank = dvmi_get_u32(&r);
	p->env.local_size = dvmi_get_u32(&r);
	p->socket = dvmi_get_str(&r, PVMI_NAME_MAX);
	p->env.shepherd = p->socket;
	p->mates = dvmi_get_u32(&r);
	read_where(&r, &pvmi.self_out);
	read_where(&r, &pvmi.self_trace);
	pvmi.ctx = (int)dvmi_get_u32(&r);
	int rc = read_siblings(&r);
	return rc < 0 || dvmi_reader_done(&r) < 0 ? PvmBadMsg : 0;
}

/* What our children inherit, until the program says otherwise. */
static void inherit(void)
{
	pvmi.out = pvmi.self_out;
	pvmi.trace = pvmi.self_trace;
	pvmi_trace_inherit();
}

static int ask_for_place(struct place *p)
{
	const char *token = getenv(PVMI_ENV_TASK);
	struct dvmi_buf args = { 0 }, body = { 0 };

	/* What this task spawns or forks is none of it. */
	dvmi_buf_put_u32(&args, (uint32_t)getpid());
	dvmi_buf_put_str(&args, token ? token : "");
	int rc = pvmi_ask_first(PVMI_ENROL, &args, &body);
	if (rc >= 0)
		rc = read_place(&body, p);
	dvmi_buf_free(&args);
	dvmi_buf_free(&body);
	unsetenv(PVMI_ENV_TASK);
	return rc;
}

/* No message of a world is waited for in vain: whoever ends is told of. */
static int somebody(void *arg, uint32_t ctx)
{
	(void)arg;
	(void)ctx;
	return 0;
}

static int open_messages(const struct place *p)
{
	int rc = dvmi_open_at(&pvmi.d, NULL, &p->env, NULL);

	if (rc < 0)
		return rc == -ENOMEM ? PvmNoMem : PvmSysErr;
	pvmi.d->env.shepherd = ""; /* it was read; there is one, wherever */
	pvmi.d->mates = p->mates;
	pvmi.d->p2p.owner.anybody = somebody;
	pvmi.d->hook = (struct dvmi_hook){ .news = pvmi_frames_take, .fd = pvmi.fd };
	if (pvmi_lend_open(&pvmi.lend, pvmi.d->heap, p->env.local_rank, p->env.local_size) < 0)
		pvmi.lend = NULL;
	pvmi_blob_lender(pvmi.lend);
	return 0;
}

static void end_lending(bool ours)
{
	pvmi_blob_lender(NULL);
	pvmi_lend_close(pvmi.lend, ours);
	pvmi.lend = NULL;
}

/* The child of a fork is no task: it has what its parent had, and must not touch it. */
static void forget_parents(void)
{
	if (!pvmi.tid || pvmi_same_process())
		return;
	close(pvmi.fd);
	pvmi.fd = -1;
	end_lending(false);
	pvmi.d = NULL; /* shared with the parent: neither used nor closed */
	pvmi.tid = 0;
	pvmi.first = pvmi.last = NULL;
	pvmi.flights = NULL;
	pvmi.questions = NULL;
	pvmi.npeers = pvmi.known = 0;
	pvmi.peers = NULL;
	dvmi_buf_free(&pvmi.in);
}

static int enrol(void)
{
	struct place p = { 0 };

	pvmi.fd = pvmi_find_agent();
	if (pvmi.fd < 0)
		return PvmSysErr;
	int rc = ask_for_place(&p);
	if (rc >= 0)
		rc = open_messages(&p);
	free(p.socket);
	if (rc < 0) {
		pvmi.tid = 0;
		pvmi_frames_lost();
		return rc;
	}
	pvmi_remember_process();
	inherit();
	return 0;
}

/* A program that just ends has sent what it has sent. */
static void at_end(void)
{
	if (pvmi.tid && pvmi_same_process())
		pvmi_leave();
}

int pvmi_enrol(void)
{
	static bool registered;

	forget_parents();
	if (pvmi.tid)
		return 0;
	int rc = enrol();
	if (rc == 0 && !registered)
		registered = atexit(at_end) == 0;
	return rc;
}

/* What has come and was not received; but for ALL not what is still coming, to where it will be. */
static void forget_messages(bool all)
{
	struct pvmi_entry *e, *next;

	for (e = pvmi.first; e; e = next) {
		next = e->next;
		if (!all && e->coming)
			continue;
		struct pvmi_msg *m = e->msg;
		pvmi_unqueue(m);
		pvmi_mids_remove(&pvmi.mids, m);
		pvmi_msg_free(m);
	}
	pvmi.ncoming = all ? 0 : pvmi.ncoming;
	while ((e = pvmi.spare)) {
		pvmi.spare = e->next;
		free(e);
	}
}

void pvmi_leave(void)
{
	struct dvmi_wait w = { 0 };

	pvmi_trace_flush();
	while (pvmi_sending() && !pvmi.d->broken)
		pvmi_wait(&w);
	forget_messages(false);
	end_lending(true);
	pvmi_ask(PVMI_EXIT, NULL, NULL); /* our memory is the node's from then on */
	pvmi.d->hook.news = NULL;
	dvm_close(pvmi.d);
	pvmi.d = NULL;
	forget_messages(true);
	pvmi_frames_lost();
	dvmi_buf_free(&pvmi.in);
	free(pvmi.peers);
	pvmi.peers = NULL;
	pvmi.npeers = pvmi.known = 0;
	pvmi_routes_end();
	pvmi.tid = pvmi.ptid = pvmi.manager = 0;
	pvmi.watched = false;
}

int pvm_mytid(void)
{
	int rc = pvmi_enrol();

	return rc < 0 ? pvmi_result("pvm_mytid", rc) : pvmi.tid;
}

int pvm_exit(void)
{
	int rc = pvmi_enrol();

	if (rc == 0) {
		if (pvmi_traced(TEV_EXIT))
			pvmi_trace_event(TEV_EXIT | TEV_EVENT_ENTRY, NULL, 0);
		pvmi_output_finish();
		pvmi_leave();
		pvmi_drop(pvmi.rbuf); /* other buffers stay */
	}
	return pvmi_result("pvm_exit", rc);
}

int pvm_parent(void)
{
	int rc = pvmi_enrol();

	if (rc < 0)
		return pvmi_result("pvm_parent", rc);
	return pvmi_quiet(pvmi.ptid ? pvmi.ptid : PvmNoParent);
}

int pvm_siblings(int **tids)
{
	int rc = pvmi_enrol();

	if (rc < 0)
		return pvmi_result("pvm_siblings", rc);
	if (!tids)
		return pvmi_result("pvm_siblings", PvmBadParam);
	if (!pvmi.nsiblings) {
		*tids = NULL;
		return pvmi_result("pvm_siblings", PvmNoParent);
	}
	*tids = pvmi.siblings;
	return pvmi.nsiblings;
}
