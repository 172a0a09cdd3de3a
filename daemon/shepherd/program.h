/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program of a job: where to look for it, and in plain words why it could not be started.
 */
#ifndef SHEP_PROGRAM_H
#define SHEP_PROGRAM_H

#include <stddef.h>

/*
 * The paths to try for NAME in this order, as execvp() would: itself when it holds a slash, else
 * one for each entry of PATH (NULL: /usr/local/bin:/usr/bin:/bin). Relative ones are meant from
 * the job's directory. NULL-terminated, one allocation, freed with free(). NULL: no memory.
 */
char **shep_program_candidates(const char *name, const char *path);

/*
 * Says what is wrong with starting NAME, given the errno (positive) of the last execve() that
 * counts. Looks at the files, so call it from where they could be seen just now. Returns the code
 * (negative) that fits best.
 */
int shep_program_explain(const char *name, char *const *candidates, const char *wdir, int err,
			 char *text, size_t size);

/* The same for a directory that could not be entered. */
int shep_program_explain_wdir(const char *wdir, int err, char *text, size_t size);

#endif
