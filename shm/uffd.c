/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libdvm/base/cleanup.h"
#include "shm/uffd.h"

#define PAGE 4096u

/* Newer than some systems' header. */
#define CONTINUE_MODE_WP   2ull
#define FEATURE_POISON	   (1ull << 14)
#define NEW_FROM_DEVICE	   _IO(0xAA, 0x00)
#define READ_MAX	   64

struct poison {
	struct uffdio_range range;
	uint64_t mode;
	int64_t updated;
};

#define IOCTL_POISON _IOWR(0xAA, 0x08, struct poison)

#define NEEDED                                                                                     \
	(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_MISSING_SHMEM |                             \
	 UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_THREAD_ID)

/* ---- opening ---- */

static int from_device(int dev)
{
	int fd = dev < 0 ? dev : ioctl(dev, NEW_FROM_DEVICE, O_CLOEXEC | O_NONBLOCK);

	return dev >= 0 && fd < 0 ? -errno : fd;
}

static int full(int (*open_dev)(void *arg), void *arg)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd;
	if (errno != EPERM)
		return errno == ENOSYS ? -ENOTSUP : -errno;
	cleanup_fd int own = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (own >= 0)
		return from_device(own);
	cleanup_fd int given = open_dev ? open_dev(arg) : -EPERM;
	return given >= 0 ? from_device(given) : -EPERM;
}

/* Without the faults of system calls. Where faults are signals there are none of those anyhow. */
static int partial(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);

	return fd < 0 ? -errno : fd;
}

static int shake_hands(int fd, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };

	return ioctl(fd, UFFDIO_API, &api) < 0 ? -errno : 0;
}

static int open_with(bool signals, uint64_t features, int (*open_dev)(void *arg), void *arg)
{
	int fd = full(open_dev, arg);

	if (fd == -EPERM && signals)
		fd = partial();
	if (fd < 0)
		return fd;
	int rc = shake_hands(fd, features | (signals ? (uint64_t)UFFD_FEATURE_SIGBUS : 0));
	if (rc < 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

/* Can a page that lies there be mapped read only? */
static bool continues_protected(int fd)
{
	cleanup_fd int file = memfd_create("dvm-probe", MFD_CLOEXEC);
	size_t done;
	bool can = false;

	if (file < 0 || ftruncate(file, PAGE) < 0 || pwrite(file, "", 1, 0) != 1)
		return false;
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (p == MAP_FAILED)
		return false;
	struct dsm_uffd u = { .fd = fd, .minor = true };
	if (dsm_uffd_register(&u, p, PAGE) == 0)
		can = dsm_uffd_continue(&u, p, PAGE, false, &done) == 0;
	munmap(p, PAGE);
	return can;
}

int dsm_uffd_open(struct dsm_uffd *u, bool signals, int (*open_dev)(void *arg), void *arg)
{
	const char *how = getenv("DVM_SHM_UFFD");
	bool older = how && strcmp(how, "missing") == 0;

	*u = (struct dsm_uffd){ .fd = -1, .own = signals };
	int fd = -EINVAL;
	if (!older) {
		fd = open_with(signals, NEEDED | UFFD_FEATURE_MINOR_SHMEM | FEATURE_POISON,
			       open_dev, arg);
		u->poison = fd >= 0;
	}
	if (fd == -EINVAL && !older)
		fd = open_with(signals, NEEDED | UFFD_FEATURE_MINOR_SHMEM, open_dev, arg);
	if (fd >= 0)
		u->minor = continues_protected(fd);
	if (fd >= 0 && !u->minor) {
		close(fd);
		u->poison = false;
		fd = -EINVAL;
	}
	if (fd == -EINVAL)
		fd = open_with(signals, NEEDED, open_dev, arg);
	if (fd < 0)
		return fd == -EINVAL ? -ENOTSUP : fd;
	u->fd = fd;
	return 0;
}

void dsm_uffd_close(struct dsm_uffd *u)
{
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
}

/* ---- calls ---- */

static struct uffdio_range range(const void *at, size_t len)
{
	return (struct uffdio_range){ .start = (uintptr_t)at, .len = len };
}

int dsm_uffd_register(const struct dsm_uffd *u, void *at, size_t len)
{
	struct uffdio_register r = {
		.range = range(at, len),
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP |
			(u->minor ? UFFDIO_REGISTER_MODE_MINOR : 0),
	};

	return ioctl(u->fd, UFFDIO_REGISTER, &r) < 0 ? -errno : 0;
}

int dsm_uffd_unregister(const struct dsm_uffd *u, void *at, size_t len)
{
	struct uffdio_range r = range(at, len);

	return ioctl(u->fd, UFFDIO_UNREGISTER, &r) < 0 ? -errno : 0;
}

int dsm_uffd_continue(const struct dsm_uffd *u, void *at, size_t len, bool write, size_t *done)
{
	struct uffdio_continue c = { .range = range(at, len), .mode = write ? 0 : CONTINUE_MODE_WP };
	int rc = ioctl(u->fd, UFFDIO_CONTINUE, &c) < 0 ? -errno : 0;

	*done = rc == 0 ? len : c.mapped > 0 ? (size_t)c.mapped : 0;
	return rc;
}

int dsm_uffd_copy(const struct dsm_uffd *u, void *at, const void *from, size_t len, bool write,
		  size_t *done)
{
	struct uffdio_copy c = { .dst = (uintptr_t)at,
				 .src = (uintptr_t)from,
				 .len = len,
				 .mode = write ? 0 : UFFDIO_COPY_MODE_WP };
	int rc = ioctl(u->fd, UFFDIO_COPY, &c) < 0 ? -errno : 0;

	*done = rc == 0 ? len : c.copy > 0 ? (size_t)c.copy : 0;
	return rc;
}

int dsm_uffd_protect(const struct dsm_uffd *u, void *at, size_t len, bool on)
{
	struct uffdio_writeprotect w = { .range = range(at, len),
					 .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0 };
	int rc;

	do
		rc = ioctl(u->fd, UFFDIO_WRITEPROTECT, &w) < 0 ? -errno : 0;
	while (rc == -EAGAIN);
	return rc;
}

int dsm_uffd_wake(const struct dsm_uffd *u, void *at, size_t len)
{
	struct uffdio_range r = range(at, len);

	return ioctl(u->fd, UFFDIO_WAKE, &r) < 0 ? -errno : 0;
}

int dsm_uffd_poison(const struct dsm_uffd *u, void *at, size_t len)
{
	struct poison p = { .range = range(at, len) };

	if (!u->poison)
		return -ENOTSUP;
	return ioctl(u->fd, IOCTL_POISON, &p) < 0 ? -errno : 0;
}

int dsm_uffd_read(const struct dsm_uffd *u, struct dsm_uffd_fault *out, int max)
{
	struct uffd_msg m[READ_MAX];
	int n = 0;
	ssize_t got = read(u->fd, m, sizeof m[0] * (size_t)(max < READ_MAX ? max : READ_MAX));

	for (size_t i = 0; got > 0 && i < (size_t)got / sizeof m[0]; i++) {
		uint64_t flags = m[i].arg.pagefault.flags;
		if (m[i].event != UFFD_EVENT_PAGEFAULT)
			continue;
		out[n++] = (struct dsm_uffd_fault){
			.at = (uintptr_t)m[i].arg.pagefault.address,
			.write = flags & (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP),
			.mapped = flags & UFFD_PAGEFAULT_FLAG_WP,
			.thread = (int)m[i].arg.pagefault.feat.ptid,
		};
	}
	return n;
}
