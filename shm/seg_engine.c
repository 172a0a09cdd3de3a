/* SPDX-License-Identifier: BSD-3-Clause */
/* A segment's engine: sequential consistency (protocol.h) or release consistency (release.h). */
#include "shm/seg_private.h"

static void op_begin(void *arg, uint64_t page)
{
	dsm_seg_twin(arg, page);
	dsm_seg_walk_came(arg, page);
}

static const struct dsm_ops ops = {
	.send = dsm_seg_send,
	.fill = dsm_seg_fill,
	.install = dsm_seg_op_install,
	.begin = op_begin,
	.protect = dsm_seg_op_protect,
	.drop = dsm_seg_op_drop,
	.poison = dsm_seg_op_poison,
};

static uint32_t home_of(void *arg, uint64_t page)
{
	return dsm_homes_of(arg, page);
}

/* What we are home to is never given up: only as much as there is room for. */
static bool claim(void *arg, uint64_t page)
{
	const struct dsm_seg *s = arg;

	(void)page;
	return s->kept + s->claimed < s->most;
}

int dsm_seg_make_engine(struct dsm_seg *s)
{
	const struct dsm_seg_config *c = &s->c;

	if (c->flags & (DSM_RELEASE | DSM_MOSTLY_READ))
		return dsm_seg_rc_make(s);
	return dsm_create(&s->d, &(struct dsm_config){
					 .self = s->n->c.self,
					 .nodes = s->n->c.nodes,
					 .pages = c->bytes / c->unit,
					 .home = home_of,
					 .hold = c->flags & DSM_NO_HOLD ? 0 : c->hold,
					 .hold_max = c->hold_max,
					 .serial = c->flags & DSM_SERIAL,
					 .reads_own = c->flags & DSM_READ_OWNS,
					 .claim = c->flags & DSM_FIRST_TOUCH ? claim : NULL,
					 .ops = &ops,
					 .walk = c->flags & DSM_WALKED ? &dsm_seg_walk_ops : NULL,
					 .arg = s,
				 });
}

void dsm_seg_free_engine(struct dsm_seg *s)
{
	dsm_destroy(s->d);
	dsm_seg_rc_free(s);
}

bool dsm_seg_allowed(const struct dsm_seg *s, uint64_t page, bool write)
{
	if (s->r)
		return dsm_rc_allows(s->r, page, write);
	enum dsm_state st = dsm_state(s->d, page);
	return st == DSM_MODIFIED || st == DSM_WALKING || (!write && st != DSM_INVALID);
}

int dsm_seg_ask(struct dsm_seg *s, uint64_t page, bool write, bool ahead)
{
	return s->r ? dsm_rc_fault(s->r, page, write, ahead)
		    : dsm_fault(s->d, page, write, s->n->now);
}

uint32_t dsm_seg_home_of(const struct dsm_seg *s, uint64_t page)
{
	return s->r ? dsm_rc_home(s->r, page) : dsm_home(s->d, page);
}

int dsm_seg_remember(struct dsm_seg *s, uint64_t page)
{
	return s->r ? dsm_rc_remember(s->r, page) : dsm_remember(s->d, page);
}

bool dsm_seg_settling(const struct dsm_seg *s)
{
	return s->r ? dsm_rc_settling(s->r) : dsm_settling(s->d);
}

bool dsm_seg_is_needed(const struct dsm_seg *s, uint64_t page)
{
	if (s->r)
		return dsm_rc_is_needed(s->r, page);
	enum dsm_state st = dsm_state(s->d, page);
	return st == DSM_OWNED || st == DSM_MODIFIED;
}

bool dsm_seg_is_lost(const struct dsm_seg *s, uint64_t page)
{
	return s->cut || (s->r ? dsm_rc_state(s->r, page) == DSM_RC_LOST
			       : dsm_state(s->d, page) == DSM_POISONED);
}
