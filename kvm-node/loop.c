/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/clock.h"

struct call {
	vmm_loop_fn *fn;
	void *arg;
	struct call *next;
};

struct vmm_loop {
	uv_loop_t uv;
	uv_async_t wake;
	char name[16];
	pthread_t thread;
	bool started;
	pthread_mutex_t lock; /* guards what follows */
	struct call *first, **last;
	bool stopping;
};

struct vmm_watch {
	uv_poll_t poll;
	vmm_watch_fn *fn;
	void *arg;
};

struct vmm_timer {
	uv_timer_t timer;
	vmm_loop_fn *fn;
	void *arg;
};

/* ---- calls from other threads ---- */

static struct call *take_calls(struct vmm_loop *l, bool *stopping)
{
	pthread_mutex_lock(&l->lock);
	struct call *first = l->first;
	l->first = NULL;
	l->last = &l->first;
	*stopping = l->stopping;
	pthread_mutex_unlock(&l->lock);
	return first;
}

static void on_wake(uv_async_t *wake)
{
	struct vmm_loop *l = wake->data;
	bool stopping;

	for (struct call *c = take_calls(l, &stopping), *next; c; c = next) {
		next = c->next;
		c->fn(c->arg);
		free(c);
	}
	if (stopping)
		uv_stop(&l->uv);
}

int vmm_loop_call(struct vmm_loop *l, vmm_loop_fn *fn, void *arg)
{
	struct call *c = malloc(sizeof *c);

	if (!c)
		return -ENOMEM;
	*c = (struct call){ fn, arg, NULL };
	pthread_mutex_lock(&l->lock);
	*l->last = c;
	l->last = &c->next;
	pthread_mutex_unlock(&l->lock);
	uv_async_send(&l->wake);
	return 0;
}

struct waiter {
	vmm_loop_fn *fn;
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t done_cond;
	bool done;
};

static void call_waiter(void *arg)
{
	struct waiter *w = arg;

	w->fn(w->arg);
	pthread_mutex_lock(&w->lock);
	w->done = true;
	pthread_cond_signal(&w->done_cond);
	pthread_mutex_unlock(&w->lock);
}

int vmm_loop_call_wait(struct vmm_loop *l, vmm_loop_fn *fn, void *arg)
{
	struct waiter w = { fn, arg, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };

	if (!l->started || pthread_equal(pthread_self(), l->thread)) {
		fn(arg);
		return 0;
	}
	int rc = vmm_loop_call(l, call_waiter, &w);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&w.lock);
	while (!w.done)
		pthread_cond_wait(&w.done_cond, &w.lock);
	pthread_mutex_unlock(&w.lock);
	return 0;
}

/* ---- the thread ---- */

int vmm_loop_create(struct vmm_loop **out, const char *name)
{
	struct vmm_loop *l = calloc(1, sizeof *l);

	if (!l)
		return -ENOMEM;
	int rc = uv_loop_init(&l->uv);
	if (rc < 0)
		goto free_it;
	rc = uv_async_init(&l->uv, &l->wake, on_wake);
	if (rc < 0)
		goto close_it;
	l->wake.data = l;
	l->last = &l->first;
	pthread_mutex_init(&l->lock, NULL);
	strncpy(l->name, name, sizeof l->name - 1);
	*out = l;
	return 0;
close_it:
	uv_loop_close(&l->uv);
free_it:
	free(l);
	return rc;
}

static void *run(void *arg)
{
	struct vmm_loop *l = arg;

	pthread_setname_np(pthread_self(), l->name);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	return NULL;
}

int vmm_loop_start(struct vmm_loop *l)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&l->thread, NULL, run, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	l->started = rc == 0;
	return -rc;
}

void vmm_loop_stop(struct vmm_loop *l)
{
	if (!l || !l->started)
		return;
	pthread_mutex_lock(&l->lock);
	l->stopping = true;
	pthread_mutex_unlock(&l->lock);
	uv_async_send(&l->wake);
	pthread_join(l->thread, NULL);
	l->started = false;
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

static void close_left(uv_handle_t *h, void *arg)
{
	struct vmm_loop *l = arg;

	if (!uv_is_closing(h))
		uv_close(h, h == (uv_handle_t *)&l->wake ? NULL : on_closed);
}

void vmm_loop_destroy(struct vmm_loop *l)
{
	bool stopping;

	if (!l)
		return;
	for (struct call *c = take_calls(l, &stopping), *next; c; c = next) {
		next = c->next;
		free(c);
	}
	uv_walk(&l->uv, close_left, l);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	uv_loop_close(&l->uv);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

uv_loop_t *vmm_loop_uv(struct vmm_loop *l)
{
	return &l->uv;
}

/* ---- descriptors ---- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct vmm_watch *w = poll->data;

	w->fn(w->arg, status < 0 ? 0 : events);
}

int vmm_watch_open(struct vmm_watch **out, struct vmm_loop *l, int fd, int events,
		   vmm_watch_fn *fn, void *arg)
{
	struct vmm_watch *w = calloc(1, sizeof *w);

	if (!w)
		return -ENOMEM;
	int rc = uv_poll_init(&l->uv, &w->poll, fd);
	if (rc < 0) {
		free(w);
		return rc;
	}
	w->poll.data = w;
	w->fn = fn;
	w->arg = arg;
	*out = w;
	return vmm_watch_set(w, events);
}

int vmm_watch_set(struct vmm_watch *w, int events)
{
	return events ? uv_poll_start(&w->poll, events, on_poll) : uv_poll_stop(&w->poll);
}

void vmm_watch_close(struct vmm_watch *w)
{
	if (w)
		uv_close((uv_handle_t *)&w->poll, on_closed);
}

/* ---- timers ---- */

static void on_timer(uv_timer_t *timer)
{
	struct vmm_timer *t = timer->data;

	t->fn(t->arg);
}

int vmm_timer_open(struct vmm_timer **out, struct vmm_loop *l, vmm_loop_fn *fn, void *arg)
{
	struct vmm_timer *t = calloc(1, sizeof *t);

	if (!t)
		return -ENOMEM;
	uv_timer_init(&l->uv, &t->timer);
	t->timer.data = t;
	t->fn = fn;
	t->arg = arg;
	*out = t;
	return 0;
}

int vmm_timer_set(struct vmm_timer *t, uint64_t deadline)
{
	uint64_t now = dvmi_clock_mono();

	if (!deadline)
		return uv_timer_stop(&t->timer);
	uv_update_time(t->timer.loop);
	uint64_t ms = deadline > now ? (deadline - now + DVMI_MSEC - 1) / DVMI_MSEC : 0;
	return uv_timer_start(&t->timer, on_timer, ms, 0);
}

void vmm_timer_close(struct vmm_timer *t)
{
	if (t)
		uv_close((uv_handle_t *)&t->timer, on_closed);
}
