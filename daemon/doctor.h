/* SPDX-License-Identifier: BSD-3-Clause */
/* `dvm doctor`: each node checks itself and its way to every other, both directions. */
#ifndef DVMD_DOCTOR_H
#define DVMD_DOCTOR_H

#include "daemon/call.h"

/* DOCTOR of a client: gathers from all nodes. Of another node: this one's checks. Takes the call. */
void dvmd_doctor_serve(struct dvmd_call *call, const uint8_t *body, size_t len);

#endif
