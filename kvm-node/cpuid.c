/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/cpuid.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "libdvm/base/err.h"

#define BIT(n) (UINT32_C(1) << (n))

#define LEAF_MAX  0xdu
#define KVM_FIRST 0x40000000u
#define KVM_LAST  0x40000010u

/* Of KVM's paravirtual interface only what works without its local APIC, and across hosts. */
#define KVM_NOP_IO_DELAY 1
#define KVM_CLOCKSOURCE2 3
#define KVM_PV_EOI	 6
#define KVM_CLOCK_STABLE 24

#define APIC_BUS_KHZ 1000000u /* what lapic.c counts in */

enum reg { EAX, EBX, ECX, EDX };

/* ---- levels: what a guest may rely on wherever it moves ---- */

struct feature {
	uint32_t function;
	enum reg reg;
	uint8_t bit, level;
	const char *name;
};

/* By the psABI's levels; a level includes those below. */
static const struct feature features[] = {
	{ 1, EDX, 25, 1, "sse" },	  { 1, EDX, 26, 1, "sse2" },
	{ 1, EDX, 8, 1, "cx8" },	  { 1, EDX, 15, 1, "cmov" },
	{ 1, EDX, 24, 1, "fxsr" },	  { 0x80000001, EDX, 11, 1, "syscall" },
	{ 0x80000001, EDX, 29, 1, "lm" }, { 1, ECX, 13, 2, "cx16" },
	{ 0x80000001, ECX, 0, 2, "lahf" }, { 1, ECX, 23, 2, "popcnt" },
	{ 1, ECX, 0, 2, "sse3" },	  { 1, ECX, 9, 2, "ssse3" },
	{ 1, ECX, 19, 2, "sse4.1" },	  { 1, ECX, 20, 2, "sse4.2" },
	{ 1, ECX, 26, 3, "xsave" },	  { 1, ECX, 28, 3, "avx" },
	{ 1, ECX, 12, 3, "fma" },	  { 1, ECX, 22, 3, "movbe" },
	{ 1, ECX, 29, 3, "f16c" },	  { 0x80000001, ECX, 5, 3, "lzcnt" },
	{ 7, EBX, 3, 3, "bmi1" },	  { 7, EBX, 8, 3, "bmi2" },
	{ 7, EBX, 5, 3, "avx2" },	  { 7, EBX, 16, 4, "avx512f" },
	{ 7, EBX, 17, 4, "avx512dq" },	  { 7, EBX, 28, 4, "avx512cd" },
	{ 7, EBX, 30, 4, "avx512bw" },	  { 7, EBX, 31, 4, "avx512vl" },
};
#define FEATURES (sizeof features / sizeof features[0])

/* What a level keeps beside its features: needed by any kernel, or harmless and everywhere. */
static const struct {
	uint32_t function;
	enum reg reg;
	uint32_t mask;
} kept[] = {
	{ 1, ECX, BIT(13) | BIT(21) | BIT(24) | BIT(31) },
	{ 1, EDX, 0x1f8bfbffu },
	{ 7, EBX, BIT(7) | BIT(9) | BIT(20) }, /* smep, erms, smap */
	{ 0x80000001, ECX, BIT(0) | BIT(4) | BIT(8) },
	{ 0x80000001, EDX, BIT(11) | BIT(20) | BIT(27) | BIT(29) | 0x0183f3ffu },
};
#define KEPT (sizeof kept / sizeof kept[0])

static uint32_t *reg_of(struct kvm_cpuid_entry2 *e, enum reg reg)
{
	uint32_t *const regs[] = { &e->eax, &e->ebx, &e->ecx, &e->edx };

	return regs[reg];
}

int vmm_cpuid_level(const char *name, unsigned *level, dvm_error_t *err)
{
	static const char *const names[] = { "host", "x86-64-v1", "x86-64-v2", "x86-64-v3",
					     "x86-64-v4" };

	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		if (!strcmp(name, names[i])) {
			*level = i;
			return 0;
		}
	return dvmi_error_set(err, -EINVAL,
			      "no CPU model is called \"%s\": there are host and x86-64-v1 to "
			      "x86-64-v4",
			      name);
}

struct kvm_cpuid_entry2 *vmm_cpuid_find(struct kvm_cpuid2 *c, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < c->nent; i++)
		if (c->entries[i].function == function &&
		    (c->entries[i].index == index || !(c->entries[i].flags & 1)))
			return &c->entries[i];
	return NULL;
}

static int check_level(struct kvm_cpuid2 *c, const struct vmm_cpu_model *m, dvm_error_t *err)
{
	for (size_t i = 0; i < FEATURES; i++) {
		const struct feature *f = &features[i];
		struct kvm_cpuid_entry2 *e = vmm_cpuid_find(c, f->function, 0);
		if (f->level <= m->level && (!e || !(*reg_of(e, f->reg) & BIT(f->bit))))
			return dvmi_error_set(err, -ENOTSUP,
					      "this host cannot be an x86-64-v%u: it has no %s", m->level,
					      f->name);
	}
	return 0;
}

static uint32_t level_mask(unsigned level, uint32_t function, enum reg reg)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < KEPT; i++)
		if (kept[i].function == function && kept[i].reg == reg)
			mask |= kept[i].mask;
	for (size_t i = 0; i < FEATURES; i++)
		if (features[i].function == function && features[i].reg == reg &&
		    features[i].level <= level)
			mask |= BIT(features[i].bit);
	return mask;
}

static void apply_level(struct kvm_cpuid_entry2 *e, unsigned level)
{
	if (e->function == 7 && e->index) {
		e->eax = e->ebx = e->ecx = e->edx = 0;
		return;
	}
	if (e->function != 1 && e->function != 7 && e->function != 0x80000001)
		return;
	if (e->function == 7)
		e->eax = 0;
	else if (e->function != 1)
		e->ebx = 0;
	for (enum reg r = e->function == 7 ? EBX : ECX; r <= EDX; r++)
		*reg_of(e, r) &= level_mask(level, e->function, r);
}

/* ---- topology ---- */

void vmm_cpuid_topology(struct vmm_topology *t, unsigned cores_max)
{
	t->cores_max = cores_max;
	t->shift = 0;
	while (1u << t->shift < cores_max)
		t->shift++;
}

uint32_t vmm_cpuid_apic_id(const struct vmm_topology *t, unsigned package, unsigned core)
{
	return package << t->shift | core;
}

static void leaf_topology(const struct vmm_topology *t, uint32_t apic_id, uint32_t index,
			  struct kvm_cpuid_entry2 *e)
{
	*e = (struct kvm_cpuid_entry2){ .function = e->function, .index = index, .flags = 1,
					.ecx = index, .edx = apic_id };
	if (index == 0) { /* threads */
		e->ebx = 1;
		e->ecx |= 1 << 8;
	} else if (index == 1) { /* cores */
		e->eax = t->shift;
		e->ebx = t->cores_max;
		e->ecx |= 2 << 8;
	}
}

/* Level 1 and 2 caches belong to a core, the last to the package. */
static uint32_t sharing(const struct vmm_topology *t, uint32_t eax)
{
	uint32_t level = eax >> 5 & 7;

	return level >= 3 ? (1u << t->shift) - 1 : 0;
}

static void leaf_caches(const struct vmm_topology *t, struct kvm_cpuid_entry2 *e)
{
	if (!(e->eax & 0x1f))
		return;
	e->eax = (e->eax & 0x3fff) | sharing(t, e->eax) << 14;
	if (e->function == 4)
		e->eax |= ((1u << t->shift) - 1) << 26;
}

/* ---- single leaves ---- */

static void leaf_1(const struct vmm_cpu_model *m, uint32_t apic_id, struct kvm_cpuid_entry2 *e)
{
	uint32_t cores = 1u << m->topology.shift;

	e->ebx = (e->ebx & 0xff00) | (cores & 0xff) << 16 | apic_id << 24;
	e->ecx |= BIT(21) | BIT(31); /* x2apic, hypervisor */
	e->ecx &= ~(BIT(2) | BIT(3) | BIT(4) | BIT(7) | BIT(8) | BIT(15)); /* dtes, monitor, ds, est, tm2, pdcm */
	if (m->deadline)
		e->ecx |= BIT(24);
	else
		e->ecx &= ~BIT(24);
	if (m->emulated)
		e->ecx &= ~(BIT(12) | BIT(26) | BIT(27) | BIT(28) | BIT(29));
	e->edx |= BIT(9); /* apic */
	if (cores > 1)
		e->edx |= BIT(28);
	else
		e->edx &= ~BIT(28);
}

static void leaf_7(const struct vmm_cpu_model *m, struct kvm_cpuid_entry2 *e)
{
	if (e->index) {
		if (m->emulated)
			e->eax = e->ebx = e->ecx = e->edx = 0;
		return;
	}
	e->edx &= ~BIT(29); /* the host's mitigations are not the guest's to read */
	e->ecx &= ~BIT(5);   /* waitpkg: a vCPU would wait where we cannot wake it */
	if (m->emulated) {
		e->ebx &= ~(BIT(5) | BIT(16) | BIT(17) | BIT(21) | BIT(28) | BIT(30) | BIT(31));
		e->ecx &= ~(BIT(1) | BIT(3) | BIT(4) | BIT(6) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(14) |
			    BIT(16));
	}
}

static void leaf_amd_sizes(const struct vmm_topology *t, struct kvm_cpuid_entry2 *e)
{
	e->ecx = (e->ecx & ~0xf0ffu) | (t->cores_max - 1) | t->shift << 12;
}

static void leaf_amd_ids(const struct vmm_topology *t, uint32_t apic_id, struct kvm_cpuid_entry2 *e)
{
	e->eax = apic_id;
	e->ebx = apic_id & ((1u << t->shift) - 1);
	e->ecx = apic_id >> t->shift;
}

static void leaf_kvm(const struct vmm_cpu_model *m, struct kvm_cpuid_entry2 *e)
{
	static const char signature[12] = "KVMKVMKVM";
	uint32_t words[3];

	memcpy(words, signature, sizeof words);
	if (e->function == KVM_FIRST)
		*e = (struct kvm_cpuid_entry2){ .function = KVM_FIRST, .eax = KVM_LAST, .ebx = words[0],
						.ecx = words[1], .edx = words[2] };
	else
		*e = (struct kvm_cpuid_entry2){
			.function = e->function,
			.eax = BIT(KVM_NOP_IO_DELAY) | BIT(KVM_CLOCKSOURCE2) |
			       (m->lazy_eoi ? BIT(KVM_PV_EOI) : 0) |
			       (m->invariant_tsc ? BIT(KVM_CLOCK_STABLE) : 0),
		};
}

/* ---- the whole ---- */

/* Made anew below, or of no use in a guest: topology, performance counters, enclaves, trace. */
static bool left_out(const struct kvm_cpuid_entry2 *e, const struct vmm_cpu_model *m)
{
	switch (e->function) {
	case 2: return m->intel; /* leaf 4 says it better */
	case 5:
	case 0xa:
	case 0xb:
	case 0x1f:
	case 0x12:
	case 0x14 ... 0x1e:
	case 0x20 ... 0x3fffffff: return true;
	case 0xd: return m->emulated;
	case 0x80000026: return true;
	default: return e->function > KVM_FIRST + 1 && e->function < 0x80000000;
	}
}

static void adapt(const struct vmm_cpu_model *m, uint32_t apic_id, struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 0: e->eax = m->intel ? 0x16 : e->eax < LEAF_MAX ? LEAF_MAX : e->eax; break;
	case 1: leaf_1(m, apic_id, e); break;
	case 4:
	case 0x8000001d: leaf_caches(&m->topology, e); break;
	case 6: *e = (struct kvm_cpuid_entry2){ .function = 6, .eax = BIT(2) }; break; /* arat */
	case 7: leaf_7(m, e); break;
	case KVM_FIRST:
	case KVM_FIRST + 1: leaf_kvm(m, e); break;
	case 0x80000007: e->edx = (e->edx & ~BIT(8)) | (m->invariant_tsc ? BIT(8) : 0); break;
	case 0x80000008: leaf_amd_sizes(&m->topology, e); break;
	case 0x8000001e: leaf_amd_ids(&m->topology, apic_id, e); break;
	default: break;
	}
	if (m->level)
		apply_level(e, m->level);
}

struct out {
	struct kvm_cpuid2 *c;
	unsigned max;
	int rc;
};

static struct kvm_cpuid_entry2 *add(struct out *o, uint32_t function, uint32_t index)
{
	static struct kvm_cpuid_entry2 nowhere;

	if (o->c->nent == o->max) {
		o->rc = -E2BIG;
		return &nowhere;
	}
	struct kvm_cpuid_entry2 *e = &o->c->entries[o->c->nent++];
	*e = (struct kvm_cpuid_entry2){ .function = function, .index = index };
	return e;
}

static void add_topology(struct out *o, const struct vmm_cpu_model *m, uint32_t apic_id)
{
	for (uint32_t i = 0; i < 3; i++)
		leaf_topology(&m->topology, apic_id, i, add(o, 0xb, i));
}

/* The rate of the TSC and of the local APIC's timer, in the places where systems look. */
static void add_frequencies(struct out *o, const struct vmm_cpu_model *m)
{
	struct kvm_cpuid_entry2 *e = add(o, KVM_LAST, 0);

	e->eax = m->tsc_khz;
	e->ebx = APIC_BUS_KHZ;
	if (!m->intel)
		return;
	e = add(o, 0x15, 0);
	e->eax = APIC_BUS_KHZ;
	e->ebx = m->tsc_khz;
	e->ecx = APIC_BUS_KHZ * 1000;
	e = add(o, 0x16, 0);
	e->eax = e->ebx = m->tsc_khz / 1000;
	e->ecx = 100;
}

int vmm_cpuid_make(const struct kvm_cpuid2 *host, const struct vmm_cpu_model *m, uint32_t apic_id,
		   struct kvm_cpuid2 *out, unsigned max, dvm_error_t *err)
{
	struct out o = { out, max, 0 };

	out->nent = 0;
	for (uint32_t i = 0; i < host->nent; i++) {
		struct kvm_cpuid_entry2 e = host->entries[i];
		if (left_out(&e, m))
			continue;
		adapt(m, apic_id, &e);
		*add(&o, e.function, e.index) = e;
	}
	add_topology(&o, m, apic_id);
	add_frequencies(&o, m);
	if (!vmm_cpuid_find(out, 6, 0))
		add(&o, 6, 0)->eax = BIT(2);
	if (o.rc < 0)
		return dvmi_error_set(err, o.rc, "the CPU has more CPUID leaves than there is room for");
	return check_level(out, m, err);
}
