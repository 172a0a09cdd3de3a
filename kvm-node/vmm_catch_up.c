/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host whose time stood still: a virtual machine that was stopped or moved to another machine. A
 * message never comes before it was sent, so who hears of a time later than its own is behind by as much
 * at least (Lamport 1978), and goes forward; no other way is open, as nobody's time may go back.
 */
#include "kvm-node/vmm_private.h"

#define BEHIND_MS 10u /* no clock that is followed gets that far, nor does it matter sooner */

/* Locked. */
static uint64_t behind(const struct vmm *v, uint64_t theirs)
{
	uint64_t now = vmm_clock_tsc(&v->clock);

	/* A host that says nonsense does not turn it back. */
	return theirs > now && theirs <= INT64_MAX ? theirs - now : 0;
}

void vmm_catch_up_note(void *arg, uint64_t theirs)
{
	struct vmm *v = arg;

	pthread_mutex_lock(&v->lock);
	uint64_t ticks = v->state == VMM_RUNNING ? behind(v, theirs) : 0;
	if (ticks > (uint64_t)v->clock.tsc_khz * BEHIND_MS && ticks > v->behind) {
		v->behind = ticks;
		pthread_cond_signal(&v->news);
	}
	pthread_mutex_unlock(&v->lock);
}

static void complain(const struct vmm *v, uint64_t ticks)
{
	dvmi_log(v->log, "spread", LOG_WARNING,
		 "the guest's time here was %llu ms behind that of other hosts, and is set forward: did this "
		 "host stand still?",
		 (unsigned long long)(ticks / v->clock.tsc_khz));
}

/* The first host has what others have said, which may be more by now; the others ask it. */
static int go_forward(struct vmm *v, dvm_error_t *err)
{
	int rc = vmm_hosts_set_clock(v, err);

	pthread_mutex_lock(&v->lock);
	uint64_t ticks = v->behind;
	v->behind = 0;
	if (vmm_is_first(v))
		vmm_clock_set(&v->clock, (int64_t)ticks);
	pthread_mutex_unlock(&v->lock);
	complain(v, ticks);
	return rc;
}

int vmm_catch_up(struct vmm *v, dvm_error_t *err)
{
	pthread_mutex_lock(&v->lock);
	if (v->state != VMM_RUNNING)
		v->behind = 0;
	bool due = v->behind != 0;
	pthread_mutex_unlock(&v->lock);
	if (!due)
		return 0;
	/* Else two vCPUs of this host could meet with two times. */
	vmm_park(v);
	int rc = go_forward(v, err);
	vmm_unpark(v);
	return rc;
}
