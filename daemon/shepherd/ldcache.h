/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the dynamic linker would find a library, as far as its cache and search paths tell. */
#ifndef SHEP_LDCACHE_H
#define SHEP_LDCACHE_H

#include <stddef.h>

struct shep_ldcache {
	const char *bytes; /* NULL: there is none */
	size_t len;
};

/* Maps /etc/ld.so.cache (glibc's format 1.1). A missing or strange one is an empty one. */
void shep_ldcache_open(struct shep_ldcache *c, const char *path);
void shep_ldcache_close(struct shep_ldcache *c);

/*
 * The file for library NAME needed by the file at USER, whose search path is RUNPATH ("$ORIGIN" is
 * understood); LIBRARY_PATH is the environment's (may be NULL). 0, -ENOENT, -ENAMETOOLONG.
 */
int shep_ldcache_find(const struct shep_ldcache *c, const char *name, const char *user,
		      const char *runpath, const char *library_path, char *out, size_t size);

#endif
