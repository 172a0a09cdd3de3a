/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The environment of the ranks: what the user asked for, and what tells a rank who it is. Pure.
 *
 * One array serves all ranks of a node, since they differ in two strings only; a rank's own
 * environment is made by writing those two just before its fork.
 */
#ifndef SHEP_ENVIRON_H
#define SHEP_ENVIRON_H

#include <stddef.h>
#include <stdint.h>

#include "libdvm/proto/pb.h"

struct shep_environ; /* incomplete */

/*
 * For the share with index SELF. LAUNCH must outlive it. Names that begin with DVM_ and are ours
 * are dropped from the user's part. -ENOMEM.
 */
int shep_environ_create(struct shep_environ **out, const Pb__Launch *launch, size_t self,
			const char *socket_path);
void shep_environ_destroy(struct shep_environ *e);

/* NULL-terminated, for execve; the next call writes over it. */
char **shep_environ_of(struct shep_environ *e, uint32_t rank, uint32_t local_rank);

/* Value of NAME in the job's environment, or NULL. */
const char *shep_environ_get(const struct shep_environ *e, const char *name);

#endif
