/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/src/layout.h"

struct dvm_layout *dvmi_layout_new(size_t n)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, sizeof(struct dvmi_run), &bytes) ||
	    __builtin_add_overflow(bytes, sizeof(struct dvm_layout), &bytes))
		return NULL;
	struct dvm_layout *l = malloc(bytes);
	if (l)
		*l = (struct dvm_layout){ .refs = 1 };
	return l;
}

static bool is_constant(const struct dvm_layout *l)
{
	return __atomic_load_n(&l->refs, __ATOMIC_RELAXED) == 0;
}

const struct dvm_layout *dvmi_layout_ref(const struct dvm_layout *l)
{
	struct dvm_layout *counted = (struct dvm_layout *)(uintptr_t)l;

	if (!is_constant(l))
		__atomic_add_fetch(&counted->refs, 1, __ATOMIC_RELAXED);
	return l;
}

void dvmi_layout_unref(const struct dvm_layout *l)
{
	struct dvm_layout *counted = (struct dvm_layout *)(uintptr_t)l;

	if (!l || is_constant(l) || __atomic_sub_fetch(&counted->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (size_t i = 0; i < l->nruns; i++)
		dvmi_layout_unref(l->runs[i].of);
	free(counted);
}

static struct dvmi_run whole(const struct dvm_layout *of, uint64_t count, int64_t stride,
			     int64_t at)
{
	return (struct dvmi_run){
		.at = at, .count = count, .stride = stride, .len = of->size, .of = of
	};
}

/* COUNT copies of a layout that has but one run. */
static struct dvmi_run collapse(const struct dvm_layout *of, uint64_t count, int64_t stride,
				int64_t at)
{
	struct dvmi_run r = of->runs[0];

	r.at += at;
	if (count == 1)
		return r;
	if (r.count == 1) {
		r.count = count;
		r.stride = stride;
		return r;
	}
	int64_t way;
	if (__builtin_mul_overflow(r.stride, (int64_t)r.count, &way) || way != stride)
		return whole(of, count, stride, at);
	r.count *= count;
	return r;
}

static struct dvmi_run run_of(const struct dvm_layout *of, uint64_t count, int64_t stride,
			      int64_t at)
{
	struct dvmi_run r = of->nruns == 1 ? collapse(of, count, stride, at) :
					     whole(of, count, stride, at);

	if (!r.of && r.count > 1 && r.stride == (int64_t)r.len) {
		r.len *= r.count;
		r.count = 1;
	}
	return r;
}

/* Appends R to what is one run already, if it fits behind. */
static bool merge(struct dvmi_run *last, const struct dvmi_run *r)
{
	if (last->of || r->of || r->count != 1)
		return false;
	if (last->count == 1 && last->at + (int64_t)last->len == r->at) {
		last->len += r->len;
		return true;
	}
	if (last->len != r->len)
		return false;
	int64_t next = r->at - (last->at + last->stride * (int64_t)(last->count - 1));
	if (last->count == 1)
		last->stride = next;
	else if (next != last->stride)
		return false;
	last->count++;
	return true;
}

static void append(struct dvm_layout *l, const struct dvmi_run *r)
{
	if (l->nruns && merge(&l->runs[l->nruns - 1], r))
		return;
	if (r->of)
		dvmi_layout_ref(r->of);
	l->runs[l->nruns++] = *r;
}

/* Places of this size can be subtracted from one another. */
static bool far_away(int64_t at)
{
	return at > INT64_C(1) << 62 || at < -(INT64_C(1) << 62);
}

/* What COUNT copies of FROM … TO, the first of them moved by AT, reach. */
static int reach(uint64_t count, int64_t stride, int64_t at, int64_t *from, int64_t *to)
{
	int64_t way, low = *from, high = *to;

	if (count > INT64_MAX || __builtin_mul_overflow((int64_t)(count - 1), stride, &way) ||
	    __builtin_add_overflow(at, way, &way) ||
	    __builtin_add_overflow(low, way < at ? way : at, &low) ||
	    __builtin_add_overflow(high, way < at ? at : way, &high) || far_away(low) ||
	    far_away(high))
		return -EOVERFLOW;
	*from = low;
	*to = high;
	return 0;
}

/* Widens *FROM … *TO by LOW … HIGH; what is empty so far is replaced. */
static void widen(bool empty, int64_t low, int64_t high, int64_t *from, int64_t *to)
{
	if (empty || low < *from)
		*from = low;
	if (empty || high > *to)
		*to = high;
}

static int add_size(const struct dvm_layout *of, uint64_t count, uint64_t *size)
{
	uint64_t more;

	if (__builtin_mul_overflow(of->size, count, &more) ||
	    __builtin_add_overflow(*size, more, size) || *size > INT64_MAX)
		return -EOVERFLOW;
	return 0;
}

int dvmi_layout_place(struct dvm_layout *l, const struct dvm_layout *of, uint64_t count,
		      int64_t stride, int64_t at)
{
	int64_t lb = of->lb, ub = of->ub, first = of->first, last = of->last;
	uint64_t size = l->size;

	if (!count)
		return 0;
	if (reach(count, stride, at, &lb, &ub) < 0 || reach(count, stride, at, &first, &last) < 0 ||
	    add_size(of, count, &size) < 0)
		return -EOVERFLOW;
	/* What has neither data nor extent counts for nothing. */
	if (!of->size && of->lb == of->ub)
		return 0;
	widen(!l->size && l->lb == l->ub, lb, ub, &l->lb, &l->ub);
	if (!of->size)
		return 0;
	struct dvmi_run r = run_of(of, count, stride, at);
	uint32_t depth = 1 + (r.of ? r.of->depth : 0);
	if (depth > DVMI_LAYOUT_DEPTH)
		return -E2BIG;
	widen(!l->size, first, last, &l->first, &l->last);
	l->depth = depth > l->depth ? depth : l->depth;
	l->size = size;
	append(l, &r);
	return 0;
}

struct dvm_layout *dvmi_layout_trim(struct dvm_layout *l)
{
	struct dvm_layout *less = realloc(l, sizeof *l + l->nruns * sizeof l->runs[0]);

	return less ? less : l;
}

int64_t dvmi_layout_bytes(const struct dvm_layout *l, uint64_t count)
{
	int64_t first = l->first, last = l->last;
	uint64_t size = 0;

	if (!count || !l->size)
		return 0;
	if (reach(count, dvmi_layout_extent(l), 0, &first, &last) < 0 ||
	    add_size(l, count, &size) < 0)
		return -EOVERFLOW;
	return (int64_t)size;
}

struct dvmi_run dvmi_layout_run(const struct dvm_layout *l, uint64_t count)
{
	return run_of(l, count, dvmi_layout_extent(l), 0);
}
