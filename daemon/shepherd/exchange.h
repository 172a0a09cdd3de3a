/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Exchange between the shepherds of a job: every node of a set contributes some bytes, and every
 * node gets the bytes of all, one behind the other. The fences of PMIx and the barriers of PMI-1
 * are made of it. Pure: messages leave by a callback.
 *
 * Up a tree of four children a node to its root, and down again. A daemon between two shepherds
 * may lose a message, so a node repeats its contribution until the answer comes, and an answer is
 * kept until the next exchange under the same key is answered. Exchanges of one key are numbered;
 * all nodes enter them in the same order.
 */
#ifndef SHEP_EXCHANGE_H
#define SHEP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most that all contributions may have together. */
#define SHEP_EXCHANGE_MAX (7u << 20)

struct shep_exchange; /* incomplete */

struct shep_exchange_msg {
	uint64_t key;
	uint32_t seq;
	bool down; /* the answer; else a contribution */
	int code;  /* of an answer: 0, or why there is none */
	const uint8_t *data;
	size_t len;
};

struct shep_exchange_config {
	uint32_t self, nnodes; /* node indexes of the job */
	void (*send)(uint32_t node, const struct shep_exchange_msg *msg, void *arg);
	/* An exchange is over: CODE 0 and all bytes, or why not. May enter the next one. */
	void (*done)(uint64_t key, int code, const uint8_t *data, size_t len, void *arg);
	void *arg;
};

int shep_exchange_create(struct shep_exchange **out, const struct shep_exchange_config *config);
void shep_exchange_destroy(struct shep_exchange *x);

/*
 * Enters the next exchange of KEY among the N NODES (ascending indexes, this one among them) with
 * LEN bytes of our own. `done` comes for it, perhaps at once. -EINVAL, -EBUSY (the last one under
 * this key is not over), -EMSGSIZE, -ENOMEM.
 */
int shep_exchange_enter(struct shep_exchange *x, uint64_t key, const uint32_t *nodes, uint32_t n,
			const uint8_t *data, size_t len);

/* From the shepherd of node FROM. */
void shep_exchange_message(struct shep_exchange *x, uint32_t from,
			   const struct shep_exchange_msg *msg);

/* NODE is lost: exchanges that need it end with -DVM_EPEERLOST, now and later. */
void shep_exchange_lost(struct shep_exchange *x, uint32_t node);

/* There will be no exchange of KEY any more. One that is under way goes on. */
void shep_exchange_forget(struct shep_exchange *x, uint64_t key);

/* Repeats what has not been answered. False when nothing waits. */
bool shep_exchange_ask_again(struct shep_exchange *x);

#endif
