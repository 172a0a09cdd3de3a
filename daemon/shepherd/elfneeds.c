/* SPDX-License-Identifier: BSD-3-Clause */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "daemon/shepherd/elfneeds.h"
#include "libdvm/base/cleanup.h"

enum { PHDRS_MAX = 256, DYNS_MAX = 4096 };

struct elf {
	int fd;
	Elf64_Ehdr eh;
	Elf64_Phdr *ph;
	Elf64_Dyn *dyn;
	size_t ndyn;
	uint64_t strtab; /* file offset */
};

static int read_at(int fd, void *p, size_t n, uint64_t off)
{
	ssize_t got = pread(fd, p, n, (off_t)off);

	return got < 0 ? -errno : (size_t)got == n ? 0 : -ENOEXEC;
}

static int read_header(struct elf *e)
{
	int rc = read_at(e->fd, &e->eh, sizeof e->eh, 0);

	if (rc < 0)
		return rc;
	const uint8_t order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
	if (memcmp(e->eh.e_ident, ELFMAG, SELFMAG) != 0 || e->eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    e->eh.e_ident[EI_DATA] != order || e->eh.e_phentsize != sizeof *e->ph ||
	    e->eh.e_phnum > PHDRS_MAX)
		return -ENOEXEC;
	e->ph = calloc(e->eh.e_phnum + 1u, sizeof *e->ph);
	return e->ph ? read_at(e->fd, e->ph, e->eh.e_phnum * sizeof *e->ph, e->eh.e_phoff) : -ENOMEM;
}

static const Elf64_Phdr *segment(const struct elf *e, uint32_t type)
{
	for (unsigned i = 0; i < e->eh.e_phnum; i++)
		if (e->ph[i].p_type == type)
			return &e->ph[i];
	return NULL;
}

static int read_dynamic(struct elf *e)
{
	const Elf64_Phdr *ph = segment(e, PT_DYNAMIC);

	if (!ph)
		return -ENODATA;
	e->ndyn = ph->p_filesz / sizeof *e->dyn;
	if (e->ndyn > DYNS_MAX)
		return -ENOEXEC;
	e->dyn = calloc(e->ndyn + 1, sizeof *e->dyn);
	return e->dyn ? read_at(e->fd, e->dyn, e->ndyn * sizeof *e->dyn, ph->p_offset) : -ENOMEM;
}

/* File offset of an address. */
static bool find_address(const struct elf *e, uint64_t addr, uint64_t *off)
{
	for (unsigned i = 0; i < e->eh.e_phnum; i++) {
		const Elf64_Phdr *ph = &e->ph[i];
		if (ph->p_type != PT_LOAD || addr < ph->p_vaddr || addr - ph->p_vaddr >= ph->p_filesz)
			continue;
		*off = addr - ph->p_vaddr + ph->p_offset;
		return true;
	}
	return false;
}

static const Elf64_Dyn *entry(const struct elf *e, int64_t tag)
{
	for (size_t i = 0; i < e->ndyn && e->dyn[i].d_tag != DT_NULL; i++)
		if (e->dyn[i].d_tag == tag)
			return &e->dyn[i];
	return NULL;
}

static int string_at(const struct elf *e, uint64_t off, char *out, size_t size)
{
	if (off > INT32_MAX)
		return -ENOEXEC;
	ssize_t n = pread(e->fd, out, size, (off_t)(e->strtab + off));
	if (n < 0)
		return -errno;
	return memchr(out, 0, (size_t)n) ? 0 : -ENOEXEC;
}

static int read_runpath(const struct elf *e, char *runpath, size_t size)
{
	const Elf64_Dyn *d = entry(e, DT_RUNPATH);

	if (!d)
		d = entry(e, DT_RPATH);
	runpath[0] = 0;
	return d ? string_at(e, d->d_un.d_val, runpath, size) : 0;
}

static int each_needed(const struct elf *e, shep_elf_needed_fn *fn, void *arg)
{
	char name[SHEP_ELF_NAME_MAX];

	for (size_t i = 0; i < e->ndyn && e->dyn[i].d_tag != DT_NULL; i++) {
		if (e->dyn[i].d_tag != DT_NEEDED)
			continue;
		int rc = string_at(e, e->dyn[i].d_un.d_val, name, sizeof name);
		if (rc == 0)
			rc = fn(name, arg);
		if (rc)
			return rc;
	}
	return 0;
}

static int look(struct elf *e, char *runpath, size_t size, shep_elf_needed_fn *fn, void *arg)
{
	int rc = read_header(e);

	if (rc == 0)
		rc = read_dynamic(e);
	if (rc < 0)
		return rc;
	const Elf64_Dyn *strtab = entry(e, DT_STRTAB);
	if (!strtab || !find_address(e, strtab->d_un.d_ptr, &e->strtab) || e->strtab > INT64_MAX / 2)
		return -ENOEXEC;
	rc = read_runpath(e, runpath, size);
	return rc < 0 ? rc : each_needed(e, fn, arg);
}

int shep_elf_needed(const char *path, char *runpath, size_t size, shep_elf_needed_fn *fn, void *arg)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct elf e = { .fd = fd };

	if (fd < 0)
		return -errno;
	int rc = look(&e, runpath, size, fn, arg);
	free(e.ph);
	free(e.dyn);
	return rc;
}
