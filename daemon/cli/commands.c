/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/cli/commands.h"

const struct cli_command *const cli_commands[] = {
	/* The machine */
	&cli_cmd_up,
	&cli_cmd_nodes,
	&cli_cmd_add,
	&cli_cmd_remove,
	&cli_cmd_drain,
	&cli_cmd_undrain,
	&cli_cmd_token,
	&cli_cmd_join,
	&cli_cmd_leave,
	&cli_cmd_halt,
	/* Jobs */
	&cli_cmd_run,
	&cli_cmd_jobs,
	&cli_cmd_ps,
	&cli_cmd_seg,
	&cli_cmd_logs,
	&cli_cmd_attach,
	&cli_cmd_wait,
	&cli_cmd_signal,
	&cli_cmd_cancel,
	/* The queue */
	&cli_cmd_submit,
	&cli_cmd_why,
	&cli_cmd_hold,
	&cli_cmd_release,
	&cli_cmd_update,
	&cli_cmd_requeue,
	&cli_cmd_suspend,
	&cli_cmd_resume,
	&cli_cmd_reserve,
	&cli_cmd_history,
	&cli_cmd_sim,
	/* Guests */
	&cli_cmd_guest,
	/* When something is wrong */
	&cli_cmd_doctor,
	&cli_cmd_log,
	&cli_cmd_info,
	&cli_cmd_complete,
	NULL,
};
