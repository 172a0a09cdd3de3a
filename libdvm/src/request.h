/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests, statuses, and checks of what the caller passes. */
#ifndef DVMI_SRC_REQUEST_H
#define DVMI_SRC_REQUEST_H

#include "libdvm/src/handle.h"

struct dvm_req *dvmi_req_new(void);
void dvmi_req_put(struct dvm_req *r);
/* Makes d->sent. */
void dvmi_reqs_init(dvm_t *d);

/* A request that is done when T, which it then owns, is. NULL without memory. */
struct dvm_req *dvmi_req_of_task(dvm_group_t *g, struct dvmi_task *t);

/* A request of G, from the handle's spare ones if possible; NULL without memory. */
static inline struct dvm_req *dvmi_req_get(dvm_group_t *g)
{
	dvm_t *d = g->d;
	struct dvm_req *r = d->spare;

	if (__builtin_expect(r != NULL, 1)) {
		d->spare = r->next;
		d->nspare--;
	} else if (!(r = dvmi_req_new())) {
		return NULL;
	}
	r->g = g;
	r->task = NULL;
	r->cur = NULL;
	r->plan = NULL;
	r->prev = NULL;
	r->next = d->reqs;
	if (r->next)
		r->next->prev = r;
	d->reqs = r;
	return r;
}

/* A request that is done, with CODE, and moved nothing: 0 with *REQ, or -ENOMEM. */
int dvmi_req_finished(dvm_group_t *g, int code, struct dvm_req **req);

static inline bool dvmi_req_done(const struct dvm_req *r)
{
	return r->task ? r->task->done : dvmi_op_done(&r->op);
}

/* In waits and tests it counts as none: it is NULL, or persistent and not started. */
static inline bool dvmi_req_idle(const struct dvm_req *r)
{
	return !r || (r->plan && !r->plan->active);
}

/* Ends *REQ, which is done, for the one who waited: its code. A persistent one stays. */
int dvmi_req_end(dvm_req_t **req, dvm_status_t *st);
/* The status and the code of R, which is done. */
int dvmi_req_result(const struct dvm_req *r, dvm_status_t *st);

/* Frees the detached requests that are done. */
void dvmi_reqs_reap(dvm_t *d);
/* Frees all requests of a handle that ends; none of them is under way any more. */
void dvmi_reqs_destroy(dvm_t *d);

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
