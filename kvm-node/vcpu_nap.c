/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A halted vCPU. Who waits for another one is often answered soon: it stays awake for a while
 * first, for as long as that has paid lately, as KVM does for those it halts itself. Who wakes it
 * does so without its lock, on a word of memory: it need not wait again for who has woken it.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvm-node/vcpu.h"
#include "libdvm/base/clock.h"

#define EARLY_MAX    UINT64_C(400000) /* ns that a sleep may end before its deadline */
#define LINGER_FIRST UINT64_C(10000)
#define LINGER_MAX   UINT64_C(200000) /* as KVM's halt_poll_ns */

bool vmm_vcpu_call(struct vmm_vcpu *v)
{
	v->where = VMM_OUTSIDE; /* once is enough */
	v->calls++;
	return true;
}

void vmm_vcpu_wake(struct vmm_vcpu *v)
{
	(void)syscall(SYS_futex, &v->calls, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

bool vmm_vcpu_doze(struct vmm_vcpu *v, uint64_t deadline)
{
	const struct timespec when = { (time_t)(deadline / DVMI_SEC), (long)(deadline % DVMI_SEC) };
	uint32_t seen = v->calls;

	v->where = VMM_ASLEEP;
	pthread_mutex_unlock(&v->lock);
	long rc = syscall(SYS_futex, &v->calls, FUTEX_WAIT_BITSET_PRIVATE, seen,
			  deadline ? &when : NULL, NULL, FUTEX_BITSET_MATCH_ANY);
	bool called = rc == 0 || errno != ETIMEDOUT;
	pthread_mutex_lock(&v->lock);
	v->where = VMM_OUTSIDE;
	return called;
}

/*
 * What waking up takes here, towards the lower end of what was seen lately: then little is spent
 * awake. What takes much longer says that the host is busy, and nothing about waking up.
 */
static void learn_early(struct vmm_vcpu *v, uint64_t late)
{
	if (late > 4 * EARLY_MAX)
		return;
	if (late < v->early)
		v->early -= (v->early - late) / 4;
	else
		v->early += (late - v->early) / 16;
	if (v->early > EARLY_MAX)
		v->early = EARLY_MAX;
}

/* It has slept, NS in all: a little longer awake would have saved that, or nothing would. */
static void learn_linger(struct vmm_vcpu *v, uint64_t ns)
{
	if (ns > LINGER_MAX)
		v->linger = 0;
	else
		v->linger = v->linger ? v->linger * 2 : LINGER_FIRST;
	if (v->linger > LINGER_MAX)
		v->linger = LINGER_MAX;
}

/* True: something has come. What it waits for may want this very processor to be done on. */
static bool stay_awake_until(struct vmm_vcpu *v, uint64_t at)
{
	v->where = VMM_AWAKE;
	v->news = false;
	pthread_mutex_unlock(&v->lock);
	while (!v->news && dvmi_clock_mono() < at)
		sched_yield();
	pthread_mutex_lock(&v->lock);
	v->where = VMM_OUTSIDE;
	return v->news;
}

/* Sleeps end early by what waking up takes, so that the guest's timers are not late by that. */
static void sleep_until(struct vmm_vcpu *v, uint64_t began, uint64_t deadline)
{
	uint64_t at = deadline ? deadline - v->early : 0;

	if (!vmm_vcpu_doze(v, at))
		learn_early(v, dvmi_clock_mono() - at);
	learn_linger(v, dvmi_clock_mono() - began);
}

void vmm_vcpu_nap(struct vmm_vcpu *v, uint64_t deadline)
{
	uint64_t began = dvmi_clock_mono();

	v->asleep_since = began;
	if (deadline && deadline <= began + v->early + v->linger)
		stay_awake_until(v, deadline);
	else if (!v->linger || !stay_awake_until(v, began + v->linger))
		sleep_until(v, began, deadline);
	atomic_fetch_add_explicit(&v->n.halt_ns, dvmi_clock_mono() - began, memory_order_relaxed);
}
