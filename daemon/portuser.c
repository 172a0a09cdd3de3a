/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/portuser.h"
#include "libdvm/base/cleanup.h"

#define LISTENING 0x0a

struct wanted {
	uint8_t address[16];
	size_t bytes; /* 4 or 16 */
	uint16_t port;
};

/* The kernel writes an address as words of 32 bits in its own byte order, each in hex. */
static bool same_address(const char *hex, const struct wanted *w)
{
	uint8_t found[16];
	static const uint8_t any[16];

	if (strlen(hex) != 2 * w->bytes)
		return false;
	for (size_t i = 0; i < w->bytes / 4; i++) {
		char word[9] = { 0 };
		memcpy(word, hex + 8 * i, 8);
		uint32_t v = (uint32_t)strtoul(word, NULL, 16);
		memcpy(found + 4 * i, &v, 4);
	}
	return !memcmp(found, w->address, w->bytes) || !memcmp(found, any, w->bytes);
}

/* The inode of the listening socket in one line of /proc/net/tcp*, or 0. */
static unsigned long match_line(const char *line, const struct wanted *w)
{
	unsigned port, state;
	unsigned long inode;
	char address[40];

	if (sscanf(line, " %*d: %39[0-9A-Fa-f]:%x %*[0-9A-Fa-f:] %x %*s %*s %*s %*u %*d %lu",
		   address, &port, &state, &inode) != 4)
		return 0;
	return state == LISTENING && port == w->port && same_address(address, w) ? inode : 0;
}

static unsigned long find_inode(const struct wanted *w)
{
	cleanup_file FILE *f = fopen(w->bytes == 4 ? "/proc/net/tcp" : "/proc/net/tcp6", "re");
	char line[512];
	unsigned long inode = 0;

	while (f && !inode && fgets(line, sizeof line, f))
		inode = match_line(line, w);
	return inode;
}

static bool holds(const char *pid, const char *socket)
{
	char path[300], target[64];
	struct dirent *d;

	snprintf(path, sizeof path, "/proc/%s/fd", pid);
	cleanup_dir DIR *dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), d->d_name, target, sizeof target - 1);
		target[n > 0 ? n : 0] = '\0';
		if (!strcmp(target, socket))
			return true;
	}
	return false;
}

static void name_process(char *out, size_t size, const char *pid)
{
	char path[300], name[64] = "a process";

	snprintf(path, sizeof path, "/proc/%s/comm", pid);
	cleanup_file FILE *f = fopen(path, "re");
	if (f && fgets(name, sizeof name, f))
		name[strcspn(name, "\n")] = '\0';
	snprintf(out, size, "%s (pid %s)", name, pid);
}

static int find_holder(char *out, size_t size, unsigned long inode)
{
	cleanup_dir DIR *proc = opendir("/proc");
	char socket[64];
	struct dirent *d;

	snprintf(socket, sizeof socket, "socket:[%lu]", inode);
	while (proc && (d = readdir(proc))) {
		if (!isdigit((unsigned char)*d->d_name) || !holds(d->d_name, socket))
			continue;
		name_process(out, size, d->d_name);
		return 0;
	}
	return -ENOENT;
}

int dvmd_portuser_find(char *out, size_t size, const char *address, uint16_t port)
{
	struct wanted w = { .bytes = strchr(address, ':') ? 16 : 4, .port = port };

	if (inet_pton(w.bytes == 4 ? AF_INET : AF_INET6, address, w.address) != 1)
		return -ENOENT;
	unsigned long inode = find_inode(&w);
	return inode ? find_holder(out, size, inode) : -ENOENT;
}
