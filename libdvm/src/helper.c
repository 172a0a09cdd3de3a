/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The progress thread. While the program's threads wait inside the library they make all progress
 * there is, and the helper only looks once a millisecond whether they still do; then it takes over
 * and sleeps on the descriptors.
 */
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "libdvm/base/err.h"
#include "libdvm/src/wait.h"

#define PARK_NS 1000000L

static void park(dvm_t *d)
{
	static const struct timespec ts = { .tv_nsec = PARK_NS };

	dvmi_leave(d);
	nanosleep(&ts, NULL);
	dvmi_enter(d);
}

static void *help(void *arg)
{
	dvm_t *d = arg;
	struct dvmi_wait w = { .helper = true };

	dvmi_enter(d);
	for (uint32_t seen = d->threads.rounds; !d->threads.stop;) {
		if (d->threads.rounds == seen && !d->broken) {
			dvmi_wait_round(d, &w);
			continue;
		}
		seen = d->threads.rounds;
		park(d);
	}
	dvmi_leave(d);
	return NULL;
}

int dvmi_helper_start(dvm_t *d, dvm_error_t *err)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&d->threads.helper, NULL, help, d);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		return dvmi_error_code(err, -rc, "cannot start the progress thread");
	d->threads.has_helper = true;
	pthread_setname_np(d->threads.helper, "dvm-progress");
	return 0;
}

void dvmi_helper_stop(dvm_t *d)
{
	if (!d->threads.has_helper)
		return;
	dvmi_enter(d);
	d->threads.stop = true;
	dvmi_wait_tell(d);
	dvmi_leave(d);
	pthread_join(d->threads.helper, NULL);
	d->threads.has_helper = false;
}
