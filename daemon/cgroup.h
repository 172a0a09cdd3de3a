/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control groups, version 2, as far as jobs need them: find the hierarchy, make a job's group
 * below our own, kill all that is in it, remove it.
 *
 * The hierarchy is looked for where it is mounted, which need not be /sys/fs/cgroup, and it may
 * have no controllers. No state; any thread. Paths are absolute.
 */
#ifndef DVMD_CGROUP_H
#define DVMD_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon/place.h"

/*
 * Finds the cgroup2 mount in the text of a mountinfo file. Writes its mount point and the part of
 * the hierarchy that is its root. -ENOENT: there is none; -ENAMETOOLONG.
 */
int dvmd_cgroup_mount(const char *mountinfo, char point[PATH_MAX], char root[PATH_MAX]);

/*
 * The group of a job: BASE/dvm/MACHINE-HASH/NODE/job-ID, where BASE is the calling process's own
 * group. -ENOENT: no hierarchy here; -EINVAL: a name that cannot be one; -ENAMETOOLONG.
 */
int dvmd_cgroup_path(char out[PATH_MAX], const struct dvmd_place *place);

/* Makes a job's group and what is missing above it. -EACCES, -EROFS: we may not. */
int dvmd_cgroup_make(const char *path);

/* Kills everything in the group and below. -ENOENT: there is no such group (or no cgroup.kill). */
int dvmd_cgroup_kill(const char *path);

/* Is any process in it or below? False where that cannot be told. */
bool dvmd_cgroup_populated(const char *path);

/*
 * Removes a job's group, those below it and those above it that are empty now, up to `dvm`.
 * -EBUSY: processes are still there. What does not exist counts as removed.
 */
int dvmd_cgroup_remove(const char *path);

/* Writes TEXT into the file NAME of a group. -E… */
int dvmd_cgroup_write(const char *path, const char *name, const char *text);

#endif
