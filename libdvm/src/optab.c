/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/src/optab.h"

void dvmi_optab_fini(struct dvmi_optab *t)
{
	free(t->slots);
	*t = (struct dvmi_optab){ 0 };
}

static int grow(struct dvmi_optab *t)
{
	uint32_t n = t->nslots ? t->nslots * 2 : 16;

	if (n > UINT32_MAX / 4)
		return -ENOMEM;
	struct dvmi_optab_slot *slots = realloc(t->slots, n * sizeof *slots);
	if (!slots)
		return -ENOMEM;
	for (uint32_t i = n; i-- > t->nslots;) {
		slots[i] = (struct dvmi_optab_slot){ .gen = 1, .next_free = t->free };
		t->free = i + 1;
	}
	t->slots = slots;
	t->nslots = n;
	return 0;
}

int dvmi_optab_add(struct dvmi_optab *t, void *p, uint64_t *id)
{
	if (!t->free) {
		int rc = grow(t);
		if (rc < 0)
			return rc;
	}
	uint32_t i = t->free - 1;
	t->free = t->slots[i].next_free;
	t->slots[i].p = p;
	*id = (uint64_t)t->slots[i].gen << 32 | i;
	return 0;
}

void *dvmi_optab_get(const struct dvmi_optab *t, uint64_t id)
{
	uint32_t i = (uint32_t)id;

	if (i >= t->nslots || t->slots[i].gen != id >> 32)
		return NULL;
	return t->slots[i].p;
}

void dvmi_optab_remove(struct dvmi_optab *t, uint64_t id)
{
	uint32_t i = (uint32_t)id;

	if (!dvmi_optab_get(t, id))
		return;
	t->slots[i].p = NULL;
	t->slots[i].gen = t->slots[i].gen == UINT32_MAX ? 1 : t->slots[i].gen + 1;
	t->slots[i].next_free = t->free;
	t->free = i + 1;
}
