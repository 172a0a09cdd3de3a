/* SPDX-License-Identifier: BSD-3-Clause */
/* What makes and ends segments calls for their locks and their allocator (dvm/sync.h). */
#ifndef DVMI_SRC_MEM_SYNC_H
#define DVMI_SRC_MEM_SYNC_H

#include "libdvm/src/mem.h"

/* Bytes of shared memory that S, which is plain, needs for them. */
uint64_t dvmi_seg_sync_bytes(const dvm_seg_t *s);
/* After the node of M was made, before others hear of that. 0 or -E…. */
int dvmi_seg_sync_connect(struct dvmi_seg_domain *m);
/* Before the node ends. */
void dvmi_seg_sync_disconnect(struct dvmi_seg_domain *m);
/* After S was mapped, before others hear of that. 0 or -E…. */
int dvmi_seg_sync_begin(dvm_seg_t *s);
/* Gives back what this rank has locked. 0 or -E…. */
int dvmi_seg_sync_leave(dvm_seg_t *s);
/* Before S is unmapped. */
void dvmi_seg_sync_end(dvm_seg_t *s);

#endif
