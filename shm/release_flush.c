/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What was sent at a release and is not known to all yet. A flush waits for the homes to have taken
 * its changes, and for whoever they have told to acknowledge, each by name: so the dead can be
 * struck off. Acknowledgements may come before it is known that they are due.
 */
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "shm/release_private.h"

/* ---- sets of nodes ---- */

/* A bit is a group of nodes where there are more than 64. */
uint64_t dsm_rc_bit(const struct dsm_rc *d, uint32_t node)
{
	return UINT64_C(1) << node / ((d->c.nodes + 63) / 64);
}

bool dsm_rc_among(const struct dsm_rc *d, uint64_t sharers, uint32_t node)
{
	return sharers & dsm_rc_bit(d, node) && d->alive[node];
}

/* ---- flushes ---- */

struct dsm_rc_flush *dsm_rc_flush_open(struct dsm_rc *d)
{
	struct dsm_rc_flush *f = d->open;
	uint32_t n = d->c.nodes;

	if (f)
		return f;
	f = calloc(1, sizeof *f + n * sizeof(uint32_t));
	if (!f)
		return NULL;
	f->number = ++d->flush;
	DL_APPEND(d->flushes, f);
	d->open = f;
	return f;
}

static void free_dues(struct dsm_rc_flush *f)
{
	struct dsm_rc_due *due, *tmp;

	HASH_ITER(hh, f->dues, due, tmp) {
		HASH_DEL(f->dues, due);
		free(due);
	}
}

static void end_if_done(struct dsm_rc *d, struct dsm_rc_flush *f)
{
	if (f == d->open || f->sent || f->owing)
		return;
	DL_DELETE(d->flushes, f);
	free_dues(f);
	free(f);
}

void dsm_rc_flush_close(struct dsm_rc *d)
{
	struct dsm_rc_flush *f = d->open;

	d->open = NULL;
	if (f)
		end_if_done(d, f);
}

bool dsm_rc_over(const struct dsm_rc *d, uint32_t number)
{
	const struct dsm_rc_flush *f = d->flushes;

	/* Until all have heard of a death, some may not have heard of what its home was to tell. */
	return !d->making && (!f || (int32_t)(f->number - number) > 0);
}

static struct dsm_rc_flush *find(const struct dsm_rc *d, uint32_t number)
{
	struct dsm_rc_flush *f;

	DL_SEARCH_SCALAR(d->flushes, f, number, number);
	return f;
}

static struct dsm_rc_due *due_of(struct dsm_rc_flush *f, uint32_t home, uint32_t node)
{
	uint32_t key = home << 16 | node;
	struct dsm_rc_due *due;

	HASH_FIND(hh, f->dues, &key, sizeof key, due);
	if (due)
		return due;
	due = calloc(1, sizeof *due);
	if (!due)
		return NULL;
	due->key = key;
	HASH_ADD(hh, f->dues, key, sizeof due->key, due);
	return due;
}

static void add(struct dsm_rc_flush *f, struct dsm_rc_due *due, int32_t n)
{
	f->owing -= due->count != 0;
	due->count += n;
	f->owing += due->count != 0;
}

static void add_own(struct dsm_rc_flush *f, uint32_t node, uint32_t n)
{
	f->owing -= f->own[node] != 0;
	f->own[node] += n;
	f->owing += f->own[node] != 0;
}

void dsm_rc_flush_owes(struct dsm_rc *d, struct dsm_rc_flush *f, uint32_t node)
{
	if (d->alive[node])
		add_own(f, node, 1);
}

/* What a dead home has asked for may never come; who was not told hears of the death instead. */
void dsm_rc_flush_died(struct dsm_rc *d, uint32_t node)
{
	struct dsm_rc_flush *f, *tmp;
	struct dsm_rc_due *due, *td;

	DL_FOREACH_SAFE(d->flushes, f, tmp) {
		add_own(f, node, -f->own[node]);
		HASH_ITER(hh, f->dues, due, td)
			if (due->key >> 16 == node || (due->key & 0xffff) == node)
				add(f, due, -due->count);
		end_if_done(d, f);
	}
}

static void end_sent(struct dsm_rc *d, struct dsm_rc_flush *f, struct dsm_rc_sent *s)
{
	DL_DELETE(f->sent, s);
	d->c.ops->forget(d->c.arg, s->kept);
	free(s);
}

void dsm_rc_flush_free(struct dsm_rc *d)
{
	struct dsm_rc_flush *f, *tmp;

	DL_FOREACH_SAFE(d->flushes, f, tmp) {
		while (f->sent)
			end_sent(d, f, f->sent);
		free_dues(f);
		free(f);
	}
}

/* ---- sending ---- */

static void send_changes(struct dsm_rc *d, struct dsm_rc_flush *f, struct dsm_rc_sent *s,
			 uint8_t flags)
{
	d->stats.diffs++;
	s->home = dsm_rc_home(d, s->page);
	s->epoch = d->epoch;
	if (s->home == d->c.self)
		return;
	dsm_rc_send(d, s->home, (struct dsm_rc_msg){ .kind = DSM_RC_DIFF,
						     .flags = flags,
						     .part = s->part,
						     .page = s->page,
						     .flush = f->number,
						     .kept = &s->kept });
}

/* Without memory to remember it, a part is not sent: false. */
static bool send_part(struct dsm_rc *d, struct dsm_rc_flush *f, uint64_t page, unsigned part)
{
	struct dsm_rc_sent *s = calloc(1, sizeof *s);

	if (!s)
		return false;
	s->page = page;
	s->part = (uint8_t)part;
	DL_APPEND(f->sent, s);
	send_changes(d, f, s, DSM_RC_CHANGES);
	return true;
}

/* We are home to what we had sent to a dead one: everybody else is told. */
static void tell(struct dsm_rc *d, struct dsm_rc_flush *f, struct dsm_rc_sent *s)
{
	struct dsm_rc_cell *c = dsm_rc_touch(d, s->page);

	if (c->flags & RC_ADOPTED && c->state != DSM_RC_LOST) {
		c->known = ++c->version;
		dsm_rc_notify(d, s->page, c->sharers, d->c.self,
			      (struct dsm_rc_msg){ .flush = f->number, .version = c->version }, f);
		c->sharers = 0;
	}
	end_sent(d, f, s);
}

void dsm_rc_flush_redo(struct dsm_rc *d, uint64_t page)
{
	struct dsm_rc_flush *f;
	struct dsm_rc_sent *s;

	DL_FOREACH(d->flushes, f)
		DL_FOREACH(f->sent, s)
			if (s->page == page && s->home == d->c.self)
				d->c.ops->redo(d->c.arg, s->part, s->kept);
}

/* Who had it may have given it away, or be dead. */
static bool is_outdated(const struct dsm_rc *d, const struct dsm_rc_sent *s)
{
	return s->home != dsm_rc_home(d, s->page) || dsm_rc_has_moved_since(d, s->page, s->epoch);
}

void dsm_rc_flush_again(struct dsm_rc *d, bool here)
{
	struct dsm_rc_flush *f, *tf;
	struct dsm_rc_sent *s, *ts;

	DL_FOREACH_SAFE(d->flushes, f, tf) {
		DL_FOREACH_SAFE(f->sent, s, ts) {
			if (here && s->home == d->c.self) {
				tell(d, f, s);
			} else if (!here && is_outdated(d, s)) {
				send_changes(d, f, s, DSM_RC_CHANGES | DSM_RC_AGAIN);
			}
		}
		end_if_done(d, f);
	}
}

void dsm_rc_write_back(struct dsm_rc *d, struct dsm_rc_flush *f, uint64_t page,
		       struct dsm_rc_cell *c, bool drop)
{
	d->written--;
	if (dsm_rc_is_home(d, page, c)) {
		dsm_rc_tell(d, f, page, c);
		return;
	}
	/* Before it is looked at what has changed: nobody writes meanwhile. */
	if (drop)
		d->c.ops->drop(d->c.arg, page);
	else
		d->c.ops->protect(d->c.arg, page);
	c->state = drop ? DSM_RC_INVALID : DSM_RC_READ;
	for (unsigned part = 0; part < d->c.parts; part++)
		if (d->c.ops->changed(d->c.arg, page, part))
			send_part(d, f, page, part);
	d->c.ops->untwin(d->c.arg, page);
}

/* ---- answers ---- */

/* Nobody but us has changed the page since our copy came: that is the new version, too. */
static void have_version(struct dsm_rc_cell *c, uint64_t version)
{
	bool copy = c->state == DSM_RC_READ || c->state == DSM_RC_WRITTEN;

	if (copy && c->version + 1 == version)
		c->version = version;
	c->known = version > c->known ? version : c->known;
}

/* Those in SHARERS that HOME has told, but us: counted, or only made sure that they can be. */
static bool expect(struct dsm_rc *d, struct dsm_rc_flush *f, uint32_t home, uint64_t sharers,
		   bool count)
{
	for (uint32_t i = 0; i < d->c.nodes && sharers; i++) {
		if (i == home || i == d->c.self || !dsm_rc_among(d, sharers, i))
			continue;
		struct dsm_rc_due *due = due_of(f, home, i);
		if (!due)
			return false;
		if (count)
			add(f, due, 1);
	}
	return true;
}

/*
 * Changes that were sent again, because the home has moved: those that have been told say so to us
 * all the same. What was lent for them is not taken. F: may be over.
 */
static int taken_twice(struct dsm_rc *d, struct dsm_rc_flush *f, uint32_t from,
		       const struct dsm_rc_msg *m)
{
	if (f && !expect(d, f, from, m->sharers, false))
		return -EAGAIN;
	if (m->flags & DSM_RC_ALONE && from == dsm_rc_home(d, m->page) &&
	    !dsm_rc_has_moved_since(d, m->page, m->epoch))
		dsm_rc_keep(d, m->page, dsm_rc_touch(d, m->page), false);
	if (!f)
		return 0;
	expect(d, f, from, m->sharers, true);
	have_version(dsm_rc_touch(d, m->page), m->version);
	end_if_done(d, f);
	return 0;
}

int dsm_rc_on_taken(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m)
{
	struct dsm_rc_flush *f = find(d, m->flush);
	struct dsm_rc_sent *s = f ? f->sent : NULL;

	/* They are answered in their order, mostly. */
	while (s && (s->page != m->page || s->part != m->part || s->home != from))
		s = s->next;
	if (!s && dsm_rc_has_moved(d, m->page))
		return taken_twice(d, f, from, m);
	if (!s) {
		d->stats.dropped++;
		return 0;
	}
	if (!expect(d, f, from, m->sharers, false))
		return -EAGAIN;
	expect(d, f, from, m->sharers, true);
	have_version(dsm_rc_touch(d, m->page), m->version);
	end_sent(d, f, s);
	/* Of another flush some changes of the page may be under way, which would be newer there. */
	if (m->flags & DSM_RC_ALONE)
		dsm_rc_keep(d, m->page, dsm_rc_touch(d, m->page), d->flushes == f && !f->next);
	end_if_done(d, f);
	return 0;
}

int dsm_rc_on_ack(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m)
{
	struct dsm_rc_flush *f = find(d, m->flush);
	bool ours = m->node == d->c.self;

	if (!f || m->node >= d->c.nodes || !d->alive[m->node] || (ours && !f->own[from])) {
		d->stats.dropped++;
		return 0;
	}
	struct dsm_rc_due *due = ours ? NULL : due_of(f, m->node, from);
	if (!ours && !due)
		return -EAGAIN;
	if (ours)
		add_own(f, from, (uint32_t)-1);
	else
		add(f, due, -1);
	end_if_done(d, f);
	return 0;
}
