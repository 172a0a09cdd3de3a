/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "kvm-node/virtio_balloon.h"

/*
 * Drivers number the queues they use one after the other, the specification gives reporting number
 * 4. With statistics and without hints, both 3 and 4 can only be reporting.
 */
enum { INFLATE, DEFLATE, STATS, QUEUES = 5 };

struct run {
	uint64_t gpa, len;
};

static void drop(struct vmm_vballoon *b, const struct run *r)
{
	if (r->len && b->mem->drop && b->mem->drop(b->mem->ctx, r->gpa, r->len) >= 0)
		b->dropped += r->len;
}

/* Page numbers; neighbours go together. */
static void inflate(struct vmm_vballoon *b)
{
	const struct vmm_chain *c = &b->chain;
	struct run run = { 0 };
	uint32_t pfn;

	for (size_t at = 0; vmm_iov_read(c->iov, c->nout, at, &pfn, 4) == 4; at += 4) {
		uint64_t gpa = (uint64_t)pfn << VIRTIO_BALLOON_PFN_SHIFT;
		if (!vmm_gmem_at(b->mem, gpa, VMM_BALLOON_PAGE)) {
			b->refused++;
			continue;
		}
		if (gpa != run.gpa + run.len) {
			drop(b, &run);
			run = (struct run){ .gpa = gpa };
		}
		run.len += VMM_BALLOON_PAGE;
	}
	drop(b, &run);
}

static void take_stats(struct vmm_vballoon *b)
{
	const struct vmm_chain *c = &b->chain;
	struct virtio_balloon_stat s;

	for (size_t at = 0; vmm_iov_read(c->iov, c->nout, at, &s, sizeof s) == sizeof s;
	     at += sizeof s)
		if (s.tag < VMM_BALLOON_STATS)
			b->stat[s.tag] = s.val;
}

static void serve_stats(struct vmm_vdev *v)
{
	struct vmm_vballoon *b = (struct vmm_vballoon *)v;

	do {
		while (vmm_vdev_pop(v, STATS, &b->chain)) {
			if (b->stats_here) /* there is to be one of them */
				vmm_vdev_push(v, STATS, b->stats_head, 0);
			take_stats(b);
			b->stats_here = true;
			b->stats_head = b->chain.head;
		}
	} while (vmm_vdev_more(v, STATS));
}

void vmm_vballoon_ask(struct vmm_vballoon *b)
{
	if (!b->stats_here || !vmm_vdev_running(&b->v))
		return;
	b->stats_here = false;
	vmm_vdev_push(&b->v, STATS, b->stats_head, 0);
	vmm_vdev_signal(&b->v, STATS);
}

/* The buffers of a report are the free memory itself. */
static void report(struct vmm_vballoon *b, uint64_t gpa, uint64_t len)
{
	uint64_t from = (gpa + VMM_BALLOON_PAGE - 1) & -(uint64_t)VMM_BALLOON_PAGE;
	uint64_t to = (gpa + len) & -(uint64_t)VMM_BALLOON_PAGE;

	if (from >= to || !b->mem->drop || b->mem->drop(b->mem->ctx, from, to - from) < 0)
		return;
	b->reported += to - from;
}

static void kick(struct vmm_vdev *v, unsigned q)
{
	struct vmm_vballoon *b = (struct vmm_vballoon *)v;

	if (q == STATS) {
		serve_stats(v);
		return;
	}
	do {
		while (vmm_vdev_pop(v, q, &b->chain)) {
			if (q == INFLATE)
				inflate(b);
			for (unsigned i = 0; q > STATS && i < b->chain.nin; i++)
				report(b, b->chain.gpa[b->chain.nout + i],
				       b->chain.iov[b->chain.nout + i].iov_len);
			vmm_vdev_push(v, q, b->chain.head, 0);
		}
	} while (vmm_vdev_more(v, q));
	vmm_vdev_signal(v, q);
}

static void stop(struct vmm_vdev *v)
{
	struct vmm_vballoon *b = (struct vmm_vballoon *)v;
	uint32_t none = 0;

	b->stats_here = false;
	memcpy(v->config + offsetof(struct virtio_balloon_config, actual), &none, sizeof none);
}

static void turn(struct vmm_vdev *v)
{
	struct vmm_vballoon *b = (struct vmm_vballoon *)v;
	uint64_t wish = atomic_exchange(&b->wish, 0);

	if (wish)
		vmm_vballoon_want(b, (uint32_t)(wish - 1));
	if (atomic_exchange(&b->wonder, false))
		vmm_vballoon_ask(b);
}

static const struct vmm_vdev_type balloon_type = {
	.name = "balloon",
	.id = VIRTIO_ID_BALLOON,
	.class = 0x00ff00,
	.nqueues = QUEUES,
	.queue_size = 128,
	.config_len = offsetof(struct virtio_balloon_config, poison_val),
	.kick = kick,
	.stop = stop,
	.turn = turn,
};

void vmm_vballoon_init(struct vmm_vballoon *b, const struct vmm_gmem *mem)
{
	memset(b, 0, sizeof *b);
	vmm_vdev_init(&b->v, &balloon_type, mem,
		      1ull << VIRTIO_BALLOON_F_STATS_VQ | 1ull << VIRTIO_BALLOON_F_DEFLATE_ON_OOM |
			      1ull << VIRTIO_BALLOON_F_REPORTING);
	b->mem = mem;
	b->v.writable_from = offsetof(struct virtio_balloon_config, actual);
	b->v.writable_to = b->v.writable_from + 4;
	memset(b->stat, 0xff, sizeof b->stat);
}

void vmm_vballoon_want(struct vmm_vballoon *b, uint32_t pages)
{
	memcpy(b->v.config, &pages, sizeof pages);
	vmm_vdev_changed(&b->v);
}

uint32_t vmm_vballoon_has(const struct vmm_vballoon *b)
{
	uint32_t pages;

	memcpy(&pages, b->v.config + offsetof(struct virtio_balloon_config, actual), sizeof pages);
	return pages;
}

void vmm_vballoon_want_soon(struct vmm_vballoon *b, uint32_t pages)
{
	atomic_store(&b->wish, (uint64_t)pages + 1);
	b->v.wake(b->v.waker);
}

void vmm_vballoon_ask_soon(struct vmm_vballoon *b)
{
	atomic_store(&b->wonder, true);
	b->v.wake(b->v.waker);
}
