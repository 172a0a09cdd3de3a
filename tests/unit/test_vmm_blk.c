/* SPDX-License-Identifier: BSD-3-Clause */
/* What requests to a block device do, and what becomes of those that make no sense. */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "kvm-node/virtio_blk.h"
#include "tests/unit/cm.h"
#include "tests/unit/vmm_driver.h"

enum { SECTORS = 64, SIZE = SECTORS * VMM_BLK_SECTOR + 100 };

struct bench {
	struct drv d;
	struct vmm_vblk b;
	uint8_t disk[SIZE];
	unsigned calls, flushes;
	bool later; /* requests wait in `waiting` */
	int result;
	struct vmm_blk_req *waiting;
	uint64_t header, data, status;
};

static void do_req(struct bench *b, struct vmm_blk_req *r)
{
	size_t at = r->at;

	for (unsigned i = 0; i < r->niov && !b->result; i++) {
		assert_true(at + r->iov[i].iov_len <= SECTORS * VMM_BLK_SECTOR);
		if (r->op == VMM_BLK_READ)
			memcpy(r->iov[i].iov_base, b->disk + at, r->iov[i].iov_len);
		else
			memcpy(b->disk + at, r->iov[i].iov_base, r->iov[i].iov_len);
		at += r->iov[i].iov_len;
	}
	for (unsigned i = 0; i < r->nranges && !b->result; i++) {
		assert_true(r->range[i].at + r->range[i].len <= SECTORS * VMM_BLK_SECTOR);
		memset(b->disk + r->range[i].at, 0, r->range[i].len);
	}
	b->flushes += r->op == VMM_BLK_FLUSH;
	vmm_vblk_done(r, b->result);
}

static void submit(void *ctx, struct vmm_blk_req *r)
{
	struct bench *b = ctx;

	b->calls++;
	if (!b->later) {
		do_req(b, r);
		return;
	}
	r->next = b->waiting;
	b->waiting = r;
}

static struct bench *make(bool ro)
{
	struct bench *b = calloc(1, sizeof *b);
	struct vmm_blk_config c = { .size = SIZE, .ro = ro, .discard = true, .id = "disk0" };

	assert_non_null(b);
	drv_ram_open(&b->d);
	vmm_vblk_init(&b->b, &b->d.mem, &c, submit, b);
	drv_open(&b->d, &b->b.v);
	b->header = drv_alloc(&b->d, 64, 16);
	b->data = drv_alloc(&b->d, 16384, 4096);
	b->status = drv_alloc(&b->d, 1, 1);
	for (unsigned i = 0; i < SIZE; i++)
		b->disk[i] = (uint8_t)(i / VMM_BLK_SECTOR + i);
	drv_start(&b->d, drv_offered(&b->d) & ~(1ull << VIRTIO_RING_F_EVENT_IDX));
	return b;
}

static int bench_open(void **state)
{
	*state = make(false);
	return 0;
}

static int bench_open_ro(void **state)
{
	*state = make(true);
	return 0;
}

static int bench_close(void **state)
{
	struct bench *b = *state;

	drv_close(&b->d);
	vmm_vblk_destroy(&b->b);
	drv_ram_close(&b->d);
	free(b);
	return 0;
}

static void put_header(struct bench *b, uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr h = { .type = type, .sector = sector };

	memcpy(drv_at(&b->d, b->header), &h, sizeof h);
	*(uint8_t *)drv_at(&b->d, b->status) = 0xee;
}

static uint16_t offer(struct bench *b, uint32_t type, uint64_t sector, uint32_t len)
{
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	struct drv_buf bufs[] = { { b->header, sizeof(struct virtio_blk_outhdr), false },
				  { b->data, len, in },
				  { b->status, 1, true } };

	put_header(b, type, sector);
	return drv_request(&b->d, 0, bufs, 3);
}

/* The status, having checked that there is an answer; -1: there is none. */
static int request(struct bench *b, uint32_t type, uint64_t sector, uint32_t len, uint32_t *written)
{
	uint16_t head = offer(b, type, sector, len);
	int got = drv_answer(&b->d, 0, written);

	if (got < 0)
		return -1;
	assert_int_equal(got, head);
	return *(uint8_t *)drv_at(&b->d, b->status);
}

static void sectors_are_read_and_written(void **state)
{
	struct bench *b = *state;
	uint32_t written;

	assert_int_equal(request(b, VIRTIO_BLK_T_IN, 3, 1024, &written), VIRTIO_BLK_S_OK);
	assert_int_equal(written, 1025);
	assert_memory_equal(drv_at(&b->d, b->data), b->disk + 3 * 512, 1024);
	memset(drv_at(&b->d, b->data), 0x5a, 4096);
	assert_int_equal(request(b, VIRTIO_BLK_T_OUT, SECTORS - 8, 4096, &written),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(written, 1);
	assert_int_equal(b->disk[(SECTORS - 8) * 512], 0x5a);
	assert_int_equal(b->disk[SECTORS * 512 - 1], 0x5a);
	assert_int_equal(request(b, VIRTIO_BLK_T_FLUSH, 0, 0, &written), VIRTIO_BLK_S_OK);
	assert_int_equal(b->flushes, 1);
	assert_int_equal(b->d.irqs[1], 3);
}

static void the_capacity_is_whole_sectors(void **state)
{
	struct bench *b = *state;

	assert_int_equal(drv_read(&b->d, b->d.device, 8), SECTORS);
}

static void what_is_beyond_the_end_is_an_error(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t len;
	} bad[] = {
		{ SECTORS, 512 },    { SECTORS - 1, 1024 },
		{ UINT64_MAX, 512 }, { UINT64_MAX / 512, 512 },
		{ 1ull << 55, 512 }, { 0, 511 },
		{ 0, 513 },	     { SECTORS + 1, 0 },
	};
	struct bench *b = *state;
	uint32_t written;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(request(b, VIRTIO_BLK_T_IN, bad[i].sector, bad[i].len, &written),
				 VIRTIO_BLK_S_IOERR);
		assert_int_equal(written, 1);
		assert_int_equal(request(b, VIRTIO_BLK_T_OUT, bad[i].sector, bad[i].len, &written),
				 VIRTIO_BLK_S_IOERR);
	}
	assert_int_equal(b->calls, 0);
	assert_int_equal(b->b.v.in_flight, 0);
}

static void borders_may_be_anywhere(void **state)
{
	struct bench *b = *state;
	/* Header in two, data behind it in the same buffer, status in one with the last data. */
	struct drv_buf out[] = { { b->header, 7, false },
				 { b->header + 7, 9 + 20, false },
				 { b->data, 492, false },
				 { b->status, 1, true } };
	struct drv_buf in[] = { { b->header, 16, false },
				{ b->data, 100, true },
				{ b->data + 100, 413, true } };

	put_header(b, VIRTIO_BLK_T_OUT, 0);
	memset(drv_at(&b->d, b->header + 16), 0xa1, 20);
	memset(drv_at(&b->d, b->data), 0xa2, 492);
	drv_request(&b->d, 0, out, 4);
	assert_int_equal(drv_answer(&b->d, 0, NULL), 0);
	assert_int_equal(*(uint8_t *)drv_at(&b->d, b->status), VIRTIO_BLK_S_OK);
	assert_int_equal(b->disk[19], 0xa1);
	assert_int_equal(b->disk[20], 0xa2);
	assert_int_equal(b->disk[511], 0xa2);
	put_header(b, VIRTIO_BLK_T_IN, 0);
	drv_request(&b->d, 0, in, 3);
	assert_true(drv_answer(&b->d, 0, NULL) >= 0);
	assert_memory_equal(drv_at(&b->d, b->data), b->disk, 512);
	assert_int_equal(((uint8_t *)drv_at(&b->d, b->data))[512], VIRTIO_BLK_S_OK);
}

static int ranges(struct bench *b, uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes d = { .sector = sector,
						     .num_sectors = n,
						     .flags = flags };

	memcpy(drv_at(&b->d, b->data), &d, sizeof d);
	return request(b, type, 0, sizeof d, NULL);
}

static void ranges_are_discarded_and_zeroed(void **state)
{
	struct bench *b = *state;
	const uint32_t zero = VIRTIO_BLK_T_WRITE_ZEROES, discard = VIRTIO_BLK_T_DISCARD;

	assert_int_equal(ranges(b, zero, 1, 2, 0), VIRTIO_BLK_S_OK);
	for (int i = 512; i < 1536; i++)
		assert_int_equal(b->disk[i], 0);
	assert_int_equal(b->b.count[VMM_BLK_ZERO], 1);
	assert_int_equal(ranges(b, zero, 1, 2, 1), VIRTIO_BLK_S_OK);
	assert_int_equal(b->b.count[VMM_BLK_ZERO_UNMAP], 1);
	assert_int_equal(ranges(b, discard, SECTORS - 1, 1, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(b->b.count[VMM_BLK_DISCARD], 1);
	unsigned calls = b->calls;
	assert_int_equal(ranges(b, discard, SECTORS - 1, 2, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ranges(b, discard, UINT64_MAX, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ranges(b, discard, 0, 1, 1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(ranges(b, zero, 0, 1, 2), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(b, discard, 0, 15, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(b, discard, 0, 0, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(b, discard, 0, 17 * 16, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(b->calls, calls);
}

static void it_has_a_name(void **state)
{
	struct bench *b = *state;
	uint32_t written;

	assert_int_equal(request(b, VIRTIO_BLK_T_GET_ID, 0, 20, &written), VIRTIO_BLK_S_OK);
	assert_int_equal(written, 21);
	assert_string_equal(drv_at(&b->d, b->data), "disk0");
	assert_int_equal(request(b, VIRTIO_BLK_T_GET_ID, 0, 3, &written), VIRTIO_BLK_S_OK);
	assert_int_equal(written, 4);
	assert_int_equal(request(b, 77, 0, 512, &written), VIRTIO_BLK_S_UNSUPP);
}

static void errors_of_the_disk_are_the_guests(void **state)
{
	struct bench *b = *state;

	b->result = -ENOSPC;
	assert_int_equal(request(b, VIRTIO_BLK_T_OUT, 0, 512, NULL), VIRTIO_BLK_S_IOERR);
	b->result = -EOPNOTSUPP;
	assert_int_equal(ranges(b, VIRTIO_BLK_T_DISCARD, 0, 1, 0), VIRTIO_BLK_S_UNSUPP);
	b->result = 0;
	assert_int_equal(request(b, VIRTIO_BLK_T_OUT, 0, 512, NULL), VIRTIO_BLK_S_OK);
	assert_int_equal(b->b.errors, 2);
}

static void each_error_is_new_once(void **state)
{
	struct bench *b = *state;

	assert_false(vmm_vblk_is_new(&b->b, 0));
	assert_false(vmm_vblk_is_new(&b->b, -EOPNOTSUPP));
	assert_true(vmm_vblk_is_new(&b->b, -ENOSPC));
	assert_false(vmm_vblk_is_new(&b->b, -ENOSPC));
	assert_true(vmm_vblk_is_new(&b->b, -EIO));
	assert_true(vmm_vblk_is_new(&b->b, -EDQUOT));
	assert_true(vmm_vblk_is_new(&b->b, -DVM_EPEERLOST)); /* of more than there is room for */
	assert_false(vmm_vblk_is_new(&b->b, -DVM_EPEERLOST));
	assert_false(vmm_vblk_is_new(&b->b, -EIO));
	assert_false(vmm_vblk_is_new(&b->b, -ENOSPC));
}

static void a_read_only_disk_stays_as_it_is(void **state)
{
	struct bench *b = *state;

	assert_true(drv_offered(&b->d) & 1 << VIRTIO_BLK_F_RO);
	assert_int_equal(request(b, VIRTIO_BLK_T_OUT, 0, 512, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ranges(b, VIRTIO_BLK_T_DISCARD, 0, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ranges(b, VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(b->calls, 0);
	assert_int_equal(request(b, VIRTIO_BLK_T_IN, 0, 512, NULL), VIRTIO_BLK_S_OK);
}

static void requests_without_room_for_a_status_fail_the_device(void **state)
{
	struct bench *b = *state;
	struct drv_buf bufs[] = { { b->header, 16, false } };
	struct drv_buf few[] = { { b->header, 15, false }, { b->status, 1, true } };

	put_header(b, VIRTIO_BLK_T_FLUSH, 0);
	drv_request(&b->d, 0, bufs, 1);
	assert_true(drv_status(&b->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	drv_start(&b->d, 0);
	drv_request(&b->d, 0, few, 2);
	assert_true(drv_status(&b->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	drv_start(&b->d, 0);
	assert_int_equal(request(b, VIRTIO_BLK_T_FLUSH, 0, 0, NULL), VIRTIO_BLK_S_OK);
}

static void a_reset_in_mid_flight_loses_the_answers_only(void **state)
{
	struct bench *b = *state;

	b->later = true;
	offer(b, VIRTIO_BLK_T_OUT, 1, 512);
	offer(b, VIRTIO_BLK_T_OUT, 2, 512);
	drv_set_status(&b->d, 0);
	assert_int_not_equal(drv_status(&b->d), 0);
	while (b->waiting) {
		struct vmm_blk_req *r = b->waiting;
		assert_int_not_equal(drv_status(&b->d), 0);
		b->waiting = r->next;
		do_req(b, r);
	}
	assert_int_equal(drv_status(&b->d), 0);
	assert_int_equal(drv_answer(&b->d, 0, NULL), -1);
	b->later = false;
	drv_start(&b->d, 0);
	assert_int_equal(request(b, VIRTIO_BLK_T_IN, 0, 512, NULL), VIRTIO_BLK_S_OK);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bench_open, bench_close)
	const struct CMUnitTest tests[] = {
		T(sectors_are_read_and_written),
		T(the_capacity_is_whole_sectors),
		T(what_is_beyond_the_end_is_an_error),
		T(borders_may_be_anywhere),
		T(ranges_are_discarded_and_zeroed),
		T(it_has_a_name),
		T(errors_of_the_disk_are_the_guests),
		T(each_error_is_new_once),
		cmocka_unit_test_setup_teardown(a_read_only_disk_stays_as_it_is, bench_open_ro,
						bench_close),
		T(requests_without_room_for_a_status_fail_the_device),
		T(a_reset_in_mid_flight_loses_the_answers_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
