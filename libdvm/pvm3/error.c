/* SPDX-License-Identifier: BSD-3-Clause */
/* What calls return, and how it is said. */
#include <stdlib.h>
#include <unistd.h>

#include "libdvm/pvm3/state.h"

int pvm_errno;

/* By code, negated. */
static const char *const texts[] = {
	[-PvmOk] = "Error 0",
	[1] = "Error 1",
	[-PvmBadParam] = "Bad parameter",
	[-PvmMismatch] = "Parameter mismatch",
	[-PvmOverflow] = "Value too large",
	[-PvmNoData] = "End of buffer",
	[-PvmNoHost] = "No such host",
	[-PvmNoFile] = "No such file",
	[-PvmDenied] = "Permission denied",
	[9] = "Error 9",
	[-PvmNoMem] = "Malloc failed",
	[11] = "Error 11",
	[-PvmBadMsg] = "Can't decode message",
	[13] = "Error 13",
	[-PvmSysErr] = "Can't contact local daemon",
	[-PvmNoBuf] = "No current buffer",
	[-PvmNoSuchBuf] = "No such buffer",
	[-PvmNullGroup] = "Null group name",
	[-PvmDupGroup] = "Already in group",
	[-PvmNoGroup] = "No such group",
	[-PvmNotInGroup] = "Not in group",
	[-PvmNoInst] = "No such instance",
	[-PvmHostFail] = "Host failed",
	[-PvmNoParent] = "No parent task",
	[-PvmNotImpl] = "Not implemented",
	[-PvmDSysErr] = "Pvmd system error",
	[-PvmBadVersion] = "Version mismatch",
	[-PvmOutOfRes] = "Out of resources",
	[-PvmDupHost] = "Duplicate host",
	[-PvmCantStart] = "Can't start pvmd",
	[-PvmAlready] = "Already in progress",
	[-PvmNoTask] = "No such task",
	[-PvmNotFound] = "Not Found",
	[-PvmExists] = "Already Exists",
	[-PvmHostrNMstr] = "Hoster must run on master host",
	[-PvmParentNotSet] = "Spawning parent set PvmNoParent",
	[-PvmIPLoopback] = "Master Host IP Address is Loopback! (See pvm3/Readme)",
};

#define NTEXTS ((int)(sizeof texts / sizeof *texts))

const char *pvmi_text(int code)
{
	const char *text = code <= 0 && code > -NTEXTS ? texts[-code] : NULL;

	return text ? text : "Unknown Error";
}

/* Who speaks: a task by its id, others by their process. */
void pvmi_say(const char *what, const char *text)
{
	fflush(stdout);
	if (pvmi_tid())
		fprintf(stderr, "libpvm [t%x]: %s: %s\n", (unsigned)pvmi_tid(), what, text);
	else
		fprintf(stderr, "libpvm [pid%d]: %s: %s\n", (int)getpid(), what, text);
}

void pvmi_complain(const char *call, int code)
{
	char what[64];

	snprintf(what, sizeof what, "%s()", call);
	pvmi_say(what, pvmi_text(code));
}

int pvmi_quiet(int code)
{
	if (code < 0)
		pvm_errno = code;
	return code;
}

int pvmi_result(const char *call, int code)
{
	if (code >= 0)
		return code;
	pvm_errno = code;
	if (pvmi.auto_err)
		pvmi_complain(call, code);
	/* What a program has asked for: PvmAutoErr 2 ends it, 3 lets it dump core. */
	if (pvmi.auto_err == 2)
		exit(code);
	if (pvmi.auto_err >= 3)
		abort();
	return code;
}

char *pvm_strerror(void)
{
	return (char *)(uintptr_t)pvmi_text(pvm_errno);
}

int pvm_perror(char *text)
{
	pvmi_say(text ? text : "(null)", pvmi_text(pvm_errno));
	return 0;
}
