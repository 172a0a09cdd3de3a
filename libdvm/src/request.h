/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests, statuses, and checks of what the caller passes. */
#ifndef DVMI_SRC_REQUEST_H
#define DVMI_SRC_REQUEST_H

#include "libdvm/src/handle.h"

/* A request of G, from the handle's spare ones if possible; NULL without memory. */
struct dvm_req *dvmi_req_get(dvm_group_t *g);
void dvmi_req_put(struct dvm_req *r);

/* A request that is done when T, which it then owns, is. NULL without memory. */
struct dvm_req *dvmi_req_of_task(dvm_group_t *g, struct dvmi_task *t);

static inline bool dvmi_req_done(const struct dvm_req *r)
{
	return r->task ? r->task->done : dvmi_op_done(&r->op);
}

/* The status of a finished operation of G; ST may be NULL. */
void dvmi_status_set(dvm_status_t *st, const dvm_group_t *g, const struct dvmi_op *op);
/* That of nothing: no message moved. */
void dvmi_status_empty(dvm_status_t *st, int error);

/* The peer that messages to RANK of G go to; RANK must be below g->dests.size. */
static inline uint32_t dvmi_group_peer(const dvm_group_t *g, int rank)
{
	return dvmi_rankmap_peer(&g->dests, (uint32_t)rank);
}

#endif
