/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of machines and nodes. They become directory names, so the rule is strict: 1 … 63 of
 * letters, digits, '.', '_' and '-', of which '.' and '-' cannot come first.
 */
#ifndef DVMD_NAME_H
#define DVMD_NAME_H

#include "dvm/error.h"

#define DVMD_NAME_MAX 63

/* 0, or -EINVAL with `WHAT "NAME": why`. NULL counts as empty. Any thread. */
int dvmd_name_check(const char *what, const char *name, dvm_error_t *err);

#endif
