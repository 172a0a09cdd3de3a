/* SPDX-License-Identifier: BSD-3-Clause */
/* What the ranks of a job run, each program made ready for exec once and for all its ranks. */
#ifndef SHEP_PROGRAMS_H
#define SHEP_PROGRAMS_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/shepherd/spawn.h"
#include "libdvm/proto/pb.h"

struct shep_programs {
	struct shep_spawn_program *list; /* [n] */
	size_t n;
	const Pb__JobSpec *spec;
};

/* SPEC must outlive it; PATH (may be NULL) is where the ranks look. -ENOMEM; free it all the same. */
int shep_programs_init(struct shep_programs *p, const Pb__JobSpec *spec, const char *path);
void shep_programs_free(struct shep_programs *p);

const struct shep_spawn_program *shep_programs_of(const struct shep_programs *p, uint32_t rank);

#endif
