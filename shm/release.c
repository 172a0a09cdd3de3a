/* SPDX-License-Identifier: BSD-3-Clause */
/* Release consistency: this node's copies. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shm/release_private.h"

/* ---- life ---- */

static bool config_good(const struct dsm_rc_config *c)
{
	return c->nodes && c->nodes <= DSM_RC_NODES_MAX && c->self < c->nodes && c->pages &&
	       c->parts && c->parts < 256 && c->home && c->ops;
}

static uint64_t chunks_of(const struct dsm_rc *d)
{
	return (d->c.pages + RC_CHUNK - 1) / RC_CHUNK;
}

int dsm_rc_create(struct dsm_rc **out, const struct dsm_rc_config *config)
{
	if (!config_good(config))
		return -EINVAL;
	struct dsm_rc *d = calloc(1, sizeof *d);
	if (!d)
		return -ENOMEM;
	d->c = *config;
	d->chunks = calloc(chunks_of(d), sizeof(struct dsm_rc_chunk *));
	d->alive = calloc(config->nodes, sizeof *d->alive);
	d->lived = calloc(config->nodes, sizeof *d->lived);
	d->held = calloc(config->nodes, sizeof *d->held);
	if (!d->chunks || !d->alive || !d->lived || !d->held) {
		dsm_rc_destroy(d);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < config->nodes; i++)
		d->alive[i] = true;
	*out = d;
	return 0;
}

void dsm_rc_destroy(struct dsm_rc *d)
{
	if (!d)
		return;
	for (uint64_t i = 0; d->chunks && i < chunks_of(d); i++)
		free(d->chunks[i]);
	dsm_rc_flush_free(d);
	dsm_rc_view_free(d);
	free(d->dirty.pages);
	free(d->stale.pages);
	free(d->chunks);
	free(d->alive);
	free(d->lived);
	free(d->held);
	free(d);
}

/* ---- what is known of pages ---- */

struct dsm_rc_cell dsm_rc_cell(const struct dsm_rc *d, uint64_t page)
{
	const struct dsm_rc_chunk *c = d->chunks[page / RC_CHUNK];

	return c ? c->cells[page % RC_CHUNK] : (struct dsm_rc_cell){ 0 };
}

struct dsm_rc_cell *dsm_rc_touch(struct dsm_rc *d, uint64_t page)
{
	struct dsm_rc_chunk **c = &d->chunks[page / RC_CHUNK];

	if (!*c)
		*c = calloc(1, sizeof **c);
	return *c ? &(*c)->cells[page % RC_CHUNK] : NULL;
}

void dsm_rc_each(struct dsm_rc *d,
		 void (*fn)(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c))
{
	for (uint64_t i = 0; i < chunks_of(d); i++)
		for (uint64_t k = 0; d->chunks[i] && k < RC_CHUNK; k++)
			if (i * RC_CHUNK + k < d->c.pages)
				fn(d, i * RC_CHUNK + k, &d->chunks[i]->cells[k]);
}

bool dsm_rc_list_add(struct dsm_rc_list *l, uint64_t page)
{
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		uint64_t *p = realloc(l->pages, room * sizeof *p);
		if (!p)
			return false;
		l->pages = p;
		l->room = room;
	}
	l->pages[l->n++] = page;
	return true;
}

bool dsm_rc_is_home(const struct dsm_rc *d, uint64_t page, const struct dsm_rc_cell *c)
{
	return c->flags & RC_ADOPTED ||
	       (d->c.home(d->c.arg, page) == d->c.self && !dsm_rc_has_moved(d, page));
}

void dsm_rc_send(struct dsm_rc *d, uint32_t to, struct dsm_rc_msg m)
{
	m.epoch = d->epoch;
	if (d->alive[to])
		d->c.ops->send(d->c.arg, to, &m);
}

/* ---- faults ---- */

void dsm_rc_poison(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c)
{
	d->stats.lost += c->state != DSM_RC_LOST;
	if (c->state == DSM_RC_WRITTEN) {
		d->written--;
		d->c.ops->untwin(d->c.arg, page);
	}
	c->state = DSM_RC_LOST;
	c->lessee = 0;
	c->flags &= (uint8_t) ~(RC_WANT | RC_WRITE | RC_STALE | RC_PULLED | RC_RECALLED);
	d->c.ops->poison(d->c.arg, page);
}

/* Where there are too many twins, or no memory for one, what is written goes home earlier. */
static bool make_twin(struct dsm_rc *d, uint64_t page)
{
	uint32_t number;

	if (d->c.twins && d->written >= d->c.twins)
		dsm_rc_release(d, d->c.twins / 2 + 1, &number);
	if (d->c.ops->twin(d->c.arg, page))
		return true;
	dsm_rc_release(d, UINT64_MAX, &number);
	return d->c.ops->twin(d->c.arg, page);
}

/* A home needs to know what it has changed only if it sends that. */
static int begin_writing(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c)
{
	bool twin = d->c.push || !dsm_rc_is_home(d, page, c);

	if (!(c->flags & RC_DIRTY) && !dsm_rc_list_add(&d->dirty, page))
		return -ENOMEM;
	c->flags |= RC_DIRTY;
	if (twin && !make_twin(d, page))
		return -ENOMEM;
	/* Also if that has just written it back. */
	if (!(c->flags & RC_DIRTY) && !dsm_rc_list_add(&d->dirty, page))
		return -ENOMEM;
	c->flags |= RC_DIRTY;
	c->state = DSM_RC_WRITTEN;
	d->written++;
	return 0;
}

bool dsm_rc_writable(const struct dsm_rc_cell *c)
{
	return c->state == DSM_RC_OPEN || c->state == DSM_RC_WRITTEN;
}

int dsm_rc_fault_at_home(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c, bool write)
{
	int rc = 0;

	if (c->lessee) {
		c->flags |= write ? RC_WANT | RC_WRITE : RC_WANT;
		dsm_rc_recall(d, page, c);
		return 0;
	}
	c->streak = 0;
	if (c->state != DSM_RC_WRITTEN && !c->sharers)
		c->state = DSM_RC_OPEN;
	else if (c->state != DSM_RC_WRITTEN && write)
		rc = begin_writing(d, page, c);
	else if (c->state == DSM_RC_INVALID)
		c->state = DSM_RC_READ;
	if (rc == 0)
		d->c.ops->install(d->c.arg, page, c->state != DSM_RC_READ);
	return rc;
}

/* A home in the place of a dead one may have to wait for the page, or hear that nobody has it. */
static void ask(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c, bool write, bool ahead)
{
	uint32_t home = dsm_rc_home(d, page);
	bool asked = c->flags & RC_WANT;

	c->flags |= write && !ahead ? RC_WANT | RC_WRITE : RC_WANT;
	if (home == d->c.self && !d->making && !(c->flags & RC_PULLED))
		dsm_rc_poison(d, page, c);
	else if (home != d->c.self && !asked)
		dsm_rc_send(d, home, (struct dsm_rc_msg){ .kind = DSM_RC_GET,
							  .flags = write ? DSM_RC_ALONE : 0,
							  .page = page });
}

int dsm_rc_want(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c, bool write, bool ahead)
{
	int rc = 0;

	if (c->lessee && ahead)
		return 0; /* it is not called back for that */
	if (dsm_rc_is_home(d, page, c))
		return dsm_rc_fault_at_home(d, page, c, write && !ahead);
	if (c->state == DSM_RC_INVALID) {
		ask(d, page, c, write, ahead);
		return 0;
	}
	if (c->state == DSM_RC_READ && write && !ahead)
		rc = begin_writing(d, page, c);
	if (rc == 0)
		d->c.ops->install(d->c.arg, page, dsm_rc_writable(c));
	return rc;
}

int dsm_rc_fault(struct dsm_rc *d, uint64_t page, bool write, bool ahead)
{
	struct dsm_rc_cell *c = page < d->c.pages ? dsm_rc_touch(d, page) : NULL;

	if (!c)
		return page < d->c.pages ? -ENOMEM : -EINVAL;
	if (c->state == DSM_RC_LOST) {
		d->c.ops->poison(d->c.arg, page);
		return 0;
	}
	return dsm_rc_want(d, page, c, write, ahead);
}

/* ---- release and acquire ---- */

int dsm_rc_release(struct dsm_rc *d, uint64_t most, uint32_t *number)
{
	size_t i = 0;

	if (dsm_rc_settling(d))
		return -EAGAIN;
	while (i < d->dirty.n && most) {
		uint64_t page = d->dirty.pages[i];
		struct dsm_rc_cell *c = dsm_rc_touch(d, page);
		if (c->flags & RC_DIRTY && c->state == DSM_RC_WRITTEN) {
			struct dsm_rc_flush *f = dsm_rc_flush_open(d);
			if (!f)
				break;
			dsm_rc_write_back(d, f, page, c, false);
			most--;
		}
		c->flags &= (uint8_t)~RC_DIRTY;
		i++;
	}
	d->dirty.n -= i;
	if (i && d->dirty.n)
		memmove(d->dirty.pages, d->dirty.pages + i, d->dirty.n * sizeof(uint64_t));
	dsm_rc_flush_close(d);
	d->stats.releases++;
	*number = d->flush;
	if (!d->dirty.n)
		return 0;
	return most ? -ENOMEM : 1;
}

static int drop_stale(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c)
{
	if (c->state == DSM_RC_WRITTEN) {
		struct dsm_rc_flush *f = dsm_rc_flush_open(d);
		if (!f)
			return -ENOMEM;
		dsm_rc_write_back(d, f, page, c, true);
	} else {
		d->c.ops->drop(d->c.arg, page);
	}
	c->state = DSM_RC_INVALID;
	c->flags |= dsm_rc_is_orphan(d, page) ? RC_KEPT : 0;
	return 0;
}

/* Without memory for the list it is dropped now, which is early, but right. */
void dsm_rc_stale(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c)
{
	if (c->flags & RC_STALE)
		return;
	if (dsm_rc_list_add(&d->stale, page))
		c->flags |= RC_STALE;
	else
		drop_stale(d, page, c);
	dsm_rc_flush_close(d);
}

int dsm_rc_acquire(struct dsm_rc *d)
{
	size_t i = 0;
	int rc = dsm_rc_settling(d) ? -EAGAIN : 0;

	for (; i < d->stale.n && rc == 0; i++) {
		uint64_t page = d->stale.pages[i];
		struct dsm_rc_cell *c = dsm_rc_touch(d, page);
		if (!dsm_rc_is_home(d, page, c) && c->flags & RC_STALE &&
		    (c->state == DSM_RC_READ || c->state == DSM_RC_WRITTEN))
			rc = drop_stale(d, page, c);
		if (rc == 0)
			c->flags &= (uint8_t)~RC_STALE;
	}
	if (rc == 0)
		d->stale.n = 0;
	dsm_rc_flush_close(d);
	return rc;
}

int dsm_rc_discard(struct dsm_rc *d, uint64_t page)
{
	struct dsm_rc_cell *c = page < d->c.pages ? dsm_rc_touch(d, page) : NULL;
	struct dsm_rc_flush *f = NULL;

	/* A copy of what was a dead node's may be the last one. */
	if (!c || dsm_rc_home(d, page) == d->c.self || dsm_rc_is_orphan(d, page) ||
	    c->state == DSM_RC_LOST)
		return -ENOENT;
	if (c->state == DSM_RC_OPEN)
		dsm_rc_give_back(d, page, c, false);
	if (c->flags & (RC_WANT | RC_KEPT))
		return -EAGAIN;
	if (c->state == DSM_RC_WRITTEN && !(f = dsm_rc_flush_open(d)))
		return -ENOMEM;
	if (f)
		dsm_rc_write_back(d, f, page, c, true);
	else if (c->state == DSM_RC_READ)
		d->c.ops->drop(d->c.arg, page);
	dsm_rc_flush_close(d);
	c->state = DSM_RC_INVALID;
	return 0;
}

/* ---- what comes ---- */

/* Write faults that waited go on; without memory for a twin they come again. */
static void have_it(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c)
{
	bool write = c->flags & RC_WRITE && !dsm_rc_writable(c);

	c->flags &= (uint8_t) ~(RC_WANT | RC_WRITE | RC_STALE);
	if (write)
		begin_writing(d, page, c);
	d->c.ops->install(d->c.arg, page, dsm_rc_writable(c));
}

static bool on_data(struct dsm_rc *d, const struct dsm_rc_msg *m, struct dsm_rc_cell *c)
{
	if (!(m->flags & (DSM_RC_BYTES | DSM_RC_ZEROS)))
		return false;
	if (m->flags & DSM_RC_PULLED) {
		dsm_rc_pulled(d, m, c);
		return true;
	}
	/* Asked for twice, around a death or a move. */
	if (!(c->flags & RC_WANT) || c->state != DSM_RC_INVALID ||
	    dsm_rc_has_moved_since(d, m->page, m->epoch))
		return true;
	d->c.ops->fill(d->c.arg, m->page);
	dsm_rc_safe(d, m->page, c);
	c->state = m->flags & DSM_RC_ALONE ? DSM_RC_OPEN : DSM_RC_READ;
	c->version = m->version;
	c->known = m->version > c->known ? m->version : c->known;
	have_it(d, m->page, c);
	return true;
}

/* What was told of when the copy is older than that is not dropped before the next acquire. */
static bool on_notice(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m, struct dsm_rc_cell *c)
{
	bool have = c->state == DSM_RC_READ || c->state == DSM_RC_WRITTEN;
	bool changes = m->flags & (DSM_RC_CHANGES | DSM_RC_FORWARD);

	if (m->node >= d->c.nodes || m->node == d->c.self)
		return false;
	c->known = m->version > c->known ? m->version : c->known;
	if (have && changes) {
		d->c.ops->merge(d->c.arg, m->page);
		c->version = m->version;
	} else if (have) {
		dsm_rc_stale(d, m->page, c);
	}
	dsm_rc_send(d, m->node, (struct dsm_rc_msg){ .kind = DSM_RC_ACK,
						     .node = (uint16_t)from,
						     .page = m->page,
						     .flush = m->flush });
	return true;
}

static int take_copy(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m)
{
	struct dsm_rc_cell *c = dsm_rc_touch(d, m->page);
	bool good = true;

	if (!c)
		return -ENOMEM;
	switch (m->kind) {
	case DSM_RC_DATA:
		good = on_data(d, m, c);
		break;
	case DSM_RC_TAKEN:
		return dsm_rc_on_taken(d, from, m);
	case DSM_RC_ACK:
		return dsm_rc_on_ack(d, from, m);
	case DSM_RC_NOTICE:
		good = !dsm_rc_is_home(d, m->page, c) && on_notice(d, from, m, c);
		break;
	case DSM_RC_RECALL:
		good = dsm_rc_on_recall(d, from, m, c);
		break;
	case DSM_RC_BACK:
		good = dsm_rc_on_back(d, from, m, c);
		break;
	case DSM_RC_GOT:
		good = dsm_rc_on_got(d, from, m, c);
		break;
	default:
		dsm_rc_on_gone(d, from, m, c);
	}
	d->stats.dropped += !good;
	return 0;
}

static int take(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m)
{
	switch (m->kind) {
	case DSM_RC_GET:
	case DSM_RC_DIFF:
		return dsm_rc_at_home(d, from, m);
	case DSM_RC_HOLD:
	case DSM_RC_HELD:
	case DSM_RC_PULL:
	case DSM_RC_MADE:
		return dsm_rc_on_view(d, from, m);
	default:
		return take_copy(d, from, m);
	}
}

int dsm_rc_receive(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m)
{
	if (from >= d->c.nodes || from == d->c.self || !d->alive[from] || !m->kind ||
	    m->kind >= DSM_RC_KINDS || m->page >= d->c.pages) {
		d->stats.dropped++;
		return 0;
	}
	if (dsm_rc_too_early(d, m))
		return -EAGAIN;
	bool making = d->making;
	int rc = take(d, from, m);
	return rc == 0 && (m->kind == DSM_RC_BACK || d->making != making) ? 1 : rc;
}

/* ---- questions ---- */

enum dsm_rc_state dsm_rc_state(const struct dsm_rc *d, uint64_t page)
{
	return (enum dsm_rc_state)dsm_rc_cell(d, page).state;
}

bool dsm_rc_is_needed(const struct dsm_rc *d, uint64_t page)
{
	struct dsm_rc_cell c = dsm_rc_cell(d, page);

	return dsm_rc_home(d, page) == d->c.self || c.flags & RC_KEPT || c.lessee ||
	       c.state == DSM_RC_OPEN || c.state == DSM_RC_WRITTEN;
}

bool dsm_rc_allows(const struct dsm_rc *d, uint64_t page, bool write)
{
	enum dsm_rc_state s = dsm_rc_state(d, page);

	return s == DSM_RC_OPEN || s == DSM_RC_WRITTEN || (s == DSM_RC_READ && !write);
}

uint64_t dsm_rc_version(const struct dsm_rc *d, uint64_t page)
{
	return dsm_rc_cell(d, page).version;
}

int64_t dsm_rc_lent(const struct dsm_rc *d, uint64_t page)
{
	return (int64_t)dsm_rc_cell(d, page).lessee - 1;
}

const struct dsm_rc_stats *dsm_rc_stats(const struct dsm_rc *d)
{
	return &d->stats;
}
