/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A directory of the host: queues that virtiofsd serves, by itself. The driver's doorbells reach it
 * without us; its answers are our interrupts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kvm-node/dev_virtio.h"
#include "kvm-node/fs_server.h"
#include "kvm-node/virtio_fs.h"
#include "kvm-node/vmm.h"
#include "libdvm/base/err.h"

struct fs;

/* Answers in a queue: the other side counts them in FD. */
struct call {
	struct fs *d;
	unsigned q;
	int fd;
	struct vmm_watch *watch;
};

struct fs {
	struct vmm_vdevice base;
	struct vmm_vfs f;
	struct vmm_fs_server server;
	char tag[VMM_FS_TAG + 1];
	int kick[VMM_FS_QUEUES];
	struct call call[VMM_FS_QUEUES];
	struct vmm_watch *watch;
	unsigned out, coming; /* a bit for each ring that is away, and that has been asked for */
	uint64_t signals;
};

/* ---- who has the rings; the device's lock is held ---- */

static int hand_over_ring(struct fs *d, unsigned q)
{
	const struct vmm_virtq *r = &d->f.v.q[q];
	struct vmm_vhost_msg m[6];
	int rc = 0;

	vmm_vhost_ring(&m[0], VMM_VHOST_SET_VRING_NUM, q, r->num);
	vmm_vhost_ring(&m[1], VMM_VHOST_SET_VRING_BASE, q, d->f.base[q]);
	vmm_vhost_ring_addr(&m[2], q, (uintptr_t)r->descs, (uintptr_t)r->availp,
			    (uintptr_t)r->usedp);
	vmm_vhost_ring_fd(&m[3], VMM_VHOST_SET_VRING_KICK, q, d->kick[q]);
	vmm_vhost_ring_fd(&m[4], VMM_VHOST_SET_VRING_CALL, q, d->call[q].fd);
	vmm_vhost_ring(&m[5], VMM_VHOST_SET_VRING_ENABLE, q, 1);
	for (size_t i = 0; rc == 0 && i < sizeof m / sizeof m[0]; i++)
		rc = vmm_vhost_send(d->server.fd, &m[i]);
	d->out |= rc == 0 ? 1u << q : 0;
	return rc;
}

static int hand_over(void *ctx)
{
	struct fs *d = ctx;
	struct vmm_vhost_msg m;

	vmm_vhost_u64(&m, VMM_VHOST_SET_FEATURES, d->f.v.agreed | VMM_VHOST_F_PROTOCOL);
	int rc = vmm_vhost_send(d->server.fd, &m);
	for (unsigned q = 0; rc == 0 && q < VMM_FS_QUEUES; q++)
		if (d->f.v.q[q].ready)
			rc = hand_over_ring(d, q);
	return rc;
}

static int take_back(void *ctx)
{
	struct fs *d = ctx;
	struct vmm_vhost_msg m;
	int rc = 0;

	d->coming = d->out;
	for (unsigned q = 0; rc == 0 && q < VMM_FS_QUEUES; q++) {
		vmm_vhost_ring(&m, VMM_VHOST_GET_VRING_BASE, q, 0);
		if (d->out & 1u << q)
			rc = vmm_vhost_send(d->server.fd, &m);
	}
	if (rc == 0 && !d->coming)
		vmm_vfs_back(&d->f);
	return rc;
}

static void ring_bell(void *ctx, unsigned q)
{
	const uint64_t one = 1;
	ssize_t rc = write(((struct fs *)ctx)->kick[q], &one, sizeof one);

	(void)rc; /* full: it is awake enough */
}

static const struct vmm_vfs_ops vfs_ops = { hand_over, take_back, ring_bell };

static void has_gone(struct fs *d, int rc)
{
	char said[200];

	vmm_watch_set(d->watch, 0);
	vmm_helper_said(d->server.messages, "virtiofsd", said, sizeof said);
	dvmi_log(d->base.bus->m->log, "fs", LOG_WARNING, "%s (%s): virtiofsd %s%s%s", d->base.name,
		 d->tag, rc == -EPROTO ? "makes no sense" : "is gone", *said ? ": " : "", said);
	vmm_vfs_lost(&d->f);
}

static int one_is_back(struct fs *d, const struct vmm_vhost_msg *m)
{
	uint32_t q, base;
	int rc = vmm_vhost_answer_ring(m, VMM_VHOST_GET_VRING_BASE, VMM_FS_QUEUES, &q, &base);

	if (rc < 0 || !(d->coming & 1u << q))
		return -EPROTO;
	d->coming &= ~(1u << q);
	d->f.base[q] = (uint16_t)base;
	if (d->coming)
		return 0;
	d->out = 0;
	vmm_vfs_back(&d->f);
	return 0;
}

/* ---- on the loop's thread ---- */

static void on_answer(void *arg, int events)
{
	struct fs *d = arg;
	struct vmm_vhost_msg m;

	pthread_mutex_lock(&d->f.v.lock);
	int gone = vmm_vhost_receive(d->server.fd, &d->server.in), rc;
	while ((rc = vmm_vhost_next(&d->server.in, &m)) > 0 && (rc = one_is_back(d, &m)) == 0)
		;
	if (rc < 0 || gone < 0)
		has_gone(d, rc < 0 ? rc : gone);
	pthread_mutex_unlock(&d->f.v.lock);
}

static void on_call(void *arg, int events)
{
	struct call *c = arg;
	uint64_t n;

	if (read(c->fd, &n, sizeof n) != sizeof n)
		return;
	pthread_mutex_lock(&c->d->f.v.lock);
	c->d->signals++;
	vmm_vfs_signal(&c->d->f, c->q);
	pthread_mutex_unlock(&c->d->f.v.lock);
}

/* ---- life ---- */

static void stat_it(struct vmm_device *base, struct dvmi_buf *out)
{
	const struct fs *d = (const struct fs *)base;

	dvmi_buf_printf(out, "\"interrupts\":%llu,\"lost\":%s", (unsigned long long)d->signals,
			d->f.rings == VMM_FS_LOST ? "true" : "false");
}

static void destroy(struct vmm_device *base)
{
	struct fs *d = (struct fs *)base;

	/* First, so that nobody has the rings any more, whatever it is busy with. */
	vmm_fs_server_close(&d->server);
	if (d->base.v)
		vmm_vfs_lost(&d->f);
	vmm_vdevice_close(&d->base);
	vmm_watch_close(d->watch);
	for (unsigned q = 0; q < VMM_FS_QUEUES; q++) {
		vmm_watch_close(d->call[q].watch);
		if (d->call[q].fd >= 0)
			close(d->call[q].fd);
		if (d->kick[q] >= 0)
			close(d->kick[q]);
	}
	vmm_vdevice_free(&d->base);
}

static const struct vmm_device_ops ops = VMM_VDEVICE_OPS(stat_it, destroy);

static int open_bells(struct fs *d)
{
	int rc = 0;

	for (unsigned q = 0; q < VMM_FS_QUEUES && rc >= 0; q++) {
		struct call *c = &d->call[q];
		*c = (struct call){ d, q, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), NULL };
		d->kick[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		rc = c->fd < 0 || d->kick[q] < 0 ? -errno :
						   vmm_watch_open(&c->watch, d->base.bus->m->loop,
								  c->fd, UV_READABLE, on_call, c);
	}
	return rc;
}

/* A name of its own, or the last part of the directory's. */
static int name_it(struct fs *d, const struct vmm_share_config *c, dvm_error_t *err)
{
	char *real = c->tag ? NULL : realpath(c->dir, NULL);
	const char *name = c->tag ? c->tag : real ? strrchr(real, '/') + 1 : "";
	int rc = 0;

	if (strlen(name) > VMM_FS_TAG)
		rc = dvmi_error_set(err, -ENAMETOOLONG, "--share %s: a tag has at most %d letters",
				    c->dir, VMM_FS_TAG);
	else
		strcpy(d->tag, *name ? name : "root");
	free(real);
	return rc;
}

static int create_one(struct vmm_vbus *bus, unsigned i, struct vmm_device **list, dvm_error_t *err)
{
	const struct vmm_share_config *c = &bus->m->config->shares[i];
	struct fs *d = calloc(1, sizeof *d);

	if (!d)
		return dvmi_error_code(err, -ENOMEM, "a share");
	d->server = (struct vmm_fs_server){ .fd = -1, .messages = -1 };
	for (unsigned q = 0; q < VMM_FS_QUEUES; q++)
		d->kick[q] = d->call[q].fd = -1;
	vmm_vdevice_list(&d->base, bus, "fs", i, &ops, list);
	int rc = name_it(d, c, err);
	if (rc == 0)
		rc = vmm_fs_server_open(&d->server, c->dir, c->ro, bus->m->mem, err);
	if (rc < 0)
		return rc;
	vmm_vfs_init(&d->f, &bus->mem, d->tag, d->server.features, &vfs_ops, d);
	d->base.v = &d->f.v;
	rc = open_bells(d);
	if (rc >= 0)
		rc = vmm_watch_open(&d->watch, bus->m->loop, d->server.fd, UV_READABLE, on_answer, d);
	if (rc < 0)
		return dvmi_error_code(err, rc, "%s", d->base.name);
	d->base.bells = d->kick;
	return vmm_vdevice_open(&d->base, &d->f.v, err);
}

/* Two names alike would be one for the driver. */
static int check_tags(const struct vmm_device *list, const struct vmm_device *end, dvm_error_t *err)
{
	for (; list != end; list = list->next)
		for (const struct vmm_device *other = list->next; other != end; other = other->next)
			if (!strcmp(((const struct fs *)list)->tag, ((const struct fs *)other)->tag))
				return dvmi_error_set(err, -EEXIST,
						      "two shares are called \"%s\": tag=NAME helps",
						      ((const struct fs *)list)->tag);
	return 0;
}

int vmm_fs_create(struct vmm_vbus *bus, struct vmm_device **list, dvm_error_t *err)
{
	const struct vmm_device *others = *list;
	int rc = 0;

	if (bus->m->config->n_shares && vmm_mem_fd(bus->m->mem) < 0)
		return dvmi_error_set(err, -ENOTSUP,
				      "a guest over several hosts cannot share a directory");
	for (unsigned i = 0; i < bus->m->config->n_shares && rc >= 0; i++)
		rc = create_one(bus, i, list, err);
	return rc < 0 ? rc : check_tags(*list, others, err);
}
