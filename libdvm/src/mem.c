/* SPDX-License-Identifier: BSD-3-Clause */
/* What a rank does with its segments, by itself. */
#include <errno.h>
#include <string.h>

#include "libdvm/base/err.h"
#include "libdvm/src/am.h"
#include "libdvm/src/mem.h"
#include "libdvm/src/mem_sync.h"

/* ---- handles ---- */

static int map_again(dvm_seg_t *s)
{
	if (s->attached)
		return 0;
	return s->seg ? dsm_seg_map(s->seg) : dvmi_seg_plain_map(s);
}

static dvm_seg_t *find(dvm_t *d, const char *name)
{
	dvm_seg_t *s = d->mem ? d->mem->segs : NULL;

	while (s && strcmp(s->name, name) != 0)
		s = s->next;
	return s;
}

int dvm_seg_attach(dvm_t *d, const char *name, dvm_seg_t **seg, dvm_error_t *err)
{
	if (!d || !name || !name[0] || !seg)
		return dvmi_error_set(err, -EINVAL, "no handle, no name or no place");
	dvmi_enter(d);
	dvm_seg_t *s = find(d, name);
	int rc = s ? map_again(s) : -ENOENT;
	if (rc == 0) {
		s->attached++;
		*seg = s;
	}
	dvmi_leave(d);
	return rc < 0 ? dvmi_error_code(err, rc, "segment %s", name) : 0;
}

int dvm_seg_detach(dvm_seg_t *s)
{
	int rc = 0;

	if (!s)
		return 0;
	dvmi_enter(s->d);
	if (!s->attached)
		rc = -EINVAL;
	else if (--s->attached == 0 && s->seg)
		rc = dsm_seg_unmap(s->seg);
	else if (s->attached == 0)
		dvmi_seg_plain_unmap(s);
	dvmi_leave(s->d);
	return rc;
}

void *dvm_seg_base(const dvm_seg_t *s)
{
	return s ? s->base : NULL;
}

uint64_t dvm_seg_size(const dvm_seg_t *s)
{
	return s ? s->c.bytes : 0;
}

const char *dvm_seg_name(const dvm_seg_t *s)
{
	return s ? s->name : NULL;
}

/* ---- pages ---- */

/* The pages that [OFFSET, OFFSET + LEN) touches. False: they are not in S. */
static bool pages_of(const dvm_seg_t *s, uint64_t offset, uint64_t len, uint64_t *first,
		     uint64_t *n)
{
	if (!s || offset > s->c.bytes || len > s->c.bytes - offset)
		return false;
	*first = offset / s->c.unit;
	*n = len ? (offset + len - 1) / s->c.unit - *first + 1 : 0;
	return true;
}

/* Those that are whole inside of it. */
static bool pages_within(const dvm_seg_t *s, uint64_t offset, uint64_t len, uint64_t *first,
			 uint64_t *n)
{
	if (!pages_of(s, offset, len, first, n))
		return false;
	uint64_t begin = (offset + s->c.unit - 1) / s->c.unit, end = (offset + len) / s->c.unit;
	*first = begin;
	*n = end > begin ? end - begin : 0;
	return true;
}

int dvm_seg_prefetch(dvm_seg_t *s, uint64_t offset, uint64_t len, int write)
{
	uint64_t first, n;

	if (!pages_of(s, offset, len, &first, &n))
		return -EINVAL;
	return s->seg ? dsm_seg_prefetch(s->seg, first, n, write) : 0;
}

int dvm_seg_drop(dvm_seg_t *s, uint64_t offset, uint64_t len)
{
	uint64_t first, n;

	if (!pages_within(s, offset, len, &first, &n))
		return -EINVAL;
	return s->seg ? dsm_seg_drop(s->seg, first, n) : 0;
}

int dvm_seg_pin(dvm_seg_t *s, uint64_t offset, uint64_t len)
{
	uint64_t first, n;

	if (!pages_of(s, offset, len, &first, &n))
		return -EINVAL;
	return s->seg ? dsm_seg_pin(s->seg, first, n) : 0;
}

int dvm_seg_unpin(dvm_seg_t *s, uint64_t offset, uint64_t len)
{
	uint64_t first, n;

	if (!pages_of(s, offset, len, &first, &n))
		return -EINVAL;
	return s->seg ? dsm_seg_unpin(s->seg, first, n) : 0;
}

int dvm_seg_advise(dvm_seg_t *s, uint64_t offset, uint64_t len, int advice)
{
	uint64_t first, n;

	if (!pages_of(s, offset, len, &first, &n) || advice < DVM_ADVISE_NORMAL ||
	    advice > DVM_ADVISE_RANDOM)
		return -EINVAL;
	return s->seg ? dsm_seg_advise(s->seg, first, n, advice) : 0;
}

int dvm_seg_home(dvm_seg_t *s, uint64_t offset)
{
	if (!s || offset >= s->c.bytes)
		return -EINVAL;
	uint64_t page = offset / s->c.unit;
	return (int)(s->seg ? dsm_seg_home(s->seg, page) : dvmi_seg_home(s, page));
}

int dvm_seg_move_home(dvm_seg_t *s, uint64_t offset, uint64_t len, int rank)
{
	uint64_t first, n;

	if (!pages_within(s, offset, len, &first, &n) || rank < 0 ||
	    (uint32_t)rank >= s->dom->g->size)
		return -EINVAL;
	if (dvmi_am_inside(&s->d->am))
		return -EBUSY;
	return s->seg ? dsm_seg_move_home(s->seg, first, n, (uint32_t)rank) : 0;
}

int dvm_seg_leave(dvm_seg_t *s, int heir)
{
	if (!s || heir < 0 || (uint32_t)heir >= s->dom->g->size ||
	    (uint32_t)heir == s->dom->g->rank)
		return -EINVAL;
	if (dvmi_am_inside(&s->d->am))
		return -EBUSY;
	int rc = dvmi_seg_sync_leave(s);
	return rc == 0 && s->seg ? dsm_seg_leave(s->seg, (uint32_t)heir) : rc;
}

int dvm_seg_lost(dvm_seg_t *s, uint64_t offset, uint64_t *at)
{
	uint64_t page;

	if (!s || !at || offset > s->c.bytes)
		return -EINVAL;
	if (!s->seg || !dsm_seg_lost(s->seg, offset / s->c.unit, &page))
		return 0;
	*at = page * s->c.unit > offset ? page * s->c.unit : offset;
	return 1;
}

/* ---- figures ---- */

static void copy_stats(dvm_seg_stat_t *to, const struct dsm_seg_stats *from)
{
	to->resident = from->resident;
	to->writable = from->writable;
	to->read_faults = from->read_faults;
	to->write_faults = from->write_faults;
	to->local_faults = from->local_faults;
	to->messages = from->messages;
	to->message_bytes = from->message_bytes;
	to->units_sent = from->units_sent;
	to->units_got = from->units_got;
	to->elided_zero = from->elided_zero;
	to->elided_same = from->elided_same;
	to->diffs = from->diffs;
	to->diff_bytes = from->diff_bytes;
	to->prefetched = from->prefetched;
	to->prefetch_used = from->prefetch_used;
	to->batches = from->batches;
	to->held = from->held;
	to->evicted = from->evicted;
	to->lost = from->lost;
	to->fault_ns = from->fault_ns;
	to->fault_ns_max = from->fault_ns_max;
}

int dvm_seg_stat(dvm_seg_t *s, dvm_seg_stat_t *stat)
{
	struct dsm_seg_stats st = { 0 };

	if (!s || !stat || stat->size < sizeof *stat)
		return -EINVAL;
	if (s->seg)
		dsm_seg_stats(s->seg, &st);
	copy_stats(stat, &st);
	stat->bytes = s->c.bytes;
	stat->unit = s->c.unit;
	stat->plain = !s->seg;
	return 0;
}
