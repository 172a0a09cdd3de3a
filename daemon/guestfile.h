/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guest.yaml: the options of `dvm guest start` as a file. Keys are the options' names; what may be
 * repeated is a list, what takes no argument is true or false.
 */
#ifndef DVMD_GUESTFILE_H
#define DVMD_GUESTFILE_H

#include <stddef.h>

#include "dvm/error.h"
#include "libdvm/base/buf.h"

/*
 * Appends each setting of TEXT as two strings with their ends: "disk\0root.img\0"; of what takes no
 * argument the second is empty, and it is only there if it is true. Errors name PATH and the line.
 */
int dvmd_guestfile_parse(const char *path, const char *text, size_t n, struct dvmi_buf *out,
			 dvm_error_t *err);

#endif
