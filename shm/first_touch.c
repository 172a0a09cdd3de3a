/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Homes that go to who writes first. The home function says who is asked first; that node gives the
 * page to the first who wants to write it, home and all, and remembers to whom. What else it is asked
 * it passes on; who asks learns from the answer, and goes the short way from then on. All that a new
 * view forgets: then homes are again where the function says, and make their directories from reports.
 *
 * A page moves so once in a view at most, and to who hears of that before anything that is passed on
 * to it, on the same channel. So whoever speaks as a home within a view is it.
 */
#include "shm/heir.h"
#include "shm/protocol_private.h"

uint32_t dsm_first_home(const struct dsm *d, uint64_t page)
{
	return dsm_heir(d->c.home(d->c.arg, page), page, d->alive, d->c.nodes);
}

uint32_t dsm_home(const struct dsm *d, uint64_t page)
{
	uint16_t home = d->c.claim ? dsm_cell_get(d, page).home : 0;

	return home ? home - 1u : dsm_first_home(d, page);
}

uint8_t dsm_claims(const struct dsm *d, uint64_t page)
{
	return d->c.claim && dsm_version(d, page) == 0 && dsm_home(d, page) != d->c.self &&
			       d->c.claim(d->c.arg, page)
		       ? DSM_CLAIM
		       : 0;
}

bool dsm_claimed(struct dsm *d, struct dsm_cell *c, uint32_t from, const struct dsm_msg *m)
{
	if (!d->c.claim || m->kind != DSM_GETM || !(m->flags & DSM_CLAIM) || from == d->c.self ||
	    c->version || c->state != DSM_OWNED || dsm_is_held(d, m->page) ||
	    dsm_first_home(d, m->page) != d->c.self || !dsm_home_alone(d, m->page))
		return false;
	dsm_home_forget(d, m->page);
	dsm_give_away(d, c, m->page, from, m->version, 0, DSM_FINAL | DSM_CLAIM);
	c->home = (uint16_t)(from + 1);
	return true;
}

bool dsm_pass_on(struct dsm *d, uint32_t from, const struct dsm_msg *m)
{
	uint32_t home = dsm_home(d, m->page);
	struct dsm_msg passed = *m;

	if (!d->c.claim || home == d->c.self || m->flags & DSM_PASSED ||
	    dsm_first_home(d, m->page) != d->c.self)
		return false;
	passed.flags |= DSM_PASSED;
	passed.node = (uint16_t)from;
	dsm_send(d, home, passed);
	return true;
}

bool dsm_was_passed(const struct dsm *d, uint32_t *from, const struct dsm_msg *m)
{
	bool asks = m->kind == DSM_GETS || m->kind == DSM_GETM || m->kind == DSM_PUT ||
		    m->kind == DSM_DONE;

	if (!d->c.claim || !asks || m->node >= d->c.nodes || !d->alive[m->node] ||
	    *from != dsm_first_home(d, m->page))
		return false;
	*from = m->node;
	return true;
}

/* Who is home at first knows better. */
void dsm_learn_home(struct dsm *d, uint64_t page, struct dsm_cell *c, uint32_t node)
{
	uint32_t first = d->c.claim ? dsm_first_home(d, page) : d->c.self;

	if (first != d->c.self && node != first && node < d->c.nodes && d->alive[node])
		c->home = (uint16_t)(node + 1);
}

static void go_back(struct dsm *d, uint64_t page, struct dsm_cell *c)
{
	(void)d;
	(void)page;
	c->home = 0;
}

void dsm_homes_back(struct dsm *d)
{
	if (d->c.claim)
		dsm_cells_each(d, go_back);
}
