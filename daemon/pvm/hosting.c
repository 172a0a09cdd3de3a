/* SPDX-License-Identifier: BSD-3-Clause */
/* How long the hoster, a task that starts what makes hosts ours, may take for an answer. */
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon/pvm/master.h"

#define ROUND 30 /* s; it has one to two of them */

static void on_round(struct agent *a, struct pvm_watch *w)
{
	uint64_t rounds;

	if (read(w->fd, &rounds, sizeof rounds) < 0)
		return;
	if (!pvm_world_hosts_late(a->world))
		pvm_watch_close(a, w);
}

/* Without a timer it has for ever, as in PVM. */
void pvm_master_hosting(void *arg)
{
	const struct itimerspec every = { .it_interval.tv_sec = ROUND, .it_value.tv_sec = ROUND };
	struct agent *a = arg;

	if (a->hosting.fd >= 0)
		return;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0)
		return;
	if (timerfd_settime(fd, 0, &every, NULL) < 0 || pvm_watch_add(a, &a->hosting, fd, on_round) < 0) {
		close(fd);
		a->hosting.fd = -1;
	}
}
