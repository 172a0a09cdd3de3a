/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

/* Read and not mapped: a file that is cut while it is used must not become a signal. */
static int slurp(int fd, uint8_t *to, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = pread(fd, to + at, len - at, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += (size_t)n;
	}
	return 0;
}

int vmm_image_open(struct vmm_image *im, const char *path, const char *what, uint64_t max,
		   dvm_error_t *err)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return dvmi_error_code(err, -errno, "%s %s", what, path);
	if (!S_ISREG(st.st_mode))
		return dvmi_error_set(err, -EINVAL, "%s %s is not a file", what, path);
	if (st.st_size <= 0)
		return dvmi_error_set(err, -ENODATA, "%s %s is empty", what, path);
	if ((uint64_t)st.st_size > max)
		return dvmi_error_set(err, -EFBIG, "%s %s has %llu MiB, more than the %llu MiB it may have",
				      what, path, (unsigned long long)st.st_size >> 20,
				      (unsigned long long)max >> 20);
	*im = (struct vmm_image){ .len = (size_t)st.st_size, .what = what, .fd = take_fd(fd) };
	return 0;
}

int vmm_image_read(struct vmm_image *im, dvm_error_t *err)
{
	if (!im->what || im->data)
		return 0;
	cleanup_free uint8_t *data = malloc(im->len);
	if (!data)
		return dvmi_error_code(err, -ENOMEM, "the %s", im->what);
	int rc = slurp(im->fd, data, im->len);
	if (rc < 0)
		return dvmi_error_code(err, rc, "reading the %s", im->what);
	im->data = take_ptr(data);
	return 0;
}

void vmm_image_forget(struct vmm_image *im)
{
	free((void *)(uintptr_t)im->data);
	im->data = NULL;
}

void vmm_image_close(struct vmm_image *im)
{
	vmm_image_forget(im);
	if (im->what)
		close(im->fd);
	*im = (struct vmm_image){ 0 };
}
