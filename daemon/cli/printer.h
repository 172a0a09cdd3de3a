/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The output of ranks, as a person or a program wants to read it.
 *
 * Blocking writes: a command calls it where it may wait (dvm logs), or a thread of its own does
 * (sink.c). Not thread-safe.
 */
#ifndef DVMD_CLI_PRINTER_H
#define DVMD_CLI_PRINTER_H

#include "libdvm/proto/pb.h"

enum cli_output {
	CLI_OUTPUT_AUTO,  /* raw to a terminal, lines elsewhere */
	CLI_OUTPUT_RAW,	  /* as it comes, parts of lines too */
	CLI_OUTPUT_LINES, /* whole lines of one rank, never torn by another's */
	CLI_OUTPUT_TAG,	  /* lines with "[RANK] " or "[RANK:err] " in front, "[JOB.RANK] " of children */
	CLI_OUTPUT_JSON,  /* one object a line, all on stdout */
	CLI_OUTPUT_DIR,	  /* DIR/rank.N.out and DIR/rank.N.err; DIR/job.J.rank.N.… of children */
};

/* Bytes of one line that are held back until its end has come; longer ones go out in pieces. */
#define CLI_PRINTER_LINE_MAX (1u << 20)

struct cli_printer_config {
	enum cli_output output;
	int out, err;	 /* descriptors; stay the caller's */
	const char *dir; /* CLI_OUTPUT_DIR: created where missing */
	uint64_t job; /* the others are its children */
};

struct cli_printer;

int cli_printer_create(struct cli_printer **out, const struct cli_printer_config *config);
void cli_printer_destroy(struct cli_printer *p);

/*
 * Tells which ranks there are: for the names of nodes in JSON, and so that --output dir leaves a
 * file for each rank, those of an earlier job emptied.
 */
int cli_printer_placement(struct cli_printer *p, uint64_t job, const Pb__Placement *placement);

/*
 * Prints CHUNK of JOB. May keep it in memory until cli_printer_flush() (not longer: every part of a line
 * that is held back is held on purpose). -EPIPE: nobody reads any more; -ENOSPC, …. A failure
 * stays: nothing is printed after it.
 */
int cli_printer_chunk(struct cli_printer *p, uint64_t job, const Pb__Chunk *chunk);
int cli_printer_flush(struct cli_printer *p);

/* The rest of lines that never ended, and a flush. */
int cli_printer_finish(struct cli_printer *p);

#endif
