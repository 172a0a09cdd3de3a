/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is to blame for a job's end, and with which exit code. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/jobctl_private.h"
#include "dvm/error.h"
#include "libdvm/base/buf.h"
#include "libdvm/base/hostlist.h"

void dvmd_jobctl_blame(struct job *j, Pb__JobHow how,
							 int exit_code, const char *fmt, ...)
{
	va_list ap;

	if (j->exit_code && !j->weak)
		return;
	j->weak = false;
	j->how = how;
	j->exit_code = exit_code;
	free(j->reason);
	va_start(ap, fmt);
	if (vasprintf(&j->reason, fmt, ap) < 0)
		j->reason = NULL;
	va_end(ap);
}

static void blame_rank(struct job *j, const struct share *s, const Pb__RankStatus *r)
{
	int code = r->status & 0xff ? r->status & 0xff : 1;

	if (r->signalled) {
		if (!j->exit_code || j->weak)
			j->signal = r->status - 128;
		dvmd_jobctl_blame(j, HOW(FAILED), code,
				  "rank %u on %s was killed by signal %d (%s)", r->rank, s->name,
				  r->status - 128, strsignal(r->status - 128));
	} else if (!j->exit_code) {
		dvmd_jobctl_blame(j, HOW(FAILED), code, "rank %u on %s exited with code %d",
				  r->rank, s->name, r->status);
		j->weak = j->nshares > 1 && j->state != S(ENDING) && !j->keep_going;
	}
}

/* Exit code as shells have it: 127 where the program is not there, 126 where it cannot run. */
static int start_exit_code(int code)
{
	return code == -ENOENT ? 127 : code == -EACCES || code == -ENOEXEC ? 126 : 1;
}

bool dvmd_jobctl_judge(struct job *j, const struct share *s)
{
	const Pb__JobStatus *st = s->status;
	const Pb__RankStatus *r;

	if (s->failed || (st && st->phase == PB__SHARE_PHASE__SHARE_FAILED)) {
		int code = s->failed ? s->failed_code : st->code;
		bool lost = s->crashed || code == -DVM_EPEERLOST;
		dvmd_jobctl_blame(j, lost ? HOW(LOST) : HOW(FAILED), start_exit_code(code),
				  "%s: %s", s->name, s->failed ? s->failed : st->text);
		return !(s->crashed && j->keep_going);
	}
	if (!st)
		return false;
	if (st->abort_text && *st->abort_text) {
		int code = st->abort_code & 0xff ? st->abort_code & 0xff : 1;
		dvmd_jobctl_blame(j, HOW(FAILED), code, "%s: %s", s->name, st->abort_text);
		return true;
	}
	if ((r = dvmd_jobctl_first_failed(st))) {
		blame_rank(j, s, r);
		return !j->keep_going;
	}
	return false;
}

void dvmd_jobctl_fold_failures(struct job *j)
{
	const char **names = calloc(j->nshares + 1, sizeof *names), *text = NULL;
	struct dvmi_buf b = { 0 };
	size_t n = 0;

	for (size_t i = 0; names && i < j->nshares; i++) {
		const char *t = dvmd_jobctl_start_failure(&j->shares[i]);
		if (t && !text)
			text = t;
		if (t && !strcmp(t, text))
			names[n++] = j->shares[i].name;
	}
	if (n > 1 && j->reason && strstr(j->reason, text)) {
		dvmi_hostlist_fold(names, n, &b);
		dvmi_buf_printf(&b, ": %s", text);
		dvmi_buf_put_u8(&b, 0);
		if (!b.err) {
			free(j->reason);
			j->reason = strdup((char *)b.data);
		}
	}
	free(names);
	dvmi_buf_free(&b);
}
