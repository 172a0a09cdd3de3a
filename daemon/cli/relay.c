/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/cli/relay.h"

/*
 * timeout(1) and others signal a process and then its group: what comes this soon after the last
 * one is the same wish.
 */
#define SAME_WISH_MS 100
#define FLUSH_MS     5
#define FLUSH_TRIES  40

static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT };
#define N_CAUGHT (sizeof caught / sizeof caught[0])

struct cli_relay {
	uv_signal_t signals[N_CAUGHT];
	uv_timer_t stop_timer; /* TSTP: stop when the job's signal has left */
	unsigned tries;
	const struct cli_relay_ops *ops;
	void *arg;
	uv_loop_t *loop;
	unsigned ends;
	uint64_t last_end; /* uv_now() */
	unsigned open_handles;
	struct sigaction old_ttin;
};

static void end(struct cli_relay *r, int sig)
{
	uint64_t now = uv_now(r->loop);

	if (r->ends && now - r->last_end < SAME_WISH_MS)
		return;
	r->last_end = now;
	r->ops->end(sig, ++r->ends, r->arg);
}

static void on_stop_timer(uv_timer_t *t)
{
	struct cli_relay *r = t->data;

	if (!r->ops->flushed(r->arg) && ++r->tries < FLUSH_TRIES)
		return;
	uv_timer_stop(t);
	kill(getpid(), SIGSTOP);
}

static void suspend(struct cli_relay *r)
{
	/*
	 * Ranks get STOP, not TSTP: they have no terminal, and in a process group without one the
	 * kernel ignores TSTP.
	 */
	r->ops->forward(SIGSTOP, r->arg);
	r->tries = 0;
	uv_timer_start(&r->stop_timer, on_stop_timer, 0, FLUSH_MS);
}

static void on_signal(uv_signal_t *h, int sig)
{
	struct cli_relay *r = h->data;

	switch (sig) {
	case SIGINT:
	case SIGTERM:
	case SIGHUP:
		end(r, sig);
		break;
	case SIGTSTP:
		suspend(r);
		break;
	case SIGCONT:
		r->ops->forward(SIGCONT, r->arg);
		r->ops->continued(r->arg);
		break;
	default:
		r->ops->forward(sig, r->arg);
	}
}

static void on_handle_closed(uv_handle_t *h)
{
	struct cli_relay *r = h->data;

	if (--r->open_handles == 0)
		free(r);
}

bool cli_relay_ignores(int sig)
{
	struct sigaction sa;

	return sigaction(sig, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN;
}

int cli_relay_open(struct cli_relay **out, uv_loop_t *loop, const struct cli_relay_ops *ops,
		   void *arg)
{
	struct cli_relay *r = calloc(1, sizeof *r);
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	if (!r)
		return -ENOMEM;
	r->loop = loop;
	r->ops = ops;
	r->arg = arg;
	sigaction(SIGTTIN, &ignore, &r->old_ttin);
	for (size_t i = 0; i < N_CAUGHT; i++) {
		uv_signal_init(loop, &r->signals[i]);
		r->signals[i].data = r;
		r->open_handles++;
		if (!cli_relay_ignores(caught[i]))
			uv_signal_start(&r->signals[i], on_signal, caught[i]);
	}
	uv_timer_init(loop, &r->stop_timer);
	r->stop_timer.data = r;
	r->open_handles++;
	*out = r;
	return 0;
}

void cli_relay_close(struct cli_relay *r)
{
	if (!r)
		return;
	sigaction(SIGTTIN, &r->old_ttin, NULL);
	for (size_t i = 0; i < N_CAUGHT; i++)
		uv_close((uv_handle_t *)&r->signals[i], on_handle_closed);
	uv_close((uv_handle_t *)&r->stop_timer, on_handle_closed);
}

void cli_relay_die(int sig)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t set;

	sigaction(sig, &dfl, NULL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	kill(getpid(), sig);
	_exit(128 + sig);
}
