/* SPDX-License-Identifier: BSD-3-Clause */
/* A directory of a test's own, and its removal. */
#ifndef TESTS_UNIT_TMPDIR_H
#define TESTS_UNIT_TMPDIR_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TMPDIR_MAX 128

static inline void tmpdir_make(char out[TMPDIR_MAX])
{
	const char *base = getenv("TMPDIR");

	snprintf(out, TMPDIR_MAX, "%s/dvm-test-XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(out))
		abort();
}

static inline int tmpdir_remove_entry(const char *path, const struct stat *st, int type,
				      struct FTW *ftw)
{
	return remove(path);
}

static inline void tmpdir_remove(const char *path)
{
	nftw(path, tmpdir_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
