/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include "shm/tables.h"
#include "shm/walked.h"

#define LEAVES	   3u /* in tables up to this level bit 7 says that an entry leads to no table */
#define SEEN	   1024u /* tables that need not be looked at again */
#define TABLES_MAX 8192u /* that are looked at: of a guest with a few TiB */

struct search {
	const struct dsm_tables *t;
	uint64_t page;
	unsigned looks;
	uint64_t seen[SEEN]; /* by page % SEEN: page + 1; one may push out another */
};

static bool is_new(struct search *s, uint64_t page)
{
	uint64_t *seen = &s->seen[page % SEEN];

	if (*seen == page + 1)
		return false;
	*seen = page + 1;
	return true;
}

static bool leads(uint64_t e, unsigned level)
{
	return e & DSM_PTE_PRESENT && !(level <= LEAVES && e & DSM_PTE_LEAF);
}

/* FRAME is a table of LEVEL; those of level 1 lead to no tables. */
static bool below(struct search *s, uint64_t frame, unsigned level)
{
	uint64_t page = s->t->page_of(s->t->arg, frame);

	if (page == s->page)
		return true;
	if (level <= 1 || !is_new(s, page) || s->looks >= TABLES_MAX)
		return false;
	const uint64_t *words = s->t->words(s->t->arg, page);
	s->looks++;
	for (unsigned i = 0; words && i < DSM_WALKED_WORDS; i++) {
		uint64_t e = __atomic_load_n(&words[i], __ATOMIC_RELAXED);
		if (leads(e, level) && below(s, dsm_pte_frame(e), level - 1))
			return true;
	}
	return false;
}

bool dsm_tables_have(const struct dsm_tables *t, const struct dsm_root *root, unsigned n,
		     uint64_t page)
{
	struct search s = { .t = t, .page = page };

	for (unsigned i = 0; i < n; i++)
		if (below(&s, root[i].frame, root[i].levels))
			return true;
	return false;
}
