/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DVMD_SRCADDR_H
#define DVMD_SRCADDR_H

#include <stdbool.h>

/*
 * Whether the kernel, left to itself, would connect to ADDRESS from SOURCE (both numeric). Sends
 * nothing. False where it cannot be known.
 */
bool dvmd_srcaddr_is_default(const char *source, const char *address);

#endif
