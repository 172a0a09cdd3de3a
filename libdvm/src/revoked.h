/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Contexts that are dead, and the codes their operations end with. A context without a group here
 * is an orphan: its group has been freed, or is still to be made and the news were faster. Orphans
 * are kept so that what comes late for them is not kept as messages; only the newest of them, so
 * that they cost a fixed amount of memory.
 */
#ifndef DVMI_SRC_REVOKED_H
#define DVMI_SRC_REVOKED_H

#include <stdbool.h>
#include <stdint.h>

#define DVMI_REVOKED_ORPHANS 256

struct dvmi_revoked {
	uint32_t n, cap, norphans;
	uint32_t stamp; /* of the newest orphan */
	struct dvmi_revoked_ctx {
		uint32_t ctx;
		int code;
		uint32_t orphan; /* its stamp; 0: it has a group */
	} *v; /* sorted by ctx */
};

void dvmi_revoked_fini(struct dvmi_revoked *t);
/* The code of CTX, or 0. */
int dvmi_revoked_code(const struct dvmi_revoked *t, uint32_t ctx);
/* CTX ends with CODE from now on; what it had before stays. 0 or -ENOMEM. */
int dvmi_revoked_add(struct dvmi_revoked *t, uint32_t ctx, int code);
/* CTX, if it is in the table, is an orphan or not from now on. */
void dvmi_revoked_set_orphan(struct dvmi_revoked *t, uint32_t ctx, bool orphan);

#endif
