/* SPDX-License-Identifier: BSD-3-Clause */
/* A file that is loaded into the guest. */
#ifndef VMM_IMAGE_H
#define VMM_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "dvm/error.h"

struct vmm_image {
	const uint8_t *data; /* NULL: there is none, or it is not in memory */
	size_t len;
	const char *what; /* what messages call it ("kernel"); NULL: there is none */
	int fd;
};

/*
 * Only opened, for as often as it is needed. -ENODATA for an empty file, -EFBIG for one of more than MAX
 * bytes: all of it is read, and what is a disk by mistake would take all of the host's memory.
 */
int vmm_image_open(struct vmm_image *im, const char *path, const char *what, uint64_t max,
		   dvm_error_t *err);
/* Into memory, and out of it again: a kernel there is a burden while the guest runs. */
int vmm_image_read(struct vmm_image *im, dvm_error_t *err);
void vmm_image_forget(struct vmm_image *im);
void vmm_image_close(struct vmm_image *im);

#endif
