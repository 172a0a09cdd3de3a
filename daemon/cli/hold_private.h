/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between the files that hold a job: hold.c (from beginning to end), hold_events.c (its start, and
 * what dvmd says of it), hold_output.c (until its last output is out), hold_end.c (what makes it
 * end).
 */
#ifndef DVMD_CLI_HOLD_PRIVATE_H
#define DVMD_CLI_HOLD_PRIVATE_H

#include "daemon/cli/hold.h"
#include "daemon/cli/input.h"
#include "daemon/cli/relay.h"
#include "daemon/cli/session.h"
#include "daemon/cli/sink.h"

/* A job that ours has spawned, or one of its children. */
struct cli_hold_child {
	struct cli_hold_child *next;
	uint64_t job;
	Pb__JobEvent *ended;
};

struct hold {
	const struct cli_hold_config *config;
	const struct cli *cli;
	const Pb__RunRequest *req; /* NULL: attached */
	uv_loop_t loop;
	struct cli_session *session;
	struct cli_relay *relay;
	struct cli_printer *printer;
	struct cli_sink *sink;
	struct cli_input *input;
	uv_timer_t notice, launch, drain, leave;

	uint64_t job; /* 0 until accepted */
	bool guest;   /* attached to a job that goes on without us */
	bool late;    /* attached to a job that was over: its output went to somebody else */
	bool started;
	char *phase; /* what the launch waits for, as the leader put it */
	Pb__JobEvent *ended;
	struct cli_hold_child *children;
	Pb__JobSignal *wish; /* to be said again after a reconnect, or NULL */
	int die_of;	     /* signal that ended the job through us */
	int failed;	     /* exit status that outranks the job's, or 0 */
	unsigned drain_tries;
	bool finishing; /* no more output is waited for */
	bool finished;	/* everything is printed */
	int status;
};

/* A line for the user, unless they want none. */
void cli_hold_say(const struct hold *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cli_hold_leave(struct hold *h, int status);

extern const struct cli_session_ops cli_hold_session_ops;
extern const struct cli_sink_ops cli_hold_sink_ops;
extern const struct cli_relay_ops cli_hold_relay_ops;

/* hold_events.c: says what it waits for, and gives up after --launch-timeout. */
void cli_hold_watch_start(struct hold *h);

/* hold_output.c: no more output is waited for. */
void cli_hold_finish(struct hold *h);
/* The job, a child of it or some of its output has come to its end: was it the last? */
void cli_hold_check_drained(struct hold *h);

/* hold_end.c: asks dvmd to end the job by SIG; GRACE: ns from TERM to KILL. */
void cli_hold_wish(struct hold *h, int sig, uint64_t grace, const char *reason);
/* Leaves the job to dvmd if it does not end in a moment. */
void cli_hold_leave_soon(struct hold *h);
void cli_hold_on_sink_failed(int code, void *arg);

#endif
