/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtio devices and the PCI bus of a hostile guest. Input: { kind of device, number of steps,
 * steps of 8 bytes, what is in RAM }. The device has been started with its queues at the beginning
 * of RAM, one RING after the other, so that the bytes of RAM are requests; a step is an access to
 * the BAR or to the configuration space, or something that the back end does. Whatever comes: no
 * byte outside of RAM, every request that was handed on ends, and afterwards a reset works.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include "kvm-node/vhost.h"
#include "kvm-node/virtio_balloon.h"
#include "kvm-node/virtio_blk.h"
#include "kvm-node/virtio_console.h"
#include "kvm-node/virtio_fs.h"
#include "kvm-node/virtio_net.h"
#include "kvm-node/virtio_pci.h"
#include "kvm-node/virtio_rng.h"
#include "kvm-node/virtio_vsock.h"
#include "tests/fuzz/fuzz.h"

enum {
	RAM = 0x10000, /* address */
	SIZE = 0x4000, /* of it */
	ENTRIES = 16,  /* of a queue */
	RING = 0x400,  /* descriptors, available ring, used ring of one queue */
	AVAIL = 0x100,
	USED = 0x180,
	WINDOW = 0x40000000,
	DISK = 64 * 512,
	KINDS = 8,
	VSOCK = 6,
	FS = 7,
	STEP = 8,
};

struct world {
	uint8_t *ram;
	struct vmm_gmem mem;
	struct vmm_pci pci;
	struct vmm_vpci t;
	struct vmm_vdev *v;
	union {
		struct vmm_vblk blk;
		struct vmm_vnet net;
		struct vmm_vrng rng;
		struct vmm_vconsole con;
		struct vmm_vballoon balloon;
		struct vmm_vsock vsock;
		struct vmm_vfs fs;
	} dev;
	struct vmm_vhost_inbox answers;
	uint8_t disk[DISK];
	struct vmm_blk_req *waiting;
	unsigned handed, ended;
	bool full;
};

static void *at(void *ctx, uint64_t gpa, uint64_t len)
{
	struct world *w = ctx;

	if (gpa < RAM || gpa - RAM > SIZE || len > SIZE - (gpa - RAM))
		return NULL;
	return w->ram + (gpa - RAM);
}

static int drop(void *ctx, uint64_t gpa, uint64_t len)
{
	uint8_t *p = at(ctx, gpa, len);

	FUZZ_CHECK(p && len && !(gpa % 4096) && !(len % 4096));
	memset(p, 0, len);
	return 0;
}

/* ---- back ends ---- */

static void submit(void *ctx, struct vmm_blk_req *r)
{
	struct world *w = ctx;

	w->handed++;
	r->next = w->waiting;
	w->waiting = r;
}

static void do_io(struct world *w, struct vmm_blk_req *r)
{
	uint64_t from = r->at;

	for (unsigned i = 0; i < r->niov; i++) {
		FUZZ_CHECK(from + r->iov[i].iov_len <= DISK);
		if (r->op == VMM_BLK_READ)
			memcpy(r->iov[i].iov_base, w->disk + from, r->iov[i].iov_len);
		else
			memcpy(w->disk + from, r->iov[i].iov_base, r->iov[i].iov_len);
		from += r->iov[i].iov_len;
	}
	for (unsigned i = 0; i < r->nranges; i++) {
		FUZZ_CHECK(r->range[i].at <= DISK && r->range[i].len <= DISK - r->range[i].at);
		memset(w->disk + r->range[i].at, 0, r->range[i].len);
	}
}

static void complete(struct world *w, int result)
{
	while (w->waiting) {
		struct vmm_blk_req *r = w->waiting;
		w->waiting = r->next;
		do_io(w, r);
		w->ended++;
		vmm_vblk_done(r, result);
	}
	vmm_vdev_signal(w->v, 0);
}

static ssize_t entropy(void *ctx, void *buf, size_t len)
{
	memset(buf, 7, len);
	return (ssize_t)len;
}

static void output(void *ctx, const void *bytes, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum ^= ((const uint8_t *)bytes)[i];
	((struct world *)ctx)->disk[0] = sum;
}

static int send_packet(void *ctx, const struct iovec *iov, unsigned n, size_t len)
{
	struct world *w = ctx;
	static uint8_t packet[VMM_NET_PACKET_MAX];

	FUZZ_CHECK(len <= sizeof packet);
	FUZZ_CHECK(vmm_iov_read(iov, n, 0, packet, len) == len);
	w->full = !w->full;
	return w->full ? -EAGAIN : 0;
}

static void room(void *ctx)
{
}

static void receive(struct world *w, size_t len)
{
	static uint8_t packet[VMM_NET_PACKET_MAX];

	vmm_vnet_receive(&w->dev.net, packet, len % sizeof packet);
	vmm_vdev_signal(w->v, VMM_NET_RX);
}

/* Streams of the host: every other port is listened to, and all the guest says is taken. */
static int connect_host(void *ctx, struct vmm_vsock_conn *c)
{
	struct world *w = ctx;

	if (c->host_port & 1)
		return -ECONNREFUSED;
	vmm_vsock_accept(&w->dev.vsock, c);
	return 0;
}

static void answered(void *ctx, struct vmm_vsock_conn *c, bool ok)
{
}

static void said(void *ctx, struct vmm_vsock_conn *c, const void *bytes, size_t len)
{
	struct world *w = ctx;

	FUZZ_CHECK(len <= VMM_VSOCK_BUF && c->received - c->fwd <= VMM_VSOCK_BUF);
	if (len & 1)
		vmm_vsock_consumed(&w->dev.vsock, c, len);
}

static void nothing(void *ctx, struct vmm_vsock_conn *c)
{
}

static void speak(struct world *w, uint32_t value)
{
	struct vmm_vsock *s = &w->dev.vsock;
	struct vmm_vsock_conn *c = &s->conn[value % 4];

	if (c->state == VMM_VSOCK_OPEN && (value & 16))
		vmm_vsock_send(s, c, w->disk, value >> 5 & 0xfff);
	else if (c->state == VMM_VSOCK_OPEN && (value & 32))
		vmm_vsock_end(s, c);
	else if (c->state == VMM_VSOCK_OPEN)
		vmm_vsock_close(s, c);
	else if (!c->state)
		vmm_vsock_ask(s, value, NULL);
}

/* ---- rings that are somebody else's ---- */

static int hand_over(void *ctx)
{
	const struct vmm_virtq *q = ((struct world *)ctx)->v->q;

	for (unsigned i = 0; i < VMM_FS_QUEUES; i++)
		FUZZ_CHECK(!q[i].ready || (q[i].descs && q[i].availp && q[i].usedp));
	return 0;
}

static int take_back(void *ctx)
{
	return 0;
}

static void pass_kick(void *ctx, unsigned q)
{
	FUZZ_CHECK(q < VMM_FS_QUEUES);
}

/* Bytes of the input come as answers: rings, of which there are two, and what makes no sense. */
static void hear(struct world *w, uint32_t value)
{
	struct vmm_vhost_inbox *in = &w->answers;
	size_t n = value >> 16 & 63, room = sizeof in->data - in->len;
	struct vmm_vhost_msg m;
	uint32_t ring, base;
	uint64_t word;
	int rc;

	n = n < room ? n : room;
	memcpy(in->data + in->len, w->ram + value % (SIZE - 64), n);
	in->len += n;
	while ((rc = vmm_vhost_next(in, &m)) > 0) {
		FUZZ_CHECK(m.size <= VMM_VHOST_BODY && in->len <= sizeof in->data);
		if (vmm_vhost_answer_ring(&m, VMM_VHOST_GET_VRING_BASE, 2, &ring, &base) == 0)
			FUZZ_CHECK(ring < 2 && base <= UINT16_MAX);
		(void)vmm_vhost_answer_u64(&m, VMM_VHOST_GET_FEATURES, &word);
	}
	if (rc < 0)
		in->len = 0;
}

static void serve(struct world *w, uint32_t value)
{
	if ((value & 7) == 7)
		vmm_vfs_lost(&w->dev.fs);
	else if (value & 1)
		vmm_vfs_back(&w->dev.fs);
	else if (value & 2)
		vmm_vfs_signal(&w->dev.fs, value >> 2 & 1);
	else
		hear(w, value);
}

static void send_msi(void *ctx, uint64_t addr, uint32_t data)
{
}

/* ---- the world ---- */

static void make_device(struct world *w, unsigned kind)
{
	static const struct vmm_vnet_ops net = { .send = send_packet, .room = room };
	static const struct vmm_vsock_ops vsock = { connect_host, answered, said,
						    nothing,	  nothing,  room };
	static const struct vmm_vfs_ops fs = { hand_over, take_back, pass_kick };
	static const uint8_t mac[6] = { 2 };
	struct vmm_blk_config disk = { .size = DISK, .ro = kind == 5, .discard = true };

	switch (kind) {
	case 1:
		vmm_vnet_init(&w->dev.net, &w->mem, mac, 1500, true, &net, w);
		break;
	case 2:
		vmm_vrng_init(&w->dev.rng, &w->mem, entropy, w);
		break;
	case 3:
		vmm_vconsole_init(&w->dev.con, &w->mem, output, room, w);
		break;
	case 4:
		vmm_vballoon_init(&w->dev.balloon, &w->mem);
		break;
	case VSOCK:
		vmm_vsock_init(&w->dev.vsock, &w->mem, 3, &vsock, w);
		break;
	case FS:
		vmm_vfs_init(&w->dev.fs, &w->mem, "shared", ~0ull, &fs, w);
		break;
	default:
		vmm_vblk_init(&w->dev.blk, &w->mem, &disk, submit, w);
	}
	w->v = (struct vmm_vdev *)&w->dev;
}

static void destroy_device(struct world *w, unsigned kind)
{
	if (kind == 0 || kind == 5)
		vmm_vblk_destroy(&w->dev.blk);
	else
		vmm_vdev_destroy(w->v);
}

static void start_device(struct world *w)
{
	vmm_vdev_set_status(w->v, 0);
	vmm_vdev_set_status(w->v, VIRTIO_CONFIG_S_DRIVER);
	vmm_vdev_agree(w->v, w->v->offered);
	vmm_vdev_set_status(w->v, VIRTIO_CONFIG_S_FEATURES_OK);
	for (unsigned i = 0; i < w->v->type->nqueues; i++) {
		struct vmm_virtq *q = &w->v->q[i];
		q->num = ENTRIES;
		q->desc = RAM + i * RING;
		q->avail = q->desc + AVAIL;
		q->used = q->desc + USED;
		vmm_vdev_enable_queue(w->v, i);
	}
	vmm_vdev_set_status(w->v, VIRTIO_CONFIG_S_DRIVER_OK);
}

static void back_end(struct world *w, unsigned kind, uint32_t value)
{
	if (kind == 0 || kind == 5)
		complete(w, value & 1 ? -EIO : 0);
	else if (kind == 1 && (value & 1))
		receive(w, value >> 1);
	else if (kind == 1)
		vmm_vnet_writable(&w->dev.net);
	else if (kind == 3)
		vmm_vconsole_input(&w->dev.con, w->disk, value % 100);
	else if (kind == 4 && (value & 1))
		vmm_vballoon_ask(&w->dev.balloon);
	else if (kind == VSOCK)
		speak(w, value);
	else if (kind == FS)
		serve(w, value);
	else if (kind == 4)
		vmm_vballoon_want(&w->dev.balloon, value);
}

static void step(struct world *w, unsigned kind, const uint8_t *s)
{
	uint64_t value = 0;
	uint16_t where;
	unsigned len = 1u << (s[1] & 3);

	memcpy(&where, s + 2, sizeof where);
	memcpy(&value, s + 4, 4);
	switch (s[0] % 6) {
	case 0:
	case 1:
		vmm_pci_mmio(&w->pci, WINDOW + where % VMM_VPCI_BAR, &value, len, s[0] % 6);
		break;
	case 2:
		vmm_pci_ecam(&w->pci, where, &value, len, s[1] & 4);
		break;
	case 3:
		vmm_pci_io(&w->pci, (uint16_t)(VMM_PCI_PORT + where % 8), &value, len, s[1] & 4);
		break;
	case 4:
		back_end(w, kind, (uint32_t)value);
		break;
	default:
		vmm_vdev_run(w->v);
	}
}

static unsigned in_flight(const struct world *w, unsigned kind)
{
	if (kind == FS)
		return w->dev.fs.rings == VMM_FS_AWAY || w->dev.fs.rings == VMM_FS_COMING;
	return w->handed - w->ended;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t steps = size > 1 ? data[1] : 0;
	struct world *w;

	if (size < 2 + steps * STEP)
		return 0;
	unsigned kind = data[0] % KINDS;
	const uint8_t *ram = data + 2 + steps * STEP;
	size_t given = size - (size_t)(ram - data);
	w = calloc(1, sizeof *w);
	FUZZ_CHECK(w && (w->ram = calloc(1, SIZE)));
	memcpy(w->ram, ram, given < SIZE ? given : SIZE);
	w->mem = (struct vmm_gmem){ .at = at, .drop = drop, .ctx = w };
	make_device(w, kind);
	vmm_pci_init(&w->pci, WINDOW, 0x100000);
	vmm_vpci_init(&w->t, w->v, send_msi, w);
	FUZZ_CHECK(vmm_pci_add(&w->pci, &w->t.fn) == 1);
	w->t.fn.config[4] = 2; /* memory is decoded */
	start_device(w);
	vmm_vdev_run(w->v);
	for (size_t i = 0; i < steps; i++)
		step(w, kind, data + 2 + i * STEP);
	vmm_vdev_run(w->v);

	FUZZ_CHECK(w->v->in_flight == in_flight(w, kind));
	vmm_vdev_set_status(w->v, 0);
	complete(w, 0);
	vmm_vdev_run(w->v);
	if (kind == FS)
		vmm_vfs_back(&w->dev.fs);
	FUZZ_CHECK(w->v->in_flight == 0 && vmm_vdev_status(w->v) == 0);
	memset(w->ram, 0, SIZE);
	start_device(w);
	FUZZ_CHECK(vmm_vdev_running(w->v));
	destroy_device(w, kind);
	vmm_pci_destroy(&w->pci);
	free(w->ram);
	free(w);
	return 0;
}
