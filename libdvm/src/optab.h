/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers for operations that a peer refers to: 32 bits of slot and 32 of generation, so that a
 * late or forged number never finds a newer operation. Zero is no number. Not thread-safe.
 */
#ifndef DVMI_SRC_OPTAB_H
#define DVMI_SRC_OPTAB_H

#include <stddef.h>
#include <stdint.h>

struct dvmi_optab_slot {
	void *p; /* NULL: free */
	uint32_t gen, next_free;
};

struct dvmi_optab {
	struct dvmi_optab_slot *slots;
	uint32_t nslots, free; /* first free slot + 1, 0 none */
};

void dvmi_optab_fini(struct dvmi_optab *t);

/* A number for P (not NULL) into *ID. 0 or -ENOMEM. */
int dvmi_optab_add(struct dvmi_optab *t, void *p, uint64_t *id);
/* What ID stands for, or NULL. */
void *dvmi_optab_get(const struct dvmi_optab *t, uint64_t id);
/* ID is not used any more. Unknown numbers are ignored. */
void dvmi_optab_remove(struct dvmi_optab *t, uint64_t id);

#endif
