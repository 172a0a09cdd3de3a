/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the header of a qcow2 image says about other files. Pure; the header may be anybody's.
 *
 * The names in it are not looked at: which files an image has is said by who starts the guest.
 */
#ifndef VMM_QCOW2_H
#define VMM_QCOW2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMM_QCOW2_HEAD 65536u /* so much of the file is enough */

/* What is said of a backing file. */
enum vmm_qcow2_below {
	VMM_QCOW2_ALONE, /* there is none */
	VMM_QCOW2_ON_RAW,
	VMM_QCOW2_ON_QCOW2,
	VMM_QCOW2_ON_OTHER, /* it is of no format we take, or of none that is named */
};

struct vmm_qcow2 {
	enum vmm_qcow2_below below;
	bool external; /* its data are in another file */
};

/* P has the first N bytes of a file, all of it or VMM_QCOW2_HEAD. -EINVAL: that is no such image. */
int vmm_qcow2_look(struct vmm_qcow2 *q, const uint8_t *p, size_t n);

#endif
