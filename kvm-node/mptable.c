/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/mptable.h"

#include <errno.h>
#include <string.h>

#include "kvm-node/layout.h"
#include "kvm-node/pci.h"
#include "libdvm/base/err.h"

enum { POINTER_LEN = 16, HEAD_LEN = 44, REVISION = 4, APIC_VERSION = 0x14, IOAPIC_VERSION = 0x20 };
enum { PROCESSOR, BUS, IOAPIC, PIN, LOCAL_PIN };
enum { BUS_PCI, BUS_ISA };
enum { ON_INTERRUPT, ON_NMI, ON_EXTINT = 3 };
enum { ENABLED = 1, FIRST = 2 };
enum { AS_ITS_BUS = 0, LEVEL_LOW = 0xf, EVERY_APIC = 0xff };

static void put_pointer(struct dvmi_buf *b)
{
	const uint8_t p[] = { POINTER_LEN / 16, REVISION, 0, 0, 0, 0, 0, 0 };

	dvmi_buf_put(b, "_MP_", 4);
	dvmi_buf_put_u32(b, (uint32_t)VMM_MPTABLE + POINTER_LEN);
	dvmi_buf_put(b, p, sizeof p);
}

/* Length, checksum and number of entries come when they are known. */
static void put_head(struct dvmi_buf *b)
{
	dvmi_buf_put(b, "PCMP\0\0", 6);
	dvmi_buf_put_u8(b, REVISION);
	dvmi_buf_put_u8(b, 0);
	dvmi_buf_put(b, "DVM     DVMGUEST    ", 20);
	dvmi_buf_put_u32(b, 0);
	dvmi_buf_put_u32(b, 0);
	dvmi_buf_put_u32(b, VMM_LAPIC);
	dvmi_buf_put_u32(b, 0);
}

/* What a processor is beside its number nobody asks here. */
static void put_processor(struct dvmi_buf *b, uint8_t apic_id, bool first)
{
	const uint8_t e[20] = { PROCESSOR, apic_id, APIC_VERSION,
				(uint8_t)(ENABLED | (first ? FIRST : 0)) };

	dvmi_buf_put(b, e, sizeof e);
}

static void put_bus(struct dvmi_buf *b, uint8_t id, const char *name)
{
	dvmi_buf_put_u8(b, BUS);
	dvmi_buf_put_u8(b, id);
	dvmi_buf_put(b, name, 6);
}

/* Interrupt IRQ of a bus comes by this pin. */
static void put_pin(struct dvmi_buf *b, uint8_t flags, uint8_t bus, unsigned irq, unsigned pin)
{
	const uint8_t e[] = { PIN, ON_INTERRUPT, flags, 0, bus, (uint8_t)irq, 0, (uint8_t)pin };

	dvmi_buf_put(b, e, sizeof e);
}

static void put_local_pin(struct dvmi_buf *b, uint8_t what, uint8_t pin)
{
	const uint8_t e[] = { LOCAL_PIN, what, AS_ITS_BUS, 0, BUS_ISA, 0, EVERY_APIC, pin };

	dvmi_buf_put(b, e, sizeof e);
}

static bool is_pci(unsigned line)
{
	return line == vmm_pci_line(0) || line == vmm_pci_line(1);
}

/* Returns how many. */
static uint16_t put_pins(struct dvmi_buf *b, bool pit)
{
	uint16_t n = 0;

	for (unsigned irq = 0; irq < 16; irq++) {
		if (irq == VMM_GSI_TIMER || is_pci(irq))
			continue;
		put_pin(b, AS_ITS_BUS, BUS_ISA, irq, irq == 0 && pit ? VMM_GSI_TIMER : irq);
		n++;
	}
	for (unsigned slot = 1; slot < VMM_PCI_SLOTS; slot++, n++)
		put_pin(b, LEVEL_LOW, BUS_PCI, slot << 2, vmm_pci_line(slot));
	put_local_pin(b, ON_EXTINT, 0);
	put_local_pin(b, ON_NMI, 1);
	return (uint16_t)(n + 2);
}

int vmm_mptable_make(const struct vmm_acpi_machine *m, struct dvmi_buf *b)
{
	const uint8_t ioapic[] = { IOAPIC, 0, IOAPIC_VERSION, ENABLED };
	uint16_t n = 3, len; /* two buses and the I/O APIC */

	put_pointer(b);
	put_head(b);
	for (unsigned i = 0; i < m->n_cpus; i++)
		if (m->cpus[i].apic_id < EVERY_APIC) {
			put_processor(b, (uint8_t)m->cpus[i].apic_id, i == 0);
			n++;
		}
	put_bus(b, BUS_PCI, "PCI   ");
	put_bus(b, BUS_ISA, "ISA   ");
	dvmi_buf_put(b, ioapic, sizeof ioapic);
	dvmi_buf_put_u32(b, VMM_IOAPIC);
	n = (uint16_t)(n + put_pins(b, m->pit));
	if (b->err)
		return b->err;
	uint8_t *head = b->data + POINTER_LEN;
	len = (uint16_t)(b->len - POINTER_LEN);
	memcpy(head + 4, &len, sizeof len);
	memcpy(head + 34, &n, sizeof n);
	head[7] = vmm_acpi_checksum(head, len);
	b->data[10] = vmm_acpi_checksum(b->data, POINTER_LEN);
	return 0;
}

int vmm_mptable_write(const struct vmm_acpi_machine *m, dvm_error_t *err)
{
	struct dvmi_buf b = { 0 };
	int rc = vmm_mptable_make(m, &b);

	if (rc == 0 && b.len > VMM_MPTABLE_END - VMM_MPTABLE)
		rc = -ENOSPC;
	if (rc == 0)
		rc = vmm_mem_write(m->mem, VMM_MPTABLE, b.data, b.len);
	dvmi_buf_free(&b);
	return rc < 0 ? dvmi_error_code(err, rc, "the guest's table of processors") : 0;
}
