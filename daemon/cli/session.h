/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client's hold on one job: the connection to the local dvmd, kept through a restart of it.
 *
 * When the connection is lost, it is tried again every 100 ms for 10 s and the job attached to
 * with what has arrived already, so that output goes on where it stopped, without loss and without
 * repeats. A detached job may drop what is taken too slowly, which is told. Jobs that the job has
 * spawned come with it: their events and output, too. All on the loop's thread; callbacks come from
 * the loop.
 */
#ifndef DVMD_CLI_SESSION_H
#define DVMD_CLI_SESSION_H

#include <uv.h>

#include "dvm/error.h"
#include "libdvm/proto/pb.h"

#define CLI_SESSION_RETRY_MS 100
#define CLI_SESSION_GIVE_UP  10000 /* ms */

struct cli_session_ops {
	/* dvmd took the job, or let us attach: once. */
	void (*accepted)(const Pb__RunReply *reply, void *arg);
	/* The connection is there again after it was lost. */
	void (*resumed)(void *arg);
	/* Of the job, or of one that it has spawned, whose first event is CHILD. */
	void (*event)(const Pb__JobEvent *event, void *arg);
	/* The next output of its node, in order, each once. The callee frees it. */
	void (*output)(Pb__Output *output, void *arg);
	/* Detached jobs only: output of NODE is missing here, since we took it too slowly. */
	void (*dropped)(uint32_t node, void *arg);
	void (*stdin_ack)(const Pb__StdinAck *ack, void *arg);
	/* A signal was not delivered. The session goes on. */
	void (*refused)(const dvm_error_t *err, void *arg);
	/* The session is over: refused, or the connection is lost for good. Once, the last call. */
	void (*failed)(const dvm_error_t *err, void *arg);
};

struct cli_session;

/* Connects to the dvmd at PATH (copied). */
int cli_session_open(struct cli_session **out, uv_loop_t *loop, const char *path,
		     const struct cli_session_ops *ops, void *arg, dvm_error_t *err);
/* NULL is allowed. Output that was not acknowledged stays with its senders. */
void cli_session_close(struct cli_session *s);

/* The session's purpose: one of the two, once. */
int cli_session_run(struct cli_session *s, const Pb__RunRequest *req);
int cli_session_attach(struct cli_session *s, uint64_t job);

/* 0 until accepted. */
uint64_t cli_session_job(const struct cli_session *s);
/* Last message of JOB's output on NODE that has arrived. */
uint64_t cli_session_arrived(const struct cli_session *s, uint64_t job, uint32_t node);

/* All these are dropped while the connection is down: -ENOTCONN. */
int cli_session_ack(struct cli_session *s, uint64_t job, uint32_t node, uint64_t seq);
int cli_session_signal(struct cli_session *s, const Pb__JobSignal *sig);
int cli_session_stdin(struct cli_session *s, const Pb__Stdin *in);

/*
 * Output of JOB on NODE is missing: have it send what has not arrived. Gaps are asked for by
 * themselves.
 */
void cli_session_ask_again(struct cli_session *s, uint64_t job, uint32_t node);

/* Everything sent so far has left this process. */
bool cli_session_flushed(const struct cli_session *s);

#endif
