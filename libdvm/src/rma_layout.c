/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Puts and gets of memory that is not in one piece, at either end: one operation for each stretch
 * that is in one piece at both. Those that take messages are on their way at the same time.
 */
#include <errno.h>
#include <string.h>

#include "libdvm/src/cursor.h"
#include "libdvm/src/request.h"
#include "libdvm/src/rma.h"

#define WINDOW 64u /* requests of a get that are under way */

struct ends {
	dvm_win_t *w;
	int rank;
	struct dvmi_cursor *here, *there; /* addresses; offsets in the window */
	dvm_req_t *reqs[WINDOW];
	size_t nreqs;
};

/* All of COUNT elements L from OFFSET on lies within BYTES. */
static bool fits(uint64_t bytes, uint64_t offset, uint64_t count, const dvm_layout_t *l)
{
	int64_t span, lo, hi;

	if (!count || !l->size)
		return offset <= bytes;
	if (__builtin_mul_overflow((int64_t)(count - 1), dvmi_layout_extent(l), &span) ||
	    __builtin_add_overflow(l->first, span < 0 ? span : 0, &lo) ||
	    __builtin_add_overflow(l->last, span > 0 ? span : 0, &hi) || offset > INT64_MAX)
		return false;
	if (__builtin_add_overflow(lo, (int64_t)offset, &lo) ||
	    __builtin_add_overflow(hi, (int64_t)offset, &hi))
		return false;
	return lo >= 0 && hi >= 0 && (uint64_t)hi <= bytes;
}

static int check(dvm_win_t *w, const void *buf, size_t count, const dvm_layout_t *l, int rank,
		 uint64_t offset, size_t there_count, const dvm_layout_t *there)
{
	if (!w || !l || !there || rank < 0 || (uint32_t)rank >= w->size)
		return -EINVAL;
	int64_t bytes = dvmi_layout_bytes(l, count);
	int64_t there_bytes = dvmi_layout_bytes(there, there_count);

	if (bytes < 0 || there_bytes < 0)
		return -EOVERFLOW;
	if (bytes != there_bytes || (bytes && !buf) ||
	    !fits(w->ranks[rank].bytes, offset, there_count, there))
		return -EINVAL;
	return dvmi_am_inside(&w->d->am) ? -EBUSY : 0;
}

static int put_piece(struct ends *e, void *here, size_t n, uint64_t offset)
{
	return dvm_put(e->w, here, n, e->rank, offset);
}

static int wait_all(struct ends *e)
{
	int rc = dvm_waitall(e->reqs, e->nreqs, NULL);

	e->nreqs = 0;
	return rc;
}

static int get_piece(struct ends *e, void *here, size_t n, uint64_t offset)
{
	const uint8_t *p = dvmi_win_at(e->w, e->rank, offset, n);

	if (p) {
		memcpy(here, p, n);
		return 0;
	}
	int rc = e->nreqs == WINDOW ? wait_all(e) : 0;
	if (rc == 0)
		rc = dvm_rget(e->w, here, n, e->rank, offset, &e->reqs[e->nreqs]);
	e->nreqs += rc == 0;
	return rc;
}

static int each_piece(struct ends *e,
		      int (*move)(struct ends *e, void *here, size_t n, uint64_t offset))
{
	uintptr_t offset, here;
	size_t left, n;

	while ((left = dvmi_cursor_piece(e->there, SIZE_MAX, &offset)))
		for (; left; left -= n, offset += n) {
			n = dvmi_cursor_piece(e->here, left, &here);
			int rc = n ? move(e, (void *)here, n, offset) : -EINVAL;
			if (rc < 0)
				return rc;
		}
	return 0;
}

static int transfer(dvm_win_t *w, void *buf, size_t count, const dvm_layout_t *l, int rank,
		    uint64_t offset, size_t there_count, const dvm_layout_t *there,
		    int (*move)(struct ends *e, void *here, size_t n, uint64_t offset))
{
	_Alignas(struct dvmi_cursor) uint8_t room[2][DVMI_CURSOR_BYTES];
	struct ends e = { .w = w,
			  .rank = rank,
			  .here = (struct dvmi_cursor *)room[0],
			  .there = (struct dvmi_cursor *)room[1] };
	int rc = check(w, buf, count, l, rank, offset, there_count, there);

	if (rc < 0)
		return rc;
	dvmi_cursor_init(e.here, buf, count, l);
	dvmi_cursor_init(e.there, (void *)(uintptr_t)offset, there_count, there);
	rc = each_piece(&e, move);
	int waited = wait_all(&e);
	dvmi_cursor_fini(e.here);
	dvmi_cursor_fini(e.there);
	return rc < 0 ? rc : waited;
}

int dvm_putl(dvm_win_t *win, const void *buf, size_t count, const dvm_layout_t *l, int rank,
	     uint64_t offset, size_t target_count, const dvm_layout_t *target)
{
	return transfer(win, (void *)(uintptr_t)buf, count, l, rank, offset, target_count, target,
			put_piece);
}

int dvm_getl(dvm_win_t *win, void *buf, size_t count, const dvm_layout_t *l, int rank,
	     uint64_t offset, size_t target_count, const dvm_layout_t *target)
{
	return transfer(win, buf, count, l, rank, offset, target_count, target, get_piece);
}
