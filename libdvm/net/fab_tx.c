/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes out: packets, acknowledgements, and BYE. */
#include <errno.h>
#include <rdma/fi_errno.h>
#include <string.h>

#include "libdvm/net/fab_private.h"

#define INLINE_TRY 256u /* larger packets are never injected */

void dvmi_fab_tx_free(struct fab *f, struct slot *s)
{
	s->next = f->free_tx;
	f->free_tx = s;
	f->ntx--;
}

/* 0 when PEER can be sent to, else what send returns. */
static int prepare(struct fab *f, uint32_t peer)
{
	struct fpeer *p = &f->peers[peer];

	if (p->down)
		return p->down;
	/* Asked before the endpoint is there, so that the peer makes its own meanwhile. */
	dvmi_fab_peer_ask(f, peer);
	if (state_of(f) != READY) {
		dvmi_fab_start(f);
		return p->down ? p->down : -EAGAIN;
	}
	return !p->known || p->broken || p->tx_seq - p->tx_acked >= WINDOW ? -EAGAIN : 0;
}

static void fill(struct fab *f, uint8_t *buf, uint32_t peer, const struct dvmi_pkt *pkt,
		 const void *payload)
{
	struct fpeer *p = &f->peers[peer];
	struct dvmi_wire_place at = { .peer = peer, .seq = p->tx_seq, .ack = p->rx_seq };
	struct dvmi_wire_hdr h;

	dvmi_wire_encode(&h, &f->end, &at, pkt);
	p->rx_told = p->rx_seq;
	memcpy(buf, &h, sizeof h);
	if (pkt->len)
		memcpy(buf + sizeof h, payload, pkt->len);
}

static int posted(struct fab *f, uint32_t peer, ssize_t rc)
{
	if (rc == 0) {
		f->peers[peer].tx_seq++;
		f->peers[peer].sent = true;
		return 0;
	}
	if (rc == -FI_EAGAIN)
		f->blocked = true;
	else
		dvmi_fab_peer_broken(f, peer);
	return -EAGAIN;
}

static int inject(struct fab *f, uint32_t peer, const struct dvmi_pkt *pkt, const void *payload)
{
	uint8_t buf[INLINE_TRY];

	fill(f, buf, peer, pkt, payload);
	return posted(f, peer, fi_inject(f->ep.ep, buf, HDR + pkt->len, f->peers[peer].addr));
}

static int post(struct fab *f, uint32_t peer, const struct dvmi_pkt *pkt, const void *payload)
{
	struct slot *s = f->free_tx;

	if (!s)
		return -EAGAIN;
	fill(f, s->buf, peer, pkt, payload);
	s->peer = peer;
	int rc = posted(f, peer,
			fi_send(f->ep.ep, s->buf, HDR + pkt->len, NULL, f->peers[peer].addr, s));
	if (rc == 0) {
		f->free_tx = s->next;
		f->ntx++;
	}
	return rc;
}

int dvmi_fab_tx_send(struct dvmi_tport *t, uint32_t peer, const struct dvmi_pkt *pkt,
		     const void *payload)
{
	struct fab *f = fab_of(t);
	int rc = prepare(f, peer);
	size_t all = HDR + pkt->len;

	if (rc < 0)
		return rc;
	if (all <= INLINE_TRY && all <= f->ep.inject_max)
		return inject(f, peer, pkt, payload);
	return post(f, peer, pkt, payload);
}

/* BYE, or with ACK the answer to one. Always posted, so that its completion tells. */
static int send_bye(struct fab *f, uint32_t peer, bool ack)
{
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_BYE, .tag = ack };
	int rc = prepare(f, peer);

	return rc < 0 ? rc : post(f, peer, &pkt, NULL);
}

/* Outside of the numbering and the window, or two full windows would wait for each other. */
static int send_ack(struct fab *f, uint32_t peer)
{
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_ACK };
	struct fpeer *p = &f->peers[peer];
	uint8_t buf[HDR];

	if (p->down || p->broken)
		return 0;
	dvmi_fab_peer_ask(f, peer);
	if (!p->known)
		return -EAGAIN;
	fill(f, buf, peer, &pkt, NULL);
	return fi_inject(f->ep.ep, buf, HDR, p->addr) == -FI_EAGAIN ? -EAGAIN : 0;
}

static void pay(struct fab *f, uint32_t peer)
{
	struct fpeer *p = &f->peers[peer];

	if (p->owe_bye && (send_bye(f, peer, true) != -EAGAIN || p->broken)) {
		p->owe_bye = false;
		f->nowe--;
	}
	if (p->owe_ack && send_ack(f, peer) == 0) {
		p->owe_ack = false;
		f->nowe--;
	}
}

void dvmi_fab_tx_pay(struct fab *f)
{
	for (uint32_t i = 0; i < f->cfg.size && f->nowe; i++)
		pay(f, i);
}

static bool farewell_pending(struct fab *f, uint32_t i)
{
	struct fpeer *p = &f->peers[i];

	if (!p->sent || p->down || p->broken || p->bye_acked)
		return false;
	if (!p->bye_sent) {
		int rc = send_bye(f, i, false);
		p->bye_sent = rc == 0;
		return rc == 0 || rc == -EAGAIN;
	}
	return true;
}

bool dvmi_fab_tx_farewells(struct fab *f)
{
	bool pending = f->ntx || f->nowe;

	for (uint32_t i = 0; i < f->cfg.size; i++)
		pending |= farewell_pending(f, i);
	return pending;
}
