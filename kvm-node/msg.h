/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the monitors of one guest tell each other: one struct for all kinds, perhaps with text behind
 * it. Pure. A note from another host is input: vmm_msg_parse() takes only what makes sense for this
 * guest, so whoever acts on one need not check again.
 */
#ifndef VMM_MSG_H
#define VMM_MSG_H

#include <stddef.h>

#include "kvm-node/apicmap.h"
#include "kvm-node/bus.h"

enum vmm_msg_kind {
	VMM_MSG_INTR = 1,  /* an interrupt message for .cpu */
	VMM_MSG_ROW,	    /* what .cpu's local APIC is called; answered */
	VMM_MSG_EOI,	    /* of a level-triggered .vector → the I/O APIC */
	VMM_MSG_ACCESS,    /* of .cpu to a device; answered unless .id is 0 */
	VMM_MSG_ANSWER,    /* to what had .id: .value, text; .vector: more belongs to it. A text that is
			    * not all there was ends with a .value below 0 */
	VMM_MSG_END,	    /* the guest has ended, or wants a reset: .op, .code, text */
	VMM_MSG_ORDER,	    /* .op is to be done; answered */
	VMM_MSG_ASK,	    /* somebody has asked for .op */
	VMM_MSG_TIME,	    /* what time is it? .value is the asker's */
	VMM_MSG_TIME_IS,   /* it is .addr; .value is back */
	VMM_MSG_STAT,	    /* counters, please; answered with text */
	VMM_MSG_FREE,	    /* .value pages from .addr on are not needed; answered */
	VMM_MSG_CPU,	    /* .cpu moves there; what it is, is the text */
	VMM_MSG_LEND,	    /* the rings of queue .op of device .code: text is a struct vmm_loan */
	VMM_MSG_RECALL,    /* they are to come back; answered with how far they were read */
	VMM_MSG_REQUESTS,  /* what was taken from them: text */
	VMM_MSG_USED,	    /* answers, text; .flag: the interrupt would be .value at .addr */
	VMM_MSG_SIGNAL,    /* ... is that of the device; .flag: the rings make no sense */
	VMM_MSG_SETTLE,    /* answered when what was said before it has been done */
	VMM_MSG_LOAD,	    /* vCPUs there have run for .addr ns, and waited for pages for .value */
	VMM_MSG_HERE,	    /* the sender is there */
	VMM_MSG_KINDS,
};

struct vmm_msg {
	uint8_t kind;  /* enum vmm_msg_kind */
	uint8_t op;    /* enum vmm_end, vmm_order or vmm_ask; mode of an interrupt; state of a row */
	uint8_t vector; /* or the length of an access; of queues and answers: more belongs to it */
	uint8_t flag;	/* level; enabled; write */
	uint32_t id;	/* of a question; 0: no answer is wanted */
	uint32_t cpu;
	uint32_t code;	/* exit code; identity of a local APIC */
	uint64_t addr;	/* or logical identity and its format */
	uint64_t value;
	uint8_t space;	/* enum vmm_space */
	uint8_t zero[7];
};

_Static_assert(sizeof(struct vmm_msg) == 40, "goes as it is");

#define VMM_MSG_TEXT_MAX 16000u

/* How far a guest's numbers go. */
struct vmm_msg_bounds {
	unsigned cpus, ends, orders, asks; /* each: one more than the last */
};

/* -EBADMSG for what no monitor of this guest can have meant. TEXT is in P, not terminated. */
int vmm_msg_parse(const void *p, size_t len, const struct vmm_msg_bounds *b, struct vmm_msg *out,
		   const char **text, size_t *text_len);

/* What is no answer has this id, good or not: somebody may wait for one. 0: nobody does. */
uint32_t vmm_msg_question(const void *p, size_t len);

struct vmm_msg vmm_msg_intr(unsigned cpu, const struct vmm_intr *msg);
void vmm_msg_to_intr(const struct vmm_msg *n, struct vmm_intr *msg);
struct vmm_msg vmm_msg_row(unsigned cpu, const struct vmm_apic_row *row);
void vmm_msg_to_row(const struct vmm_msg *n, struct vmm_apic_row *row);
struct vmm_msg vmm_msg_access(const struct vmm_access *a);
void vmm_msg_to_access(const struct vmm_msg *n, struct vmm_access *a);

#endif
