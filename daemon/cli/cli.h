/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line: what every command shares.
 *
 * A command is an option table, a function and a line of help; commands.c lists them. Commands
 * return an exit status: 0, CLI_FAILED, CLI_USAGE, or a job's own. Errors go to stderr as one
 * line, "dvm: who: what", results to stdout. One thread, unless a file says otherwise.
 */
#ifndef DVMD_CLI_CLI_H
#define DVMD_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/name.h"
#include "dvm/error.h"
#include "libdvm/base/opt.h"
#include "libdvm/proto/msgtype.h"
#include "libdvm/proto/pb.h"

#define CLI_FAILED 1
#define CLI_USAGE  2
#define CLI_GO	   (-1) /* from cli_options(): parsed, go on */

/* Option ids every table shares; a command's own start at 1. */
enum {
	CLI_OPT_MACHINE = 10000,
};

/* clang-format off */
#define CLI_GENERAL_OPTIONS \
	{ CLI_OPT_MACHINE, 'M', "machine", NULL, "NAME", "General", \
	  "the machine that is meant (default: $DVM_MACHINE, else the one that runs here)", \
	  "@machine" }, \
	{ 0 }
/* clang-format on */

struct cli {
	const char *program; /* in front of messages: "dvm" or "dvmrun" */
	const char *machine; /* as it was said; NULL: not, see cli_local_machine() */
	char machine_text[DVMD_NAME_MAX + 1];
};

struct cli_command {
	struct dvmi_opt_command opt;
	const char *family; /* heading in `dvm --help`; NULL: not listed */
	const struct cli_command *const *verbs; /* of a command that is a family; NULL-terminated */
	int (*run)(struct cli *c, const struct cli_command *cmd, int argc, char **argv);
};

/* NULL-terminated, in the order of `dvm --help`. */
extern const struct cli_command *const cli_commands[];

/* `dvmrun`: a program of its own by name. */
extern const struct cli_command cli_cmd_dvmrun;

/* The whole program; ARGV[0] decides between dvm and dvmrun. Returns the exit status. */
int cli_main(int argc, char **argv);

/* Sets one option; P->arg is its argument. Less than 0 with ERR for a bad one. */
typedef int cli_option_fn(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err);

/*
 * Parses the options of CMD, handling -M and --help. CLI_GO with the operands in P, or the exit
 * status: 0 after --help, CLI_USAGE after a message. SET may be NULL.
 */
int cli_options(struct cli *c, const struct cli_command *cmd, int argc, char **argv,
		struct dvmi_opt_parser *p, cli_option_fn *set, void *arg);

/* The `run` of a command with verbs: finds out which is meant and runs it. */
int cli_run_verb(struct cli *c, const struct cli_command *cmd, int argc, char **argv);

/* "dvm: text" on stderr. */
void cli_say(const struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, and CLI_FAILED or CLI_USAGE. */
int cli_fail(const struct cli *c, const dvm_error_t *err);
int cli_failf(const struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int cli_usage(const struct cli *c, const struct cli_command *cmd, const dvm_error_t *err);

/* A job id: "12". -EINVAL with ERR. */
int cli_job_parse(const char *s, uint64_t *job, dvm_error_t *err);

#endif
