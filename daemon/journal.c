/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/journal.h"
#include "libdvm/base/cleanup.h"

bool dvmd_journal_has(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(fd, &st) == 0 &&
	       st.st_dev == dev && st.st_ino == ino;
}

int dvmd_journal_open(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof addr.sun_path)
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
		return -errno;
	return take_fd(fd);
}

/* A value ends at its line's end, so that none can add a field of its own. */
static void flatten(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ')
			*s = ' ';
}

int dvmd_journal_send(int fd, const struct dvmi_log_record *rec)
{
	char text[DVMI_LOG_LINE_MAX], node[80], datagram[DVMI_LOG_LINE_MAX + 256];

	snprintf(text, sizeof text, "%s", rec->text);
	snprintf(node, sizeof node, "%s", rec->node);
	flatten(text);
	flatten(node);
	int n = snprintf(datagram, sizeof datagram,
			 "PRIORITY=%d\nSYSLOG_IDENTIFIER=dvmd\nDVM_NODE=%s\nDVM_VIEW=%llu\n"
			 "DVM_SUBSYSTEM=%.40s\nMESSAGE=%s\n",
			 rec->level, node, (unsigned long long)rec->view, rec->subsys, text);
	if (n >= (int)sizeof datagram)
		return -EMSGSIZE;
	ssize_t did = send(fd, datagram, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return did < 0 ? -errno : 0;
}
