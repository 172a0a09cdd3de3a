/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kills what is left of a job on this node when nobody watches it any more: after a shepherd was
 * killed, or when a daemon comes back and finds a job without one.
 *
 * First by its cgroup, then every process whose environment carries the job's marker: the path
 * of its rank socket, which names host, node and job at once. A process that left its cgroup and
 * emptied its environment is not found; nothing in a job does so by accident.
 */
#ifndef DVMD_SWEEP_H
#define DVMD_SWEEP_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/place.h"

/*
 * Sends SIGKILL to whatever is left and does not wait. Returns how many processes or groups were
 * found: 0 means that nothing is left and the cgroup is removed; otherwise call again, say every
 * 50 ms, since the killed take a moment to go. Never kills the caller. -E… when /proc cannot be
 * read. A pass costs about 10 µs per process of the host.
 */
int dvmd_sweep_job(const struct dvmd_place *place);

/*
 * For a job whose shepherd has ended in good order and left nothing: removes what it could not
 * remove itself, its cgroup where it ran as another user. Costs next to nothing.
 */
void dvmd_sweep_tidy(const struct dvmd_place *place);

/* The marker: "DVM_SHEPHERD=RUN_DIR/jobs/ID/shep.sock". -ENAMETOOLONG. */
int dvmd_sweep_marker(char *out, size_t size, const struct dvmd_place *place);

/* Does the environment block (NUL-separated, N bytes) hold exactly MARKER as one entry? */
bool dvmd_sweep_match(const char *block, size_t n, const char *marker);

#endif
