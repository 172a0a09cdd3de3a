/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes in front of the bytes of a message from task to task. Native byte order, see msg.h. */
#ifndef PVMI_WIRE_H
#define PVMI_WIRE_H

#include <stdint.h>

#include "libdvm/pvm3/lend.h"

struct pvmi_head {
	int32_t src, ctx, tag, enc, wid;
	uint32_t lent; /* 1: no bytes follow, but where they are */
	uint32_t direct; /* 1: the sender wants a direct route */
	int32_t unused;
};

/* A message whose bytes are lent. */
struct pvmi_note {
	struct pvmi_head head;
	struct pvmi_ref ref;
};

_Static_assert(sizeof(struct pvmi_head) == PVMI_HEAD, "the room in front of a blob");

#endif
