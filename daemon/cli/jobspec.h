/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The options of `dvm run` and `dvmrun`, read into a job's specification. Pure but for two things
 * that are the caller's anyway: the environment it gives, and the files of --hostfile.
 */
#ifndef DVMD_CLI_JOBSPEC_H
#define DVMD_CLI_JOBSPEC_H

#include "daemon/cli/cli.h"
#include "daemon/cli/printer.h"

#define CLI_RANKS_MAX 1048576u

struct cli_jobspec {
	Pb__JobSpec *spec; /* owned; see cli_jobspec_free() */
	enum cli_output output;
	const char *dir;	 /* of --output dir=D; points into argv */
	uint64_t launch_timeout; /* ns, 0: dvmd's own */
	const char *unset;	 /* a variable of -x VAR that has no value here, or NULL */
	bool dry_run, report_bindings, quiet, no_wait;
};

extern const struct dvmi_opt cli_run_options[];
extern const struct dvmi_opt cli_dvmrun_options[];

/* Of `dvm submit`: what `dvm run` has of it, and these, which cli_jobspec_set() does not know. */
extern const struct dvmi_opt cli_submit_options[];
enum {
	CLI_SUBMIT_AFTER = 1000,
	CLI_SUBMIT_ARRAY,
	CLI_SUBMIT_BEGIN,
	CLI_SUBMIT_HOLD,
	CLI_SUBMIT_PRIORITY,
	CLI_SUBMIT_JSON,
};

/* A specification with the environment ENVP, working directory WDIR and file mode mask. */
int cli_jobspec_init(struct cli_jobspec *js, char *const *envp, const char *wdir, uint32_t mask);
/* The same with what is true of this process. */
int cli_jobspec_here(struct cli_jobspec *js);
void cli_jobspec_free(struct cli_jobspec *js);

/* A cli_option_fn over either table; ARG is a struct cli_jobspec. */
int cli_jobspec_set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err);

/* The same of a program behind the first: most options hold for the whole job and are refused. */
int cli_jobspec_set_own(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err);

/* The program and its arguments, once all options are set; checks what must fit together. */
int cli_jobspec_finish(struct cli_jobspec *js, char **argv, size_t argc, dvm_error_t *err);
/*
 * programs.c: the same of N words that may name several programs, "A X : -n 2 B". Those behind the
 * first have options in front of them, as CMD has them. WORDS are reordered.
 */
int cli_programs_finish(struct cli_jobspec *js, const struct dvmi_opt_command *cmd, char **words,
			size_t n, dvm_error_t *err);

/* What a job is called whose program is at PATH: borrows from it. */
const char *cli_base_name(const char *path);

/* hostfile.c: the text of one: lines of "NAME", "NAME:SLOTS" or "NAME slots=SLOTS", # comments. */
int cli_jobspec_hostfile(Pb__JobSpec *spec, const char *text, dvm_error_t *err);
/* --output: raw, lines, tag, json or dir=D. */
int cli_output_parse(const char *text, enum cli_output *output, const char **dir, dvm_error_t *err);

#endif
