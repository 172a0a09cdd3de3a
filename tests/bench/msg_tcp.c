/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/bench/msg: a TCP socket between two ranks, without anything on top: what the kernel's
 * network allows. Both ends spin. $MSG_ADDRESS is this rank's own address.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/msg.h"

const unsigned msg_sys_caps = MSG_P2P;
const struct msg_case msg_sys_cases[] = { { .name = NULL } };

static int rank, size, sock = -1;

static void check(int rc, const char *what)
{
	if (rc < 0)
		msg_die(what, strerror(errno));
}

static void listen_and_tell(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof a;
	const char *address = getenv("MSG_ADDRESS");
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!address || inet_pton(AF_INET, address, &a.sin_addr) != 1)
		msg_die("MSG_ADDRESS", "is no address");
	check(bind(fd, (struct sockaddr *)&a, sizeof a), "bind");
	check(listen(fd, 1), "listen");
	check(getsockname(fd, (struct sockaddr *)&a, &len), "getsockname");
	memcpy(meet_note(0), &a, sizeof a);
	meet();
	sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	check(sock, "accept");
	close(fd);
}

static void connect_to(void)
{
	struct sockaddr_in a;

	meet();
	memcpy(&a, meet_note(0), sizeof a);
	sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(connect(sock, (struct sockaddr *)&a, sizeof a), "connect");
}

void sys_open(int *argc, char ***argv)
{
	int one = 1;

	rank = meet_env("MSG_RANK");
	size = meet_env("MSG_SIZE");
	if (rank < 0 || rank > 1 || size != 2)
		msg_die("a socket", "has two ends");
	meet_open(rank, size);
	if (rank == 0)
		listen_and_tell();
	else
		connect_to();
	check(setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), "TCP_NODELAY");
}

int sys_rank(void)
{
	return rank;
}

int sys_size(void)
{
	return size;
}

void sys_close(void)
{
	close(sock);
}

void sys_send(const void *buf, size_t len, int to)
{
	for (const char *p = buf; len > 0;) {
		ssize_t n = send(sock, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			msg_die("send", strerror(errno));
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}

void sys_recv(void *buf, size_t len, int from)
{
	for (char *p = buf; len > 0;) {
		ssize_t n = recv(sock, p, len, MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			msg_die("recv", n ? strerror(errno) : "closed");
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}

/* One after the other. */
void sys_isend(int slot, const void *buf, size_t len, int to)
{
	sys_send(buf, len, to);
}

void sys_irecv(int slot, void *buf, size_t len, int from)
{
	sys_recv(buf, len, from);
}

void sys_waitall(int n)
{
}
