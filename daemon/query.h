/* SPDX-License-Identifier: BSD-3-Clause */
/* What a node answers from its own copy of the cluster state. Each takes the call. */
#ifndef DVMD_QUERY_H
#define DVMD_QUERY_H

#include "daemon/call.h"

void dvmd_query_info(struct dvmd_call *call, const uint8_t *body, size_t len);
void dvmd_query_nodes(struct dvmd_call *call, const uint8_t *body, size_t len);
void dvmd_query_jobs(struct dvmd_call *call, const uint8_t *body, size_t len);
/* How far a job or an array is; consumes *CALL. -ENOENT: not known here, the call is as it was. */
int dvmd_query_progress(struct dvmd_call **call, uint64_t job);
void dvmd_query_log(struct dvmd_call *call, const uint8_t *body, size_t len);

#endif
