/* SPDX-License-Identifier: BSD-3-Clause */
/* Every command: one file (or family) each, named cmd_*.c. */
#ifndef DVMD_CLI_COMMANDS_H
#define DVMD_CLI_COMMANDS_H

#include "daemon/cli/cli.h"

extern const struct cli_command cli_cmd_add;
extern const struct cli_command cli_cmd_attach;
extern const struct cli_command cli_cmd_cancel;
extern const struct cli_command cli_cmd_complete;
extern const struct cli_command cli_cmd_doctor;
extern const struct cli_command cli_cmd_drain;
extern const struct cli_command cli_cmd_guest;
extern const struct cli_command cli_cmd_halt;
extern const struct cli_command cli_cmd_info;
extern const struct cli_command cli_cmd_history;
extern const struct cli_command cli_cmd_hold;
extern const struct cli_command cli_cmd_jobs;
extern const struct cli_command cli_cmd_join;
extern const struct cli_command cli_cmd_leave;
extern const struct cli_command cli_cmd_log;
extern const struct cli_command cli_cmd_logs;
extern const struct cli_command cli_cmd_nodes;
extern const struct cli_command cli_cmd_ps;
extern const struct cli_command cli_cmd_release;
extern const struct cli_command cli_cmd_remove;
extern const struct cli_command cli_cmd_requeue;
extern const struct cli_command cli_cmd_reserve;
extern const struct cli_command cli_cmd_resume;
extern const struct cli_command cli_cmd_run;
extern const struct cli_command cli_cmd_seg;
extern const struct cli_command cli_cmd_signal;
extern const struct cli_command cli_cmd_sim;
extern const struct cli_command cli_cmd_submit;
extern const struct cli_command cli_cmd_suspend;
extern const struct cli_command cli_cmd_token;
extern const struct cli_command cli_cmd_undrain;
extern const struct cli_command cli_cmd_up;
extern const struct cli_command cli_cmd_update;
extern const struct cli_command cli_cmd_wait;
extern const struct cli_command cli_cmd_why;

/* cmd_queue.c: sends REQ for each of the N jobs; an exit status. */
int cli_queue_change(struct cli *c, const struct cli_command *cmd, char **jobs, int n,
		     Pb__QueueRequest *req);

/* The exit code of JOB, when it is over; CLI_FAILED has been told. */
int cli_wait_for(struct cli *c, uint64_t job);

#endif
