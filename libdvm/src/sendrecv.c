/* SPDX-License-Identifier: BSD-3-Clause */
/* Sends in all modes and receives, of memory of any kind. */
#include <errno.h>

#include "libdvm/src/sendrecv.h"
#include "libdvm/src/wait.h"

void dvmi_begin_send(dvm_group_t *g, struct dvmi_op *op, const struct dvmi_mem *mem, int dest,
		     int tag, int mode)
{
	if (dest == DVM_NOBODY)
		dvmi_p2p_nothing(op, DVMI_OP_SEND);
	else
		dvmi_p2p_send_from(&g->d->p2p, op, dvmi_group_peer(g, dest), g->ctx, tag, mem,
				   mode == DVM_SEND_SYNC);
}

void dvmi_begin_recv(dvm_group_t *g, struct dvmi_op *op, const struct dvmi_mem *mem, int source,
		     int tag)
{
	if (source == DVM_NOBODY) {
		dvmi_p2p_nothing(op, DVMI_OP_RECV);
		return;
	}
	struct dvmi_match_key key = dvmi_key_of(g, source, tag);
	dvmi_p2p_recv_into(&g->d->p2p, op, &key, mem);
}

int dvmi_send(dvm_group_t *g, const struct dvmi_mem *mem, int dest, int tag, int mode)
{
	struct dvmi_op op;

	dvmi_enter(g->d);
	dvmi_begin_send(g, &op, mem, dest, tag, mode);
	int rc = dvmi_wait_op(g->d, &op);
	dvmi_leave(g->d);
	return rc;
}

int dvmi_recv(dvm_group_t *g, const struct dvmi_mem *mem, int source, int tag, dvm_status_t *status)
{
	struct dvmi_op op;

	dvmi_enter(g->d);
	dvmi_begin_recv(g, &op, mem, source, tag);
	int rc = dvmi_wait_op(g->d, &op);
	dvmi_leave(g->d);
	dvmi_status_set(status, g, &op);
	return rc;
}

int dvmi_isend(dvm_group_t *g, const struct dvmi_mem *mem, int dest, int tag, int mode,
	       dvm_req_t **req)
{
	dvm_t *d = g->d;
	dvmi_enter(d);
	if (mode != DVM_SEND_SYNC && !mem->cur && dest != DVM_NOBODY &&
	    dvmi_p2p_send_now(&d->p2p, dvmi_group_peer(g, dest), g->ctx, tag, mem->buf, mem->len) ==
		    0) {
		dvmi_leave(d);
		*req = &d->sent;
		return 0;
	}
	struct dvm_req *r = dvmi_req_get(g);
	if (r) {
		r->cur = mem->cur;
		dvmi_begin_send(g, &r->op, mem, dest, tag, mode);
	}
	dvmi_leave(g->d);
	if (!r)
		return -ENOMEM;
	*req = r;
	return 0;
}

int dvmi_irecv(dvm_group_t *g, const struct dvmi_mem *mem, int source, int tag, dvm_req_t **req)
{
	dvmi_enter(g->d);
	struct dvm_req *r = dvmi_req_get(g);
	if (r) {
		r->cur = mem->cur;
		dvmi_begin_recv(g, &r->op, mem, source, tag);
	}
	dvmi_leave(g->d);
	if (!r)
		return -ENOMEM;
	*req = r;
	return 0;
}

int dvmi_sendrecv(dvm_group_t *g, const struct dvmi_mem *out, int dest, int stag,
		  const struct dvmi_mem *in, int source, int rtag, dvm_status_t *status)
{
	struct dvmi_op send, recv;

	dvmi_enter(g->d);
	dvmi_begin_recv(g, &recv, in, source, rtag);
	dvmi_begin_send(g, &send, out, dest, stag, DVM_SEND_STANDARD);
	int sent = dvmi_wait_op(g->d, &send);
	int rc = dvmi_wait_op(g->d, &recv);
	dvmi_leave(g->d);
	dvmi_status_set(status, g, &recv);
	return rc < 0 ? rc : sent;
}

static int check(const dvm_group_t *g, const void *buf, size_t len, int dest, int tag)
{
	int rc = dvmi_check_buffer(buf, len);

	return rc < 0 ? rc : dvmi_check_send(g, dest, tag, DVM_SEND_STANDARD);
}

int dvm_ssend(dvm_group_t *g, const void *buf, size_t len, int dest, int tag)
{
	struct dvmi_mem mem = dvmi_mem_flat(buf, len);
	int rc = check(g, buf, len, dest, tag);

	return rc < 0 ? rc : dvmi_send(g, &mem, dest, tag, DVM_SEND_SYNC);
}

int dvm_rsend(dvm_group_t *g, const void *buf, size_t len, int dest, int tag)
{
	return dvm_send(g, buf, len, dest, tag);
}

int dvm_issend(dvm_group_t *g, const void *buf, size_t len, int dest, int tag, dvm_req_t **req)
{
	struct dvmi_mem mem = dvmi_mem_flat(buf, len);
	int rc = req ? check(g, buf, len, dest, tag) : -EINVAL;

	return rc < 0 ? rc : dvmi_isend(g, &mem, dest, tag, DVM_SEND_SYNC, req);
}

int dvm_irsend(dvm_group_t *g, const void *buf, size_t len, int dest, int tag, dvm_req_t **req)
{
	return dvm_isend(g, buf, len, dest, tag, req);
}
