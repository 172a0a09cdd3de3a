/* SPDX-License-Identifier: BSD-3-Clause */
/* The membership engine (member.h) in the daemon's loop, on its wires. */
#ifndef DVMD_LIVE_H
#define DVMD_LIVE_H

#include "daemon/dvmd.h"
#include "daemon/member.h"

struct dvmd_live; /* incomplete */

/* LIFE: number of this start of the node, rising. */
int dvmd_live_create(struct dvmd_live **out, struct dvmd *d, uint32_t life);
void dvmd_live_destroy(struct dvmd_live *l);

void dvmd_live_add(struct dvmd_live *l, uint32_t id);
void dvmd_live_remove(struct dvmd_live *l, uint32_t id);
void dvmd_live_received(struct dvmd_live *l, uint32_t from, const uint8_t *body, size_t len);

/* Entries applied here, for the others to notice a gap. L may be NULL (not yet joined). */
void dvmd_live_applied(struct dvmd_live *l, uint64_t index);

/* This node goes: some others are told at once. */
void dvmd_live_leave(struct dvmd_live *l);

bool dvmd_live_is_up(const struct dvmd_live *l, uint32_t id);
/* -ENOENT where ID is unknown. */
int dvmd_live_info(const struct dvmd_live *l, uint32_t id, struct dvmd_member_info *info);

#endif
