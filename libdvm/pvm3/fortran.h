/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What Fortran calls: names in small letters with a line under them, all arguments by reference,
 * and behind them the length of each character argument, in the order of those.
 */
#ifndef PVMI_FORTRAN_H
#define PVMI_FORTRAN_H

#include <stddef.h>

#include "libdvm/base/cleanup.h"
#include "pvm3.h"

/* Some compilers pass an int for it: lengths are less than that, and never more than a register. */
typedef size_t pvmi_flen;

/* The text without the blanks at its end, for free(); NULL without memory. */
char *pvmi_fortran_in(const char *text, pvmi_flen len);
/* Puts a text (NULL: none) into a character variable and fills it with blanks. */
void pvmi_fortran_out(char *to, pvmi_flen len, const char *text);

/* A character argument as C has it, for the rest of the function. */
#define PVMI_TEXT(name, text, len) cleanup_free char *name = pvmi_fortran_in(text, len)

#endif
