/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hosts that speak again and again, and one that has not for a while. Pure: time is how often somebody
 * has looked, so that a host which was itself stopped for a while blames nobody.
 */
#ifndef VMM_SILENCE_H
#define VMM_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm-node/memory.h"

#define VMM_SILENCE_LOOKS 8u /* without a word in between */

struct vmm_silence {
	uint8_t looks[VMM_NODES_MAX]; /* since it was heard */
	uint64_t known, told;	      /* a bit each: it has spoken; it is said to be silent */
};

/* HOST has spoken, and from now on has to. True: it was said to be silent. */
bool vmm_silence_heard(struct vmm_silence *s, unsigned host);
/* Time has passed. Hosts that are silent from now on, a bit each. */
uint64_t vmm_silence_look(struct vmm_silence *s);

#endif
