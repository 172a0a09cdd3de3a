/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/hotspot.h"

#include <stddef.h>

void vmm_hotspots_add(struct vmm_hotspots *h, uint64_t page, uint64_t at)
{
	struct vmm_hotspot *least = &h->spot[0];

	for (struct vmm_hotspot *s = h->spot; s < h->spot + VMM_HOTSPOTS; s++) {
		if (s->seen && s->page == page && s->at == at) {
			s->seen += s->seen < UINT32_MAX;
			return;
		}
		if (s->seen < least->seen)
			least = s;
	}
	/* It may have been here before and been put out: at most as often as who is put out now. */
	least->page = page;
	least->at = at;
	least->seen += least->seen < UINT32_MAX;
}

bool vmm_hotspots_find(const struct vmm_hotspots *h, uint64_t page, uint64_t *at)
{
	const struct vmm_hotspot *best = NULL;

	for (const struct vmm_hotspot *s = h->spot; s < h->spot + VMM_HOTSPOTS; s++)
		if (s->seen && s->page == page && (!best || s->seen > best->seen))
			best = s;
	if (best)
		*at = best->at;
	return best;
}
