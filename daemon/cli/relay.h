/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals this command gets on behalf of a job.
 *
 * INT, TERM, HUP: the job is to end; pressing again presses harder. USR1, USR2: handed on. TSTP
 * and CONT: the job is stopped and goes on with us. TTIN is ignored while a relay is open (input.c
 * handles what it stands for). On the loop's thread.
 */
#ifndef DVMD_CLI_RELAY_H
#define DVMD_CLI_RELAY_H

#include <stdbool.h>

#include <uv.h>

struct cli_relay_ops {
	void (*end)(int sig, unsigned times, void *arg); /* TIMES: 1, 2, 3, … */
	void (*forward)(int sig, void *arg);
	/* True when everything forwarded has left, so that we may stop, too. */
	bool (*flushed)(void *arg);
	void (*continued)(void *arg);
};

struct cli_relay;

int cli_relay_open(struct cli_relay **out, uv_loop_t *loop, const struct cli_relay_ops *ops,
		   void *arg);
void cli_relay_close(struct cli_relay *r); /* NULL is allowed */

/* SIG was ignored when we were started (nohup, a background shell), and stays so. */
bool cli_relay_ignores(int sig);

/* Ends this process as SIG does by default, so that a shell sees what happened. */
_Noreturn void cli_relay_die(int sig);

#endif
