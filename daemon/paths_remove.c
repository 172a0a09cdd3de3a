/* SPDX-License-Identifier: BSD-3-Clause */
/* Removing what is no longer needed, without following a link anywhere. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/paths_private.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define DEPTH_MAX 32

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

static int remove_tree(int dirfd, const char *name, dev_t dev, int depth);

/* FD is consumed. */
static int empty_dir(int fd, dev_t dev, int depth)
{
	cleanup_dir DIR *dir = fdopendir(fd);
	struct dirent *e;
	int rc = 0;

	if (!dir) {
		rc = -errno;
		close(fd);
		return rc;
	}
	while (rc == 0 && (e = readdir(dir)))
		if (!is_dots(e->d_name))
			rc = remove_tree(dirfd(dir), e->d_name, dev, depth);
	return rc;
}

static int remove_tree(int dirfd, const char *name, dev_t dev, int depth)
{
	struct stat st;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	int fd = depth < DEPTH_MAX ? dvmd_paths_open_dir(dirfd, name) : -ELOOP;
	if (fd < 0)
		return fd;
	/* Another file system was mounted here: not ours to empty. */
	if (fstat(fd, &st) < 0 || st.st_dev != dev) {
		close(fd);
		return -EXDEV;
	}
	int rc = empty_dir(fd, dev, depth + 1);
	if (rc == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		rc = -errno;
	return rc;
}

int dvmd_paths_remove_at(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return remove_tree(dirfd, name, st.st_dev, 0);
}

int dvmd_paths_remove(const char *path, dvm_error_t *err)
{
	int rc = dvmd_paths_remove_at(AT_FDCWD, path);

	return rc < 0 ? dvmi_error_code(err, rc, "cannot remove %s", path) : 0;
}

bool dvmd_paths_is_served(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof addr.sun_path)
		return false;
	strcpy(addr.sun_path, path);
	/* EAGAIN: it has more to do than it can take, EACCES: it is there, but not for us. */
	return connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0 || errno == EAGAIN ||
	       errno == EACCES;
}

/*
 * Removes BASE where nothing but its lock is left; the lock goes with it. Only what a user's
 * machines make by themselves in /tmp and the like: others were set up by somebody.
 */
static void remove_base(const char *base)
{
	char usual[PATH_MAX];
	struct dirent *e;

	if (geteuid() == 0 || dvmd_paths_run_base(geteuid(), usual, NULL) < 0 ||
	    strcmp(base, usual) || getenv("DVM_RUN_BASE"))
		return;
	cleanup_dir DIR *dir = opendir(base);
	while (dir && (e = readdir(dir)))
		if (!is_dots(e->d_name) && strcmp(e->d_name, LOCK_NAME))
			return;
	if (dir && unlinkat(dirfd(dir), LOCK_NAME, 0) == 0)
		rmdir(base);
}

static int release(const struct dvmd_paths *p, dvm_error_t *err)
{
	char machine[PATH_MAX + DVMD_NAME_MAX + 2];
	cleanup_fd int lock = p->base[0] ? dvmd_paths_lock(p->base, false, err) : -1;

	if (p->base[0] && lock < 0)
		return lock == -ENOENT ? 0 : lock;
	int rc = dvmd_paths_remove(p->run, err);
	if (rc < 0 || !p->base[0])
		return rc;
	snprintf(machine, sizeof machine, "%s/%s", p->base, p->machine);
	rmdir(machine);
	remove_base(p->base);
	return 0;
}

int dvmd_paths_release(const struct dvmd_paths *p, int pid_fd, dvm_error_t *err)
{
	int rc = release(p, err);

	close(pid_fd); /* not before: until here the node counts as running */
	return rc;
}

/* Calls FN with each sub-directory of DIRFD whose name can be one of ours, until it says > 0. */
static int each_dir(int dirfd, int (*fn)(int dir, const char *name, void *arg), void *arg)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (rc == 0 && dir && (e = readdir(dir))) {
		if (dvmd_name_check("", e->d_name, NULL) < 0)
			continue;
		cleanup_fd int sub = dvmd_paths_open_dir(dirfd, e->d_name);
		if (sub >= 0)
			rc = fn(sub, e->d_name, arg);
	}
	return rc;
}

/* ARG is the path of the job directories. 1: a shepherd is there. */
static int job_lives(int dir, const char *id, void *arg)
{
	char path[2 * PATH_MAX];

	snprintf(path, sizeof path, "%s/%s/shep.sock", (char *)arg, id);
	return dvmd_paths_is_served(path);
}

/* ARG is the path of the machine's directory. 1: the node runs, or a job of it. */
static int node_lives(int dir, const char *name, void *arg)
{
	char jobs_path[PATH_MAX];
	cleanup_fd int pid = openat(dir, PID_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	/* Without that file it has only just begun, or is none of ours. */
	if (pid < 0 || flock(pid, LOCK_EX | LOCK_NB) < 0)
		return 1;
	snprintf(jobs_path, sizeof jobs_path, "%.*s/%s/jobs", PATH_MAX - 80, (char *)arg, name);
	cleanup_fd int jobs = dvmd_paths_open_dir(dir, "jobs");
	return jobs < 0 ? 0 : each_dir(jobs, job_lives, jobs_path);
}

static int count_dir(int dir, const char *name, void *arg)
{
	++*(int *)arg;
	return 0;
}

struct sweep {
	int base;
	const char *path, *keep;
	int removed;
};

static int sweep_machine(int dir, const char *name, void *arg)
{
	struct sweep *s = arg;
	char path[PATH_MAX];
	int nodes = 0;

	snprintf(path, sizeof path, "%.*s/%s", PATH_MAX - 80, s->path, name);
	if (s->keep && !strcmp(name, s->keep))
		return 0;
	if (each_dir(dir, node_lives, path) > 0)
		return 0;
	each_dir(dir, count_dir, &nodes);
	if (dvmd_paths_remove_at(s->base, name) == 0)
		s->removed += nodes;
	return 0;
}

int dvmd_paths_sweep(const char *base, const char *keep, dvm_error_t *err)
{
	cleanup_fd int lock = dvmd_paths_lock(base, false, err);

	if (lock < 0)
		return lock == -ENOENT ? 0 : lock;
	struct sweep s = { .path = base,
			   .keep = keep,
			   .base = dvmd_paths_open_dir(AT_FDCWD, base) };
	if (s.base < 0)
		return dvmi_error_code(err, s.base, "%s", base);
	each_dir(s.base, sweep_machine, &s);
	close(s.base);
	return s.removed;
}
