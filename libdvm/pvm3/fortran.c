// SPDX-License-Identifier: BSD-3-Clause
/* Character variables of Fortran. */
#include <stdlib.h>
#include <string.h>

#include "libdvm/pvm3/fortran.h"

/* A NUL ends a text, too: programs come from both worlds. */
char *pvmi_fortran_in(const char *text, pvmi_flen len)
{
	char *copy;

	len &= 0x7fffffff;
	len = text ? strnlen(text, len) : 0;
	while (len > 0 && text[len - 1] == ' ')
		len--;
	copy = malloc(len + 1);
	if (!copy)
		return NULL;
	if (len > 0)
		memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

void pvmi_fortran_out(char *to, pvmi_flen len, const char *text)
{
	size_t n = text ? strlen(text) : 0;

	len &= 0x7fffffff;
	if (n > len)
		n = len;
	memcpy(to, text ? text : "", n);
	memset(to + n, ' ', len - n);
}
