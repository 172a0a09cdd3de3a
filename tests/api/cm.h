/* SPDX-License-Identifier: BSD-3-Clause */
/* cmocka and what it needs in front of it. One group per program: its output is TAP. */
#ifndef TESTS_API_CM_H
#define TESTS_API_CM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
