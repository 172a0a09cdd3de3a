/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Layouts and cursors: random ones against a model that lists the place of every byte, gathered
 * and scattered in pieces of any length; and what collapses into how many runs.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "dvm/layout.h"
#include "libdvm/base/rng.h"
#include "libdvm/src/cursor.h"
#include "tests/unit/cm.h"

enum { BYTES_MAX = 6000, BLOCKS_MAX = 5 };

/* The same layout twice: as made by the library, and as the list of its bytes. */
struct both {
	dvm_layout_t *l;
	int64_t *at;
	size_t n;
	int64_t lb, ub;
};

static void both_free(struct both *b)
{
	dvm_layout_free(b->l);
	free(b->at);
}

static void model_place(struct both *m, const struct both *of, size_t count, int64_t stride,
			int64_t at)
{
	if (!of->n && of->lb == of->ub)
		return;
	m->at = realloc(m->at, (m->n + of->n * count + 1) * sizeof *m->at);
	for (size_t i = 0; i < count; i++, at += stride) {
		bool empty = !m->n && m->lb == m->ub;
		m->lb = empty || at + of->lb < m->lb ? at + of->lb : m->lb;
		m->ub = empty || at + of->ub > m->ub ? at + of->ub : m->ub;
		for (size_t k = 0; k < of->n; k++)
			m->at[m->n++] = at + of->at[k];
	}
}

static int64_t extent(const struct both *b)
{
	return b->ub - b->lb;
}

static int64_t draw(struct dvmi_rng *r, int64_t low, int64_t high)
{
	return low + (int64_t)dvmi_rng_below(r, (uint32_t)(high - low + 1));
}

static void base(struct both *b, struct dvmi_rng *r)
{
	static const dvm_type_t types[] = { DVM_INT8, DVM_INT16, DVM_FLOAT, DVM_DOUBLE };
	dvm_type_t t = types[draw(r, 0, 3)];
	struct both one = { .ub = dvm_type_size(t) }, byte = { .at = (int64_t[]){ 0 }, .n = 1 };

	byte.ub = 1;
	model_place(&one, &byte, (size_t)one.ub, 1, 0);
	*b = one;
	assert_int_equal(dvm_layout_contiguous(&b->l, 1, dvm_layout_of(t)), 0);
}

static void vector(struct both *b, const struct both *of, struct dvmi_rng *r, bool bytes)
{
	size_t count = (size_t)draw(r, 0, 7), blocklen = (size_t)draw(r, 0, 4);
	int64_t stride = draw(r, -9, 9);
	struct both block = { 0 };

	model_place(&block, of, blocklen, extent(of), 0);
	model_place(b, &block, count, bytes ? stride : stride * extent(of), 0);
	free(block.at);
	assert_int_equal(bytes ? dvm_layout_hvector(&b->l, count, blocklen, stride, of->l) :
				 dvm_layout_vector(&b->l, count, blocklen, stride, of->l),
			 0);
}

static void indexed(struct both *b, const struct both *of, struct dvmi_rng *r, bool bytes)
{
	size_t n = (size_t)draw(r, 0, BLOCKS_MAX), lens[BLOCKS_MAX];
	int64_t displs[BLOCKS_MAX], regular = draw(r, 0, 1) ? draw(r, -5, 30) : 0;

	for (size_t i = 0; i < n; i++) {
		lens[i] = (size_t)draw(r, regular ? 1 : 0, regular ? 1 : 4);
		displs[i] = regular ? regular * (int64_t)i : draw(r, -30, 60);
		model_place(b, of, lens[i], extent(of), bytes ? displs[i] : displs[i] * extent(of));
	}
	assert_int_equal(bytes ? dvm_layout_hindexed(&b->l, n, lens, displs, of->l) :
				 dvm_layout_indexed(&b->l, n, lens, displs, of->l),
			 0);
}

static void structure(struct both *b, const struct both *of, struct dvmi_rng *r)
{
	size_t n = (size_t)draw(r, 0, BLOCKS_MAX), lens[BLOCKS_MAX];
	int64_t displs[BLOCKS_MAX];
	const dvm_layout_t *ofs[BLOCKS_MAX];
	struct both other;

	base(&other, r);
	for (size_t i = 0; i < n; i++) {
		const struct both *one = draw(r, 0, 1) ? of : &other;
		lens[i] = (size_t)draw(r, 0, 3);
		displs[i] = draw(r, -100, 400);
		ofs[i] = one->l;
		model_place(b, one, lens[i], extent(one), displs[i]);
	}
	assert_int_equal(dvm_layout_struct(&b->l, n, lens, displs, ofs), 0);
	both_free(&other);
}

static void subarray(struct both *b, const struct both *of, struct dvmi_rng *r)
{
	size_t dims = (size_t)draw(r, 1, 3), sizes[3], sub[3], starts[3];
	int order = (int)draw(r, 0, 1);
	struct both row = { 0 }, next;
	int64_t stride = extent(of);

	model_place(&row, of, 1, 0, 0);
	for (size_t i = 0; i < dims; i++) {
		sizes[i] = (size_t)draw(r, 1, 6);
		sub[i] = (size_t)draw(r, 0, (int64_t)sizes[i]);
		starts[i] = (size_t)draw(r, 0, (int64_t)(sizes[i] - sub[i]));
	}
	for (size_t i = 0; i < dims; i++) {
		size_t d = order == DVM_ORDER_C ? dims - 1 - i : i;
		next = (struct both){ 0 };
		model_place(&next, &row, sub[d], stride, stride * (int64_t)starts[d]);
		stride *= (int64_t)sizes[d];
		free(row.at);
		row = next;
	}
	*b = row;
	b->lb = 0;
	b->ub = stride;
	assert_int_equal(dvm_layout_subarray(&b->l, dims, sizes, sub, starts, order, of->l), 0);
}

static void resized(struct both *b, const struct both *of, struct dvmi_rng *r)
{
	int64_t lb = draw(r, -20, 20), ext = draw(r, 0, 60);

	model_place(b, of, 1, 0, 0);
	b->lb = lb;
	b->ub = lb + ext;
	assert_int_equal(dvm_layout_resize(&b->l, of->l, lb, ext), 0);
}

static void contiguous(struct both *b, const struct both *of, struct dvmi_rng *r)
{
	size_t count = (size_t)draw(r, 0, 6);

	model_place(b, of, count, extent(of), 0);
	assert_int_equal(dvm_layout_contiguous(&b->l, count, of->l), 0);
}

static void derive(struct both *b, const struct both *of, struct dvmi_rng *r)
{
	*b = (struct both){ 0 };
	switch (draw(r, 0, 7)) {
	case 0:
		contiguous(b, of, r);
		break;
	case 1:
	case 2:
		vector(b, of, r, draw(r, 0, 1));
		break;
	case 3:
	case 4:
		indexed(b, of, r, draw(r, 0, 1));
		break;
	case 5:
		structure(b, of, r);
		break;
	case 6:
		subarray(b, of, r);
		break;
	default:
		resized(b, of, r);
	}
}

static void compare_bounds(const struct both *b)
{
	int64_t lb, ext, low = 0, high = 0;

	assert_int_equal(dvm_layout_size(b->l), b->n);
	assert_int_equal(dvm_layout_extent(b->l, &lb, &ext), 0);
	assert_int_equal(lb, b->lb);
	assert_int_equal(ext, extent(b));
	for (size_t i = 0; i < b->n; i++) {
		low = i && low < b->at[i] ? low : b->at[i];
		high = i && high > b->at[i] + 1 ? high : b->at[i] + 1;
	}
	assert_int_equal(dvm_layout_true_extent(b->l, &lb, &ext), 0);
	assert_int_equal(lb, low);
	assert_int_equal(ext, high - low);
}

/* Where COUNT elements reach from a buffer at 0. */
static void range(const struct both *b, size_t count, int64_t *low, int64_t *high)
{
	*low = *high = 0;
	for (size_t c = 0; c < count; c++)
		for (size_t i = 0; i < b->n; i++) {
			int64_t at = b->at[i] + (int64_t)c * extent(b);
			*low = at < *low ? at : *low;
			*high = at + 1 > *high ? at + 1 : *high;
		}
}

static size_t piece(struct dvmi_rng *r, size_t left)
{
	size_t n = (size_t)draw(r, 1, draw(r, 0, 1) ? 9 : 300);

	return n < left ? n : left;
}

/* Gathers everything at BUF to OUT, going back now and then. */
static void gather_all(struct dvmi_cursor *c, uint8_t *out, size_t n, struct dvmi_rng *r)
{
	_Alignas(struct dvmi_cursor) uint8_t space[DVMI_CURSOR_BYTES];
	struct dvmi_cursor *saved = (struct dvmi_cursor *)space;

	for (size_t at = 0, k; at < n; at += k) {
		k = piece(r, n - at);
		if (draw(r, 0, 3) == 0) {
			dvmi_cursor_save(saved, c);
			dvmi_cursor_gather(c, out + at, k);
			dvmi_cursor_restore(c, saved);
		}
		assert_int_equal(dvmi_cursor_gather(c, out + at, k), k);
	}
	assert_int_equal(dvmi_cursor_gather(c, out, 1), 0);
}

/* The pieces of C, from its beginning, cut anywhere, are the bytes at FLAT. */
static void compare_pieces(struct dvmi_cursor *c, const uint8_t *flat, size_t n, struct dvmi_rng *r)
{
	size_t at = 0, k;
	uintptr_t p;

	dvmi_cursor_rewind(c);
	assert_int_equal(dvmi_cursor_piece(c, 0, &p), 0);
	for (; (k = dvmi_cursor_piece(c, piece(r, SIZE_MAX), &p)); at += k) {
		assert_true(k <= n - at);
		assert_memory_equal((void *)p, flat + at, k);
	}
	assert_int_equal(at, n);
}

static void compare_bytes(const struct both *b, struct dvmi_rng *r)
{
	size_t count = (size_t)draw(r, 0, 3), n = b->n * count;
	int64_t low, high;

	range(b, count, &low, &high);
	size_t room = (size_t)(high - low);
	uint8_t *memory = malloc(room + 1), *buf = memory - low, *flat = malloc(n + 1);
	uint8_t *again = malloc(room + 1), *model = malloc(room + 1);
	for (size_t i = 0; i < room; i++)
		memory[i] = (uint8_t)dvmi_rng_below(r, 256);
	struct dvmi_cursor *c = malloc(dvmi_cursor_size(b->l));
	assert_int_equal(dvmi_layout_bytes(b->l, count), n);
	dvmi_cursor_init(c, buf, count, b->l);
	gather_all(c, flat, n, r);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(flat[i],
				 buf[b->at[i % b->n] + (int64_t)(i / b->n) * extent(b)]);
	compare_pieces(c, flat, n, r);
	/* And back to another place: what is in no element stays. */
	dvmi_cursor_fini(c);
	dvmi_cursor_init(c, again - low, count, b->l);
	memset(again, 0xaa, room);
	memset(model, 0xaa, room);
	for (size_t at = 0, k; at < n; at += k) {
		k = piece(r, n - at);
		assert_int_equal(dvmi_cursor_scatter(c, flat + at, k), k);
	}
	for (size_t i = 0; i < n; i++)
		model[b->at[i % b->n] + (int64_t)(i / b->n) * extent(b) - low] = flat[i];
	assert_memory_equal(again, model, room);
	if (n) {
		assert_int_equal(dvm_layout_pack(buf, count, b->l, flat, n - 1), -ENOSPC);
		assert_int_equal(dvm_layout_pack(buf, count, b->l, flat, n), 0);
		assert_int_equal(dvm_layout_unpack(flat, n, again - low, count, b->l), 0);
		assert_memory_equal(again, model, room);
	}
	dvmi_cursor_fini(c);
	free(c);
	free(memory);
	free(flat);
	free(again);
	free(model);
}

static void random_layout(uint64_t seed)
{
	struct dvmi_rng r;
	struct both b, next;

	dvmi_rng_seed(&r, seed);
	base(&b, &r);
	for (int64_t depth = draw(&r, 1, 6); depth; depth--) {
		derive(&next, &b, &r);
		if (next.n > BYTES_MAX) {
			both_free(&next);
			break;
		}
		both_free(&b);
		b = next;
		compare_bounds(&b);
		compare_bytes(&b, &r);
	}
	both_free(&b);
}

static void random_layouts(void **state)
{
	for (uint64_t seed = 1; seed <= 6000; seed++)
		random_layout(seed);
}

/* Uses a layout of others, and makes and frees ones that refer to it. */
static void *share(void *arg)
{
	const dvm_layout_t *shared = arg;
	char buf[400] = "some bytes", out[400];
	dvm_layout_t *own;
	intptr_t bad = 0;

	for (int i = 0; i < 2000; i++) {
		bad += dvm_layout_hvector(&own, 2, 1, 200, shared) < 0;
		bad += dvm_layout_pack(buf, 1, own, out, sizeof out) < 0;
		dvm_layout_free(own);
	}
	return (void *)bad;
}

static void a_layout_is_shared_by_threads(void **state)
{
	const size_t lens[] = { 3, 5 };
	const int64_t at[] = { 0, 11 };
	pthread_t id[4];
	dvm_layout_t *l;
	void *bad;

	assert_int_equal(dvm_layout_hindexed(&l, 2, lens, at, dvm_layout_of(DVM_INT8)), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&id[i], NULL, share, l), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(id[i], &bad);
		assert_null(bad);
	}
	assert_int_equal(l->refs, 1);
	dvm_layout_free(l);
}

static void expect_runs(const dvm_layout_t *l, size_t count, size_t runs, bool flat)
{
	struct dvmi_run r = dvmi_layout_run(l, count);

	assert_int_equal(r.of ? r.of->nruns : 1, runs);
	assert_int_equal(!r.of && r.count == 1, flat);
}

static void the_regular_collapses(void **state)
{
	const dvm_layout_t *d = dvm_layout_of(DVM_DOUBLE);
	dvm_layout_t *a, *b, *c;
	const size_t ones[] = { 1, 1, 1, 1 }, sizes[] = { 8, 8, 8 }, sub[] = { 2, 8, 8 };
	const size_t starts[] = { 1, 0, 0, 0 }, face[] = { 8, 1, 8 }, column[] = { 8, 8, 1 };
	const int64_t every[] = { 0, 3, 6, 9 }, next[] = { 4, 5, 6, 7 };

	expect_runs(d, 1000, 1, true);
	assert_int_equal(dvm_layout_contiguous(&a, 10, d), 0);
	assert_int_equal(dvm_layout_vector(&b, 4, 2, 2, a), 0);
	expect_runs(b, 5, 1, true); /* a vector without gaps */
	dvm_layout_free(b);
	dvm_layout_free(a);
	assert_int_equal(dvm_layout_indexed(&a, 4, ones, every, d), 0);
	expect_runs(a, 1, 1, false);
	dvm_layout_free(a);
	assert_int_equal(dvm_layout_indexed(&a, 4, ones, next, d), 0);
	expect_runs(a, 1, 1, true);
	dvm_layout_free(a);
	/* Slabs of a cube: the first is one piece, the others are one run. */
	assert_int_equal(dvm_layout_subarray(&a, 3, sizes, sub, starts, DVM_ORDER_C, d), 0);
	assert_int_equal(dvm_layout_subarray(&b, 3, sizes, face, starts + 1, DVM_ORDER_C, d), 0);
	assert_int_equal(dvm_layout_subarray(&c, 3, sizes, column, starts + 1, DVM_ORDER_C, d), 0);
	expect_runs(a, 1, 1, true);
	expect_runs(b, 1, 1, false);
	expect_runs(c, 1, 1, false);
	assert_int_equal(c->runs[0].count, 64);
	dvm_layout_free(a);
	dvm_layout_free(b);
	dvm_layout_free(c);
}

static void what_does_not_fit_is_refused(void **state)
{
	const dvm_layout_t *d = dvm_layout_of(DVM_DOUBLE);
	dvm_layout_t *a, *b, *none = (dvm_layout_t *)8;

	assert_int_equal(dvm_layout_contiguous(&none, SIZE_MAX, d), -EOVERFLOW);
	assert_int_equal(dvm_layout_contiguous(&none, (size_t)1 << 60, d), -EOVERFLOW);
	assert_int_equal(dvm_layout_vector(&none, 2, 1, INT64_MAX, d), -EOVERFLOW);
	assert_int_equal(dvm_layout_hvector(&none, 3, 1, INT64_MIN, d), -EOVERFLOW);
	assert_ptr_equal(none, (dvm_layout_t *)8);
	/* Much data at one place is much data still. */
	assert_int_equal(dvm_layout_hvector(&a, (size_t)1 << 31, 1, 0, d), 0);
	assert_int_equal(dvm_layout_hvector(&none, (size_t)1 << 31, 1, 0, a), -EOVERFLOW);
	assert_int_equal(dvmi_layout_bytes(a, (uint64_t)1 << 40), -EOVERFLOW);
	dvm_layout_free(a);
	assert_int_equal(dvm_layout_resize(&none, d, INT64_MAX, 1), -EOVERFLOW);
	/* Levels that do not collapse, until there are too many. */
	const size_t two[] = { 1, 1 };
	const int64_t at[] = { 0, 9 };
	int rc = dvm_layout_hindexed(&a, 2, two, at, d), depth = 1;
	for (; rc == 0; depth++) {
		const dvm_layout_t *mixed[] = { d, a };
		const int64_t far[] = { 0, 8 };
		rc = dvm_layout_struct(&b, 2, two, far, mixed);
		if (rc == 0) {
			dvm_layout_free(a);
			a = b;
		}
	}
	assert_int_equal(rc, -E2BIG);
	assert_int_equal(a->depth, DVMI_LAYOUT_DEPTH);
	dvm_layout_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_regular_collapses),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(random_layouts),
		cmocka_unit_test(a_layout_is_shared_by_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
