/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cgroup.h"
#include "libdvm/base/cleanup.h"

#define DEPTH_MAX 8 /* of groups below a job's own that we remove */

/* mountinfo writes blank, tab, newline and backslash in octal. */
static int unescape(char out[PATH_MAX], const char *p, size_t n)
{
	size_t o = 0;

	for (size_t i = 0; i < n; o++) {
		if (o + 1 >= PATH_MAX)
			return -ENAMETOOLONG;
		if (p[i] == '\\' && n - i >= 4) {
			out[o] = (char)((p[i + 1] - '0') << 6 | (p[i + 2] - '0') << 3 |
					(p[i + 3] - '0'));
			i += 4;
		} else {
			out[o] = p[i++];
		}
	}
	out[o] = 0;
	return 0;
}

/* The blank-separated field with index I of a line; its length, 0 if there is none. */
static size_t field(const char *line, const char *end, int i, const char **out)
{
	while (i-- > 0) {
		line = memchr(line, ' ', (size_t)(end - line));
		if (!line)
			return 0;
		line++;
	}
	const char *stop = memchr(line, ' ', (size_t)(end - line));
	*out = line;
	return (size_t)((stop ? stop : end) - line);
}

/* "ID PARENT DEV ROOT POINT OPTIONS [TAGS…] - TYPE SOURCE OPTIONS" */
static int parse_mount(const char *line, const char *end, char *point, char *root)
{
	const char *dash = memmem(line, (size_t)(end - line), " - cgroup2 ", 11), *p = line;

	if (!dash)
		return -ENOENT;
	size_t n = field(line, dash, 3, &p);
	int rc = n ? unescape(root, p, n) : -ENOENT;
	if (rc < 0)
		return rc;
	n = field(line, dash, 4, &p);
	return n ? unescape(point, p, n) : -ENOENT;
}

int dvmd_cgroup_mount(const char *mountinfo, char point[PATH_MAX], char root[PATH_MAX])
{
	for (const char *line = mountinfo; *line;) {
		const char *end = strchrnul(line, '\n');
		int rc = parse_mount(line, end, point, root);
		if (rc != -ENOENT)
			return rc;
		line = *end ? end + 1 : end;
	}
	return -ENOENT;
}

/* A whole file of /proc or a cgroup, NUL-terminated; NULL on failure. */
static char *slurp(const char *path)
{
	cleanup_file FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t cap = 0;

	if (!f || getdelim(&text, &cap, 0, f) < 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* Our own group in the version 2 hierarchy, as /proc/self/cgroup says: "0::/path". */
static int own_group(char out[PATH_MAX])
{
	cleanup_free char *text = slurp("/proc/self/cgroup");
	const char *p = text ? strstr(text, "0::/") : NULL;

	if (!p || (p != text && p[-1] != '\n'))
		return -ENOENT;
	p += 3;
	size_t n = strcspn(p, "\n");
	if (n >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(out, p, n);
	out[n] = 0;
	return 0;
}

static int base_path(char out[PATH_MAX])
{
	cleanup_free char *mountinfo = slurp("/proc/self/mountinfo");
	char root[PATH_MAX], own[PATH_MAX];
	int rc = mountinfo ? dvmd_cgroup_mount(mountinfo, out, root) : -ENOENT;

	if (rc < 0 || (rc = own_group(own)) < 0)
		return rc;
	/* What is mounted may be a part of the hierarchy only, and our group outside of it. */
	size_t skip = !strcmp(root, "/") ? 0 : strlen(root);
	if (strncmp(own, root, skip) || (own[skip] && own[skip] != '/'))
		return -ENOENT;
	size_t n = strlen(out), m = strlen(own + skip);
	if (n + m >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(out + n, own + skip, m + 1);
	return 0;
}

/* FNV-1a. */
static uint64_t hash(const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	while (*s)
		h = (h ^ (uint8_t)*s++) * UINT64_C(0x100000001b3);
	return h;
}

static bool is_group_name(const char *s)
{
	if (!*s || *s == '.' || strlen(s) > 128)
		return false;
	for (; *s; s++)
		if (!isgraph((unsigned char)*s) || *s == '/')
			return false;
	return true;
}

int dvmd_cgroup_path(char out[PATH_MAX], const struct dvmd_place *place)
{
	if (!is_group_name(place->machine))
		return -EINVAL;
	int rc = base_path(out);
	if (rc < 0)
		return rc;
	size_t n = strlen(out);
	while (n > 0 && out[n - 1] == '/')
		n--;
	int m = snprintf(out + n, PATH_MAX - n, "/dvm/%s-%016llx/%u/job-%llu", place->machine,
			 (unsigned long long)hash(place->run_dir), place->node,
			 (unsigned long long)place->job);
	return (size_t)m < PATH_MAX - n ? 0 : -ENAMETOOLONG;
}

/* Up to four levels are ours: dvm, machine, node, job. */
static int make_level(const char *path, int level)
{
	char up[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT || level == 0 || !slash)
		return -errno;
	memcpy(up, path, (size_t)(slash - path));
	up[slash - path] = 0;
	int rc = make_level(up, level - 1);
	if (rc < 0)
		return rc;
	return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : -errno;
}

int dvmd_cgroup_make(const char *path)
{
	int rc = -ENOENT;

	/* Another job that ends may take away an empty group above while we go down. */
	for (int tries = 0; tries < 10 && rc == -ENOENT; tries++)
		rc = make_level(path, 3);
	return rc;
}

int dvmd_cgroup_write(const char *path, const char *name, const char *text)
{
	char file[PATH_MAX];

	if (snprintf(file, sizeof file, "%s/%s", path, name) >= (int)sizeof file)
		return -ENAMETOOLONG;
	cleanup_fd int fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

int dvmd_cgroup_kill(const char *path)
{
	return dvmd_cgroup_write(path, "cgroup.kill", "1");
}

bool dvmd_cgroup_populated(const char *path)
{
	char file[PATH_MAX];

	if (snprintf(file, sizeof file, "%s/cgroup.events", path) >= (int)sizeof file)
		return false;
	cleanup_free char *text = slurp(file);
	return text && strstr(text, "populated 1");
}

static int remove_tree(const char *path, int depth)
{
	cleanup_dir DIR *dir = opendir(path);
	const struct dirent *d;
	char sub[PATH_MAX];

	while (dir && depth > 0 && (d = readdir(dir)))
		if (d->d_type == DT_DIR && d->d_name[0] != '.' &&
		    snprintf(sub, sizeof sub, "%s/%s", path, d->d_name) < (int)sizeof sub)
			remove_tree(sub, depth - 1);
	return rmdir(path) == 0 || errno == ENOENT ? 0 : -errno;
}

int dvmd_cgroup_remove(const char *path)
{
	char up[PATH_MAX];
	int rc = remove_tree(path, DEPTH_MAX);

	if (rc < 0 || strlen(path) >= sizeof up)
		return rc;
	strcpy(up, path);
	for (int level = 0; level < 3; level++) {
		char *slash = strrchr(up, '/');
		if (!slash)
			break;
		*slash = 0;
		if (rmdir(up) < 0)
			break;
	}
	return 0;
}
