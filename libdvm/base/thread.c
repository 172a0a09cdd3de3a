/* SPDX-License-Identifier: BSD-3-Clause */
#include "libdvm/base/thread.h"

#include <errno.h>
#include <sched.h>

int dvmi_thread_go_first(void)
{
	const struct sched_param p = { .sched_priority = 1 };

	return sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &p) < 0 ? -errno : 0;
}
