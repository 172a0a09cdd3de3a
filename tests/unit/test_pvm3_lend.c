/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages that are lent: two tasks on one node's memory, without anything between them. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libdvm/pvm3/lend.h"
#include "tests/unit/cm.h"

#define LONG (64u * 1024)

struct pair {
	int fd;
	struct dvmi_heap *heap[2];
	struct pvmi_lend *lend[2];
};

static void begin(struct pair *p)
{
	p->fd = memfd_create("lend", MFD_CLOEXEC);
	assert_true(p->fd >= 0);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(dvmi_heap_create(&p->heap[i], p->fd, i, 2), 0);
		assert_int_equal(pvmi_lend_open(&p->lend[i], p->heap[i], i, 2), 0);
	}
}

static void end(struct pair *p)
{
	for (int i = 0; i < 2; i++) {
		pvmi_lend_close(p->lend[i], true);
		dvmi_heap_destroy(p->heap[i]);
	}
	close(p->fd);
}

/* Pages of the memory that there are. */
static int64_t pages(const struct pair *p)
{
	struct stat st;

	assert_int_equal(fstat(p->fd, &st), 0);
	return st.st_blocks / 8;
}

static struct pvmi_blob *packed(struct pair *p, size_t len, int value)
{
	struct pvmi_blob *b = pvmi_lend_take(p->lend[0], len);

	assert_non_null(b);
	assert_true(b->cap >= len);
	memset(pvmi_blob_data(b), value, len);
	return b;
}

static bool holds(const struct pvmi_blob *b, size_t len, int value)
{
	const uint8_t *data = pvmi_blob_data(b);

	return data[0] == value && memcmp(data, data + 1, len - 1) == 0;
}

static void test_there_and_back(void **state)
{
	struct pair p;
	struct pvmi_ref ref;

	(void)state;
	begin(&p);
	struct pvmi_blob *b = packed(&p, LONG, 'a');
	assert_false(pvmi_lend_busy(b));
	assert_int_equal(pvmi_lend_out(b, 1, LONG, &ref), 0);
	assert_true(pvmi_lend_busy(b));
	struct pvmi_blob *c = pvmi_lend_in(p.lend[1], &ref);
	assert_non_null(c);
	assert_true(holds(c, LONG, 'a'));
	assert_true(pvmi_lend_theirs(c) && pvmi_lend_busy(c) && !pvmi_lend_theirs(b));

	/* While it is read its owner gets other memory, then the same again. */
	pvmi_blob_unref(b);
	struct pvmi_blob *other = packed(&p, LONG, 'b');
	assert_ptr_not_equal(other->bytes, b->bytes);
	assert_true(holds(c, LONG, 'a'));
	pvmi_blob_unref(c);
	pvmi_blob_unref(other);
	struct pvmi_blob *again = packed(&p, LONG, 'c');
	assert_true(again == b || again == other);
	pvmi_blob_unref(again);
	end(&p);
}

static void test_what_is_short_is_not_lent(void **state)
{
	struct pair p;
	struct pvmi_ref ref;
	struct pvmi_blob *own = pvmi_blob_new(LONG);

	(void)state;
	begin(&p);
	struct pvmi_blob *b = packed(&p, LONG, 1);
	assert_int_equal(pvmi_lend_out(b, 1, PVMI_LEND_MIN - 1, &ref), -EAGAIN);
	assert_int_equal(pvmi_lend_out(own, 1, LONG, &ref), -EAGAIN);
	assert_null(pvmi_lend_take(p.lend[0], (size_t)1 << 40));
	pvmi_blob_unref(own);
	pvmi_blob_unref(b);
	end(&p);
}

static void test_a_loan_is_not_lent_on(void **state)
{
	struct pair p;
	struct pvmi_ref ref;

	(void)state;
	begin(&p);
	struct pvmi_blob *b = packed(&p, LONG, 1);
	assert_int_equal(pvmi_lend_out(b, 1, LONG, &ref), 0);
	struct pvmi_blob *c = pvmi_lend_in(p.lend[1], &ref);
	assert_int_equal(pvmi_lend_out(c, 0, LONG, &ref), -EAGAIN);
	pvmi_blob_unref(c);
	pvmi_blob_unref(b);
	end(&p);
}

static void test_loans_end_with_who_has_them(void **state)
{
	struct pair p;
	struct pvmi_ref ref;

	(void)state;
	begin(&p);
	struct pvmi_blob *b = packed(&p, LONG, 1);
	assert_int_equal(pvmi_lend_out(b, 1, LONG, &ref), 0);
	assert_int_equal(pvmi_lend_out(b, 7, LONG, &ref), 0);
	pvmi_lend_undo(b, &ref);
	pvmi_lend_gone(p.lend[0], 7);
	assert_true(pvmi_lend_busy(b));
	pvmi_lend_gone(p.lend[0], 1);
	assert_false(pvmi_lend_busy(b));
	pvmi_blob_unref(b);
	end(&p);
}

/* So many are never taken back: others are sent as they are, and nothing is without bound. */
static void test_bounds(void **state)
{
	struct pair p;
	struct pvmi_ref ref;
	struct pvmi_blob *b;
	uint32_t n = 0;

	(void)state;
	begin(&p);
	while ((b = pvmi_lend_take(p.lend[0], PVMI_LEND_MIN))) {
		assert_int_equal(pvmi_lend_out(b, 1, PVMI_LEND_MIN, &ref), 0);
		pvmi_blob_unref(b);
		assert_true(++n < 10000);
	}
	assert_true(n > 100);
	pvmi_lend_gone(p.lend[0], 1);
	b = packed(&p, PVMI_LEND_MIN, 1);
	for (n = 0; pvmi_lend_out(b, 2, PVMI_LEND_MIN, &ref) == 0; n++)
		assert_true(n < PVMI_LOANS_MAX);
	assert_int_equal(n, PVMI_LOANS_MAX);
	pvmi_blob_unref(b);
	end(&p);
}

/* What is kept for later is bounded, too. */
static void test_memory_goes_back(void **state)
{
	struct pair p;
	struct pvmi_blob *b[8];

	(void)state;
	begin(&p);
	for (int i = 0; i < 8; i++)
		b[i] = packed(&p, 16u << 20, i);
	assert_true(pages(&p) > 8 * 4096);
	for (int i = 0; i < 8; i++)
		pvmi_blob_unref(b[i]);
	assert_true(pages(&p) < 5 * 4096);
	end(&p);
}

/* The last borrower of memory whose owner has ended gives it back. */
static void test_an_heir(void **state)
{
	struct pair p;
	struct pvmi_ref ref;

	(void)state;
	begin(&p);
	struct pvmi_blob *b = packed(&p, LONG, 'x');
	struct pvmi_lent *head =
		(struct pvmi_lent *)(void *)(pvmi_blob_data(b) - PVMI_LENT_HEAD);
	assert_int_equal(pvmi_lend_out(b, 1, LONG, &ref), 0);
	struct pvmi_blob *c = pvmi_lend_in(p.lend[1], &ref);
	atomic_store(&head->heir, 1);
	assert_true(pages(&p) > LONG / 4096);
	assert_true(holds(c, LONG, 'x'));
	pvmi_blob_unref(c);
	assert_int_equal(pages(&p), 0);
	end(&p);
	pvmi_blob_unref(b);
}

/* Closing: what is still needed lives on in memory of its own. */
static void test_closing(void **state)
{
	struct pair p;
	struct pvmi_ref ref;

	(void)state;
	begin(&p);
	struct pvmi_blob *b = packed(&p, LONG, 'y');
	assert_int_equal(pvmi_lend_out(b, 1, LONG, &ref), 0);
	struct pvmi_blob *c = pvmi_lend_in(p.lend[1], &ref);
	pvmi_lend_close(p.lend[1], true);
	p.lend[1] = NULL;
	assert_false(pvmi_lend_busy(b));
	pvmi_lend_close(p.lend[0], true);
	p.lend[0] = NULL;
	assert_true(holds(b, LONG, 'y') && holds(c, LONG, 'y'));
	pvmi_blob_unref(b);
	pvmi_blob_unref(c);
	end(&p);
}

static void test_nonsense(void **state)
{
	struct pair p;
	struct pvmi_ref good, r;

	(void)state;
	begin(&p);
	struct pvmi_blob *b = packed(&p, LONG, 1);
	assert_int_equal(pvmi_lend_out(b, 1, LONG, &good), 0);
	r = good, r.local = 2;
	assert_null(pvmi_lend_in(p.lend[1], &r));
	r = good, r.loan = PVMI_LOANS_MAX;
	assert_null(pvmi_lend_in(p.lend[1], &r));
	r = good, r.offset = -4096;
	assert_null(pvmi_lend_in(p.lend[1], &r));
	r = good, r.offset += 8;
	assert_null(pvmi_lend_in(p.lend[1], &r));
	r = good, r.offset += 4096;
	assert_null(pvmi_lend_in(p.lend[1], &r));
	r = good, r.bytes = UINT64_MAX;
	assert_null(pvmi_lend_in(p.lend[1], &r));
	r = good, r.bytes = 1;
	assert_null(pvmi_lend_in(p.lend[1], &r));
	r = good, r.len = r.bytes;
	assert_null(pvmi_lend_in(p.lend[1], &r));
	pvmi_blob_unref(b);
	end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_what_is_short_is_not_lent),
		cmocka_unit_test(test_a_loan_is_not_lent_on),
		cmocka_unit_test(test_loans_end_with_who_has_them),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_memory_goes_back),
		cmocka_unit_test(test_an_heir),
		cmocka_unit_test(test_closing),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
