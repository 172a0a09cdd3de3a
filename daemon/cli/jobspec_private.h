/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between the files that read a job's options: what an option is called in the tables
 * (job_options.c), and who sets which.
 */
#ifndef DVMD_CLI_JOBSPEC_PRIVATE_H
#define DVMD_CLI_JOBSPEC_PRIVATE_H

#include "daemon/cli/jobspec.h"

enum cli_job_option {
	RANKS = 1,
	MOST_RANKS,
	NODES,
	PER_NODE,
	MAP_BY,
	BIND_TO,
	HOSTS,
	HOSTFILE,
	EXCLUDE,
	OVERSUBSCRIBE,
	NO_OVERSUBSCRIBE,
	EXCLUSIVE,
	MEM_PER_RANK,
	CPU_LIMIT,
	CPU_SHARES,
	ENV,
	WDIR,
	STDIN,
	OUTPUT,
	TAG_OUTPUT,
	TIMEOUT,
	LAUNCH_TIMEOUT,
	KEEP_GOING,
	MPI,
	DETACH,
	NAME,
	DRY_RUN,
	REPORT_BINDINGS,
	QUIET,
	MCA,
	GENV,
	NO_SLOTS,
	BESIDE,
	SOLE,
	GUEST,
	ACCOUNT,
	GRES,
	RESERVATION,
	REQUEUE,
	TIER,
	SIGNAL,
	NO_WAIT,
	IGNORED,
};

/* hostfile.c: the host file at PATH into SPEC; -EFBIG above 4 MiB. */
int cli_hostfile_read(Pb__JobSpec *spec, const char *path, dvm_error_t *err);

/* job_place.c: an option of placement; 1 where ID is none of them. */
int cli_job_place(Pb__JobSpec *spec, struct dvmi_opt_parser *p, int id, dvm_error_t *err);

/* Puts the option in front of an error that does not know it. */
int cli_job_named(const struct dvmi_opt_parser *p, int rc, dvm_error_t *err);

#endif
