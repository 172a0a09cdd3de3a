/* SPDX-License-Identifier: BSD-3-Clause */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/shepherd/elfsymbols.h"
#include "libdvm/base/cleanup.h"

enum { SECTIONS_MAX = 4096, NAMES_MAX = 64 << 20 };

static int read_at(int fd, void *p, size_t n, uint64_t off)
{
	if (off > INT64_MAX / 2)
		return -ENOEXEC;
	ssize_t got = pread(fd, p, n, (off_t)off);

	return got < 0 ? -errno : (size_t)got == n ? 0 : -ENOEXEC;
}

static int read_sections(int fd, Elf64_Shdr **out, size_t *n)
{
	const uint8_t order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
	Elf64_Ehdr eh;
	int rc = read_at(fd, &eh, sizeof eh, 0);

	if (rc < 0)
		return rc;
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != order || eh.e_shentsize != sizeof **out ||
	    eh.e_shnum > SECTIONS_MAX)
		return -ENOEXEC;
	cleanup_free Elf64_Shdr *sh = calloc(eh.e_shnum + 1u, sizeof *sh);
	if (!sh)
		return -ENOMEM;
	rc = read_at(fd, sh, eh.e_shnum * sizeof *sh, eh.e_shoff);
	if (rc < 0)
		return rc;
	*n = eh.e_shnum;
	*out = sh;
	sh = NULL;
	return 0;
}

/* The names of symbols: the section of strings that the one of symbols refers to. */
static const Elf64_Shdr *find_names(const Elf64_Shdr *sh, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sh[i].sh_type == SHT_SYMTAB && sh[i].sh_link < n &&
		    sh[sh[i].sh_link].sh_type == SHT_STRTAB)
			return &sh[sh[i].sh_link];
	return NULL;
}

static bool has(const char *names, size_t len, const char *name)
{
	size_t n = strlen(name) + 1;

	for (const char *p = names, *end = names + len; p && (size_t)(end - p) >= n;) {
		p = memmem(p, (size_t)(end - p), name, n);
		if (p && p > names && p[-1] == '\0')
			return true;
		p = p ? p + 1 : NULL;
	}
	return false;
}

bool shep_elf_has_symbol(const char *path, const char *const *names)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	cleanup_free Elf64_Shdr *sh = NULL;
	size_t n = 0;

	if (fd < 0 || read_sections(fd, &sh, &n) < 0)
		return false;
	const Elf64_Shdr *s = find_names(sh, n);
	if (!s || s->sh_size > NAMES_MAX)
		return false;
	cleanup_free char *text = malloc(s->sh_size + 1);
	if (!text || read_at(fd, text, s->sh_size, s->sh_offset) < 0)
		return false;
	for (; *names; names++)
		if (has(text, s->sh_size, *names))
			return true;
	return false;
}
