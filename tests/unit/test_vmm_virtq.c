/* SPDX-License-Identifier: BSD-3-Clause */
/* Split queues of good and of hostile drivers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cm.h"
#include "tests/unit/vmm_driver.h"

struct bench {
	struct drv d;
	struct vmm_virtq q;
	struct vmm_chain c;
	uint64_t page;
};

static int bench_open(void **state)
{
	struct bench *b = calloc(1, sizeof *b);

	assert_non_null(b);
	drv_ram_open(&b->d);
	drv_ring(&b->d, 0, DRV_QSIZE);
	b->page = drv_alloc(&b->d, 4096, 4096);
	b->q = (struct vmm_virtq){ .mem = &b->d.mem, .max = 256 };
	vmm_virtq_reset(&b->q);
	b->q.num = DRV_QSIZE;
	b->q.desc = b->d.q[0].desc_gpa;
	b->q.avail = b->d.q[0].avail_gpa;
	b->q.used = b->d.q[0].used_gpa;
	b->q.indirect = true;
	assert_int_equal(vmm_virtq_enable(&b->q), 0);
	*state = b;
	return 0;
}

static int bench_close(void **state)
{
	struct bench *b = *state;

	drv_ram_close(&b->d);
	free(b);
	return 0;
}

static void a_chain_comes_out_as_it_went_in(void **state)
{
	struct bench *b = *state;
	struct drv_buf bufs[] = { { b->page, 16, false },
				  { b->page + 100, 0, false },
				  { b->page + 512, 512, false },
				  { b->page + 1024, 1, true } };

	assert_int_equal(vmm_virtq_pop(&b->q, &b->c), 0);
	uint16_t head = drv_chain(&b->d, 0, bufs, 4);
	drv_offer(&b->d, 0, head);
	assert_true(vmm_virtq_some(&b->q));
	assert_int_equal(vmm_virtq_pop(&b->q, &b->c), 1);
	assert_int_equal(b->c.head, head);
	assert_int_equal(b->c.nout, 2); /* the empty one is nothing to anybody */
	assert_int_equal(b->c.nin, 1);
	assert_int_equal(b->c.out_len, 528);
	assert_int_equal(b->c.in_len, 1);
	assert_ptr_equal(b->c.iov[1].iov_base, drv_at(&b->d, b->page + 512));
	assert_ptr_equal(b->c.iov[2].iov_base, drv_at(&b->d, b->page + 1024));
	assert_int_equal(vmm_virtq_pop(&b->q, &b->c), 0);
	vmm_virtq_unpop(&b->q, 1);
	assert_int_equal(vmm_virtq_pop(&b->q, &b->c), 1);
	vmm_virtq_push(&b->q, head, 1);
	uint32_t written = 0;
	assert_int_equal(drv_answer(&b->d, 0, &written), head);
	assert_int_equal(written, 1);
}

/* The indexes count on beyond 65535. */
static void the_ring_goes_round(void **state)
{
	struct bench *b = *state;
	struct drv_buf buf = { b->page, 8, true };

	for (unsigned i = 0; i < 70000; i++) {
		uint16_t head = drv_chain(&b->d, 0, &buf, 1);
		drv_offer(&b->d, 0, head);
		assert_int_equal(vmm_virtq_pop(&b->q, &b->c), 1);
		vmm_virtq_push(&b->q, b->c.head, i);
		uint32_t written;
		assert_int_equal(drv_answer(&b->d, 0, &written), head);
		assert_int_equal(written, i);
		assert_true(vmm_virtq_wants_signal(&b->q));
		assert_false(vmm_virtq_wants_signal(&b->q));
	}
}

static void put_indirect(struct bench *b, const struct vring_desc *table, unsigned n)
{
	memcpy(drv_at(&b->d, b->page + 2048), table, n * sizeof *table);
	b->d.q[0].desc[3] = (struct vring_desc){ .addr = b->page + 2048,
						 .len = n * (uint32_t)sizeof *table,
						 .flags = VRING_DESC_F_INDIRECT };
	drv_offer(&b->d, 0, 3);
}

static void a_table_may_be_in_a_buffer(void **state)
{
	struct bench *b = *state;
	struct vring_desc table[] = {
		{ b->page, 10, VRING_DESC_F_NEXT, 2 },
		{ b->page + 20, 30, VRING_DESC_F_WRITE, 0 },
		{ b->page + 10, 10, VRING_DESC_F_NEXT, 1 },
	};

	put_indirect(b, table, 3);
	assert_int_equal(vmm_virtq_pop(&b->q, &b->c), 1);
	assert_int_equal(b->c.head, 3);
	assert_int_equal(b->c.out_len, 20);
	assert_int_equal(b->c.in_len, 30);
}

static void assert_breaks(struct bench *b)
{
	uint16_t used = b->d.q[0].used->idx;

	assert_int_equal(vmm_virtq_pop(&b->q, &b->c), -EPROTO);
	assert_true(b->q.broken);
	assert_int_equal(vmm_virtq_pop(&b->q, &b->c), -EPROTO);
	assert_false(vmm_virtq_some(&b->q));
	vmm_virtq_push(&b->q, 0, 1);
	assert_int_equal(b->d.q[0].used->idx, used);
	assert_false(vmm_virtq_wants_signal(&b->q));
	assert_false(vmm_virtq_kicks(&b->q, true));
}

static void bad_tables_in_buffers_break_the_queue(void **state)
{
	struct bench *b = *state;
	struct vring_desc nested = { b->page, 16, VRING_DESC_F_INDIRECT, 0 };
	struct vring_desc loop = { b->page, 16, VRING_DESC_F_NEXT, 0 };
	struct vring_desc outside = { b->page, 16, VRING_DESC_F_NEXT, 1 };
	struct vring_desc good = { b->page, 16, 0, 0 };

	for (unsigned i = 0; i < 9; i++) {
		put_indirect(b, i == 0 ? &nested : i == 1 ? &loop : i == 2 ? &outside : &good, 1);
		struct vring_desc *d = &b->d.q[0].desc[3];
		if (i == 3)
			d->len = 15;
		else if (i == 4)
			d->len = 0;
		else if (i == 5)
			d->addr = DRV_RAM + DRV_SIZE - 8;
		else if (i == 6)
			d->flags |= VRING_DESC_F_NEXT;
		else if (i == 7)
			b->q.indirect = false;
		else if (i == 8)
			d->len = 0xfffffff0;
		assert_breaks(b);
		b->q.indirect = true;
		drv_ring(&b->d, 0, DRV_QSIZE);
		b->q.desc = b->d.q[0].desc_gpa;
		b->q.avail = b->d.q[0].avail_gpa;
		b->q.used = b->d.q[0].used_gpa;
		assert_int_equal(vmm_virtq_enable(&b->q), 0);
	}
	put_indirect(b, &good, 1);
	assert_int_equal(vmm_virtq_pop(&b->q, &b->c), 1);
}

static void a_head_out_of_range_breaks_the_queue(void **state)
{
	struct bench *b = *state;

	drv_offer(&b->d, 0, DRV_QSIZE);
	assert_breaks(b);
}

static void more_requests_than_entries_break_the_queue(void **state)
{
	struct bench *b = *state;

	b->d.q[0].avail->idx = DRV_QSIZE + 1;
	assert_breaks(b);
}

static void a_loop_breaks_the_queue(void **state)
{
	struct bench *b = *state;

	b->d.q[0].desc[0] = (struct vring_desc){ b->page, 1, VRING_DESC_F_NEXT, 1 };
	b->d.q[0].desc[1] = (struct vring_desc){ b->page, 0, VRING_DESC_F_NEXT, 0 };
	drv_offer(&b->d, 0, 0);
	assert_breaks(b);
}

static void reading_after_writing_breaks_the_queue(void **state)
{
	struct bench *b = *state;
	struct drv_buf bufs[] = { { b->page, 16, true }, { b->page, 16, false } };

	drv_offer(&b->d, 0, drv_chain(&b->d, 0, bufs, 2));
	assert_breaks(b);
}

static void a_next_out_of_range_breaks_the_queue(void **state)
{
	struct bench *b = *state;

	b->d.q[0].desc[0] = (struct vring_desc){ b->page, 1, VRING_DESC_F_NEXT, DRV_QSIZE };
	drv_offer(&b->d, 0, 0);
	assert_breaks(b);
}

static void buffers_outside_of_ram_break_the_queue(void **state)
{
	static const struct {
		uint64_t gpa;
		uint32_t len;
	} bad[] = {
		{ 0, 1 },
		{ DRV_RAM - 1, 1 },
		{ DRV_RAM - 1, 2 },
		{ DRV_RAM + DRV_SIZE, 1 },
		{ DRV_RAM, UINT32_MAX },
		{ UINT64_MAX, 1 },
		{ UINT64_MAX - 3, 8 },
		{ DRV_RAM + DRV_SIZE - 1, 2 },
	};
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct drv_buf buf = { bad[i].gpa, bad[i].len, true };
		drv_offer(&b->d, 0, drv_chain(&b->d, 0, &buf, 1));
		assert_int_equal(vmm_virtq_pop(&b->q, &b->c), -EPROTO);
		b->q.broken = false;
		b->q.seen++;
	}
}

static void rings_have_to_be_in_ram_and_aligned(void **state)
{
	struct bench *b = *state;
	const struct vmm_virtq good = b->q;
	static const struct {
		int num;
		int desc, avail, used;
	} bad[] = {
		{ 0, 0, 0, 0 },	 { 3, 0, 0, 0 },  { 512, 0, 0, 0 },
		{ 16, 8, 0, 0 }, { 16, 0, 1, 0 }, { 16, 0, 0, 2 },
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		b->q = good;
		b->q.ready = false;
		b->q.num = (uint16_t)bad[i].num;
		b->q.desc += (uint64_t)bad[i].desc;
		b->q.avail += (uint64_t)bad[i].avail;
		b->q.used += (uint64_t)bad[i].used;
		assert_int_equal(vmm_virtq_enable(&b->q), -EINVAL);
		assert_false(b->q.ready);
	}
	for (int i = 0; i < 3; i++) {
		b->q = good;
		*(i == 0   ? &b->q.desc
		  : i == 1 ? &b->q.avail
			   : &b->q.used) = DRV_RAM + DRV_SIZE - 16;
		assert_int_equal(vmm_virtq_enable(&b->q), -EINVAL);
	}
}

static void the_driver_says_when_it_wants_to_hear(void **state)
{
	struct bench *b = *state;

	b->d.q[0].avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	vmm_virtq_push(&b->q, 0, 0);
	assert_false(vmm_virtq_wants_signal(&b->q));
	b->d.q[0].avail->flags = 0;
	assert_false(vmm_virtq_wants_signal(&b->q)); /* of that it has been asked */
	vmm_virtq_push(&b->q, 0, 0);
	assert_true(vmm_virtq_wants_signal(&b->q));
	vmm_virtq_kicks(&b->q, false);
	assert_int_equal(b->d.q[0].used->flags, VRING_USED_F_NO_NOTIFY);
	assert_false(vmm_virtq_kicks(&b->q, true));
	assert_int_equal(b->d.q[0].used->flags, 0);
}

static void events_are_told_apart(void **state)
{
	struct bench *b = *state;
	struct drv_queue *q = &b->d.q[0];

	b->q.event_idx = true;
	q->avail->ring[q->num] = 2; /* when the third is used */
	vmm_virtq_push(&b->q, 0, 0);
	vmm_virtq_push(&b->q, 0, 0);
	assert_false(vmm_virtq_wants_signal(&b->q));
	vmm_virtq_push(&b->q, 0, 0);
	assert_true(vmm_virtq_wants_signal(&b->q));
	vmm_virtq_push(&b->q, 0, 0);
	assert_false(vmm_virtq_wants_signal(&b->q));

	struct drv_buf buf = { b->page, 8, true };
	drv_offer(&b->d, 0, drv_chain(&b->d, 0, &buf, 1));
	assert_true(vmm_virtq_kicks(&b->q, true)); /* it came before we asked */
	assert_int_equal(vmm_virtq_pop(&b->q, &b->c), 1);
	assert_false(vmm_virtq_kicks(&b->q, true));
	uint16_t event;
	memcpy(&event, &q->used->ring[q->num], sizeof event);
	assert_int_equal(event, 1);
}

static void borders_between_buffers_do_not_matter(void **state)
{
	char a[3] = "abc", c[4] = "defg", out[8] = "";
	struct iovec iov[] = { { a, 3 }, { NULL, 0 }, { c, 4 } }, cut[3];

	assert_int_equal(vmm_iov_read(iov, 3, 1, out, 100), 6);
	assert_string_equal(out, "bcdefg");
	assert_int_equal(vmm_iov_write(iov, 3, 2, "XY", 2), 2);
	assert_int_equal(a[2], 'X');
	assert_int_equal(c[0], 'Y');
	assert_int_equal(vmm_iov_fill(iov, 3, 6, '.', 9), 1);
	assert_int_equal(c[3], '.');
	assert_int_equal(vmm_iov_read(iov, 3, 7, out, 1), 0);
	assert_int_equal(vmm_iov_cut(iov, 3, 2, 2, cut), 2);
	assert_ptr_equal(cut[0].iov_base, a + 2);
	assert_int_equal(cut[1].iov_len, 1);
	assert_int_equal(vmm_iov_cut(iov, 3, 7, 2, cut), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bench_open, bench_close)
	const struct CMUnitTest tests[] = {
		T(a_chain_comes_out_as_it_went_in),
		T(the_ring_goes_round),
		T(a_table_may_be_in_a_buffer),
		T(bad_tables_in_buffers_break_the_queue),
		T(a_head_out_of_range_breaks_the_queue),
		T(more_requests_than_entries_break_the_queue),
		T(a_loop_breaks_the_queue),
		T(reading_after_writing_breaks_the_queue),
		T(a_next_out_of_range_breaks_the_queue),
		T(buffers_outside_of_ram_break_the_queue),
		T(rings_have_to_be_in_ram_and_aligned),
		T(the_driver_says_when_it_wants_to_hear),
		T(events_are_told_apart),
		cmocka_unit_test(borders_between_buffers_do_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
