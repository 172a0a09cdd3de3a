/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Life of a peer: its address is looked up with the first packet for it; then packets flow, not
 * more at a time than the window, since some providers would buffer without bound; both sides say
 * BYE when they leave and wait a while for the answer, so that the last packets are not
 * lost with the connection. A connection that breaks is not a verdict: whether the peer has
 * closed or died is for the shepherd to say, and only when it says nothing we do.
 */
#include <errno.h>
#include <pthread.h>
#include <rdma/fi_errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "libdvm/net/fab.h"
#include "libdvm/net/fab_lib.h"

#define PACKET_MAX  (64u * 1024)
#define EAGER_MAX   (16u * 1024)
#define HDR	    sizeof(struct dvmi_wire_hdr)
#define SLOTS	    64		   /* packets under way, each direction */
#define WINDOW	    64		   /* packets to one peer it has not acknowledged */
#define INLINE_TRY  256u	   /* larger ones are never injected */
#define VERDICT_MAX (5 * DVMI_SEC) /* for the shepherd's word on a broken connection */
#define LAST_WORDS  (1 * DVMI_SEC) /* for packets of a peer that has closed */
#define BYE_MAX	    (1 * DVMI_SEC) /* for the answer to our BYE */

enum state { UNUSED, LOADING, LOADED, READY, FAILED };

struct slot {
	struct slot *next;
	struct fab *f;
	uint8_t *buf; /* HDR + PACKET_MAX */
	uint32_t peer;
	size_t len;
	bool tx;
};

struct slots {
	struct slot *head, **tail;
};

struct fpeer {
	fi_addr_t addr;
	uint32_t tx_seq, tx_acked; /* packets sent; those it has taken */
	uint32_t rx_seq, rx_told;  /* packets taken; what it knows of that */
	bool asked, known, sent;
	uint8_t *name; /* its address before our endpoint is there */
	bool bye_sent, bye_acked, bye_got;
	bool owe_bye, owe_ack;
	int down;	 /* why no packet goes to it any more, or 0 */
	uint64_t broken; /* when its connection broke, or 0 */
	uint64_t drain;	 /* since when it is known to have left, or 0 */
};

struct fab {
	struct dvmi_tport t;
	struct dvmi_fab_config cfg;
	struct dvmi_wire_end end;
	_Atomic int state; /* enum state; LOADED is set by the loader, the rest by the owner */
	pthread_t loader;
	int loaded_fd; /* tells a sleeper that the loader is done */
	int load_rc;
	struct dvmi_fab_ep ep;
	struct fpeer *peers; /* [size] */
	uint32_t nbroken, nowe;
	bool blocked;	  /* the provider was out of room; its end is no event */
	uint64_t leaving; /* since when, or 0 */
	struct slot slots[2 * SLOTS];
	uint8_t *memory;
	struct slot *free_tx;
	uint32_t ntx;	     /* under way */
	struct slots held;   /* received, not yet taken by the sink */
	struct slots repost; /* to be given back to the endpoint */
	uint64_t dropped;
};

static struct fab *fab_of(struct dvmi_tport *t)
{
	return (struct fab *)t;
}

static enum state state_of(const struct fab *f)
{
	return (enum state)atomic_load_explicit(&f->state, memory_order_acquire);
}

static void set_state(struct fab *f, enum state s)
{
	atomic_store_explicit(&f->state, s, memory_order_release);
}

/* Loading */

static void *load(void *arg)
{
	struct fab *f = arg;
	uint64_t one = 1;

	const struct dvmi_fab_where where = { .interface = f->cfg.interface,
					      .port_low = f->cfg.port_low,
					      .port_high = f->cfg.port_high };
	f->load_rc = dvmi_fab_ep_open(&f->ep, &where, getenv("DVM_FABRIC"));
	set_state(f, LOADED);
	if (write(f->loaded_fd, &one, sizeof one) < 0)
		return arg; /* nobody sleeps */
	return NULL;
}

/* Signals are for the program's own threads. */
static int start_thread(struct fab *f)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&f->loader, NULL, load, f);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -rc;
}

static void peer_down(struct fab *f, uint32_t peer, int code)
{
	if (f->peers[peer].down)
		return;
	f->peers[peer].down = code;
	f->t.sink.down(f->t.sink.arg, peer, code);
}

/* Whom we had asked for will never be reached; later ones are told when they are asked for. */
static void fail(struct fab *f, const char *at, int rc)
{
	dvmi_log(f->cfg.log, "net", LOG_ERR, "no messages between nodes: %s: %s", at,
		 dvm_strerror(rc));
	set_state(f, FAILED);
	for (uint32_t i = 0; i < f->cfg.size; i++)
		if (f->peers[i].asked)
			peer_down(f, i, -DVM_EPEERLOST);
}

static void start_loading(struct fab *f)
{
	if (state_of(f) != UNUSED)
		return;
	f->loaded_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	set_state(f, LOADING);
	int rc = f->loaded_fd < 0 ? -errno : start_thread(f);
	if (rc < 0)
		fail(f, "starting a thread", rc);
}

static void push(struct slots *q, struct slot *s)
{
	s->next = NULL;
	*q->tail = s;
	q->tail = &s->next;
}

static struct slot *pop(struct slots *q)
{
	struct slot *s = q->head;

	if (s) {
		q->head = s->next;
		if (!q->head)
			q->tail = &q->head;
	}
	return s;
}

static int make_slots(struct fab *f)
{
	size_t each = (HDR + PACKET_MAX + 63) / 64 * 64;

	f->memory = malloc(2 * SLOTS * each);
	if (!f->memory)
		return -ENOMEM;
	for (size_t i = 0; i < 2 * SLOTS; i++) {
		struct slot *s = &f->slots[i];
		s->f = f;
		s->buf = f->memory + i * each;
		s->tx = i < SLOTS;
		if (s->tx) {
			s->next = f->free_tx;
			f->free_tx = s;
		} else {
			push(&f->repost, s);
		}
	}
	return 0;
}

static void post_receives(struct fab *f)
{
	while (f->repost.head) {
		struct slot *s = f->repost.head;
		if (fi_recv(f->ep.ep, s->buf, HDR + PACKET_MAX, NULL, FI_ADDR_UNSPEC, s) < 0)
			return;
		pop(&f->repost);
	}
}

static void learn(struct fab *f, uint32_t peer, const void *addr)
{
	struct fpeer *p = &f->peers[peer];

	p->known = fi_av_insert(f->ep.av, addr, 1, &p->addr, 0, NULL) == 1;
	if (!p->known)
		peer_down(f, peer, -DVM_EPROTO);
}

/* Addresses that came while the endpoint was not there. */
static void learn_early_ones(struct fab *f)
{
	for (uint32_t i = 0; i < f->cfg.size; i++) {
		uint8_t *name = f->peers[i].name;
		if (!name)
			continue;
		f->peers[i].name = NULL;
		learn(f, i, name);
		free(name);
	}
}

/* The loader is done: from here on the endpoint is ours. */
static int take_over(struct fab *f)
{
	pthread_join(f->loader, NULL);
	int rc = f->load_rc;
	if (rc < 0) {
		fail(f, f->ep.failed, rc);
		return rc;
	}
	rc = make_slots(f);
	if (rc < 0) {
		fail(f, "buffers", rc);
		return rc;
	}
	set_state(f, READY);
	dvmi_log(f->cfg.log, "net", LOG_INFO, "provider %s", f->ep.info->fabric_attr->prov_name);
	post_receives(f);
	learn_early_ones(f);
	return f->cfg.publish(f->cfg.arg, f->ep.addr, f->ep.addr_len);
}

void dvmi_fab_wanted(struct dvmi_tport *t)
{
	struct fab *f = fab_of(t);

	if (state_of(f) == READY)
		f->cfg.publish(f->cfg.arg, f->ep.addr, f->ep.addr_len);
	else
		start_loading(f);
}

bool dvmi_fab_active(const struct dvmi_tport *t)
{
	enum state s = state_of((const struct fab *)t);

	return s == READY || s == LOADED;
}

/* Peers */

static void connection_broken(struct fab *f, uint32_t peer)
{
	struct fpeer *p = &f->peers[peer];

	if (p->broken || p->down)
		return;
	p->broken = dvmi_clock_mono();
	f->nbroken++;
}

static void judge_broken(struct fab *f)
{
	uint64_t now = dvmi_clock_mono();

	for (uint32_t i = 0; i < f->cfg.size; i++) {
		struct fpeer *p = &f->peers[i];
		if (!p->broken || p->down || now - p->broken < VERDICT_MAX)
			continue;
		f->nbroken--;
		peer_down(f, i, p->bye_got ? -DVM_ECLOSED : -DVM_EPEERLOST);
	}
}

void dvmi_fab_address(struct dvmi_tport *t, uint32_t peer, int code, const void *addr, size_t len)
{
	struct fab *f = fab_of(t);
	struct fpeer *p = &f->peers[peer];

	if (!p->asked || p->known || p->name)
		return;
	if (code < 0 || len == 0 || len > DVMI_FAB_ADDR_MAX) {
		peer_down(f, peer, code < 0 ? code : -DVM_EPROTO);
		return;
	}
	/* The provider reads as much as an address of its kind has, whatever LEN says. */
	p->name = calloc(1, DVMI_FAB_ADDR_MAX);
	if (!p->name)
		peer_down(f, peer, -ENOMEM);
	else
		memcpy(p->name, addr, len);
	if (state_of(f) == READY)
		learn_early_ones(f);
}

static void ask_for(struct fab *f, uint32_t peer)
{
	if (f->peers[peer].asked)
		return;
	f->peers[peer].asked = true;
	f->cfg.lookup(f->cfg.arg, peer);
}

void dvmi_fab_likely(struct dvmi_tport *t, uint32_t peer)
{
	struct fab *f = fab_of(t);

	ask_for(f, peer);
	start_loading(f);
	if (state_of(f) == FAILED)
		peer_down(f, peer, -DVM_EPEERLOST);
}

/* 0 when PEER can be sent to, else what send returns. */
static int prepare(struct fab *f, uint32_t peer)
{
	struct fpeer *p = &f->peers[peer];

	if (p->down)
		return p->down;
	/* Asked before the endpoint is there, so that the peer makes its own meanwhile. */
	ask_for(f, peer);
	if (state_of(f) != READY) {
		start_loading(f);
		return p->down ? p->down : -EAGAIN;
	}
	return !p->known || p->broken || p->tx_seq - p->tx_acked >= WINDOW ? -EAGAIN : 0;
}

/* Sending */

static void free_tx(struct fab *f, struct slot *s)
{
	s->next = f->free_tx;
	f->free_tx = s;
	f->ntx--;
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
		connection_broken(f, peer);
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

static int fab_send(struct dvmi_tport *t, uint32_t peer, const struct dvmi_pkt *pkt,
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
	ask_for(f, peer);
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

static void pay_all(struct fab *f)
{
	for (uint32_t i = 0; i < f->cfg.size && f->nowe; i++)
		pay(f, i);
}

/* Receiving */

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
		peer_down(f, at.peer, rc);
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

static void offer_held(struct fab *f)
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
	connection_broken(f, s->peer);
	free_tx(f, s);
}

static int read_events(struct fab *f)
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
			free_tx(f, s);
		else
			on_received(f, s, e[i].len);
	}
	return n > 0 ? (int)n : 0;
}

static int fab_progress(struct dvmi_tport *t)
{
	struct fab *f = fab_of(t);
	int n = 0, got;

	if (state_of(f) == LOADED) {
		take_over(f);
		n++;
	}
	if (state_of(f) != READY)
		return n;
	f->blocked = false;
	for (int i = 0; i < 4 && (got = read_events(f)) > 0; i++)
		n += got;
	if (f->held.head)
		offer_held(f);
	if (f->repost.head)
		post_receives(f);
	if (f->nowe)
		pay_all(f);
	if (f->nbroken)
		judge_broken(f);
	return n;
}

static bool holds_from(const struct fab *f, uint32_t peer)
{
	struct dvmi_wire_place at;
	struct dvmi_pkt pkt;

	for (const struct slot *s = f->held.head; s; s = s->next)
		if (dvmi_wire_decode(&f->end, s->buf, s->len, &pkt, &at) == 0 && at.peer == peer)
			return true;
	return false;
}

static int fab_drain(struct dvmi_tport *t, uint32_t peer, bool dead)
{
	struct fab *f = fab_of(t);
	struct fpeer *p = &f->peers[peer];
	uint64_t now = dvmi_clock_mono();

	if (state_of(f) != READY && state_of(f) != LOADED)
		return 0;
	while (fab_progress(t) > 0)
		;
	if (!p->drain)
		p->drain = now;
	if (holds_from(f, peer))
		return -EAGAIN;
	if (!dead && !p->bye_got && now - p->drain < LAST_WORDS)
		return -EAGAIN;
	if (p->broken && !p->down)
		f->nbroken--;
	/* The owner says what it is; no verdict of ours is needed. */
	p->down = dead ? -DVM_EPEERLOST : -DVM_ECLOSED;
	return 0;
}

/* The descriptor that tells of events, -EAGAIN when there are some, -ENOTSUP without one. */
static int event_fd(struct fab *f)
{
	struct fid *fids[1] = { &f->ep.cq->fid };

	if (f->blocked)
		return -EAGAIN;
	/* Timers of ours and packets that wait for the sink wake nobody. */
	if (f->ep.wait_fd < 0 || f->nbroken || f->held.head)
		return -ENOTSUP;
	return fi_trywait(f->ep.fabric, fids, 1) == 0 ? f->ep.wait_fd : -EAGAIN;
}

static int fab_arm(struct dvmi_tport *t, struct pollfd *fds, int n)
{
	struct fab *f = fab_of(t);
	int fd;

	switch (state_of(f)) {
	case LOADED:
		return -EAGAIN;
	case LOADING:
		fd = f->loaded_fd;
		break;
	case READY:
		fd = event_fd(f);
		break;
	default:
		return 0;
	}
	if (fd < 0 || n < 1)
		return fd < 0 ? fd : -ENOTSUP;
	fds[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
	return 1;
}

static void fab_disarm(struct dvmi_tport *t)
{
}

/* Leaving */

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

static bool farewells_pending(struct fab *f)
{
	bool pending = f->ntx || f->nowe;

	for (uint32_t i = 0; i < f->cfg.size; i++)
		pending |= farewell_pending(f, i);
	return pending;
}

static int fab_flush(struct dvmi_tport *t)
{
	struct fab *f = fab_of(t);
	uint64_t now = dvmi_clock_mono();

	if (state_of(f) != READY)
		return 0;
	if (!f->leaving)
		f->leaving = now;
	return farewells_pending(f) && now - f->leaving < BYE_MAX ? -EAGAIN : 0;
}

static void fab_destroy(struct dvmi_tport *t)
{
	struct fab *f = fab_of(t);
	enum state s = state_of(f);

	if (s == LOADING || s == LOADED)
		pthread_join(f->loader, NULL);
	if (s != UNUSED)
		dvmi_fab_ep_close(&f->ep);
	if (f->dropped)
		dvmi_log(f->cfg.log, "net", LOG_WARNING, "%llu foreign packets were dropped",
			 (unsigned long long)f->dropped);
	if (f->loaded_fd >= 0)
		close(f->loaded_fd);
	for (uint32_t i = 0; i < f->cfg.size; i++)
		free(f->peers[i].name);
	free(f->memory);
	free(f->peers);
	free(f);
}

static const struct dvmi_tport_ops fab_ops = {
	.size = sizeof fab_ops,
	.name = "fab",
	.send = fab_send,
	.progress = fab_progress,
	.drain = fab_drain,
	.arm = fab_arm,
	.disarm = fab_disarm,
	.flush = fab_flush,
	.destroy = fab_destroy,
};

int dvmi_fab_create(struct dvmi_tport **out, const struct dvmi_fab_config *cfg)
{
	struct fab *f = calloc(1, sizeof *f);

	if (!f)
		return -ENOMEM;
	f->peers = calloc(cfg->size, sizeof *f->peers);
	if (!f->peers) {
		free(f);
		return -ENOMEM;
	}
	f->t = (struct dvmi_tport){
		.ops = &fab_ops,
		.packet_max = PACKET_MAX,
		.eager_max = EAGER_MAX,
		.chunk = PACKET_MAX,
		.sink = cfg->sink,
	};
	f->cfg = *cfg;
	f->end = (struct dvmi_wire_end){
		.key = cfg->key, .self = cfg->self, .size = cfg->size, .len_max = PACKET_MAX
	};
	f->loaded_fd = -1;
	f->held.tail = &f->held.head;
	f->repost.tail = &f->repost.head;
	*out = &f->t;
	return 0;
}
