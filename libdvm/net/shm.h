/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transport between ranks of one node: a ring per ordered pair of ranks in the node's shared
 * memory, mapped and touched when the first message goes that way.
 *
 * The memory holds one block per local rank (is it asleep, who has ever sent to it), then the
 * pairs, each a ring and a bulk area. Sleeping and sending meet without a fence in the sender:
 * the sleeper raises its flag and then makes every registered process pass a memory barrier
 * (membarrier), before it looks for the last time. Where membarrier does not work, senders pay
 * for the fence and sleepers nap only briefly.
 */
#ifndef DVMI_NET_SHM_H
#define DVMI_NET_SHM_H

#include "libdvm/net/tport.h"

#define DVMI_SHM_RANKS_MAX 1024 /* on one node */

struct dvmi_shm_config {
	int fd;			  /* the shared memory; stays the caller's */
	uint32_t self;		  /* this rank within the node */
	uint32_t local_size;	  /* 2 … DVMI_SHM_RANKS_MAX */
	const uint32_t *rank_of;  /* [local_size]: job rank of a local rank; must outlive it */
	const uint32_t *local_of; /* [job size]: the reverse, for the ranks of this node */
	const char *dir;	  /* for wake-up sockets */
	struct dvmi_sink sink;
};

/* Gives the memory its size and maps this rank's part. 0 or -E…; -EFBIG: RLIMIT_FSIZE is less. */
int dvmi_shm_create(struct dvmi_tport **out, const struct dvmi_shm_config *cfg);

/*
 * Something that local rank LOCAL, not this one, may wait for has been written to memory both
 * share: wakes it if it sleeps.
 */
void dvmi_shm_poke(struct dvmi_tport *t, uint32_t local);

#endif
