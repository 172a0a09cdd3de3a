/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>

#include "daemon/shepherd/jobmap.h"
#include "daemon/shepherd/server.h"
#include "dvm/error.h"
#include "libdvm/base/cleanup.h"

enum {
	BACKLOG = 512,
	SPARE_CONNECTIONS = 32, /* beside one per local rank: not greeted yet, or being refused */
	READ_BATCH = 16,	/* packets of one rank in one turn */
	QUEUE_MAX = 64,		/* packets unsent at which a rank is read no further */
};

#define NOBODY UINT32_MAX

struct packet {
	struct packet *next;
	uint16_t type;
	uint32_t len;
	int fd; /* goes with it, or -1 */
	uint8_t data[];
};

struct conn {
	uv_poll_t poll;
	struct shep_server *s;
	struct conn *prev, *next;
	int fd;
	uint32_t local; /* NOBODY before the hello */
	struct packet *queue;
	unsigned queued;
	bool closing;
};

struct shep_server {
	struct shep_server_config c;
	uv_poll_t poll;
	int fd;
	struct conn *conns;
	unsigned n;
	struct conn **by_local;
	bool destroyed;
	bool listening; /* the handle is open */
};

/* ---- a connection's life ---- */

static void maybe_free(struct shep_server *s)
{
	if (!s->destroyed || s->conns || s->listening)
		return;
	free(s->by_local);
	free(s);
}

static void free_packet(struct packet *p)
{
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

static void on_conn_closed(uv_handle_t *h)
{
	struct conn *c = h->data;
	struct shep_server *s = c->s;
	struct packet *p, *next;

	LL_FOREACH_SAFE(c->queue, p, next)
		free_packet(p);
	close(c->fd);
	DL_DELETE(s->conns, c);
	s->n--;
	free(c);
	maybe_free(s);
}

static void close_conn(struct conn *c)
{
	struct shep_server *s = c->s;

	if (c->closing)
		return;
	c->closing = true;
	uv_close((uv_handle_t *)&c->poll, on_conn_closed);
	if (c->local == NOBODY)
		return;
	s->by_local[c->local] = NULL;
	if (!s->destroyed)
		s->c.ops->lost(c->local, s->c.arg);
}

/* ---- sending ---- */

static int send_now(int fd, const void *data, size_t len, const int *fds, int nfds)
{
	char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, (size_t)nfds * sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int send_packet(struct conn *c, const struct packet *p)
{
	const int fds[] = { c->s->c.mem->map_fd, c->s->c.mem->rings_fd };

	if (p->type == DVMI_RANK_WELCOME)
		return send_now(c->fd, p->data, p->len, fds, 2);
	return send_now(c->fd, p->data, p->len, &p->fd, p->fd >= 0 ? 1 : 0);
}

static void on_conn(uv_poll_t *h, int status, int events);

static void watch(struct conn *c)
{
	int events = 0;

	if (c->queued < QUEUE_MAX)
		events |= UV_READABLE;
	if (c->queue)
		events |= UV_WRITABLE;
	if (!c->closing)
		uv_poll_start(&c->poll, events ? events : UV_DISCONNECT, on_conn);
}

static void drain(struct conn *c)
{
	struct packet *p, *next;
	bool sent = false;
	int rc = 0;

	LL_FOREACH_SAFE(c->queue, p, next) {
		rc = send_packet(c, p);
		if (rc < 0)
			break;
		sent = true;
		LL_DELETE(c->queue, p);
		c->queued--;
		free_packet(p);
	}
	/* After the packet is in the socket: who sees the bell finds it there. */
	if (sent && c->local != NOBODY)
		shep_jobmap_ring(c->s->c.mem->map, c->local);
	if (rc < 0 && rc != -EAGAIN && rc != -EINTR && rc != -ENOBUFS)
		close_conn(c);
}

static bool is_queued(const struct conn *c, uint16_t type)
{
	const struct packet *p;

	LL_FOREACH(c->queue, p)
		if (p->type == type)
			return true;
	return false;
}

static struct packet *make_packet(uint16_t type, const void *body, size_t len)
{
	struct dvmi_rank_hdr hdr = { .version = DVMI_RANK_VERSION,
				     .type = type,
				     .len = (uint32_t)len };
	struct packet *p = calloc(1, sizeof *p + sizeof hdr + len);

	if (!p)
		return NULL;
	p->type = type;
	p->len = (uint32_t)(sizeof hdr + len);
	p->fd = -1;
	memcpy(p->data, &hdr, sizeof hdr);
	if (len)
		memcpy(p->data + sizeof hdr, body, len);
	return p;
}

/* FD, if it is one, is copied. */
static int enqueue_fd(struct conn *c, uint16_t type, const void *body, size_t len, int fd)
{
	if (len > DVMI_RANK_PACKET_MAX - sizeof(struct dvmi_rank_hdr))
		return -EMSGSIZE;
	if (len == 0 && is_queued(c, type))
		return 0;
	struct packet *p = make_packet(type, body, len);
	if (!p)
		return -ENOMEM;
	if (fd >= 0 && (p->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0) {
		int rc = -errno;
		free(p);
		return rc;
	}
	LL_APPEND(c->queue, p);
	c->queued++;
	drain(c);
	watch(c);
	return 0;
}

static int enqueue(struct conn *c, uint16_t type, const void *body, size_t len)
{
	return enqueue_fd(c, type, body, len, -1);
}

static void refuse(struct conn *c, const char *why)
{
	char text[DVMI_RANK_TEXT_MAX];

	snprintf(text, sizeof text, "%s", why);
	enqueue(c, DVMI_RANK_REFUSED, text, strlen(text));
	close_conn(c);
}

/* ---- receiving ---- */

/* Local rank of a rank of this node, or NOBODY. */
static uint32_t local_of(const struct shep_server *s, uint32_t rank)
{
	const struct dvmi_jobmap *map = s->c.mem->map;
	const uint8_t *base = (const uint8_t *)map;

	if (shep_jobmap_node_of(map, rank) != (int64_t)map->node)
		return NOBODY;
	return ((const uint32_t *)(base + map->local_rank_off))[rank];
}

/* Of the process that connected; 0 where the kernel does not tell. */
static uint32_t pid_at(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof cred;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 ? (uint32_t)cred.pid : 0;
}

static void on_hello(struct conn *c, const uint8_t *body, size_t len)
{
	struct shep_server *s = c->s;
	struct dvmi_rank_hello hello;
	struct dvmi_rank_welcome welcome = s->c.welcome;

	if (len != sizeof hello) {
		refuse(c, "malformed hello");
		return;
	}
	memcpy(&hello, body, sizeof hello);
	uint32_t local = local_of(s, hello.rank);
	if (local == NOBODY)
		refuse(c, "not a rank of this node");
	else if (s->by_local[local])
		refuse(c, "this rank is connected already, by another process");
	else if (shep_jobmap_state(s->c.mem->map, hello.rank) != DVMI_RANK_ALIVE)
		refuse(c, "this rank has closed already");
	else {
		c->local = local;
		s->by_local[local] = c;
		welcome.map_bytes = s->c.mem->bytes;
		enqueue(c, DVMI_RANK_WELCOME, &welcome, sizeof welcome);
		if (!c->closing)
			s->c.ops->hello(local, pid_at(c->fd), s->c.arg);
	}
}

static int on_lookup(struct conn *c, const uint8_t *body, size_t len)
{
	struct dvmi_rank_peer peer;

	if (len != sizeof peer)
		return -DVM_EPROTO;
	memcpy(&peer, body, sizeof peer);
	c->s->c.ops->lookup(c->local, peer.job, peer.rank, c->s->c.arg);
	return 0;
}

static int on_abort(struct conn *c, const uint8_t *body, size_t len)
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

static int on_question(struct conn *c, uint16_t type, const uint8_t *body, size_t len, int fd)
{
	if (len < sizeof(struct dvmi_rank_ask))
		return -DVM_EPROTO;
	c->s->c.ops->ask(c->local, type, body, len, fd, c->s->c.arg);
	return 0;
}

static int on_greeted(struct conn *c, uint16_t type, const uint8_t *body, size_t len, int fd)
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

static void on_packet(struct conn *c, const uint8_t *p, size_t n, int fd)
{
	struct dvmi_rank_hdr hdr;

	if (n < sizeof hdr) {
		refuse(c, "malformed packet");
		return;
	}
	memcpy(&hdr, p, sizeof hdr);
	if (hdr.version != DVMI_RANK_VERSION)
		refuse(c, "libdvm of another version than this node's dvm");
	else if (hdr.len != n - sizeof hdr)
		refuse(c, "malformed packet");
	else if (c->local != NOBODY) {
		if (on_greeted(c, hdr.type, p + sizeof hdr, hdr.len, fd) < 0)
			refuse(c, "malformed packet");
	} else if (hdr.type == DVMI_RANK_HELLO)
		on_hello(c, p + sizeof hdr, hdr.len);
	else
		refuse(c, "hello expected");
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

/* A batch of packets; true if there may be more. */
static bool receive(struct conn *c)
{
	_Alignas(8) uint8_t buf[DVMI_RANK_PACKET_MAX + 1];

	for (int i = 0; i < READ_BATCH && !c->closing && c->queued < QUEUE_MAX; i++) {
		cleanup_fd int fd = -1;
		ssize_t n = read_packet(c->fd, buf, sizeof buf, &fd);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n <= 0) {
			close_conn(c);
			return false;
		}
		/* One byte more than allowed tells a packet that was cut. */
		on_packet(c, buf, (size_t)n, fd);
	}
	return !c->closing && c->queued < QUEUE_MAX;
}

static void on_conn(uv_poll_t *h, int status, int events)
{
	struct conn *c = h->data;

	if (status < 0 || (events & UV_DISCONNECT)) {
		close_conn(c);
		return;
	}
	if (events & UV_WRITABLE)
		drain(c);
	if (events & UV_READABLE)
		receive(c);
	watch(c);
}

/* ---- listening ---- */

static bool is_allowed(const struct shep_server *s, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof cred;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == s->c.uid;
}

static void add_conn(struct shep_server *s, int fd)
{
	struct conn *c = calloc(1, sizeof *c);

	if (!c || uv_poll_init(s->c.loop, &c->poll, fd) < 0) {
		free(c);
		close(fd);
		return;
	}
	c->poll.data = c;
	c->s = s;
	c->fd = fd;
	c->local = NOBODY;
	DL_APPEND(s->conns, c);
	s->n++;
	if (!is_allowed(s, fd))
		refuse(c, "another user's job");
	else if (s->n > s->c.mem->map->local_size + SPARE_CONNECTIONS)
		refuse(c, "too many connections");
	else
		watch(c);
}

static void on_listen(uv_poll_t *h, int status, int events)
{
	struct shep_server *s = h->data;
	int fd;

	while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		add_conn(s, fd);
}

static int open_socket(struct shep_server *s)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(s->c.path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	strcpy(address.sun_path, s->c.path);
	unlink(s->c.path);
	s->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	mode_t was = umask(0077);
	int rc = bind(s->fd, (struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
	umask(was);
	if (rc == 0 && listen(s->fd, BACKLOG) < 0)
		rc = -errno;
	if (rc < 0)
		close(s->fd);
	return rc;
}

int shep_server_create(struct shep_server **out, const struct shep_server_config *config)
{
	struct shep_server *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	s->c = *config;
	s->by_local = calloc(config->mem->map->local_size + 1, sizeof *s->by_local);
	int rc = s->by_local ? open_socket(s) : -ENOMEM;
	if (rc < 0) {
		free(s->by_local);
		free(s);
		return rc;
	}
	uv_poll_init(config->loop, &s->poll, s->fd);
	s->poll.data = s;
	s->listening = true;
	uv_poll_start(&s->poll, UV_READABLE, on_listen);
	*out = s;
	return 0;
}

static void on_listen_closed(uv_handle_t *h)
{
	struct shep_server *s = h->data;

	close(s->fd);
	s->listening = false;
	maybe_free(s);
}

void shep_server_destroy(struct shep_server *s)
{
	struct conn *c;

	if (!s || s->destroyed)
		return;
	s->destroyed = true;
	unlink(s->c.path);
	uv_close((uv_handle_t *)&s->poll, on_listen_closed);
	DL_FOREACH(s->conns, c)
		close_conn(c);
}

int shep_server_send(struct shep_server *s, uint32_t local, uint16_t type, const void *body,
		     size_t len)
{
	struct conn *c = local < s->c.mem->map->local_size ? s->by_local[local] : NULL;

	return c ? enqueue(c, type, body, len) : -ENOTCONN;
}

int shep_server_send_fd(struct shep_server *s, uint32_t local, uint16_t type, const void *body,
			size_t len, int fd)
{
	struct conn *c = local < s->c.mem->map->local_size ? s->by_local[local] : NULL;

	return c ? enqueue_fd(c, type, body, len, fd) : -ENOTCONN;
}

unsigned shep_server_queued(const struct shep_server *s, uint32_t local)
{
	const struct conn *c = local < s->c.mem->map->local_size ? s->by_local[local] : NULL;

	return c ? c->queued : 0;
}

void shep_server_drain(struct shep_server *s, uint32_t local)
{
	struct conn *c = local < s->c.mem->map->local_size ? s->by_local[local] : NULL;

	/* Bounded by what a socket holds; another process of the rank may still be sending. */
	for (int i = 0; i < QUEUE_MAX && c && s->by_local[local] == c; i++)
		if (!receive(c))
			break;
}

void shep_server_tell_changed(struct shep_server *s)
{
	struct conn *c;

	DL_FOREACH(s->conns, c)
		if (c->local != NOBODY && !c->closing)
			enqueue(c, DVMI_RANK_CHANGED, NULL, 0);
}
