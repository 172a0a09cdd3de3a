/* SPDX-License-Identifier: BSD-3-Clause */
/* Arrays that grow by doubling. */
#ifndef DVMI_BASE_GROW_H
#define DVMI_BASE_GROW_H

#include <stddef.h>

/*
 * Makes room for one more element of SIZE bytes behind N in an array of *CAP. ARRAY is the address of
 * the pointer to it, which may be NULL and may change. 0; -ENOMEM: nothing has changed.
 */
int dvmi_grow(void *array, size_t n, size_t *cap, size_t size);

#endif
