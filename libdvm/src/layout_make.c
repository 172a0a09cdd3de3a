/* SPDX-License-Identifier: BSD-3-Clause */
/* The makers of layouts: all of them place copies of one layout in another one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/src/layout.h"

#define CONSTANT(bytes)                                                                            \
	{                                                                                          \
		.depth = 1, .size = (bytes), .ub = (bytes), .last = (bytes), .nruns = 1, .runs = { \
			{ .count = 1, .len = (bytes) }                                             \
		}                                                                                  \
	}

static const struct dvm_layout layout1 = CONSTANT(1);
static const struct dvm_layout layout2 = CONSTANT(2);
static const struct dvm_layout layout4 = CONSTANT(4);
static const struct dvm_layout layout8 = CONSTANT(8);
static const struct dvm_layout layout16 = CONSTANT(16);

const dvm_layout_t *dvm_layout_of(dvm_type_t type)
{
	static const struct dvm_layout *const all[] = { &layout1, &layout2, &layout4, &layout8,
							&layout16 };
	int size = dvm_type_size(type);

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (size > 0 && all[i]->size == (uint64_t)size)
			return all[i];
	return NULL;
}

void dvm_layout_free(dvm_layout_t *l)
{
	dvmi_layout_unref(l);
}

/* Hands L on to *OUT, or RC < 0 back. */
static int finish(dvm_layout_t **out, struct dvm_layout *l, int rc)
{
	if (rc < 0) {
		dvmi_layout_unref(l);
		return rc;
	}
	*out = dvmi_layout_trim(l);
	return 0;
}

/* COUNT copies of OF, STRIDE apart from AT on, as a layout of its own. */
static int repeat(dvm_layout_t **out, const struct dvm_layout *of, uint64_t count, int64_t stride,
		  int64_t at)
{
	struct dvm_layout *l = dvmi_layout_new(1);

	if (!l)
		return -ENOMEM;
	return finish(out, l, dvmi_layout_place(l, of, count, stride, at));
}

int dvm_layout_contiguous(dvm_layout_t **out, size_t count, const dvm_layout_t *of)
{
	if (!out || !of)
		return -EINVAL;
	return repeat(out, of, count, dvmi_layout_extent(of), 0);
}

int dvm_layout_hvector(dvm_layout_t **out, size_t count, size_t blocklen, int64_t stride,
		       const dvm_layout_t *of)
{
	dvm_layout_t *block;

	if (!out || !of)
		return -EINVAL;
	int rc = dvm_layout_contiguous(&block, blocklen, of);
	if (rc < 0)
		return rc;
	rc = repeat(out, block, count, stride, 0);
	dvmi_layout_unref(block);
	return rc;
}

int dvm_layout_vector(dvm_layout_t **out, size_t count, size_t blocklen, int64_t stride,
		      const dvm_layout_t *of)
{
	if (!out || !of)
		return -EINVAL;
	if (__builtin_mul_overflow(stride, dvmi_layout_extent(of), &stride))
		return -EOVERFLOW;
	return dvm_layout_hvector(out, count, blocklen, stride, of);
}

/* N blocks; block i is of OFS[i], or all are of OF. Displacements are in units of UNIT bytes. */
static int blocks(dvm_layout_t **out, size_t n, const size_t *lens, const int64_t *displs,
		  const dvm_layout_t *const *ofs, const struct dvm_layout *of, int64_t unit)
{
	struct dvm_layout *l = dvmi_layout_new(n);
	int rc = l ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && rc == 0; i++) {
		const struct dvm_layout *one = ofs ? ofs[i] : of;
		int64_t at;
		if (!one)
			rc = -EINVAL;
		else if (__builtin_mul_overflow(displs[i], unit, &at))
			rc = -EOVERFLOW;
		else
			rc = dvmi_layout_place(l, one, lens[i], dvmi_layout_extent(one), at);
	}
	return finish(out, l, rc);
}

static bool bad_lists(const void *out, size_t n, const void *lens, const void *displs)
{
	return !out || (n && (!lens || !displs));
}

int dvm_layout_indexed(dvm_layout_t **out, size_t n, const size_t *blocklens,
		       const int64_t *displs, const dvm_layout_t *of)
{
	if (bad_lists(out, n, blocklens, displs) || !of)
		return -EINVAL;
	return blocks(out, n, blocklens, displs, NULL, of, dvmi_layout_extent(of));
}

int dvm_layout_hindexed(dvm_layout_t **out, size_t n, const size_t *blocklens,
			const int64_t *displs, const dvm_layout_t *of)
{
	if (bad_lists(out, n, blocklens, displs) || !of)
		return -EINVAL;
	return blocks(out, n, blocklens, displs, NULL, of, 1);
}

int dvm_layout_struct(dvm_layout_t **out, size_t n, const size_t *blocklens, const int64_t *displs,
		      const dvm_layout_t *const *ofs)
{
	if (bad_lists(out, n, blocklens, displs) || (n && !ofs))
		return -EINVAL;
	return blocks(out, n, blocklens, displs, ofs, NULL, 1);
}

struct array {
	size_t ndims;
	const size_t *sizes, *subsizes, *starts;
	int order;
};

static int check_array(const struct array *a)
{
	if (a->ndims < 1 || a->ndims > DVMI_LAYOUT_DEPTH || !a->sizes || !a->subsizes ||
	    !a->starts || (a->order != DVM_ORDER_C && a->order != DVM_ORDER_FORTRAN))
		return -EINVAL;
	for (size_t i = 0; i < a->ndims; i++)
		if (a->subsizes[i] > a->sizes[i] || a->starts[i] > a->sizes[i] - a->subsizes[i])
			return -EINVAL;
	return 0;
}

/* One dimension more: *L becomes a row of copies of itself, *STRIDE that of the next dimension. */
static int add_dimension(const struct array *a, size_t dim, struct dvm_layout **l, int64_t *stride)
{
	struct dvm_layout *row;
	int64_t at;

	if (__builtin_mul_overflow(*stride, a->starts[dim], &at))
		return -EOVERFLOW;
	int rc = repeat(&row, *l, a->subsizes[dim], *stride, at);
	if (rc < 0)
		return rc;
	dvmi_layout_unref(*l);
	*l = row;
	return __builtin_mul_overflow(*stride, a->sizes[dim], stride) ? -EOVERFLOW : 0;
}

int dvm_layout_subarray(dvm_layout_t **out, size_t ndims, const size_t *sizes,
			const size_t *subsizes, const size_t *starts, int order,
			const dvm_layout_t *of)
{
	struct array a = { ndims, sizes, subsizes, starts, order };
	struct dvm_layout *l;

	int rc = !out || !of ? -EINVAL : check_array(&a);
	if (rc < 0)
		return rc;
	int64_t stride = dvmi_layout_extent(of);
	rc = repeat(&l, of, 1, 0, 0);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < ndims && rc == 0; i++)
		rc = add_dimension(&a, order == DVM_ORDER_C ? ndims - 1 - i : i, &l, &stride);
	l->lb = 0;
	l->ub = stride;
	return finish(out, l, rc);
}

int dvm_layout_resize(dvm_layout_t **out, const dvm_layout_t *of, int64_t lb, int64_t extent)
{
	int64_t ub;

	if (!out || !of || extent < 0)
		return -EINVAL;
	if (__builtin_add_overflow(lb, extent, &ub))
		return -EOVERFLOW;
	struct dvm_layout *l = dvmi_layout_new(of->nruns);
	if (!l)
		return -ENOMEM;
	l->depth = of->depth;
	l->size = of->size;
	l->first = of->first;
	l->last = of->last;
	l->nruns = of->nruns;
	memcpy(l->runs, of->runs, of->nruns * sizeof of->runs[0]);
	for (size_t i = 0; i < of->nruns; i++)
		if (of->runs[i].of)
			dvmi_layout_ref(of->runs[i].of);
	l->lb = lb;
	l->ub = ub;
	*out = l;
	return 0;
}

int64_t dvm_layout_size(const dvm_layout_t *l)
{
	return l ? (int64_t)l->size : -EINVAL;
}

static int bounds(const struct dvm_layout *l, int64_t from, int64_t to, int64_t *lb,
		  int64_t *extent)
{
	if (!l)
		return -EINVAL;
	if (lb)
		*lb = from;
	if (extent)
		*extent = to - from;
	return 0;
}

int dvm_layout_extent(const dvm_layout_t *l, int64_t *lb, int64_t *extent)
{
	return bounds(l, l ? l->lb : 0, l ? l->ub : 0, lb, extent);
}

int dvm_layout_true_extent(const dvm_layout_t *l, int64_t *lb, int64_t *extent)
{
	return bounds(l, l ? l->first : 0, l ? l->last : 0, lb, extent);
}
