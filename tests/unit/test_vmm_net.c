/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "kvm-node/virtio_net.h"
#include "tests/unit/cm.h"
#include "tests/unit/vmm_driver.h"

static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };

struct bench {
	struct drv d;
	struct vmm_vnet n;
	uint8_t sent[VMM_NET_PACKET_MAX + 1];
	size_t sent_len;
	unsigned packets, rooms, starts;
	uint64_t offloads; /* as the back end was told */
	bool full;
	uint64_t page;
};

static int send_packet(void *ctx, const struct iovec *iov, unsigned n, size_t len)
{
	struct bench *b = ctx;

	if (b->full)
		return -EAGAIN;
	assert_int_equal(vmm_iov_read(iov, n, 0, b->sent, sizeof b->sent), len);
	b->sent_len = len;
	b->packets++;
	return 0;
}

static void room(void *ctx)
{
	((struct bench *)ctx)->rooms++;
}

static void started(void *ctx)
{
	struct bench *b = ctx;

	b->starts++;
	b->offloads = vmm_vnet_guest_offloads(&b->n);
}

static const struct vmm_vnet_ops ops = { .send = send_packet, .room = room, .started = started };

static struct bench *make(bool headers, uint64_t features)
{
	struct bench *b = calloc(1, sizeof *b);

	assert_non_null(b);
	drv_ram_open(&b->d);
	vmm_vnet_init(&b->n, &b->d.mem, mac, 1500, headers, &ops, b);
	drv_open(&b->d, &b->n.v);
	b->page = drv_alloc(&b->d, 0x30000, 4096);
	drv_start(&b->d, features & drv_offered(&b->d));
	return b;
}

static int open_plain(void **state)
{
	*state = make(false, ~(1ull << VIRTIO_RING_F_EVENT_IDX));
	return 0;
}

static int open_headers(void **state)
{
	*state = make(true, ~(1ull << VIRTIO_RING_F_EVENT_IDX));
	return 0;
}

static int open_unmerged(void **state)
{
	*state = make(false, 1 << VIRTIO_NET_F_MAC);
	return 0;
}

static int bench_close(void **state)
{
	struct bench *b = *state;

	drv_close(&b->d);
	vmm_vdev_destroy(&b->n.v);
	drv_ram_close(&b->d);
	free(b);
	return 0;
}

static void transmit(struct bench *b, uint32_t len)
{
	struct drv_buf bufs[] = { { b->page, VMM_NET_HEADER, false },
				  { b->page + VMM_NET_HEADER, len, false } };

	for (uint32_t i = 0; i < len; i++)
		((uint8_t *)drv_at(&b->d, b->page + VMM_NET_HEADER))[i] = (uint8_t)i;
	drv_request(&b->d, VMM_NET_TX, bufs, 2);
}

static void offer_rx(struct bench *b, unsigned n, uint32_t len)
{
	for (unsigned i = 0; i < n; i++) {
		struct drv_buf buf = { b->page + i * 0x1000, len, true };
		drv_offer(&b->d, VMM_NET_RX, drv_chain(&b->d, VMM_NET_RX, &buf, 1));
	}
}

static void frames_go_out_without_the_header(void **state)
{
	struct bench *b = *state;

	assert_memory_equal(b->n.v.config, mac, 6);
	assert_int_equal(drv_offered(&b->d) & 1 << VIRTIO_NET_F_CSUM, 0);
	transmit(b, 60);
	assert_int_equal(b->sent_len, 60);
	assert_int_equal(b->sent[59], 59);
	assert_true(drv_answer(&b->d, VMM_NET_TX, NULL) >= 0);
	assert_int_equal(b->d.irqs[2], 1);
}

static void packets_go_out_with_the_header(void **state)
{
	struct bench *b = *state;

	assert_true(vmm_vnet_guest_offloads(&b->n) & 1 << VIRTIO_NET_F_GUEST_TSO4);
	transmit(b, 60);
	assert_int_equal(b->sent_len, 72);
}

/* Not on the thread of the vCPU that starts the device: it may not ask the host for anything. */
static void the_loop_tells_the_back_end_of_offloads(void **state)
{
	struct bench *b = *state;
	uint8_t packet[100] = { 0 };

	assert_int_equal(b->starts, 1);
	assert_int_equal(b->offloads, vmm_vnet_guest_offloads(&b->n));
	assert_true(b->offloads & 1 << VIRTIO_NET_F_GUEST_TSO4);
	vmm_vdev_run(&b->n.v);
	assert_int_equal(b->starts, 1);

	drv_negotiate(&b->d, 1ull << VIRTIO_NET_F_MAC);
	drv_queue_setup(&b->d, VMM_NET_RX, DRV_QSIZE);
	unsigned wakes = b->d.wakes;
	drv_set_status(&b->d, drv_status(&b->d) | VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(b->starts, 1);
	assert_true(b->d.wakes > wakes);
	offer_rx(b, 1, 1000);
	assert_int_equal(vmm_vnet_receive(&b->n, packet, sizeof packet), 0);
	assert_int_equal(b->starts, 2);
	assert_int_equal(b->offloads, 0);
}

static void what_is_no_frame_is_dropped(void **state)
{
	struct bench *b = *state;
	struct drv_buf tiny = { b->page, 5, false };

	drv_request(&b->d, VMM_NET_TX, &tiny, 1);
	transmit(b, VMM_NET_FRAME_MIN - 1);
	transmit(b, VMM_NET_FRAME_MAX + 1);
	assert_int_equal(b->packets, 0);
	assert_int_equal(b->n.tx_dropped, 3);
	for (int i = 0; i < 3; i++)
		assert_true(drv_answer(&b->d, VMM_NET_TX, NULL) >= 0);
	transmit(b, VMM_NET_FRAME_MAX);
	assert_int_equal(b->packets, 1);
}

static void a_full_back_end_is_waited_for(void **state)
{
	struct bench *b = *state;

	b->full = true;
	transmit(b, 60);
	transmit(b, 61);
	assert_int_equal(drv_answer(&b->d, VMM_NET_TX, NULL), -1);
	b->full = false;
	vmm_vnet_writable(&b->n);
	assert_int_equal(b->packets, 2);
	assert_int_equal(b->sent_len, 61);
	assert_true(drv_answer(&b->d, VMM_NET_TX, NULL) >= 0);
	assert_true(drv_answer(&b->d, VMM_NET_TX, NULL) >= 0);
}

static void a_packet_is_spread_over_buffers(void **state)
{
	struct bench *b = *state;
	uint8_t packet[VMM_NET_HEADER + 2000] = { 0 };
	uint32_t written;
	uint16_t buffers;

	for (unsigned i = 0; i < 2000; i++)
		packet[VMM_NET_HEADER + i] = (uint8_t)(i * 7);
	offer_rx(b, 2, 1000);
	assert_int_equal(vmm_vnet_receive(&b->n, packet, sizeof packet), -EAGAIN);
	assert_int_equal(drv_answer(&b->d, VMM_NET_RX, NULL), -1);
	offer_rx(b, 2, 1000);
	drv_kick(&b->d, VMM_NET_RX);
	assert_int_equal(b->rooms, 1);
	assert_int_equal(vmm_vnet_receive(&b->n, packet, sizeof packet), 0);
	vmm_vdev_signal(&b->n.v, VMM_NET_RX);
	assert_int_equal(b->d.irqs[1], 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(drv_answer(&b->d, VMM_NET_RX, &written), i);
		assert_int_equal(written, i < 2 ? 1000 : 12);
	}
	assert_int_equal(drv_answer(&b->d, VMM_NET_RX, NULL), -1);
	memcpy(&buffers, drv_at(&b->d, b->page + 10), 2);
	assert_int_equal(buffers, 3);
}

static void too_big_without_merging_is_dropped(void **state)
{
	struct bench *b = *state;
	uint8_t packet[VMM_NET_HEADER + 2000] = { 0 };
	uint32_t written;

	offer_rx(b, 2, 1512);
	assert_int_equal(vmm_vnet_receive(&b->n, packet, sizeof packet), 0);
	assert_int_equal(b->n.rx_dropped, 1);
	assert_int_equal(vmm_vnet_receive(&b->n, packet, 1512), 0);
	assert_int_equal(drv_answer(&b->d, VMM_NET_RX, &written), 0);
	assert_int_equal(written, 1512);
}

static void a_buffer_without_room_for_the_header_fails_the_device(void **state)
{
	struct bench *b = *state;
	uint8_t packet[100] = { 0 };

	offer_rx(b, 1, VMM_NET_HEADER - 1);
	assert_int_equal(vmm_vnet_receive(&b->n, packet, sizeof packet), 0);
	assert_true(drv_status(&b->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(vmm_vnet_receive(&b->n, packet, sizeof packet), 0);
	assert_int_equal(b->n.rx_dropped, 2);
}

static void nobody_listens(void **state)
{
	struct bench *b = *state;
	uint8_t packet[100] = { 0 };

	drv_set_status(&b->d, 0);
	assert_int_equal(vmm_vnet_receive(&b->n, packet, sizeof packet), 0);
	assert_int_equal(b->n.rx_dropped, 1);
	vmm_vnet_writable(&b->n);
}

/* The back end was told to wait: it hears of the room that the driver has after a reset. */
static void a_packet_that_waits_over_a_reset(void **state)
{
	struct bench *b = *state;
	uint8_t packet[100] = { 0 };

	vmm_vdev_pause(&b->n.v);
	assert_int_equal(vmm_vnet_receive(&b->n, packet, sizeof packet), -EAGAIN);
	drv_set_status(&b->d, 0);
	vmm_vdev_resume(&b->n.v);
	vmm_vdev_run(&b->n.v);
	assert_int_equal(b->rooms, 0);
	drv_start(&b->d, 1ull << VIRTIO_NET_F_MRG_RXBUF);
	assert_int_equal(b->rooms, 1);
	offer_rx(b, 1, 1000);
	assert_int_equal(vmm_vnet_receive(&b->n, packet, sizeof packet), 0);
	assert_int_equal(drv_answer(&b->d, VMM_NET_RX, NULL), 0);
}

int main(void)
{
#define T(f, open) cmocka_unit_test_setup_teardown(f, open, bench_close)
	const struct CMUnitTest tests[] = {
		T(frames_go_out_without_the_header, open_plain),
		T(packets_go_out_with_the_header, open_headers),
		T(the_loop_tells_the_back_end_of_offloads, open_headers),
		T(what_is_no_frame_is_dropped, open_plain),
		T(a_full_back_end_is_waited_for, open_plain),
		T(a_packet_is_spread_over_buffers, open_plain),
		T(too_big_without_merging_is_dropped, open_unmerged),
		T(a_buffer_without_room_for_the_header_fails_the_device, open_plain),
		T(nobody_listens, open_plain),
		T(a_packet_that_waits_over_a_reset, open_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
