/* SPDX-License-Identifier: BSD-3-Clause */
/* rigtool qmp: one command to an emulator's monitor (QEMU's QMP: a JSON object a line). */
#include "tests/rig/rigtool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_S 10

static int connect_to(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = PATIENCE_S };
	int rc, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* Sends one line and reads on to its answer, past greetings and events. 0; 1: refused; -E. */
static int call(FILE *in, int fd, const char *request, char *answer, size_t size)
{
	if (dprintf(fd, "%s\n", request) < 0)
		return -errno;
	while (fgets(answer, (int)size, in)) {
		if (!strncmp(answer, "{\"return\"", 9))
			return 0;
		if (!strncmp(answer, "{\"error\"", 8))
			return 1;
	}
	return ferror(in) ? -errno : -ECONNRESET;
}

int rig_qmp_main(int argc, char **argv)
{
	char request[4096], answer[16384];
	int rc, fd = argc >= 3 ? connect_to(argv[1]) : -EINVAL;
	FILE *in = fd < 0 ? NULL : fdopen(fd, "r");

	if (!in) {
		fprintf(stderr, "rigtool qmp: %s\n", strerror(fd < 0 ? -fd : errno));
		return 2;
	}
	snprintf(request, sizeof(request), "{\"execute\": \"%s\", \"arguments\": %s}", argv[2],
		 argc > 3 ? argv[3] : "{}");
	rc = call(in, fd, "{\"execute\": \"qmp_capabilities\"}", answer, sizeof(answer));
	if (rc == 0)
		rc = call(in, fd, request, answer, sizeof(answer));
	if (rc < 0)
		fprintf(stderr, "rigtool qmp: %s\n", strerror(-rc));
	else
		fputs(answer, rc ? stderr : stdout);
	fclose(in);
	return rc ? 1 : 0;
}
