/* SPDX-License-Identifier: BSD-3-Clause */
/* The handle of a program that nobody has launched, for the tests of a group. */
#ifndef TESTS_API_ALONE_H
#define TESTS_API_ALONE_H

#include <stdlib.h>

#include <dvm/dvm.h>

static dvm_t *d;
static dvm_group_t *w;

static inline int open_handle(void **state)
{
	(void)state;
	unsetenv("DVM_SHEPHERD");
	int rc = dvm_open(&d, NULL, NULL);
	w = dvm_world(d);
	return rc;
}

static inline int close_handle(void **state)
{
	(void)state;
	return dvm_close(d);
}

#endif
