/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections: made by whoever first has something to send. The caller says hello with the job's
 * key, the called one answers likewise, and only then packets flow. When two call each other at
 * the same time, the call of the lower rank counts: the higher one takes it and drops its own; the
 * lower one, once it has said hello, does not take the other's. A connection that breaks is not
 * a verdict: whether the peer has closed or died is for the shepherd to say, and only when it says
 * nothing we do.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "libdvm/net/tcp_private.h"

#define VERDICT_MAX (5 * DVMI_SEC) /* for the shepherd's word on a broken connection */

enum { EV_PEER, EV_STRANGER, EV_LISTENER };

static uint64_t event(unsigned kind, uint32_t index)
{
	return (uint64_t)index << 2 | kind;
}

static int watch(struct tcp *t, int op, int fd, uint32_t events, uint64_t what)
{
	struct epoll_event ev = { .events = events, .data.u64 = what };

	return epoll_ctl(t->epoll, op, fd, &ev) < 0 ? -errno : 0;
}

void dvmi_tcp_want_room(struct tcp *t, struct peer *p, bool want)
{
	if (p->wants == want || p->fd < 0)
		return;
	p->wants = want;
	watch(t, EPOLL_CTL_MOD, p->fd, want ? EPOLLIN | EPOLLOUT : EPOLLIN,
	      event(EV_PEER, p->rank));
}

void dvmi_tcp_peer_down(struct tcp *t, struct peer *p, int code)
{
	if (p->down)
		return;
	p->down = code;
	t->t.sink.down(t->t.sink.arg, p->rank, code);
}

static void hang_up(struct tcp *t, struct peer *p)
{
	if (p->fd < 0)
		return;
	lock(t);
	dvmi_tcp_forget(t, p);
	close(p->fd);
	p->fd = -1;
	p->wants = false;
	unlock(t);
	t->nlinks--;
	if (t->hot == p)
		t->hot = NULL;
}

/* From now on time runs for the shepherd, or for the connection. */
static void start_clock(struct tcp *t, struct peer *p)
{
	if (p->broken || p->down)
		return;
	p->broken = dvmi_clock_mono();
	t->nbroken++;
}

static void stop_clock(struct tcp *t, struct peer *p)
{
	if (p->broken)
		t->nbroken--;
	p->broken = 0;
}

void dvmi_tcp_lose(struct tcp *t, struct peer *p)
{
	hang_up(t, p);
	p->link = LINK_LOST;
	start_clock(t, p);
}

void dvmi_tcp_judge(struct tcp *t)
{
	uint64_t now = dvmi_clock_mono();

	for (uint32_t i = 0; i < t->cfg.size && t->nbroken; i++) {
		struct peer *p = &t->peers[i];
		if (!p->broken || (!p->down && now - p->broken < VERDICT_MAX))
			continue;
		stop_clock(t, p);
		if (p->link == LINK_AWAIT)
			p->link = LINK_LOST;
		dvmi_tcp_peer_down(t, p, p->bye_got ? -DVM_ECLOSED : -DVM_EPEERLOST);
	}
}

static void link_up(struct tcp *t, struct peer *p)
{
	p->link = LINK_UP;
	stop_clock(t, p);
	p->in = (struct dvmi_unpack){ .src = p->rank, .limits = &t->limits, .sink = &t->inner };
	dvmi_tcp_tune(p->fd);
	/* Touched only as far as it is used. */
	p->out = malloc(OUT_ROOM);
	if (!p->out)
		dvmi_tcp_lose(t, p);
}

static int say_hello(struct tcp *t, int fd, enum dvmi_hello_kind kind, uint32_t to)
{
	struct dvmi_wire_hello h;

	dvmi_wire_put_hello(&h, &t->end, kind, to);
	/* The first bytes of a connection always fit. */
	return send(fd, &h, sizeof h, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof h ? 0 : -EPIPE;
}

/* ---- we call ---- */

void dvmi_tcp_connect(struct tcp *t, struct peer *p)
{
	if (p->link != LINK_NONE)
		return;
	int fd = dvmi_tcp_dial(t, &p->addr);
	int rc = fd < 0 ? fd
			: watch(t, EPOLL_CTL_ADD, fd, EPOLLOUT | EPOLLIN, event(EV_PEER, p->rank));
	if (rc < 0) {
		dvmi_log(t->cfg.log, "net", LOG_WARNING, "cannot connect to rank %u: %s", p->rank,
			 dvm_strerror(rc));
		if (fd >= 0)
			close(fd);
		dvmi_tcp_lose(t, p);
		return;
	}
	p->fd = fd;
	t->nlinks++;
	p->wants = true;
	p->link = LINK_DIAL;
}

static void on_connected(struct tcp *t, struct peer *p)
{
	int err = 0;
	socklen_t len = sizeof err;

	getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err || say_hello(t, p->fd, DVMI_HELLO_CALL, p->rank) < 0) {
		dvmi_log(t->cfg.log, "net", LOG_INFO, "connecting to rank %u: %s", p->rank,
			 strerror(err ? err : EPIPE));
		dvmi_tcp_lose(t, p);
		return;
	}
	p->link = LINK_CALL;
	p->hello_len = 0;
	dvmi_tcp_want_room(t, p, false);
}

/* It does not take our call: because of its own, then that is on its way. */
static void on_refused(struct tcp *t, struct peer *p)
{
	if (p->rank > t->cfg.self) {
		dvmi_tcp_lose(t, p);
		return;
	}
	hang_up(t, p);
	p->link = LINK_AWAIT;
	start_clock(t, p);
}

static void on_answer(struct tcp *t, struct peer *p)
{
	uint32_t src;
	ssize_t n = recv(p->fd, (uint8_t *)&p->hello + p->hello_len, sizeof p->hello - p->hello_len,
			 MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		on_refused(t, p);
		return;
	}
	p->hello_len += (uint32_t)n;
	if (p->hello_len < sizeof p->hello)
		return;
	if (dvmi_wire_get_hello(&t->end, &p->hello, DVMI_HELLO_WELCOME, &src) < 0 || src != p->rank)
		dvmi_tcp_lose(t, p);
	else
		link_up(t, p);
}

/* ---- we are called ---- */

static void dismiss(struct tcp *t, struct stranger *s)
{
	close(s->fd);
	s->fd = -1;
	t->nstrangers--;
}

/* Not when there is a connection, nor when ours counts. */
static bool takes_call(const struct tcp *t, const struct peer *p)
{
	if (p->down)
		return false;
	return p->link == LINK_NONE || p->link == LINK_DIAL || p->link == LINK_AWAIT ||
	       (p->link == LINK_CALL && p->rank < t->cfg.self);
}

static void take_call(struct tcp *t, struct stranger *s, struct peer *p)
{
	hang_up(t, p);
	p->fd = s->fd;
	s->fd = -1;
	t->nstrangers--;
	t->nlinks++;
	if (watch(t, EPOLL_CTL_MOD, p->fd, EPOLLIN, event(EV_PEER, p->rank)) < 0 ||
	    say_hello(t, p->fd, DVMI_HELLO_WELCOME, p->rank) < 0)
		dvmi_tcp_lose(t, p);
	else
		link_up(t, p);
}

static void on_stranger(struct tcp *t, struct stranger *s)
{
	uint32_t src;
	ssize_t n =
		recv(s->fd, (uint8_t *)&s->hello + s->len, sizeof s->hello - s->len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		s->len += (uint32_t)n;
	if (n > 0 && s->len < sizeof s->hello)
		return;
	int rc = n > 0 ? dvmi_wire_get_hello(&t->end, &s->hello, DVMI_HELLO_CALL, &src) : -EPIPE;
	if (rc == 0 && takes_call(t, &t->peers[src])) {
		take_call(t, s, &t->peers[src]);
		return;
	}
	t->dropped += rc < 0 && n > 0;
	dismiss(t, s);
}

/* A free place, or that of whoever has been silent for longest. */
static struct stranger *place_for_stranger(struct tcp *t)
{
	struct stranger *oldest = &t->strangers[0];

	for (int i = 0; i < STRANGERS; i++) {
		struct stranger *s = &t->strangers[i];
		if (s->fd < 0)
			return s;
		if (s->since < oldest->since)
			oldest = s;
	}
	dismiss(t, oldest);
	return oldest;
}

static void on_listener(struct tcp *t)
{
	int fd;

	while ((fd = accept4(t->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct stranger *s = place_for_stranger(t);
		*s = (struct stranger){ .fd = fd, .since = dvmi_clock_mono() };
		t->nstrangers++;
		if (watch(t, EPOLL_CTL_ADD, fd, EPOLLIN,
			  event(EV_STRANGER, (uint32_t)(s - t->strangers))) < 0)
			dismiss(t, s);
	}
}

/* ---- */

static void on_room(struct tcp *t, struct peer *p)
{
	lock(t);
	dvmi_tcp_flush_held(t, UINT64_MAX);
	dvmi_tcp_want_room(t, p, p->queued);
	unlock(t);
}

static void on_peer(struct tcp *t, struct peer *p, uint32_t events)
{
	if (p->fd < 0)
		return;
	switch (p->link) {
	case LINK_DIAL:
		on_connected(t, p);
		break;
	case LINK_CALL:
		on_answer(t, p);
		break;
	case LINK_UP:
		if (events & EPOLLOUT)
			on_room(t, p);
		if (events & ~(uint32_t)EPOLLOUT)
			dvmi_tcp_read(t, p);
		break;
	default:
		break;
	}
}

void dvmi_tcp_on_event(struct tcp *t, uint64_t what, uint32_t events)
{
	uint32_t index = (uint32_t)(what >> 2);

	switch (what & 3) {
	case EV_PEER:
		on_peer(t, &t->peers[index], events);
		break;
	case EV_STRANGER:
		if (t->strangers[index].fd >= 0)
			on_stranger(t, &t->strangers[index]);
		break;
	default:
		on_listener(t);
	}
}

static int open_all(struct tcp *t)
{
	t->in = malloc(IN_ROOM);
	t->strangers = malloc(STRANGERS * sizeof *t->strangers);
	for (int i = 0; t->strangers && i < STRANGERS; i++)
		t->strangers[i].fd = -1;
	if (!t->in || !t->strangers)
		return -ENOMEM;
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (t->epoll < 0)
		return -errno;
	t->listener = dvmi_tcp_listen(t);
	if (t->listener < 0)
		return t->listener;
	return watch(t, EPOLL_CTL_ADD, t->listener, EPOLLIN, event(EV_LISTENER, 0));
}

int dvmi_tcp_start(struct tcp *t)
{
	if (t->failed || t->epoll >= 0)
		return t->failed;
	t->failed = open_all(t);
	if (t->failed)
		dvmi_log(t->cfg.log, "net", LOG_ERR,
			 "no messages between nodes: listening at %s: %s", t->cfg.interface,
			 dvm_strerror(t->failed));
	return t->failed;
}

/* What came and was not read would make the kernel take back what we had sent. */
static void read_away(struct tcp *t, int fd)
{
	for (int i = 0; i < 256 && recv(fd, t->in, IN_ROOM, MSG_DONTWAIT) > 0; i++)
		;
}

void dvmi_tcp_close_all(struct tcp *t)
{
	for (uint32_t i = 0; i < t->cfg.size; i++) {
		struct peer *p = &t->peers[i];
		if (p->fd >= 0 && p->link == LINK_UP)
			read_away(t, p->fd);
		hang_up(t, p);
		dvmi_unpack_fini(&p->in);
		free(p->out);
	}
	for (int i = 0; t->strangers && i < STRANGERS; i++)
		if (t->strangers[i].fd >= 0)
			close(t->strangers[i].fd);
	if (t->listener >= 0)
		close(t->listener);
	if (t->epoll >= 0)
		close(t->epoll);
	free(t->strangers);
	free(t->in);
}
