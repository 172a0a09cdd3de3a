/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes in: events of the fabric, packets, and those that wait for their turn. */
#include <errno.h>
#include <rdma/fi_errno.h>

#include "dvm/error.h"
#include "libdvm/net/fab_private.h"

void dvmi_fab_rx_post(struct fab *f)
{
	while (f->repost.head) {
		struct slot *s = f->repost.head;
		if (fi_recv(f->ep.ep, s->buf, HDR + PACKET_MAX, NULL, FI_ADDR_UNSPEC, s) < 0)
			return;
		pop(&f->repost);
	}
}

static void owe(struct fab *f, bool *what)
{
	if (!*what)
		f->nowe++;
	*what = true;
}

static void on_bye(struct fab *f, struct fpeer *p, const struct dvmi_pkt *pkt)
{
	if (pkt->tag) {
		p->bye_acked = true;
		return;
	}
	p->bye_got = true;
	owe(f, &p->owe_bye);
}

static void on_ack(struct fpeer *p, uint32_t ack)
{
	/* Old news and nonsense change nothing. */
	if (ack - p->tx_acked <= p->tx_seq - p->tx_acked)
		p->tx_acked = ack;
}

/*
 * Some providers complete a short packet before a longer one that was sent earlier, hence the
 * sequence numbers: one from the future waits. More than all our buffers ahead is nonsense.
 */
static int in_turn(struct fab *f, uint32_t src, uint32_t seq)
{
	uint32_t ahead = seq - f->peers[src].rx_seq;

	if (!ahead)
		return 0;
	if (ahead < SLOTS)
		return -EAGAIN;
	dvmi_log(f->cfg.log, "net", LOG_ERR, "rank %u: packet %u instead of %u", src, seq,
		 f->peers[src].rx_seq);
	return -DVM_EPROTO;
}

/* Takes a packet whose turn it is. 0 or -EAGAIN. */
static int take(struct fab *f, struct fpeer *p, uint32_t src, const struct dvmi_pkt *pkt,
		const void *payload)
{
	if (pkt->kind == DVMI_PKT_BYE)
		on_bye(f, p, pkt);
	else if (f->t.sink.packet(f->t.sink.arg, src, pkt, payload) < 0)
		return -EAGAIN;
	p->rx_seq++;
	if (p->rx_seq - p->rx_told >= WINDOW / 2)
		owe(f, &p->owe_ack);
	return 0;
}

/* 0 when the packet is dealt with, -EAGAIN when it is not its turn or the sink cannot take it. */
static int deliver(struct fab *f, struct slot *s)
{
	struct dvmi_wire_place at;
	struct dvmi_pkt pkt;

	if (dvmi_wire_decode(&f->end, s->buf, s->len, &pkt, &at) < 0) {
		f->dropped++;
		return 0;
	}
	struct fpeer *p = &f->peers[at.peer];
	if (p->down)
		return 0;
	on_ack(p, at.ack);
	if (pkt.kind == DVMI_PKT_ACK)
		return 0;
	int rc = in_turn(f, at.peer, at.seq);
	if (rc == 0)
		return take(f, p, at.peer, &pkt, s->buf + HDR);
	if (rc == -DVM_EPROTO)
		dvmi_fab_peer_down(f, at.peer, rc);
	return rc == -EAGAIN ? rc : 0;
}

static void on_received(struct fab *f, struct slot *s, size_t len)
{
	s->len = len;
	push(deliver(f, s) < 0 ? &f->held : &f->repost, s);
}

/* One pass over what waits; true when something went and others may follow. */
static bool offer_held_once(struct fab *f)
{
	struct slots again = { .head = NULL, .tail = &again.head };
	struct slot *s;
	bool went = false;

	while ((s = pop(&f->held))) {
		bool taken = deliver(f, s) == 0;
		push(taken ? &f->repost : &again, s);
		went |= taken;
	}
	if (again.head) {
		f->held.head = again.head;
		f->held.tail = again.tail;
	}
	return went;
}

void dvmi_fab_rx_offer(struct fab *f)
{
	while (f->held.head && offer_held_once(f))
		;
}

static void on_error(struct fab *f)
{
	struct fi_cq_err_entry err = { 0 };

	if (fi_cq_readerr(f->ep.cq, &err, 0) < 1 || !err.op_context)
		return;
	struct slot *s = err.op_context;
	if (!s->tx) {
		push(&f->repost, s);
		f->dropped++;
		return;
	}
	dvmi_fab_peer_broken(f, s->peer);
	dvmi_fab_tx_free(f, s);
}

int dvmi_fab_rx_read(struct fab *f)
{
	struct fi_cq_msg_entry e[16];
	ssize_t n = fi_cq_read(f->ep.cq, e, 16);

	if (n == -FI_EAVAIL) {
		on_error(f);
		return 1;
	}
	for (ssize_t i = 0; i < n; i++) {
		struct slot *s = e[i].op_context;
		if (s->tx)
			dvmi_fab_tx_free(f, s);
		else
			on_received(f, s, e[i].len);
	}
	return n > 0 ? (int)n : 0;
}

bool dvmi_fab_rx_holds(const struct fab *f, uint32_t peer)
{
	struct dvmi_wire_place at;
	struct dvmi_pkt pkt;

	for (const struct slot *s = f->held.head; s; s = s->next)
		if (dvmi_wire_decode(&f->end, s->buf, s->len, &pkt, &at) == 0 && at.peer == peer)
			return true;
	return false;
}
