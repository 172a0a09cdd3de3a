/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Release consistency of a segment: messages, and threads that wait until what they have released is
 * known. Records that the engine cannot look at yet come again, in their order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "shm/seg_private.h"

#define LATE_MAX 65536
#define SLICE	 256	 /* pages released in one go */
#define TWINS	 (64u << 20) /* bytes of them */
#define SETTLE	 (200 * DVMI_USEC)

/* ---- what is sent ---- */

/* Changes that are kept until their home has answered. */
struct kept {
	size_t len;
	uint8_t bytes[];
};

static struct seg_changes keep(struct seg_changes c, void **to)
{
	struct kept *k = malloc(sizeof *k + c.len);

	/* Without memory they are gone if their home dies. */
	if (!k)
		return c;
	k->len = c.len;
	memcpy(k->bytes, c.bytes, c.len);
	*to = k;
	return c;
}

static struct seg_changes changes(struct dsm_seg *s, const struct dsm_rc_msg *m, uint8_t *room)
{
	if (m->flags & DSM_RC_FORWARD)
		return (struct seg_changes){ s->nbytes, s->bytes };
	if (m->flags & DSM_RC_AGAIN) {
		const struct kept *k = *m->kept;
		return k ? (struct seg_changes){ k->len, k->bytes } : (struct seg_changes){ 0 };
	}
	struct seg_changes c = { dsm_seg_rc_changes(s, m->page, m->part, room), room };
	s->stats.diffs++;
	s->stats.diff_bytes += c.len;
	return m->kind == DSM_RC_DIFF ? keep(c, m->kept) : c;
}

static enum dsm_wire_form form_of(struct dsm_seg *s, const struct dsm_rc_msg *m,
				  struct seg_changes *c, uint8_t *room)
{
	enum dsm_wire_form form = DSM_FORM_NONE;

	if (m->flags & (DSM_RC_CHANGES | DSM_RC_FORWARD)) {
		*c = changes(s, m, room);
		form = DSM_FORM_CHANGES;
	} else if (m->flags & DSM_RC_ZEROS) {
		s->stats.elided_zero++;
		form = DSM_FORM_ZERO;
	} else if (m->flags & DSM_RC_BYTES) {
		const uint8_t *bytes = dsm_seg_rc_released(s, m->page);
		form = dsm_seg_form(s, bytes);
		if (form == DSM_FORM_RAW)
			*c = (struct seg_changes){ s->c.unit, bytes };
		s->stats.units_sent += form == DSM_FORM_RAW;
	}
	return form;
}

static void op_send(void *arg, uint32_t node, const struct dsm_rc_msg *m)
{
	struct dsm_seg *s = arg;
	uint8_t room[DSM_MERGE_ROOM(DSM_MERGE_PART)];
	struct seg_changes c = { 0 };
	enum dsm_wire_form form = form_of(s, m, &c, room);
	size_t len = sizeof(struct dsm_wire_rc) + c.len;
	uint8_t *to = dsm_out_record(s->n, node, DSM_WIRE_RELEASE, len);

	if (!to)
		return;
	dsm_wire_put_rc(to, s->c.id, m, form);
	if (c.len)
		memcpy(to + sizeof(struct dsm_wire_rc), c.bytes, c.len);
	dsm_seg_sent(s, len);
}

static void op_merge(void *arg, uint64_t page)
{
	struct dsm_seg *s = arg;

	dsm_seg_keep(s, page);
	dsm_seg_rc_apply(s, page, s->part, (struct seg_changes){ s->nbytes, s->bytes });
}

static void op_redo(void *arg, unsigned part, void *kept)
{
	struct dsm_seg *s = arg;
	const struct kept *k = kept;

	if (!k || (s->form != DSM_FORM_ZERO && s->form != DSM_FORM_RAW))
		return;
	if (s->form == DSM_FORM_ZERO)
		memset(s->rc.base, 0, s->c.unit);
	else if (s->bytes != s->rc.base)
		memcpy(s->rc.base, s->bytes, s->c.unit);
	s->form = DSM_FORM_RAW;
	s->bytes = s->rc.base;
	s->nbytes = s->c.unit;
	dsm_merge_apply(k->bytes, k->len, s->rc.base + part * dsm_seg_part_len(s));
}

static void op_forget(void *arg, void *kept)
{
	(void)arg;
	free(kept);
}

static const struct dsm_rc_ops ops = {
	.send = op_send,
	.fill = dsm_seg_rc_fill,
	.merge = op_merge,
	.install = dsm_seg_op_install,
	.protect = dsm_seg_op_protect,
	.drop = dsm_seg_op_drop,
	.poison = dsm_seg_op_poison,
	.twin = dsm_seg_rc_twin,
	.untwin = dsm_seg_rc_untwin,
	.redo = op_redo,
	.forget = op_forget,
	.changed = dsm_seg_rc_changed,
};

/* ---- life ---- */

static uint32_t home_of(void *arg, uint64_t page)
{
	const struct dsm_seg *s = arg;

	return s->c.home(s->c.home_arg, page);
}

static bool has_moved(void *arg, uint64_t page, uint32_t *to, uint32_t *since)
{
	const struct dsm_seg *s = arg;
	const struct dsm_move *m = dsm_homes_find(s, &s->n->homes, page);

	if (!m)
		return false;
	*to = m->to;
	*since = m->since;
	return true;
}

int dsm_seg_rc_make(struct dsm_seg *s)
{
	uint64_t room = s->c.memory && s->c.memory / 4 < TWINS ? s->c.memory / 4 : TWINS;
	uint32_t twins = room > 4 * s->c.unit ? (uint32_t)(room / s->c.unit) : 4;

	s->rc.base = malloc(s->c.unit);
	if (!s->rc.base)
		return -ENOMEM;

	return dsm_rc_create(&s->r, &(struct dsm_rc_config){
					    .self = s->n->c.self,
					    .nodes = s->n->c.nodes,
					    .pages = s->c.bytes / s->c.unit,
					    .parts = s->c.unit / (uint32_t)dsm_seg_part_len(s),
					    .twins = twins,
					    .push = s->c.flags & DSM_MOSTLY_READ,
					    .lend = !(s->c.flags & (DSM_MOSTLY_READ | DSM_NO_LEND)),
					    .home = home_of,
					    .moved = has_moved,
					    .ops = &ops,
					    .arg = s,
				    });
}

void dsm_seg_rc_free(struct dsm_seg *s)
{
	struct seg_late *l, *tmp;

	dsm_rc_destroy(s->r);
	dsm_seg_rc_untwin_all(s);
	free(s->rc.base);
	DL_FOREACH_SAFE(s->rc.late, l, tmp)
		free(l);
}

/* ---- who waits ---- */

static void look_for_ends(struct dsm_seg *s)
{
	struct seg_flush *f, *tmp;

	DL_FOREACH_SAFE(s->rc.flushes, f, tmp)
		if (dsm_rc_over(s->r, f->number)) {
			DL_DELETE(s->rc.flushes, f);
			dsm_node_done(&f->done, 1);
		}
}

void dsm_seg_rc_cut(struct dsm_seg *s)
{
	struct seg_flush *f, *tmp;

	DL_FOREACH_SAFE(s->rc.flushes, f, tmp) {
		DL_DELETE(s->rc.flushes, f);
		dsm_node_done(&f->done, 1);
	}
}

static int wait_a_bit(struct dsm_seg *s)
{
	_Atomic uint32_t never = 0;

	dsm_node_wait(s->n, &never, dvmi_clock_mono() + SETTLE);
	return 1;
}

/* One go of a release; F is in the list if it has to be waited for. 1: there is more. */
static int release_some(struct dsm_seg *s, struct seg_flush *f)
{
	int rc = s->cut ? -DVM_EPEERLOST : dsm_rc_release(s->r, SLICE, &f->number);

	if (rc < 0 || (rc > 0 && !s->n->behind) || dsm_rc_over(s->r, f->number))
		return rc;
	DL_APPEND(s->rc.flushes, f);
	return rc;
}

int dsm_seg_release(struct dsm_seg *s)
{
	int rc = s->r ? 1 : 0;

	while (rc > 0) {
		struct seg_flush f = { .number = 0 };
		dsm_node_enter(s->n);
		rc = release_some(s, &f);
		bool wait = f.prev != NULL;
		dsm_node_leave(s->n);
		if (wait)
			dsm_node_wait(s->n, &f.done, UINT64_MAX);
		if (rc == -EAGAIN || rc == -ENOMEM)
			rc = wait_a_bit(s);
	}
	return rc == 0 && s->cut ? -DVM_EPEERLOST : rc;
}

int dsm_seg_acquire(struct dsm_seg *s)
{
	int rc = s->r ? 1 : 0;

	while (rc > 0) {
		dsm_node_enter(s->n);
		rc = s->cut ? -DVM_EPEERLOST : dsm_rc_acquire(s->r);
		dsm_node_leave(s->n);
		if (rc == -EAGAIN || rc == -ENOMEM)
			rc = wait_a_bit(s);
	}
	return rc;
}

/* ---- what comes ---- */

static bool bytes_good(const struct dsm_seg *s)
{
	size_t len = dsm_seg_part_len(s);

	if (s->form == DSM_FORM_CHANGES)
		return s->part < s->c.unit / len && dsm_merge_good(s->bytes, s->nbytes, len);
	return s->form != DSM_FORM_RAW || s->nbytes == s->c.unit;
}

/* As dsm_rc_receive(), but for -ENOMEM. */
static int take(struct dsm_seg *s, uint32_t from, const struct dsm_wire_record *r)
{
	struct dsm_rc_msg m;

	if (s->cut || r->service != DSM_WIRE_RELEASE || dsm_wire_get_rc(r, &m, &s->form) < 0) {
		s->n->dropped++;
		return 0;
	}
	s->bytes = r->body + sizeof(struct dsm_wire_rc);
	s->nbytes = r->len - sizeof(struct dsm_wire_rc);
	s->from = from;
	s->part = m.part;
	int rc = 0;
	if (bytes_good(s))
		rc = dsm_rc_receive(s->r, from, &m);
	else
		s->n->dropped++;
	s->bytes = NULL;
	return rc == -ENOMEM ? -EAGAIN : rc;
}

static void take_later(struct dsm_seg *s, uint32_t from, const struct dsm_wire_record *r)
{
	struct seg_late *l = s->rc.nlate < LATE_MAX ? malloc(sizeof *l + r->len) : NULL;

	if (!l) {
		s->n->starved |= s->rc.nlate < LATE_MAX;
		s->n->dropped++;
		return;
	}
	l->from = from;
	l->len = r->len;
	memcpy(l->bytes, r->body, r->len);
	DL_APPEND(s->rc.late, l);
	s->rc.nlate++;
}

static bool take_late_ones(struct dsm_seg *s)
{
	struct seg_late *l, *tmp;
	bool some = false;

	DL_FOREACH_SAFE(s->rc.late, l, tmp) {
		struct dsm_wire_record r = { DSM_WIRE_RELEASE, l->bytes, l->len };
		int rc = take(s, l->from, &r);
		if (rc == -EAGAIN)
			continue;
		DL_DELETE(s->rc.late, l);
		s->rc.nlate--;
		free(l);
		some = true;
		if (rc > 0)
			break;
	}
	return some;
}

static void follow_up(struct dsm_seg *s)
{
	while (s->rc.late && take_late_ones(s))
		;
	if (s->rc.flushes)
		look_for_ends(s);
}

void dsm_seg_rc_message(struct dsm_seg *s, uint32_t from, const struct dsm_wire_record *r)
{
	if (take(s, from, r) == -EAGAIN)
		take_later(s, from, r);
	follow_up(s);
}

void dsm_seg_rc_view(struct dsm_seg *s, uint32_t epoch, const bool *alive)
{
	dsm_rc_view(s->r, epoch, alive);
	follow_up(s);
}
