/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/hostmem.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

/* ---- small files ---- */

static FILE *open_at(const char *root, const char *path)
{
	char full[PATH_MAX];
	int n = snprintf(full, sizeof full, "%s%s", root, path);

	if (n < 0 || (size_t)n >= sizeof full) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	return fopen(full, "re");
}

/* The number in front of a file. "max", other text and a file that is not there: no limit. */
static uint64_t read_number(const char *dir, const char *name)
{
	cleanup_file FILE *f = open_at(dir, name);
	unsigned long long v;

	return f && fscanf(f, "%llu", &v) == 1 ? v : UINT64_MAX;
}

/* The value of the line "KEY number" in F; -1 if there is none. */
static long long read_key(FILE *f, const char *key)
{
	cleanup_free char *line = NULL;
	size_t cap = 0, len = strlen(key);
	long long v;

	while (getline(&line, &cap, f) >= 0)
		if (strncmp(line, key, len) == 0 && sscanf(line + len, " %lld", &v) == 1 && v >= 0)
			return v;
	return -1;
}

/* ---- the host ---- */

static int read_host(struct dvmd_hostmem *m, const char *root, dvm_error_t *err)
{
	cleanup_file FILE *f = open_at(root, "/proc/meminfo");

	if (!f)
		return dvmi_error_code(err, -errno, "/proc/meminfo");
	long long total = read_key(f, "MemTotal:");
	rewind(f);
	long long avail = read_key(f, "MemAvailable:");
	if (total <= 0 || avail < 0 || total > LLONG_MAX / 1024)
		return dvmi_error_set(err, -DVM_EPROTO, "/proc/meminfo has no memory in it");
	m->total = (uint64_t)total * 1024;
	m->free = (uint64_t)(avail < total ? avail : total) * 1024;
	return 0;
}

/* ---- control groups ---- */

/* What the two versions call the same thing. */
struct names {
	const char *limit, *used, *cache;
};

static const struct names v1 = { "/memory.limit_in_bytes", "/memory.usage_in_bytes",
				 "total_inactive_file" };
static const struct names v2 = { "/memory.max", "/memory.current", "inactive_file" };

/* File pages the kernel can drop are not in use. */
static uint64_t droppable(const char *dir, const char *key)
{
	cleanup_file FILE *f = open_at(dir, "/memory.stat");
	long long v = f ? read_key(f, key) : 0;

	return v > 0 ? (uint64_t)v : 0;
}

static void apply_limit(struct dvmd_hostmem *m, const char *dir, const struct names *names)
{
	uint64_t limit = read_number(dir, names->limit);

	if (limit >= m->total)
		return;
	uint64_t used = read_number(dir, names->used), cache = droppable(dir, names->cache);
	used = used == UINT64_MAX ? 0 : used;
	used -= cache < used ? cache : used;
	m->total = limit;
	if (m->free > limit - (used < limit ? used : limit))
		m->free = limit - (used < limit ? used : limit);
}

/* The group at DIR and every one above it up to the mount point, which is TOP bytes of DIR. */
static void apply_upwards(struct dvmd_hostmem *m, char *dir, size_t top, const struct names *names)
{
	for (;;) {
		apply_limit(m, dir, names);
		char *slash = strrchr(dir, '/');
		if (strlen(dir) <= top || !slash || slash < dir + top)
			return;
		*slash = 0;
	}
}

/* Undoes the \ooo of mountinfo, in place. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		unsigned v;
		if (*s == '\\' && sscanf(s + 1, "%3o", &v) == 1 && strlen(s) >= 4) {
			*out++ = (char)v;
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = 0;
}

/* One mount as mountinfo has it; the strings lie in its line. */
struct mount {
	char *root, *point, *type, *options;
};

static bool parse_mount(char *line, struct mount *m)
{
	char *fields[64], *rest = line;
	size_t n = 0, dash = 0;

	line[strcspn(line, "\n")] = 0;
	for (char *word; n < 64 && (word = strsep(&rest, " "));) {
		if (n >= 6 && !dash && strcmp(word, "-") == 0)
			dash = n;
		fields[n++] = word;
	}
	if (!dash || n < dash + 4)
		return false;
	*m = (struct mount){ fields[3], fields[4], fields[dash + 1], fields[dash + 3] };
	unescape(m->root);
	unescape(m->point);
	return true;
}

/* Whether WORD is one of the comma-separated LIST. */
static bool listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += len)
		if ((p == list || p[-1] == ',') && (p[len] == 0 || p[len] == ','))
			return true;
	return false;
}

static const struct names *hierarchy(const struct mount *m)
{
	if (strcmp(m->type, "cgroup2") == 0)
		return &v2;
	return strcmp(m->type, "cgroup") == 0 && listed(m->options, "memory") ? &v1 : NULL;
}

/* Our group in the hierarchy, from /proc/self/cgroup, into PATH. False if it is not told. */
static bool own_group(const char *root, const struct names *names, char *path, size_t size)
{
	cleanup_file FILE *f = open_at(root, "/proc/self/cgroup");
	cleanup_free char *line = NULL;
	size_t cap = 0;

	while (f && getline(&line, &cap, f) >= 0) {
		char *controllers = strchr(line, ':');
		char *group = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!group)
			continue;
		*group++ = 0;
		group[strcspn(group, "\n")] = 0;
		controllers++;
		if (names == &v2 ? strncmp(line, "0:", 2) == 0 && !*controllers
				 : listed(controllers, "memory"))
			return (size_t)snprintf(path, size, "%s", group) < size;
	}
	return false;
}

/*
 * GROUP as seen below a mount of the subtree ROOT. A group outside of it (a container without a
 * cgroup namespace of its own) is taken for the mount's top.
 */
static const char *below(const char *root, const char *group)
{
	size_t len = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (strncmp(group, root, len) != 0 || (group[len] && group[len] != '/'))
		return "";
	return strstr(group, "/..") || strcmp(group + len, "/") == 0 ? "" : group + len;
}

static void apply_mount(struct dvmd_hostmem *out, const char *root, const struct mount *m)
{
	const struct names *names = hierarchy(m);
	char group[PATH_MAX] = "", dir[PATH_MAX];

	if (!names || !own_group(root, names, group, sizeof group))
		return;
	int top = snprintf(NULL, 0, "%s%s", root, m->point);
	int n = snprintf(dir, sizeof dir, "%s%s%s", root, m->point, below(m->root, group));
	if (top > 0 && n > 0 && (size_t)n < sizeof dir)
		apply_upwards(out, dir, (size_t)top, names);
}

static void apply_cgroups(struct dvmd_hostmem *m, const char *root)
{
	cleanup_file FILE *f = open_at(root, "/proc/self/mountinfo");
	cleanup_free char *line = NULL;
	size_t cap = 0;
	struct mount mount;

	while (f && getline(&line, &cap, f) >= 0)
		if (parse_mount(line, &mount))
			apply_mount(m, root, &mount);
}

int dvmd_hostmem_read(struct dvmd_hostmem *out, const char *root, dvm_error_t *err)
{
	struct dvmd_hostmem m;
	int rc = read_host(&m, root, err);

	if (rc < 0)
		return rc;
	apply_cgroups(&m, root);
	*out = m;
	return 0;
}
