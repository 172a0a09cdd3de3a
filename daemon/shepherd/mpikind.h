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

/* Where things are looked for; each may be NULL. */
struct shep_mpikind_where {
	const char *library_path; /* LD_LIBRARY_PATH of the ranks */
	const char *path;	  /* their PATH */
	const char *wdir;	  /* the directory that relative names are meant from */
};

/*
 * For the ARGC strings of ARGV, the first of which is found at PROGRAM (a path of ours). Reads files,
 * so call it as the job's user.
 */
unsigned shep_mpikind(const char *program, char *const *argv, size_t argc,
		      const struct shep_mpikind_where *where);

/* What a library of this name stands for. Pure. */
unsigned shep_mpikind_of_library(const char *name);

#endif
