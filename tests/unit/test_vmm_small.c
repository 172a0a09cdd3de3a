/* SPDX-License-Identifier: BSD-3-Clause */
/* The devices that fit on a page: entropy, console, balloon. */
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>

#include "kvm-node/virtio_balloon.h"
#include "kvm-node/virtio_console.h"
#include "kvm-node/virtio_rng.h"
#include "tests/unit/cm.h"
#include "tests/unit/vmm_driver.h"

struct bench {
	struct drv d;
	union {
		struct vmm_vdev v;
		struct vmm_vrng rng;
		struct vmm_vconsole con;
		struct vmm_vballoon balloon;
	};
	uint64_t page;
	bool dry;
	char out[64];
	size_t out_len;
	unsigned rooms;
};

static ssize_t sevens(void *ctx, void *buf, size_t len)
{
	memset(buf, 7, len);
	return ((struct bench *)ctx)->dry ? -1 : (ssize_t)len;
}

static void output(void *ctx, const void *bytes, size_t len)
{
	struct bench *b = ctx;

	assert_true(len <= sizeof b->out - b->out_len);
	memcpy(b->out + b->out_len, bytes, len);
	b->out_len += len;
}

static void room(void *ctx)
{
	((struct bench *)ctx)->rooms++;
}

static struct bench *make(void)
{
	struct bench *b = calloc(1, sizeof *b);

	assert_non_null(b);
	drv_ram_open(&b->d);
	b->page = drv_alloc(&b->d, 0x20000, 4096);
	return b;
}

static void go(struct bench *b, void **state)
{
	drv_open(&b->d, &b->v);
	drv_start(&b->d, drv_offered(&b->d) & ~(1ull << VIRTIO_RING_F_EVENT_IDX));
	*state = b;
}

static int open_rng(void **state)
{
	struct bench *b = make();

	vmm_vrng_init(&b->rng, &b->d.mem, sevens, b);
	go(b, state);
	return 0;
}

static int open_console(void **state)
{
	struct bench *b = make();

	vmm_vconsole_init(&b->con, &b->d.mem, output, room, b);
	go(b, state);
	return 0;
}

static int open_balloon(void **state)
{
	struct bench *b = make();

	vmm_vballoon_init(&b->balloon, &b->d.mem);
	go(b, state);
	return 0;
}

static int bench_close(void **state)
{
	struct bench *b = *state;

	drv_close(&b->d);
	vmm_vdev_destroy(&b->v);
	drv_ram_close(&b->d);
	free(b);
	return 0;
}

static void entropy_comes_up_to_a_limit(void **state)
{
	struct bench *b = *state;
	struct drv_buf small[] = { { b->page, 3, true }, { b->page + 8, 3, true } };
	struct drv_buf big = { b->page, 0x10000, true }, wrong = { b->page, 8, false };
	uint32_t written;

	drv_request(&b->d, 0, small, 2);
	assert_true(drv_answer(&b->d, 0, &written) >= 0);
	assert_int_equal(written, 6);
	assert_memory_equal(drv_at(&b->d, b->page), "\7\7\7\0\0\0\0\0\7\7\7", 12);
	drv_request(&b->d, 0, &big, 1);
	assert_true(drv_answer(&b->d, 0, &written) >= 0);
	assert_int_equal(written, VMM_RNG_MOST);
	drv_request(&b->d, 0, &wrong, 1);
	assert_true(drv_answer(&b->d, 0, &written) >= 0);
	assert_int_equal(written, 0);
	b->dry = true;
	drv_request(&b->d, 0, &big, 1);
	assert_true(drv_answer(&b->d, 0, &written) >= 0);
	assert_int_equal(written, 0);
}

static void a_console_speaks_and_listens(void **state)
{
	struct bench *b = *state;
	struct drv_buf out[] = { { b->page, 2, false }, { b->page + 10, 3, false } };
	struct drv_buf in = { b->page + 100, 4, true };
	uint32_t written;

	memcpy(drv_at(&b->d, b->page), "he", 2);
	memcpy(drv_at(&b->d, b->page + 10), "llo", 3);
	drv_request(&b->d, VMM_CONSOLE_TX, out, 2);
	assert_int_equal(b->out_len, 5);
	assert_memory_equal(b->out, "hello", 5);
	assert_int_equal(vmm_vconsole_input(&b->con, "abc", 3), 0);
	drv_request(&b->d, VMM_CONSOLE_RX, &in, 1);
	assert_int_equal(b->rooms, 1);
	assert_int_equal(vmm_vconsole_input(&b->con, "abcdef", 6), 4);
	assert_int_equal(drv_answer(&b->d, VMM_CONSOLE_RX, &written), 0);
	assert_int_equal(written, 4);
	assert_memory_equal(drv_at(&b->d, b->page + 100), "abcd", 4);
	assert_int_equal(b->d.irqs[1], 1);
}

/* It is not the driver's to forget: somebody has been told that there is no room. */
static void what_was_typed_waits_for_the_driver(void **state)
{
	struct bench *b = *state;
	struct drv_buf in = { b->page, 4, true };

	drv_set_status(&b->d, 0);
	assert_int_equal(vmm_vconsole_input(&b->con, "abc", 3), 0);
	drv_start(&b->d, 0);
	assert_int_equal(b->rooms, 1);
	drv_request(&b->d, VMM_CONSOLE_RX, &in, 1);
	assert_int_equal(vmm_vconsole_input(&b->con, "abc", 3), 3);
}

static void the_balloon_gives_pages_back(void **state)
{
	struct bench *b = *state;
	uint32_t pfn[] = { DRV_RAM / 4096 + 100, DRV_RAM / 4096 + 101, 3, UINT32_MAX,
			   DRV_RAM / 4096 + 103 };
	struct drv_buf buf = { b->page, sizeof pfn + 3, false };

	memcpy(drv_at(&b->d, b->page), pfn, sizeof pfn);
	memset(drv_at(&b->d, DRV_RAM + 100 * 4096), 1, 4 * 4096);
	drv_request(&b->d, 0, &buf, 1);
	assert_int_equal(b->d.dropped, 3 * 4096);
	assert_int_equal(b->balloon.refused, 2);
	assert_int_equal(((uint8_t *)drv_at(&b->d, DRV_RAM + 101 * 4096))[4095], 0);
	assert_int_equal(((uint8_t *)drv_at(&b->d, DRV_RAM + 102 * 4096))[0], 1);
	drv_request(&b->d, 1, &buf, 1); /* taking them back is only said */
	assert_int_equal(b->d.dropped, 3 * 4096);
}

static void the_target_is_told(void **state)
{
	struct bench *b = *state;

	vmm_vballoon_want(&b->balloon, 1000);
	assert_int_equal(b->d.irqs[0], 1);
	assert_int_equal(drv_read(&b->d, b->d.device, 4), 1000);
	drv_write(&b->d, b->d.device, 5, 4);
	drv_write(&b->d, b->d.device + 4, 900, 4);
	assert_int_equal(vmm_vballoon_has(&b->balloon), 900);
	assert_int_equal(drv_read(&b->d, b->d.device, 4), 1000);
	drv_set_status(&b->d, 0);
	assert_int_equal(vmm_vballoon_has(&b->balloon), 0);
}

/* Only whole pages of what is reported, in either place where drivers put that queue. */
static void free_pages_are_taken(void **state)
{
	struct bench *b = *state;
	struct drv_buf buf[] = { { b->page + 100, 3 * 4096, true },
				 { b->page + 0x8000, 4095, true } };
	uint32_t written;

	for (unsigned q = 3; q < 5; q++) {
		b->d.dropped = 0;
		memset(drv_at(&b->d, b->page), 1, 4 * 4096);
		drv_request(&b->d, q, buf, 2);
		assert_int_equal(b->d.dropped, 2 * 4096);
		assert_int_equal(((uint8_t *)drv_at(&b->d, b->page))[4095], 1);
		assert_int_equal(((uint8_t *)drv_at(&b->d, b->page))[4096], 0);
		assert_true(drv_answer(&b->d, q, &written) >= 0);
	}
}

static void statistics_are_asked_for(void **state)
{
	struct bench *b = *state;
	struct virtio_balloon_stat s[] = { { VIRTIO_BALLOON_S_MEMFREE, 12345 }, { 99, 1 } };
	struct drv_buf buf = { b->page, sizeof s + 5, false };

	memcpy(drv_at(&b->d, b->page), s, sizeof s);
	uint16_t head = drv_request(&b->d, 2, &buf, 1);
	assert_int_equal(b->balloon.stat[VIRTIO_BALLOON_S_MEMFREE], 12345);
	assert_int_equal(drv_answer(&b->d, 2, NULL), -1);
	vmm_vballoon_ask(&b->balloon);
	assert_int_equal(drv_answer(&b->d, 2, NULL), head);
	vmm_vballoon_ask(&b->balloon);
	assert_int_equal(drv_answer(&b->d, 2, NULL), -1);
}

/* Who has the lock may wait for long, and who asks must not. */
static void it_is_told_without_its_lock(void **state)
{
	struct bench *b = *state;
	struct virtio_balloon_stat s = { VIRTIO_BALLOON_S_MEMFREE, 12345 };
	struct drv_buf buf = { b->page, sizeof s, false };

	memcpy(drv_at(&b->d, b->page), &s, sizeof s);
	uint16_t head = drv_request(&b->d, 2, &buf, 1);
	pthread_mutex_lock(&b->v.lock);
	unsigned wakes = b->d.wakes;
	vmm_vballoon_want_soon(&b->balloon, 1000);
	vmm_vballoon_ask_soon(&b->balloon);
	assert_true(b->d.wakes > wakes);
	pthread_mutex_unlock(&b->v.lock);
	vmm_vdev_run(&b->v);
	assert_int_equal(b->d.irqs[0], 1);
	assert_int_equal(drv_read(&b->d, b->d.device, 4), 1000);
	assert_int_equal(drv_answer(&b->d, 2, NULL), head);
	vmm_vballoon_want_soon(&b->balloon, 0);
	vmm_vdev_run(&b->v);
	vmm_vdev_run(&b->v);
	assert_int_equal(b->d.irqs[0], 2);
	assert_int_equal(drv_read(&b->d, b->d.device, 4), 0);
}

int main(void)
{
#define T(f, open) cmocka_unit_test_setup_teardown(f, open, bench_close)
	const struct CMUnitTest tests[] = {
		T(entropy_comes_up_to_a_limit, open_rng),
		T(a_console_speaks_and_listens, open_console),
		T(what_was_typed_waits_for_the_driver, open_console),
		T(the_balloon_gives_pages_back, open_balloon),
		T(the_target_is_told, open_balloon),
		T(free_pages_are_taken, open_balloon),
		T(statistics_are_asked_for, open_balloon),
		T(it_is_told_without_its_lock, open_balloon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
