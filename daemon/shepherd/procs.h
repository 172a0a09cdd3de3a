/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals to the ranks and to what they have left behind.
 *
 * We are the subreaper of everything below us: whoever a rank leaves behind becomes our child, so
 * "no child left" means "nothing left", however a process tried to hide. A group is signalled
 * only while its rank has not been reaped, since its number is the rank's own until then.
 */
#ifndef SHEP_PROCS_H
#define SHEP_PROCS_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/shepherd/ranks.h"

/* SIG to the process groups of all ranks that run. */
void shep_procs_signal(const struct shep_ranks *ranks, int sig);

/* Does this process have any child, dead or alive? The guard is none: see guard.h. */
bool shep_procs_children(void);

/*
 * SIGKILL to every child but GUARD (guard.h); theirs become ours in turn, so call again until there
 * are none.
 */
void shep_procs_kill_children(pid_t guard);

/* The first child but GUARD that is still there and what it waits for, for a person; "" if none. */
void shep_procs_describe_child(pid_t guard, char *text, size_t size);

#endif
