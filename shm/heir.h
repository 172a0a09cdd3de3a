/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is home to a page instead of HOME, if that is dead: the same node for all who know who lives. */
#ifndef SHM_HEIR_H
#define SHM_HEIR_H

#include <stdbool.h>
#include <stdint.h>

/* The next of N that lives, by a step that depends on the page: not all go to one. Somebody lives. */
static inline uint32_t dsm_heir(uint32_t home, uint64_t page, const bool *alive, uint32_t n)
{
	uint32_t step = 1 + (uint32_t)((page * UINT64_C(0x9e3779b97f4a7c15)) >> 33) % n;

	for (uint32_t i = 0; i < n && !alive[home]; i++)
		home = (home + step) % n;
	for (uint32_t i = 0; i < n && !alive[home]; i++)
		home = (home + 1) % n;
	return home;
}

#endif
