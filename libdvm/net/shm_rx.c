/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets out of the rings. What lies there was written by another process and is checked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/net/shm_private.h"

#define BUDGET 64 /* records taken from one ring before the next has its turn */

/* A record as a packet. */
struct parcel {
	struct dvmi_pkt pkt;
	const void *payload;
	uint32_t advance; /* what to give back of the bulk area */
};

static int open_in(struct dvmi_shm *s, uint32_t local)
{
	struct dvmi_shm_in *in = calloc(1, sizeof *in);

	if (!in)
		return -ENOMEM;
	in->map = dvmi_shm_map_pair(s, local, s->self);
	if (!in->map) {
		free(in);
		return -ENOMEM;
	}
	in->bulk = in->map + DVMI_SHM_BULK_AT;
	in->local = local;
	in->rank = s->rank_of[local];
	dvmi_ring_rx_init(&in->rx, in->map, DVMI_SHM_RING_BYTES);
	s->in[s->nin++] = s->in_of[local] = in;
	return 0;
}

/* Maps the rings of new senders. One that finds no memory is tried again next time. */
static void accept_senders(struct dvmi_shm *s, uint32_t word, uint64_t now)
{
	uint64_t fresh = now & ~s->seen[word];

	for (; fresh; fresh &= fresh - 1) {
		uint32_t local = word * 64 + (uint32_t)__builtin_ctzll(fresh);
		if (local < s->n && open_in(s, local) < 0)
			return;
		s->seen[word] |= UINT64_C(1) << local % 64;
	}
}

static void look_for_senders(struct dvmi_shm *s)
{
	struct dvmi_shm_block *b = &s->blocks[s->self];

	for (uint32_t w = 0; w < (s->n + 63) / 64; w++) {
		uint64_t now = atomic_load_explicit(&b->senders[w], memory_order_acquire);
		if (__builtin_expect(now != s->seen[w], 0))
			accept_senders(s, w, now);
	}
}

/* Brings what is there of a payload into the cache. True when that is all of it. */
static bool touch(struct dvmi_shm_in *in, const uint8_t *payload, uint32_t ready, uint32_t len)
{
	uint32_t at = in->touched;

	for (; at < ready && at < len; at += DVMI_RING_LINE)
		__builtin_prefetch(payload + at);
	in->touched = at;
	return ready >= len;
}

static int open_bulk(struct dvmi_shm_in *in, const struct dvmi_ring_rec *rec, struct parcel *p)
{
	const struct dvmi_shm_bulk_body *b = (const void *)rec->body;

	if (rec->len != sizeof *b)
		return -DVM_EPROTO;
	uint32_t ready = atomic_load_explicit(&b->ready, memory_order_acquire);
	uint32_t off = b->off, len = b->len, advance = b->advance;
	/* The other process may still write here: what was checked is what is used. */
	atomic_signal_fence(memory_order_seq_cst);
	if (len > DVMI_SHM_PACKET_MAX || off > DVMI_SHM_BULK_BYTES - len ||
	    advance > DVMI_SHM_BULK_BYTES)
		return -DVM_EPROTO;
	if (!touch(in, in->bulk + off, ready, len))
		return -EAGAIN;
	p->pkt = (struct dvmi_pkt){
		.kind = (uint8_t)(rec->meta & DVMI_SHM_KIND),
		.ctx = b->ctx,
		.tag = b->tag,
		.len = len,
	};
	p->payload = in->bulk + off;
	p->advance = advance;
	return 0;
}

static int open_inline(const struct dvmi_ring_rec *rec, struct parcel *p)
{
	if (rec->len < DVMI_SHM_HEAD)
		return -DVM_EPROTO;
	p->pkt.kind = (uint8_t)(rec->meta & DVMI_SHM_KIND);
	p->pkt.len = rec->len - DVMI_SHM_HEAD;
	memcpy(&p->pkt.ctx, rec->body, 4);
	memcpy(&p->pkt.tag, rec->body + 4, 4);
	p->payload = rec->body + DVMI_SHM_HEAD;
	p->advance = 0;
	return 0;
}

/* 0; -EAGAIN when it is not complete yet; -DVM_EPROTO for what no sender writes. */
static inline int open_record(struct dvmi_shm_in *in, const struct dvmi_ring_rec *rec,
			      struct parcel *p)
{
	if (__builtin_expect(rec->meta & DVMI_SHM_BULK, 0))
		return open_bulk(in, rec, p);
	if (__builtin_expect(!(rec->meta & DVMI_SHM_SHORT), 0))
		return open_inline(rec, p);
	p->pkt.kind = (uint8_t)(rec->meta & DVMI_SHM_KIND);
	p->pkt.ctx = (uint32_t)(rec->meta >> DVMI_SHM_CTX_SHIFT) & ((1u << DVMI_SHM_CTX_BITS) - 1);
	p->pkt.tag = (int32_t)(rec->meta >> DVMI_SHM_TAG_SHIFT);
	p->pkt.len = rec->len;
	p->payload = rec->body;
	p->advance = 0;
	return 0;
}

static inline void done_with(struct dvmi_shm_in *in, const struct dvmi_ring_rec *rec,
			     uint32_t advance)
{
	if (advance) {
		dvmi_ring_bulk_give(&in->rx, advance);
		in->touched = 0;
	}
	dvmi_ring_pop(&in->rx, rec);
}

/* Offers one record to the sink. 0 taken, -EAGAIN, or -DVM_EPROTO. */
static inline int deliver(struct dvmi_shm *s, struct dvmi_shm_in *in,
			  const struct dvmi_ring_rec *rec)
{
	struct parcel p;
	int rc = open_record(in, rec, &p);

	if (__builtin_expect(rc == 0, 1))
		rc = s->t.sink.packet(s->t.sink.arg, in->rank, &p.pkt, p.payload);
	if (__builtin_expect(rc == 0, 1))
		done_with(in, rec, p.advance);
	return rc;
}

/* The producer sleeps until there is room: give back what is ours to give and wake it. */
static inline void give_room(struct dvmi_shm *s, struct dvmi_shm_in *in)
{
	dvmi_shm_publish_before_look(s);
	if (__builtin_expect(!atomic_load_explicit(&in->rx.ctl->wants_room, memory_order_relaxed),
			     1))
		return;
	dvmi_ring_give(&in->rx);
	atomic_store_explicit(&in->rx.ctl->wants_room, 0, memory_order_relaxed);
	dvmi_shm_notice(s, in->local);
}

static void broken(struct dvmi_shm *s, struct dvmi_shm_in *in)
{
	in->broken = true;
	s->t.sink.down(s->t.sink.arg, in->rank, -DVM_EPROTO);
}

static int pump(struct dvmi_shm *s, struct dvmi_shm_in *in, int budget)
{
	struct dvmi_ring_rec rec;
	int n = 0, rc = 0;

	while (n < budget && (rc = dvmi_ring_peek(&in->rx, &rec)) > 0) {
		rc = deliver(s, in, &rec);
		if (rc < 0)
			break;
		/* One alone is all there is to an exchange of questions and answers. */
		if (n++)
			dvmi_ring_look_ahead(&in->rx);
	}
	if (__builtin_expect(rc < 0 && rc != -EAGAIN && !in->broken, 0))
		broken(s, in);
	if (n)
		give_room(s, in);
	return n;
}

int dvmi_shm_progress(struct dvmi_tport *t)
{
	struct dvmi_shm *s = dvmi_shm_of(t);
	int n = 0;

	look_for_senders(s);
	for (uint32_t i = 0; i < s->nin; i++) {
		struct dvmi_shm_in *in = s->in[i];
		if (__builtin_expect(!in->served, 1))
			n += pump(s, in, BUDGET);
		in->served = false;
	}
	return n;
}

int dvmi_shm_drain(struct dvmi_tport *t, uint32_t peer, bool dead)
{
	struct dvmi_shm *s = dvmi_shm_of(t);
	struct dvmi_ring_rec rec;

	look_for_senders(s);
	struct dvmi_shm_in *in = s->in_of[s->local_of[peer]];
	if (!in)
		return 0;
	while (pump(s, in, BUDGET) > 0)
		;
	if (in->broken || dvmi_ring_peek(&in->rx, &rec) == 0)
		return 0;
	/* It was killed while it wrote: this record will never be complete. */
	struct parcel p;
	if (dead && open_record(in, &rec, &p) == -EAGAIN)
		in->broken = true;
	return in->broken ? 0 : -EAGAIN;
}

/* Nonsense is left for progress to find. */
int dvmi_shm_peek(struct dvmi_tport *t, uint32_t peer, struct dvmi_pkt *pkt, const void **payload)
{
	struct dvmi_shm *s = dvmi_shm_of(t);
	struct dvmi_shm_in *in = s->in_of[s->local_of[peer]];
	struct dvmi_ring_rec rec;
	struct parcel p;

	if (__builtin_expect(!in, 0) || dvmi_ring_peek(&in->rx, &rec) <= 0 ||
	    open_record(in, &rec, &p) < 0)
		return 0;
	*pkt = p.pkt;
	*payload = p.payload;
	in->seen = rec;
	in->advance = p.advance;
	return 1;
}

void dvmi_shm_took(struct dvmi_tport *t, uint32_t peer)
{
	struct dvmi_shm *s = dvmi_shm_of(t);
	struct dvmi_shm_in *in = s->in_of[s->local_of[peer]];

	done_with(in, &in->seen, in->advance);
	in->served = true;
	give_room(s, in);
}
