/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of paths share: directories as descriptors, so that nothing moves under us. */
#ifndef DVMD_PATHS_PRIVATE_H
#define DVMD_PATHS_PRIVATE_H

#include "daemon/paths.h"

#define PID_NAME  "dvmd.pid"
#define LOCK_NAME ".lock" /* no machine can be called so */

/*
 * The lock of BASE, under which nodes are claimed, released and swept; BASE is created if CREATE.
 * A descriptor; -ENOENT if there is no BASE.
 */
int dvmd_paths_lock(const char *base, bool create, dvm_error_t *err);

/*
 * Opens the existing directory NAME in DIRFD, refusing links; its descriptor or -E….
 */
int dvmd_paths_open_dir(int dirfd, const char *name);

/* Removes NAME in DIRFD and what is below it. 0 if it is absent. */
int dvmd_paths_remove_at(int dirfd, const char *name);

/* Does somebody listen at the socket PATH? */
bool dvmd_paths_is_served(const char *path);

#endif
