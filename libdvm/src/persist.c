/* SPDX-License-Identifier: BSD-3-Clause */
/* Persistent requests: a plan beside the operation, which is carried out again and again. */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/src/sendrecv.h"

static struct dvm_req *persistent(dvm_group_t *g, const struct dvmi_mem *mem,
				  const struct dvmi_plan *plan)
{
	struct dvm_req *r = dvmi_req_get(g);
	struct dvmi_plan *own = malloc(sizeof *own);

	if (!r || !own) {
		if (r)
			dvmi_req_put(r);
		free(own);
		return NULL;
	}
	*own = *plan;
	own->mem = *mem;
	r->plan = own;
	r->cur = mem->cur;
	dvmi_p2p_nothing(&r->op, plan->kind);
	return r;
}

static int make(dvm_group_t *g, const struct dvmi_mem *mem, const struct dvmi_plan *plan,
		dvm_req_t **req)
{
	dvmi_enter(g->d);
	struct dvm_req *r = persistent(g, mem, plan);
	dvmi_leave(g->d);
	if (!r)
		return -ENOMEM;
	*req = r;
	return 0;
}

int dvmi_send_init(dvm_group_t *g, const struct dvmi_mem *mem, int dest, int tag, int mode,
		   dvm_req_t **req)
{
	struct dvmi_plan plan = { .kind = DVMI_OP_SEND, .rank = dest, .tag = tag, .mode = mode };

	return make(g, mem, &plan, req);
}

int dvmi_recv_init(dvm_group_t *g, const struct dvmi_mem *mem, int source, int tag,
		   dvm_req_t **req)
{
	struct dvmi_plan plan = { .kind = DVMI_OP_RECV, .rank = source, .tag = tag };

	return make(g, mem, &plan, req);
}

int dvm_send_init(dvm_group_t *g, const void *buf, size_t len, int dest, int tag, int mode,
		  dvm_req_t **req)
{
	struct dvmi_mem mem = dvmi_mem_flat(buf, len);

	if (!req || dvmi_check_buffer(buf, len) < 0 || dvmi_check_send(g, dest, tag, mode) < 0)
		return -EINVAL;
	return dvmi_send_init(g, &mem, dest, tag, mode, req);
}

int dvm_recv_init(dvm_group_t *g, void *buf, size_t len, int source, int tag, dvm_req_t **req)
{
	struct dvmi_mem mem = dvmi_mem_flat(buf, len);

	if (!req || dvmi_check_buffer(buf, len) < 0 || dvmi_check_source(g, source, tag) < 0)
		return -EINVAL;
	return dvmi_recv_init(g, &mem, source, tag, req);
}

static int startable(const struct dvm_req *r)
{
	if (!r || !r->plan)
		return -EINVAL;
	return r->plan->active ? -EBUSY : 0;
}

static void start(struct dvm_req *r)
{
	struct dvmi_plan *plan = r->plan;

	plan->active = true;
	if (r->cur)
		dvmi_cursor_rewind(r->cur);
	if (plan->kind == DVMI_OP_SEND)
		dvmi_begin_send(r->g, &r->op, &plan->mem, plan->rank, plan->tag, plan->mode);
	else
		dvmi_begin_recv(r->g, &r->op, &plan->mem, plan->rank, plan->tag);
}

int dvm_start(dvm_req_t *req)
{
	int rc = startable(req);

	if (rc < 0)
		return rc;
	dvm_t *d = req->g->d;
	dvmi_enter(d);
	start(req);
	dvmi_leave(d);
	return 0;
}

int dvm_startall(dvm_req_t **reqs, size_t n)
{
	int rc = n && !reqs ? -EINVAL : 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = startable(reqs[i]);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = dvm_start(reqs[i]);
	return rc;
}
