/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Creating a node's directories. What is ours (BASE's last part, MACHINE, NODE, …) is created or
 * entered one by one through descriptors: it must be a directory, belong to us and be no more
 * open than we would have made it, because /tmp and, at times, other parents are everybody's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/paths_private.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define LOCK_TRIES 100
#define LEAVING_TRIES 50
#define LEAVING_MS    1500

int dvmd_paths_open_dir(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Others may enter root's directories, since clients of all users find their daemon there. */
static mode_t shared_mode(void)
{
	return geteuid() == 0 ? 0755 : 0700;
}

static int check_ours(int fd, const char *path, mode_t mode, dvm_error_t *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return dvmi_error_code(err, -errno, "%s", path);
	if (st.st_uid != geteuid())
		return dvmi_error_set(
			err, -EPERM, "%s belongs to user %u, not to us (%u): it is not safe to use",
			path, (unsigned)st.st_uid, (unsigned)geteuid());
	if (st.st_mode & 0777 & ~mode)
		return dvmi_error_set(err, -EPERM,
				      "%s is open to others (mode %04o instead of %04o): it is not "
				      "safe to use",
				      path, (unsigned)st.st_mode & 0777, (unsigned)mode);
	return 0;
}

static int refuse_entry(const char *path, int code, dvm_error_t *err)
{
	if (code == -ELOOP || code == -ENOTDIR)
		return dvmi_error_set(err, -EPERM,
				      "%s is not a directory but a link or a file: it is not safe "
				      "to use",
				      path);
	return dvmi_error_code(err, code, "%s", path);
}

/* Creates or enters NAME, which is ours, in PARENT. PATH is for messages. */
static int enter(int parent, const char *name, mode_t mode, const char *path, dvm_error_t *err)
{
	bool made = mkdirat(parent, name, mode) == 0;

	if (!made && errno != EEXIST)
		return dvmi_error_code(err, -errno, "cannot create %s", path);
	cleanup_fd int fd = dvmd_paths_open_dir(parent, name);
	if (fd < 0)
		return refuse_entry(path, fd, err);
	if (made && fchmod(fd, mode) < 0) /* whatever the umask was */
		return dvmi_error_code(err, -errno, "%s", path);
	int rc = check_ours(fd, path, mode, err);
	return rc < 0 ? rc : take_fd(fd);
}

/* Creates the directories above the last part of PATH as far as they are missing. */
static int make_parents(char *path, dvm_error_t *err)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		int rc = mkdir(path, shared_mode()) < 0 && errno != EEXIST ? -errno : 0;
		if (rc < 0 && access(path, F_OK) < 0)
			return dvmi_error_code(err, rc, "cannot create %s", path);
		*slash = '/';
	}
	return 0;
}

/* Where everybody may rename what is not theirs, nothing below is safe. */
static int check_parent(int fd, const char *path, dvm_error_t *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return dvmi_error_code(err, -errno, "%s", path);
	if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
		return dvmi_error_set(
			err, -EPERM, "%s can be changed by everybody: it is not safe to use", path);
	return 0;
}

/* Creates or enters the directory PATH, whose last part is ours. */
static int enter_path(const char *path, mode_t mode, dvm_error_t *err)
{
	char parent[PATH_MAX];
	const char *name;

	snprintf(parent, sizeof parent, "%s", path);
	for (size_t n = strlen(parent); n > 1 && parent[n - 1] == '/'; n--)
		parent[n - 1] = 0;
	int rc = make_parents(parent, err);
	if (rc < 0)
		return rc;
	char *slash = strrchr(parent, '/');
	name = path + (slash - parent) + 1;
	char last[NAME_MAX + 1];
	snprintf(last, sizeof last, "%.*s", (int)strcspn(name, "/"), name);
	slash[slash == parent] = 0;
	cleanup_fd int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return dvmi_error_code(err, -errno, "%s", parent);
	rc = check_parent(fd, parent, err);
	return rc < 0 ? rc : enter(fd, last, mode, path, err);
}

/* Is FD still the file that PATH names? */
static bool is_file_at(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static int open_lock(const char *base, const char *path, bool create, dvm_error_t *err)
{
	cleanup_fd int dir =
		create ? enter_path(base, shared_mode(), err) : dvmd_paths_open_dir(AT_FDCWD, base);

	if (dir < 0)
		return create ? dir : dvmi_error_code(err, dir, "%s", base);
	/* Closed to others, who could keep it locked. */
	int fd = openat(dir, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? dvmi_error_code(err, -errno, "%s", path) : fd;
}

int dvmd_paths_lock(const char *base, bool create, dvm_error_t *err)
{
	char path[PATH_MAX + 8];

	snprintf(path, sizeof path, "%s/" LOCK_NAME, base);
	/* Whoever removed the base meanwhile has removed the file that we have just locked. */
	for (int i = 0; i < LOCK_TRIES; i++) {
		cleanup_fd int fd = open_lock(base, path, create, err);
		if (fd == -ENOENT && create)
			continue;
		if (fd < 0)
			return fd;
		int rc;
		do
			rc = flock(fd, LOCK_EX);
		while (rc < 0 && errno == EINTR);
		if (rc < 0)
			return dvmi_error_code(err, -errno, "cannot lock %s", path);
		if (is_file_at(fd, path))
			return take_fd(fd);
	}
	return dvmi_error_set(err, -EAGAIN, "%s does not stay", path);
}

/* BASE, MACHINE and NODE, or the one directory that was asked for. */
static int enter_run(const struct dvmd_paths *p, dvm_error_t *err)
{
	char path[PATH_MAX + DVMD_NAME_MAX + 2];

	if (!p->base[0])
		return enter_path(p->run, shared_mode(), err);
	cleanup_fd int base = enter_path(p->base, shared_mode(), err);
	if (base < 0)
		return base;
	snprintf(path, sizeof path, "%s/%s", p->base, p->machine);
	cleanup_fd int machine = enter(base, p->machine, shared_mode(), path, err);
	if (machine < 0)
		return machine;
	return enter(machine, p->node, shared_mode(), p->run, err);
}

static int enter_state(const struct dvmd_paths *p, int run, dvm_error_t *err)
{
	size_t n = strlen(p->run);

	/* Directly below the run-time directory, or that itself, as for machines of `dvm up`. */
	if (!strcmp(p->state, p->run))
		return fcntl(run, F_DUPFD_CLOEXEC, 0);
	if (!strncmp(p->state, p->run, n) && p->state[n] == '/' && !strchr(p->state + n + 1, '/'))
		return enter(run, p->state + n + 1, 0700, p->state, err);
	return enter_path(p->state, 0700, err);
}

static int write_pid(int fd)
{
	char text[16];
	int n = snprintf(text, sizeof text, "%d\n", (int)getpid());

	return ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n ? -errno : 0;
}

static int lock_pid_file(const struct dvmd_paths *p, int run, dvm_error_t *err)
{
	/* Closed to others, who could keep it locked. */
	cleanup_fd int fd = openat(run, PID_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return dvmi_error_code(err, -errno, "%s/" PID_NAME, p->run);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return dvmi_error_set(err, -EBUSY, "node %s of machine %s runs already (%s)",
				      p->node, p->machine, p->run);
	int rc = write_pid(fd);
	if (rc < 0)
		return dvmi_error_code(err, rc, "%s/" PID_NAME, p->run);
	return take_fd(fd);
}

static int make_contents(const struct dvmd_paths *p, int run, dvm_error_t *err)
{
	char path[DVMD_SUN_PATH_MAX + 8];

	/* Users enter the directories of their jobs, but need not see those of others. */
	snprintf(path, sizeof path, "%s/jobs", p->run);
	cleanup_fd int jobs = enter(run, "jobs", geteuid() == 0 ? 0711 : 0700, path, err);
	if (jobs < 0)
		return jobs;
	cleanup_fd int state = enter_state(p, run, err);
	return state < 0 ? state : 0;
}

static int claim(const struct dvmd_paths *p, dvm_error_t *err)
{
	cleanup_fd int lock = p->base[0] ? dvmd_paths_lock(p->base, true, err) : -1;

	if (p->base[0] && lock < 0)
		return lock;
	cleanup_fd int run = enter_run(p, err);
	if (run < 0)
		return run;
	cleanup_fd int pid = lock_pid_file(p, run, err);
	if (pid < 0)
		return pid;
	int rc = make_contents(p, run, err);
	return rc < 0 ? rc : take_fd(pid);
}

/* A node that was removed the moment before may still be on its way out. */
int dvmd_paths_claim(const struct dvmd_paths *p, dvm_error_t *err)
{
	const struct timespec pause = { .tv_nsec = LEAVING_MS * 1000000L / LEAVING_TRIES };
	int rc = claim(p, err);

	for (int i = 0; rc == -EBUSY && i < LEAVING_TRIES; i++) {
		nanosleep(&pause, NULL);
		rc = claim(p, err);
	}
	return rc;
}
