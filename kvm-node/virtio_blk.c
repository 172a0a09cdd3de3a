/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "kvm-node/virtio_blk.h"

static uint64_t sectors(const struct vmm_vblk *b)
{
	return b->c.size / VMM_BLK_SECTOR;
}

static bool inside(const struct vmm_vblk *b, uint64_t sector, uint64_t n)
{
	return sector <= sectors(b) && n <= sectors(b) - sector;
}

static void answer(struct vmm_vblk *b, unsigned q, uint16_t head, uint8_t *status, uint8_t value,
		   uint64_t data)
{
	*status = value;
	b->errors += value != VIRTIO_BLK_S_OK;
	vmm_vdev_push(&b->v, q, head, (uint32_t)(data + 1));
}

static uint8_t status_of(int result)
{
	if (result >= 0)
		return VIRTIO_BLK_S_OK;
	return result == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

static struct vmm_blk_req *get_req(struct vmm_vblk *b)
{
	struct vmm_blk_req *r = b->free;

	if (!r)
		return calloc(1, sizeof *r);
	b->free = r->next;
	return r;
}

static void put_req(struct vmm_vblk *b, struct vmm_blk_req *r)
{
	r->next = b->free;
	b->free = r;
}

void vmm_vblk_done(struct vmm_blk_req *r, int result)
{
	struct vmm_vblk *b = r->b;

	answer(b, r->queue, r->head, r->status, status_of(result), r->op == VMM_BLK_READ ? r->len : 0);
	put_req(b, r);
	vmm_vdev_end(&b->v);
}

bool vmm_vblk_is_new(struct vmm_vblk *b, int result)
{
	if (result >= 0 || result == -EOPNOTSUPP)
		return false;
	unsigned e = result > -VMM_BLK_ERRNO_MAX ? (unsigned)-result : 0; /* unlike any other */
	uint64_t bit = 1ull << e % 64;
	bool is_new = !(b->seen[e / 64] & bit);

	b->seen[e / 64] |= bit;
	return is_new;
}

/* Vectors of the data: in read requests all that is writable but the status byte. */
static int take_data(struct vmm_vblk *b, struct vmm_blk_req *r, uint64_t sector)
{
	const struct vmm_chain *c = &b->chain;
	bool in = r->op == VMM_BLK_READ;
	size_t header = sizeof(struct virtio_blk_outhdr);

	r->len = in ? c->in_len - 1 : c->out_len - header;
	if (r->len % VMM_BLK_SECTOR || !inside(b, sector, r->len / VMM_BLK_SECTOR))
		return -EIO;
	if ((in ? c->nin : c->nout) > VMM_BLK_SEGMENTS + 1)
		return -EIO; /* more than seg_max and what may go with it */
	r->at = sector * VMM_BLK_SECTOR;
	struct iovec all[VMM_BLK_SEGMENTS + 1];
	r->niov = in ? vmm_iov_cut(c->iov + c->nout, c->nin, 0, r->len, all)
		     : vmm_iov_cut(c->iov, c->nout, header, r->len, all);
	if (r->niov > VMM_BLK_SEGMENTS)
		return -EIO;
	memcpy(r->iov, all, r->niov * sizeof *all);
	return 0;
}

static int take_range(struct vmm_vblk *b, struct vmm_blk_req *r,
		      const struct virtio_blk_discard_write_zeroes *d)
{
	bool unmap = d->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;

	if (d->flags & ~(uint32_t)VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)
		return -EOPNOTSUPP;
	if (unmap && r->op == VMM_BLK_DISCARD)
		return -EOPNOTSUPP;
	if (!inside(b, d->sector, d->num_sectors))
		return -EIO;
	if (unmap)
		r->op = VMM_BLK_ZERO_UNMAP;
	r->range[r->nranges++] = (struct vmm_blk_range){
		.at = d->sector * VMM_BLK_SECTOR,
		.len = (uint64_t)d->num_sectors * VMM_BLK_SECTOR,
	};
	r->len += (uint64_t)d->num_sectors * VMM_BLK_SECTOR;
	return 0;
}

static int take_ranges(struct vmm_vblk *b, struct vmm_blk_req *r)
{
	const struct vmm_chain *c = &b->chain;
	struct virtio_blk_discard_write_zeroes d;
	size_t at = sizeof(struct virtio_blk_outhdr), n = (c->out_len - at) / sizeof d;
	int rc = 0;

	if ((c->out_len - at) % sizeof d || !n || n > VMM_BLK_RANGES)
		return -EIO;
	for (; !rc && n--; at += sizeof d) {
		vmm_iov_read(c->iov, c->nout, at, &d, sizeof d);
		rc = take_range(b, r, &d);
	}
	return rc;
}

/* The request as the back end wants it, or what is to be said instead. */
static int take(struct vmm_vblk *b, struct vmm_blk_req *r, const struct virtio_blk_outhdr *h)
{
	r->nranges = r->niov = 0;
	r->len = 0;
	switch (h->type) {
	case VIRTIO_BLK_T_IN:
		r->op = VMM_BLK_READ;
		return take_data(b, r, h->sector);
	case VIRTIO_BLK_T_OUT:
		r->op = VMM_BLK_WRITE;
		return b->c.ro ? -EROFS : take_data(b, r, h->sector);
	case VIRTIO_BLK_T_FLUSH:
		r->op = VMM_BLK_FLUSH;
		return 0;
	case VIRTIO_BLK_T_DISCARD:
		r->op = VMM_BLK_DISCARD;
		return b->c.ro ? -EROFS : b->c.discard ? take_ranges(b, r) : -EOPNOTSUPP;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		r->op = VMM_BLK_ZERO;
		return b->c.ro ? -EROFS : b->c.discard ? take_ranges(b, r) : -EOPNOTSUPP;
	}
	return -EOPNOTSUPP;
}

static void give_id(struct vmm_vblk *b, uint8_t *status)
{
	const struct vmm_chain *c = &b->chain;
	size_t room = c->in_len - 1 < VMM_BLK_ID ? c->in_len - 1 : VMM_BLK_ID;

	vmm_iov_write(c->iov + c->nout, c->nin, 0, b->c.id, room);
	answer(b, b->queue, c->head, status, VIRTIO_BLK_S_OK, room);
}

static void hand_on(struct vmm_vblk *b, const struct virtio_blk_outhdr *h, uint8_t *status)
{
	struct vmm_blk_req *r = get_req(b);
	int rc = r ? take(b, r, h) : -ENOMEM;

	if (rc < 0) {
		if (r)
			put_req(b, r);
		answer(b, b->queue, b->chain.head, status, status_of(rc), 0);
		return;
	}
	r->b = b;
	r->queue = b->queue;
	r->head = b->chain.head;
	r->status = status;
	b->count[r->op]++;
	b->bytes[r->op] += r->len;
	vmm_vdev_begin(&b->v);
	b->submit(b->ctx, r);
}

static void serve(struct vmm_vblk *b)
{
	const struct vmm_chain *c = &b->chain;
	struct virtio_blk_outhdr h;

	if (c->out_len < sizeof h || !c->in_len) {
		vmm_vdev_fail(&b->v); /* nowhere to say what is wrong */
		return;
	}
	vmm_iov_read(c->iov, c->nout, 0, &h, sizeof h);
	const struct iovec *last = &c->iov[c->nout + c->nin - 1];
	uint8_t *status = (uint8_t *)last->iov_base + last->iov_len - 1;
	if (h.type == VIRTIO_BLK_T_GET_ID)
		give_id(b, status);
	else
		hand_on(b, &h, status);
}

static void kick(struct vmm_vdev *v, unsigned q)
{
	struct vmm_vblk *b = (struct vmm_vblk *)v;

	b->queue = (uint8_t)q;
	do {
		vmm_virtq_kicks(&v->q[q], false);
		while (vmm_vdev_pop(v, q, &b->chain))
			serve(b);
	} while (vmm_vdev_more(v, q));
	vmm_vdev_signal(v, q);
}

static const struct vmm_vdev_type blk_type = {
	.name = "blk",
	.id = VIRTIO_ID_BLOCK,
	.class = 0x010000,
	.nqueues = 1,
	.queue_size = VMM_BLK_QUEUE,
	.config_len = offsetof(struct virtio_blk_config, unused1), /* what we offer ends there */
	.lends = true,
	.kick = kick,
};

static struct virtio_blk_config registers(const struct vmm_blk_config *c)
{
	return (struct virtio_blk_config){
		.capacity = c->size / VMM_BLK_SECTOR,
		.seg_max = VMM_BLK_SEGMENTS,
		.blk_size = VMM_BLK_SECTOR,
		.physical_block_exp = 3, /* pages are what a host's file has */
		.opt_io_size = 0,
		.max_discard_sectors = 1u << 22,
		.max_discard_seg = VMM_BLK_RANGES,
		.discard_sector_alignment = 8,
		.max_write_zeroes_sectors = 1u << 22,
		.max_write_zeroes_seg = VMM_BLK_RANGES,
		.write_zeroes_may_unmap = 1,
		.num_queues = (__u16)(c->queues ? c->queues : 1),
	};
}

void vmm_vblk_init(struct vmm_vblk *b, const struct vmm_gmem *mem, const struct vmm_blk_config *c,
		   void (*submit)(void *ctx, struct vmm_blk_req *r), void *ctx)
{
	uint64_t features = 1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_BLK_SIZE |
			    1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_TOPOLOGY;
	struct virtio_blk_config regs = registers(c);

	memset(b, 0, sizeof *b);
	b->type = blk_type;
	if (c->queues > 1) {
		b->type.nqueues = c->queues;
		features |= 1ull << VIRTIO_BLK_F_MQ;
	}
	if (c->ro)
		features |= 1ull << VIRTIO_BLK_F_RO;
	else if (c->discard)
		features |= 1ull << VIRTIO_BLK_F_DISCARD | 1ull << VIRTIO_BLK_F_WRITE_ZEROES;
	vmm_vdev_init(&b->v, &b->type, mem, features);
	memcpy(b->v.config, &regs, b->type.config_len);
	b->c = *c;
	b->submit = submit;
	b->ctx = ctx;
}

void vmm_vblk_destroy(struct vmm_vblk *b)
{
	while (b->free) {
		struct vmm_blk_req *r = b->free;
		b->free = r->next;
		free(r);
	}
	vmm_vdev_destroy(&b->v);
}
