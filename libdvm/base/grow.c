/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/grow.h"

#define FIRST 16

int dvmi_grow(void *array, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap ? 2 * *cap : FIRST;
	void *p;

	if (n < *cap)
		return 0;
	memcpy(&p, array, sizeof p); /* a pointer of any type */
	p = reallocarray(p, more, size);
	if (!p)
		return -ENOMEM;
	memcpy(array, &p, sizeof p);
	*cap = more;
	return 0;
}
