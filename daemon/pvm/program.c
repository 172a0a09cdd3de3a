/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a task begins, and where its program is: as PVM has it, and near who spawns it. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/pvm/agent.h"

#define ARCH "LINUX64"

static const char *variable(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

/* FROM with the values of variables, as host files have them: $HOME/bin/$PVM_ARCH. */
static void expand(char *out, size_t size, const char *from)
{
	size_t n = 0;

	while (*from && n + 1 < size) {
		char name[64];
		size_t len = 0;
		if (*from != '$') {
			out[n++] = *from++;
			continue;
		}
		from++;
		while (len < sizeof name - 1 && (isalnum((unsigned char)*from) || *from == '_'))
			name[len++] = *from++;
		name[len] = 0;
		n += (size_t)snprintf(out + n, size - n, "%s", variable(name, ""));
		n = n < size ? n : size - 1;
	}
	out[n] = 0;
}

/* Where that is not to be had a task begins elsewhere, as in PVM. */
static void go(const char *dir)
{
	char path[PATH_MAX];

	expand(path, sizeof path, dir);
	if (*path && chdir(path) < 0)
		return;
	setenv("PWD", path, *path == '/');
}

void pvm_program_place(const char *wd)
{
	setenv("PVM_ARCH", ARCH, 0);
	setenv("PVM_ROOT", PVM_ROOT_DIR, 0);
	go(*wd ? wd : variable("HOME", "/"));
	go(variable(PVMI_ENV_DIR, ""));
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* The first of DIRS, with colons between them, that has NAME. */
static bool in_dirs(char out[PATH_MAX], const char *dirs, const char *name)
{
	while (dirs && *dirs) {
		size_t n = strcspn(dirs, ":");
		if (n && snprintf(out, PATH_MAX, "%.*s/%s", (int)n, dirs, name) < PATH_MAX &&
		    is_program(out))
			return true;
		dirs += n + (dirs[n] == ':');
	}
	return false;
}

static bool in_pvm_dir(char out[PATH_MAX], const char *base, const char *below, const char *name)
{
	char dir[PATH_MAX];

	if (!*base)
		return false;
	snprintf(dir, sizeof dir, "%s%s/bin/%s", base, below, variable("PVM_ARCH", ARCH));
	return in_dirs(out, dir, name);
}

bool pvm_program_find(char out[PATH_MAX], const char *name, const char *ep)
{
	char own[4 * PATH_MAX];

	if (!*name)
		return false;
	if (strchr(name, '/'))
		return snprintf(out, PATH_MAX, "%s", name) < PATH_MAX && is_program(out);
	expand(own, sizeof own, ep);
	return in_dirs(out, own, name) || in_dirs(out, getenv("PVM_PATH"), name) ||
	       in_pvm_dir(out, variable("HOME", ""), "/pvm3", name) ||
	       in_pvm_dir(out, variable("PVM_ROOT", ""), "", name) ||
	       in_dirs(out, getenv(PVMI_ENV_NEAR), name) || in_dirs(out, ".", name) ||
	       in_dirs(out, getenv("PATH"), name);
}

bool pvm_program_debugger(char out[PATH_MAX])
{
	const char *own = getenv("PVM_DEBUGGER");

	if (own && *own)
		snprintf(out, PATH_MAX, "%s", own);
	else
		snprintf(out, PATH_MAX, "%s/lib/debugger", variable("PVM_ROOT", PVM_ROOT_DIR));
	return is_program(out);
}
