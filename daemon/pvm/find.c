/* SPDX-License-Identifier: BSD-3-Clause */
/* The socket of a node's agent: in the directory of the agent's job, which only it knows. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/pvm/agent.h"
#include "libdvm/base/cleanup.h"

/* Whether somebody listens there, and as this very user. */
static bool answers(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct ucred cred;
	socklen_t len = sizeof cred;

	if (strlen(path) >= sizeof sa.sun_path)
		return false;
	strcpy(sa.sun_path, path);
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == geteuid();
}

char *pvm_find_socket(const char *run)
{
	cleanup_free char *pattern = NULL;
	char *found = NULL;
	glob_t g;

	if (asprintf(&pattern, "%s/jobs/*/pvm.sock", run) < 0)
		return NULL;
	if (glob(pattern, GLOB_NOSORT, NULL, &g) != 0)
		return NULL;
	for (size_t i = 0; i < g.gl_pathc && !found; i++)
		if (answers(g.gl_pathv[i]))
			found = strdup(g.gl_pathv[i]);
	globfree(&g);
	return found;
}
