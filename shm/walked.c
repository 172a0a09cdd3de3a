/* SPDX-License-Identifier: BSD-3-Clause */
#include "shm/walked.h"

#define NX	 (UINT64_C(1) << 63)
#define SOFT	 (UINT64_C(3) << 57) /* that kernels use; those above and below are 0 */
#define ADDRESS	 UINT64_C(0x000ffffffffff000)
#define NO_ENTRY (~(ADDRESS | NX | SOFT | 0xfff))
#define AD	 ((uint64_t)(DSM_PTE_ACCESSED | DSM_PTE_DIRTY))

static uint64_t frame(uint64_t e)
{
	return (e & ADDRESS) >> 12;
}

/*
 * Small odd numbers are common in data. The first page of memory is in tables, too, but only in a
 * kernel's own, which nobody may execute or everybody has.
 */
static bool first_frame(uint64_t e)
{
	uint64_t used = DSM_PTE_PRESENT | DSM_PTE_WRITE | AD;

	return (e & used) == used && e & (NX | DSM_PTE_GLOBAL);
}

bool dsm_walked_entry(uint64_t e, uint64_t frames)
{
	if (e == 0)
		return true;
	if (e & NO_ENTRY)
		return false;
	if (e & DSM_PTE_PRESENT)
		return frame(e) ? frame(e) < frames : first_frame(e);
	/* Taken away to see who touches it: the address is inverted. */
	return e & DSM_PTE_GLOBAL && frame(e ^ ADDRESS) < frames;
}

int dsm_walked_table(const uint64_t *words, uint64_t frames)
{
	int present = 0, used = 0;

	for (unsigned i = 0; i < DSM_WALKED_WORDS; i++) {
		if (!words[i])
			continue;
		if (!dsm_walked_entry(words[i], frames))
			return -1;
		present += words[i] & DSM_PTE_PRESENT;
		used |= (words[i] & (DSM_PTE_PRESENT | DSM_PTE_ACCESSED)) ==
			(DSM_PTE_PRESENT | DSM_PTE_ACCESSED);
	}
	return used ? present : 0;
}

/* The same entry but for what hardware sets. */
static bool same(uint64_t a, uint64_t b)
{
	return a & b & DSM_PTE_PRESENT && ((a ^ b) & ~AD) == 0;
}

/* E, and dirty if LOST was and it still may be. */
static uint64_t keep_dirty(uint64_t e, uint64_t lost)
{
	uint64_t both = DSM_PTE_PRESENT | DSM_PTE_WRITE;
	bool may = (e & both) == both && frame(e) == frame(lost);

	return may ? e | (lost & DSM_PTE_DIRTY) : e;
}

enum dsm_walked_way dsm_walked_merge(uint64_t base, uint64_t mine, uint64_t theirs, uint64_t *out)
{
	*out = mine;
	if (theirs == mine || theirs == base)
		return DSM_WALKED_KEEP;
	if (mine == base)
		*out = theirs;
	else if (same(mine, theirs))
		*out = mine | theirs;
	else if (same(base, mine))
		*out = keep_dirty(theirs, mine);
	else if (same(base, theirs))
		*out = keep_dirty(mine, theirs);
	else
		return DSM_WALKED_CONFLICT;
	return *out == mine ? DSM_WALKED_KEEP : DSM_WALKED_TAKE;
}
