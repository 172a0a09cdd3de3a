/* SPDX-License-Identifier: BSD-3-Clause */
/* What is in each table. */
#include <string.h>

#include "kvm-node/acpi_private.h"
#include "kvm-node/layout.h"

/* ---- FADT: power management, reset, legacy ---- */

#define FADT_LEN 276u

#define FADT_WBINVD	(1u << 0)
#define FADT_C1		(1u << 2)
#define FADT_NO_SLEEP	(1u << 5) /* no sleep button; the power button is the fixed one */
#define FADT_RTC_WAKE	(1u << 6) /* ... is not in the fixed registers */
#define FADT_TIMER_32	(1u << 8)
#define FADT_RESET	(1u << 10)
#define ARCH_LEGACY	(1u << 0)
#define ARCH_NO_VGA	(1u << 2)
#define PROFILE_SERVER	4u
#define LEVEL_UNREACHED 0xfffu /* a latency that says: there is no such state */

static void gas(uint8_t *p, uint64_t port, uint8_t bits)
{
	p[0] = 1; /* in port space */
	p[1] = bits;
	p[3] = bits == 8 ? 1 : bits == 16 ? 2 : 3; /* access size */
	memcpy(p + 4, &port, 8);
}

static void put16(uint8_t *f, unsigned at, uint16_t v)
{
	memcpy(f + at, &v, sizeof v);
}

static void put32(uint8_t *f, unsigned at, uint32_t v)
{
	memcpy(f + at, &v, sizeof v);
}

static void put64(uint8_t *f, unsigned at, uint64_t v)
{
	memcpy(f + at, &v, sizeof v);
}

static void fadt_ports(uint8_t *f)
{
	put32(f, 56, VMM_PORT_PM1_EVT);
	put32(f, 64, VMM_PORT_PM1_CNT);
	put32(f, 76, VMM_PORT_PM_TMR);
	f[88] = 4; /* lengths */
	f[89] = 2;
	f[91] = 4;
	gas(f + 116, VMM_PORT_RESET, 8);
	f[128] = 6; /* what resets */
	gas(f + 148, VMM_PORT_PM1_EVT, 32);
	f[151] = 2;
	gas(f + 172, VMM_PORT_PM1_CNT, 16);
	gas(f + 208, VMM_PORT_PM_TMR, 32);
}

/* Offsets are the specification's, from the beginning of the table. */
void vmm_acpi_put_fadt(struct dvmi_buf *b, uint64_t facs, uint64_t dsdt)
{
	uint8_t f[FADT_LEN] = { 0 };

	put32(f, 36, (uint32_t)facs);
	put32(f, 40, (uint32_t)dsdt);
	f[45] = PROFILE_SERVER;
	put16(f, 46, VMM_GSI_SCI);
	fadt_ports(f);
	put16(f, 96, LEVEL_UNREACHED);
	put16(f, 98, LEVEL_UNREACHED);
	f[108] = 0x32; /* the century, in the clock's memory */
	put16(f, 109, ARCH_LEGACY | ARCH_NO_VGA);
	put32(f, 112, FADT_WBINVD | FADT_C1 | FADT_NO_SLEEP | FADT_RTC_WAKE | FADT_TIMER_32 |
			      FADT_RESET);
	f[131] = 3; /* minor version */
	put64(f, 140, dsdt);
	memcpy(f + 268, "DVM", 3);
	dvmi_buf_put(b, f + 36, sizeof f - 36);
}

/* ---- MADT: interrupt controllers ---- */

#define LAPIC_ENABLED 1u

static void put_lapic(struct dvmi_buf *b, unsigned uid, uint32_t apic_id)
{
	if (apic_id < 255) {
		const uint8_t e[] = { 0, 8, (uint8_t)uid, (uint8_t)apic_id };
		dvmi_buf_put(b, e, sizeof e);
		dvmi_buf_put_u32(b, LAPIC_ENABLED);
		return;
	}
	dvmi_buf_put_u32(b, 16 << 8 | 9); /* x2APIC: type, length */
	dvmi_buf_put_u32(b, apic_id);
	dvmi_buf_put_u32(b, LAPIC_ENABLED);
	dvmi_buf_put_u32(b, uid);
}

/* Line SOURCE of old is pin GSI. */
static void put_override(struct dvmi_buf *b, uint8_t source, uint32_t gsi, uint16_t flags)
{
	const uint8_t e[] = { 2, 10, 0, source };

	dvmi_buf_put(b, e, sizeof e);
	dvmi_buf_put_u32(b, gsi);
	dvmi_buf_put_u16(b, flags);
}

void vmm_acpi_put_madt(struct dvmi_buf *b, const struct vmm_acpi_machine *m)
{
	const uint8_t ioapic[] = { 1, 12, 0, 0 }, nmi[] = { 4, 6, 0xff, 0, 0, 1 };

	dvmi_buf_put_u32(b, VMM_LAPIC);
	dvmi_buf_put_u32(b, 1); /* with the old controllers beside it */
	for (unsigned i = 0; i < m->n_cpus; i++)
		put_lapic(b, i, m->cpus[i].apic_id);
	dvmi_buf_put(b, ioapic, sizeof ioapic);
	dvmi_buf_put_u32(b, VMM_IOAPIC);
	dvmi_buf_put_u32(b, 0); /* its first pin */
	if (m->pit)
		put_override(b, 0, VMM_GSI_TIMER, 0);
	put_override(b, VMM_GSI_SCI, VMM_GSI_SCI, 0xd); /* level, active high */
	dvmi_buf_put(b, nmi, sizeof nmi);		/* NMIs on LINT1 of all */
}

/* ---- SRAT and SLIT: what is near what ---- */

static void put_cpu_node(struct dvmi_buf *b, const struct vmm_acpi_cpu *c)
{
	if (c->apic_id < 255) {
		const uint8_t e[] = { 0, 16, (uint8_t)c->node, (uint8_t)c->apic_id };
		dvmi_buf_put(b, e, sizeof e);
		dvmi_buf_put_u32(b, 1);
		dvmi_buf_put_u32(b, 0);
		dvmi_buf_put_u32(b, 0);
		return;
	}
	dvmi_buf_put_u32(b, 24 << 8 | 2);
	dvmi_buf_put_u32(b, c->node);
	dvmi_buf_put_u32(b, c->apic_id);
	dvmi_buf_put_u32(b, 1);
	dvmi_buf_put_u64(b, 0);
}

static void put_memory_node(struct dvmi_buf *b, const struct vmm_mem_piece *p)
{
	dvmi_buf_put_u16(b, 40 << 8 | 1);
	dvmi_buf_put_u32(b, p->node);
	dvmi_buf_put_u16(b, 0);
	dvmi_buf_put_u64(b, p->gpa);
	dvmi_buf_put_u64(b, p->len);
	dvmi_buf_put_u32(b, 0);
	dvmi_buf_put_u32(b, 1); /* enabled */
	dvmi_buf_put_u64(b, 0);
}

void vmm_acpi_put_srat(struct dvmi_buf *b, const struct vmm_acpi_machine *m)
{
	unsigned n;
	const struct vmm_mem_piece *p = vmm_mem_pieces(m->mem, &n);

	dvmi_buf_put_u32(b, 1);
	dvmi_buf_put_u64(b, 0);
	for (unsigned i = 0; i < m->n_cpus; i++)
		put_cpu_node(b, &m->cpus[i]);
	for (unsigned i = 0; i < n; i++)
		put_memory_node(b, &p[i]);
}

void vmm_acpi_put_slit(struct dvmi_buf *b, const struct vmm_acpi_machine *m)
{
	dvmi_buf_put_u64(b, m->n_nodes);
	for (unsigned i = 0; i < m->n_nodes; i++)
		for (unsigned k = 0; k < m->n_nodes; k++)
			dvmi_buf_put_u8(b, i == k ? 10 : m->distance);
}
