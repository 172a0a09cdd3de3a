/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/shepherd/ldcache.h"
#include "libdvm/base/cleanup.h"

static const char magic[] = "glibc-ld.so.cache1.1";

/* ldconfig(8) writes this; offsets of strings count from the start of the file. */
struct head {
	char magic[20];
	uint32_t n, strings_len;
	uint32_t unused[5];
};

struct item {
	int32_t flags;
	uint32_t name, file;
	uint32_t os;
	uint64_t hwcap;
};

void shep_ldcache_open(struct shep_ldcache *c, const char *path)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	*c = (struct shep_ldcache){ 0 };
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(struct head))
		return;
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return;
	*c = (struct shep_ldcache){ .bytes = p, .len = (size_t)st.st_size };
	if (memcmp(p, magic, sizeof magic - 1) != 0)
		shep_ldcache_close(c);
}

void shep_ldcache_close(struct shep_ldcache *c)
{
	if (c->bytes)
		munmap((void *)(uintptr_t)c->bytes, c->len);
	*c = (struct shep_ldcache){ 0 };
}

static const char *string(const struct shep_ldcache *c, uint32_t off)
{
	return off < c->len && memchr(c->bytes + off, 0, c->len - off) ? c->bytes + off : NULL;
}

static const char *cached(const struct shep_ldcache *c, const char *name)
{
	struct head h;
	struct item it;

	if (!c->bytes)
		return NULL;
	memcpy(&h, c->bytes, sizeof h);
	if (h.n > (c->len - sizeof h) / sizeof it)
		return NULL;
	for (uint32_t i = 0; i < h.n; i++) {
		memcpy(&it, c->bytes + sizeof h + i * sizeof it, sizeof it);
		const char *s = string(c, it.name);
		if (s && !strcmp(s, name))
			return string(c, it.file);
	}
	return NULL;
}

static bool try_dir(const char *dir, size_t len, const char *user, const char *name, char *out,
		    size_t size)
{
	static const char *const origins[] = { "$ORIGIN", "${ORIGIN}" };
	const char *slash = strrchr(user, '/');
	int n = -1;

	for (size_t i = 0; i < 2 && n < 0; i++) {
		size_t skip = strlen(origins[i]);
		if (len >= skip && !strncmp(dir, origins[i], skip))
			n = snprintf(out, size, "%.*s%.*s/%s", slash ? (int)(slash - user) : 1,
				     slash ? user : ".", (int)(len - skip), dir + skip, name);
	}
	if (n < 0)
		n = snprintf(out, size, "%.*s/%s", (int)len, dir, name);
	return n > 0 && (size_t)n < size && access(out, R_OK) == 0;
}

/* The first of the directories in the colon-separated DIRS that has it. */
static bool try_dirs(const char *dirs, const char *user, const char *name, char *out, size_t size)
{
	for (const char *d = dirs; d && *d;) {
		size_t len = strcspn(d, ":;");
		if (len && try_dir(d, len, user, name, out, size))
			return true;
		d += len + (d[len] != 0);
	}
	return false;
}

int shep_ldcache_find(const struct shep_ldcache *c, const char *name, const char *user,
		      const char *runpath, const char *library_path, char *out, size_t size)
{
	if (strchr(name, '/'))
		return snprintf(out, size, "%s", name) < (int)size ? 0 : -ENAMETOOLONG;
	if (try_dirs(library_path, user, name, out, size) ||
	    try_dirs(runpath, user, name, out, size))
		return 0;
	const char *file = cached(c, name);
	if (file)
		return snprintf(out, size, "%s", file) < (int)size ? 0 : -ENAMETOOLONG;
	return try_dirs("/lib64:/usr/lib64:/lib:/usr/lib", user, name, out, size) ? 0 : -ENOENT;
}
