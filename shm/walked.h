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
	DSM_PTE_LEAF = 0x80, /* it leads to no table; in the lowest ones: nothing of the kind */
	DSM_PTE_GLOBAL = 0x100,
};

#define DSM_PTE_ADDRESS UINT64_C(0x000ffffffffff000)

/* The frame that E leads to. */
static inline uint64_t dsm_pte_frame(uint64_t e)
{
	return (e & DSM_PTE_ADDRESS) >> 12;
}

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

/* ---- a page ---- */

/* What a node that writes the page with others knows of it. */
struct dsm_walked {
	uint64_t base[DSM_WALKED_WORDS]; /* what all have agreed on */
	uint64_t sent[DSM_WALKED_WORDS]; /* and what we have told of besides */
	uint64_t seen[DSM_WALKED_WORDS]; /* what was there when we looked last */
};

#define DSM_WALKED_DIFF (2 * sizeof(uint64_t) * DSM_WALKED_WORDS) /* bytes that suffice for any */

/*
 * LIVE is the page itself, which processors write all the time: entries are read and changed one by
 * one. Differences are diff.h's, and good.
 */
void dsm_walked_copy(uint64_t *to, const uint64_t *live);
/* Entries by which A and B differ, but for those that hardware has looked at. */
unsigned dsm_walked_changes(const uint64_t *a, const uint64_t *b);
/* It begins: NOW, a table, was copied from LIVE and is what all agree on. */
void dsm_walked_begin(struct dsm_walked *w, const uint64_t *now, uint64_t *live);

/* What is known of the guest's memory. */
struct dsm_walked_guest {
	uint64_t frames;
	/* Others may not know, or have seen, all that was written here in FRAME before now. */
	bool (*open)(void *arg, uint64_t frame);
	void *arg;
};

/*
 * How many of the entries that lead somewhere in NOW, and did not in WAS, lead to what is open: who gets
 * them could find what was there before. open() is called for each. WAS may be NULL: of all entries.
 */
unsigned dsm_walked_leads(const uint64_t *was, const uint64_t *now,
			  const struct dsm_walked_guest *g);

struct dsm_walked_told {
	size_t n;	/* bytes of what is to be told */
	unsigned later; /* entries that are not, since they lead to what is open: look again */
};

enum dsm_walked_look {
	DSM_WALKED_SAME,
	DSM_WALKED_TELL, /* what is at OUT to all others */
	DSM_WALKED_END,	 /* it is no table any more */
};
enum dsm_walked_look dsm_walked_look(struct dsm_walked *w, uint64_t *live,
				     const struct dsm_walked_guest *g, uint8_t *out,
				     struct dsm_walked_told *told);
/* What was told is agreed on. */
void dsm_walked_settled(struct dsm_walked *w);
/* What was told may have been lost: it will be again. */
void dsm_walked_again(struct dsm_walked *w);
/*
 * What another has told. LAST: with the mode's end; those all differ from what was agreed on before,
 * so that does not change. The number of entries that were changed here, too.
 */
unsigned dsm_walked_apply(struct dsm_walked *w, uint64_t *live, const uint8_t *diff, size_t n,
			  bool last);
/* All have what is in LIVE, but for what hardware has looked at. */
bool dsm_walked_agreed(const struct dsm_walked *w, const uint64_t *live);
/* Nobody writes LIVE any more: all that is not agreed on, to OUT. The number of bytes. */
size_t dsm_walked_last(const struct dsm_walked *w, const uint64_t *live, uint8_t *out);

#endif
