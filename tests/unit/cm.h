/* SPDX-License-Identifier: BSD-3-Clause */
/* cmocka and what it needs in front of it. One group per program: its output is TAP. */
#ifndef TESTS_UNIT_CM_H
#define TESTS_UNIT_CM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/*
 * cmocka's own says "not ok # SKIP", which automake counts as a failure. For use in a test function
 * itself, which it ends.
 */
#undef skip
#define skip()                                                                                     \
	do {                                                                                       \
		print_message("# skipped: %s\n", __func__);                                        \
		return;                                                                            \
	} while (0)

#endif
