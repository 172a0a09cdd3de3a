/* SPDX-License-Identifier: BSD-3-Clause */
/* Filling a dvm_error_t: the one way an error that a person reads is made. */
#ifndef DVMI_BASE_ERR_H
#define DVMI_BASE_ERR_H

#include <stdarg.h>

#include "dvm/error.h"

/*
 * Writes CODE (negative) and the formatted text, cut to fit, into ERR, which may be NULL.
 * Returns CODE, so that `return dvmi_error_set(err, -ENOENT, …)` reads well. Keeps errno.
 */
int dvmi_error_set(dvm_error_t *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, with ": <text of CODE>" behind the formatted text. */
int dvmi_error_code(dvm_error_t *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts the formatted text and ": " in front of what ERR already says. Returns err->code. */
int dvmi_error_prefix(dvm_error_t *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
