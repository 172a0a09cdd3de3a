/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>

#include "daemon/shepherd/server_private.h"

enum {
	BACKLOG = 512,
	SPARE_CONNECTIONS = 32, /* beside one per local rank: not greeted yet, or being refused */
};

void shep_server_maybe_free(struct shep_server *s)
{
	if (!s->destroyed || s->conns || s->listening)
		return;
	free(s->by_local);
	free(s);
}

static bool is_allowed(const struct shep_server *s, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof cred;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == s->c.uid;
}

static void add_conn(struct shep_server *s, int fd)
{
	struct shep_conn *c = calloc(1, sizeof *c);

	if (!c || uv_poll_init(s->c.loop, &c->poll, fd) < 0) {
		free(c);
		close(fd);
		return;
	}
	c->poll.data = c;
	c->s = s;
	c->fd = fd;
	c->local = SHEP_NOBODY;
	DL_APPEND(s->conns, c);
	s->n++;
	if (!is_allowed(s, fd))
		shep_conn_refuse(c, "another user's job");
	else if (s->n > s->c.mem->map->local_size + SPARE_CONNECTIONS)
		shep_conn_refuse(c, "too many connections");
	else
		shep_conn_watch(c);
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
	shep_server_maybe_free(s);
}

void shep_server_destroy(struct shep_server *s)
{
	struct shep_conn *c;

	if (!s || s->destroyed)
		return;
	s->destroyed = true;
	unlink(s->c.path);
	uv_close((uv_handle_t *)&s->poll, on_listen_closed);
	DL_FOREACH(s->conns, c)
		shep_conn_close(c);
}

int shep_server_send(struct shep_server *s, uint32_t local, uint16_t type, const void *body,
		     size_t len)
{
	struct shep_conn *c = local < s->c.mem->map->local_size ? s->by_local[local] : NULL;

	return c ? shep_conn_send(c, type, body, len) : -ENOTCONN;
}

int shep_server_send_fd(struct shep_server *s, uint32_t local, uint16_t type, const void *body,
			size_t len, int fd)
{
	struct shep_conn *c = local < s->c.mem->map->local_size ? s->by_local[local] : NULL;

	return c ? shep_conn_send_fd(c, type, body, len, fd) : -ENOTCONN;
}

unsigned shep_server_queued(const struct shep_server *s, uint32_t local)
{
	const struct shep_conn *c = local < s->c.mem->map->local_size ? s->by_local[local] : NULL;

	return c ? c->queued : 0;
}

void shep_server_drain(struct shep_server *s, uint32_t local)
{
	struct shep_conn *c = local < s->c.mem->map->local_size ? s->by_local[local] : NULL;

	/* Bounded by what a socket holds; another process of the rank may still be sending. */
	for (int i = 0; i < SHEP_QUEUE_MAX && c && s->by_local[local] == c; i++)
		if (!shep_conn_receive(c))
			break;
}

void shep_server_tell_changed(struct shep_server *s)
{
	struct shep_conn *c;

	DL_FOREACH(s->conns, c)
		if (c->local != SHEP_NOBODY && !c->closing)
			shep_conn_send(c, DVMI_RANK_CHANGED, NULL, 0);
}
