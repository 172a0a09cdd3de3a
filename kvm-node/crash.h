/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a vCPU did last, and how it looks when its guest has crashed: for whoever asks why.
 *
 * Notes are taken by the vCPU's own thread at each exit; what is said about a crash is said there,
 * too, before anything else is done to the vCPU.
 */
#ifndef VMM_CRASH_H
#define VMM_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMM_NOTES 16u

struct vmm_vcpu;

/* An exit, handled. */
struct vmm_note {
	uint64_t at, data; /* port, address or MSR, and what was read or written */
	uint32_t reason;
	bool write;
};

struct vmm_notes {
	struct vmm_note ring[VMM_NOTES];
	uint64_t taken;
};

void vmm_crash_note(struct vmm_vcpu *v);

/* One line: registers that tell most. */
void vmm_crash_line(struct vmm_vcpu *v, char *out, size_t size);
/* All of it into the log: registers, tables, pending events, code and stack, the last exits. */
void vmm_crash_log(struct vmm_vcpu *v);

/* "io", "mmio", …; NULL for reasons without a name. */
const char *vmm_exit_name(uint32_t reason);

#endif
