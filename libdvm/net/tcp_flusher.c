/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread that writes what a burst has left behind when its sender computes on and calls no
 * more. It sleeps until something is held back, looks a PERIOD later, and sleeps again if the
 * owner has written it itself. A look takes the core from whoever spins there, for 50 us and more
 * in some virtual machines, hence no shorter period.
 */
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "libdvm/base/clock.h"
#include "libdvm/net/tcp_private.h"

#define PERIOD (2 * DVMI_MSEC)
#define FRESH  (50 * DVMI_USEC) /* what was held so shortly is not left behind */

static void nap(struct tcp_flusher *f)
{
	const struct timespec ts = { .tv_nsec = PERIOD };

	pthread_mutex_unlock(&f->lock);
	nanosleep(&ts, NULL);
	pthread_mutex_lock(&f->lock);
}

static void sleep_until_poked(struct tcp_flusher *f)
{
	f->asleep = true;
	while (f->asleep && !f->stop)
		pthread_cond_wait(&f->work, &f->lock);
	f->asleep = false;
}

static bool holds_something(const struct tcp *t)
{
	for (const struct peer *p = t->queue; p; p = p->next_queued)
		if (p->held)
			return true;
	return false;
}

static void *run(void *arg)
{
	struct tcp *t = arg;
	struct tcp_flusher *f = &t->flusher;

	pthread_mutex_lock(&f->lock);
	while (!f->stop) {
		if (!holds_something(t))
			sleep_until_poked(f);
		nap(f);
		dvmi_tcp_flush_held(t, dvmi_clock_mono() - FRESH);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

int dvmi_tcp_flusher_start(struct tcp *t)
{
	struct tcp_flusher *f = &t->flusher;
	sigset_t all, old;

	if (__builtin_expect(f->on, 1))
		return 0;
	f->stop = f->asleep = false;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->work, NULL);
	f->on = true;
	/* Signals are for the program's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&f->thread, NULL, run, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc) {
		f->on = false;
		pthread_cond_destroy(&f->work);
		pthread_mutex_destroy(&f->lock);
	}
	return -rc;
}

void dvmi_tcp_flusher_poke(struct tcp *t)
{
	struct tcp_flusher *f = &t->flusher;

	if (!f->asleep)
		return;
	f->asleep = false;
	pthread_cond_signal(&f->work);
}

void dvmi_tcp_flusher_stop(struct tcp *t)
{
	struct tcp_flusher *f = &t->flusher;

	if (!f->on)
		return;
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_signal(&f->work);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	f->on = false;
	pthread_cond_destroy(&f->work);
	pthread_mutex_destroy(&f->lock);
}
