/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets between a guest and its host, tried from both ends: each in turn connects, sends, and has
 * what it has sent come back.
 *
 *	vsock guest		in the guest: to port 1024 of the host, then serves its own port 99
 *	vsock host PATH		on the host: serves port 1024, then to port 99 of the guest
 *
 * The host's end is Unix sockets of dvm-vmm(8), PATH and PATH_1024. Prints "good", or what was not.
 */
#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HOST_PORT = 1024, GUEST_PORT = 99, BYTES = 1 << 18, CHUNK = 1 << 13, TRIES = 100 };

static _Noreturn void bad(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static void all(int fd, uint8_t *p, size_t n, ssize_t (*move)(int fd, uint8_t *p, size_t n),
		const char *what)
{
	while (n) {
		ssize_t did = move(fd, p, n);
		if (did <= 0)
			bad(what);
		p += did;
		n -= (size_t)did;
	}
}

static ssize_t put(int fd, uint8_t *p, size_t n)
{
	return write(fd, p, n);
}

static ssize_t get(int fd, uint8_t *p, size_t n)
{
	return read(fd, p, n);
}

/* A chunk at a time, so that neither end has to hold more. */
static void send_and_compare(int fd)
{
	static uint8_t sent[CHUNK], back[CHUNK];

	for (size_t at = 0; at < BYTES; at += CHUNK) {
		for (size_t i = 0; i < CHUNK; i++)
			sent[i] = (uint8_t)((at + i) * 2654435761u >> 24);
		all(fd, sent, CHUNK, put, "sending");
		all(fd, back, CHUNK, get, "receiving");
		if (memcmp(sent, back, CHUNK) != 0) {
			printf("bytes from %zu on came back as others\n", at);
			exit(1);
		}
	}
	close(fd);
}

static void echo(int fd)
{
	static uint8_t buf[CHUNK];
	ssize_t n;

	while ((n = read(fd, buf, sizeof buf)) > 0)
		all(fd, buf, (size_t)n, put, "echoing");
	if (n < 0)
		bad("reading");
	close(fd);
}

static int serve(const struct sockaddr *a, socklen_t len)
{
	int fd = socket(a->sa_family, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, a, len) < 0 || listen(fd, 1) < 0)
		bad("listening");
	return fd;
}

static int connect_to(const struct sockaddr *a, socklen_t len)
{
	for (int i = 0; i < TRIES; i++) {
		int fd = socket(a->sa_family, SOCK_STREAM, 0);
		if (fd >= 0 && connect(fd, a, len) == 0)
			return fd;
		close(fd);
		usleep(100000);
	}
	bad("connecting");
}

static struct sockaddr_vm vm_address(unsigned cid, unsigned port)
{
	return (struct sockaddr_vm){ .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
}

/* Listens before it says goodbye: the host comes at once. */
static void as_guest(void)
{
	struct sockaddr_vm host = vm_address(VMADDR_CID_HOST, HOST_PORT);
	struct sockaddr_vm here = vm_address(VMADDR_CID_ANY, GUEST_PORT);
	int there = connect_to((struct sockaddr *)&host, sizeof host);
	int fd = serve((struct sockaddr *)&here, sizeof here);

	send_and_compare(there);
	echo(accept(fd, NULL, NULL));
}

static struct sockaddr_un unix_address(const char *path, const char *suffix)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof a.sun_path, "%s%s", path, suffix);
	return a;
}

static void as_host(const char *path)
{
	struct sockaddr_un port = unix_address(path, "_1024"), guest = unix_address(path, "");
	int fd = serve((struct sockaddr *)&port, sizeof port);
	char answer[16] = "";

	echo(accept(fd, NULL, NULL));
	fd = connect_to((struct sockaddr *)&guest, sizeof guest);
	dprintf(fd, "CONNECT %d\n", GUEST_PORT);
	for (size_t n = 0; n < sizeof answer - 1 && !strchr(answer, '\n'); n++)
		all(fd, (uint8_t *)answer + n, 1, get, "asking for the guest's port");
	if (strncmp(answer, "OK ", 3) != 0)
		bad("the guest's port");
	send_and_compare(fd);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "guest"))
		as_guest();
	else if (argc == 3 && !strcmp(argv[1], "host"))
		as_host(argv[2]);
	else
		return 2;
	puts("good");
	return 0;
}
