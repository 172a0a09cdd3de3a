/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds and greets an agent: see reach.h. Any thread.
 *
 * Of a host's directory it reads `port` (on loopback), `state` (keeper.c) and `console`, and the
 * rig's `token` beside it.
 */
#include "tests/rig/reach.h"

#include "tests/rig/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATH_SIZE   4096
#define RETRY_MS    50
#define PATIENCE_MS 1000 /* for the first answer; doubled at each try */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static FILE *open_file(const char *dir, const char *name)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return fopen(path, "re");
}

/* Reads the first line of a file. 0 or -E; -ENODATA if there is none. */
static int read_line(const char *dir, const char *name, char *buf, size_t size)
{
	FILE *f = open_file(dir, name);

	if (!f)
		return -errno;
	if (!fgets(buf, (int)size, f))
		buf[0] = '\0';
	fclose(f);
	buf[strcspn(buf, "\n")] = '\0';
	return buf[0] ? 0 : -ENODATA;
}

static bool is_off(const char *dir)
{
	char state[64];

	return read_line(dir, "state", state, sizeof(state)) == 0 && strncmp(state, "on ", 3) != 0;
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1, rc, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		return fd;
	}
	rc = -errno;
	close(fd);
	return rc;
}

static int take_greeting(int fd)
{
	struct rig_frame *frame = malloc(sizeof(*frame));
	int rc;

	if (!frame)
		return -ENOMEM;
	rc = rig_wire_recv(fd, frame);
	if (rc <= 0)
		rc = -ECONNRESET;
	else
		rc = frame->type == RIG_READY ? 0 : -EACCES;
	free(frame);
	return rc;
}

/* The emulator takes connections even while its host does not run: only READY counts. */
static int greet(int fd, const char *token, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int rc = rig_wire_send_text(fd, RIG_TOKEN, token);

	if (rc < 0)
		return rc;
	return poll(&p, 1, timeout_ms) > 0 ? take_greeting(fd) : -ETIMEDOUT;
}

/* One try: a greeted socket or -E. */
static int try_host(const char *dir, int timeout_ms)
{
	char port[16], token[128];
	int fd, rc = read_line(dir, "port", port, sizeof(port));

	if (rc == 0)
		rc = read_line(dir, "../token", token, sizeof(token));
	if (rc < 0)
		return rc;
	fd = connect_to((uint16_t)atoi(port));
	if (fd < 0)
		return fd;
	rc = greet(fd, token, timeout_ms);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* The agent's word on the console that it listens. Asking it by connecting would not do: the
 * emulator takes a connection, loses what the absent host does not take, and tries again late. */
static bool has_booted(const char *dir)
{
	char line[256];
	bool found = false;
	FILE *f = open_file(dir, "console");

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, "rig: ready") != NULL;
	if (f)
		fclose(f);
	return found;
}

/* 0; -EHOSTDOWN, or -ETIMEDOUT at the end (ms). */
static int await_boot(const char *dir, int64_t end)
{
	while (!has_booted(dir)) {
		if (is_off(dir))
			return -EHOSTDOWN;
		if (now_ms() >= end)
			return -ETIMEDOUT;
		poll(NULL, 0, RETRY_MS);
	}
	return 0;
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
	return value < low ? low : value > high ? high : value;
}

int rig_reach_host(const char *dir, double wait, bool booting)
{
	int64_t end = now_ms() + (int64_t)(wait * 1000);
	int patience = PATIENCE_MS, rc = booting ? await_boot(dir, end) : 0;

	while (rc == 0) {
		rc = try_host(dir, (int)clamp(end - now_ms(), 1, patience));
		if (rc >= 0 || rc == -EACCES)
			return rc;
		if (is_off(dir))
			return -EHOSTDOWN;
		if (now_ms() >= end)
			return -ETIMEDOUT;
		if (rc == -ETIMEDOUT)
			patience *= 2;
		else
			poll(NULL, 0, RETRY_MS);
		rc = 0;
	}
	return rc;
}

const char *rig_reach_name(const char *dir)
{
	const char *slash = strrchr(dir, '/');

	return slash ? slash + 1 : dir;
}

void rig_reach_explain(const char *dir, int rc)
{
	const char *why = strerror(-rc);
	char state[64];

	/* A connection breaks a little before the keeper knows why. */
	for (int i = 0; rc == -ECONNRESET && i < 10 && !is_off(dir); i++)
		poll(NULL, 0, RETRY_MS);
	if (rc == -ETIMEDOUT)
		why = "no answer (paused, or very busy?)";
	if (is_off(dir) && read_line(dir, "state", state, sizeof(state)) == 0)
		fprintf(stderr, "rig: %s is off (its emulator ended with %s)\n",
			rig_reach_name(dir), state + strlen("off "));
	else
		fprintf(stderr, "rig: %s: %s\n", rig_reach_name(dir), why);
}
