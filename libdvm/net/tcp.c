/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transport's face. Looking for something to do costs a system call, so progress looks where
 * it has found something last, and asks the kernel about all the others only now and then.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "libdvm/net/tcp_private.h"

#define EVENTS	   32
#define ALL_EVERY  4		  /* looks at the last busy connection for one at all of them */
#define ONE_EVERY  32		  /* the same when there is one connection only */
#define HOT_IDLE   64		  /* rounds after which none is busy any more */
#define LAST_WORDS (1 * DVMI_SEC) /* for packets of a peer that has closed */
#define LEAVE_MAX  (1 * DVMI_SEC) /* for what we had sent to be taken */

static int take_events(struct tcp *t)
{
	struct epoll_event ev[EVENTS];
	int n = epoll_wait(t->epoll, ev, EVENTS, 0);

	for (int i = 0; i < n; i++)
		dvmi_tcp_on_event(t, ev[i].data.u64, ev[i].events);
	return n > 0 ? n : 0;
}

static int look(struct tcp *t)
{
	if (!t->hot)
		return take_events(t);
	int n = dvmi_tcp_read(t, t->hot);
	/* However much the busy one brings, the others have their turn. */
	bool turn = ++t->looks % (t->nlinks > 1 || t->nstrangers ? ALL_EVERY : ONE_EVERY) == 0;
	/* Nor does who was woken go back to sleep before it knows by whom. */
	if (turn || (t->roused && n == 0))
		n += take_events(t);
	t->roused = false;
	if (t->idle > HOT_IDLE)
		t->hot = NULL;
	return n;
}

static int tcp_progress(struct dvmi_tport *tport)
{
	struct tcp *t = tcp_of(tport);
	int n = 0;

	if (t->epoll < 0)
		return 0;
	t->round++;
	if (atomic_load_explicit(&t->nqueued, memory_order_relaxed))
		n += dvmi_tcp_flush(t);
	if (t->nstuck)
		n += dvmi_tcp_retry(t);
	n += look(t);
	if (t->nbroken)
		dvmi_tcp_judge(t);
	t->idle = n ? 0 : t->idle + 1;
	return n;
}

/* All that is here of P goes to the sink. False when the sink cannot take it. */
static bool read_all(struct tcp *t, struct peer *p)
{
	if (p->in.stuck)
		dvmi_tcp_retry(t);
	while (p->link == LINK_UP && dvmi_tcp_read(t, p))
		;
	return !p->in.stuck;
}

static int tcp_drain(struct dvmi_tport *tport, uint32_t peer, bool dead)
{
	struct tcp *t = tcp_of(tport);
	struct peer *p = &t->peers[peer];
	uint64_t now = dvmi_clock_mono();

	if (t->epoll < 0)
		return 0;
	while (tcp_progress(tport) > 0)
		;
	if (!p->drain)
		p->drain = now;
	if (!read_all(t, p))
		return -EAGAIN;
	if (!dead && p->link == LINK_UP && !p->bye_got && now - p->drain < LAST_WORDS)
		return -EAGAIN;
	/* The owner says what it is; no verdict of ours is needed. */
	p->down = dead ? -DVM_EPEERLOST : -DVM_ECLOSED;
	if (p->link != LINK_LOST)
		dvmi_tcp_lose(t, p);
	return 0;
}

/* Before sleeping, the kernel has to be asked to tell of room. */
static void ask_for_room(struct tcp *t)
{
	lock(t);
	for (struct peer *p = t->queue; p; p = p->next_queued)
		dvmi_tcp_want_room(t, p, true);
	unlock(t);
}

static int tcp_arm(struct dvmi_tport *tport, struct pollfd *fds, int n)
{
	struct tcp *t = tcp_of(tport);

	if (t->epoll < 0)
		return 0;
	t->armed = true;
	if (atomic_load_explicit(&t->nqueued, memory_order_relaxed)) {
		dvmi_tcp_flush(t);
		ask_for_room(t);
	}
	/* Timers of ours and packets that wait for the sink wake nobody. */
	if (t->nbroken || t->nstuck || n < 1)
		return -ENOTSUP;
	fds[0] = (struct pollfd){ .fd = t->epoll, .events = POLLIN };
	return 1;
}

static void tcp_disarm(struct dvmi_tport *tport)
{
	struct tcp *t = tcp_of(tport);

	t->armed = false;
	t->roused = true;
}

/* Says goodbye where it is due. True while something that was sent is not with the peer. */
static bool takes_leave(struct tcp *t, struct peer *p)
{
	struct dvmi_pkt bye = { .kind = DVMI_PKT_BYE };
	int left = 0;

	if (p->link != LINK_UP || p->down)
		return false;
	if (!p->bye_sent)
		p->bye_sent = dvmi_tcp_send(&t->t, p->rank, &bye, NULL) == 0;
	lock(t);
	bool deaf = p->deaf, unsent = p->queued;
	unlock(t);
	return !deaf && (!p->bye_sent || unsent || (ioctl(p->fd, SIOCOUTQ, &left) == 0 && left));
}

static int tcp_flush(struct dvmi_tport *tport)
{
	struct tcp *t = tcp_of(tport);
	uint64_t now = dvmi_clock_mono();
	bool pending = false;

	if (t->epoll < 0)
		return 0;
	if (!t->leaving)
		t->leaving = now;
	for (uint32_t i = 0; i < t->cfg.size; i++)
		pending |= takes_leave(t, &t->peers[i]);
	dvmi_tcp_flush(t);
	return pending && now - t->leaving < LEAVE_MAX ? -EAGAIN : 0;
}

static void tcp_destroy(struct dvmi_tport *tport)
{
	struct tcp *t = tcp_of(tport);

	dvmi_tcp_flusher_stop(t);
	dvmi_tcp_close_all(t);
	if (t->dropped)
		dvmi_log(t->cfg.log, "net", LOG_WARNING, "%llu foreign connections were refused",
			 (unsigned long long)t->dropped);
	free(t->peers);
	free(t);
}

/* ---- addresses ---- */

/*
 * Without a socket of ours: whom we had asked for will never be reached; later ones are told when
 * they are asked for. If others want us, they wait for an address that will not come, and maybe we
 * for them without having named them: then everything ends here, so that they hear of our end.
 */
static void give_up(struct tcp *t)
{
	for (uint32_t i = 0; i < t->cfg.size; i++)
		if (i != t->cfg.self && (t->peers[i].asked || t->wanted))
			dvmi_tcp_peer_down(t, &t->peers[i], -DVM_EPEERLOST);
}

static void tcp_likely(struct dvmi_tport *tport, uint32_t peer)
{
	struct tcp *t = tcp_of(tport);
	struct peer *p = &t->peers[peer];

	if (p->asked)
		return;
	p->asked = true;
	if (dvmi_tcp_start(t) < 0)
		give_up(t);
	else
		t->cfg.lookup(t->cfg.arg, peer);
}

static void tcp_wanted(struct dvmi_tport *tport)
{
	struct tcp *t = tcp_of(tport);
	struct tcp_addr self;

	t->wanted = true;
	if (dvmi_tcp_start(t) < 0) {
		give_up(t);
		return;
	}
	dvmi_tcp_self(t, &self);
	t->cfg.publish(t->cfg.arg, &self, sizeof self);
}

static void tcp_address(struct dvmi_tport *tport, uint32_t peer, int code, const void *addr,
			size_t len)
{
	struct tcp *t = tcp_of(tport);
	struct peer *p = &t->peers[peer];

	if (!p->asked || p->known)
		return;
	int rc = code < 0 ? code : dvmi_tcp_addr_get(&p->addr, addr, len);
	/* Who is there already needs no address. */
	if (rc == 0)
		p->known = true;
	else if (p->link == LINK_NONE)
		dvmi_tcp_peer_down(t, p, rc);
}

static bool tcp_active(const struct dvmi_tport *tport)
{
	return ((const struct tcp *)tport)->epoll >= 0;
}

static const struct dvmi_remote_ops tcp_ops = {
	.tport = {
		.size = sizeof tcp_ops.tport,
		.name = "tcp",
		.send = dvmi_tcp_send,
		.progress = tcp_progress,
		.drain = tcp_drain,
		.arm = tcp_arm,
		.disarm = tcp_disarm,
		.flush = tcp_flush,
		.destroy = tcp_destroy,
	},
	.likely = tcp_likely,
	.wanted = tcp_wanted,
	.address = tcp_address,
	.active = tcp_active,
};

/* ---- */

static int on_packet(void *arg, uint32_t src, const struct dvmi_pkt *pkt, const void *payload)
{
	struct tcp *t = arg;
	struct peer *p = &t->peers[src];

	if (p->down)
		return 0;
	if (pkt->kind == DVMI_PKT_BYE) {
		p->bye_got = true;
		return 0;
	}
	return t->t.sink.packet(t->t.sink.arg, src, pkt, payload);
}

static void *place(void *arg, uint32_t src, const struct dvmi_pkt *pkt, size_t *n)
{
	struct tcp *t = arg;

	if (t->peers[src].down || !t->t.sink.place)
		return NULL;
	return t->t.sink.place(t->t.sink.arg, src, pkt, n);
}

static void set_up(struct tcp *t, const struct dvmi_remote_config *cfg)
{
	t->t = (struct dvmi_tport){
		.ops = &tcp_ops.tport,
		.packet_max = CHUNK,
		.eager_max = EAGER_MAX,
		.chunk = CHUNK,
		.sink = cfg->sink,
	};
	t->cfg = *cfg;
	t->end = (struct dvmi_wire_end){ .key = cfg->key, .self = cfg->self, .size = cfg->size };
	t->limits = (struct dvmi_wire_limits){ .data = CHUNK, .other = CHUNK };
	t->inner = (struct dvmi_sink){ .packet = on_packet, .place = place, .arg = t };
	t->epoll = t->listener = -1;
	for (uint32_t i = 0; i < cfg->size; i++) {
		t->peers[i].fd = -1;
		t->peers[i].rank = i;
	}
}

int dvmi_tcp_create(struct dvmi_tport **out, const struct dvmi_remote_config *cfg)
{
	struct tcp *t = calloc(1, sizeof *t);

	if (!t)
		return -ENOMEM;
	t->peers = calloc(cfg->size, sizeof *t->peers);
	if (!t->peers) {
		free(t);
		return -ENOMEM;
	}
	set_up(t, cfg);
	*out = &t->t;
	return 0;
}
