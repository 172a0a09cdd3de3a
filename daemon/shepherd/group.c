/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cgroup.h"
#include "daemon/shepherd/group.h"

#define CPU_PERIOD 100000u /* µs */

static int join(char out[PATH_MAX], const char *dir, const char *name)
{
	return snprintf(out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int make_dir(const char *path)
{
	return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : -errno;
}

/* Delegation as the kernel's documentation has it: the directory and the files that move tasks. */
static int give(const char *path, uid_t uid, gid_t gid)
{
	static const char *const files[] = { "cgroup.procs", "cgroup.threads",
					     "cgroup.subtree_control", "cgroup.kill" };
	char file[PATH_MAX];

	if (chown(path, uid, gid) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		if (join(file, path, files[i]) == 0 && chown(file, uid, gid) < 0 && errno != ENOENT)
			return -errno;
	return 0;
}

static int move_in(const struct shep_group *g, uid_t uid, gid_t gid)
{
	char own[PATH_MAX];
	int rc;

	if ((rc = give(g->path, uid, gid)) < 0 || (rc = give(g->ranks, uid, gid)) < 0 ||
	    (rc = join(own, g->path, "shepherd")) < 0 || (rc = make_dir(own)) < 0)
		return rc;
	return dvmd_cgroup_write(own, "cgroup.procs", "0");
}

/* Turns a controller ("+memory") on from the group above `dvm` downwards; as far as is allowed. */
static bool enable(const struct shep_group *g, const char *controller)
{
	char dir[PATH_MAX];

	strcpy(dir, g->ranks);
	for (int level = 5; level >= 0; level--) {
		strcpy(dir, g->ranks);
		for (int up = 0; up < level; up++) {
			char *slash = strrchr(dir, '/');
			if (!slash || slash == dir)
				return false;
			*slash = 0;
		}
		dvmd_cgroup_write(dir, "cgroup.subtree_control", controller);
	}
	/* The last write has told: a second one succeeds only if the controller is there. */
	return dvmd_cgroup_write(g->ranks, "cgroup.subtree_control", controller) == 0;
}

int shep_group_make(struct shep_group *g, const struct dvmd_place *place, bool other, uid_t uid,
		    gid_t gid, const struct shep_limits *want)
{
	*g = (struct shep_group){ .ranks_fd = -1 };
	int rc = dvmd_cgroup_path(g->path, place);
	if (rc < 0 || (rc = join(g->ranks, g->path, "ranks")) < 0)
		return rc;
	rc = dvmd_cgroup_make(g->path);
	if (rc < 0)
		return rc;
	if ((rc = make_dir(g->ranks)) == 0 && other)
		rc = move_in(g, uid, gid);
	if (rc == 0) {
		g->ranks_fd = open(g->ranks, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = g->ranks_fd < 0 ? -errno : 0;
	}
	g->there = true;
	if (rc < 0) {
		shep_group_remove(g);
		return rc;
	}
	g->memory = want->memory && enable(g, "+memory");
	g->cpu = (want->cpu || want->cpu_shares) && enable(g, "+cpu");
	return rc;
}

static int limit_memory(const char *path, uint64_t bytes)
{
	char text[32];

	snprintf(text, sizeof text, "%llu", (unsigned long long)bytes);
	int rc = dvmd_cgroup_write(path, "memory.max", text);
	if (rc < 0)
		return rc;
	dvmd_cgroup_write(path, "memory.swap.max", "0");
	/* A rank out of memory ends as a whole, not by one of its processes. */
	dvmd_cgroup_write(path, "memory.oom.group", "1");
	return 0;
}

static int limit_cpu(const char *path, const struct shep_limits *limits)
{
	char text[64];
	int rc = 0;

	if (limits->cpu) {
		snprintf(text, sizeof text, "%llu %u", (unsigned long long)limits->cpu * CPU_PERIOD / 1000,
			 CPU_PERIOD);
		rc = dvmd_cgroup_write(path, "cpu.max", text);
	}
	if (rc >= 0 && limits->cpu_shares) {
		snprintf(text, sizeof text, "%u", limits->cpu_shares);
		rc = dvmd_cgroup_write(path, "cpu.weight", text);
	}
	return rc;
}

int shep_group_rank(const struct shep_group *g, uint32_t rank, const struct shep_limits *limits)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/%u", g->ranks, rank) >= (int)sizeof path)
		return -ENAMETOOLONG;
	int rc = make_dir(path);
	if (rc >= 0 && g->memory && limits->memory)
		rc = limit_memory(path, limits->memory);
	if (rc >= 0 && g->cpu)
		rc = limit_cpu(path, limits);
	if (rc < 0)
		return rc;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int shep_group_kill(const struct shep_group *g)
{
	return g->there ? dvmd_cgroup_kill(g->ranks) : -ENOENT;
}

void shep_group_remove(struct shep_group *g)
{
	if (g->ranks_fd >= 0)
		close(g->ranks_fd);
	if (g->there)
		dvmd_cgroup_remove(g->path);
	*g = (struct shep_group){ .ranks_fd = -1 };
}
