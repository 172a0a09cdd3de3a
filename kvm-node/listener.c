/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define WAITING	   16 /* to be accepted */
#define LOCK_TRIES 500 /* for a lock that others have for some microseconds */
#define LOCK_MS	   10

static int bind_and_listen(int fd, const struct sockaddr_un *a)
{
	if (bind(fd, (const struct sockaddr *)a, sizeof *a) < 0)
		return -errno;
	return listen(fd, WAITING) < 0 ? -errno : 0;
}

static int make_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* Who was killed could not take his socket away. A file of any other kind is somebody's. */
static int remove_left(const struct sockaddr_un *a, dvm_error_t *err)
{
	struct stat st;

	if (lstat(a->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : dvmi_error_code(err, -errno, "%s", a->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return dvmi_error_set(err, -EEXIST, "%s is there already, and is no socket", a->sun_path);
	cleanup_fd int fd = make_socket();
	if (fd < 0)
		return dvmi_error_code(err, fd, "a socket");
	if (connect(fd, (const struct sockaddr *)a, sizeof *a) == 0 || errno != ECONNREFUSED)
		return dvmi_error_set(err, -EADDRINUSE, "another one listens at %s", a->sun_path);
	return unlink(a->sun_path) < 0 && errno != ENOENT ?
		       dvmi_error_code(err, -errno, "removing what was left at %s", a->sun_path) :
		       0;
}

/*
 * Who finds a name in use looks whether anybody listens, and then takes it away: so that this is not what
 * another one has put there meanwhile, one at a time is at it in a directory. Where that cannot be locked,
 * or somebody else has locked it for good, it goes without. Or -1.
 */
static int lock_directory(const struct sockaddr_un *a)
{
	char path[sizeof a->sun_path];
	int tries = 0;

	snprintf(path, sizeof path, "%s", a->sun_path);
	int fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK &&
	       ++tries < LOCK_TRIES)
		poll(NULL, 0, LOCK_MS);
	return fd;
}

int vmm_listener_open(const struct sockaddr_un *a, dvm_error_t *err)
{
	__attribute__((unused)) cleanup_fd int lock = lock_directory(a);
	cleanup_fd int fd = make_socket();
	int rc = fd < 0 ? fd : bind_and_listen(fd, a);

	if (rc == -EADDRINUSE) {
		rc = remove_left(a, err);
		if (rc < 0)
			return rc;
		rc = bind_and_listen(fd, a);
	}
	return rc < 0 ? dvmi_error_code(err, rc, "listening at %s", a->sun_path) : take_fd(fd);
}
