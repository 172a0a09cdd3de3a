/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/membarrier.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dvm/error.h"
#include "libdvm/net/bell.h"
#include "libdvm/net/heap.h"
#include "libdvm/net/ring.h"
#include "libdvm/net/shm.h"

#define PAGE	   4096u
#define RING_BYTES (32u * 1024)
#define BULK_BYTES (2u * 1024 * 1024)
#define PAIR_BYTES ((size_t)RING_BYTES + BULK_BYTES)
#define INLINE_MAX 1024u /* longer payloads go through the bulk area */
#define PACKET_MAX (256u * 1024)
#define EAGER_MAX  (16u * 1024)
#define CHUNK	   (16u * 1024)
#define BUDGET	   64 /* records taken from one ring before the next has its turn */
#define META_BULK  0x100u
#define HEAD	   8u /* context and tag in front of an inline payload */

/* A local rank as the others see it. */
struct block {
	_Atomic uint32_t asleep;
	uint8_t pad[60];
	_Atomic uint64_t senders[DVMI_SHM_RANKS_MAX / 64]; /* who has a ring to this rank */
	uint8_t pad2[64];
};

_Static_assert(sizeof(struct block) == 256, "whole cache lines");

/* Body of a record whose payload is in the bulk area. */
struct bulk_body {
	uint32_t ctx;
	int32_t tag;
	uint32_t off, advance, len;
};

struct out {
	struct dvmi_ring_tx tx;
	uint8_t *map, *bulk;
	bool blocked; /* the last send found no room */
};

struct in {
	struct dvmi_ring_rx rx;
	uint8_t *map;
	const uint8_t *bulk;
	uint32_t rank, local;
	bool broken;
};

struct shm {
	struct dvmi_tport t;
	struct block *blocks;
	uint32_t self, n;
	const uint32_t *rank_of, *local_of;
	int fd;
	bool fence; /* our sends need a fence of their own */
	bool armed;
	uint32_t nin;
	struct in **in;	  /* [nin], in the order in which they appeared */
	struct out **out; /* [n] by local rank */
	uint64_t seen[DVMI_SHM_RANKS_MAX / 64];
	struct dvmi_bell bell;
};

static struct shm *shm_of(struct dvmi_tport *t)
{
	return (struct shm *)t;
}

static size_t blocks_bytes(uint32_t n)
{
	return (n * sizeof(struct block) + PAGE - 1) / PAGE * PAGE;
}

static int membarrier(int cmd)
{
	return (int)syscall(SYS_membarrier, cmd, 0, 0);
}

static void *map_pair(struct shm *s, uint32_t src, uint32_t dst)
{
	size_t off = blocks_bytes(s->n) + ((size_t)src * s->n + dst) * PAIR_BYTES;
	void *p = mmap(NULL, PAIR_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, s->fd,
		       (off_t)off);

	return p == MAP_FAILED ? NULL : p;
}

static int open_out(struct shm *s, uint32_t local, struct out **outp)
{
	struct out *o = calloc(1, sizeof *o);

	if (!o)
		return -ENOMEM;
	o->map = map_pair(s, s->self, local);
	if (!o->map) {
		free(o);
		return -ENOMEM;
	}
	o->bulk = o->map + RING_BYTES;
	dvmi_ring_tx_init(&o->tx, o->map, RING_BYTES, BULK_BYTES);
	atomic_fetch_or(&s->blocks[local].senders[s->self / 64], UINT64_C(1) << s->self % 64);
	*outp = s->out[local] = o;
	return 0;
}

static int open_in(struct shm *s, uint32_t local)
{
	struct in *in = calloc(1, sizeof *in);

	if (!in)
		return -ENOMEM;
	in->map = map_pair(s, local, s->self);
	if (!in->map) {
		free(in);
		return -ENOMEM;
	}
	in->bulk = in->map + RING_BYTES;
	in->local = local;
	in->rank = s->rank_of[local];
	dvmi_ring_rx_init(&in->rx, in->map, RING_BYTES);
	s->in[s->nin++] = in;
	return 0;
}

/* Maps the rings of new senders. One that finds no memory is tried again next time. */
static void accept_senders(struct shm *s, uint32_t word, uint64_t now)
{
	uint64_t fresh = now & ~s->seen[word];

	for (; fresh; fresh &= fresh - 1) {
		uint32_t local = word * 64 + (uint32_t)__builtin_ctzll(fresh);
		if (local < s->n && open_in(s, local) < 0)
			return;
		s->seen[word] |= UINT64_C(1) << local % 64;
	}
}

static void look_for_senders(struct shm *s)
{
	struct block *b = &s->blocks[s->self];

	for (uint32_t w = 0; w < (s->n + 63) / 64; w++) {
		uint64_t now = atomic_load_explicit(&b->senders[w], memory_order_acquire);
		if (__builtin_expect(now != s->seen[w], 0))
			accept_senders(s, w, now);
	}
}

/*
 * Between what we published and our look at the other's flag. The sleeper's membarrier makes it a
 * fence when it matters. (The builtin, because the thread sanitizer knows no C11 fence.)
 */
static inline void publish_before_look(const struct shm *s)
{
	if (__builtin_expect(s->fence, 0))
		__sync_synchronize();
	else
		atomic_signal_fence(memory_order_seq_cst);
}

static void wake(struct shm *s, uint32_t local)
{
	_Atomic uint32_t *asleep = &s->blocks[local].asleep;

	publish_before_look(s);
	if (__builtin_expect(atomic_load_explicit(asleep, memory_order_relaxed), 0) &&
	    atomic_exchange(asleep, 0))
		dvmi_bell_ring(&s->bell, local);
}

static int send_inline(struct out *o, const struct dvmi_pkt *pkt, const void *payload)
{
	uint8_t *body = dvmi_ring_reserve(&o->tx, HEAD + pkt->len);

	if (!body)
		return -EAGAIN;
	memcpy(body, &pkt->ctx, 4);
	memcpy(body + 4, &pkt->tag, 4);
	if (pkt->len)
		memcpy(body + HEAD, payload, pkt->len);
	dvmi_ring_commit(&o->tx, HEAD + pkt->len, pkt->kind);
	return 0;
}

static int send_bulk(struct out *o, const struct dvmi_pkt *pkt, const void *payload)
{
	struct bulk_body b = { .ctx = pkt->ctx, .tag = pkt->tag, .len = pkt->len };
	uint8_t *body = dvmi_ring_reserve(&o->tx, sizeof b);

	if (!body || !dvmi_ring_bulk_take(&o->tx, pkt->len, &b.off, &b.advance))
		return -EAGAIN;
	memcpy(o->bulk + b.off, payload, pkt->len);
	memcpy(body, &b, sizeof b);
	dvmi_ring_commit(&o->tx, sizeof b, pkt->kind | META_BULK);
	return 0;
}

static int shm_send(struct dvmi_tport *t, uint32_t peer, const struct dvmi_pkt *pkt,
		    const void *payload)
{
	struct shm *s = shm_of(t);
	uint32_t local = s->local_of[peer];
	struct out *o = s->out[local];

	if (__builtin_expect(!o, 0) && open_out(s, local, &o) < 0)
		return -EAGAIN;
	int rc = pkt->len <= INLINE_MAX ? send_inline(o, pkt, payload) : send_bulk(o, pkt, payload);
	o->blocked = rc < 0;
	if (rc == 0)
		wake(s, local);
	return rc;
}

/* Offers one record to the sink. 0 taken, -EAGAIN, or -DVM_EPROTO for what no sender writes. */
static int deliver_bulk(struct shm *s, struct in *in, const struct dvmi_ring_rec *rec)
{
	struct bulk_body b;

	if (rec->len != sizeof b)
		return -DVM_EPROTO;
	memcpy(&b, rec->body, sizeof b);
	if (b.len > PACKET_MAX || b.off > BULK_BYTES - b.len || b.advance > BULK_BYTES)
		return -DVM_EPROTO;
	struct dvmi_pkt pkt = {
		.kind = (uint8_t)rec->meta, .ctx = b.ctx, .tag = b.tag, .len = b.len
	};
	int rc = s->t.sink.packet(s->t.sink.arg, in->rank, &pkt, in->bulk + b.off);
	if (rc == 0)
		dvmi_ring_bulk_give(&in->rx, b.advance);
	return rc;
}

static int deliver(struct shm *s, struct in *in, const struct dvmi_ring_rec *rec)
{
	struct dvmi_pkt pkt = { .kind = (uint8_t)rec->meta, .len = rec->len - HEAD };

	if (__builtin_expect(rec->meta & META_BULK, 0))
		return deliver_bulk(s, in, rec);
	if (rec->len < HEAD)
		return -DVM_EPROTO;
	memcpy(&pkt.ctx, rec->body, 4);
	memcpy(&pkt.tag, rec->body + 4, 4);
	return s->t.sink.packet(s->t.sink.arg, in->rank, &pkt, rec->body + HEAD);
}

/* The producer sleeps until there is room: give back what is ours to give and wake it. */
static void give_room(struct shm *s, struct in *in)
{
	publish_before_look(s);
	if (__builtin_expect(!atomic_load_explicit(&in->rx.ctl->wants_room, memory_order_relaxed),
			     1))
		return;
	dvmi_ring_give(&in->rx);
	atomic_store_explicit(&in->rx.ctl->wants_room, 0, memory_order_relaxed);
	wake(s, in->local);
}

static void broken(struct shm *s, struct in *in)
{
	in->broken = true;
	s->t.sink.down(s->t.sink.arg, in->rank, -DVM_EPROTO);
}

static int pump(struct shm *s, struct in *in, int budget)
{
	struct dvmi_ring_rec rec;
	int n = 0, rc = 0;

	while (n < budget && (rc = dvmi_ring_peek(&in->rx, &rec)) > 0) {
		rc = deliver(s, in, &rec);
		if (rc < 0)
			break;
		dvmi_ring_pop(&in->rx, &rec);
		n++;
	}
	if (__builtin_expect(rc < 0 && rc != -EAGAIN && !in->broken, 0))
		broken(s, in);
	if (n)
		give_room(s, in);
	return n;
}

static int shm_progress(struct dvmi_tport *t)
{
	struct shm *s = shm_of(t);
	int n = 0;

	look_for_senders(s);
	for (uint32_t i = 0; i < s->nin; i++)
		n += pump(s, s->in[i], BUDGET);
	return n;
}

static int shm_drain(struct dvmi_tport *t, uint32_t peer, bool dead)
{
	struct shm *s = shm_of(t);
	struct dvmi_ring_rec rec;

	look_for_senders(s);
	for (uint32_t i = 0; i < s->nin; i++) {
		struct in *in = s->in[i];
		if (in->rank != peer)
			continue;
		while (pump(s, in, BUDGET) > 0)
			;
		return in->broken || dvmi_ring_peek(&in->rx, &rec) == 0 ? 0 : -EAGAIN;
	}
	return 0;
}

static void want_room(struct shm *s, uint32_t wants)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->out[i] && s->out[i]->blocked)
			atomic_store(&s->out[i]->tx.ctl->wants_room, wants);
}

/* What a record or a wake-up would have changed since the last look. */
static bool something_new(struct shm *s)
{
	struct block *b = &s->blocks[s->self];
	struct dvmi_ring_rec rec;

	for (uint32_t w = 0; w < (s->n + 63) / 64; w++)
		if (atomic_load(&b->senders[w]) != s->seen[w])
			return true;
	for (uint32_t i = 0; i < s->nin; i++)
		if (!s->in[i]->broken && dvmi_ring_peek(&s->in[i]->rx, &rec) > 0)
			return true;
	for (uint32_t i = 0; i < s->n; i++)
		if (s->out[i] && s->out[i]->blocked &&
		    (dvmi_ring_refresh(&s->out[i]->tx, s->out[i]->tx.ncells / 4) &&
		     atomic_load(&s->out[i]->tx.ctl->bulk_tail) == s->out[i]->tx.bulk_pos))
			return true;
	return false;
}

static void shm_disarm(struct dvmi_tport *t)
{
	struct shm *s = shm_of(t);

	if (!s->armed)
		return;
	s->armed = false;
	atomic_store(&s->blocks[s->self].asleep, 0);
	want_room(s, 0);
	dvmi_bell_clear(&s->bell);
}

static int shm_arm(struct dvmi_tport *t, struct pollfd *fds, int n)
{
	struct shm *s = shm_of(t);
	int fd = n > 0 ? dvmi_bell_fd(&s->bell) : -EINVAL;

	s->armed = true;
	want_room(s, 1);
	atomic_store(&s->blocks[s->self].asleep, 1);
	bool sure = membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) == 0 && fd >= 0;
	if (something_new(s)) {
		shm_disarm(t);
		return -EAGAIN;
	}
	if (!sure)
		return -ENOTSUP;
	fds[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
	return 1;
}

static int shm_flush(struct dvmi_tport *t)
{
	return 0; /* what is in shared memory stays there for the receiver */
}

static void shm_destroy(struct dvmi_tport *t)
{
	struct shm *s = shm_of(t);

	for (uint32_t i = 0; s->in && i < s->nin; i++) {
		munmap(s->in[i]->map, PAIR_BYTES);
		free(s->in[i]);
	}
	for (uint32_t i = 0; s->out && i < s->n; i++)
		if (s->out[i]) {
			munmap(s->out[i]->map, PAIR_BYTES);
			free(s->out[i]);
		}
	if (s->blocks)
		munmap(s->blocks, blocks_bytes(s->n));
	dvmi_bell_fini(&s->bell);
	free(s->in);
	free(s->out);
	free(s);
}

static const struct dvmi_tport_ops shm_ops = {
	.size = sizeof shm_ops,
	.name = "shm",
	.send = shm_send,
	.progress = shm_progress,
	.drain = shm_drain,
	.arm = shm_arm,
	.disarm = shm_disarm,
	.flush = shm_flush,
	.destroy = shm_destroy,
};

static int map_blocks(struct shm *s)
{
	size_t bytes = blocks_bytes(s->n);

	int rc = dvmi_heap_size_file(s->fd, s->n, bytes + (uint64_t)s->n * s->n * PAIR_BYTES);
	if (rc < 0)
		return rc;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	s->blocks = p;
	s->in = calloc(s->n, sizeof *s->in);
	s->out = calloc(s->n, sizeof *s->out);
	return s->in && s->out ? 0 : -ENOMEM;
}

int dvmi_shm_create(struct dvmi_tport **out, const struct dvmi_shm_config *cfg)
{
	if (cfg->local_size > DVMI_SHM_RANKS_MAX || cfg->self >= cfg->local_size)
		return -EINVAL;
	struct shm *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->t = (struct dvmi_tport){
		.ops = &shm_ops,
		.packet_max = PACKET_MAX,
		.eager_max = EAGER_MAX,
		.chunk = CHUNK,
		.sink = cfg->sink,
	};
	s->self = cfg->self;
	s->n = cfg->local_size;
	s->rank_of = cfg->rank_of;
	s->local_of = cfg->local_of;
	s->fd = cfg->fd;
	dvmi_bell_init(&s->bell, cfg->dir, cfg->self);
	int rc = map_blocks(s);
	if (rc < 0) {
		shm_destroy(&s->t);
		return rc;
	}
	s->fence = membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) < 0;
	*out = &s->t;
	return 0;
}
