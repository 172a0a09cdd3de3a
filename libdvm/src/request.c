/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for requests. */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/src/request.h"
#include "libdvm/src/wait.h"

#define SPARE_MAX 256 /* requests kept for the next call */

struct dvm_req *dvmi_req_new(void)
{
	return malloc(sizeof(struct dvm_req));
}

void dvmi_reqs_init(dvm_t *d)
{
	dvmi_p2p_nothing(&d->sent.op, DVMI_OP_SEND);
	d->sent.g = &d->world;
}

/* What R has beside itself. */
static void free_parts(struct dvm_req *r)
{
	if (r->cur)
		dvmi_cursor_fini(r->cur);
	free(r->cur);
	free(r->plan);
}

static inline void put(dvm_t *d, struct dvm_req *r)
{
	if (r->prev)
		r->prev->next = r->next;
	else
		d->reqs = r->next;
	if (r->next)
		r->next->prev = r->prev;
	if (__builtin_expect(d->nspare == SPARE_MAX, 0)) {
		free(r);
		return;
	}
	r->next = d->spare;
	d->spare = r;
	d->nspare++;
}

void dvmi_req_put(struct dvm_req *r)
{
	dvm_t *d = r->g->d;

	if (r == &d->sent)
		return;
	if (__builtin_expect(r->cur || r->plan, 0))
		free_parts(r);
	put(d, r);
}

void dvmi_status_empty(dvm_status_t *st, int error)
{
	if (st)
		*st = (dvm_status_t){ .source = -1, .tag = -1, .error = error };
}

struct dvm_req *dvmi_req_of_task(dvm_group_t *g, struct dvmi_task *t)
{
	struct dvm_req *r = dvmi_req_get(g);

	if (!r)
		return NULL;
	dvmi_p2p_nothing(&r->op, DVMI_OP_SEND);
	r->task = t;
	return r;
}

int dvmi_req_finished(dvm_group_t *g, int code, struct dvm_req **req)
{
	struct dvm_req *r = dvmi_req_get(g);

	if (!r)
		return -ENOMEM;
	dvmi_p2p_nothing(&r->op, DVMI_OP_SEND);
	r->op.code = code;
	*req = r;
	return 0;
}

void dvmi_status_set(dvm_status_t *st, const dvm_group_t *g, const struct dvmi_op *op)
{
	if (!st)
		return;
	dvmi_status_empty(st, op->code);
	if (op->kind != DVMI_OP_RECV || op->tag < 0)
		return;
	st->source = (int32_t)dvmi_rankmap_rank(&g->dests, op->peer);
	st->tag = op->tag;
	st->len = op->total;
}

void dvmi_reqs_reap(dvm_t *d)
{
	struct dvmi_op *op;

	while ((op = d->p2p.finished)) {
		d->p2p.finished = op->next;
		d->ndetached--;
		dvmi_req_put((struct dvm_req *)op); /* its first member */
	}
}

void dvmi_reqs_destroy(dvm_t *d)
{
	for (struct dvm_req *r = d->reqs, *next; r; r = next) {
		next = r->next;
		free_parts(r);
		free(r);
	}
	for (struct dvm_req *r = d->spare, *next; r; r = next) {
		next = r->next;
		free(r);
	}
}

int dvmi_req_result(const struct dvm_req *r, dvm_status_t *st)
{
	int code = r->task ? r->task->code : r->op.code;

	if (r->task)
		dvmi_status_empty(st, code);
	else
		dvmi_status_set(st, r->g, &r->op);
	return code;
}

int dvmi_req_end(dvm_req_t **req, dvm_status_t *st)
{
	struct dvm_req *r = *req;
	int code = dvmi_req_result(r, st);

	if (r->plan) {
		r->plan->active = false;
		return code;
	}
	if (r->task)
		dvmi_task_destroy(r->task);
	dvmi_req_put(r);
	*req = NULL;
	return code;
}

/* Ends *REQ if that is all there is to do for a plain message, or none: true. */
static inline bool end_quickly(dvm_t *d, dvm_req_t **req, int *first)
{
	struct dvm_req *r = *req;

	if (r->task || r->plan || r->cur || !dvmi_op_done(&r->op))
		return false;
	if (r->op.code < 0 && *first == 0)
		*first = r->op.code;
	if (r != &d->sent)
		put(d, r);
	*req = NULL;
	return true;
}

/* Under the lock of its handle; *REQ is not idle. */
static int wait_for(dvm_t *d, dvm_req_t **req, dvm_status_t *status)
{
	struct dvm_req *r = *req;

	if (!dvmi_req_done(r)) {
		if (r->task)
			dvmi_wait_task(r->task);
		else
			dvmi_wait_op(d, &r->op);
	}
	return dvmi_req_end(req, status);
}

int dvm_wait(dvm_req_t **req, dvm_status_t *status)
{
	if (!req)
		return -EINVAL;
	if (dvmi_req_idle(*req)) {
		dvmi_status_empty(status, 0);
		return 0;
	}
	dvm_t *d = (*req)->g->d;
	dvmi_enter(d);
	int rc = wait_for(d, req, status);
	dvmi_leave(d);
	return rc;
}

int dvm_test(dvm_req_t **req, dvm_status_t *status)
{
	if (!req)
		return -EINVAL;
	if (dvmi_req_idle(*req)) {
		dvmi_status_empty(status, 0);
		return 1;
	}
	dvm_t *d = (*req)->g->d;
	int rc = 0;
	dvmi_enter(d);
	if (!dvmi_req_done(*req))
		dvmi_poll(d);
	if (dvmi_req_done(*req)) {
		rc = dvmi_req_end(req, status);
		rc = rc < 0 ? rc : 1;
	}
	dvmi_leave(d);
	return rc;
}

/* D's lock is held, if D is not NULL; afterwards that of R's handle is. */
static dvm_t *change_to(dvm_t *d, const struct dvm_req *r)
{
	if (__builtin_expect(d == r->g->d, 1))
		return d;
	if (d)
		dvmi_leave(d);
	dvmi_enter(r->g->d);
	return r->g->d;
}

int dvm_waitall(dvm_req_t **reqs, size_t n, dvm_status_t *statuses)
{
	dvm_t *d = NULL;
	int first = 0;

	if (!reqs)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		dvm_status_t *st = statuses ? &statuses[i] : NULL;
		if (dvmi_req_idle(reqs[i])) {
			dvmi_status_empty(st, 0);
			continue;
		}
		d = change_to(d, reqs[i]);
		if (!st && end_quickly(d, &reqs[i], &first))
			continue;
		int rc = wait_for(d, &reqs[i], st);
		if (rc < 0 && first == 0)
			first = rc;
	}
	if (d)
		dvmi_leave(d);
	return first;
}

int dvm_cancel(dvm_req_t *req)
{
	if (!req || req->task || req->op.kind != DVMI_OP_RECV)
		return -EINVAL;
	dvm_t *d = req->g->d;
	dvmi_enter(d);
	bool done = dvmi_p2p_cancel(&d->p2p, &req->op, -ECANCELED);
	dvmi_leave(d);
	return done ? 0 : -EALREADY;
}

/* Nobody waits for a send that is under way any more. */
static void detach(struct dvm_req *r)
{
	r->op.detached = true;
	r->g->d->ndetached++;
}

int dvm_req_free(dvm_req_t **req)
{
	if (!req)
		return -EINVAL;
	struct dvm_req *r = *req;
	if (!r)
		return 0;
	dvm_t *d = r->g->d;
	int rc = 0;
	dvmi_enter(d);
	if (dvmi_req_idle(r) || dvmi_req_done(r)) {
		dvmi_task_destroy(r->task);
		dvmi_req_put(r);
	} else if (!r->task && r->op.kind == DVMI_OP_SEND) {
		detach(r);
	} else {
		rc = -EBUSY;
	}
	dvmi_leave(d);
	if (rc == 0)
		*req = NULL;
	return rc;
}
