/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranks on several nodes that lock, wait and count in a simulated world, and a model that watches.
 */
#ifndef TESTS_UNIT_SYNC_WORLD_H
#define TESTS_UNIT_SYNC_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One run. 0, or -1 with what went wrong in WHY. BROKEN: homes do not keep who writes apart, and
 * the model ought to see it.
 */
int sync_world_run(uint64_t seed, bool broken, char *why, size_t size);

#endif
