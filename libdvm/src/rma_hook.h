/* SPDX-License-Identifier: BSD-3-Clause */
/* What the rest of the library calls of one-sided operations. Under the handle's lock. */
#ifndef DVMI_SRC_RMA_HOOK_H
#define DVMI_SRC_RMA_HOOK_H

#include <stdint.h>

#include "dvm/dvm.h"

struct dvmi_rma;

void dvmi_rma_fini(dvm_t *d);
/* A message in the context of one-sided operations. BYTES: head and payload. */
void dvmi_rma_packet(dvm_t *d, uint32_t src, uint32_t ctx, uint32_t kind, const uint8_t *bytes,
		     uint32_t head_len, uint32_t len);
/* PEER is gone: its locks are given up. */
void dvmi_rma_down(dvm_t *d, uint32_t peer);
/* Locks that are asked for by message. Returns the number of steps. */
int dvmi_rma_serve(dvm_t *d);

#endif
