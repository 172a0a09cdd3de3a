/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/shepherd/jobmap.h"
#include "daemon/shepherd/server_private.h"
#include "dvm/error.h"
#include "libdvm/base/cleanup.h"

#define READ_BATCH 16 /* packets of one rank in one turn */

/* Local rank of a rank of this node, or SHEP_NOBODY. */
static uint32_t local_of(const struct shep_server *s, uint32_t rank)
{
	const struct dvmi_jobmap *map = s->c.mem->map;
	const uint8_t *base = (const uint8_t *)map;

	if (shep_jobmap_node_of(map, rank) != (int64_t)map->node)
		return SHEP_NOBODY;
	return ((const uint32_t *)(base + map->local_rank_off))[rank];
}

/* Of the process that connected; 0 where the kernel does not tell. */
static uint32_t pid_at(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof cred;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 ? (uint32_t)cred.pid : 0;
}

static void on_hello(struct shep_conn *c, const uint8_t *body, size_t len)
{
	struct shep_server *s = c->s;
	struct dvmi_rank_hello hello;
	struct dvmi_rank_welcome welcome = s->c.welcome;

	if (len != sizeof hello) {
		shep_conn_refuse(c, "malformed hello");
		return;
	}
	memcpy(&hello, body, sizeof hello);
	uint32_t local = local_of(s, hello.rank);
	if (local == SHEP_NOBODY)
		shep_conn_refuse(c, "not a rank of this node");
	else if (s->by_local[local])
		shep_conn_refuse(c, "this rank is connected already, by another process");
	else if (shep_jobmap_state(s->c.mem->map, hello.rank) != DVMI_RANK_ALIVE)
		shep_conn_refuse(c, "this rank has closed already");
	else {
		c->local = local;
		s->by_local[local] = c;
		welcome.map_bytes = s->c.mem->bytes;
		shep_conn_send(c, DVMI_RANK_WELCOME, &welcome, sizeof welcome);
		if (!c->closing)
			s->c.ops->hello(local, pid_at(c->fd), s->c.arg);
	}
}

static int on_lookup(struct shep_conn *c, const uint8_t *body, size_t len)
{
	struct dvmi_rank_peer peer;

	if (len != sizeof peer)
		return -DVM_EPROTO;
	memcpy(&peer, body, sizeof peer);
	c->s->c.ops->lookup(c->local, peer.job, peer.rank, c->s->c.arg);
	return 0;
}

static int on_abort(struct shep_conn *c, const uint8_t *body, size_t len)
{
	struct dvmi_rank_peer peer;
	char text[DVMI_RANK_TEXT_MAX + 1];

	if (len < sizeof peer || len > sizeof peer + DVMI_RANK_TEXT_MAX)
		return -DVM_EPROTO;
	memcpy(&peer, body, sizeof peer);
	size_t n = len - sizeof peer;
	memcpy(text, body + sizeof peer, n);
	text[n] = 0;
	/* It goes into a report and to a terminal. */
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	c->s->c.ops->abort(c->local, peer.code, text, c->s->c.arg);
	return 0;
}

static int on_question(struct shep_conn *c, uint16_t type, const uint8_t *body, size_t len, int fd)
{
	if (len < sizeof(struct dvmi_rank_ask))
		return -DVM_EPROTO;
	c->s->c.ops->ask(c->local, type, body, len, fd, c->s->c.arg);
	return 0;
}

static int on_greeted(struct shep_conn *c, uint16_t type, const uint8_t *body, size_t len, int fd)
{
	const struct shep_server *s = c->s;

	switch (type) {
	case DVMI_RANK_PUBLISH:
		if (len == 0 || len > DVMI_RANK_ADDR_MAX)
			return -DVM_EPROTO;
		s->c.ops->publish(c->local, body, len, s->c.arg);
		return 0;
	case DVMI_RANK_LOOKUP:
		return on_lookup(c, body, len);
	case DVMI_RANK_GOODBYE:
		if (len)
			return -DVM_EPROTO;
		s->c.ops->goodbye(c->local, s->c.arg);
		return 0;
	case DVMI_RANK_ABORT:
		return on_abort(c, body, len);
	case DVMI_RANK_LINK ... DVMI_RANK_HOST_DROP:
	case DVMI_RANK_UFFD:
	case DVMI_RANK_ROOM:
		return on_question(c, type, body, len, fd);
	default:
		return -DVM_EPROTO;
	}
}

static void on_packet(struct shep_conn *c, const uint8_t *p, size_t n, int fd)
{
	struct dvmi_rank_hdr hdr;

	if (n < sizeof hdr) {
		shep_conn_refuse(c, "malformed packet");
		return;
	}
	memcpy(&hdr, p, sizeof hdr);
	if (hdr.version != DVMI_RANK_VERSION)
		shep_conn_refuse(c, "libdvm of another version than this node's dvm");
	else if (hdr.len != n - sizeof hdr)
		shep_conn_refuse(c, "malformed packet");
	else if (c->local != SHEP_NOBODY) {
		if (on_greeted(c, hdr.type, p + sizeof hdr, hdr.len, fd) < 0)
			shep_conn_refuse(c, "malformed packet");
	} else if (hdr.type == DVMI_RANK_HELLO)
		on_hello(c, p + sizeof hdr, hdr.len);
	else
		shep_conn_refuse(c, "hello expected");
}

/* The first descriptor that came with a packet, or -1; a rank has no reason to pass more. */
static int take_fd_of(struct msghdr *m)
{
	int first = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (first < 0)
				first = fd;
			else
				close(fd);
		}
	}
	return first;
}

static ssize_t read_packet(int sock, void *buf, size_t size, int *fd)
{
	union {
		char buf[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { buf, size };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof control.buf };
	ssize_t n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*fd = n < 0 ? -1 : take_fd_of(&m);
	return n;
}

bool shep_conn_receive(struct shep_conn *c)
{
	_Alignas(8) uint8_t buf[DVMI_RANK_PACKET_MAX + 1];

	for (int i = 0; i < READ_BATCH && !c->closing && c->queued < SHEP_QUEUE_MAX; i++) {
		cleanup_fd int fd = -1;
		ssize_t n = read_packet(c->fd, buf, sizeof buf, &fd);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n <= 0) {
			shep_conn_close(c);
			return false;
		}
		/* One byte more than allowed tells a packet that was cut. */
		on_packet(c, buf, (size_t)n, fd);
	}
	return !c->closing && c->queued < SHEP_QUEUE_MAX;
}

static void on_conn(uv_poll_t *h, int status, int events);

void shep_conn_watch(struct shep_conn *c)
{
	int events = 0;

	if (c->queued < SHEP_QUEUE_MAX)
		events |= UV_READABLE;
	if (c->queue)
		events |= UV_WRITABLE;
	if (!c->closing)
		uv_poll_start(&c->poll, events ? events : UV_DISCONNECT, on_conn);
}

static void on_conn(uv_poll_t *h, int status, int events)
{
	struct shep_conn *c = h->data;

	if (status < 0 || (events & UV_DISCONNECT)) {
		shep_conn_close(c);
		return;
	}
	if (events & UV_WRITABLE)
		shep_conn_drain(c);
	if (events & UV_READABLE)
		shep_conn_receive(c);
	shep_conn_watch(c);
}
