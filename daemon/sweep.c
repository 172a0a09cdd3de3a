/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/cgroup.h"
#include "daemon/sweep.h"
#include "libdvm/base/buf.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/proto/rank.h"

#define ENVIRON_MAX (4u << 20) /* more is not read: the kernel's limit is a quarter of the stack   \
				*/

int dvmd_sweep_marker(char *out, size_t size, const struct dvmd_place *place)
{
	int n = snprintf(out, size, DVMI_ENV_SHEPHERD "=%s/jobs/%llu/shep.sock", place->run_dir,
			 (unsigned long long)place->job);
	return (size_t)n < size ? 0 : -ENAMETOOLONG;
}

bool dvmd_sweep_match(const char *block, size_t n, const char *marker)
{
	size_t len = strlen(marker) + 1;
	const char *p = block, *end = block + n;

	while (p < end) {
		size_t entry = strnlen(p, (size_t)(end - p)) + 1;
		if (entry == len && (size_t)(end - p) >= len && !memcmp(p, marker, len))
			return true;
		p += entry;
	}
	return false;
}

static bool carries(pid_t pid, const char *marker, struct dvmi_buf *b)
{
	char path[40];
	ssize_t n = 1;

	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	b->len = 0;
	while (n > 0 && b->len < ENVIRON_MAX) {
		size_t len = b->len;
		uint8_t *p = dvmi_buf_extend(b, 16 << 10);
		n = p ? read(fd, p, 16 << 10) : -1;
		b->len = len + (n > 0 ? (size_t)n : 0);
	}
	return b->len > 0 && dvmd_sweep_match((const char *)b->data, b->len, marker);
}

/* 1: it was the job's, and has been sent SIGKILL. */
static int kill_if(pid_t pid, const char *marker, struct dvmi_buf *b)
{
	if (pid == getpid() || !carries(pid, marker, b))
		return 0;
	cleanup_fd int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* Looked at again now that the descriptor holds it: the number may have changed hands. */
	if (fd < 0 || !carries(pid, marker, b))
		return 0;
	return syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
}

static int sweep_proc(const char *marker)
{
	cleanup_dir DIR *proc = opendir("/proc");
	struct dvmi_buf b = { 0 };
	const struct dirent *d;
	int found = 0;

	if (!proc)
		return -errno;
	while ((d = readdir(proc))) {
		pid_t pid = atoi(d->d_name);
		if (pid > 0)
			found += kill_if(pid, marker, &b);
	}
	dvmi_buf_free(&b);
	return found;
}

/* The shepherd spells the directory without links. */
static struct dvmd_place canonical(const struct dvmd_place *place, char dir[PATH_MAX])
{
	struct dvmd_place p = *place;

	if (realpath(place->run_dir, dir))
		p.run_dir = dir;
	return p;
}

int dvmd_sweep_job(const struct dvmd_place *spelt)
{
	char dir[PATH_MAX], group[PATH_MAX], marker[PATH_MAX + 64];
	struct dvmd_place place = canonical(spelt, dir);
	int rc = dvmd_sweep_marker(marker, sizeof marker, &place), found = 0;

	if (rc < 0)
		return rc;
	bool grouped = dvmd_cgroup_path(group, &place) == 0;
	if (grouped && dvmd_cgroup_populated(group) && dvmd_cgroup_kill(group) == 0)
		found = 1;
	rc = sweep_proc(marker);
	if (rc < 0)
		return rc;
	found += rc;
	if (grouped && dvmd_cgroup_remove(group) == -EBUSY && !found)
		found = 1;
	return found;
}

void dvmd_sweep_tidy(const struct dvmd_place *spelt)
{
	char dir[PATH_MAX], group[PATH_MAX];
	struct dvmd_place place = canonical(spelt, dir);

	if (dvmd_cgroup_path(group, &place) == 0)
		dvmd_cgroup_remove(group);
}
