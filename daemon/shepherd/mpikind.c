/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/paths.h"
#include "daemon/shepherd/elfneeds.h"
#include "daemon/shepherd/elfsymbols.h"
#include "daemon/shepherd/ldcache.h"
#include "daemon/shepherd/mpikind.h"
#include "daemon/shepherd/program.h"
#include "libdvm/base/cleanup.h"

enum { FILES_MAX = 256, ARGS_MAX = 64 };

/* A walk over libraries, breadth first; each is looked at once. */
struct walk {
	struct shep_ldcache cache;
	const char *library_path;
	char *names[FILES_MAX], *files[FILES_MAX];
	size_t n, at;
	char runpath[PATH_MAX];
	unsigned kind;
};

static bool begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

unsigned shep_mpikind_of_library(const char *name)
{
	static const struct {
		const char *prefix;
		unsigned kind;
	} known[] = {
		{ "libmpich", SHEP_MPI_PMI1 },	  { "libmpi.so.12", SHEP_MPI_PMI1 },
		{ "libpmi.so", SHEP_MPI_PMI1 },	  { "libmpi.so.40", SHEP_MPI_PMIX },
		{ "libopen-rte", SHEP_MPI_PMIX }, { "libopen-pal", SHEP_MPI_PMIX },
		{ "libpmix", SHEP_MPI_PMIX },	  { "liboshmem", SHEP_MPI_PMIX },
		{ "libmpi_mpifh.so.40", SHEP_MPI_PMIX },
		{ "libmpi", SHEP_MPI_BOTH },
	};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (begins(name, known[i].prefix))
			return known[i].kind;
	return SHEP_MPI_NONE;
}

static bool seen(const struct walk *w, const char *name)
{
	for (size_t i = 0; i < w->n; i++)
		if (!strcmp(w->names[i], name))
			return true;
	return false;
}

static int on_needed(const char *name, void *arg)
{
	struct walk *w = arg;
	char file[PATH_MAX];

	w->kind = shep_mpikind_of_library(name);
	if (w->kind)
		return 1;
	if (seen(w, name) || w->n == FILES_MAX)
		return 0;
	/* One that cannot be found will stop the program anyway. */
	if (shep_ldcache_find(&w->cache, name, w->files[w->at], w->runpath, w->library_path, file,
			      sizeof file) < 0)
		return 0;
	w->names[w->n] = strdup(name);
	w->files[w->n] = strdup(file);
	if (!w->names[w->n] || !w->files[w->n])
		return -ENOMEM;
	w->n++;
	return 0;
}

static void free_walk(struct walk *w)
{
	for (size_t i = 0; i <= w->n && i < FILES_MAX; i++) {
		free(w->names[i]);
		free(w->files[i]);
	}
	shep_ldcache_close(&w->cache);
	free(w);
}

/* -ENOEXEC: not an ELF file. */
static int kind_of_elf(const char *program, const char *library_path, unsigned *kind)
{
	struct walk *w = calloc(1, sizeof *w);

	if (!w)
		return -ENOMEM;
	shep_ldcache_open(&w->cache, "/etc/ld.so.cache");
	w->library_path = library_path;
	w->names[0] = strdup(program);
	w->files[0] = strdup(program);
	w->n = w->names[0] && w->files[0];
	int rc = w->n ? 0 : -ENOMEM;
	for (; rc == 0 && w->at < w->n; w->at++) {
		rc = shep_elf_needed(w->files[w->at], w->runpath, sizeof w->runpath, on_needed, w);
		if (w->at && rc < 0)
			rc = 0; /* a library that is none */
	}
	*kind = w->kind;
	free_walk(w);
	return rc < 0 && rc != -ENODATA ? rc : 0;
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Programs that run what a text says. */
static bool is_shell(const char *program)
{
	static const char *const shells[] = { "sh",  "bash", "dash", "ksh",  "mksh",	"zsh",
					      "csh", "tcsh", "fish", "perl", "busybox", "xargs" };

	for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++)
		if (!strcmp(base(program), shells[i]))
			return true;
	return begins(base(program), "python") || begins(base(program), "julia");
}

/* A library may also be part of the program. */
static bool holds_mpi(const char *program)
{
	static const char *const names[] = { "MPI_Init", "PMPI_Init", "PMI_Init", "PMIx_Init", NULL };

	return shep_elf_has_symbol(program, names);
}

static unsigned kind_of_file(const char *program, const char *library_path)
{
	unsigned kind = SHEP_MPI_NONE;

	if (is_shell(program) || kind_of_elf(program, library_path, &kind) < 0)
		return SHEP_MPI_BOTH;
	return !kind && holds_mpi(program) ? SHEP_MPI_BOTH : kind;
}

/* `env`, `taskset` and their like: some argument is a program, too. */
static unsigned kind_of_argument(const char *arg, const struct shep_mpikind_where *w)
{
	cleanup_free char **candidates = *arg == '-' ? NULL : shep_program_candidates(arg, w->path);
	char file[PATH_MAX];

	for (char **c = candidates; c && *c; c++) {
		bool full = **c == '/' || !w->wdir;
		int n = snprintf(file, sizeof file, "%s%s%s", full ? "" : w->wdir, full ? "" : "/", *c);
		if (n < (int)sizeof file && dvmd_paths_is_program(file))
			return kind_of_file(file, w->library_path);
	}
	return SHEP_MPI_NONE;
}

unsigned shep_mpikind(const char *program, char *const *argv, size_t argc,
		      const struct shep_mpikind_where *where)
{
	unsigned kind = kind_of_file(program, where->library_path);

	for (size_t i = 1; !kind && i < argc && i < ARGS_MAX; i++)
		kind = kind_of_argument(argv[i], where);
	return kind;
}
