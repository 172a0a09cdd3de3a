/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "shm/diff.h"
#include "shm/walked.h"

#define WORDS	 DSM_WALKED_WORDS
#define NX	 (UINT64_C(1) << 63)
#define SOFT	 (UINT64_C(3) << 57) /* that kernels use; those above and below are 0 */
#define NO_ENTRY (~(DSM_PTE_ADDRESS | NX | SOFT | 0xfff))
#define AD	 ((uint64_t)(DSM_PTE_ACCESSED | DSM_PTE_DIRTY))

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
		return dsm_pte_frame(e) ? dsm_pte_frame(e) < frames : first_frame(e);
	/* Taken away to see who touches it: the address is inverted. */
	return e & DSM_PTE_GLOBAL && dsm_pte_frame(e ^ DSM_PTE_ADDRESS) < frames;
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
	bool may = (e & both) == both && dsm_pte_frame(e) == dsm_pte_frame(lost);

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

/* ---- a page ---- */

static uint64_t get(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static bool change(uint64_t *p, uint64_t *was, uint64_t to)
{
	return __atomic_compare_exchange_n(p, was, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

void dsm_walked_copy(uint64_t *to, const uint64_t *live)
{
	for (unsigned i = 0; i < WORDS; i++)
		to[i] = get(&live[i]);
}

unsigned dsm_walked_changes(const uint64_t *a, const uint64_t *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < WORDS; i++)
		n += !dsm_walked_mere(a[i], b[i]);
	return n;
}

/*
 * NOW, which is a table's and was copied from LIVE: what may be written is made dirty, there and here.
 * What has changed once more is left alone: it is found the next time.
 */
static void make_dirty(uint64_t *now, uint64_t *live)
{
	for (unsigned i = 0; i < WORDS; i++) {
		uint64_t e = now[i];
		now[i] = dsm_walked_dirty(e);
		if (now[i] != e)
			change(&live[i], &e, now[i]);
	}
}

void dsm_walked_begin(struct dsm_walked *w, const uint64_t *now, uint64_t *live)
{
	memcpy(w->base, now, sizeof w->base);
	make_dirty(w->base, live);
	memcpy(w->sent, w->base, sizeof w->sent);
	memcpy(w->seen, w->base, sizeof w->seen);
}

/* NOW leads to a table, perhaps, to which WAS did not. */
static bool leads_anew(uint64_t was, uint64_t now)
{
	uint64_t kind = DSM_PTE_PRESENT | DSM_PTE_LEAF;
	bool leads = (now & kind) == DSM_PTE_PRESENT, led = (was & kind) == DSM_PTE_PRESENT;

	return leads && !(led && dsm_pte_frame(was) == dsm_pte_frame(now));
}

static bool leads_open(uint64_t was, uint64_t now, const struct dsm_walked_guest *g)
{
	return leads_anew(was, now) && g->open(g->arg, dsm_pte_frame(now));
}

unsigned dsm_walked_leads(const uint64_t *was, const uint64_t *now,
			  const struct dsm_walked_guest *g)
{
	unsigned n = 0;

	for (unsigned i = 0; i < WORDS; i++)
		n += leads_open(was ? was[i] : 0, now[i], g);
	return n;
}

static bool unchanged(const uint64_t *live, const uint64_t *b)
{
	for (unsigned i = 0; i < WORDS; i += 8) {
		uint64_t x = 0;
		for (unsigned k = i; k < i + 8; k++)
			x |= __atomic_load_n(&live[k], __ATOMIC_RELAXED) ^ b[k];
		if (x)
			return false;
	}
	return true;
}

/*
 * That hardware has looked at an entry is not told: on its way it might meet the news that the entry
 * is gone, and bring it back.
 */
static void leave_mere(uint64_t *now, const uint64_t *sent)
{
	for (unsigned i = 0; i < WORDS; i++)
		if (dsm_walked_mere(sent[i], now[i]))
			now[i] = sent[i];
}

/* What must not be told yet, it having been copied before anybody looks where it leads. How many. */
static unsigned leave_open(struct dsm_walked *w, uint64_t *now, const struct dsm_walked_guest *g)
{
	unsigned n = 0;

	for (unsigned i = 0; i < WORDS; i++) {
		if (!leads_open(w->sent[i], now[i], g))
			continue;
		now[i] = w->sent[i];
		w->seen[i] = UINT64_MAX; /* no entry: there is something to be found */
		n++;
	}
	return n;
}

enum dsm_walked_look dsm_walked_look(struct dsm_walked *w, uint64_t *live,
				     const struct dsm_walked_guest *g, uint8_t *out,
				     struct dsm_walked_told *told)
{
	uint64_t now[WORDS];

	*told = (struct dsm_walked_told){ 0 };
	if (unchanged(live, w->seen))
		return DSM_WALKED_SAME;
	dsm_walked_copy(now, live);
	if (dsm_walked_table(now, g->frames) <= 0)
		return DSM_WALKED_END;
	make_dirty(now, live);
	memcpy(w->seen, now, sizeof w->seen);
	leave_mere(now, w->sent);
	told->later = leave_open(w, now, g);
	told->n = dsm_diff_make(w->sent, now, sizeof now, out, DSM_WALKED_DIFF);
	memcpy(w->sent, now, sizeof now);
	return told->n ? DSM_WALKED_TELL : DSM_WALKED_SAME;
}

void dsm_walked_settled(struct dsm_walked *w)
{
	memcpy(w->base, w->sent, sizeof w->base);
}

void dsm_walked_again(struct dsm_walked *w)
{
	memcpy(w->sent, w->base, sizeof w->sent);
	memset(w->seen, 0xff, sizeof w->seen);
}

/* An entry that is THEIRS elsewhere. False: it was changed here, too. */
static bool apply_entry(struct dsm_walked *w, uint64_t *live, unsigned i, uint64_t theirs,
			bool last)
{
	uint64_t mine = get(&live[i]), to;
	enum dsm_walked_way way;

	do
		way = dsm_walked_merge(w->base[i], mine, theirs, &to);
	while (way == DSM_WALKED_TAKE && !change(&live[i], &mine, to));
	w->seen[i] = UINT64_MAX; /* no entry */
	if (last)
		return way != DSM_WALKED_CONFLICT;
	/* What is ours is still to be told, or on its way; it comes after this. */
	if (w->sent[i] == w->base[i])
		w->sent[i] = theirs;
	w->base[i] = theirs;
	return way != DSM_WALKED_CONFLICT;
}

unsigned dsm_walked_apply(struct dsm_walked *w, uint64_t *live, const uint8_t *diff, size_t n,
			  bool last)
{
	uint64_t theirs[WORDS];
	unsigned conflicts = 0;

	memcpy(theirs, w->base, sizeof theirs);
	dsm_diff_apply(diff, n, theirs);
	for (unsigned i = 0; i < WORDS; i++)
		if (theirs[i] != w->base[i])
			conflicts += !apply_entry(w, live, i, theirs[i], last);
	return conflicts;
}

bool dsm_walked_agreed(const struct dsm_walked *w, const uint64_t *live)
{
	for (unsigned i = 0; i < WORDS; i++)
		if (w->sent[i] != w->base[i] || !dsm_walked_mere(w->base[i], get(&live[i])))
			return false;
	return true;
}

size_t dsm_walked_last(const struct dsm_walked *w, const uint64_t *live, uint8_t *out)
{
	/* It may be a table no more, so nothing is made dirty. */
	return dsm_diff_make(w->base, live, sizeof w->base, out, DSM_WALKED_DIFF);
}
