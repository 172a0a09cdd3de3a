/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/src/ctl.h"

static int connect_to(const char *path, dvm_error_t *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof sa.sun_path)
		return dvmi_error_set(err, -EINVAL, "%s is too long", DVMI_ENV_SHEPHERD);
	strcpy(sa.sun_path, path);
	cleanup_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return dvmi_error_code(err, -errno, "cannot make a socket");
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
		return dvmi_error_code(err, -errno, "cannot reach the shepherd at %s", path);
	return take_fd(fd);
}

/* Whoever listens must be the user we run as, or root. */
static int check_peer(int fd, dvm_error_t *err)
{
	struct ucred cred;
	socklen_t len = sizeof cred;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return dvmi_error_code(err, -errno, "cannot tell who the shepherd is");
	if (cred.uid != geteuid() && cred.uid != 0)
		return dvmi_error_set(err, -DVM_EAUTH, "the shepherd runs as another user (%u)",
				      (unsigned)cred.uid);
	return 0;
}

static void attach_fd(struct msghdr *m, void *control, size_t size, const int *fd)
{
	m->msg_control = control;
	m->msg_controllen = size;
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof *fd);
	memcpy(CMSG_DATA(c), fd, sizeof *fd);
}

int dvmi_ctl_send_fd(struct dvmi_ctl *c, uint16_t type, const void *head, size_t head_len,
		     const void *tail, size_t tail_len, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct dvmi_rank_hdr h = { .version = DVMI_RANK_VERSION,
				   .type = type,
				   .len = (uint32_t)(head_len + tail_len) };
	struct iovec iov[3] = {
		{ &h, sizeof h },
		{ (void *)(uintptr_t)head, head_len },
		{ (void *)(uintptr_t)tail, tail_len },
	};
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 3 };

	if (fd > 0)
		attach_fd(&m, control.buf, sizeof control.buf, &fd);
	if (c->fd < 0)
		return -DVM_EPEERLOST;
	while (sendmsg(c->fd, &m, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -DVM_EPEERLOST;
	return 0;
}

int dvmi_ctl_send(struct dvmi_ctl *c, uint16_t type, const void *head, size_t head_len,
		  const void *tail, size_t tail_len)
{
	return dvmi_ctl_send_fd(c, type, head, head_len, tail, tail_len, -1);
}

/* The descriptors a packet brought; those that are too many are closed. Returns how many. */
static int take_fds(struct msghdr *m, int fds[2])
{
	int n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		int got = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (int i = 0; i < got; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + (size_t)i * sizeof fd, sizeof fd);
			if (n < 2)
				fds[n++] = fd;
			else
				close(fd);
		}
	}
	return n;
}

static int check_header(struct dvmi_ctl_packet *p, const struct dvmi_rank_hdr *h, size_t n)
{
	if (n < sizeof *h || h->len != n - sizeof *h)
		return -DVM_EPROTO;
	if (h->version != DVMI_RANK_VERSION)
		return -DVM_EVERSION;
	p->type = h->type;
	p->len = h->len;
	return 1;
}

static int read_packet(int fd, struct dvmi_ctl_packet *p, int fds[2], int *nfds)
{
	struct dvmi_rank_hdr h;
	struct iovec iov[2] = { { &h, sizeof h }, { p->body, sizeof p->body } };
	union {
		char buf[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} ctl;
	struct msghdr m = {
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = ctl.buf,
		.msg_controllen = sizeof ctl.buf,
	};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -DVM_EPEERLOST;
	*nfds = take_fds(&m, fds);
	if (n == 0)
		return -DVM_EPEERLOST;
	return m.msg_flags & MSG_TRUNC ? -DVM_EPROTO : check_header(p, &h, (size_t)n);
}

static void close_fds(const int *fds, int n)
{
	for (int i = 0; i < n; i++)
		close(fds[i]);
}

int dvmi_ctl_read(struct dvmi_ctl *c, struct dvmi_ctl_packet *p)
{
	int fds[2], nfds = 0;

	if (c->fd < 0)
		return -DVM_EPEERLOST;
	int rc = read_packet(c->fd, p, fds, &nfds);
	p->fd = -1;
	if (rc > 0 && nfds == 1)
		p->fd = fds[0];
	else
		close_fds(fds, nfds);
	return rc;
}

static int await_packet(int fd, int timeout_ms, struct dvmi_ctl_packet *p, int fds[2], int *nfds)
{
	uint64_t end = dvmi_clock_mono() + (uint64_t)timeout_ms * DVMI_MSEC;
	int rc;

	while ((rc = read_packet(fd, p, fds, nfds)) == 0) {
		uint64_t now = dvmi_clock_mono();
		if (now >= end)
			return -ETIMEDOUT;
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		poll(&pfd, 1, (int)((end - now) / DVMI_MSEC) + 1);
	}
	return rc;
}

static int understand(const struct dvmi_ctl_packet *p, int nfds, struct dvmi_ctl_welcome *out,
		      dvm_error_t *err)
{
	if (p->type == DVMI_RANK_REFUSED)
		return dvmi_error_set(
			err, -DVM_EAUTH, "the shepherd refused this rank: %.*s",
			(int)(p->len < DVMI_RANK_TEXT_MAX ? p->len : DVMI_RANK_TEXT_MAX),
			(const char *)p->body);
	if (p->type != DVMI_RANK_WELCOME || p->len != sizeof out->w || nfds != 2)
		return dvmi_error_set(err, -DVM_EPROTO, "the shepherd's answer makes no sense");
	memcpy(&out->w, p->body, sizeof out->w);
	return 0;
}

static int greet(struct dvmi_ctl *c, uint32_t rank, int timeout_ms, struct dvmi_ctl_welcome *out,
		 dvm_error_t *err)
{
	struct dvmi_rank_hello hello = { .rank = rank, .pid = (uint32_t)getpid() };
	struct dvmi_ctl_packet p;
	int fds[2], nfds = 0;
	int rc = dvmi_ctl_send(c, DVMI_RANK_HELLO, &hello, sizeof hello, NULL, 0);

	if (rc == 0)
		rc = await_packet(c->fd, timeout_ms, &p, fds, &nfds);
	rc = rc < 0 ? dvmi_error_code(err, rc, "no answer from the shepherd")
		    : understand(&p, nfds, out, err);
	if (rc < 0) {
		close_fds(fds, nfds);
		return rc;
	}
	out->map_fd = fds[0];
	out->rings_fd = fds[1];
	return 0;
}

int dvmi_ctl_open(struct dvmi_ctl *c, const char *path, uint32_t rank, int timeout_ms,
		  struct dvmi_ctl_welcome *out, dvm_error_t *err)
{
	c->fd = connect_to(path, err);
	if (c->fd < 0) {
		int rc = c->fd;
		c->fd = -1;
		return rc;
	}
	int rc = check_peer(c->fd, err);
	if (rc == 0)
		rc = greet(c, rank, timeout_ms, out, err);
	if (rc < 0)
		dvmi_ctl_close(c);
	return rc;
}

void dvmi_ctl_close(struct dvmi_ctl *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}
