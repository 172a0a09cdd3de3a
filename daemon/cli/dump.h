/* SPDX-License-Identifier: BSD-3-Clause */
/* What the build makes of the option tables: completion scripts and lists for the manual. */
#ifndef DVMD_CLI_DUMP_H
#define DVMD_CLI_DUMP_H

/*
 * `dvm --dump-options` with the words behind it: "completion PROGRAM" or "man PROGRAM", PROGRAM
 * being dvm or dvmrun. Prints; returns the exit status.
 */
int cli_dump(int argc, char **argv);

#endif
