/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/silence.h"

bool vmm_silence_heard(struct vmm_silence *s, unsigned host)
{
	uint64_t bit = UINT64_C(1) << host;
	bool was = s->told & bit;

	s->looks[host] = 0;
	s->known |= bit;
	s->told &= ~bit;
	return was;
}

uint64_t vmm_silence_look(struct vmm_silence *s)
{
	uint64_t silent = 0;

	for (unsigned i = 0; i < VMM_NODES_MAX; i++)
		if ((s->known & ~s->told) >> i & 1 && ++s->looks[i] > VMM_SILENCE_LOOKS)
			silent |= UINT64_C(1) << i;
	s->told |= silent;
	return silent;
}
