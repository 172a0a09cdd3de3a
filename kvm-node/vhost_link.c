/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/vhost_link.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* As control data, aligned as the kernel wants it. */
union rights {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * VMM_VHOST_REGIONS)];
};

static void attach(struct msghdr *h, union rights *r, const struct vmm_vhost_msg *m)
{
	if (!m->nfds)
		return;
	h->msg_control = r->bytes;
	h->msg_controllen = CMSG_SPACE(sizeof(int) * m->nfds);
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * m->nfds);
	memcpy(CMSG_DATA(c), m->fds, sizeof(int) * m->nfds);
}

int vmm_vhost_send(int fd, const struct vmm_vhost_msg *m)
{
	uint8_t wire[VMM_VHOST_HEADER + VMM_VHOST_BODY];
	struct iovec iov = { wire, VMM_VHOST_HEADER + m->size };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	union rights r = { .bytes = { 0 } };
	ssize_t n;

	vmm_vhost_header(m, wire);
	memcpy(wire + VMM_VHOST_HEADER, m->body, m->size);
	attach(&h, &r, m);
	do
		n = sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == iov.iov_len ? 0 : -EPIPE; /* half a message: the rest cannot follow */
}

int vmm_vhost_receive(int fd, struct vmm_vhost_inbox *in)
{
	ssize_t n;

	if (in->len == sizeof in->data)
		return 0;
	do
		n = recv(fd, in->data + in->len, sizeof in->data - in->len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -EPIPE;
	in->len += (size_t)n;
	return n ? 0 : -EPIPE;
}

int vmm_vhost_call(int fd, struct vmm_vhost_inbox *in, struct vmm_vhost_msg *m, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int rc = vmm_vhost_send(fd, m);

	while (rc == 0 && (rc = vmm_vhost_next(in, m)) == 0) {
		int n = poll(&p, 1, ms);
		if (n == 0)
			return -ETIMEDOUT;
		if (n > 0)
			rc = vmm_vhost_receive(fd, in);
	}
	return rc < 0 ? rc : 0;
}
