/* SPDX-License-Identifier: BSD-3-Clause */
#include <endian.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/net/wire.h"

void dvmi_wire_put_rts(struct dvmi_wire_rts *w, uint64_t len, uint64_t id)
{
	w->len = htole64(len);
	w->id = htole64(id);
}

void dvmi_wire_put_cts(struct dvmi_wire_cts *w, uint64_t sender, uint64_t receiver, uint64_t want)
{
	w->sender = htole64(sender);
	w->receiver = htole64(receiver);
	w->want = htole64(want);
}

int dvmi_wire_get_rts(const void *p, size_t n, uint64_t *len, uint64_t *id)
{
	struct dvmi_wire_rts w;

	if (n != sizeof w)
		return -DVM_EPROTO;
	memcpy(&w, p, sizeof w);
	*len = le64toh(w.len);
	*id = le64toh(w.id);
	return *id ? 0 : -DVM_EPROTO;
}

int dvmi_wire_get_cts(const void *p, size_t n, uint64_t *sender, uint64_t *receiver, uint64_t *want)
{
	struct dvmi_wire_cts w;

	if (n != sizeof w)
		return -DVM_EPROTO;
	memcpy(&w, p, sizeof w);
	*sender = le64toh(w.sender);
	*receiver = le64toh(w.receiver);
	*want = le64toh(w.want);
	return 0;
}

int dvmi_wire_am_get(const struct dvmi_pkt *pkt, uint32_t *id, uint32_t *head_len, bool *exempt)
{
	uint32_t tag = (uint32_t)pkt->tag, n = tag >> 10 & 0x1ff;

	if (tag >> 20 || n > DVMI_WIRE_AM_HEAD_MAX || n > pkt->len)
		return -DVM_EPROTO;
	*id = tag & 0x3ff;
	*head_len = n;
	*exempt = tag >> 19 & 1;
	return 0;
}

void dvmi_wire_put_offer(struct dvmi_wire_offer *w, const struct dvmi_wire_offer *host)
{
	*w = (struct dvmi_wire_offer){
		.len = htole64(host->len),
		.id = htole64(host->id),
		.addr = htole64(host->addr),
		.slot = htole32(host->slot),
	};
}

int dvmi_wire_get_offer(const void *p, size_t n, struct dvmi_wire_offer *host)
{
	struct dvmi_wire_offer w;

	if (n != sizeof w)
		return -DVM_EPROTO;
	memcpy(&w, p, sizeof w);
	if (!w.id)
		return -DVM_EPROTO;
	host->len = le64toh(w.len);
	host->id = le64toh(w.id);
	host->addr = le64toh(w.addr);
	host->slot = le32toh(w.slot);
	host->reserved = 0;
	return 0;
}

void dvmi_wire_put_join(struct dvmi_wire_join *w, const struct dvmi_wire_join *host)
{
	*w = (struct dvmi_wire_join){
		.sender = htole64(host->sender),
		.receiver = htole64(host->receiver),
		.want = htole64(host->want),
		.addr = htole64(host->addr),
	};
}

int dvmi_wire_get_join(const void *p, size_t n, struct dvmi_wire_join *host)
{
	struct dvmi_wire_join w;

	if (n != sizeof w)
		return -DVM_EPROTO;
	memcpy(&w, p, sizeof w);
	host->sender = le64toh(w.sender);
	host->receiver = le64toh(w.receiver);
	host->want = le64toh(w.want);
	host->addr = le64toh(w.addr);
	return 0;
}

void dvmi_wire_encode(struct dvmi_wire_hdr *h, const struct dvmi_wire_end *end,
		      const struct dvmi_wire_place *at, const struct dvmi_pkt *pkt)
{
	*h = (struct dvmi_wire_hdr){
		.magic = htole32(DVMI_WIRE_MAGIC),
		.version = DVMI_WIRE_VERSION,
		.kind = pkt->kind,
		.key = htole64(end->key),
		.src = htole32(end->self),
		.dst = htole32(at->peer),
		.seq = htole32(at->seq),
		.ack = htole32(at->ack),
		.ctx = htole32(pkt->ctx),
		.tag = (int32_t)htole32((uint32_t)pkt->tag),
		.len = htole32(pkt->len),
	};
}

int dvmi_wire_decode(const struct dvmi_wire_end *end, const void *p, size_t n, struct dvmi_pkt *pkt,
		     struct dvmi_wire_place *at)
{
	struct dvmi_wire_hdr h;

	if (n < sizeof h)
		return -DVM_EPROTO;
	memcpy(&h, p, sizeof h);
	if (le32toh(h.magic) != DVMI_WIRE_MAGIC || le64toh(h.key) != end->key)
		return -DVM_EAUTH;
	if (h.version != DVMI_WIRE_VERSION)
		return -DVM_EVERSION;
	at->peer = le32toh(h.src);
	at->seq = le32toh(h.seq);
	at->ack = le32toh(h.ack);
	*pkt = (struct dvmi_pkt){
		.kind = h.kind,
		.ctx = le32toh(h.ctx),
		.tag = (int32_t)le32toh((uint32_t)h.tag),
		.len = le32toh(h.len),
	};
	if (le32toh(h.dst) != end->self || at->peer >= end->size || at->peer == end->self ||
	    !h.kind || pkt->len > end->len_max || pkt->len != n - sizeof h)
		return -DVM_EPROTO;
	return 0;
}

void dvmi_wire_put_hello(struct dvmi_wire_hello *h, const struct dvmi_wire_end *end,
			 enum dvmi_hello_kind kind, uint32_t dst)
{
	*h = (struct dvmi_wire_hello){
		.magic = htole32(DVMI_WIRE_TCP_MAGIC),
		.version = DVMI_WIRE_TCP_VERSION,
		.kind = (uint8_t)kind,
		.key = htole64(end->key),
		.src = htole32(end->self),
		.dst = htole32(dst),
	};
}

int dvmi_wire_get_hello(const struct dvmi_wire_end *end, const struct dvmi_wire_hello *h,
			enum dvmi_hello_kind kind, uint32_t *src)
{
	uint32_t from = le32toh(h->src);

	if (le32toh(h->magic) != DVMI_WIRE_TCP_MAGIC || le64toh(h->key) != end->key)
		return -DVM_EAUTH;
	if (h->version != DVMI_WIRE_TCP_VERSION)
		return -DVM_EVERSION;
	if (h->kind != kind || h->reserved || h->reserved2 || le32toh(h->dst) != end->self ||
	    from >= end->size || from == end->self)
		return -DVM_EPROTO;
	*src = from;
	return 0;
}

void dvmi_wire_put_frame(struct dvmi_wire_frame *f, const struct dvmi_pkt *pkt)
{
	*f = (struct dvmi_wire_frame){
		.kind = pkt->kind,
		.ctx = htole32(pkt->ctx),
		.tag = (int32_t)htole32((uint32_t)pkt->tag),
		.len = htole32(pkt->len),
	};
}

int dvmi_wire_get_frame(const struct dvmi_wire_limits *max, const void *p, struct dvmi_pkt *pkt)
{
	struct dvmi_wire_frame f;

	memcpy(&f, p, sizeof f);
	*pkt = (struct dvmi_pkt){
		.kind = f.kind,
		.ctx = le32toh(f.ctx),
		.tag = (int32_t)le32toh((uint32_t)f.tag),
		.len = le32toh(f.len),
	};
	if (!f.kind || f.reserved[0] || f.reserved[1] || f.reserved[2])
		return -DVM_EPROTO;
	return pkt->len > (f.kind == DVMI_PKT_DATA ? max->data : max->other) ? -DVM_EPROTO : 0;
}
