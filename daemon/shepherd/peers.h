/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fabric addresses: who has published one, who waits for one. Pure: packets to ranks and messages
 * to other shepherds leave by callbacks.
 *
 * A rank's LOOKUP goes to the shepherd of the wanted rank, which answers at once or tells its rank
 * that it is WANTED and answers when that has published. A question or an answer may be lost with
 * a daemon on the way, so questions that wait are asked again: on a new connection and now and
 * then; answering twice does no harm.
 *
 * For the ranks of a linked job there is an object of their own, which only asks; the one of the own
 * job answers what shepherds of other jobs ask.
 */
#ifndef SHEP_PEERS_H
#define SHEP_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "libdvm/proto/pb.h"
#include "libdvm/proto/rank.h"

struct shep_peers; /* incomplete */

struct shep_peers_config {
	uint64_t job;		       /* whose ranks these are */
	uint64_t own;		       /* our job, where that is another one; else 0 */
	uint32_t node;		       /* our node's id */
	const struct dvmi_jobmap *map; /* states and nodes of ranks are read from it */
	const uint32_t *node_ids;      /* by node index; must outlive */
	/* ADDR packet for a local rank: CODE 0 and the address, or -E…. */
	void (*answer)(uint32_t local, uint32_t rank, int code, const uint8_t *addr, size_t len,
		       void *arg);
	/* A local rank is wanted. */
	void (*wanted)(uint32_t local, void *arg);
	void (*send)(const Pb__PeerMessage *msg, void *arg);
	void *arg;
};

int shep_peers_create(struct shep_peers **out, const struct shep_peers_config *config);
void shep_peers_destroy(struct shep_peers *p);

/* Local rank number LOCAL wants the address of RANK. */
void shep_peers_lookup(struct shep_peers *p, uint32_t local, uint32_t rank);

/* A local rank (given by its rank) has published; LEN is 1 … DVMI_RANK_ADDR_MAX. */
void shep_peers_publish(struct shep_peers *p, uint32_t rank, const uint8_t *addr, size_t len);

/*
 * LOOKUP or ADDRESS from the shepherd of node id msg->from, of the job msg->from_job where that is
 * not 0; what makes no sense is dropped.
 */
void shep_peers_message(struct shep_peers *p, const Pb__PeerMessage *msg);

/* Does somebody wait for this rank's address? */
bool shep_peers_is_wanted(const struct shep_peers *p, uint32_t rank);

/* The state of RANK in the map has changed: who waits for it hears that it will not publish. */
void shep_peers_changed(struct shep_peers *p, uint32_t rank);

/* LOCAL waits no longer: its connection is gone. */
void shep_peers_forget(struct shep_peers *p, uint32_t local);

/* Asks everything again that waits for another node. Returns how many questions that was. */
size_t shep_peers_ask_again(struct shep_peers *p);

#endif
