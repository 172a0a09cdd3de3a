/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which way of finding each other a job's program is likely to want, so that nobody pays for a
 * server that nobody asks: starting the one for PMIx takes longer than most small jobs.
 *
 * A program that is an ELF file says what libraries it loads, and those say what they load. What
 * cannot be looked through, scripts and shells and programs that start another one, may be
 * anything.
 */
#ifndef SHEP_MPIKIND_H
#define SHEP_MPIKIND_H

#include <stddef.h>

enum {
	SHEP_MPI_NONE = 0,
	SHEP_MPI_PMIX = 1, /* Open MPI and its like */
	SHEP_MPI_PMI1 = 2, /* MPICH and its like */
	SHEP_MPI_BOTH = 3, /* nobody knows */
};

/*
 * For the ARGC strings of ARGV, the first of which is found at PROGRAM (a path), with the
 * environment's LD_LIBRARY_PATH and PATH (both may be NULL). Reads files, so call it as the job's
 * user.
 */
unsigned shep_mpikind(const char *program, char *const *argv, size_t argc,
		      const char *library_path, const char *path);

/* What a library of this name stands for. Pure. */
unsigned shep_mpikind_of_library(const char *name);

#endif
