/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting operations, and the set-up of the engine. */
#include <errno.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/net/wire.h"
#include "libdvm/src/p2p_private.h"

#define CREDIT_TOTAL (UINT64_C(64) << 20)
#define CREDIT_MIN   (UINT64_C(64) << 10)
#define CREDIT_MAX   (UINT64_C(1) << 20)
#define SYNC_MAX     (UINT32_C(64) << 10) /* bytes and all of an announcement that has them */

static uint64_t credit_for(uint32_t size)
{
	uint64_t c = CREDIT_TOTAL / size;

	return c < CREDIT_MIN ? CREDIT_MIN : c > CREDIT_MAX ? CREDIT_MAX : c;
}

int dvmi_p2p_init(struct dvmi_p2p *p, uint32_t self, uint32_t size,
		  struct dvmi_tport *(*route)(void *arg, uint32_t peer), void *arg)
{
	*p = (struct dvmi_p2p){
		.self = self,
		.size = size,
		.others = size - 1,
		.credit = credit_for(size),
		.route = route,
		.arg = arg,
	};
	p->taken.prev = p->taken.next = &p->taken;
	int rc = dvmi_match_init(&p->match);
	if (rc < 0)
		return rc;
	p->peers = calloc((size_t)size + DVMI_P2P_FAR_MAX, sizeof *p->peers);
	if (p->peers)
		return 0;
	dvmi_match_fini(&p->match);
	return -ENOMEM;
}

int dvmi_p2p_add_far(struct dvmi_p2p *p, uint32_t n, uint32_t *base)
{
	if (n > DVMI_P2P_FAR_MAX - p->nfar)
		return -ENOSPC;
	*base = p->size + p->nfar;
	p->nfar += n;
	return 0;
}

static void free_message(struct dvmi_p2p *p, struct dvmi_unexpected *u, bool taken, void *arg)
{
	if (!taken)
		dvmi_match_drop(&p->match, &u->msg);
	free(u);
}

static void free_control(struct dvmi_opq *q)
{
	struct dvmi_op *op;

	while ((op = dvmi_opq_pop(q)))
		if (op->stage == DVMI_OP_CONTROL)
			free(op);
}

void dvmi_p2p_fini(struct dvmi_p2p *p)
{
	if (!p->peers)
		return;
	dvmi_p2p_each_message(p, free_message, NULL);
	for (struct dvmi_peer *peer = p->busy; peer; peer = peer->next_busy)
		free_control(&peer->packets);
	dvmi_match_fini(&p->match);
	dvmi_optab_fini(&p->ops);
	for (uint32_t i = 0; i < p->size + p->nfar; i++)
		free(p->peers[i].copier);
	free(p->peers);
	dvmi_revoked_fini(&p->revoked);
	free(p->stage);
	*p = (struct dvmi_p2p){ 0 };
}

static __attribute__((noinline)) void connect_peer(struct dvmi_p2p *p, struct dvmi_peer *peer,
						   uint32_t rank)
{
	peer->tport = p->route(p->arg, rank);
	peer->packets.tail = &peer->packets.head;
	peer->streams.tail = &peer->streams.head;
}

struct dvmi_peer *dvmi_p2p_peer(struct dvmi_p2p *p, uint32_t rank)
{
	struct dvmi_peer *peer = &p->peers[rank];

	if (__builtin_expect(!peer->tport, 0))
		connect_peer(p, peer, rank);
	return peer;
}

void dvmi_p2p_finish(struct dvmi_p2p *p, struct dvmi_op *op, int code)
{
	if (op->id) {
		if (op->offered)
			dvmi_copy_withdraw(p, op);
		dvmi_optab_remove(&p->ops, op->id);
		op->id = 0;
	}
	op->code = code;
	op->stage = DVMI_OP_DONE;
	if (__builtin_expect(op->detached, 0)) {
		op->next = p->finished;
		p->finished = op;
	}
}

static bool has_credit(const struct dvmi_p2p *p, const struct dvmi_peer *peer, uint32_t rank,
		       uint64_t cost)
{
	return peer->unread + cost <= dvmi_p2p_credit(p, peer) || rank == p->self;
}

int dvmi_p2p_send_now(struct dvmi_p2p *p, uint32_t rank, uint32_t ctx, int32_t tag, const void *buf,
		      size_t len)
{
	struct dvmi_peer *peer = dvmi_p2p_peer(p, rank);

	if (dvmi_p2p_revoked(p, ctx))
		return dvmi_p2p_revoked(p, ctx);
	if (peer->down)
		return peer->down;
	if (len > peer->tport->eager_max || peer->packets.head ||
	    !has_credit(p, peer, rank, len + DVMI_P2P_OVERHEAD))
		return -EAGAIN;
	struct dvmi_pkt pkt = {
		.kind = DVMI_PKT_EAGER, .ctx = ctx, .tag = tag, .len = (uint32_t)len
	};
	int rc = peer->tport->ops->send(peer->tport, rank, &pkt, buf);
	if (rc == 0)
		peer->unread += len + DVMI_P2P_OVERHEAD;
	return rc;
}

/* OP has met the announced message A: asks for as much of it as there is room for. */
static void ask(struct dvmi_p2p *p, struct dvmi_op *op, const struct dvmi_arrival *a)
{
	struct dvmi_peer *peer = dvmi_p2p_peer(p, op->peer);

	op->want = op->total < op->len ? op->total : op->len;
	op->moved = 0;
	op->peer_id = a->rts;
	int rc = peer->down ? peer->down : dvmi_optab_add(&p->ops, op, &op->id);
	if (rc < 0) {
		dvmi_p2p_finish(p, op, rc);
		return;
	}
	op->stage = DVMI_OP_CTS;
	dvmi_copy_choose(p, op, a->remote, a->slot);
	if (op->way == DVMI_WAY_COPY && !dvmi_copy_needs_join(op))
		dvmi_copy_start(p, op, DVMI_OP_PULL);
	else
		dvmi_p2p_submit(p, peer, op);
}

static void meet(struct dvmi_op *op, uint32_t src, int32_t tag, uint64_t total)
{
	op->peer = src;
	op->tag = tag;
	op->total = total;
}

static int received(const struct dvmi_op *op)
{
	return op->total > op->len ? -DVM_ETRUNC : 0;
}

static void take_eager(struct dvmi_p2p *p, struct dvmi_op *op, const void *bytes)
{
	dvmi_op_put(op, 0, bytes, op->total < op->len ? op->total : op->len);
	dvmi_p2p_finish(p, op, received(op));
}

/* OP has all of a synchronous message: says so, and is done when that is sent. */
static void take_sync(struct dvmi_p2p *p, struct dvmi_op *op, const void *bytes, uint64_t sender)
{
	struct dvmi_peer *peer = dvmi_p2p_peer(p, op->peer);

	dvmi_op_put(op, 0, bytes, op->total < op->len ? op->total : op->len);
	if (peer->down) {
		dvmi_p2p_finish(p, op, received(op));
		return;
	}
	op->want = 0;
	op->peer_id = sender;
	op->stage = DVMI_OP_CTS;
	dvmi_p2p_submit(p, peer, op);
}

void dvmi_p2p_release(struct dvmi_p2p *p, const struct dvmi_unexpected *u)
{
	struct dvmi_peer *peer = dvmi_p2p_peer(p, (uint32_t)u->msg.key.source);
	uint64_t cost = u->len + DVMI_P2P_OVERHEAD;

	if (!u->here)
		return;
	peer->held -= cost;
	dvmi_p2p_acknowledge(p, peer, cost);
}

void dvmi_p2p_take_unexpected(struct dvmi_p2p *p, struct dvmi_op *op, struct dvmi_unexpected *u)
{
	meet(op, (uint32_t)u->msg.key.source, u->msg.key.tag, u->len);
	if (!u->here) {
		struct dvmi_arrival a = { .rts = u->rts, .remote = u->remote, .slot = u->slot };
		ask(p, op, &a);
	} else if (u->rts)
		take_sync(p, op, u->bytes, u->rts);
	else
		take_eager(p, op, u->bytes);
	dvmi_p2p_release(p, u);
	free(u);
}

int dvmi_p2p_nobody_left(struct dvmi_p2p *p, const struct dvmi_match_key *key)
{
	/* Whoever is received from has to be reached, too: a transport may begin with that. */
	int down = key->source >= 0 ? dvmi_p2p_peer(p, (uint32_t)key->source)->down : 0;
	int revoked = dvmi_p2p_revoked(p, key->ctx);

	if (revoked || down)
		return revoked ? revoked : down;
	if (key->source >= 0 || !p->ndown)
		return 0;
	int anybody = dvmi_p2p_anybody(p, key->ctx);
	return anybody < 0 ? anybody : 0;
}

/* A short look: the answer no may be wrong. */
static inline bool is_there(const struct dvmi_p2p *p, const struct dvmi_match_key *key)
{
	const struct dvmi_peer *peer = key->source >= 0 ? &p->peers[key->source] : NULL;

	return peer && peer->tport && !peer->down && !dvmi_p2p_revoked(p, key->ctx);
}

void dvmi_p2p_recv_init(struct dvmi_op *op, const struct dvmi_match_key *key,
			const struct dvmi_mem *mem)
{
	op->recv.key = *key;
	op->kind = DVMI_OP_RECV;
	op->stage = DVMI_OP_POSTED;
	op->code = 0;
	op->peer = 0;
	op->tag = -1;
	op->detached = false;
	op->buf = mem->buf;
	op->len = mem->len;
	op->cur = mem->cur;
	op->total = 0;
	op->id = 0;
	op->next = NULL;
	op->offered = false;
	op->way = DVMI_WAY_STREAM;
}

void dvmi_p2p_recv_into(struct dvmi_p2p *p, struct dvmi_op *op, const struct dvmi_match_key *key,
			const struct dvmi_mem *mem)
{
	dvmi_p2p_recv_init(op, key, mem);
	struct dvmi_match_msg *msg = dvmi_match_take(&p->match, key);
	if (msg) {
		dvmi_p2p_take_unexpected(p, op, dvmi_unexpected_of(msg));
		return;
	}
	int code = is_there(p, key) ? 0 : dvmi_p2p_nobody_left(p, key);
	if (__builtin_expect(code < 0, 0))
		dvmi_p2p_finish(p, op, code);
	else
		dvmi_match_post(&p->match, &op->recv);
}

void dvmi_p2p_recv(struct dvmi_p2p *p, struct dvmi_op *op, const struct dvmi_match_key *key,
		   void *buf, size_t len)
{
	struct dvmi_mem mem = { .buf = buf, .len = len };

	dvmi_p2p_recv_into(p, op, key, &mem);
}

bool dvmi_p2p_cancel(struct dvmi_p2p *p, struct dvmi_op *op, int code)
{
	if (op->stage != DVMI_OP_POSTED)
		return false;
	dvmi_match_cancel(&p->match, &op->recv);
	dvmi_p2p_finish(p, op, code);
	return true;
}

int dvmi_p2p_probe(struct dvmi_p2p *p, const struct dvmi_match_key *key, uint32_t *source,
		   int32_t *tag, uint64_t *len)
{
	struct dvmi_match_msg *msg = dvmi_match_peek(&p->match, key);

	if (!msg)
		return dvmi_p2p_nobody_left(p, key);
	*source = (uint32_t)msg->key.source;
	*tag = msg->key.tag;
	*len = dvmi_unexpected_of(msg)->len;
	return 1;
}

/* Announcements of our own whose operation is no more. */
static void drop_announcement(struct dvmi_p2p *p, struct dvmi_unexpected *u, bool taken, void *arg)
{
	if (u->msg.key.source != (int32_t)p->self || !u->rts || dvmi_optab_get(&p->ops, u->rts))
		return;
	if (taken) {
		u->lost = -EDEADLK;
		return;
	}
	dvmi_match_drop(&p->match, &u->msg);
	dvmi_p2p_release(p, u);
	free(u);
}

bool dvmi_p2p_no_sender(const struct dvmi_p2p *p, const struct dvmi_match_key *key)
{
	return key->source < 0 ? dvmi_p2p_anybody(p, key->ctx) != 0 :
				 key->source == (int32_t)p->self;
}

bool dvmi_p2p_is_hopeless(const struct dvmi_p2p *p, const struct dvmi_op *op)
{
	if (op->stage == DVMI_OP_POSTED)
		return dvmi_p2p_no_sender(p, &op->recv.key);
	return op->stage == DVMI_OP_ANNOUNCED && op->peer == p->self;
}

bool dvmi_p2p_hopeless(struct dvmi_p2p *p, struct dvmi_op *op)
{
	if (!dvmi_p2p_is_hopeless(p, op))
		return false;
	if (op->stage == DVMI_OP_POSTED)
		return dvmi_p2p_cancel(p, op, -EDEADLK);
	dvmi_p2p_finish(p, op, -EDEADLK);
	dvmi_p2p_each_message(p, drop_announcement, NULL);
	return true;
}

void dvmi_p2p_nothing(struct dvmi_op *op, enum dvmi_op_kind kind)
{
	*op = (struct dvmi_op){ .kind = kind, .tag = -1 };
}

void dvmi_p2p_abandon(struct dvmi_p2p *p, struct dvmi_op *op)
{
	struct dvmi_peer *peer = &p->peers[op->peer];

	if (dvmi_op_done(op) || dvmi_p2p_cancel(p, op, -ECANCELED))
		return;
	/* Not POSTED, so it has a peer that is connected. */
	dvmi_copy_stop(p, op);
	if (!dvmi_opq_remove(&peer->packets, op))
		dvmi_opq_remove(&peer->streams, op);
	dvmi_p2p_finish(p, op, -ECANCELED);
}

/* Packets. Each returns 0, or -EAGAIN for the transport to offer the packet again. */

static int keep(struct dvmi_p2p *p, const struct dvmi_arrival *a)
{
	size_t n = a->bytes ? a->len : 0;
	struct dvmi_unexpected *u = malloc(sizeof *u + n);

	if (!u)
		return -EAGAIN;
	u->msg.key = a->key;
	u->len = a->len;
	u->rts = a->rts;
	u->here = a->bytes;
	u->remote = a->remote;
	u->slot = a->slot;
	u->lost = 0;
	if (n)
		memcpy(u->bytes, a->bytes, n);
	dvmi_match_keep(&p->match, &u->msg);
	p->stats.unexpected++;
	return 0;
}

/* A sender keeps to its credit; one that does not would take all our memory. */
static int keep_eager(struct dvmi_p2p *p, const struct dvmi_arrival *a)
{
	struct dvmi_peer *peer = dvmi_p2p_peer(p, (uint32_t)a->key.source);
	uint64_t cost = a->len + DVMI_P2P_OVERHEAD;

	if (peer->held + cost > dvmi_p2p_credit(p, peer) && a->key.source != (int32_t)p->self) {
		p->stats.dropped++;
		dvmi_p2p_down(p, (uint32_t)a->key.source, -DVM_EPROTO);
		return 0;
	}
	int rc = keep(p, a);
	if (rc == 0)
		peer->held += cost;
	return rc;
}

static void taken(struct dvmi_p2p *p, uint32_t src, uint64_t len)
{
	dvmi_p2p_acknowledge(p, dvmi_p2p_peer(p, src), len + DVMI_P2P_OVERHEAD);
}

/* A message with all its bytes that no receive has met. */
static int unmatched(struct dvmi_p2p *p, const struct dvmi_arrival *a)
{
	if (!dvmi_p2p_revoked(p, a->key.ctx))
		return keep_eager(p, a);
	taken(p, (uint32_t)a->key.source, a->len);
	return 0;
}

/* A message with all its bytes. */
static int on_bytes(struct dvmi_p2p *p, const struct dvmi_arrival *a)
{
	struct dvmi_match_recv *r = dvmi_match_arrive(&p->match, &a->key);
	uint32_t src = (uint32_t)a->key.source;

	if (!r)
		return unmatched(p, a);
	meet(dvmi_op_of(r), src, a->key.tag, a->len);
	if (a->rts)
		take_sync(p, dvmi_op_of(r), a->bytes, a->rts);
	else
		take_eager(p, dvmi_op_of(r), a->bytes);
	taken(p, src, a->len);
	return 0;
}

static struct dvmi_match_key key_of(uint32_t src, const struct dvmi_pkt *pkt)
{
	return dvmi_match_key(pkt->ctx, (int32_t)src, pkt->tag);
}

static int on_eager(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt,
		    const void *payload)
{
	static const uint8_t none[1];
	struct dvmi_match_key key = key_of(src, pkt);
	struct dvmi_match_recv *r = dvmi_match_arrive(&p->match, &key);

	if (!r) {
		struct dvmi_arrival a = { .key = key,
					  .len = pkt->len,
					  .bytes = pkt->len ? payload : none };
		return unmatched(p, &a);
	}
	meet(dvmi_op_of(r), src, pkt->tag, pkt->len);
	take_eager(p, dvmi_op_of(r), payload);
	taken(p, src, pkt->len);
	return 0;
}

static int on_sync(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt,
		   const void *payload)
{
	const uint32_t head = sizeof(struct dvmi_wire_rts);
	struct dvmi_arrival a = { .key = key_of(src, pkt),
				  .bytes = (const uint8_t *)payload + head };

	if (pkt->len < head || dvmi_wire_get_rts(payload, head, &a.len, &a.rts) < 0 ||
	    a.len != pkt->len - head) {
		p->stats.dropped++;
		return 0;
	}
	return on_bytes(p, &a);
}

static int announced(struct dvmi_p2p *p, const struct dvmi_arrival *a)
{
	struct dvmi_match_recv *r = dvmi_match_arrive(&p->match, &a->key);

	if (r) {
		meet(dvmi_op_of(r), (uint32_t)a->key.source, a->key.tag, a->len);
		ask(p, dvmi_op_of(r), a);
		return 0;
	}
	return dvmi_p2p_revoked(p, a->key.ctx) ? 0 : keep(p, a);
}

static int on_rts(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt, const void *payload)
{
	struct dvmi_arrival a = { .key = key_of(src, pkt) };

	if (dvmi_wire_get_rts(payload, pkt->len, &a.len, &a.rts) < 0) {
		p->stats.dropped++;
		return 0;
	}
	return announced(p, &a);
}

static int on_offer(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt,
		    const void *payload)
{
	struct dvmi_wire_offer w;

	if (dvmi_wire_get_offer(payload, pkt->len, &w) < 0) {
		p->stats.dropped++;
		return 0;
	}
	struct dvmi_arrival a = {
		.key = key_of(src, pkt), .len = w.len, .rts = w.id, .remote = w.addr, .slot = w.slot
	};
	return announced(p, &a);
}

/* What was offered may turn out to be needed as a stream after all. */
static bool can_stream(const struct dvmi_op *op)
{
	return op->kind == DVMI_OP_SEND &&
	       (op->stage == DVMI_OP_ANNOUNCED || op->stage == DVMI_OP_PUSH ||
		op->stage == DVMI_OP_PUSHED);
}

static int on_cts(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt, const void *payload)
{
	uint64_t sender, receiver, want;
	struct dvmi_op *op = NULL;

	if (dvmi_wire_get_cts(payload, pkt->len, &sender, &receiver, &want) == 0)
		op = dvmi_optab_get(&p->ops, sender);
	if (!op || !can_stream(op) || op->peer != src || want > op->len) {
		p->stats.dropped++;
		return 0;
	}
	dvmi_copy_stop(p, op);
	if (op->offered)
		dvmi_copy_withdraw(p, op);
	op->peer_id = receiver;
	op->want = want;
	if (!want) {
		dvmi_p2p_finish(p, op, 0);
		return 0;
	}
	struct dvmi_peer *peer = dvmi_p2p_peer(p, src);
	op->stage = DVMI_OP_STREAM;
	dvmi_opq_push(&peer->streams, op);
	dvmi_p2p_set_busy(p, peer);
	return 0;
}

/* The receive that PKT of SRC is for, if it is one. */
static struct dvmi_op *receives(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt)
{
	struct dvmi_op *op = dvmi_optab_get(&p->ops, dvmi_pkt_get64(pkt));

	return op && op->stage == DVMI_OP_INCOMING && op->peer == src ? op : NULL;
}

static int on_data(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt,
		   const void *payload)
{
	struct dvmi_op *op = receives(p, src, pkt);

	if (!op || !pkt->len || pkt->len > op->want - op->moved) {
		p->stats.dropped++;
		return 0;
	}
	/* A transport that asked for the place has brought them there itself. */
	if (op->cur || payload != op->buf + op->moved)
		dvmi_op_put(op, op->moved, payload, pkt->len);
	op->moved += pkt->len;
	if (op->moved == op->want) {
		dvmi_copy_measure(p, op);
		dvmi_p2p_finish(p, op, received(op));
	}
	return 0;
}

static void *on_place(void *arg, uint32_t src, const struct dvmi_pkt *pkt, size_t *n)
{
	struct dvmi_op *op = receives(arg, src, pkt);

	if (!op || op->cur || pkt->len > op->want - op->moved)
		return NULL;
	*n = pkt->len;
	return op->buf + op->moved;
}

static int on_credit(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt)
{
	struct dvmi_peer *peer = dvmi_p2p_peer(p, src);
	uint64_t n = dvmi_pkt_get64(pkt);

	peer->unread -= n < peer->unread ? n : peer->unread;
	return 0;
}

static int on_packet(void *arg, uint32_t src, const struct dvmi_pkt *pkt, const void *payload)
{
	struct dvmi_p2p *p = arg;

	if (__builtin_expect(pkt->kind == DVMI_PKT_EAGER, 1))
		return on_eager(p, src, pkt, payload);
	switch (pkt->kind) {
	case DVMI_PKT_SYNC:
		return on_sync(p, src, pkt, payload);
	case DVMI_PKT_RTS:
		return on_rts(p, src, pkt, payload);
	case DVMI_PKT_CTS:
		return on_cts(p, src, pkt, payload);
	case DVMI_PKT_DATA:
		return on_data(p, src, pkt, payload);
	case DVMI_PKT_OFFER:
		return on_offer(p, src, pkt, payload);
	case DVMI_PKT_JOIN:
		dvmi_copy_on_join(p, src, pkt, payload);
		return 0;
	case DVMI_PKT_DONE:
		dvmi_copy_on_done(p, src, pkt);
		return 0;
	case DVMI_PKT_CREDIT:
		return on_credit(p, src, pkt);
	case DVMI_PKT_REVOKE:
		dvmi_p2p_spread(p, src, pkt->ctx, pkt->tag < 0 ? pkt->tag : -DVM_EPROTO);
		return 0;
	default:
		if (p->owner.packet)
			return p->owner.packet(p->arg, src, pkt, payload);
		p->stats.dropped++;
		return 0;
	}
}

/* To ourselves short ones are copied twice when they are synchronous, others but once. */
static uint32_t sync_max(const struct dvmi_peer *peer)
{
	return peer->tport->eager_max < SYNC_MAX ? peer->tport->eager_max : SYNC_MAX;
}

/* How OP begins: with its bytes if they are few and the peer has room. */
static enum dvmi_op_stage first_stage(const struct dvmi_p2p *p, const struct dvmi_op *op,
				      const struct dvmi_peer *peer, bool sync)
{
	uint64_t cost = op->len + DVMI_P2P_OVERHEAD;

	if (!has_credit(p, peer, op->peer, cost))
		return DVMI_OP_RTS;
	if (sync)
		return op->len + sizeof(struct dvmi_wire_rts) <= sync_max(peer) ? DVMI_OP_SYNC
										: DVMI_OP_RTS;
	return op->len <= peer->tport->eager_max ? DVMI_OP_EAGER : DVMI_OP_RTS;
}

/* Standard messages to ourselves are buffered, also those that are too long for a packet. */
static void to_ourselves(struct dvmi_p2p *p, struct dvmi_op *op)
{
	struct dvmi_arrival a = {
		.key = dvmi_match_key(op->recv.key.ctx, (int32_t)p->self, op->tag),
		.len = op->len,
		.bytes = op->cur ? dvmi_p2p_stage_all(p, op, 0) : op->buf,
	};
	int rc = a.bytes ? on_bytes(p, &a) : -ENOMEM;

	dvmi_p2p_trim_stage(p);
	dvmi_p2p_finish(p, op, rc == -EAGAIN ? -ENOMEM : rc);
}

void dvmi_p2p_send_from(struct dvmi_p2p *p, struct dvmi_op *op, uint32_t rank, uint32_t ctx,
			int32_t tag, const struct dvmi_mem *mem, bool sync)
{
	struct dvmi_peer *peer = dvmi_p2p_peer(p, rank);

	*op = (struct dvmi_op){
		.kind = DVMI_OP_SEND,
		.recv.key = { .ctx = ctx, .source = (int32_t)p->self, .tag = tag },
		.peer = rank,
		.tag = tag,
		.buf = mem->buf,
		.len = mem->len,
		.cur = mem->cur,
		.total = mem->len,
	};
	int code = dvmi_p2p_revoked(p, ctx);
	if (!code)
		code = peer->down;
	if (code) {
		dvmi_p2p_finish(p, op, code);
		return;
	}
	if (__builtin_expect(rank == p->self && !sync && op->len > peer->tport->eager_max, 0)) {
		to_ourselves(p, op);
		return;
	}
	op->stage = first_stage(p, op, peer, sync);
	if (op->stage != DVMI_OP_EAGER)
		code = dvmi_optab_add(&p->ops, op, &op->id);
	if (code < 0) {
		dvmi_p2p_finish(p, op, code);
		return;
	}
	if (op->stage == DVMI_OP_RTS) {
		p->stats.rendezvous++;
		dvmi_copy_offer(p, op);
	} else {
		peer->unread += op->len + DVMI_P2P_OVERHEAD;
	}
	dvmi_p2p_submit(p, peer, op);
}

void dvmi_p2p_send(struct dvmi_p2p *p, struct dvmi_op *op, uint32_t rank, uint32_t ctx, int32_t tag,
		   const void *buf, size_t len)
{
	struct dvmi_mem mem = { .buf = (void *)(uintptr_t)buf, .len = len };

	dvmi_p2p_send_from(p, op, rank, ctx, tag, &mem, false);
}

static void on_down(void *arg, uint32_t peer, int code)
{
	dvmi_p2p_down(arg, peer, code);
}

struct dvmi_sink dvmi_p2p_sink(struct dvmi_p2p *p)
{
	return (struct dvmi_sink){
		.packet = on_packet, .place = on_place, .down = on_down, .arg = p
	};
}
