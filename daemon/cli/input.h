/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Standard input on its way to the ranks.
 *
 * Read only while this command is in the terminal's foreground (a job in the background must not
 * steal what is typed, nor be stopped for it) and only as fast as the ranks take it: at most
 * CLI_INPUT_WINDOW bytes are under way, kept until acknowledged and sent again after the
 * connection was lost. On the loop's thread.
 */
#ifndef DVMD_CLI_INPUT_H
#define DVMD_CLI_INPUT_H

#include "daemon/cli/session.h"

#define CLI_INPUT_WINDOW (256u << 10)

struct cli_input;

/* Starts reading FD for the job of SESSION, whose ranks are at PLACEMENT (used now only). */
int cli_input_open(struct cli_input **out, uv_loop_t *loop, int fd, struct cli_session *session,
		   const Pb__Placement *placement, bool all_ranks);
void cli_input_close(struct cli_input *in); /* NULL is allowed */

void cli_input_acked(struct cli_input *in, const Pb__StdinAck *ack);
/* The connection is back. */
void cli_input_resend(struct cli_input *in);
/* SIGCONT: we may have changed between foreground and background. */
void cli_input_recheck(struct cli_input *in);

#endif
