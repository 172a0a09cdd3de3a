/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kvm-node/disk.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define ZEROS (1u << 16)

struct raw {
	struct vmm_disk base;
	int fd;
};

/* Done N bytes of the vectors: what is left of them. */
static void advance(struct iovec **iov, unsigned *n, size_t done)
{
	while (*n && done >= (*iov)->iov_len) {
		done -= (*iov)->iov_len;
		(*iov)++;
		(*n)--;
	}
	if (*n) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + done;
		(*iov)->iov_len -= done;
	}
}

typedef ssize_t vector_fn(int fd, const struct iovec *iov, int n, off_t at);

static int transfer(int fd, vector_fn *fn, uint64_t at, struct iovec *iov, unsigned n)
{
	advance(&iov, &n, 0);
	while (n) {
		ssize_t done = fn(fd, iov, (int)n, (off_t)at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO; /* the file has become shorter */
		at += (uint64_t)done;
		advance(&iov, &n, (size_t)done);
	}
	return 0;
}

static int raw_read(struct vmm_disk *d, uint64_t at, struct iovec *iov, unsigned n)
{
	return transfer(((struct raw *)d)->fd, preadv, at, iov, n);
}

static int raw_write(struct vmm_disk *d, uint64_t at, struct iovec *iov, unsigned n)
{
	return transfer(((struct raw *)d)->fd, pwritev, at, iov, n);
}

static int raw_flush(struct vmm_disk *d)
{
	return fdatasync(((struct raw *)d)->fd) < 0 ? -errno : 0;
}

static int allocate(struct raw *r, int mode, uint64_t at, uint64_t len)
{
	int rc;

	do
		rc = fallocate(r->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)len);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : 0;
}

static int raw_discard(struct vmm_disk *d, uint64_t at, uint64_t len)
{
	return len ? allocate((struct raw *)d, FALLOC_FL_PUNCH_HOLE, at, len) : 0;
}

static int write_zeros(struct raw *r, uint64_t at, uint64_t len)
{
	static uint8_t zeros[ZEROS];
	int rc = 0;

	while (!rc && len) {
		struct iovec iov = { zeros, len < ZEROS ? len : ZEROS };
		size_t some = iov.iov_len;
		rc = transfer(r->fd, pwritev, at, &iov, 1);
		at += some;
		len -= some;
	}
	return rc;
}

static int raw_zero(struct vmm_disk *d, uint64_t at, uint64_t len, bool unmap)
{
	struct raw *r = (struct raw *)d;
	int rc = -EOPNOTSUPP;

	if (!len)
		return 0;
	if (unmap)
		rc = allocate(r, FALLOC_FL_PUNCH_HOLE, at, len);
	if (rc == -EOPNOTSUPP)
		rc = allocate(r, FALLOC_FL_ZERO_RANGE, at, len);
	return rc == -EOPNOTSUPP ? write_zeros(r, at, len) : rc;
}

static void raw_close(struct vmm_disk *d)
{
	close(((struct raw *)d)->fd);
	free(d);
}

static const struct vmm_disk_ops raw_ops = {
	.read = raw_read,
	.write = raw_write,
	.flush = raw_flush,
	.discard = raw_discard,
	.zero = raw_zero,
	.close = raw_close,
};

static int check_file(int fd, const char *path, bool ro, uint64_t *size, dvm_error_t *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return dvmi_error_code(err, -errno, "disk %s", path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return dvmi_error_set(err, -EINVAL, "disk %s is neither a file nor a block device",
				      path);
	off_t end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		return dvmi_error_code(err, -errno, "disk %s", path);
	if (end < 512)
		return dvmi_error_set(err, -EINVAL, "disk %s has no whole sector", path);
	if (flock(fd, (ro ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return dvmi_error_set(err, -EBUSY, "disk %s is in use by another guest", path);
	*size = (uint64_t)end;
	return 0;
}

int vmm_disk_open_raw(struct vmm_disk **out, const char *path, bool ro, dvm_error_t *err)
{
	cleanup_fd int fd = open(path, (ro ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
	uint64_t size = 0;

	if (fd < 0)
		return dvmi_error_code(err, -errno, "disk %s", path);
	int rc = check_file(fd, path, ro, &size, err);
	if (rc < 0)
		return rc;
	struct raw *r = calloc(1, sizeof *r);
	if (!r)
		return dvmi_error_code(err, -ENOMEM, "disk %s", path);
	r->base = (struct vmm_disk){ .ops = &raw_ops, .size = size & -(uint64_t)512, .ro = ro };
	r->fd = take_fd(fd);
	*out = &r->base;
	return 0;
}
