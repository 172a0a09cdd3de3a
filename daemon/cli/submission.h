/* SPDX-License-Identifier: BSD-3-Clause */
/* What `dvm submit` has beside `dvm run`: when, after whom, how many; and options in a script. */
#ifndef DVMD_CLI_SUBMISSION_H
#define DVMD_CLI_SUBMISSION_H

#include "daemon/cli/jobspec.h"

/* ARGS of a script's "#DVM" lines, at most 64 KiB of them. */
struct cli_script {
	char *text; /* owned; ARGV points into it */
	char **argv;
	unsigned *lines; /* on which each of them stands */
	size_t argc;
	char *interpreter; /* words after "#!", for a script that may not be executed; or NULL */
};

/* "3", "3:ok", "3,5:any" into REQ. -EINVAL with ERR. */
int cli_submission_after(Pb__Waiting *w, const char *text, dvm_error_t *err);
/* "1-100%8" or "1,5,9". */
int cli_submission_array(Pb__SubmitRequest *req, const char *text, dvm_error_t *err);
/* "10m", "14:30", "2027-01-31T14:30[:15]": ns from WALL on, which is now, in the local time zone.
 */
int cli_submission_begin(const char *text, uint64_t wall, uint64_t *delay, dvm_error_t *err);

/* "2h", "14:30", "2027-01-31": ns since 1970; a time of day is the last one there was. */
int cli_submission_since(const char *text, uint64_t wall, uint64_t *since, dvm_error_t *err);

/* -1000 … 1000. */
int cli_submission_priority(const char *text, int32_t *priority, dvm_error_t *err);

/*
 * The options in the script at PATH: words of the lines "#DVM …" above its first line that is no
 * comment; quotes work as in a shell, nothing else does. 0: none, or no script; -E… with ERR.
 */
int cli_script_read(struct cli_script *s, const char *path, dvm_error_t *err);
void cli_script_free(struct cli_script *s);

#endif
