/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for requests. */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/src/request.h"
#include "libdvm/src/wait.h"

#define SPARE_MAX 256 /* requests kept for the next call */

struct dvm_req *dvmi_req_get(dvm_group_t *g)
{
	dvm_t *d = g->d;
	struct dvm_req *r = d->spare;

	if (r) {
		d->spare = r->next;
		d->nspare--;
	} else {
		r = malloc(sizeof *r);
		if (!r)
			return NULL;
	}
	r->g = g;
	r->task = NULL;
	r->prev = NULL;
	r->next = d->reqs;
	if (d->reqs)
		d->reqs->prev = r;
	d->reqs = r;
	return r;
}

void dvmi_req_put(struct dvm_req *r)
{
	dvm_t *d = r->g->d;

	if (r->prev)
		r->prev->next = r->next;
	else
		d->reqs = r->next;
	if (r->next)
		r->next->prev = r->prev;
	if (d->nspare == SPARE_MAX) {
		free(r);
		return;
	}
	r->next = d->spare;
	d->spare = r;
	d->nspare++;
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

/* Ends a request that is done and returns its code. */
static int end(dvm_req_t **req, dvm_status_t *st)
{
	struct dvm_req *r = *req;
	int code = r->task ? r->task->code : r->op.code;

	if (r->task)
		dvmi_status_empty(st, code);
	else
		dvmi_status_set(st, r->g, &r->op);
	dvmi_task_destroy(r->task);
	dvmi_req_put(r);
	*req = NULL;
	return code;
}

int dvm_wait(dvm_req_t **req, dvm_status_t *status)
{
	if (!req)
		return -EINVAL;
	if (!*req) {
		dvmi_status_empty(status, 0);
		return 0;
	}
	dvm_t *d = (*req)->g->d;
	dvmi_enter(d);
	if ((*req)->task)
		dvmi_wait_task((*req)->task);
	else
		dvmi_wait_op(d, &(*req)->op);
	int rc = end(req, status);
	dvmi_leave(d);
	return rc;
}

int dvm_test(dvm_req_t **req, dvm_status_t *status)
{
	if (!req)
		return -EINVAL;
	if (!*req) {
		dvmi_status_empty(status, 0);
		return 1;
	}
	dvm_t *d = (*req)->g->d;
	int rc = 0;
	dvmi_enter(d);
	if (!dvmi_req_done(*req))
		dvmi_poll(d);
	if (dvmi_req_done(*req)) {
		rc = end(req, status);
		rc = rc < 0 ? rc : 1;
	}
	dvmi_leave(d);
	return rc;
}

int dvm_waitall(dvm_req_t **reqs, size_t n, dvm_status_t *statuses)
{
	int first = 0;

	if (!reqs)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		int rc = dvm_wait(&reqs[i], statuses ? &statuses[i] : NULL);
		if (rc < 0 && first == 0)
			first = rc;
	}
	return first;
}

enum { NONE_DONE = -1, ALL_NULL = -2 };

static ssize_t find_done(dvm_req_t **reqs, size_t n)
{
	ssize_t found = ALL_NULL;

	for (size_t i = 0; i < n; i++) {
		if (reqs[i] && dvmi_req_done(reqs[i]))
			return (ssize_t)i;
		if (reqs[i])
			found = NONE_DONE;
	}
	return found;
}

/* Ends all that cannot end by themselves, if that is all of them. */
static void give_up_hopeless(dvm_t *d, dvm_req_t **reqs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (reqs[i] && (reqs[i]->task || !dvmi_p2p_is_hopeless(&d->p2p, &reqs[i]->op)))
			return;
	for (size_t i = 0; i < n; i++)
		if (reqs[i])
			dvmi_p2p_hopeless(&d->p2p, &reqs[i]->op);
}

static dvm_t *handle_of(dvm_req_t **reqs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (reqs[i])
			return reqs[i]->g->d;
	return NULL;
}

int dvm_waitany(dvm_req_t **reqs, size_t n, size_t *index, dvm_status_t *status)
{
	if (!reqs || !index)
		return -EINVAL;
	dvm_t *d = handle_of(reqs, n);
	if (!d)
		return -ENOENT;
	struct dvmi_wait w = { 0 };
	ssize_t i;
	dvmi_enter(d);
	while ((i = find_done(reqs, n)) < 0)
		if (dvmi_wait_round(d, &w) == 0 && !d->threads.on && find_done(reqs, n) < 0)
			give_up_hopeless(d, reqs, n);
	*index = (size_t)i;
	int rc = end(&reqs[i], status);
	dvmi_leave(d);
	return rc;
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
