/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A layer of clusters over another disk: a cluster that has been written is in a file without a
 * name, others are below. A cluster is copied up under a lock when a part of it is written.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kvm-node/disk.h"
#include "kvm-node/virtq.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

enum { CLUSTER = 1 << 16 };

struct snap {
	struct vmm_disk base;
	struct vmm_disk *below;
	int fd;
	pthread_mutex_t lock; /* guards `here`, and clusters on their way up */
	uint8_t *here;	      /* a byte per cluster */
};

static int move(struct snap *s, bool write, uint64_t at, void *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n =
			write ? pwrite(s->fd, (char *)buf + done, len - done, (off_t)(at + done))
			      : pread(s->fd, (char *)buf + done, len - done, (off_t)(at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

static bool is_here(struct snap *s, uint64_t cluster)
{
	return __atomic_load_n(&s->here[cluster], __ATOMIC_ACQUIRE);
}

static uint64_t cluster_size(const struct snap *s, uint64_t cluster)
{
	uint64_t left = s->base.size - cluster * CLUSTER;

	return left < CLUSTER ? left : CLUSTER;
}

static int read_below(struct snap *s, uint64_t at, void *buf, size_t len)
{
	struct iovec iov = { buf, len };

	return s->below->ops->read(s->below, at, &iov, 1);
}

/* Replaces a part of a cluster by BUF (NULL: zeros), copying it up before where it is not here. */
static int put(struct snap *s, uint64_t at, const void *buf, size_t len)
{
	uint64_t cluster = at / CLUSTER, from = cluster * CLUSTER;
	size_t size = cluster_size(s, cluster);
	cleanup_free uint8_t *whole = NULL;
	int rc = 0;

	if (is_here(s, cluster) && buf)
		return move(s, true, at, (void *)(uintptr_t)buf, len);
	whole = calloc(1, CLUSTER);
	if (!whole)
		return -ENOMEM;
	if (is_here(s, cluster))
		return move(s, true, at, whole, len);
	if (len < size)
		rc = read_below(s, from, whole, size);
	if (rc < 0)
		return rc;
	if (buf)
		memcpy(whole + (at - from), buf, len);
	else
		memset(whole + (at - from), 0, len);
	rc = move(s, true, from, whole, size);
	if (!rc)
		__atomic_store_n(&s->here[cluster], 1, __ATOMIC_RELEASE);
	return rc;
}

static int put_locked(struct snap *s, uint64_t at, const void *buf, size_t len)
{
	pthread_mutex_lock(&s->lock);
	int rc = put(s, at, buf, len);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* The part of [at, at+len) that lies in the first cluster of it. */
static size_t piece(uint64_t at, uint64_t len)
{
	uint64_t left = CLUSTER - at % CLUSTER;

	return left < len ? left : len;
}

static int snap_read(struct vmm_disk *d, uint64_t at, struct iovec *iov, unsigned n)
{
	struct snap *s = (struct snap *)d;
	int rc = 0;

	for (unsigned i = 0; i < n; i++) {
		char *p = iov[i].iov_base;
		for (size_t left = iov[i].iov_len, some; left && !rc; left -= some) {
			some = piece(at, left);
			rc = is_here(s, at / CLUSTER) ? move(s, false, at, p, some)
						      : read_below(s, at, p, some);
			at += some;
			p += some;
		}
	}
	return rc;
}

static int snap_write(struct vmm_disk *d, uint64_t at, struct iovec *iov, unsigned n)
{
	int rc = 0;

	for (unsigned i = 0; i < n; i++) {
		const char *p = iov[i].iov_base;
		for (size_t left = iov[i].iov_len, some; left && !rc; left -= some) {
			some = piece(at, left);
			rc = put_locked((struct snap *)d, at, p, some);
			at += some;
			p += some;
		}
	}
	return rc;
}

static int snap_flush(struct vmm_disk *d)
{
	return 0; /* it is all forgotten anyway */
}

static int snap_zero(struct vmm_disk *d, uint64_t at, uint64_t len, bool unmap)
{
	int rc = 0;

	for (size_t some; len && !rc; len -= some, at += some) {
		some = piece(at, len);
		rc = put_locked((struct snap *)d, at, NULL, some);
	}
	return rc;
}

/* Only what is here has room to give back. */
static int snap_discard(struct vmm_disk *d, uint64_t at, uint64_t len)
{
	struct snap *s = (struct snap *)d;

	for (size_t some; len; len -= some, at += some) {
		some = piece(at, len);
		if (is_here(s, at / CLUSTER) &&
		    fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
			      (off_t)some) < 0)
			return -errno;
	}
	return 0;
}

static void snap_close(struct vmm_disk *d)
{
	struct snap *s = (struct snap *)d;

	s->below->ops->close(s->below);
	if (s->fd >= 0)
		close(s->fd);
	free(s->here);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static const struct vmm_disk_ops snap_ops = {
	.read = snap_read,
	.write = snap_write,
	.flush = snap_flush,
	.discard = snap_discard,
	.zero = snap_zero,
	.close = snap_close,
};

static int open_nameless(void)
{
	const char *dir = getenv("TMPDIR");
	int fd = open(dir && *dir ? dir : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

int vmm_disk_open_snapshot(struct vmm_disk **out, struct vmm_disk *base, dvm_error_t *err)
{
	struct snap *s = calloc(1, sizeof *s);

	if (!s) {
		base->ops->close(base);
		return dvmi_error_code(err, -ENOMEM, "snapshot of a disk");
	}
	s->base = (struct vmm_disk){ .ops = &snap_ops, .size = base->size };
	s->below = base;
	pthread_mutex_init(&s->lock, NULL);
	s->here = calloc(base->size / CLUSTER + 1, 1);
	s->fd = open_nameless();
	int rc = !s->here ? -ENOMEM : s->fd < 0 ? s->fd : 0;
	if (!rc && ftruncate(s->fd, (off_t)base->size) < 0)
		rc = -errno;
	if (rc < 0) {
		snap_close(&s->base);
		return dvmi_error_code(err, rc, "a file for the snapshot of a disk");
	}
	*out = &s->base;
	return 0;
}
