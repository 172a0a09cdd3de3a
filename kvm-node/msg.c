/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/msg.h"
#include "kvm-node/vdev.h"
#include "kvm-node/virtq_away.h"

#include <errno.h>
#include <string.h>

static bool intr_good(const struct vmm_msg *n)
{
	switch (n->op) {
	case VMM_INTR_FIXED:
	case VMM_INTR_LOWEST:
	case VMM_INTR_NMI:
	case VMM_INTR_INIT:
	case VMM_INTR_SIPI: return true;
	default: return false;
	}
}

static bool access_good(const struct vmm_msg *n)
{
	bool length = n->vector && n->vector <= 8; /* of any: KVM cuts at the ends of pages */

	return length && n->space < VMM_SPACES && n->addr <= UINT64_MAX - 8;
}

/* What is in the text is looked at by whoever puts it together. */
static bool queue_good(const struct vmm_msg *n, size_t text)
{
	if (n->op >= VMM_VDEV_QUEUES || n->flag > 1 || n->vector > 1)
		return false;
	switch (n->kind) {
	case VMM_MSG_LEND: return text == sizeof(struct vmm_loan) && !n->vector;
	case VMM_MSG_RECALL: return !text && n->id;
	case VMM_MSG_SIGNAL: return !text;
	default: return text;
	}
}

static bool good(const struct vmm_msg *n, size_t text, const struct vmm_msg_bounds *b)
{
	bool plain = !text && n->flag <= 1;

	switch (n->kind) {
	case VMM_MSG_INTR: return plain && n->cpu < b->cpus && intr_good(n);
	case VMM_MSG_ROW: return plain && n->cpu < b->cpus && n->op <= VMM_APIC_IN_X2APIC;
	case VMM_MSG_EOI:
	case VMM_MSG_TIME:
	case VMM_MSG_TIME_IS:
	case VMM_MSG_LOAD:
	case VMM_MSG_HERE: return plain;
	case VMM_MSG_ACCESS: return plain && n->cpu < b->cpus && access_good(n);
	case VMM_MSG_ANSWER: return n->id && (!n->vector || (n->vector == 1 && text));
	case VMM_MSG_END: return n->op && n->op < b->ends;
	case VMM_MSG_ORDER: return plain && n->id && n->op < b->orders;
	case VMM_MSG_ASK: return plain && n->op < b->asks;
	case VMM_MSG_STAT:
	case VMM_MSG_SETTLE:
	case VMM_MSG_FREE: return plain && n->id;
	case VMM_MSG_CPU: return text && n->cpu < b->cpus;
	case VMM_MSG_LEND:
	case VMM_MSG_RECALL:
	case VMM_MSG_REQUESTS:
	case VMM_MSG_USED:
	case VMM_MSG_SIGNAL: return queue_good(n, text);
	default: return false;
	}
}

int vmm_msg_parse(const void *p, size_t len, const struct vmm_msg_bounds *b, struct vmm_msg *out,
		   const char **text, size_t *text_len)
{
	struct vmm_msg n;

	if (len < sizeof n || len - sizeof n > VMM_MSG_TEXT_MAX)
		return -EBADMSG;
	memcpy(&n, p, sizeof n);
	if (!good(&n, len - sizeof n, b))
		return -EBADMSG;
	*out = n;
	*text = (const char *)p + sizeof n;
	*text_len = len - sizeof n;
	return 0;
}

uint32_t vmm_msg_question(const void *p, size_t len)
{
	struct vmm_msg n;

	if (len < sizeof n)
		return 0;
	memcpy(&n, p, sizeof n);
	return n.kind == VMM_MSG_ANSWER ? 0 : n.id;
}

struct vmm_msg vmm_msg_intr(unsigned cpu, const struct vmm_intr *msg)
{
	return (struct vmm_msg){ .kind = VMM_MSG_INTR, .op = msg->mode, .vector = msg->vector,
				  .flag = msg->level, .cpu = cpu };
}

/* Who is meant has been found out: what is left is what a local APIC looks at. */
void vmm_msg_to_intr(const struct vmm_msg *n, struct vmm_intr *msg)
{
	*msg = (struct vmm_intr){ .vector = n->vector, .mode = n->op, .level = n->flag };
}

struct vmm_msg vmm_msg_row(unsigned cpu, const struct vmm_apic_row *row)
{
	return (struct vmm_msg){ .kind = VMM_MSG_ROW, .op = row->state, .flag = row->enabled,
				  .cpu = cpu, .code = row->id,
				  .addr = row->ldr | (uint64_t)row->dfr << 32 };
}

void vmm_msg_to_row(const struct vmm_msg *n, struct vmm_apic_row *row)
{
	*row = (struct vmm_apic_row){ .id = n->code, .ldr = (uint32_t)n->addr,
				      .dfr = (uint32_t)(n->addr >> 32), .state = n->op,
				      .enabled = n->flag };
}

struct vmm_msg vmm_msg_access(const struct vmm_access *a)
{
	return (struct vmm_msg){ .kind = VMM_MSG_ACCESS, .vector = a->len, .flag = a->write,
				  .cpu = a->vcpu, .addr = a->addr, .value = a->data,
				  .space = a->space };
}

void vmm_msg_to_access(const struct vmm_msg *n, struct vmm_access *a)
{
	*a = (struct vmm_access){ .addr = n->addr, .data = n->value, .vcpu = n->cpu,
				  .space = n->space, .len = n->vector, .write = n->flag };
}
