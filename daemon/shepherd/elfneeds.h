/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an ELF file asks the dynamic linker for, read from the file itself (System V gABI, chapter
 * 5): nothing is loaded or run. The file is input: every offset in it is checked.
 */
#ifndef SHEP_ELFNEEDS_H
#define SHEP_ELFNEEDS_H

#include <stddef.h>

#define SHEP_ELF_NAME_MAX 256

/* Called for each needed library; non-zero ends the search. */
typedef int shep_elf_needed_fn(const char *name, void *arg);

/*
 * Calls FN with each library that the file at PATH needs and copies its search path (RUNPATH or
 * RPATH, "" for none) to RUNPATH first. Returns 0 or what FN returned; -ENOEXEC when it is no
 * 64-bit ELF file of this byte order, -ENODATA when it is a static one, -E… when it cannot be read.
 */
int shep_elf_needed(const char *path, char *runpath, size_t size, shep_elf_needed_fn *fn, void *arg);

#endif
