/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CPU lists of a placement against the CPUs that this process may really use. A binding that is
 * not allowed is degraded, never an error: the job then runs unbound and its user is told.
 */
#ifndef SHEP_AFFINITY_H
#define SHEP_AFFINITY_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>

struct shep_affinity {
	cpu_set_t *allowed; /* of this process when it was made */
	size_t bytes;	    /* of this and every set made here */
};

int shep_affinity_init(struct shep_affinity *a);
void shep_affinity_free(struct shep_affinity *a);

enum shep_bound {
	SHEP_UNBOUND = 0, /* the list is empty */
	SHEP_BOUND = 1,
	SHEP_BOUND_PARTLY = 2, /* some of the CPUs are not allowed */
};

/*
 * The allowed part of LIST ("0-3,8") in *out, freed by the caller with CPU_FREE(). Returns enum
 * shep_bound; -ENODEV: none of them is allowed; -EINVAL: no such list; -ENOMEM.
 */
int shep_affinity_of(const struct shep_affinity *a, const char *list, cpu_set_t **out);

/* CPUs that N lists allow all together; all that are allowed when N is 0 or a list is empty. */
uint32_t shep_affinity_count(const struct shep_affinity *a, char *const *lists, size_t n);

#endif
