/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two levels of sim_walk.c: a table whose entries lead to other tables, which a kernel empties, fills
 * and links again in one go, so that no comparison need lie between. Whoever follows a link finds what
 * was there when it was made.
 *
 * A link says how old what it leads to is, in bits that kernels use, and so do all entries there. The frame is
 * the same each time: a kernel that needs a page takes the one that was freed last.
 */
#ifndef TESTS_SIM_WALK_LINKS_H
#define TESTS_SIM_WALK_LINKS_H

#include "tests/sim/walk_node.h"

/* A child is in one of two places; one entry leads to the parent itself. */
enum { ANCHOR = 2 * CHILDREN, SLOTS };

#define AGES UINT64_C(8)

static uint64_t link_to(uint64_t child, uint64_t age)
{
	return (LINKS | child) << 12 | age % AGES << 9 | DSM_PTE_PRESENT;
}

static uint64_t age_of(uint64_t link)
{
	return link >> 9 & (AGES - 1);
}

/* ---- hardware ---- */

static void walk_child(struct node *node, uint64_t link)
{
	struct sim *s = node->s;
	uint64_t page = page_of(gen_of(link)), i = below(s, ENTRIES);
	uint64_t *e = &node->live[page][i];

	if (!have(node, page, true))
		return;
	if (gen_of(*e) % AGES != age_of(link) && !s->killed)
		fail(s, "node %u: a link to what is %" PRIu64 " leads to %" PRIu64, node->self,
		     age_of(link), gen_of(*e));
	*e |= DSM_PTE_ACCESSED;
	if (*e & DSM_PTE_WRITE && below(s, 2))
		*e |= DSM_PTE_DIRTY;
	s->down++;
}

static void walk_down(struct node *node)
{
	if (!have(node, PARENT, true))
		return;
	uint64_t *e = &node->live[PARENT][below(node->s, SLOTS)];
	if (!(*e & DSM_PTE_PRESENT))
		return;
	*e |= DSM_PTE_ACCESSED;
	if (page_of(gen_of(*e)) >= CHILD)
		walk_child(node, *e);
}

/* ---- a kernel, which has the lock ---- */

static bool have_family(struct node *node)
{
	bool truth = have(node, TRUTH, true), parent = have(node, PARENT, true);

	return have(node, CHILD + node->child, true) && truth && parent;
}

static void check_links(const struct node *node)
{
	const uint64_t *truth = &node->live[TRUTH][T_LINK], *live = node->live[PARENT];
	uint64_t hardware = DSM_PTE_ACCESSED | DSM_PTE_DIRTY;

	for (int i = 0; i < ANCHOR && !node->s->killed; i++)
		if ((live[i] | hardware) != (truth[i] | hardware))
			fail(node->s, "node %u: under the lock %" PRIx64 " is %" PRIx64, node->self,
			     truth[i], live[i]);
}

/* It is unlinked: those that walk are told, and have answered before it is used again. */
static void empty_child(struct node *node)
{
	uint64_t *truth = &node->live[TRUTH][T_LINK];

	node->child = below(node->s, CHILDREN);
	if (!have_family(node))
		return;
	check_links(node);
	for (uint64_t i = 2 * node->child; i < 2 * node->child + 2; i++)
		node->live[PARENT][i] = truth[i] = 0;
	node->kernel = EMPTYING;
}

static void leave_child(struct node *node)
{
	if (!have(node, ACTIVE, false))
		return;
	node->answers = 0;
	for (uint32_t to = 0; to < node->s->n; to++)
		if (to != node->self && node->live[ACTIVE][to] && !node->s->nodes[to].dead) {
			post(node, to, (struct post){ .kind = SHOOT });
			node->answers++;
		}
	node->kernel = LEAVING;
}

/* Zeros, entries, a link, with nothing in between but, perhaps, somebody who compares. */
static void fill_child(struct node *node)
{
	if (!have_family(node))
		return;
	struct sim *s = node->s;
	uint64_t *truth = node->live[TRUTH], *live = node->live[CHILD + node->child];
	uint64_t age = ++truth[T_AGE], at = 2 * node->child + below(s, 2);
	memset(live, 0, sizeof node->live[0]);
	for (int i = 0; i < ENTRIES; i++)
		live[i] = age << 12 | DSM_PTE_PRESENT | (below(s, 2) ? DSM_PTE_WRITE : 0);
	live[0] |= DSM_PTE_ACCESSED;
	node->live[PARENT][at] = link_to(node->child, age) | (below(s, 2) ? DSM_PTE_ACCESSED : 0);
	node->live[PARENT][ANCHOR] = (LINKS | age / 8 << 4 | 15) << 12 | DSM_PTE_PRESENT |
				     DSM_PTE_ACCESSED;
	truth[T_LINK + at] = node->live[PARENT][at] | DSM_PTE_ACCESSED;
	s->fills++;
	node->kernel = UNLOCKING;
}

static void meanwhile(struct node *node)
{
	bool here = node->access[TRUTH] == WRITE && node->access[PARENT] == WRITE &&
		    node->access[CHILD + node->child] == WRITE;

	if (!node->s->over && node->kernel == FILLING && here && below(node->s, 3) == 0)
		fill_child(node);
}

#endif
