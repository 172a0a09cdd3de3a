/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared directories: the messages between us and who serves them, and who has the rings when. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kvm-node/vhost_link.h"
#include "kvm-node/virtio_fs.h"
#include "tests/unit/cm.h"
#include "tests/unit/vmm_driver.h"

/* ---- messages ---- */

static void test_questions_are_as_on_the_wire(void **state)
{
	struct vmm_vhost_msg m;
	uint8_t head[VMM_VHOST_HEADER];
	uint64_t value;

	vmm_vhost_ask(&m, VMM_VHOST_GET_FEATURES);
	vmm_vhost_header(&m, head);
	assert_memory_equal(head, "\1\0\0\0\1\0\0\0\0\0\0\0", sizeof head);
	vmm_vhost_ring(&m, VMM_VHOST_SET_VRING_NUM, 1, 128);
	assert_int_equal(m.size, 8);
	assert_memory_equal(m.body, "\1\0\0\0\200\0\0\0", 8);
	vmm_vhost_ring_addr(&m, 1, 0x1000, 0x2000, 0x3000);
	assert_int_equal(m.size, 40);
	memcpy(&value, m.body + 16, 8); /* used comes before avail */
	assert_int_equal(value, 0x3000);
	memcpy(&value, m.body + 24, 8);
	assert_int_equal(value, 0x2000);
	vmm_vhost_want_reply(&m);
	assert_int_equal(m.flags, 1 | 8);
}

static void test_descriptors_go_with_a_ring(void **state)
{
	struct vmm_vhost_msg m;
	uint64_t value;

	vmm_vhost_ring_fd(&m, VMM_VHOST_SET_VRING_KICK, 1, 7);
	assert_int_equal(m.nfds, 1);
	assert_int_equal(m.fds[0], 7);
	vmm_vhost_ring_fd(&m, VMM_VHOST_SET_VRING_CALL, 1, -1);
	memcpy(&value, m.body, sizeof value);
	assert_int_equal(m.nfds, 0);
	assert_int_equal(value, 1 | 1 << 8);
}

static void test_memory_has_so_many_regions(void **state)
{
	struct vmm_vhost_region r[VMM_VHOST_REGIONS + 1] = { { 0x100, 0x200, 0x300, 0x400, 5 } };
	struct vmm_vhost_msg m;
	uint64_t first[4];

	assert_int_equal(vmm_vhost_memory(&m, r, VMM_VHOST_REGIONS + 1), -E2BIG);
	assert_int_equal(vmm_vhost_memory(&m, r, VMM_VHOST_REGIONS), 0);
	assert_int_equal(m.size, VMM_VHOST_BODY);
	assert_int_equal(vmm_vhost_memory(&m, r, 1), 0);
	assert_int_equal(m.size, 40);
	assert_int_equal(m.nfds, 1);
	memcpy(first, m.body + 8, sizeof first);
	assert_int_equal(first[0], 0x100);
	assert_int_equal(first[3], 0x400);
}

static void answer(struct vmm_vhost_inbox *in, uint32_t request, uint32_t flags, uint32_t size,
		   const void *body, size_t len)
{
	const uint32_t head[] = { request, flags, size };

	assert_true(in->len + sizeof head + len <= sizeof in->data);
	memcpy(in->data + in->len, head, sizeof head);
	if (len)
		memcpy(in->data + in->len + sizeof head, body, len);
	in->len += sizeof head + len;
}

static void test_answers_come_in_pieces(void **state)
{
	struct vmm_vhost_inbox whole = { .len = 0 }, in = { .len = 0 };
	struct vmm_vhost_msg m;
	uint64_t value = 42, got = 0;

	answer(&whole, VMM_VHOST_GET_FEATURES, 5, 8, &value, 8);
	answer(&whole, VMM_VHOST_GET_PROTOCOL_FEATURES, 5, 8, &value, 8);
	for (size_t i = 0; i < 19; i++) {
		in.data[in.len++] = whole.data[i];
		assert_int_equal(vmm_vhost_next(&in, &m), 0);
	}
	memcpy(in.data + in.len, whole.data + 19, whole.len - 19);
	in.len = whole.len;
	assert_int_equal(vmm_vhost_next(&in, &m), 1);
	assert_int_equal(vmm_vhost_answer_u64(&m, VMM_VHOST_GET_FEATURES, &got), 0);
	assert_int_equal(got, 42);
	assert_int_equal(vmm_vhost_next(&in, &m), 1);
	assert_int_equal(m.request, VMM_VHOST_GET_PROTOCOL_FEATURES);
	assert_int_equal(in.len, 0);
}

static void refused(uint32_t flags, uint32_t size)
{
	struct vmm_vhost_inbox in = { .len = 0 };
	struct vmm_vhost_msg m = { .request = 77 };

	answer(&in, VMM_VHOST_GET_FEATURES, flags, size, NULL, 0);
	assert_int_equal(vmm_vhost_next(&in, &m), -EPROTO);
	assert_int_equal(m.request, 77);
}

static void test_sec_answers_are_looked_at(void **state)
{
	struct vmm_vhost_msg m = { .request = VMM_VHOST_GET_VRING_BASE, .size = 8 };
	uint32_t ring = 9, num = 9;
	uint64_t value = 9;

	refused(1, 8);			   /* a question */
	refused(6, 8);			   /* another version */
	refused(5, VMM_VHOST_BODY + 1);	   /* more than there may be */
	refused(5, UINT32_MAX);
	m.body[0] = 2; /* there are two rings */
	assert_int_equal(vmm_vhost_answer_ring(&m, VMM_VHOST_GET_VRING_BASE, 2, &ring, &num), -EPROTO);
	m.body[0] = 1;
	m.body[6] = 1; /* an index of 16 bits */
	assert_int_equal(vmm_vhost_answer_ring(&m, VMM_VHOST_GET_VRING_BASE, 2, &ring, &num), -EPROTO);
	m.body[6] = 0;
	m.size = 7;
	assert_int_equal(vmm_vhost_answer_ring(&m, VMM_VHOST_GET_VRING_BASE, 2, &ring, &num), -EPROTO);
	assert_int_equal(vmm_vhost_answer_u64(&m, VMM_VHOST_GET_VRING_BASE, &value), -EPROTO);
	m.size = 8;
	assert_int_equal(vmm_vhost_answer_u64(&m, VMM_VHOST_GET_FEATURES, &value), -EPROTO);
	assert_int_equal(ring + num + value, 27);
	assert_int_equal(vmm_vhost_answer_ring(&m, VMM_VHOST_GET_VRING_BASE, 2, &ring, &num), 0);
	assert_int_equal(ring, 1);
}

/* ---- on a socket ---- */

static void test_link_carries_descriptors(void **state)
{
	struct vmm_vhost_inbox in = { .len = 0 };
	struct vmm_vhost_msg m;
	int pair[2], ends[2];
	char wire[64], control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { wire, sizeof wire };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof control };

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(pipe(ends), 0);
	vmm_vhost_ring_fd(&m, VMM_VHOST_SET_VRING_KICK, 0, ends[1]);
	assert_int_equal(vmm_vhost_send(pair[0], &m), 0);
	assert_int_equal(recvmsg(pair[1], &h, 0), VMM_VHOST_HEADER + 8);
	int fd = *(int *)(void *)CMSG_DATA(CMSG_FIRSTHDR(&h));
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(ends[0], wire, 1), 1);
	assert_int_equal(vmm_vhost_receive(pair[0], &in), 0); /* nothing yet */
	close(pair[1]);
	assert_int_equal(vmm_vhost_receive(pair[0], &in), -EPIPE);
	assert_int_equal(vmm_vhost_send(pair[0], &m), -EPIPE);
	close(pair[0]);
	close(ends[0]);
	close(ends[1]);
	close(fd);
}

static void test_link_waits_for_an_answer(void **state)
{
	struct vmm_vhost_inbox in = { .len = 0 }, out = { .len = 0 };
	struct vmm_vhost_msg m;
	uint64_t value = 0x1234, got = 0;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	vmm_vhost_ask(&m, VMM_VHOST_GET_FEATURES);
	assert_int_equal(vmm_vhost_call(pair[0], &in, &m, 1), -ETIMEDOUT);
	answer(&out, VMM_VHOST_GET_FEATURES, 5, 8, &value, 8);
	assert_int_equal(write(pair[1], out.data, out.len), out.len);
	vmm_vhost_ask(&m, VMM_VHOST_GET_FEATURES);
	assert_int_equal(vmm_vhost_call(pair[0], &in, &m, 10000), 0);
	assert_int_equal(vmm_vhost_answer_u64(&m, VMM_VHOST_GET_FEATURES, &got), 0);
	assert_int_equal(got, value);
	assert_int_equal(write(pair[1], out.data, out.len - 1), out.len - 1); /* and is gone */
	close(pair[1]);
	vmm_vhost_ask(&m, VMM_VHOST_GET_FEATURES);
	assert_int_equal(vmm_vhost_call(pair[0], &in, &m, 10000), -EPIPE);
	close(pair[0]);
}

/* ---- who has the rings ---- */

struct bench {
	struct drv d;
	struct vmm_vfs f;
	unsigned handed, taken, kicks;
	bool refuse;
};

static int hand_over(void *ctx)
{
	struct bench *b = ctx;

	b->handed++;
	return b->refuse ? -EPIPE : 0;
}

static int take_back(void *ctx)
{
	struct bench *b = ctx;

	b->taken++;
	return b->refuse ? -EPIPE : 0;
}

static void kick(void *ctx, unsigned q)
{
	((struct bench *)ctx)->kicks++;
}

static const struct vmm_vfs_ops ops = { hand_over, take_back, kick };

static int open_bench(void **state)
{
	struct bench *b = calloc(1, sizeof *b);

	assert_non_null(b);
	drv_ram_open(&b->d);
	vmm_vfs_init(&b->f, &b->d.mem, "a-tag", ~0ull, &ops, b);
	drv_open(&b->d, &b->f.v);
	*state = b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;

	drv_close(&b->d);
	vmm_vdev_destroy(&b->f.v);
	drv_ram_close(&b->d);
	free(b);
	return 0;
}

static void start(struct bench *b)
{
	drv_start(&b->d, drv_offered(&b->d));
	vmm_vdev_run(&b->f.v);
}

static void test_driver_finds_its_name(void **state)
{
	struct bench *b = *state;
	char tag[VMM_FS_TAG + 1] = "";

	for (unsigned i = 0; i < VMM_FS_TAG; i++)
		tag[i] = (char)drv_read(&b->d, b->d.device + i, 1);
	assert_string_equal(tag, "a-tag");
	assert_int_equal(drv_read(&b->d, b->d.device + VMM_FS_TAG, 4), 1);
}

static void test_only_what_the_other_side_can_is_offered(void **state)
{
	struct bench *b = *state;
	uint64_t can = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_EVENT_IDX | 1 << 5;

	vmm_vdev_destroy(&b->f.v);
	vmm_vfs_init(&b->f, &b->d.mem, "a", can, &ops, b);
	assert_int_equal(b->f.v.offered, can & ~(1 << 5));
}

static void test_rings_go_out_and_come_back_for_a_reset(void **state)
{
	struct bench *b = *state;

	start(b);
	assert_int_equal(b->handed, 1);
	assert_int_equal(b->f.rings, VMM_FS_AWAY);
	assert_true(b->kicks >= 1); /* what came before it was ready */
	vmm_vfs_signal(&b->f, 1);
	assert_int_equal(b->d.irqs[2], 1);
	b->f.base[1] = 17;
	drv_set_status(&b->d, 0);
	assert_true(drv_status(&b->d)); /* somebody still writes to memory */
	vmm_vdev_run(&b->f.v);
	assert_int_equal(b->taken, 1);
	assert_true(drv_status(&b->d));
	vmm_vfs_signal(&b->f, 1);
	assert_int_equal(b->d.irqs[2], 1); /* nobody wants it any more */
	vmm_vfs_back(&b->f);
	assert_int_equal(drv_status(&b->d), 0);
	start(b);
	assert_int_equal(b->handed, 2);
	assert_int_equal(b->f.base[1], 0);
	vmm_vfs_lost(&b->f);
}

static void test_pause_keeps_the_place(void **state)
{
	struct bench *b = *state;

	start(b);
	pthread_mutex_lock(&b->f.v.lock);
	b->f.v.paused = true; /* vmm_vdev_pause() waits, for another thread */
	pthread_mutex_unlock(&b->f.v.lock);
	vmm_vdev_run(&b->f.v);
	assert_int_equal(b->f.rings, VMM_FS_COMING);
	vmm_vdev_run(&b->f.v); /* asked once */
	assert_int_equal(b->taken, 1);
	b->f.base[1] = 17;
	vmm_vfs_back(&b->f);
	assert_int_equal(b->f.v.in_flight, 0);
	vmm_vfs_back(&b->f); /* nobody asked */
	vmm_vdev_resume(&b->f.v);
	vmm_vdev_run(&b->f.v);
	assert_int_equal(b->handed, 2);
	assert_int_equal(b->f.base[1], 17);
	vmm_vfs_lost(&b->f);
}

static void test_driver_is_told_of_a_loss(void **state)
{
	struct bench *b = *state;

	start(b);
	vmm_vfs_lost(&b->f);
	assert_int_equal(b->f.v.in_flight, 0);
	assert_true(drv_status(&b->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	start(b); /* and a reset does not help */
	assert_int_equal(b->handed, 1);
	assert_true(drv_status(&b->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void test_nobody_takes_them(void **state)
{
	struct bench *b = *state;

	b->refuse = true;
	start(b);
	assert_int_equal(b->f.rings, VMM_FS_LOST);
	assert_true(drv_status(&b->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	drv_set_status(&b->d, 0);
	assert_int_equal(drv_status(&b->d), 0);
}

static void test_nobody_gives_them_back(void **state)
{
	struct bench *b = *state;

	start(b);
	b->refuse = true;
	drv_set_status(&b->d, 0);
	vmm_vdev_run(&b->f.v);
	assert_int_equal(drv_status(&b->d), 0);
	assert_int_equal(b->f.rings, VMM_FS_LOST);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_questions_are_as_on_the_wire),
		cmocka_unit_test(test_descriptors_go_with_a_ring),
		cmocka_unit_test(test_memory_has_so_many_regions),
		cmocka_unit_test(test_answers_come_in_pieces),
		cmocka_unit_test(test_sec_answers_are_looked_at),
		cmocka_unit_test(test_link_carries_descriptors),
		cmocka_unit_test(test_link_waits_for_an_answer),
		WITH(test_driver_finds_its_name),
		WITH(test_only_what_the_other_side_can_is_offered),
		WITH(test_rings_go_out_and_come_back_for_a_reset),
		WITH(test_pause_keeps_the_place),
		WITH(test_driver_is_told_of_a_loss),
		WITH(test_nobody_takes_them),
		WITH(test_nobody_gives_them_back),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
