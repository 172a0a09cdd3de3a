/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From whatever dvmd was to a process that may start ranks: own session, known signals and
 * descriptors, the job's directory, the job's user.
 */
#ifndef SHEP_SETUP_H
#define SHEP_SETUP_H

#include <limits.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "dvm/error.h"
#include "libdvm/proto/pb.h"

struct shep_setup {
	char dir[PATH_MAX]; /* R/jobs/ID */
	int dir_fd;
	struct rlimit nofile; /* what ranks get; ours is raised */
	bool other_user;      /* started by root for somebody else */
	int uffd;	      /* /dev/userfaultfd for its ranks, or -1 */
};

/* Session, signals, umask, descriptors closed on exec. Cannot fail in earnest. */
void shep_setup_process(struct shep_setup *s);

/* Makes R/jobs/ID for the job's user, or takes over the empty or stale one that is there. */
int shep_setup_dir(struct shep_setup *s, const char *run_dir, uint64_t job, uid_t uid, gid_t gid,
		   dvm_error_t *err);

/* Becomes the job's user, for good. Nothing to do where we are that user. */
int shep_setup_user(struct shep_setup *s, const Pb__JobSpec *spec, dvm_error_t *err);

#endif
