/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes in front of the bytes of a message from task to task. Native byte order, see msg.h. */
#ifndef PVMI_WIRE_H
#define PVMI_WIRE_H

#include <stdint.h>

#include "libdvm/pvm3/msg.h"

struct pvmi_head {
	int32_t src, ctx, tag, enc, wid;
	int32_t unused[3];
};

_Static_assert(sizeof(struct pvmi_head) == PVMI_HEAD, "the room in front of a blob");

#endif
