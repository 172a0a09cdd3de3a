/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Output on its way to where it is printed, without ever holding up the loop.
 *
 * A thread of its own writes, so that a slow or stopped reader of stdout blocks nothing but the
 * output: signals and the connection are served meanwhile, no descriptor that is shared with
 * other processes is made non-blocking, and nothing is lost. How much can wait here is bounded by
 * the senders' windows: they get their acknowledgement when a message has been printed.
 *
 * All calls on the loop's thread; so are the callbacks, never from inside a call.
 */
#ifndef DVMD_CLI_SINK_H
#define DVMD_CLI_SINK_H

#include <uv.h>

#include "daemon/cli/printer.h"

struct cli_sink_ops {
	/* Every message of JOB on NODE up to SEQ has been printed (or dropped, after a failure). */
	void (*printed)(uint64_t job, uint32_t node, uint64_t seq, void *arg);
	/* Once: printing failed (-EPIPE, -ENOSPC, …). Messages are taken and dropped from here on.
	 */
	void (*failed)(int code, void *arg);
	/* After cli_sink_finish(): everything is out. */
	void (*finished)(void *arg);
};

struct cli_sink;

/* PRINTER is used by the sink's thread until destroy; it stays the caller's. */
int cli_sink_open(struct cli_sink **out, uv_loop_t *loop, struct cli_printer *printer,
		  const struct cli_sink_ops *ops, void *arg);

/* Takes OUTPUT over. */
void cli_sink_push(struct cli_sink *s, Pb__Output *output);
void cli_sink_placement(struct cli_sink *s, uint64_t job, Pb__Placement *placement);

/* No more will come: `finished` follows. */
void cli_sink_finish(struct cli_sink *s);

/*
 * Waits for the thread, which may hang on a reader that does not read: only after `finished`.
 * A program that will not wait exits instead. NULL is allowed.
 */
void cli_sink_destroy(struct cli_sink *s);

#endif
