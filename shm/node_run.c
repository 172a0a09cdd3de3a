/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lock, the service thread, and threads that wait. Whoever waits works: it takes the lock, does
 * what there is to do, and looks whether it was for itself. Only who has done so for a while sleeps,
 * and the service thread goes on alone.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "libdvm/base/clock.h"
#include "shm/node_private.h"

#define BUSY_SPIN (50 * DVMI_USEC) /* while a fault of ours is under way */
#define NAP	  DVMI_MSEC	    /* where wake-ups may get lost */
#define FDS_MAX	  8

static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

/* ---- the lock ---- */

void dsm_node_enter(struct dsm_node *n)
{
	if (pthread_mutex_trylock(&n->lock) == 0)
		return;
	atomic_fetch_add(&n->wanting, 1);
	pthread_mutex_lock(&n->lock);
	atomic_fetch_sub(&n->wanting, 1);
}

static void kick(struct dsm_node *n)
{
	uint64_t one = 1;

	if (write(n->kick, &one, sizeof one) < 0)
		return; /* it has been kicked often enough */
}

/* What is left to be done is for the service thread, also if it sleeps. */
static void hand_over(struct dsm_node *n)
{
	if (n->asleep && (n->behind || n->fresh || dsm_node_deadline(n) < n->asleep_till))
		kick(n);
	pthread_mutex_unlock(&n->lock);
}

void dsm_node_leave(struct dsm_node *n)
{
	dsm_node_take_own(n);
	dsm_gate_step(n);
	dsm_out_flush(n);
	hand_over(n);
}

/* Between two looks of one who works. */
static void pause_between(struct dsm_node *n)
{
	pthread_mutex_unlock(&n->lock);
	if (atomic_load_explicit(&n->wanting, memory_order_relaxed))
		sched_yield();
	else
		relax();
	pthread_mutex_lock(&n->lock);
}

/* ---- the service thread ---- */

static int arm(struct dsm_node *n, struct pollfd *fds, int *timeout_ms)
{
	int k = n->c.link.arm(n->c.link.arg, fds, FDS_MAX - 2);

	if (k == -EAGAIN)
		return -EAGAIN;
	*timeout_ms = k < 0 ? 1 : -1;
	k = k < 0 ? 0 : k;
	fds[k++] = (struct pollfd){ .fd = n->kick, .events = POLLIN };
	if (n->uffd[0].fd >= 0)
		fds[k++] = (struct pollfd){ .fd = n->uffd[0].fd, .events = POLLIN };
	return k;
}

static struct timespec until(const struct dsm_node *n, int timeout_ms)
{
	uint64_t now = dvmi_clock_mono();
	uint64_t d = n->asleep_till > now ? n->asleep_till - now : 0;

	if (timeout_ms >= 0 && d > NAP)
		d = NAP;
	return (struct timespec){ .tv_sec = (time_t)(d / DVMI_SEC),
				  .tv_nsec = (long)(d % DVMI_SEC) };
}

static void take_kicks(struct dsm_node *n)
{
	uint64_t count;

	if (read(n->kick, &count, sizeof count) < 0)
		return; /* there was none */
}

static void sleep_for_news(struct dsm_node *n)
{
	struct pollfd fds[FDS_MAX];
	int timeout_ms, k = arm(n, fds, &timeout_ms);

	if (k < 0)
		return;
	n->asleep_till = dsm_node_deadline(n);
	n->fresh = false;
	struct timespec ts = until(n, timeout_ms);
	bool ever = n->asleep_till == UINT64_MAX && timeout_ms < 0;
	n->asleep = true;
	pthread_mutex_unlock(&n->lock);
	ppoll(fds, (nfds_t)k, ever ? NULL : &ts, NULL);
	pthread_mutex_lock(&n->lock);
	n->asleep = false;
	n->c.link.disarm(n->c.link.arg);
	take_kicks(n);
}

static void *serve(void *arg)
{
	struct dsm_node *n = arg;
	uint64_t idle = 0;

	pthread_mutex_lock(&n->lock);
	while (!atomic_load(&n->stop)) {
		uint64_t spin = n->waiting && n->c.spin < BUSY_SPIN ? BUSY_SPIN : n->c.spin;
		if (dsm_node_round(n) > 0)
			idle = n->now;
		if (n->now - idle < spin) {
			pause_between(n);
			continue;
		}
		sleep_for_news(n);
		idle = dvmi_clock_mono();
	}
	pthread_mutex_unlock(&n->lock);
	return NULL;
}

int dsm_run_start(struct dsm_node *n)
{
	sigset_t all, old;

	/* Signals are for the program's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&n->thread, NULL, serve, n);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	n->running = rc == 0;
	return -rc;
}

void dsm_run_stop(struct dsm_node *n)
{
	if (!n->running)
		return;
	atomic_store(&n->stop, true);
	kick(n);
	pthread_join(n->thread, NULL);
	n->running = false;
}

/* ---- waiting ---- */

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *ts)
{
	return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, ts, NULL, 0);
}

void dsm_node_done(_Atomic uint32_t *done, uint32_t value)
{
	atomic_store(done, value);
	futex(done, FUTEX_WAKE, INT_MAX, NULL);
}

/* Works for a while. True when *DONE. */
static bool work(struct dsm_node *n, _Atomic uint32_t *done, uint64_t deadline)
{
	uint64_t end = dvmi_clock_mono() + (n->c.spin > BUSY_SPIN ? n->c.spin : BUSY_SPIN);

	end = deadline < end ? deadline : end;
	while (!atomic_load(done) && dvmi_clock_mono() < end) {
		if (pthread_mutex_trylock(&n->lock) == 0) {
			dsm_node_round(n);
			hand_over(n);
		}
		if (atomic_load_explicit(&n->wanting, memory_order_relaxed))
			sched_yield();
		else
			relax();
	}
	return atomic_load(done);
}

int dsm_node_wait(struct dsm_node *n, _Atomic uint32_t *done, uint64_t deadline)
{
	if (work(n, done, deadline))
		return 0;
	while (!atomic_load(done)) {
		uint64_t now = dvmi_clock_mono(), left = deadline - now;
		if (deadline <= now)
			return -ETIMEDOUT;
		struct timespec ts = { .tv_sec = (time_t)(left / DVMI_SEC),
				       .tv_nsec = (long)(left % DVMI_SEC) };
		futex(done, FUTEX_WAIT, 0, deadline == UINT64_MAX ? NULL : &ts);
	}
	return 0;
}
