/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm drain and undrain: which nodes new jobs stay away from. */
#ifndef DVMD_DRAIN_H
#define DVMD_DRAIN_H

#include "daemon/call.h"

/* A client's DrainRequest (call.c's table); takes the call. */
void dvmd_drain_serve(struct dvmd_call *call, const uint8_t *body, size_t len);

#endif
