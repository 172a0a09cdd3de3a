/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages of a guest's page tables, as the mode in which several nodes write one page sees them: what
 * looks like one, and what becomes of an entry that two nodes have changed. Pure;
 * doc/design/0021-walked.md says why.
 *
 * Where a host's hardware walks the tables of a guest by writes, every node that walks them has to be
 * able to write them. What hardware changes are two bits, accessed and dirty; everything else is the
 * work of a kernel, whose locks are in other pages.
 */
#ifndef SHM_WALKED_H
#define SHM_WALKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DSM_WALKED_WORDS 512u /* entries of a page */

enum {
	DSM_PTE_PRESENT = 1,
	DSM_PTE_WRITE = 2,
	DSM_PTE_ACCESSED = 0x20,
	DSM_PTE_DIRTY = 0x40,
	DSM_PTE_GLOBAL = 0x100,
};

/* Whether a kernel could have written E in a table of a guest with addresses of FRAMES pages. */
bool dsm_walked_entry(uint64_t e, uint64_t frames);

/* How many entries of the page at WORDS are present; -1: it is no page of a table. */
int dsm_walked_table(const uint64_t *words, uint64_t frames);

/*
 * What may be written is dirty: hardware then never sets the bit at one node while another one takes
 * the entry away. A kernel writes such a page out once too often, at worst.
 */
static inline uint64_t dsm_walked_dirty(uint64_t e)
{
	uint64_t both = DSM_PTE_PRESENT | DSM_PTE_WRITE;

	return (e & both) == both ? e | DSM_PTE_DIRTY : e;
}

/* What was A is B, and hardware has looked at it, no more. */
static inline bool dsm_walked_mere(uint64_t a, uint64_t b)
{
	return a == b || (a & b & DSM_PTE_PRESENT && ((a ^ b) & ~(uint64_t)DSM_PTE_ACCESSED) == 0);
}

enum dsm_walked_way {
	DSM_WALKED_KEEP,     /* ours stays as it is */
	DSM_WALKED_TAKE,     /* it becomes what was found */
	DSM_WALKED_CONFLICT, /* both have changed it: ours stays, and the mode has to end */
};

/* All had agreed on BASE; here it is MINE, at another node it has become THEIRS. */
enum dsm_walked_way dsm_walked_merge(uint64_t base, uint64_t mine, uint64_t theirs, uint64_t *out);

#endif
