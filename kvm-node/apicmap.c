/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/apicmap.h"

#include <string.h>

static bool everybody(const struct vmm_intr *msg)
{
	return msg->dest == (msg->wide ? UINT32_MAX : 0xffu);
}

static bool logical_x2(const struct vmm_apic_row *r, uint32_t dest)
{
	return dest >> 16 == r->ldr >> 16 && (dest & r->ldr & 0xffff);
}

static bool logical_xapic(const struct vmm_apic_row *r, uint32_t dest)
{
	uint32_t mine = r->ldr >> 24;

	if (dest > 0xff)
		return false;
	if (r->dfr >> 28 == 0xf) /* flat */
		return mine & dest;
	return mine >> 4 == dest >> 4 && (mine & dest & 0xf);
}

static bool named(const struct vmm_apic_row *r, const struct vmm_intr *msg)
{
	if (r->state == VMM_APIC_OFF)
		return false;
	if (everybody(msg))
		return true;
	if (!msg->logical)
		return msg->dest == r->id;
	return r->state == VMM_APIC_IN_X2APIC ? logical_x2(r, msg->dest) :
						logical_xapic(r, msg->dest);
}

static void match_all(const struct vmm_apic_row *rows, unsigned n, const struct vmm_intr *msg,
		      int self, struct vmm_cpuset *out)
{
	for (unsigned i = 0; i < n; i++) {
		bool me = (int)i == self, in;

		switch (msg->shorthand) {
		case VMM_INTR_SELF: in = me; break;
		case VMM_INTR_ALL: in = rows[i].state != VMM_APIC_OFF; break;
		case VMM_INTR_OTHERS: in = !me && rows[i].state != VMM_APIC_OFF; break;
		default: in = named(&rows[i], msg);
		}
		if (in)
			vmm_cpuset_add(out, i);
	}
}

/*
 * One of those that would take it. Which one is free; to ask for the priority of each would be a
 * message to every host, so the vector decides, which spreads different interrupts.
 */
static void keep_one(const struct vmm_apic_row *rows, const struct vmm_intr *msg,
		     struct vmm_cpuset *out)
{
	struct vmm_cpuset able = { { 0 } };
	unsigned cpu;

	for (cpu = vmm_cpuset_next(out, 0); cpu < VMM_CPUSET_MAX; cpu = vmm_cpuset_next(out, cpu + 1))
		if (rows[cpu].enabled)
			vmm_cpuset_add(&able, cpu);
	unsigned n = vmm_cpuset_count(&able);
	memset(out, 0, sizeof *out);
	if (!n)
		return;
	cpu = vmm_cpuset_next(&able, 0);
	for (unsigned skip = msg->vector % n; skip; skip--)
		cpu = vmm_cpuset_next(&able, cpu + 1);
	vmm_cpuset_add(out, cpu);
}

void vmm_apicmap_match(const struct vmm_apic_row *rows, unsigned n, const struct vmm_intr *msg,
		       int self, struct vmm_cpuset *out)
{
	memset(out, 0, sizeof *out);
	match_all(rows, n < VMM_CPUSET_MAX ? n : VMM_CPUSET_MAX, msg, self, out);
	if (msg->mode == VMM_INTR_LOWEST)
		keep_one(rows, msg, out);
}
