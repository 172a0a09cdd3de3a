/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets and their addresses. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "dvm/error.h"
#include "libdvm/net/tcp_private.h"

#define ADDR_MAGIC 0x61637464u /* "dtca" */
#define BACKLOG	   4096

/*
 * Where the round trip is so short that few bytes on the way suffice, no more are let onto it: then
 * they stay in the cache between the one's write and the other's read. Nor does such a way need
 * pacing, which some algorithms do by timers that take longer than the trip. Elsewhere the kernel
 * finds out what is right.
 */
#define FEW_BYTES  (128 * 1024)
#define SHORT_TRIP 100u /* us */
#define NO_PACING  "reno"

static void set_port(struct sockaddr_storage *sa, uint16_t port)
{
	if (sa->ss_family == AF_INET6)
		((struct sockaddr_in6 *)sa)->sin6_port = port;
	else
		((struct sockaddr_in *)sa)->sin_port = port;
}

static int resolve(struct tcp *t)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_PASSIVE,
				  .ai_socktype = SOCK_STREAM },
			*ai;

	if (getaddrinfo(t->cfg.interface, NULL, &hints, &ai) != 0)
		return -EADDRNOTAVAIL;
	memcpy(&t->self, ai->ai_addr, ai->ai_addrlen);
	t->self_len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return 0;
}

static int stream_socket(const struct tcp *t)
{
	int fd = socket(t->self.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static int listen_at(struct tcp *t, uint16_t port)
{
	static const int one = 1;
	int fd = stream_socket(t), rc = 0;

	if (fd < 0)
		return fd;
	set_port(&t->self, htons(port));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&t->self, t->self_len) < 0 || listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&t->self, &t->self_len) < 0)
		rc = -errno;
	if (rc < 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

/* Ranks of one node start at different places, so that they do not all try the same ports. */
static int listen_in_range(struct tcp *t, uint32_t low, uint32_t n)
{
	uint32_t first = (uint32_t)getpid() % n;
	int rc = -EADDRINUSE;

	for (uint32_t i = 0; i < n && rc == -EADDRINUSE; i++)
		rc = listen_at(t, (uint16_t)(low + (first + i) % n));
	return rc;
}

int dvmi_tcp_listen(struct tcp *t)
{
	uint32_t low = t->cfg.port_low, high = t->cfg.port_high;
	int rc = resolve(t);

	if (rc < 0)
		return rc;
	if (low && low <= high && high <= UINT16_MAX)
		return listen_in_range(t, low, high - low + 1);
	return listen_at(t, 0);
}

void dvmi_tcp_self(const struct tcp *t, struct tcp_addr *out)
{
	*out = (struct tcp_addr){ .magic = htonl(ADDR_MAGIC) };
	if (t->self.ss_family == AF_INET6) {
		const struct sockaddr_in6 *sa = (const struct sockaddr_in6 *)&t->self;
		out->family = htons(6);
		out->port = sa->sin6_port;
		memcpy(out->ip, &sa->sin6_addr, 16);
	} else {
		const struct sockaddr_in *sa = (const struct sockaddr_in *)&t->self;
		out->family = htons(4);
		out->port = sa->sin_port;
		memcpy(out->ip, &sa->sin_addr, 4);
	}
}

int dvmi_tcp_addr_get(struct tcp_addr *out, const void *p, size_t n)
{
	if (n != sizeof *out)
		return -DVM_EPROTO;
	memcpy(out, p, sizeof *out);
	if (out->magic != htonl(ADDR_MAGIC) || !out->port ||
	    (out->family != htons(4) && out->family != htons(6)))
		return -DVM_EPROTO;
	return 0;
}

/* Addresses of one link mean nothing without it: the peer is on the one we are on. */
static socklen_t to_sockaddr(const struct tcp *t, const struct tcp_addr *a,
			     struct sockaddr_storage *out)
{
	memset(out, 0, sizeof *out);
	if (a->family == htons(6)) {
		struct sockaddr_in6 *sa = (struct sockaddr_in6 *)out;
		sa->sin6_family = AF_INET6;
		memcpy(&sa->sin6_addr, a->ip, 16);
		if (IN6_IS_ADDR_LINKLOCAL(&sa->sin6_addr) && t->self.ss_family == AF_INET6)
			sa->sin6_scope_id = ((const struct sockaddr_in6 *)&t->self)->sin6_scope_id;
		sa->sin6_port = a->port;
		return sizeof *sa;
	}
	struct sockaddr_in *sa = (struct sockaddr_in *)out;
	sa->sin_family = AF_INET;
	memcpy(&sa->sin_addr, a->ip, 4);
	sa->sin_port = a->port;
	return sizeof *sa;
}

/* From the interface we were told to use. */
static int leave_from(const struct tcp *t, int fd)
{
	static const int one = 1;
	struct sockaddr_storage from = t->self;

	set_port(&from, 0);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	return bind(fd, (struct sockaddr *)&from, t->self_len) < 0 ? -errno : 0;
}

int dvmi_tcp_dial(const struct tcp *t, const struct tcp_addr *addr)
{
	struct sockaddr_storage to;
	socklen_t len = to_sockaddr(t, addr, &to);

	if (to.ss_family != t->self.ss_family)
		return -EAFNOSUPPORT;
	int fd = stream_socket(t);
	if (fd < 0)
		return fd;
	int rc = leave_from(t, fd);
	if (rc == 0 && connect(fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS)
		rc = -errno;
	if (rc < 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

void dvmi_tcp_tune(int fd)
{
	static const int one = 1, few = FEW_BYTES;
	struct tcp_info info;
	socklen_t len = sizeof info;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 || !info.tcpi_rtt ||
	    info.tcpi_rtt >= SHORT_TRIP)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &few, sizeof few);
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, NO_PACING, strlen(NO_PACING));
}
