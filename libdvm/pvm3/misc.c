/* SPDX-License-Identifier: BSD-3-Clause */
/* Registering for parts of the machine's work, descriptors, and small things. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dvm/am.h"
#include "libdvm/pvm3/manager.h"

static int enlist(uint32_t role)
{
	struct dvmi_buf args = { 0 };
	int rc = pvmi_enrol();

	if (rc < 0)
		return rc;
	dvmi_buf_put_u32(&args, role);
	dvmi_buf_put_u32(&args, 1);
	rc = pvmi_ask(PVMI_REGISTER, &args, NULL);
	dvmi_buf_free(&args);
	return rc;
}

int pvm_reg_hoster(void)
{
	return pvmi_result("pvm_reg_hoster", enlist(PVMI_ROLE_HOSTER));
}

int pvm_reg_tasker(void)
{
	return pvmi_result("pvm_reg_tasker", enlist(PVMI_ROLE_TASKER));
}

/* Whoever manages already decides. */
static int ask_manager_for_its_place(void)
{
	struct pvmi_msg *reply;
	int rc = pvmi_ask_manager(SM_SCHED, pvmi_manager_body(), &reply);

	if (rc != 0)
		return rc;
	rc = pvmi_get_int(reply);
	pvmi_drop(reply);
	return rc > 0 ? 0 : rc;
}

int pvm_reg_rm(struct pvmhostinfo **hosts)
{
	int rc = pvmi_enrol();

	if (rc == 0 && pvmi_managed())
		rc = ask_manager_for_its_place();
	else
		rc = PVMI_NO_MANAGER;
	if (rc == PVMI_NO_MANAGER)
		rc = enlist(PVMI_ROLE_RM);

	if (rc == 0 && hosts)
		rc = pvm_config(NULL, NULL, hosts);
	return pvmi_result("pvm_reg_rm", rc);
}

int pvm_reg_tracer(int tid, int context, int tag, int outctx, char *mask, int buffer, int options)
{
	(void)mask;
	(void)outctx;
	int rc = enlist(PVMI_ROLE_TRACER);

	if (rc == 0) {
		pvmi.trace = (struct pvmi_where){ tid, context, tag };
		pvmi.trace_buffer = buffer;
		pvmi.trace_options = options;
	}
	return pvmi_result("pvm_reg_tracer", rc);
}

int pvm_tickle(int narg, int *args, int *nresult, int *results)
{
	struct dvmi_buf b = { 0 };
	int rc = pvmi_enrol();

	(void)results;
	if (rc == 0 && (narg < 1 || narg > 10 || !args))
		rc = PvmBadParam;
	if (rc == 0) {
		dvmi_buf_put_u32(&b, (uint32_t)narg);
		for (int i = 0; i < narg; i++)
			dvmi_buf_put_u32(&b, (uint32_t)args[i]);
		rc = pvmi_ask(PVMI_TICKLE, &b, NULL);
		dvmi_buf_free(&b);
	}
	if (rc == 0 && nresult)
		*nresult = 0;
	return pvmi_result("pvm_tickle", rc);
}

/*
 * One descriptor stands for all there is. It becomes readable when something comes that a call which
 * has found nothing (pvm_nrecv(), pvm_probe()) did not see; so that is called before waiting.
 */
int pvm_getfds(int **fds)
{
	int rc = fds ? pvmi_enrol() : PvmBadParam;

	if (rc == 0)
		rc = dvm_fd(pvmi.d) < 0 ? PvmSysErr : 0;
	if (rc < 0)
		return pvmi_result("pvm_getfds", rc);
	pvmi.watched = true;
	pvmi.fds[0] = dvm_fd(pvmi.d);
	pvmi_watch();
	*fds = pvmi.fds;
	return 1;
}

/* Tasks that outlive a reset of the machine, PvmNoReset. */
static int *noresets;

static int take_noresets(const struct dvmi_buf *body, int *count)
{
	struct dvmi_reader r;

	dvmi_reader_init(&r, body->data, body->len);
	uint32_t n = dvmi_get_u32(&r);
	int *tids = r.err || n > body->len / 4 ? NULL : calloc(n + 1, sizeof *tids);
	if (!tids)
		return PvmBadMsg;
	for (uint32_t i = 0; i < n; i++)
		tids[i] = (int)dvmi_get_u32(&r);
	free(noresets);
	noresets = tids;
	*count = (int)n;
	return 0;
}

int pvm_getnoresets(int **tids, int *count)
{
	struct dvmi_buf body;
	int n = 0, rc = pvmi_enrol();

	if (rc == 0) {
		rc = pvmi_ask(PVMI_NORESETS, NULL, &body);
		rc = rc < 0 ? rc : take_noresets(&body, &n);
		dvmi_buf_free(&body);
	}
	if (rc == 0 && tids)
		*tids = noresets;
	if (rc == 0 && count)
		*count = n;
	return pvmi_result("pvm_getnoresets", rc);
}

int pvmsleep(int seconds)
{
	return (int)sleep(seconds > 0 ? (unsigned)seconds : 0);
}

char *pvmgetrsh(void)
{
	static char rsh[] = "/usr/bin/ssh";
	char *own = getenv("PVM_RSH");

	return own ? own : rsh;
}

char *pvmgettmp(void)
{
	static char tmp[] = "/tmp";
	char *own = getenv("PVM_TMP");

	return own ? own : tmp;
}

char *pvmtmpnam(char *name)
{
	static char own[128];
	static unsigned count;
	char *to = name ? name : own;

	snprintf(to, sizeof own, "%s/pvm%d.%u", pvmgettmp(), (int)getpid(), count++);
	return to;
}
