/* SPDX-License-Identifier: BSD-3-Clause */
/* The broadcast engine (bcast.h) in the daemon's loop: one thing told to many nodes. */
#ifndef DVMD_CAST_H
#define DVMD_CAST_H

#include "daemon/bcast.h"
#include "daemon/dvmd.h"

struct dvmd_cast; /* incomplete */

int dvmd_cast_create(struct dvmd_cast **out, struct dvmd *d, uint32_t life);
void dvmd_cast_destroy(struct dvmd_cast *c);

/* What became of the message at one node: 0, the code of its handler, or -DVM_EPEERLOST, -ETIMEDOUT. */
typedef void dvmd_cast_result_fn(uint32_t node, int code, const char *text, void *arg);

/*
 * Tells the N nodes IDS (self may be among them) one message, executed by dvmd_told() on each.
 * RESULT (may be NULL) is called for each node whose code is not 0, then DONE (may be NULL) once.
 */
int dvmd_cast_send(struct dvmd_cast *c, const uint32_t *ids, size_t n, uint16_t type,
		   const void *body, size_t len, uint64_t timeout_ns, dvmd_cast_result_fn *result,
		   void (*done)(void *arg), void *arg);

void dvmd_cast_received(struct dvmd_cast *c, uint32_t from, const uint8_t *body, size_t len);
void dvmd_cast_node_down(struct dvmd_cast *c, uint32_t id);
void dvmd_cast_node_up(struct dvmd_cast *c, uint32_t id);

#endif
