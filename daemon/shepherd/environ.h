/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The environment of the ranks: what the user asked for, and what tells a rank who it is. Pure.
 *
 * One array serves all ranks of a node, since they differ in a few strings only; a rank's own
 * environment is made by writing those just before its fork.
 */
#ifndef SHEP_ENVIRON_H
#define SHEP_ENVIRON_H

#include <stdbool.h>
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

/*
 * Takes out what another launcher has left for its own ranks: PMI_…, PMIX_…, OMPI_COMM_WORLD_…, and
 * the defaults of a job that this one was started from.
 */
void shep_environ_drop_launcher(struct shep_environ *e);

/* Adds one "NAME=value" for all ranks; it wins over one of that name. -ENOMEM. */
int shep_environ_add(struct shep_environ *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Sets NAME for all ranks unless the user has. The job's SHEP_ENV_DEFAULTS says so, and what is said
 * there to be a default is none of the user's in a job that one of these ranks starts. -ENOMEM.
 */
#define SHEP_ENV_DEFAULTS "DVM_DEFAULTS"
int shep_environ_default(struct shep_environ *e, const char *name, const char *value);

enum shep_own {
	SHEP_OWN_RANK,
	SHEP_OWN_LOCAL_RANK,
	SHEP_OWN_FD, /* the descriptor that the rank inherits */
};

/* Is ENTRY in LIST, the value of SHEP_ENV_DEFAULTS: "NAME=VALUE;" and so on? */
bool shep_environ_is_default(const char *entry, const char *list);

/* Adds NAME, which lives on, with a number of each rank's own. -ENOMEM, -ENOSPC. */
int shep_environ_add_own(struct shep_environ *e, const char *name, enum shep_own own);

/* NULL-terminated, for execve; the next call writes over it. FD is what SHEP_OWN_FD says. */
char **shep_environ_of(struct shep_environ *e, uint32_t rank, uint32_t local_rank, int fd);

/* Value of NAME in the job's environment, or NULL. */
const char *shep_environ_get(const struct shep_environ *e, const char *name);

#endif
