/* SPDX-License-Identifier: BSD-3-Clause */
#include "libdvm/src/make.h"
#include "libdvm/src/wait.h"

static void start_send(const struct dvmi_make *m, struct dvmi_op *op, uint32_t dest,
		       const void *buf, size_t len)
{
	dvmi_p2p_send(&m->g->d->p2p, op, dvmi_rankmap_peer(&m->g->dests, dest),
		      m->g->ctx + DVMI_CTX_MAKE, m->tag, buf, len);
}

static void start_recv(const struct dvmi_make *m, struct dvmi_op *op, uint32_t source, void *buf,
		       size_t len)
{
	struct dvmi_match_key key = {
		.ctx = m->g->ctx + DVMI_CTX_MAKE,
		.source = (int32_t)dvmi_rankmap_peer(&m->g->dests, source),
		.tag = m->tag,
	};

	dvmi_p2p_recv(&m->g->d->p2p, op, &key, buf, len);
}

static int end_recv(const struct dvmi_make *m, struct dvmi_op *op)
{
	int rc = dvmi_wait_op(m->g->d, op);

	if (rc == -DVM_ETRUNC || (rc == 0 && op->total != op->len))
		return -DVM_EPROTO;
	return rc;
}

int dvmi_make_send(const struct dvmi_make *m, uint32_t dest, const void *buf, size_t len)
{
	struct dvmi_op op;

	start_send(m, &op, dest, buf, len);
	return dvmi_wait_op(m->g->d, &op);
}

int dvmi_make_recv(const struct dvmi_make *m, uint32_t source, void *buf, size_t len)
{
	struct dvmi_op op;

	start_recv(m, &op, source, buf, len);
	return end_recv(m, &op);
}

int dvmi_make_sendrecv(const struct dvmi_make *m, uint32_t other, const void *sbuf, size_t slen,
		       void *rbuf, size_t rlen)
{
	struct dvmi_op send, recv;

	start_recv(m, &recv, other, rbuf, rlen);
	start_send(m, &send, other, sbuf, slen);
	int sent = dvmi_wait_op(m->g->d, &send);
	int rc = end_recv(m, &recv);
	return rc < 0 ? rc : sent;
}
