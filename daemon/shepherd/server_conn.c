/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "daemon/shepherd/jobmap.h"
#include "daemon/shepherd/server_private.h"

static void free_packet(struct shep_packet *p)
{
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

static void on_conn_closed(uv_handle_t *h)
{
	struct shep_conn *c = h->data;
	struct shep_server *s = c->s;
	struct shep_packet *p, *next;

	LL_FOREACH_SAFE(c->queue, p, next)
		free_packet(p);
	close(c->fd);
	DL_DELETE(s->conns, c);
	s->n--;
	free(c);
	shep_server_maybe_free(s);
}

void shep_conn_close(struct shep_conn *c)
{
	struct shep_server *s = c->s;

	if (c->closing)
		return;
	c->closing = true;
	uv_close((uv_handle_t *)&c->poll, on_conn_closed);
	if (c->local == SHEP_NOBODY)
		return;
	s->by_local[c->local] = NULL;
	if (!s->destroyed)
		s->c.ops->lost(c->local, s->c.arg);
}

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

static int send_packet(struct shep_conn *c, const struct shep_packet *p)
{
	const int fds[] = { c->s->c.mem->map_fd, c->s->c.mem->rings_fd };

	if (p->type == DVMI_RANK_WELCOME)
		return send_now(c->fd, p->data, p->len, fds, 2);
	return send_now(c->fd, p->data, p->len, &p->fd, p->fd >= 0 ? 1 : 0);
}

void shep_conn_drain(struct shep_conn *c)
{
	struct shep_packet *p, *next;
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
	if (sent && c->local != SHEP_NOBODY)
		shep_jobmap_ring(c->s->c.mem->map, c->local);
	if (rc < 0 && rc != -EAGAIN && rc != -EINTR && rc != -ENOBUFS)
		shep_conn_close(c);
}

static bool is_queued(const struct shep_conn *c, uint16_t type)
{
	const struct shep_packet *p;

	LL_FOREACH(c->queue, p)
		if (p->type == type)
			return true;
	return false;
}

static struct shep_packet *make_packet(uint16_t type, const void *body, size_t len)
{
	struct dvmi_rank_hdr hdr = { .version = DVMI_RANK_VERSION,
				     .type = type,
				     .len = (uint32_t)len };
	struct shep_packet *p = calloc(1, sizeof *p + sizeof hdr + len);

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

int shep_conn_send_fd(struct shep_conn *c, uint16_t type, const void *body, size_t len, int fd)
{
	if (len > DVMI_RANK_PACKET_MAX - sizeof(struct dvmi_rank_hdr))
		return -EMSGSIZE;
	if (len == 0 && is_queued(c, type))
		return 0;
	struct shep_packet *p = make_packet(type, body, len);
	if (!p)
		return -ENOMEM;
	if (fd >= 0 && (p->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0) {
		int rc = -errno;
		free(p);
		return rc;
	}
	LL_APPEND(c->queue, p);
	c->queued++;
	shep_conn_drain(c);
	shep_conn_watch(c);
	return 0;
}

int shep_conn_send(struct shep_conn *c, uint16_t type, const void *body, size_t len)
{
	return shep_conn_send_fd(c, type, body, len, -1);
}

void shep_conn_refuse(struct shep_conn *c, const char *why)
{
	char text[DVMI_RANK_TEXT_MAX];

	snprintf(text, sizeof text, "%s", why);
	shep_conn_send(c, DVMI_RANK_REFUSED, text, strlen(text));
	shep_conn_close(c);
}
