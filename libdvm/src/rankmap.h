/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ranks of a group and the peers behind them. A peer is a rank of the job; the map of the world is
 * the identity and takes no memory. Read by any thread.
 */
#ifndef DVMI_SRC_RANKMAP_H
#define DVMI_SRC_RANKMAP_H

#include <stdint.h>

struct dvmi_rankmap {
	uint32_t size;
	uint32_t *peers;  /* [size] by rank; NULL: every rank is its own peer */
	uint32_t *sorted; /* [size]: ranks in the order of their peers */
};

/* A map of SIZE ranks onto themselves. */
void dvmi_rankmap_init(struct dvmi_rankmap *m, uint32_t size);
/* A map of N ranks to PEERS, which are copied. 0, -EINVAL (a peer twice, or none at all), -ENOMEM. */
int dvmi_rankmap_set(struct dvmi_rankmap *m, const uint32_t *peers, uint32_t n);
/* 0 or -ENOMEM. */
int dvmi_rankmap_copy(struct dvmi_rankmap *m, const struct dvmi_rankmap *from);
void dvmi_rankmap_fini(struct dvmi_rankmap *m);

static inline uint32_t dvmi_rankmap_peer(const struct dvmi_rankmap *m, uint32_t rank)
{
	return m->peers ? m->peers[rank] : rank;
}

/* The rank of PEER, or -ENOENT. */
int64_t dvmi_rankmap_rank(const struct dvmi_rankmap *m, uint32_t peer);

#endif
