/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Agreements (agree.h) of the groups of a handle, over packets of their own. They are there from
 * the first call or packet on. When a group is freed its last result is kept, since others may
 * still have to ask for it; packets that come before their group does wait for it. Both are
 * bounded. All under the handle's lock.
 */
#ifndef DVMI_SRC_ACCORD_H
#define DVMI_SRC_ACCORD_H

#include "libdvm/src/agree.h"
#include "libdvm/src/group.h"

struct dvmi_accord {
	struct dvmi_agree a;
	dvm_t *d;
	uint32_t ctx;
	struct dvmi_rankmap map;
	struct dvmi_accord *next; /* of those whose group is freed */
};

/* That of G, or NULL without memory. */
struct dvmi_accord *dvmi_accord_get(dvm_group_t *g);
/* G ends. */
void dvmi_accord_leave(dvm_group_t *g);
/* G is known from now on. */
void dvmi_accord_enter(dvm_group_t *g);
/* Frees what is kept. */
void dvmi_accord_fini(dvm_t *d);

/* A packet of kind DVMI_PKT_AGREE, as to a sink. */
int dvmi_accord_packet(dvm_t *d, uint32_t src, const struct dvmi_pkt *pkt, const void *payload);
void dvmi_accord_down(dvm_t *d, uint32_t peer);

#endif
