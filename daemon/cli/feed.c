/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/cli/feed.h"

struct cli_feed {
	pthread_t thread;
	pthread_mutex_t lock; /* guards the next four */
	bool want, stop;
	bool have; /* `data` holds a piece the loop has not taken */
	ssize_t n;
	char data[CLI_FEED_PIECE];

	int fd;
	int kick; /* eventfd: want or stop has changed */
	uv_async_t wake;
	cli_feed_fn *fn;
	void *arg;
};

static void kick(struct cli_feed *f)
{
	uint64_t one = 1;

	if (write(f->kick, &one, sizeof one) < 0) {
		/* The counter is full: it is readable anyway. */
	}
}

static void drain(struct cli_feed *f)
{
	uint64_t n;

	if (read(f->kick, &n, sizeof n) < 0) {
		/* Empty: nothing to do. */
	}
}

/* Waits until there is something to read that is wanted (true), or the end (false). */
static bool wait_for_work(struct cli_feed *f)
{
	for (;;) {
		pthread_mutex_lock(&f->lock);
		bool stop = f->stop, want = f->want && !f->have;
		pthread_mutex_unlock(&f->lock);
		if (stop)
			return false;
		struct pollfd p[2] = { { .fd = f->kick, .events = POLLIN },
				       { .fd = want ? f->fd : -1, .events = POLLIN } };
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return false;
		if (p[0].revents)
			drain(f);
		else if (p[1].revents)
			return true;
	}
}

static void *run(void *arg)
{
	struct cli_feed *f = arg;

	while (wait_for_work(f)) {
		ssize_t n = read(f->fd, f->data, sizeof f->data);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		pthread_mutex_lock(&f->lock);
		f->n = n < 0 ? -errno : n;
		f->have = true;
		f->want = false;
		pthread_mutex_unlock(&f->lock);
		uv_async_send(&f->wake);
	}
	return NULL;
}

static void on_wake(uv_async_t *h)
{
	struct cli_feed *f = h->data;

	pthread_mutex_lock(&f->lock);
	bool have = f->have;
	pthread_mutex_unlock(&f->lock);
	if (!have)
		return;
	/* The thread does not touch the piece while `have` is set. */
	f->fn(f->data, f->n, f->arg);
	pthread_mutex_lock(&f->lock);
	f->have = false;
	pthread_mutex_unlock(&f->lock);
	kick(f);
}

static void on_freed(uv_handle_t *h)
{
	struct cli_feed *f = h->data;

	pthread_mutex_destroy(&f->lock);
	close(f->kick);
	free(f);
}

static int start_thread(struct cli_feed *f)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&f->thread, NULL, run, f);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -rc;
}

int cli_feed_open(struct cli_feed **out, uv_loop_t *loop, int fd, cli_feed_fn *fn, void *arg)
{
	struct cli_feed *f = calloc(1, sizeof *f);

	if (!f)
		return -ENOMEM;
	f->fd = fd;
	f->fn = fn;
	f->arg = arg;
	f->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int rc = f->kick < 0 ? -errno : uv_async_init(loop, &f->wake, on_wake);
	if (rc < 0) {
		if (f->kick >= 0)
			close(f->kick);
		free(f);
		return rc;
	}
	f->wake.data = f;
	pthread_mutex_init(&f->lock, NULL);
	rc = start_thread(f);
	if (rc < 0) {
		uv_close((uv_handle_t *)&f->wake, on_freed);
		return rc;
	}
	*out = f;
	return 0;
}

static void set_want(struct cli_feed *f, bool want)
{
	pthread_mutex_lock(&f->lock);
	f->want = want;
	pthread_mutex_unlock(&f->lock);
	kick(f);
}

void cli_feed_want(struct cli_feed *f)
{
	set_want(f, true);
}

void cli_feed_unwant(struct cli_feed *f)
{
	set_want(f, false);
}

void cli_feed_close(struct cli_feed *f)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_mutex_unlock(&f->lock);
	kick(f);
	pthread_join(f->thread, NULL);
	uv_close((uv_handle_t *)&f->wake, on_freed);
}
