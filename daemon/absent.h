/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DVMD_ABSENT_H
#define DVMD_ABSENT_H

#include "daemon/call.h"

/* Serves what the leader would, if it is down and that can be done without; consumes *CALL then. */
bool dvmd_absent_serve(struct dvmd_call **call, const uint8_t *body, size_t len);

#endif
