/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The allow-list: which CURVE keys may speak to this node, and as whom.
 *
 * A table without sockets. Both gates ask it: the handshake (zap.h), and every message received
 * afterwards, since a connection outlives the removal of its key. One thread.
 */
#ifndef DVMD_ALLOW_H
#define DVMD_ALLOW_H

#include <stdbool.h>
#include <stdint.h>

#define DVMD_ALLOW_KEY 32

struct dvmd_allow; /* incomplete */

struct dvmd_allowed {
	uint8_t key[DVMD_ALLOW_KEY];
	uint32_t node; /* 0: a token's, or our own before we have an id */
	bool token;
};

int dvmd_allow_create(struct dvmd_allow **out);
void dvmd_allow_destroy(struct dvmd_allow *a);

/* A key becomes, or stays, node ID's. -EEXIST when it is another node's; -ENOMEM. */
int dvmd_allow_member(struct dvmd_allow *a, const uint8_t *key, uint32_t id);
/* A token's key. -EEXIST when it is a member's; -ENOMEM. */
int dvmd_allow_token(struct dvmd_allow *a, const uint8_t *key);
/* Unknown keys are ignored. */
void dvmd_allow_drop(struct dvmd_allow *a, const uint8_t *key);

/* Who KEY is, valid until the next change, or NULL. */
const struct dvmd_allowed *dvmd_allow_find(const struct dvmd_allow *a, const uint8_t *key);

#endif
