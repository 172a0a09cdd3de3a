/* SPDX-License-Identifier: BSD-3-Clause */
/* The job map of libdvm/proto/rank.h, checked once and then read. */
#ifndef DVMI_SRC_JOBMAP_H
#define DVMI_SRC_JOBMAP_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "libdvm/proto/rank.h"
#include "libdvm/src/env.h"

struct dvmi_jobmap_view {
	const struct dvmi_jobmap *map; /* NULL: none */
	size_t bytes;
	const uint32_t *node_of, *local_of; /* [size] */
	const _Atomic uint8_t *state;	    /* [size] */
	const uint32_t *node_id_of;	    /* [nnodes]: machine-wide ids */
	const _Atomic uint32_t *pid;	    /* [size]: of ranks on this node, 0: not known */
	const _Atomic uint32_t *doorbell;   /* ours */
	uint32_t *rank_of;		    /* [local_size]: rank of a local rank; ours */
};

/* Maps FD, which stays the caller's, and checks it against ENV. 0, -DVM_EPROTO, -ENOMEM or -E…. */
int dvmi_jobmap_open(struct dvmi_jobmap_view *v, int fd, size_t bytes, const struct dvmi_env *env);
/*
 * The same for the map of a linked job. Its doorbell, rank_of and local_of[] of other nodes are not
 * for us: doorbell and rank_of stay NULL.
 */
int dvmi_jobmap_open_linked(struct dvmi_jobmap_view *v, int fd, size_t bytes, uint64_t job);
void dvmi_jobmap_close(struct dvmi_jobmap_view *v);

#endif
