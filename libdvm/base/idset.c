/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/idset.h"

void dvmi_idset_free(struct dvmi_idset *set)
{
	free(set->r);
	*set = (struct dvmi_idset){ 0 };
}

static int reserve(struct dvmi_idset *set, size_t want)
{
	size_t cap = set->cap ? set->cap : 4;

	if (want <= set->cap)
		return 0;
	while (cap < want)
		cap *= 2;
	struct dvmi_idrange *r = reallocarray(set->r, cap, sizeof *r);
	if (!r)
		return -ENOMEM;
	set->r = r;
	set->cap = cap;
	return 0;
}

/* Index of the first range that ends at or behind ID; set->n if there is none. */
static size_t find(const struct dvmi_idset *set, uint32_t id)
{
	size_t lo = 0, hi = set->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (set->r[mid].hi < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Puts COUNT ranges in place of those from..to. */
static int replace(struct dvmi_idset *set, size_t from, size_t to, const struct dvmi_idrange *with,
		   size_t count)
{
	size_t tail = set->n - to;
	int rc = reserve(set, from + count + tail);

	if (rc < 0)
		return rc;
	memmove(set->r + from + count, set->r + to, tail * sizeof *set->r);
	memcpy(set->r + from, with, count * sizeof *with);
	set->n = from + count + tail;
	return 0;
}

int dvmi_idset_add(struct dvmi_idset *set, uint32_t lo, uint32_t hi)
{
	if (lo > hi || hi > DVMI_IDSET_MAX)
		return -EINVAL;
	struct dvmi_idrange all = { lo, hi };
	/* A range that only touches lo…hi is merged too, hence the one id on either side. */
	size_t from = find(set, lo ? lo - 1 : 0), to = from;

	for (; to < set->n && set->r[to].lo <= hi + 1; to++) {
		if (set->r[to].lo < all.lo)
			all.lo = set->r[to].lo;
		if (set->r[to].hi > all.hi)
			all.hi = set->r[to].hi;
	}
	return replace(set, from, to, &all, 1);
}

int dvmi_idset_del(struct dvmi_idset *set, uint32_t lo, uint32_t hi)
{
	if (lo > hi || hi > DVMI_IDSET_MAX)
		return -EINVAL;
	size_t from = find(set, lo), to = from;
	struct dvmi_idrange left[2];
	size_t n = 0;

	while (to < set->n && set->r[to].lo <= hi)
		to++;
	if (from == to)
		return 0;
	if (set->r[from].lo < lo)
		left[n++] = (struct dvmi_idrange){ set->r[from].lo, lo - 1 };
	if (set->r[to - 1].hi > hi)
		left[n++] = (struct dvmi_idrange){ hi + 1, set->r[to - 1].hi };
	return replace(set, from, to, left, n);
}

static int by_lo(const void *a, const void *b)
{
	const struct dvmi_idrange *x = a, *y = b;

	return (x->lo > y->lo) - (x->lo < y->lo);
}

/* Brings appended ranges into order; linear merge behind one sort, so that no input is slow. */
static void normalise(struct dvmi_idset *set)
{
	size_t out = 0;

	if (set->n == 0)
		return;
	qsort(set->r, set->n, sizeof *set->r, by_lo);
	for (size_t i = 1; i < set->n; i++) {
		if (set->r[i].lo > set->r[out].hi + 1)
			set->r[++out] = set->r[i];
		else if (set->r[i].hi > set->r[out].hi)
			set->r[out].hi = set->r[i].hi;
	}
	set->n = out + 1;
}

static int append(struct dvmi_idset *set, struct dvmi_idrange r)
{
	int rc = reserve(set, set->n + 1);

	if (rc == 0)
		set->r[set->n++] = r;
	return rc;
}

int dvmi_idset_union(struct dvmi_idset *dst, const struct dvmi_idset *src)
{
	int rc = reserve(dst, dst->n + src->n);

	if (rc < 0 || src->n == 0)
		return rc;
	memcpy(dst->r + dst->n, src->r, src->n * sizeof *src->r);
	dst->n += src->n;
	normalise(dst);
	return 0;
}

bool dvmi_idset_has(const struct dvmi_idset *set, uint32_t id)
{
	size_t i = find(set, id);

	return i < set->n && set->r[i].lo <= id;
}

uint64_t dvmi_idset_count(const struct dvmi_idset *set)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < set->n; i++)
		sum += (uint64_t)set->r[i].hi - set->r[i].lo + 1;
	return sum;
}

bool dvmi_idset_equal(const struct dvmi_idset *a, const struct dvmi_idset *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->r, b->r, a->n * sizeof *a->r) == 0);
}

/* One number at *P, before END. */
static int parse_id(const char **p, const char *end, uint32_t max, uint32_t *id)
{
	uint64_t v = 0;
	const char *s = *p;

	for (; s < end && *s >= '0' && *s <= '9'; s++) {
		v = v * 10 + (uint64_t)(*s - '0');
		if (v > max)
			return -ERANGE;
	}
	if (s == *p)
		return -EINVAL;
	*p = s;
	*id = (uint32_t)v;
	return 0;
}

static int parse_range(const char **p, const char *end, uint32_t max, struct dvmi_idrange *r)
{
	int rc = parse_id(p, end, max, &r->lo);

	r->hi = r->lo;
	if (rc == 0 && *p < end && **p == '-') {
		++*p;
		rc = parse_id(p, end, max, &r->hi);
	}
	return rc == 0 && r->lo > r->hi ? -EINVAL : rc;
}

static int parse_list(struct dvmi_idset *set, const char *p, const char *end, uint32_t max)
{
	while (p < end) {
		struct dvmi_idrange r;
		int rc = parse_range(&p, end, max, &r);
		if (rc == 0)
			rc = append(set, r);
		if (rc < 0)
			return rc;
		if (p == end)
			return 0;
		if (*p++ != ',' || p == end)
			return -EINVAL;
	}
	return 0;
}

int dvmi_idset_parse_n(struct dvmi_idset *set, const char *text, size_t n, uint32_t max)
{
	struct dvmi_idset fresh = { 0 };
	int rc = parse_list(&fresh, text, text + n, max < DVMI_IDSET_MAX ? max : DVMI_IDSET_MAX);

	if (rc < 0) {
		dvmi_idset_free(&fresh);
		return rc;
	}
	normalise(&fresh);
	dvmi_idset_free(set);
	*set = fresh;
	return 0;
}

int dvmi_idset_parse(struct dvmi_idset *set, const char *text, uint32_t max)
{
	return dvmi_idset_parse_n(set, text, strlen(text), max);
}

void dvmi_idset_format(const struct dvmi_idset *set, struct dvmi_buf *out)
{
	for (size_t i = 0; i < set->n; i++) {
		const char *comma = i ? "," : "";
		if (set->r[i].lo == set->r[i].hi)
			dvmi_buf_printf(out, "%s%u", comma, set->r[i].lo);
		else
			dvmi_buf_printf(out, "%s%u-%u", comma, set->r[i].lo, set->r[i].hi);
	}
}
