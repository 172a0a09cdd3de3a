/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections between guest and host, their credit, and guests that keep no rule. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_vsock.h>
#include <stdlib.h>
#include <string.h>

#include "kvm-node/virtio_vsock.h"
#include "tests/unit/cm.h"
#include "tests/unit/vmm_driver.h"

enum {
	CID = 5,
	HEADER = sizeof(struct virtio_vsock_hdr),
	ROOM = 512,
	HOST_PORT = 80,
	GUEST_PORT = 1234
};

struct bench {
	struct drv d;
	struct vmm_vsock s;
	uint64_t out, in[DRV_QSIZE];
	struct vmm_vsock_conn *c;
	bool refuse;
	unsigned answers, oks, ends, gones;
	char got[64];
	size_t got_len;
};

static int connect_host(void *ctx, struct vmm_vsock_conn *c)
{
	struct bench *b = ctx;

	assert_int_equal(c->host_port, HOST_PORT);
	if (b->refuse)
		return -ECONNREFUSED;
	b->c = c;
	vmm_vsock_accept(&b->s, c);
	return 0;
}

static void answered(void *ctx, struct vmm_vsock_conn *c, bool ok)
{
	((struct bench *)ctx)->answers++;
	((struct bench *)ctx)->oks += ok;
}

static void data(void *ctx, struct vmm_vsock_conn *c, const void *bytes, size_t len)
{
	struct bench *b = ctx;
	size_t keep = len < sizeof b->got - b->got_len ? len : sizeof b->got - b->got_len;

	memcpy(b->got + b->got_len, bytes, keep);
	b->got_len += keep;
}

static void ended(void *ctx, struct vmm_vsock_conn *c)
{
	((struct bench *)ctx)->ends++;
}

static void gone(void *ctx, struct vmm_vsock_conn *c)
{
	((struct bench *)ctx)->gones++;
}

static void room(void *ctx)
{
}

static const struct vmm_vsock_ops ops = { connect_host, answered, data, ended, gone, room };

static void give_buffers(struct bench *b, unsigned n, uint32_t len)
{
	for (unsigned i = 0; i < n; i++) {
		struct drv_buf buf = { b->in[i], len, true };
		drv_offer(&b->d, VMM_VSOCK_RX, drv_chain(&b->d, VMM_VSOCK_RX, &buf, 1));
	}
	drv_kick(&b->d, VMM_VSOCK_RX);
}

static int bench_open(void **state)
{
	struct bench *b = calloc(1, sizeof *b);

	assert_non_null(b);
	drv_ram_open(&b->d);
	vmm_vsock_init(&b->s, &b->d.mem, CID, &ops, b);
	drv_open(&b->d, &b->s.v);
	b->out = drv_alloc(&b->d, HEADER + 0x11000, 64);
	for (unsigned i = 0; i < DRV_QSIZE; i++)
		b->in[i] = drv_alloc(&b->d, ROOM, 64);
	drv_start(&b->d, drv_offered(&b->d) & ~(1ull << VIRTIO_RING_F_EVENT_IDX));
	*state = b;
	return 0;
}

static int bench_close(void **state)
{
	struct bench *b = *state;

	drv_close(&b->d);
	vmm_vdev_destroy(&b->s.v);
	drv_ram_close(&b->d);
	free(b);
	return 0;
}

static struct virtio_vsock_hdr packet(unsigned op, uint32_t len)
{
	return (struct virtio_vsock_hdr){
		.src_cid = CID,
		.dst_cid = VMM_VSOCK_HOST,
		.src_port = GUEST_PORT,
		.dst_port = HOST_PORT,
		.len = len,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = (__le16)op,
		.buf_alloc = 1000,
	};
}

static void say(struct bench *b, const struct virtio_vsock_hdr *h, const char *bytes)
{
	struct drv_buf buf[] = { { b->out, HEADER, false }, { b->out + HEADER, h->len, false } };

	memcpy(drv_at(&b->d, b->out), h, HEADER);
	if (bytes)
		memcpy(drv_at(&b->d, b->out + HEADER), bytes, h->len);
	drv_request(&b->d, VMM_VSOCK_TX, buf, 2);
	assert_true(drv_answer(&b->d, VMM_VSOCK_TX, NULL) >= 0);
}

static void op(struct bench *b, unsigned what)
{
	struct virtio_vsock_hdr h = packet(what, 0);

	say(b, &h, NULL);
}

/* The next packet to the guest; its operation, or 0 if there is none. */
static unsigned hear(struct bench *b, struct virtio_vsock_hdr *h, char *bytes)
{
	struct virtio_vsock_hdr own;
	uint32_t written;
	int head = drv_answer(&b->d, VMM_VSOCK_RX, &written);

	if (head < 0)
		return 0;
	h = h ? h : &own;
	memcpy(h, drv_at(&b->d, b->in[head]), HEADER);
	assert_int_equal(written, HEADER + h->len);
	assert_int_equal(h->dst_cid, CID);
	assert_int_equal(h->src_cid, VMM_VSOCK_HOST);
	if (bytes)
		memcpy(bytes, drv_at(&b->d, b->in[head] + HEADER), h->len);
	return h->op;
}

static void connect_it(struct bench *b)
{
	give_buffers(b, 8, ROOM);
	op(b, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(hear(b, NULL, NULL), VIRTIO_VSOCK_OP_RESPONSE);
	assert_non_null(b->c);
}

static void a_guest_reaches_the_host(void **state)
{
	struct bench *b = *state;
	struct virtio_vsock_hdr h = packet(VIRTIO_VSOCK_OP_RW, 5);
	char bytes[ROOM];

	connect_it(b);
	say(b, &h, "hello");
	assert_memory_equal(b->got, "hello", 5);
	vmm_vsock_consumed(&b->s, b->c, 5);
	assert_int_equal(hear(b, NULL, NULL), 0); /* little credit is not worth a packet */
	assert_int_equal(vmm_vsock_send(&b->s, b->c, "world", 5), 5);
	assert_int_equal(hear(b, &h, bytes), VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(bytes, "world", 5);
	assert_int_equal(h.fwd_cnt, 5);
	assert_int_equal(h.src_port, HOST_PORT);
	vmm_vsock_end(&b->s, b->c);
	assert_int_equal(hear(b, &h, NULL), VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	h = packet(VIRTIO_VSOCK_OP_SHUTDOWN, 0);
	h.flags = VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV;
	say(b, &h, NULL);
	assert_int_equal(b->ends, 1);
	assert_int_equal(b->gones, 1);
	assert_int_equal(hear(b, NULL, NULL), VIRTIO_VSOCK_OP_RST);
}

static void the_host_reaches_a_guest(void **state)
{
	struct bench *b = *state;
	struct virtio_vsock_hdr h;

	give_buffers(b, 4, ROOM);
	b->c = vmm_vsock_ask(&b->s, GUEST_PORT, b);
	assert_non_null(b->c);
	assert_int_equal(hear(b, &h, NULL), VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(h.dst_port, GUEST_PORT);
	struct virtio_vsock_hdr yes = packet(VIRTIO_VSOCK_OP_RESPONSE, 0);
	yes.dst_port = h.src_port;
	say(b, &yes, NULL);
	assert_int_equal(b->oks, 1);
	b->c = vmm_vsock_ask(&b->s, GUEST_PORT, b);
	assert_int_equal(hear(b, &h, NULL), VIRTIO_VSOCK_OP_REQUEST);
	struct virtio_vsock_hdr no = packet(VIRTIO_VSOCK_OP_RST, 0);
	no.dst_port = h.src_port;
	say(b, &no, NULL);
	assert_int_equal(b->answers, 2);
	assert_int_equal(b->oks, 1);
}

static void credit_and_buffers_are_limits(void **state)
{
	struct bench *b = *state;
	struct virtio_vsock_hdr h;
	char bytes[VMM_VSOCK_PIECE];

	memset(bytes, 'x', sizeof bytes);
	connect_it(b);
	assert_int_equal(vmm_vsock_room(&b->s, b->c), 1000);
	assert_int_equal(vmm_vsock_send(&b->s, b->c, bytes, 2000), ROOM - HEADER); /* a buffer */
	assert_int_equal(vmm_vsock_send(&b->s, b->c, bytes, 2000), ROOM - HEADER);
	assert_int_equal(vmm_vsock_send(&b->s, b->c, bytes, 2000), 1000 - 2 * (ROOM - HEADER));
	assert_int_equal(vmm_vsock_send(&b->s, b->c, bytes, 1), -EAGAIN);
	h = packet(VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	h.fwd_cnt = 1000;
	say(b, &h, NULL);
	assert_int_equal(vmm_vsock_room(&b->s, b->c), 1000);
	h.buf_alloc = UINT32_MAX; /* as much as it likes: still a packet at a time */
	say(b, &h, NULL);
	assert_int_equal(vmm_vsock_room(&b->s, b->c), VMM_VSOCK_PIECE - HEADER);
	h.fwd_cnt = 5000; /* more than it ever got */
	h.buf_alloc = 1000;
	say(b, &h, NULL);
	assert_int_equal(vmm_vsock_room(&b->s, b->c), 0);
}

static void what_is_owed_waits_for_buffers(void **state)
{
	struct bench *b = *state;

	op(b, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(hear(b, NULL, NULL), 0);
	assert_int_equal(vmm_vsock_room(&b->s, b->c), 0);
	give_buffers(b, 1, ROOM);
	assert_int_equal(hear(b, NULL, NULL), VIRTIO_VSOCK_OP_RESPONSE);
}

static void too_much_is_cut_off(void **state)
{
	struct bench *b = *state;
	struct virtio_vsock_hdr h = packet(VIRTIO_VSOCK_OP_RW, VMM_VSOCK_BUF);

	connect_it(b);
	say(b, &h, NULL); /* all its credit */
	assert_int_equal(b->gones, 0);
	h.len = 1;
	say(b, &h, NULL);
	assert_int_equal(b->gones, 1);
	assert_int_equal(hear(b, NULL, NULL), VIRTIO_VSOCK_OP_RST);
}

static void strangers_hear_rst(void **state)
{
	struct bench *b = *state;
	struct virtio_vsock_hdr h = packet(VIRTIO_VSOCK_OP_RW, 0);

	give_buffers(b, 8, ROOM);
	op(b, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(hear(b, NULL, NULL), VIRTIO_VSOCK_OP_RST);
	op(b, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(hear(b, NULL, NULL), 0);
	b->refuse = true;
	op(b, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(hear(b, NULL, NULL), VIRTIO_VSOCK_OP_RST);
	h.dst_cid = 7;
	say(b, &h, NULL);
	assert_int_equal(hear(b, NULL, NULL), VIRTIO_VSOCK_OP_RST);
	h.src_cid = 9; /* says it is somebody else */
	say(b, &h, NULL);
	assert_int_equal(hear(b, NULL, NULL), 0);
	h = packet(VIRTIO_VSOCK_OP_RW, 0);
	h.len = UINT32_MAX;
	struct drv_buf buf = { b->out, HEADER, false };
	memcpy(drv_at(&b->d, b->out), &h, HEADER);
	drv_request(&b->d, VMM_VSOCK_TX, &buf, 1);
	assert_int_equal(hear(b, NULL, NULL), 0);
}

static void the_table_has_an_end(void **state)
{
	struct bench *b = *state;
	struct virtio_vsock_hdr h = packet(VIRTIO_VSOCK_OP_REQUEST, 0);

	for (unsigned i = 0; i < VMM_VSOCK_CONNS + 100; i++) {
		h.src_port = i;
		say(b, &h, NULL);
	}
	assert_int_equal(b->s.refused, 100);
	assert_int_equal(b->s.n_refuse, VMM_VSOCK_REFUSALS);
	assert_null(vmm_vsock_ask(&b->s, 1, b));
	drv_set_status(&b->d, 0);
	assert_int_equal(b->gones, VMM_VSOCK_CONNS);
	assert_int_equal(drv_status(&b->d), 0);
}

static void buffers_too_short_fail_the_device(void **state)
{
	struct bench *b = *state;

	give_buffers(b, 1, HEADER - 1);
	op(b, VIRTIO_VSOCK_OP_RW);
	assert_true(drv_status(&b->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bench_open, bench_close)
	const struct CMUnitTest tests[] = {
		T(a_guest_reaches_the_host),	  T(the_host_reaches_a_guest),
		T(credit_and_buffers_are_limits), T(what_is_owed_waits_for_buffers),
		T(too_much_is_cut_off),		  T(strangers_hear_rst),
		T(the_table_has_an_end),	  T(buffers_too_short_fail_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
