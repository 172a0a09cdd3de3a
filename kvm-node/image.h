/* SPDX-License-Identifier: BSD-3-Clause */
/* A file that is loaded into the guest, in memory. */
#ifndef VMM_IMAGE_H
#define VMM_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "dvm/error.h"

struct vmm_image {
	const uint8_t *data; /* NULL: there is none */
	size_t len;
};

/* WHAT is what ERR calls it ("kernel"). -ENODATA for an empty file. */
int vmm_image_open(struct vmm_image *im, const char *path, const char *what, dvm_error_t *err);
void vmm_image_close(struct vmm_image *im);

#endif
