/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shepherd of one job on one node: its parts put together in one loop.
 */
#ifndef SHEP_SHEPHERD_H
#define SHEP_SHEPHERD_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/shepherd/group.h"
#include "daemon/shepherd/setup.h"
#include "libdvm/base/log.h"
#include "libdvm/proto/pb.h"

#define SHEP_COOKIE_BYTES 16

struct shep_options {
	const char *run_dir;   /* of the node */
	uint64_t orphan_after; /* ns without a daemon until the ranks are killed */
	uint64_t linger;       /* ns that a finished job waits for its release */
	uint64_t drain;	       /* ns that pipes may stay open after the last rank has ended */
	uint64_t stuck_after;  /* ns after SIGKILL until a process is given up */
	uint64_t spool_bound;  /* bytes of output that are kept */
};

struct shep_config {
	struct shep_options o;
	const Pb__Launch *launch;
	size_t self; /* index of this node in the placement */
	uint8_t cookie[SHEP_COOKIE_BYTES];
	struct shep_setup *setup;
	struct shep_group *group;
	pid_t guard; /* guard.h; below 1: there is none */
	struct dvmi_log *log;
	/* The job cannot even begin: this is reported, and nothing is started. 0: all is well. */
	dvm_error_t failed;
	const char *note; /* something the user should hear, or NULL */
};

/* Runs until the job is over and released, or nobody can be told. 0 or -E…. */
int shep_run(const struct shep_config *config);

#endif
