/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vCPU told of something while its thread is anywhere: in the guest, asleep, awake, elsewhere. And
 * its timer, which tells it likewise.
 */
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "kvm-node/vcpu.h"
#include "libdvm/base/clock.h"

#define KICK SIGUSR1

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* The thread's own mapping, for the signal handler: it has nothing else to go by. */
static __thread struct kvm_run *running;

static void on_kick(int sig)
{
	if (running)
		running->immediate_exit = 1;
}

static void set_handler(void)
{
	struct sigaction sa = { .sa_handler = on_kick, .sa_flags = SA_RESTART };

	sigaction(KICK, &sa, NULL);
}

void vmm_vcpu_catch_kicks(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_handler);
}

/* ---- kicks; the lock is held ---- */

void vmm_vcpu_kick(struct vmm_vcpu *v)
{
	if (v->kicked)
		return;
	v->kicked = true;
	atomic_fetch_add_explicit(&v->n.kicks, 1, memory_order_relaxed);
	pthread_kill(v->thread, KICK);
}

/* True: it sleeps, and is to be woken once the lock is free. */
static bool kick(struct vmm_vcpu *v)
{
	if (v->where == VMM_ASLEEP)
		return vmm_vcpu_call(v);
	if (v->where == VMM_AWAKE)
		v->news = true;
	else if (v->where == VMM_IN_GUEST && v->page.waits != VMM_NO_PAGE)
		vmm_vcpu_page_kick(v);
	else if (v->where == VMM_IN_GUEST)
		vmm_vcpu_kick(v);
	return false;
}

/* It must not wake up only to wait for the lock. */
static void unlock_and_wake(struct vmm_vcpu *v, bool asleep)
{
	pthread_mutex_unlock(&v->lock);
	if (asleep)
		vmm_vcpu_wake(v);
}

bool vmm_vcpu_interrupt(struct vmm_vcpu *v, const struct vmm_intr *msg)
{
	pthread_mutex_lock(&v->lock);
	bool here = !v->away;
	unlock_and_wake(v, here && vmm_lapic_accept(&v->lapic, msg) && kick(v));
	return here;
}

void vmm_vcpu_look(struct vmm_vcpu *v)
{
	pthread_mutex_lock(&v->lock);
	unlock_and_wake(v, kick(v));
}

void vmm_vcpu_want(struct vmm_vcpu *v, enum vmm_want want)
{
	pthread_mutex_lock(&v->lock);
	if (v->want != VMM_WANT_EXIT)
		v->want = want;
	if (want != VMM_WANT_PAUSE)
		v->parked = false;
	unlock_and_wake(v, kick(v));
}

/* ---- the timer of a running vCPU ---- */

static void make_timer(struct vmm_vcpu *v)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = KICK };

	ev.sigev_notify_thread_id = gettid();
	v->has_timer = timer_create(CLOCK_MONOTONIC, &ev, &v->timer) == 0;
}

void vmm_vcpu_set_timer(struct vmm_vcpu *v, uint64_t at)
{
	const struct itimerspec when = { .it_value = { (time_t)(at / DVMI_SEC),
						       (long)(at % DVMI_SEC) } };

	if (v->has_timer)
		timer_settime(v->timer, TIMER_ABSTIME, &when, NULL);
	v->timer_at = at;
}

/* One that is set too early only costs a look; so it is moved only to be earlier. */
void vmm_vcpu_arm_timer(struct vmm_vcpu *v, uint64_t deadline, uint64_t now)
{
	if (deadline && (v->timer_at <= now || v->timer_at > deadline))
		vmm_vcpu_set_timer(v, deadline);
}

/* ---- the thread that is kicked ---- */

void vmm_vcpu_hear_kicks(struct vmm_vcpu *v)
{
	running = v->run;
	make_timer(v);
}

void vmm_vcpu_hear_no_more(struct vmm_vcpu *v)
{
	running = NULL;
	if (v->has_timer)
		timer_delete(v->timer);
}
