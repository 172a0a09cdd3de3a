/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * This host's topology as a file beside the node's sockets, "topology.xml" in the run-time directory:
 * libraries of MPI look for it in each rank, hwloc does so by running on every CPU, and that takes
 * longer than the rest of a launch. A process of its own finds it out once, at the first job.
 */
#ifndef DVMD_TOPOSAVE_H
#define DVMD_TOPOSAVE_H

#include "daemon/dvmd.h"

#define DVMD_TOPOLOGY_FILE "topology.xml"

/* Begins to, unless that has been done. That it fails is no matter. */
void dvmd_toposave(struct dvmd *d);
/* No longer wanted. */
void dvmd_toposave_stop(struct dvmd *d);

#endif
