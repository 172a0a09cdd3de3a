/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm_am_send() and dvm_am_isend(): checks, and the way by request. */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/src/request.h"

static int check(const dvm_group_t *g, int dest, int id, const void *head, size_t head_len,
		 const void *payload, size_t len)
{
	if (!g || dest < 0 || (uint32_t)dest >= g->dests.size || id < 0 || id >= DVM_AM_IDS)
		return -EINVAL;
	if (head_len > DVM_AM_HEAD_MAX || len > DVM_AM_MAX || (!head && head_len) ||
	    (!payload && len))
		return -EINVAL;
	return g->link ? -ENOTSUP : 0; /* among ranks of one job */
}

static struct dvmi_am_msg message(const dvm_group_t *g, int id, const void *head, size_t head_len,
				  const void *payload, size_t len)
{
	return (struct dvmi_am_msg){
		.ctx = g->ctx + DVMI_CTX_ACTIVE,
		.id = (uint32_t)id,
		.head = head,
		.head_len = (uint32_t)head_len,
		.payload = payload,
		.len = (uint32_t)len,
	};
}

int dvm_am_send(dvm_group_t *g, int dest, int id, const void *head, size_t head_len,
		const void *payload, size_t len)
{
	int rc = check(g, dest, id, head, head_len, payload, len);

	if (__builtin_expect(rc < 0, 0))
		return rc;
	dvm_t *d = g->d;
	uint32_t peer = dvmi_rankmap_peer(&g->dests, (uint32_t)dest);
	struct dvmi_am_msg m = message(g, id, head, head_len, payload, len);
	/* A handler has the lock already. */
	if (dvmi_am_inside(&d->am))
		return dvmi_am_answer(d, peer, &m);
	dvmi_enter(d);
	rc = dvmi_am_send_wait(d, peer, &m);
	dvmi_leave(d);
	return rc;
}

struct am_task {
	struct dvmi_task task;
	struct dvmi_am_out out;
	uint32_t peer;
};

static int nothing_to_advance(struct dvmi_task *t)
{
	(void)t;
	return 0;
}

static void destroy_am_task(struct dvmi_task *t)
{
	struct am_task *a = (struct am_task *)t;

	if (!a->out.done)
		dvmi_am_unqueue(t->d, a->peer, &a->out);
	free(a);
}

/* A request for M, which waits in its peer's queue. */
static int queue_request(dvm_group_t *g, uint32_t peer, const struct dvmi_am_msg *m,
			 struct dvm_req **req)
{
	struct am_task *a = calloc(1, sizeof *a);

	if (!a)
		return -ENOMEM;
	a->task.advance = nothing_to_advance;
	a->task.destroy = destroy_am_task;
	a->peer = peer;
	a->out.m = *m;
	a->out.task = &a->task;
	struct dvm_req *r = dvmi_req_of_task(g, &a->task);
	if (!r) {
		free(a);
		return -ENOMEM;
	}
	dvmi_task_start(g->d, &a->task);
	int rc = dvmi_am_queue(g->d, peer, &a->out);
	if (rc < 0) {
		a->out.done = true;
		dvmi_task_end(&a->task, rc);
	}
	*req = r;
	return 0;
}

int dvm_am_isend(dvm_group_t *g, int dest, int id, const void *head, size_t head_len,
		 const void *payload, size_t len, dvm_req_t **req)
{
	int rc = req ? check(g, dest, id, head, head_len, payload, len) : -EINVAL;

	if (rc < 0)
		return rc;
	dvm_t *d = g->d;
	if (dvmi_am_inside(&d->am))
		return -EBUSY;
	uint32_t peer = dvmi_rankmap_peer(&g->dests, (uint32_t)dest);
	struct dvmi_am_msg m = message(g, id, head, head_len, payload, len);
	dvmi_enter(d);
	rc = dvmi_am_send_now(d, peer, &m);
	rc = rc == -EAGAIN ? queue_request(g, peer, &m, req) : dvmi_req_finished(g, rc, req);
	dvmi_leave(d);
	return rc;
}
