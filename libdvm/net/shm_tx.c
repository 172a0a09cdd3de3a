/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets into the rings. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/copy.h"
#include "libdvm/net/shm_private.h"

#define INLINE_MAX 1024u /* longer payloads go through the bulk area */
#define PIECE	   2048u /* of it, after which the consumer is told */

struct dvmi_shm_out *dvmi_shm_open_out(struct dvmi_shm *s, uint32_t local)
{
	struct dvmi_shm_out *o = calloc(1, sizeof *o);

	if (!o)
		return NULL;
	o->map = dvmi_shm_map_pair(s, s->self, local);
	if (!o->map) {
		free(o);
		return NULL;
	}
	o->bulk = o->map + DVMI_SHM_BULK_AT;
	dvmi_ring_tx_init(&o->tx, o->map, DVMI_SHM_RING_BYTES, DVMI_SHM_BULK_BYTES);
	atomic_fetch_or(&s->blocks[local].senders[s->self / 64], UINT64_C(1) << s->self % 64);
	return s->out[local] = o;
}

static inline bool is_short(const struct dvmi_pkt *pkt)
{
	return pkt->ctx >> DVMI_SHM_CTX_BITS == 0 && (uint32_t)pkt->tag >> DVMI_SHM_TAG_BITS == 0;
}

static inline int send_short(struct dvmi_shm_out *o, const struct dvmi_pkt *pkt,
			     const void *payload)
{
	uint8_t *body = dvmi_ring_reserve(&o->tx, pkt->len);

	if (__builtin_expect(!body, 0))
		return -EAGAIN;
	dvmi_copy(body, payload, pkt->len);
	dvmi_ring_commit(&o->tx, pkt->len,
			 (uint64_t)(uint32_t)pkt->tag << DVMI_SHM_TAG_SHIFT |
				 (uint64_t)pkt->ctx << DVMI_SHM_CTX_SHIFT | DVMI_SHM_SHORT |
				 pkt->kind);
	return 0;
}

static int send_inline(struct dvmi_shm_out *o, const struct dvmi_pkt *pkt, const void *payload)
{
	uint8_t *body = dvmi_ring_reserve(&o->tx, DVMI_SHM_HEAD + pkt->len);

	if (!body)
		return -EAGAIN;
	memcpy(body, &pkt->ctx, 4);
	memcpy(body + 4, &pkt->tag, 4);
	dvmi_copy(body + DVMI_SHM_HEAD, payload, pkt->len);
	dvmi_ring_commit(&o->tx, DVMI_SHM_HEAD + pkt->len, pkt->kind);
	return 0;
}

static int send_bulk(struct dvmi_shm_out *o, const struct dvmi_pkt *pkt, const void *payload)
{
	struct dvmi_shm_bulk_body *b = (void *)dvmi_ring_reserve(&o->tx, sizeof *b);
	uint32_t done = pkt->len < PIECE ? pkt->len : PIECE;
	uint32_t off, advance;

	if (!b || !dvmi_ring_bulk_take(&o->tx, pkt->len, &off, &advance))
		return -EAGAIN;
	uint8_t *to = o->bulk + off;
	memcpy(to, payload, done);
	b->off = off;
	b->advance = advance;
	b->ctx = pkt->ctx;
	b->tag = pkt->tag;
	b->len = pkt->len;
	atomic_store_explicit(&b->ready, done, memory_order_relaxed);
	dvmi_ring_commit(&o->tx, sizeof *b, pkt->kind | DVMI_SHM_BULK);
	while (done < pkt->len) {
		uint32_t n = pkt->len - done < PIECE ? pkt->len - done : PIECE;
		memcpy(to + done, (const uint8_t *)payload + done, n);
		done += n;
		atomic_store_explicit(&b->ready, done, memory_order_release);
	}
	return 0;
}

static int fill_inline(struct dvmi_shm_out *o, const struct dvmi_pkt *pkt,
		       void (*fill)(void *arg, void *to), void *arg)
{
	uint8_t *body = dvmi_ring_reserve(&o->tx, DVMI_SHM_HEAD + pkt->len);

	if (!body)
		return -EAGAIN;
	memcpy(body, &pkt->ctx, 4);
	memcpy(body + 4, &pkt->tag, 4);
	fill(arg, body + DVMI_SHM_HEAD);
	dvmi_ring_commit(&o->tx, DVMI_SHM_HEAD + pkt->len, pkt->kind);
	return 0;
}

static int fill_bulk(struct dvmi_shm_out *o, const struct dvmi_pkt *pkt,
		     void (*fill)(void *arg, void *to), void *arg)
{
	struct dvmi_shm_bulk_body b = {
		.ctx = pkt->ctx, .tag = pkt->tag, .len = pkt->len, .ready = pkt->len
	};
	uint8_t *body = dvmi_ring_reserve(&o->tx, sizeof b);

	if (!body || !dvmi_ring_bulk_take(&o->tx, pkt->len, &b.off, &b.advance))
		return -EAGAIN;
	fill(arg, o->bulk + b.off);
	memcpy(body, &b, sizeof b);
	dvmi_ring_commit(&o->tx, sizeof b, pkt->kind | DVMI_SHM_BULK);
	return 0;
}

int dvmi_shm_send_filled(struct dvmi_tport *t, uint32_t peer, const struct dvmi_pkt *pkt,
			 void (*fill)(void *arg, void *to), void *arg)
{
	struct dvmi_shm *s = dvmi_shm_of(t);
	uint32_t local = s->local_of[peer];
	struct dvmi_shm_out *o = s->out[local];

	if (__builtin_expect(!o, 0) && !(o = dvmi_shm_open_out(s, local)))
		return -EAGAIN;
	int rc = pkt->len > INLINE_MAX ? fill_bulk(o, pkt, fill, arg)
				       : fill_inline(o, pkt, fill, arg);
	o->blocked = rc < 0;
	if (rc == 0)
		dvmi_shm_notice(s, local);
	return rc;
}

int dvmi_shm_send(struct dvmi_tport *t, uint32_t peer, const struct dvmi_pkt *pkt,
		  const void *payload)
{
	struct dvmi_shm *s = dvmi_shm_of(t);
	uint32_t local = s->local_of[peer];
	struct dvmi_shm_out *o = s->out[local];
	int rc;

	if (__builtin_expect(!o, 0) && !(o = dvmi_shm_open_out(s, local)))
		return -EAGAIN;
	if (__builtin_expect(pkt->len > INLINE_MAX, 0))
		rc = send_bulk(o, pkt, payload);
	else if (__builtin_expect(is_short(pkt), 1))
		rc = send_short(o, pkt, payload);
	else
		rc = send_inline(o, pkt, payload);
	o->blocked = rc < 0;
	if (rc == 0)
		dvmi_shm_notice(s, local);
	return rc;
}
