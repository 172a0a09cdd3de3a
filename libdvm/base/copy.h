/* SPDX-License-Identifier: BSD-3-Clause */
/* memcpy() for lengths that are mostly those of one or two numbers: these without a call. */
#ifndef DVMI_BASE_COPY_H
#define DVMI_BASE_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The pointers may be NULL when N is 0. */
static inline void dvmi_copy(void *to, const void *from, size_t n)
{
	if (n - 8 <= 8) { /* 8 … 16: two words that may overlap */
		uint64_t first, last;
		memcpy(&first, from, 8);
		memcpy(&last, (const uint8_t *)from + n - 8, 8);
		memcpy(to, &first, 8);
		memcpy((uint8_t *)to + n - 8, &last, 8);
	} else if (n) {
		memcpy(to, from, n);
	}
}

#endif
