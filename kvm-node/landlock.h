/* SPDX-License-Identifier: BSD-3-Clause */
/* Files a helper may use, and no others: Landlock, by the files themselves and not by their names. */
#ifndef VMM_LANDLOCK_H
#define VMM_LANDLOCK_H

#include <stdbool.h>

struct vmm_landlock; /* incomplete */

/* -E…: this kernel has none. */
int vmm_landlock_create(struct vmm_landlock **out);
/* What FD is of. */
int vmm_landlock_file(struct vmm_landlock *l, int fd, bool write);
/* A program, and what programs need of a system. */
int vmm_landlock_program(struct vmm_landlock *l, const char *path);
/* For this thread, and whatever it becomes. No new privileges must be possible any more. */
int vmm_landlock_enter(struct vmm_landlock *l);
void vmm_landlock_destroy(struct vmm_landlock *l);

#endif
