/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libdvm/net/bell.h"

void dvmi_bell_init(struct dvmi_bell *b, const char *dir, uint32_t self)
{
	*b = (struct dvmi_bell){ .self = self, .fd = -1, .tx = -1 };
	if (strlen(dir) < sizeof b->dir)
		strcpy(b->dir, dir);
}

static int address(const struct dvmi_bell *b, uint32_t rank, struct sockaddr_un *sa)
{
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!b->dir[0])
		return -ENAMETOOLONG;
	int n = snprintf(sa->sun_path, sizeof sa->sun_path, "%s/bell-%u", b->dir, rank);
	return n < (int)sizeof sa->sun_path ? 0 : -ENAMETOOLONG;
}

static int datagram_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

int dvmi_bell_fd(struct dvmi_bell *b)
{
	struct sockaddr_un sa;

	if (b->fd >= 0)
		return b->fd;
	int rc = address(b, b->self, &sa);
	if (rc < 0)
		return rc;
	int fd = datagram_socket();
	if (fd < 0)
		return fd;
	if (bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return b->fd = fd;
}

void dvmi_bell_fini(struct dvmi_bell *b)
{
	struct sockaddr_un sa;

	if (b->fd >= 0) {
		close(b->fd);
		if (address(b, b->self, &sa) == 0)
			unlink(sa.sun_path);
	}
	if (b->tx >= 0)
		close(b->tx);
	b->fd = b->tx = -1;
}

void dvmi_bell_clear(struct dvmi_bell *b)
{
	char c;

	while (b->fd >= 0 && recv(b->fd, &c, 1, 0) >= 0)
		;
}

void dvmi_bell_ring(struct dvmi_bell *b, uint32_t peer)
{
	struct sockaddr_un sa;

	if (b->tx < 0)
		b->tx = datagram_socket();
	if (b->tx >= 0 && address(b, peer, &sa) == 0)
		sendto(b->tx, "", 1, MSG_NOSIGNAL, (struct sockaddr *)&sa, sizeof sa);
}
