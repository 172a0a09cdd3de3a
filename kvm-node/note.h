/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the monitors of one guest tell each other: one struct for all kinds, perhaps with text behind
 * it. Pure. A note from another host is input: vmm_note_parse() takes only what makes sense for this
 * guest, so whoever acts on one need not check again.
 */
#ifndef VMM_NOTE_H
#define VMM_NOTE_H

#include <stddef.h>

#include "kvm-node/apicmap.h"
#include "kvm-node/bus.h"

enum vmm_note_kind {
	VMM_NOTE_INTR = 1,  /* an interrupt message for .cpu */
	VMM_NOTE_ROW,	    /* what .cpu's local APIC is called; answered */
	VMM_NOTE_EOI,	    /* of a level-triggered .vector → the I/O APIC */
	VMM_NOTE_ACCESS,    /* of .cpu to a device; answered unless .id is 0 */
	VMM_NOTE_ANSWER,    /* to what had .id: .value */
	VMM_NOTE_END,	    /* the guest has ended, or wants a reset: .op, .code, text */
	VMM_NOTE_ORDER,	    /* .op is to be done; answered */
	VMM_NOTE_ASK,	    /* somebody has asked for .op */
	VMM_NOTE_TIME,	    /* what time is it? .value is the asker's */
	VMM_NOTE_TIME_IS,   /* it is .addr; .value is back */
	VMM_NOTE_STAT,	    /* counters, please; answered with text */
	VMM_NOTE_KINDS,
};

struct vmm_note {
	uint8_t kind;  /* enum vmm_note_kind */
	uint8_t op;    /* enum vmm_end, vmm_order or vmm_ask; mode of an interrupt; state of a row */
	uint8_t vector; /* or the length of an access */
	uint8_t flag;	/* level; enabled; write */
	uint32_t id;	/* of a question; 0: no answer is wanted */
	uint32_t cpu;
	uint32_t code;	/* exit code; identity of a local APIC */
	uint64_t addr;	/* or logical identity and its format */
	uint64_t value;
	uint8_t space;	/* enum vmm_space */
	uint8_t zero[7];
};

_Static_assert(sizeof(struct vmm_note) == 40, "goes as it is");

#define VMM_NOTE_TEXT_MAX 16000u

/* How far a guest's numbers go. */
struct vmm_note_bounds {
	unsigned cpus, ends, orders, asks; /* each: one more than the last */
};

/* -EBADMSG for what no monitor of this guest can have meant. TEXT is in P, not terminated. */
int vmm_note_parse(const void *p, size_t len, const struct vmm_note_bounds *b, struct vmm_note *out,
		   const char **text, size_t *text_len);

struct vmm_note vmm_note_intr(unsigned cpu, const struct vmm_intr *msg);
void vmm_note_to_intr(const struct vmm_note *n, struct vmm_intr *msg);
struct vmm_note vmm_note_row(unsigned cpu, const struct vmm_apic_row *row);
void vmm_note_to_row(const struct vmm_note *n, struct vmm_apic_row *row);
struct vmm_note vmm_note_access(const struct vmm_access *a);
void vmm_note_to_access(const struct vmm_note *n, struct vmm_access *a);

#endif
