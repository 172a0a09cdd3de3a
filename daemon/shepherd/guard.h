/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guard: a child of the shepherd that does nothing but wait for its parent's death by force.
 *
 * The kernel then kills the ranks, but not what they had started, and dvmd, which would, may have
 * been killed in the same blow. The guard kills the job's cgroup and sweeps, and is gone. It costs
 * one fork and holds no descriptor but the pipe it waits on.
 */
#ifndef SHEP_GUARD_H
#define SHEP_GUARD_H

#include <sys/types.h>

#include "daemon/place.h"
#include "daemon/shepherd/group.h"

/*
 * Starts the guard, as the job's user. ARGV is main()'s: the guard writes over its own copy, so
 * that nobody takes it for a shepherd. Returns its process id, or -E…, without which one can live.
 *
 * It sends no SIGCHLD and is not waited for by an ordinary wait(): "no child left" stays true.
 */
pid_t shep_guard_start(const struct dvmd_place *place, const struct shep_group *group, char **argv);

/* Ends it, where all has gone in good order. PID below 1: there is none. */
void shep_guard_end(pid_t pid);

#endif
