/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which share of which job: what names a job's processes on one host.
 *
 * A host may carry several nodes of one machine, and two machines of one name. What tells them
 * apart is the node's run-time directory, which no two daemons of a host share. So it is the
 * key: by the path of the rank socket in the environment of each process of a job, and by a hash
 * in the name of its cgroup.
 */
#ifndef DVMD_PLACE_H
#define DVMD_PLACE_H

#include <stdint.h>

struct dvmd_place {
	const char *run_dir; /* of the node: absolute, without links, always spelt the same */
	const char *machine;
	uint32_t node; /* id */
	uint64_t job;
};

#endif
