/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes for hosts that share real memory: a segment, a mesh over loopback, a barrier beside it. */
#ifndef TESTS_SIM_PROCS_H
#define TESTS_SIM_PROCS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "shm/dsm.h"

enum { PROCS_MAX = 4, PROCS_PAGE = 4096 };
#define PROCS_QUIET (1u << 31) /* no node looks by itself, now and then, what there is */

/* Between the processes, beside the memory that is tested. */
struct procs_shared {
	pthread_barrier_t barrier;
	uint64_t exchange[PROCS_MAX][512];
	_Atomic uint32_t failures, done;
};

/* One of them. */
struct procs {
	uint32_t self, nodes, flags;
	struct procs_shared *sh;
	struct dvmi_log log;
	struct dsm_mesh *mesh;
	struct dsm_node *node;
	struct dsm_seg *seg;
	uint8_t *base;
	char dir[64];
	uint64_t patience; /* as dsm_node_config.patience */
	unsigned (*roots)(void *arg, struct dsm_root *root); /* as dsm_seg_config.roots, of this */
};

/*
 * Forks NODES processes that call HOST, which joins; FLAGS are the segment's, and PROCS_QUIET. 0; 1: one has failed, or
 * 77: this system does not let us.
 */
int procs_run(uint32_t nodes, uint32_t flags, int (*host)(struct procs *p, void *arg), void *arg);
/* Page i of PAGES is at home at node i % nodes. 0 or -E…, which HOST returns. */
int procs_join(struct procs *p, uint64_t pages);
/* All come here. */
void procs_meet(struct procs *p);
/* Says so, at first, and counts. */
void procs_fail(struct procs *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
