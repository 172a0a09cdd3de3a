/* SPDX-License-Identifier: BSD-3-Clause */
/* What a node answers from its own copy of the cluster state. Each takes the call. */
#ifndef DVMD_QUERY_H
#define DVMD_QUERY_H

#include "daemon/call.h"

void dvmd_query_info(struct dvmd_call *call, const uint8_t *body, size_t len);
void dvmd_query_nodes(struct dvmd_call *call, const uint8_t *body, size_t len);
void dvmd_query_jobs(struct dvmd_call *call, const uint8_t *body, size_t len);
/* The part of JOBS, BODY, that asks how far a job or an array is. */
void dvmd_query_progress(struct dvmd_call *call, uint64_t job, const uint8_t *body, size_t len);
void dvmd_query_log(struct dvmd_call *call, const uint8_t *body, size_t len);

#endif
