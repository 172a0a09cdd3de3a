/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine and requests as text:
 *
 *	# comment
 *	topo NAME t1 P0 N0 L 0-1x4/2
 *	node NAMES topo=NAME [slots=4] [used=2] [jobs=1] [exclusive] [state=down|draining]
 *	           [host=NAME] [mem=16G] [free=12G] [busy=0-3]
 *	run [-n N] [-N N] [-H LIST] [--exclude LIST] [--map-by M] [--bind-to B] [--oversubscribe]
 *	    [--exclusive] [--mem 4G]
 *
 * NAMES is a folded list; the values hold for each of its nodes.
 */
#ifndef TESTS_GOLDEN_SCENE_H
#define TESTS_GOLDEN_SCENE_H

#include "libdvm/base/hostlist.h"
#include "sched/dsched.h"

#define SCENE_TOPOS 8
#define SCENE_NODES 256
#define SCENE_RUNS  64

struct scene_run {
	char *line; /* as written, for the transcript */
	struct dsched_request req;
	struct dsched_hosts hosts;
	struct dvmi_hostlist exclude;
};

struct scene {
	struct {
		char *name;
		struct dsched_topo topo;
	} topos[SCENE_TOPOS];
	struct dvmi_hostlist names;
	struct dsched_node nodes[SCENE_NODES];
	struct dvmi_idset busy[SCENE_NODES];
	struct scene_run runs[SCENE_RUNS];
	unsigned ntopos, nruns;
	struct dsched_snapshot snap;
};

/* Reads PATH into a fresh *OUT. 0, or -E… with ERR naming the line. */
int scene_load(struct scene **out, const char *path, dvm_error_t *err);
void scene_destroy(struct scene *s);

#endif
