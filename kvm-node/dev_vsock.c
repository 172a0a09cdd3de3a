/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets between guest and host, as Unix sockets of the host. PATH listens for those who want a
 * port of the guest's: they write "CONNECT <port>\n" and read "OK <port>\n" or the end. A guest
 * that connects to port P of the host (CID 2) reaches whoever listens on PATH_P.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kvm-node/dev_virtio.h"
#include "kvm-node/listener.h"
#include "kvm-node/virtio_vsock.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

enum { LINE = 32 };

struct vsockdev;

/* A socket of the host: about to say which port it wants, or joined to a connection. */
struct stream {
	struct vsockdev *d;
	struct stream *next, **link;
	struct vmm_vsock_conn *c; /* NULL: it has not said yet */
	int fd, events;
	struct vmm_watch *watch;
	char line[LINE];
	size_t line_len;
	bool at_end;	 /* nothing more comes from it */
	bool end_wanted; /* the guest sends no more: say so when all has been written */
	size_t at, len;	 /* of what waits to be written */
	uint8_t out[VMM_VSOCK_BUF];
};

struct vsockdev {
	struct vmm_vdevice base;
	struct vmm_vsock s;
	int listener;
	struct vmm_watch *watch;
	struct stream *streams;
	struct sockaddr_un a;
};

static void want(struct stream *st, int events)
{
	if (events != st->events)
		vmm_watch_set(st->watch, events);
	st->events = events;
}

static void free_stream(struct stream *st)
{
	*st->link = st->next;
	if (st->next)
		st->next->link = st->link;
	vmm_watch_close(st->watch);
	close(st->fd);
	free(st);
}

/* The host's side is over: so is the connection. */
static void drop(struct stream *st)
{
	if (st->c)
		vmm_vsock_close(&st->d->s, st->c);
	free_stream(st);
}

/* ---- from the host ---- */

/* False: ST is gone. */
static bool read_line(struct stream *st)
{
	unsigned port;
	int end = 0;
	ssize_t n = recv(st->fd, st->line + st->line_len, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0 || st->line_len + 2 == LINE) {
		drop(st);
		return false;
	}
	if (st->line[st->line_len++] != '\n')
		return true;
	st->line[st->line_len] = 0;
	if (sscanf(st->line, "CONNECT %10u%n", &port, &end) == 1 && st->line[end] == '\n')
		st->c = vmm_vsock_ask(&st->d->s, port, st);
	if (!st->c) {
		drop(st);
		return false;
	}
	want(st, 0); /* until the guest has answered */
	return true;
}

/* False: ST is gone. */
static bool read_data(struct stream *st)
{
	uint8_t piece[VMM_VSOCK_PIECE];
	size_t room = vmm_vsock_room(&st->d->s, st->c);

	/* Looked at first, taken when the guest has it: its buffers may be shorter. */
	ssize_t n = room ? recv(st->fd, piece, room, MSG_PEEK | MSG_DONTWAIT) : -1;
	if (!room || (n < 0 && (errno == EAGAIN || errno == EINTR))) {
		if (!room)
			want(st, st->events & ~UV_READABLE);
		return true;
	}
	if (n < 0) {
		drop(st);
		return false;
	}
	if (n == 0) {
		st->at_end = true;
		want(st, st->events & ~UV_READABLE);
		vmm_vsock_end(&st->d->s, st->c);
		return true;
	}
	n = vmm_vsock_send(&st->d->s, st->c, piece, (size_t)n);
	if (n > 0)
		n = recv(st->fd, piece, (size_t)n, MSG_DONTWAIT);
	return true;
}

/* ---- to the host ---- */

/* False: ST is gone. */
static bool write_data(struct stream *st)
{
	ssize_t n = send(st->fd, st->out + st->at, st->len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		drop(st);
		return false;
	}
	if (n > 0) {
		st->at += (size_t)n;
		st->len -= (size_t)n;
	}
	if (!st->len && st->end_wanted)
		shutdown(st->fd, SHUT_WR);
	want(st, st->len ? st->events | UV_WRITABLE : st->events & ~UV_WRITABLE);
	if (n > 0)
		vmm_vsock_consumed(&st->d->s, st->c, (size_t)n); /* may free it: the last thing */
	return n <= 0;
}

static void on_stream(void *arg, int events)
{
	struct stream *st = arg;
	struct vsockdev *d = st->d;
	bool alive = true;

	pthread_mutex_lock(&d->s.v.lock);
	if (!events)
		drop(st);
	else if (!st->c)
		read_line(st);
	else {
		if (events & UV_READABLE)
			alive = read_data(st);
		if (alive && (events & UV_WRITABLE) && st->len)
			write_data(st);
	}
	pthread_mutex_unlock(&d->s.v.lock);
}

/* ---- what the guest does; lock held, on the loop ---- */

static struct stream *new_stream(struct vsockdev *d, int fd, int events)
{
	struct stream *st = calloc(1, sizeof *st);

	if (!st)
		return NULL;
	*st = (struct stream){ .d = d, .fd = fd, .events = events };
	if (vmm_watch_open(&st->watch, d->base.bus->m->loop, fd, events, on_stream, st) < 0) {
		free(st);
		return NULL;
	}
	st->next = d->streams;
	st->link = &d->streams;
	if (st->next)
		st->next->link = &st->next;
	d->streams = st;
	return st;
}

static int connect_host(void *ctx, struct vmm_vsock_conn *c)
{
	struct vsockdev *d = ctx;
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = d->a;
	size_t n = strlen(a.sun_path);

	snprintf(a.sun_path + n, sizeof a.sun_path - n, "_%u", c->host_port);
	/* Unix sockets connect at once, or not at all. */
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
		return -errno;
	struct stream *st = new_stream(d, fd, UV_READABLE);
	if (!st)
		return -ENOMEM;
	take_fd(fd);
	st->c = c;
	c->stream = st;
	vmm_vsock_accept(&d->s, c);
	return 0;
}

static void answered(void *ctx, struct vmm_vsock_conn *c, bool ok)
{
	struct stream *st = c->stream;
	char line[LINE];

	if (!ok) {
		free_stream(st);
		return;
	}
	int n = snprintf(line, sizeof line, "OK %u\n", c->host_port);
	send(st->fd, line, (size_t)n,
	     MSG_DONTWAIT | MSG_NOSIGNAL); /* it is the first: there is room */
	want(st, UV_READABLE);
}

static void data(void *ctx, struct vmm_vsock_conn *c, const void *bytes, size_t len)
{
	struct stream *st = c->stream;

	memmove(st->out, st->out + st->at, st->len);
	st->at = 0;
	memcpy(st->out + st->len, bytes, len); /* no more than the guest has credit for */
	st->len += len;
	want(st, st->events | UV_WRITABLE);
}

static void ended(void *ctx, struct vmm_vsock_conn *c)
{
	struct stream *st = c->stream;

	st->end_wanted = true;
	if (!st->len)
		shutdown(st->fd, SHUT_WR);
}

static void gone(void *ctx, struct vmm_vsock_conn *c)
{
	free_stream(c->stream);
}

static void room(void *ctx)
{
	struct vsockdev *d = ctx;

	for (struct stream *st = d->streams; st; st = st->next)
		if (st->c && st->c->state == VMM_VSOCK_OPEN && !st->at_end)
			want(st, st->events | UV_READABLE);
}

static const struct vmm_vsock_ops vsock_ops = {
	.connect = connect_host,
	.answered = answered,
	.data = data,
	.ended = ended,
	.gone = gone,
	.room = room,
};

/* ---- life ---- */

static void on_listener(void *arg, int events)
{
	struct vsockdev *d = arg;
	int fd = accept4(d->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	pthread_mutex_lock(&d->s.v.lock);
	if (!new_stream(d, fd, UV_READABLE))
		close(fd);
	pthread_mutex_unlock(&d->s.v.lock);
}

static void stat_it(struct vmm_device *base, struct dvmi_buf *out)
{
	const struct vmm_vsock *s = &((struct vsockdev *)base)->s;

	dvmi_buf_printf(out, "\"to_guest_bytes\":%llu,\"from_guest_bytes\":%llu,\"refused\":%llu",
			(unsigned long long)s->rx_bytes, (unsigned long long)s->tx_bytes,
			(unsigned long long)s->refused);
}

static void destroy(struct vmm_device *base)
{
	struct vsockdev *d = (struct vsockdev *)base;

	vmm_vdevice_close(&d->base);
	while (d->streams)
		free_stream(d->streams);
	vmm_watch_close(d->watch);
	if (d->listener >= 0) {
		close(d->listener);
		unlink(d->a.sun_path);
	}
	vmm_vdevice_free(&d->base);
}

static const struct vmm_device_ops ops = VMM_VDEVICE_OPS(stat_it, destroy);

static int listen_at(struct vsockdev *d, const char *path, dvm_error_t *err)
{
	d->a.sun_family = AF_UNIX;
	/* Ports are appended: ten digits and a mark. */
	if (strlen(path) + 12 > sizeof d->a.sun_path)
		return dvmi_error_set(err, -ENAMETOOLONG, "the path of vsock is too long: %s",
				      path);
	strcpy(d->a.sun_path, path);
	int rc = vmm_listener_open(&d->a, err);
	if (rc < 0) {
		dvmi_error_prefix(err, "vsock");
		return rc;
	}
	d->listener = rc;
	return vmm_watch_open(&d->watch, d->base.bus->m->loop, d->listener, UV_READABLE,
			      on_listener, d);
}

int vmm_vsock_create(struct vmm_vbus *bus, struct vmm_device **list, dvm_error_t *err)
{
	const struct vmm_config *config = bus->m->config;
	char path[sizeof((struct sockaddr_un *)0)->sun_path];

	if (!config->vsock_cid)
		return 0;
	struct vsockdev *d = calloc(1, sizeof *d);
	if (!d)
		return dvmi_error_code(err, -ENOMEM, "vsock");
	d->listener = -1;
	vmm_vdevice_list(&d->base, bus, "vsock", 0, &ops, list);
	snprintf(path, sizeof path, "vsock-%u", config->vsock_cid);
	int rc = listen_at(d, config->vsock_path ? config->vsock_path : path, err);
	if (rc < 0)
		return rc;
	vmm_vsock_init(&d->s, &bus->mem, config->vsock_cid, &vsock_ops, d);
	d->base.v = &d->s.v;
	return vmm_vdevice_open(&d->base, &d->s.v, err);
}
