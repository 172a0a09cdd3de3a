/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding our own programs, installed or in a build tree. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/paths.h"
#include "libdvm/base/err.h"

bool dvmd_paths_is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool try_at(char *out, size_t size, const char *dir, const char *below, const char *name)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s%s/%s", dir, below, name) >= (int)sizeof path ||
	    strlen(path) >= size || !dvmd_paths_is_program(path))
		return false;
	strcpy(out, path);
	return true;
}

/* The directory of this executable; "" where /proc does not tell. */
static void own_dir(char out[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);

	out[n < 0 ? 0 : n] = 0;
	char *slash = strrchr(out, '/');
	if (slash)
		*slash = 0;
}

int dvmd_paths_program(char *out, size_t size, const char *name, dvm_error_t *err)
{
	const char *env = getenv("DVM_LIBEXECDIR");
	char own[PATH_MAX];

	own_dir(own);
	if (env && *env && try_at(out, size, env, "", name))
		return 0;
	if (own[0] && (try_at(out, size, own, "", name) ||
		       try_at(out, size, own, "/..", name) || /* build tree: DIR/.libs */
		       try_at(out, size, own, "/../libexec/dvm", name)))
		return 0;
	if (own[0] && (try_at(out, size, own, "/../kvm-node", name) || /* build tree */
		       try_at(out, size, own, "/../../kvm-node", name)))
		return 0;
	if (own[0] && try_at(out, size, own, "/../../bin", name)) /* from libexec/dvm */
		return 0;
	if (try_at(out, size, PKGLIBEXECDIR, "", name))
		return 0;
	return dvmi_error_set(err, -ENOENT,
			      "%s is not in %s, %s/../libexec/dvm or %s; $DVM_LIBEXECDIR may say "
			      "where it is",
			      name, own, own, PKGLIBEXECDIR);
}
