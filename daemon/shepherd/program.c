/* SPDX-License-Identifier: BSD-3-Clause */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/shepherd/program.h"
#include "libdvm/base/cleanup.h"

static size_t count_entries(const char *path)
{
	size_t n = 1;

	for (; *path; path++)
		n += *path == ':';
	return n;
}

char **shep_program_candidates(const char *name, const char *path)
{
	if (strchr(name, '/') || !*name)
		path = "";
	else if (!path)
		path = "/usr/local/bin:/usr/bin:/bin";
	size_t n = count_entries(path);
	char **list = malloc((n + 1) * sizeof *list + strlen(path) + n * (strlen(name) + 3));
	if (!list)
		return NULL;
	char *out = (char *)(list + n + 1);
	for (size_t i = 0; i < n; i++) {
		size_t len = strcspn(path, ":");
		list[i] = out;
		/* An empty entry means the current directory. */
		out += sprintf(out, "%.*s%s%s", (int)len, path, len ? "/" : "", name) + 1;
		path += len + 1;
	}
	list[n] = NULL;
	return list;
}

/* The loader an ELF file asks for; false if it is no such file or asks for none. */
static bool elf_interpreter(int fd, char *out, size_t size)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	if (pread(fd, &eh, sizeof eh, 0) != sizeof eh || memcmp(eh.e_ident, ELFMAG, SELFMAG) ||
	    eh.e_ident[EI_CLASS] != ELFCLASS64)
		return false;
	for (int i = 0; i < eh.e_phnum && i < 64; i++) {
		off_t at = (off_t)(eh.e_phoff + (uint64_t)i * sizeof ph);
		if (pread(fd, &ph, sizeof ph, at) != sizeof ph || ph.p_type != PT_INTERP)
			continue;
		ssize_t n = pread(fd, out, size - 1, (off_t)ph.p_offset);
		if (n <= 0)
			return false;
		out[n] = 0;
		return true;
	}
	return false;
}

static bool script_interpreter(int fd, char *out, size_t size)
{
	char line[PATH_MAX];
	ssize_t n = pread(fd, line, sizeof line - 1, 0);

	if (n < 3 || line[0] != '#' || line[1] != '!')
		return false;
	line[n] = 0;
	const char *p = line + 2 + strspn(line + 2, " \t");
	snprintf(out, size, "%.*s", (int)strcspn(p, " \t\r\n"), p);
	return *out != 0;
}

/* The file is there, but something it needs is not. */
static void explain_interpreter(const char *name, const char *file, char *text, size_t size)
{
	cleanup_fd int fd = open(file, O_RDONLY | O_CLOEXEC);
	char interp[PATH_MAX];

	if (fd >= 0 && script_interpreter(fd, interp, sizeof interp))
		snprintf(text, size, "%s: its interpreter %s does not exist", name, interp);
	else if (fd >= 0 && elf_interpreter(fd, interp, sizeof interp))
		snprintf(text, size, "%s: its loader %s does not exist", name, interp);
	else
		snprintf(text, size, "%s: its interpreter does not exist", name);
}

/* FILE as seen from the job's directory. */
static void in_dir(char *out, size_t size, const char *wdir, const char *file)
{
	if (*file == '/' || !wdir || !*wdir)
		snprintf(out, size, "%s", file);
	else
		snprintf(out, size, "%s/%s", wdir, file);
}

/* The first candidate that exists, in OUT. */
static bool find_existing(char *const *candidates, const char *wdir, char *out, size_t size,
			  struct stat *st)
{
	for (; *candidates; candidates++) {
		in_dir(out, size, wdir, *candidates);
		if (stat(out, st) == 0)
			return true;
	}
	return false;
}

int shep_program_explain(const char *name, char *const *candidates, const char *wdir, int err,
			 char *text, size_t size)
{
	char file[PATH_MAX];
	struct stat st;
	bool there = find_existing(candidates, wdir, file, sizeof file, &st);

	/* A directory of PATH that may not be searched says nothing about the program. */
	if (!there && err == EACCES && !strchr(name, '/'))
		err = ENOENT;
	if (there && S_ISDIR(st.st_mode))
		snprintf(text, size, "%s: is a directory", name);
	else if (there && (err == ENOENT || err == ENOTDIR))
		explain_interpreter(name, file, text, size);
	else if (err == ENOENT || err == ENOTDIR)
		snprintf(text, size, "%s: no such file%s", name,
			 strchr(name, '/') ? "" : " in PATH");
	else if (there && err == EACCES && !(st.st_mode & 0111))
		snprintf(text, size, "%s: not executable", name);
	else if (err == ENOEXEC)
		snprintf(text, size, "%s: not a program for this kind of machine", name);
	else
		snprintf(text, size, "%s: %s", name, strerrordesc_np(err));
	return err == ENOTDIR ? -ENOENT : -err;
}

int shep_program_explain_wdir(const char *wdir, int err, char *text, size_t size)
{
	if (err == ENOENT)
		snprintf(text, size, "%s: no such directory", wdir);
	else
		snprintf(text, size, "%s: cannot be the working directory: %s", wdir,
			 strerrordesc_np(err));
	/* ENOENT alone would read as "the program is not there". */
	return err == ENOENT ? -ENOTDIR : -err;
}
