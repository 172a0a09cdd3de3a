/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending and receiving: checks, the short way, and the way through an operation. */
#include <errno.h>

#include "libdvm/src/sendrecv.h"
#include "libdvm/src/wait.h"

int dvmi_check_buffer(const void *buf, size_t len)
{
	return !buf && len ? -EINVAL : 0;
}

int dvmi_check_send(const dvm_group_t *g, int dest, int tag, int mode)
{
	if (!g || tag < 0 || mode < DVM_SEND_STANDARD || mode > DVM_SEND_READY)
		return -EINVAL;
	if (dest != DVM_NOBODY && (dest < 0 || (uint32_t)dest >= g->dests.size))
		return -EINVAL;
	return 0;
}

static int check_send(const dvm_group_t *g, const void *buf, size_t len, int dest, int tag)
{
	return dvmi_check_buffer(buf, len) < 0 ? -EINVAL
					       : dvmi_check_send(g, dest, tag, DVM_SEND_STANDARD);
}

int dvmi_check_source(const dvm_group_t *g, int source, int tag)
{
	if (!g || tag < DVM_ANY_TAG || source < DVM_NOBODY ||
	    (source >= 0 && (uint32_t)source >= g->dests.size))
		return -EINVAL;
	return 0;
}

static int check_recv(const dvm_group_t *g, const void *buf, size_t len, int source, int tag)
{
	return dvmi_check_buffer(buf, len) < 0 ? -EINVAL : dvmi_check_source(g, source, tag);
}

static int send_slowly(dvm_group_t *g, const void *buf, size_t len, uint32_t dest, int tag)
{
	dvm_t *d = g->d;
	struct dvmi_op op;

	/* A look at what has come may bring the credit or the room that was missing. */
	if (len <= d->p2p.peers[dest].eager_max) {
		dvmi_progress(d);
		int rc = dvmi_p2p_send_now(&d->p2p, dest, g->ctx, tag, buf, len);
		if (rc != -EAGAIN)
			return rc;
	}
	dvmi_p2p_send(&d->p2p, &op, dest, g->ctx, tag, buf, len);
	return dvmi_wait_op(d, &op);
}

int dvm_send(dvm_group_t *g, const void *buf, size_t len, int dest, int tag)
{
	int rc = check_send(g, buf, len, dest, tag);

	if (rc < 0 || dest == DVM_NOBODY)
		return rc;
	dvm_t *d = g->d;
	uint32_t rank = dvmi_group_peer(g, dest);
	dvmi_enter(d);
	rc = dvmi_p2p_send_now(&d->p2p, rank, g->ctx, tag, buf, len);
	if (__builtin_expect(rc == -EAGAIN, 0))
		rc = send_slowly(g, buf, len, rank, tag);
	dvmi_leave(d);
	return rc;
}

int dvm_recv(dvm_group_t *g, void *buf, size_t len, int source, int tag, dvm_status_t *status)
{
	int rc = check_recv(g, buf, len, source, tag);

	if (rc < 0)
		return rc;
	if (source == DVM_NOBODY) {
		dvmi_status_empty(status, 0);
		return 0;
	}
	struct dvmi_match_key key = dvmi_key_of(g, source, tag);
	struct dvmi_op op;
	dvm_t *d = g->d;
	dvmi_enter(d);
	if (dvmi_wait_direct(d, &op, &key, buf, len)) {
		rc = op.code;
	} else {
		dvmi_p2p_recv(&d->p2p, &op, &key, buf, len);
		rc = dvmi_wait_op(d, &op);
	}
	dvmi_leave(d);
	dvmi_status_set(status, g, &op);
	return rc;
}

int dvm_isend(dvm_group_t *g, const void *buf, size_t len, int dest, int tag, dvm_req_t **req)
{
	int rc = !req ? -EINVAL : check_send(g, buf, len, dest, tag);

	if (rc < 0)
		return rc;
	struct dvmi_mem mem = dvmi_mem_flat(buf, len);
	return dvmi_isend(g, &mem, dest, tag, DVM_SEND_STANDARD, req);
}

int dvm_irecv(dvm_group_t *g, void *buf, size_t len, int source, int tag, dvm_req_t **req)
{
	int rc = !req ? -EINVAL : check_recv(g, buf, len, source, tag);

	if (rc < 0)
		return rc;
	struct dvmi_match_key key = dvmi_key_of(g, source, tag);
	dvm_t *d = g->d;
	dvmi_enter(d);
	struct dvm_req *r = dvmi_req_get(g);
	if (r && source == DVM_NOBODY)
		dvmi_p2p_nothing(&r->op, DVMI_OP_RECV);
	else if (r)
		dvmi_p2p_recv(&d->p2p, &r->op, &key, buf, len);
	dvmi_leave(d);
	if (!r)
		return -ENOMEM;
	*req = r;
	return 0;
}

int dvm_sendrecv(dvm_group_t *g, const void *sbuf, size_t slen, int dest, int stag, void *rbuf,
		 size_t rlen, int source, int rtag, dvm_status_t *status)
{
	int rc = check_send(g, sbuf, slen, dest, stag);

	if (rc == 0)
		rc = check_recv(g, rbuf, rlen, source, rtag);
	if (rc < 0)
		return rc;
	struct dvmi_op send, recv;
	struct dvmi_match_key key = dvmi_key_of(g, source, rtag);
	dvm_t *d = g->d;
	dvmi_enter(d);
	dvmi_p2p_nothing(&recv, DVMI_OP_RECV);
	dvmi_p2p_nothing(&send, DVMI_OP_SEND);
	if (source != DVM_NOBODY)
		dvmi_p2p_recv(&d->p2p, &recv, &key, rbuf, rlen);
	if (dest != DVM_NOBODY)
		dvmi_p2p_send(&d->p2p, &send, dvmi_group_peer(g, dest), g->ctx, stag, sbuf, slen);
	int sent = dvmi_wait_op(d, &send);
	rc = dvmi_wait_op(d, &recv);
	dvmi_leave(d);
	dvmi_status_set(status, g, &recv);
	return rc < 0 ? rc : sent;
}
