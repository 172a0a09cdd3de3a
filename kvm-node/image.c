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
		ssize_t n = read(fd, to + at, len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += (size_t)n;
	}
	return 0;
}

int vmm_image_open(struct vmm_image *im, const char *path, const char *what, dvm_error_t *err)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return dvmi_error_code(err, -errno, "%s %s", what, path);
	if (!S_ISREG(st.st_mode))
		return dvmi_error_set(err, -EINVAL, "%s %s is not a file", what, path);
	if (st.st_size <= 0)
		return dvmi_error_set(err, -ENODATA, "%s %s is empty", what, path);
	cleanup_free uint8_t *data = malloc((size_t)st.st_size);
	if (!data)
		return dvmi_error_code(err, -ENOMEM, "%s %s", what, path);
	int rc = slurp(fd, data, (size_t)st.st_size);
	if (rc < 0)
		return dvmi_error_code(err, rc, "reading %s %s", what, path);
	im->len = (size_t)st.st_size;
	im->data = take_ptr(data);
	return 0;
}

void vmm_image_close(struct vmm_image *im)
{
	free((void *)(uintptr_t)im->data);
	*im = (struct vmm_image){ 0 };
}
