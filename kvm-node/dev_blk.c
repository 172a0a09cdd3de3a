/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Disks: requests done by threads, since files have no other way of not blocking everywhere. A
 * thread that has done one says so to the guest itself: the guest waits for that.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm-node/dev_virtio.h"
#include "kvm-node/disk.h"
#include "kvm-node/virtio_blk.h"
#include "kvm-node/vmm.h"
#include "kvm-node/workers.h"
#include "libdvm/base/err.h"

struct blk {
	struct vmm_vdevice base;
	struct vmm_vblk b;
	const struct vmm_disk_config *c;
	struct vmm_disk *disk;
	struct vmm_workers *workers;
	bool open;
};

enum { WORKERS = 4 };

struct work {
	struct vmm_task task;
	struct blk *d;
	struct vmm_blk_req *r;
};

static int each_range(struct vmm_disk *disk, const struct vmm_blk_req *r)
{
	int rc = 0;

	for (unsigned i = 0; i < r->nranges && rc >= 0; i++)
		rc = r->op == VMM_BLK_DISCARD
			     ? disk->ops->discard(disk, r->range[i].at, r->range[i].len)
			     : disk->ops->zero(disk, r->range[i].at, r->range[i].len,
					       r->op == VMM_BLK_ZERO_UNMAP);
	return rc;
}

static int perform(struct vmm_disk *disk, struct vmm_blk_req *r)
{
	switch (r->op) {
	case VMM_BLK_READ:
		return disk->ops->read(disk, r->at, r->iov, r->niov);
	case VMM_BLK_WRITE:
		return disk->ops->write(disk, r->at, r->iov, r->niov);
	case VMM_BLK_FLUSH:
		return disk->ro ? 0 : disk->ops->flush(disk);
	default:
		return each_range(disk, r);
	}
}

/* The guest is only told that there was an error, so here is why: once, as it will try again. */
static void complain(const struct blk *d, enum vmm_blk_op op, int rc)
{
	static const char *const doing[VMM_BLK_OPS] = {
		[VMM_BLK_READ] = "reading",	  [VMM_BLK_WRITE] = "writing",
		[VMM_BLK_FLUSH] = "syncing",	  [VMM_BLK_DISCARD] = "discarding",
		[VMM_BLK_ZERO] = "writing zeros", [VMM_BLK_ZERO_UNMAP] = "writing zeros",
	};

	dvmi_log(d->base.bus->m->log, "blk", LOG_WARNING,
		 "%s (%s%s): %s: %s; the guest has an I/O error of each such", d->base.name,
		 d->c->snapshot ? "snapshot of " : "", d->c->path, doing[op], dvm_strerror(rc));
}

/* On a thread of the disk's. */
static void work(struct vmm_task *task)
{
	struct work *w = (struct work *)task;
	struct vmm_vblk *b = &w->d->b;
	int rc = perform(w->d->disk, w->r);

	pthread_mutex_lock(&b->v.lock);
	unsigned queue = w->r->queue;
	enum vmm_blk_op op = w->r->op;
	bool is_new = vmm_vblk_is_new(b, rc);
	vmm_vblk_done(w->r, rc);
	vmm_vdev_signal(&b->v, queue);
	pthread_mutex_unlock(&b->v.lock);
	if (is_new)
		complain(w->d, op, rc);
	free(w);
}

static void submit(void *ctx, struct vmm_blk_req *r)
{
	struct blk *d = ctx;
	struct work *w = malloc(sizeof *w);
	int rc = -ENOMEM;

	if (w) {
		*w = (struct work){ .task.fn = work, .d = d, .r = r };
		rc = vmm_workers_do(d->workers, &w->task);
	}
	if (rc < 0) {
		free(w);
		vmm_vblk_done(r, rc);
	}
}

static void stat_it(struct vmm_device *base, struct dvmi_buf *out)
{
	const struct vmm_vblk *b = &((struct blk *)base)->b;

	dvmi_buf_printf(out,
			"\"reads\":%llu,\"read_bytes\":%llu,\"writes\":%llu,\"write_bytes\":%llu,"
			"\"flushes\":%llu,\"discards\":%llu,\"errors\":%llu",
			(unsigned long long)b->count[VMM_BLK_READ],
			(unsigned long long)b->bytes[VMM_BLK_READ],
			(unsigned long long)b->count[VMM_BLK_WRITE],
			(unsigned long long)b->bytes[VMM_BLK_WRITE],
			(unsigned long long)b->count[VMM_BLK_FLUSH],
			(unsigned long long)b->count[VMM_BLK_DISCARD],
			(unsigned long long)b->errors);
	vmm_lend_stat((struct vmm_vdevice *)base, out);
}

/* No more requests, and those that are under way end. */
static void quiesce(struct blk *d)
{
	if (d->base.v) {
		pthread_mutex_lock(&d->b.v.lock);
		vmm_vdev_set_status(&d->b.v, 0);
		pthread_mutex_unlock(&d->b.v.lock);
	}
	vmm_workers_destroy(d->workers);
}

static void destroy(struct vmm_device *base)
{
	struct blk *d = (struct blk *)base;

	quiesce(d);
	vmm_vdevice_close(&d->base);
	if (d->open)
		vmm_vblk_destroy(&d->b);
	if (d->disk)
		d->disk->ops->close(d->disk);
	free(d);
}

static const struct vmm_device_ops ops = VMM_VDEVICE_OPS(stat_it, destroy);

static int open_disk(struct vmm_disk **out, const struct vmm_disk_config *c, dvm_error_t *err)
{
	bool ro = c->ro || c->snapshot;
	struct vmm_disk *below;
	int rc = c->format == VMM_DISK_QCOW2 ? vmm_disk_open_qcow2(&below, c, ro, err)
					     : vmm_disk_open_raw(&below, c->path, ro, err);

	if (rc < 0)
		return rc;
	if (c->snapshot && !c->ro)
		return vmm_disk_open_snapshot(out, below, err);
	*out = below;
	return 0;
}

static int create_one(struct vmm_vbus *bus, unsigned i, struct vmm_device **list, dvm_error_t *err)
{
	struct blk *d = calloc(1, sizeof *d);
	struct vmm_blk_config c = { .discard = true };

	if (!d)
		return dvmi_error_code(err, -ENOMEM, "a disk");
	vmm_vdevice_list(&d->base, bus, "blk", i, &ops, list);
	d->c = &bus->m->config->disks[i];
	int rc = open_disk(&d->disk, d->c, err);
	if (rc < 0)
		return rc;
	c.size = d->disk->size;
	c.ro = d->disk->ro;
	/* One for each CPU, so that what a CPU asks for is answered on its host. */
	if (bus->m->config->spread)
		c.queues = bus->m->config->cpus < VMM_VDEV_QUEUES ? bus->m->config->cpus :
								    VMM_VDEV_QUEUES;
	snprintf(c.id, sizeof c.id, "disk%u", i);
	vmm_vblk_init(&d->b, &bus->mem, &c, submit, d);
	d->open = true;
	rc = vmm_workers_create(&d->workers, d->base.name, WORKERS);
	if (rc < 0)
		return dvmi_error_code(err, rc, "%s", d->base.name);
	return vmm_vdevice_open(&d->base, &d->b.v, err);
}

int vmm_blk_create(struct vmm_vbus *bus, struct vmm_device **list, dvm_error_t *err)
{
	int rc = 0;

	for (unsigned i = 0; i < bus->m->config->n_disks && rc >= 0; i++)
		if (bus->m->config->disks[i].host == bus->m->host)
			rc = create_one(bus, i, list, err);
	return rc;
}
