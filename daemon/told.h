/* SPDX-License-Identifier: BSD-3-Clause */
/* What a node does when a broadcast tells it something. */
#ifndef DVMD_TOLD_H
#define DVMD_TOLD_H

#include "daemon/dvmd.h"

/* Executes a message that node ORIGIN has broadcast. 0, or -E… and a text for ORIGIN. */
int dvmd_told(struct dvmd *d, uint32_t origin, uint16_t type, const uint8_t *body, size_t len,
	      dvm_error_t *err);

#endif
