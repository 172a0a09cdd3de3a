/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm reserve: reservations at the leading node. */
#ifndef DVMD_RESERVE_H
#define DVMD_RESERVE_H

#include "daemon/call.h"

/* A client's ReserveRequest (call.c's table); takes the call. */
void dvmd_reserve_serve(struct dvmd_call *call, const uint8_t *body, size_t len);

/* Removes the reservations that were over at WALL. */
void dvmd_reserve_expire(struct dvmd *d, uint64_t wall);

/* When the next one begins or ends behind WALL; UINT64_MAX: none does. */
uint64_t dvmd_reserve_next(const struct dvmd *d, uint64_t wall);

#endif
