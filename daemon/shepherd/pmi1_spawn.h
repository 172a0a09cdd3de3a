/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one command of PMI-1 that has many lines: "mcmd=spawn", lines of key and value, "endcmd"; as
 * many of these as there are programs to start. Pure.
 */
#ifndef SHEP_PMI1_SPAWN_H
#define SHEP_PMI1_SPAWN_H

#include "libdvm/proto/pb.h"

struct shep_pmi1_spawn; /* incomplete */

/* NULL: no memory. */
struct shep_pmi1_spawn *shep_pmi1_spawn_new(void);
void shep_pmi1_spawn_free(struct shep_pmi1_spawn *p);

/*
 * A line of it, the first of each program included. 0; 1 when it is complete; -DVM_EPROTO, -ENOMEM.
 */
int shep_pmi1_spawn_line(struct shep_pmi1_spawn *p, const char *line);

/* What is to be spawned; what its ranks shall find put is in `pairs`. */
Pb__PmixSpawn *shep_pmi1_spawn_get(struct shep_pmi1_spawn *p);

#endif
