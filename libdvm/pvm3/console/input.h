/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the lines come from: a person with an editor of lines, or anything else. */
#ifndef CONSOLE_INPUT_H
#define CONSOLE_INPUT_H

#include "libdvm/pvm3/console/console.h"

#define PROMPT "pvm> "

/*
 * Does the lines of standard input, and prints the output of jobs meanwhile. Returns whether all
 * commands succeeded; ends at the first that does not where STOP says so.
 */
bool input_run(struct console *c, bool stop);
/* The lines of a file, without a word of its own. */
bool input_file(struct console *c, FILE *f, bool stop);
/* Waits for the jobs that run, and prints what they do. */
void input_drain(struct console *c);

#endif
