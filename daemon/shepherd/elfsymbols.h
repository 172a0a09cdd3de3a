/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What functions a program has in itself: the symbol table of an ELF file, where it has not been
 * stripped. The file is input: every offset in it is checked.
 */
#ifndef SHEP_ELFSYMBOLS_H
#define SHEP_ELFSYMBOLS_H

#include <stdbool.h>

/* Whether one of NAMES, which ends with NULL, is among the symbols of the file at PATH. */
bool shep_elf_has_symbol(const char *path, const char *const *names);

#endif
