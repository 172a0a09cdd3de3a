/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A node's engine: its life, its messages, and who takes which. What becomes of its copies is the table of
 * doc/design/0015-coherence.md, cell by cell: protocol_want.c has what is asked for and comes,
 * protocol_give.c what others ask of us, protocol_hold.c what they have to wait for.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shm/protocol_private.h"

/* ---- making ---- */

static bool config_good(const struct dsm_config *c)
{
	return c->nodes && c->nodes <= DSM_NODES_MAX && c->self < c->nodes && c->pages && c->home &&
	       c->ops;
}

int dsm_create(struct dsm **out, const struct dsm_config *config)
{
	if (!config_good(config))
		return -EINVAL;
	struct dsm *d = calloc(1, sizeof *d);
	if (!d)
		return -ENOMEM;
	d->c = *config;
	d->alive = calloc(config->nodes, sizeof *d->alive);
	d->marked = calloc(config->nodes, sizeof *d->marked);
	d->told = calloc(config->nodes, sizeof *d->told);
	if (!d->alive || !d->marked || !d->told || dsm_cells_init(d) < 0) {
		dsm_destroy(d);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < config->nodes; i++)
		d->alive[i] = true;
	*out = d;
	return 0;
}

void dsm_destroy(struct dsm *d)
{
	struct dsm_want *w, *tmp;

	if (!d)
		return;
	HASH_ITER(hh, d->wants, w, tmp) {
		HASH_DEL(d->wants, w);
		free(w);
	}
	dsm_held_clear(d);
	dsm_home_end(d);
	dsm_requests_free(&d->ends);
	dsm_cells_free(d);
	free(d->alive);
	free(d->marked);
	free(d->told);
	free(d);
}

/* ---- sending ---- */

void dsm_send(struct dsm *d, uint32_t to, struct dsm_msg m)
{
	m.epoch = d->epoch;
	if (to == d->c.self) {
		assert(d->nlocal < DSM_LOCAL_MAX);
		d->local[d->nlocal++] = m;
		return;
	}
	if (!d->alive[to])
		return;
	d->stats.sent[m.kind]++;
	d->c.ops->send(d->c.arg, to, &m);
}

void dsm_run_local(struct dsm *d)
{
	if (d->running)
		return;
	d->running = true;
	while (d->nlocal) {
		struct dsm_msg m = d->local[0];
		memmove(d->local, d->local + 1, --d->nlocal * sizeof m);
		dsm_take(d, d->c.self, &m);
	}
	d->running = false;
}

/* ---- any message ---- */

/* What concerns our copy. False: it makes no sense. */
static bool take_copy(struct dsm *d, uint32_t from, const struct dsm_msg *m, struct dsm_cell *c)
{
	switch (m->kind) {
	case DSM_DATA:
		return m->flags & DSM_WALK ? dsm_walk_data(d, m, c) : dsm_take_answer(d, from, m, c);
	case DSM_GRANT:
	case DSM_ACK:
	case DSM_LOST:
		return dsm_take_answer(d, from, m, c);
	case DSM_FWD_GETS:
	case DSM_FWD_GETM:
	case DSM_INV:
		return dsm_take_order(d, from, m, c);
	default:
		return dsm_walk_take(d, from, m, c);
	}
}

int dsm_take(struct dsm *d, uint32_t from, const struct dsm_msg *m)
{
	if (m->flags & DSM_PASSED && !dsm_was_passed(d, &from, m)) {
		d->stats.dropped++;
		return 0;
	}
	switch (m->kind) {
	case DSM_GETS:
	case DSM_GETM:
	case DSM_PUT:
	case DSM_DIFF:
		return dsm_home_request(d, from, m);
	case DSM_DONE:
		dsm_home_done(d, from, m);
		return 0;
	case DSM_APPLIED:
		dsm_home_applied(d, from, m->page);
		return 0;
	case DSM_MARK:
	case DSM_HOLD:
	case DSM_HELD:
	case DSM_OWN:
		return dsm_view_message(d, from, m);
	default:
		break;
	}
	struct dsm_cell *c = dsm_cell_touch(d, m->page);
	if (!c)
		return -ENOMEM;
	/* Only a home forwards, invalidates, grants and declares lost. */
	bool homes = m->kind != DSM_DATA && m->kind != DSM_ACK && m->kind != DSM_ENDED &&
		     m->kind != DSM_SETTLED;
	if (homes)
		dsm_learn_home(d, m->page, c, from);
	if ((homes && from != dsm_home(d, m->page)) || !take_copy(d, from, m, c))
		d->stats.dropped++;
	return 0;
}

int dsm_receive(struct dsm *d, uint32_t from, const struct dsm_msg *m, uint64_t now)
{
	d->now = now;
	if (from >= d->c.nodes || from == d->c.self || !m->kind || m->kind >= DSM_KINDS ||
	    m->page >= d->c.pages || !dsm_view_lets(d, from, m)) {
		d->stats.dropped++;
		return 0;
	}
	int rc = dsm_take(d, from, m);
	dsm_run_local(d);
	if (d->ends)
		dsm_walk_retry(d);
	return rc;
}

/* ---- questions ---- */

bool dsm_starved(const struct dsm *d)
{
	return d->starved;
}

enum dsm_state dsm_state(const struct dsm *d, uint64_t page)
{
	return (enum dsm_state)dsm_cell_get(d, page).state;
}

uint64_t dsm_version(const struct dsm *d, uint64_t page)
{
	return dsm_cell_get(d, page).version;
}

const struct dsm_stats *dsm_stats(const struct dsm *d)
{
	return &d->stats;
}

const char *dsm_state_name(enum dsm_state s)
{
	static const char *const names[] = { "invalid",  "shared",   "owned",
					     "modified", "poisoned", "walking" };

	return s <= DSM_WALKING ? names[s] : "?";
}

const char *dsm_kind_name(enum dsm_kind k)
{
	static const char *const names[] = { "?",    "GETS", "GETM", "DONE", "PUT",  "FWD_GETS",
					     "FWD_GETM", "INV",	 "GRANT", "LOST", "DATA", "ACK",
					     "MARK", "HOLD", "HELD", "OWN",  "FWD_WALK", "DIFF",
					     "APPLY", "APPLIED", "SETTLED", "END", "ENDED" };

	return k < DSM_KINDS ? names[k] : "?";
}
