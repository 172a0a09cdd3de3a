// SPDX-License-Identifier: BSD-3-Clause
/*
 * What no header of PVM declares, but its library has, and programs call: PVM's own examples do.
 */
#include <stdio.h>
#include <sys/time.h>

#include "libdvm/pvm3/pvm.h"

int lpvmerr(const char *call, int code);
void pvmgetclock(struct timeval *now);
void pvmdisplaymhfinfo(const char *who, const char *what, int tid);

/* Says that CALL came to CODE, as calls of the library do, and returns CODE. */
int lpvmerr(const char *call, int code)
{
	return pvmi_result(call, code);
}

void pvmgetclock(struct timeval *now)
{
	gettimeofday(now, NULL);
}

/* Handlers that want to be watched. */
void pvmdisplaymhfinfo(const char *who, const char *what, int tid)
{
	printf("%s t%x: %s\n", who, (unsigned)tid, what);
}
