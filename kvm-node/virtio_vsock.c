/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_vsock.h>
#include <string.h>

#include "kvm-node/virtio_vsock.h"

#define OWES(op)  (1u << VIRTIO_VSOCK_OP_##op)
#define SHUT_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)
#define HEADER	  sizeof(struct virtio_vsock_hdr)

/* ---- to the guest ---- */

static struct virtio_vsock_hdr header(const struct vmm_vsock *s, uint32_t host_port,
				      uint32_t guest_port, unsigned op)
{
	return (struct virtio_vsock_hdr){
		.src_cid = VMM_VSOCK_HOST,
		.dst_cid = s->cid,
		.src_port = host_port,
		.dst_port = guest_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = (uint16_t)op,
		.buf_alloc = VMM_VSOCK_BUF,
	};
}

/*
 * How much of BYTES went with it, which may be less than LEN where buffers are short; -EAGAIN:
 * there is none now. One without room for a header fails the device.
 */
static ssize_t put(struct vmm_vsock *s, struct virtio_vsock_hdr *h, const void *bytes, size_t len)
{
	struct vmm_chain *c = &s->rx;

	s->v.budget = VMM_VDEV_BUDGET;
	while (!vmm_vdev_pop(&s->v, VMM_VSOCK_RX, c)) {
		if (!vmm_vdev_more(&s->v, VMM_VSOCK_RX)) {
			s->starved = true;
			return -EAGAIN;
		}
	}
	if (c->in_len < HEADER || (len && c->in_len == HEADER)) {
		vmm_vdev_fail(&s->v);
		return -EAGAIN;
	}
	h->len = (uint32_t)(len < c->in_len - HEADER ? len : c->in_len - HEADER);
	vmm_iov_write(c->iov + c->nout, c->nin, 0, h, HEADER);
	vmm_iov_write(c->iov + c->nout, c->nin, HEADER, bytes, h->len);
	vmm_vdev_push(&s->v, VMM_VSOCK_RX, c->head, (uint32_t)HEADER + h->len);
	vmm_vdev_signal(&s->v, VMM_VSOCK_RX);
	return h->len;
}

static bool put_op(struct vmm_vsock *s, struct vmm_vsock_conn *c, unsigned op)
{
	struct virtio_vsock_hdr h = header(s, c->host_port, c->guest_port, op);

	h.fwd_cnt = c->fwd;
	h.flags = op == VIRTIO_VSOCK_OP_SHUTDOWN ? c->host_shut : 0;
	if (put(s, &h, NULL, 0) < 0)
		return false;
	c->told = c->fwd;
	return true;
}

static void pay(struct vmm_vsock *s, struct vmm_vsock_conn *c)
{
	for (unsigned op = 0; c->owed; op++)
		if ((c->owed & 1u << op) && !put_op(s, c, op))
			return;
		else
			c->owed &= ~(1u << op);
}

static void owe(struct vmm_vsock *s, struct vmm_vsock_conn *c, uint32_t what)
{
	c->owed |= what;
	pay(s, c);
}

static void pay_refusals(struct vmm_vsock *s)
{
	while (s->n_refuse) {
		struct virtio_vsock_hdr h =
			header(s, s->refuse[s->n_refuse - 1].host_port,
			       s->refuse[s->n_refuse - 1].guest_port, VIRTIO_VSOCK_OP_RST);
		if (put(s, &h, NULL, 0) < 0)
			return;
		s->n_refuse--;
	}
}

/* More than there is room for are forgotten: the guest's side then ends by its own time limit. */
static void refuse(struct vmm_vsock *s, uint32_t host_port, uint32_t guest_port)
{
	s->refused++;
	if (s->n_refuse == VMM_VSOCK_REFUSALS)
		return;
	s->refuse[s->n_refuse].host_port = host_port;
	s->refuse[s->n_refuse++].guest_port = guest_port;
	pay_refusals(s);
}

/* ---- the table ---- */

static struct vmm_vsock_conn *find(struct vmm_vsock *s, uint32_t host_port, uint32_t guest_port)
{
	for (unsigned i = 0; i < VMM_VSOCK_CONNS; i++) {
		struct vmm_vsock_conn *c = &s->conn[i];
		if (c->state && c->host_port == host_port && c->guest_port == guest_port)
			return c;
	}
	return NULL;
}

static struct vmm_vsock_conn *new_conn(struct vmm_vsock *s, uint32_t host_port, uint32_t guest_port)
{
	for (unsigned i = 0; i < VMM_VSOCK_CONNS; i++) {
		struct vmm_vsock_conn *c = &s->conn[i];
		if (c->state)
			continue;
		*c = (struct vmm_vsock_conn){ .host_port = host_port, .guest_port = guest_port };
		return c;
	}
	return NULL;
}

/* The guest hears RST unless it has said so itself. */
static void end_conn(struct vmm_vsock *s, struct vmm_vsock_conn *c, bool tell)
{
	uint32_t host_port = c->host_port, guest_port = c->guest_port;

	c->state = VMM_VSOCK_FREE;
	c->owed = 0;
	if (tell)
		refuse(s, host_port, guest_port);
}

static void lose(struct vmm_vsock *s, struct vmm_vsock_conn *c, bool tell)
{
	if (c->state == VMM_VSOCK_ASKING)
		s->ops->answered(s->ctx, c, false);
	else
		s->ops->gone(s->ctx, c);
	end_conn(s, c, tell);
}

/* ---- from the guest ---- */

static void on_request(struct vmm_vsock *s, const struct virtio_vsock_hdr *h)
{
	struct vmm_vsock_conn *c = new_conn(s, h->dst_port, h->src_port);

	if (!c) {
		refuse(s, h->dst_port, h->src_port);
		return;
	}
	c->state = VMM_VSOCK_ASKED;
	c->peer_alloc = h->buf_alloc;
	c->peer_fwd = h->fwd_cnt;
	if (s->ops->connect(s->ctx, c) < 0)
		end_conn(s, c, true);
}

static void on_data(struct vmm_vsock *s, struct vmm_vsock_conn *c, size_t len)
{
	if (c->state != VMM_VSOCK_OPEN || (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) ||
	    len > VMM_VSOCK_BUF - (c->received - c->fwd)) {
		lose(s, c, true); /* it had no credit for that */
		return;
	}
	vmm_iov_read(s->chain.iov, s->chain.nout, HEADER, s->buf, len);
	c->received += (uint32_t)len;
	s->tx_bytes += len;
	s->ops->data(s->ctx, c, s->buf, len);
}

static void on_shutdown(struct vmm_vsock *s, struct vmm_vsock_conn *c, uint32_t flags)
{
	bool ended = c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND;

	c->guest_shut |= flags & SHUT_BOTH;
	if (!ended && (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) && c->state == VMM_VSOCK_OPEN)
		s->ops->ended(s->ctx, c);
	/* It wants neither: the stream ends when what it holds has gone on. */
	if (c->guest_shut == SHUT_BOTH && c->received == c->fwd)
		lose(s, c, true);
}

static void on_packet(struct vmm_vsock *s, struct vmm_vsock_conn *c,
		      const struct virtio_vsock_hdr *h, size_t len)
{
	c->peer_alloc = h->buf_alloc;
	c->peer_fwd = h->fwd_cnt;
	switch (h->op) {
	case VIRTIO_VSOCK_OP_RESPONSE:
		if (c->state != VMM_VSOCK_ASKING) {
			lose(s, c, true);
			return;
		}
		c->state = VMM_VSOCK_OPEN;
		s->ops->answered(s->ctx, c, true);
		break;
	case VIRTIO_VSOCK_OP_RST:
		lose(s, c, false);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		on_shutdown(s, c, h->flags);
		break;
	case VIRTIO_VSOCK_OP_RW:
		on_data(s, c, len);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		owe(s, c, OWES(CREDIT_UPDATE));
		break;
	default:
		lose(s, c, true);
	}
}

static void serve(struct vmm_vsock *s)
{
	struct virtio_vsock_hdr h;

	if (vmm_iov_read(s->chain.iov, s->chain.nout, 0, &h, HEADER) < HEADER ||
	    h.len > s->chain.out_len - HEADER || h.len > VMM_VSOCK_BUF || h.src_cid != s->cid)
		return;
	struct vmm_vsock_conn *c = find(s, h.dst_port, h.src_port);
	if (h.dst_cid != VMM_VSOCK_HOST || h.type != VIRTIO_VSOCK_TYPE_STREAM) {
		if (h.op != VIRTIO_VSOCK_OP_RST)
			refuse(s, h.dst_port, h.src_port);
	} else if (c) {
		on_packet(s, c, &h, h.len);
	} else if (h.op == VIRTIO_VSOCK_OP_REQUEST) {
		on_request(s, &h);
	} else if (h.op != VIRTIO_VSOCK_OP_RST) {
		refuse(s, h.dst_port, h.src_port);
	}
}

static void rx_kick(struct vmm_vsock *s)
{
	if (!s->starved)
		return;
	s->starved = false;
	pay_refusals(s);
	for (unsigned i = 0; i < VMM_VSOCK_CONNS && !s->starved; i++)
		if (s->conn[i].state)
			pay(s, &s->conn[i]);
	if (!s->starved)
		s->ops->room(s->ctx);
}

static void kick(struct vmm_vdev *v, unsigned q)
{
	struct vmm_vsock *s = (struct vmm_vsock *)v;
	unsigned served = 0;

	if (q == VMM_VSOCK_RX)
		rx_kick(s);
	if (q != VMM_VSOCK_TX)
		return;
	do {
		/* What answers take from the budget is put back: the count here is the limit. */
		while (served < VMM_VDEV_BUDGET && vmm_vdev_pop(v, q, &s->chain)) {
			serve(s);
			vmm_vdev_push(v, q, s->chain.head, 0);
			served++;
		}
		v->budget = VMM_VDEV_BUDGET - served;
	} while (vmm_vdev_more(v, q));
	vmm_vdev_signal(v, q);
	s->ops->room(s->ctx); /* there may have been credit in it */
}

static void stop(struct vmm_vdev *v)
{
	struct vmm_vsock *s = (struct vmm_vsock *)v;

	for (unsigned i = 0; i < VMM_VSOCK_CONNS; i++)
		if (s->conn[i].state)
			lose(s, &s->conn[i], false);
	s->n_refuse = 0;
	s->starved = false;
}

/* ---- for the back end ---- */

struct vmm_vsock_conn *vmm_vsock_ask(struct vmm_vsock *s, uint32_t port, void *stream)
{
	struct vmm_vsock_conn *c = vmm_vdev_running(&s->v) ? new_conn(s, 0, port) : NULL;

	if (!c)
		return NULL;
	do
		c->host_port = s->next_port++ | 0x40000000u; /* beyond those people choose */
	while (find(s, c->host_port, port));
	c->state = VMM_VSOCK_ASKING;
	c->stream = stream;
	owe(s, c, OWES(REQUEST));
	return c;
}

void vmm_vsock_accept(struct vmm_vsock *s, struct vmm_vsock_conn *c)
{
	c->state = VMM_VSOCK_OPEN;
	owe(s, c, OWES(RESPONSE));
}

void vmm_vsock_refuse(struct vmm_vsock *s, struct vmm_vsock_conn *c)
{
	end_conn(s, c, true);
}

size_t vmm_vsock_room(struct vmm_vsock *s, const struct vmm_vsock_conn *c)
{
	uint32_t under_way = c->sent - c->peer_fwd;

	if (c->state != VMM_VSOCK_OPEN || c->owed || s->starved || s->v.paused ||
	    (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) || under_way >= c->peer_alloc)
		return 0;
	uint32_t credit = c->peer_alloc - under_way;
	return credit < VMM_VSOCK_PIECE - HEADER ? credit : VMM_VSOCK_PIECE - HEADER;
}

ssize_t vmm_vsock_send(struct vmm_vsock *s, struct vmm_vsock_conn *c, const void *bytes, size_t len)
{
	struct virtio_vsock_hdr h = header(s, c->host_port, c->guest_port, VIRTIO_VSOCK_OP_RW);
	size_t room = vmm_vsock_room(s, c);

	h.fwd_cnt = c->fwd;
	ssize_t n = room ? put(s, &h, bytes, len < room ? len : room) : -EAGAIN;
	if (n < 0)
		return n;
	c->told = c->fwd;
	c->sent += (uint32_t)n;
	s->rx_bytes += (uint64_t)n;
	return n;
}

void vmm_vsock_consumed(struct vmm_vsock *s, struct vmm_vsock_conn *c, size_t len)
{
	c->fwd += (uint32_t)len;
	if (c->guest_shut == SHUT_BOTH && c->received == c->fwd)
		lose(s, c, true);
	else if (c->fwd - c->told >= VMM_VSOCK_BUF / 4)
		owe(s, c, OWES(CREDIT_UPDATE));
}

void vmm_vsock_end(struct vmm_vsock *s, struct vmm_vsock_conn *c)
{
	c->host_shut |= VIRTIO_VSOCK_SHUTDOWN_SEND;
	owe(s, c, OWES(SHUTDOWN));
}

void vmm_vsock_close(struct vmm_vsock *s, struct vmm_vsock_conn *c)
{
	end_conn(s, c, true);
}

static const struct vmm_vdev_type vsock_type = {
	.name = "vsock",
	.id = VIRTIO_ID_VSOCK,
	.class = 0x028000,
	.nqueues = 3,
	.queue_size = 128,
	.config_len = sizeof(struct virtio_vsock_config),
	.kick = kick,
	.stop = stop,
};

void vmm_vsock_init(struct vmm_vsock *s, const struct vmm_gmem *mem, uint64_t cid,
		    const struct vmm_vsock_ops *ops, void *ctx)
{
	memset(s, 0, sizeof *s);
	vmm_vdev_init(&s->v, &vsock_type, mem, 0);
	memcpy(s->v.config, &cid, sizeof cid);
	s->cid = cid;
	s->ops = ops;
	s->ctx = ctx;
}
