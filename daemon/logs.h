/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `dvm logs`: the kept output of a job, gathered from its nodes page by page and merged by time.
 */
#ifndef DVMD_LOGS_H
#define DVMD_LOGS_H

#include "daemon/call.h"

/* LOGS of a client, or of another node for one node's page. Takes the call. */
void dvmd_logs_serve(struct dvmd_call *call, const uint8_t *body, size_t len);

/* Ends all that are under way, since this daemon stops. */
void dvmd_logs_stop(struct dvmd *d);

#endif
