/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/roots.h"

#define CR0_PG	    (UINT64_C(1) << 31)
#define CR4_PAE	    (UINT64_C(1) << 5)
#define CR4_LA57    (UINT64_C(1) << 12)
#define EFER_LMA    (UINT64_C(1) << 10)
#define CR3_ADDRESS UINT64_C(0x000ffffffffff000)

bool vmm_roots_of(const struct kvm_sregs *s, struct dsm_root *root)
{
	if (!(s->cr0 & CR0_PG) || !(s->cr4 & CR4_PAE))
		return false;
	root->frame = (s->cr3 & CR3_ADDRESS) >> 12;
	root->levels = !(s->efer & EFER_LMA) ? 3 : s->cr4 & CR4_LA57 ? 5 : 4;
	return true;
}

void vmm_roots_saw(struct vmm_roots *r, const struct dsm_root *root, uint64_t now)
{
	unsigned at = 0;

	for (unsigned i = 0; i < DSM_ROOTS; i++) {
		const struct dsm_root *have = &r->of[i].root;
		if (r->of[i].seen && have->frame == root->frame && have->levels == root->levels) {
			at = i;
			break;
		}
		if (r->of[i].seen < r->of[at].seen)
			at = i;
	}
	r->of[at].root = *root;
	r->of[at].seen = now;
}

unsigned vmm_roots_lately(const struct vmm_roots *r, uint64_t now, struct dsm_root *out)
{
	unsigned n = 0;

	for (unsigned i = 0; i < DSM_ROOTS; i++)
		if (r->of[i].seen && now < r->of[i].seen + VMM_ROOTS_LATELY)
			out[n++] = r->of[i].root;
	return n;
}
