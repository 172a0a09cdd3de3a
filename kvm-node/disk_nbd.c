/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Disks in formats that have to be parsed. We do not: qemu-storage-daemon does, in a process of its
 * own with the rights of the image's owner or less (disk_images.c), and we speak NBD to it. It ends with us.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "config.h"
#include "kvm-node/disk.h"
#include "kvm-node/disk_images.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#ifdef HAVE_LIBNBD
#include <dlfcn.h>
#include <libnbd.h>

/*
 * libnbd brings a TLS library, XML and more into a process; most guests need none of it. So it is
 * loaded when the first disk asks for it.
 */
#define CALLS(X)                                                                                   \
	X(create)                                                                                  \
	X(close) X(shutdown) X(set_export_name) X(connect_socket) X(get_size) X(can_multi_conn)    \
		X(can_flush) X(can_trim) X(can_zero) X(pread) X(pwrite) X(flush) X(trim) X(zero)   \
			X(get_errno)

struct calls {
#define X(name) __typeof__(nbd_##name) *name;
	CALLS(X)
#undef X
};

static int load(struct calls *c)
{
	void *lib = dlopen("libnbd.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	bool all = lib != NULL;

#define X(call) all = all && (c->call = (__typeof__(c->call))dlsym(lib, "nbd_" #call));
	CALLS(X)
#undef X
	if (lib)
		dlclose(lib); /* it stays */
	return all ? 0 : -ENOTSUP;
}

/* As many as there are threads that ask; more wait. */
enum { CONNECTIONS = 4, PIECE = 1 << 20 };

struct nbd {
	struct vmm_disk base;
	struct calls nbd;
	struct vmm_helper server;
	pthread_mutex_t lock;
	pthread_cond_t some;
	struct nbd_handle *idle[CONNECTIONS], *all[CONNECTIONS];
	unsigned n_idle, n;
};

static struct nbd_handle *take_connection(struct nbd *d)
{
	pthread_mutex_lock(&d->lock);
	while (!d->n_idle)
		pthread_cond_wait(&d->some, &d->lock);
	struct nbd_handle *h = d->idle[--d->n_idle];
	pthread_mutex_unlock(&d->lock);
	return h;
}

static int give_connection(struct nbd *d, struct nbd_handle *h, int rc)
{
	int why = rc < 0 ? d->nbd.get_errno() : 0;

	pthread_mutex_lock(&d->lock);
	d->idle[d->n_idle++] = h;
	pthread_cond_signal(&d->some);
	pthread_mutex_unlock(&d->lock);
	if (rc >= 0)
		return 0;
	return why == EOPNOTSUPP || why == ENOTSUP ? -EOPNOTSUPP : why ? -why : -EIO;
}

static int transfer(struct nbd *d, bool write, uint64_t at, const struct iovec *iov, unsigned n)
{
	struct nbd_handle *h = take_connection(d);
	int rc = 0;

	for (unsigned i = 0; i < n && rc >= 0; i++) {
		char *p = iov[i].iov_base;
		for (size_t left = iov[i].iov_len, some; left && rc >= 0; left -= some) {
			some = left < PIECE ? left : PIECE;
			rc = write ? d->nbd.pwrite(h, p, some, at, 0)
				   : d->nbd.pread(h, p, some, at, 0);
			at += some;
			p += some;
		}
	}
	return give_connection(d, h, rc);
}

static int nbd_disk_read(struct vmm_disk *d, uint64_t at, struct iovec *iov, unsigned n)
{
	return transfer((struct nbd *)d, false, at, iov, n);
}

static int nbd_disk_write(struct vmm_disk *d, uint64_t at, struct iovec *iov, unsigned n)
{
	return transfer((struct nbd *)d, true, at, iov, n);
}

static int nbd_disk_flush(struct vmm_disk *disk)
{
	struct nbd *d = (struct nbd *)disk;
	struct nbd_handle *h = take_connection(d);

	return give_connection(d, h, d->nbd.can_flush(h) > 0 ? d->nbd.flush(h, 0) : 0);
}

static int nbd_disk_discard(struct vmm_disk *disk, uint64_t at, uint64_t len)
{
	struct nbd *d = (struct nbd *)disk;
	struct nbd_handle *h = take_connection(d);

	if (!len || d->nbd.can_trim(h) <= 0) {
		give_connection(d, h, 0);
		return len ? -EOPNOTSUPP : 0;
	}
	return give_connection(d, h, d->nbd.trim(h, len, at, 0));
}

static int nbd_disk_zero(struct vmm_disk *disk, uint64_t at, uint64_t len, bool unmap)
{
	struct nbd *d = (struct nbd *)disk;
	struct nbd_handle *h = take_connection(d);

	if (!len || d->nbd.can_zero(h) <= 0) {
		give_connection(d, h, 0);
		return len ? -EOPNOTSUPP : 0;
	}
	return give_connection(d, h, d->nbd.zero(h, len, at, unmap ? 0 : LIBNBD_CMD_FLAG_NO_HOLE));
}

static void nbd_disk_close(struct vmm_disk *disk)
{
	struct nbd *d = (struct nbd *)disk;

	for (unsigned i = 0; i < d->n; i++) {
		d->nbd.shutdown(d->all[i], 0);
		d->nbd.close(d->all[i]);
	}
	vmm_helper_end(&d->server);
	pthread_cond_destroy(&d->some);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static const struct vmm_disk_ops nbd_ops = {
	.read = nbd_disk_read,
	.write = nbd_disk_write,
	.flush = nbd_disk_flush,
	.discard = nbd_disk_discard,
	.zero = nbd_disk_zero,
	.close = nbd_disk_close,
};

static int connect_one(struct nbd *d, const struct vmm_helper_place *p)
{
	cleanup_fd int fd = vmm_helper_connect(p);
	struct nbd_handle *h = fd < 0 ? NULL : d->nbd.create();

	if (fd < 0)
		return fd;
	if (!h)
		return -ENOMEM;
	d->all[d->n++] = h;
	d->idle[d->n_idle++] = h;
	if (d->nbd.set_export_name(h, "disk") < 0 || d->nbd.connect_socket(h, take_fd(fd)) < 0)
		return d->nbd.get_errno() ? -d->nbd.get_errno() : -ECONNRESET;
	return 0;
}

static int connect_all(struct nbd *d, const struct vmm_helper_place *p)
{
	int rc = connect_one(d, p);

	if (rc < 0)
		return rc;
	int64_t size = d->nbd.get_size(d->all[0]);
	if (size < 512)
		return -EINVAL;
	d->base.size = (uint64_t)size & -(uint64_t)512;
	/* Several at once only if a flush of one is a flush of all. */
	for (int i = 1; i < CONNECTIONS && !rc && d->nbd.can_multi_conn(d->all[0]) > 0; i++)
		rc = connect_one(d, p);
	return rc;
}

static int open_server(struct nbd *d, const struct vmm_disk_images *im, int messages)
{
	struct vmm_helper_place p;
	int listener = vmm_helper_listen(&p, CONNECTIONS);

	if (listener < 0)
		return listener;
	int rc = vmm_disk_images_serve(im, &d->server, listener, messages);
	/* Only the daemon has it now: if that gives up, connections are refused or reset. */
	close(listener);
	if (rc >= 0)
		rc = connect_all(d, &p);
	vmm_helper_leave(&p);
	return rc;
}

static int explain(int rc, int messages, const char *path, dvm_error_t *err)
{
	char text[200] = "";

	vmm_helper_said(messages, "qemu-storage-daemon", text, sizeof text);
	if (*text)
		return dvmi_error_set(err, rc, "disk %s: %s", path, text);
	return dvmi_error_code(err, rc, "disk %s through qemu-storage-daemon", path);
}

static int open_disk(struct nbd *d, const struct vmm_disk_images *im, const char *path,
		     dvm_error_t *err)
{
	cleanup_fd int messages = memfd_create("qemu-storage-daemon", MFD_CLOEXEC);

	if (messages < 0)
		return dvmi_error_code(err, -errno, "disk %s", path);
	if (load(&d->nbd) < 0)
		return dvmi_error_set(err, -ENOTSUP, "disk %s: libnbd is missing (Debian: libnbd0)",
				      path);
	if (!vmm_helper_found("qemu-storage-daemon"))
		return dvmi_error_set(err, -ENOENT,
				      "disk %s: qemu-storage-daemon is missing (Debian: qemu-system-common)",
				      path);
	int rc = open_server(d, im, messages);
	if (rc == 0)
		return 0;
	vmm_helper_end(&d->server); /* it has said all there is then */
	return explain(rc, messages, path, err);
}

int vmm_disk_open_qcow2(struct vmm_disk **out, const struct vmm_disk_config *c, bool ro,
			dvm_error_t *err)
{
	struct vmm_disk_images im;
	int rc = vmm_disk_images_open(&im, c, ro, err);

	if (rc < 0)
		return rc;
	struct nbd *d = calloc(1, sizeof *d);
	if (d) {
		d->base = (struct vmm_disk){ .ops = &nbd_ops, .ro = ro };
		pthread_mutex_init(&d->lock, NULL);
		pthread_cond_init(&d->some, NULL);
		rc = open_disk(d, &im, c->path, err);
	} else {
		rc = dvmi_error_code(err, -ENOMEM, "disk %s", c->path);
	}
	vmm_disk_images_close(&im);
	if (rc == 0)
		*out = &d->base;
	else if (d)
		nbd_disk_close(&d->base);
	return rc;
}

#else

int vmm_disk_open_qcow2(struct vmm_disk **out, const struct vmm_disk_config *c, bool ro,
			dvm_error_t *err)
{
	return dvmi_error_set(err, -ENOTSUP, "disk %s: qcow2 is not built in (Debian: libnbd-dev)",
			      c->path);
}

#endif
