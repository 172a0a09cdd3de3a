/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/ioapic.h"

#include <errno.h>
#include <string.h>

#define RTE_REMOTE_IRR (UINT64_C(1) << 14)
#define RTE_LEVEL      (UINT64_C(1) << 15)
#define RTE_MASKED     (UINT64_C(1) << 16)
#define RTE_LOGICAL    (UINT64_C(1) << 11)
#define RTE_STATUS     (UINT64_C(1) << 12)
#define RTE_READ_ONLY  (RTE_REMOTE_IRR | RTE_STATUS)

#define REG_SELECT  0x00
#define REG_WINDOW  0x10
#define REG_EOI	    0x40
#define IND_ID	    0
#define IND_VERSION 1
#define IND_ARB	    2
#define IND_RTE	    0x10

void vmm_ioapic_init(struct vmm_ioapic *io)
{
	memset(io, 0, sizeof *io);
	for (unsigned i = 0; i < VMM_GSIS; i++)
		io->rte[i] = RTE_MASKED;
}

static void fire(struct vmm_ioapic *io, unsigned pin, struct vmm_ioapic_out *out)
{
	uint64_t e = io->rte[pin];

	if (e & RTE_MASKED || (e & RTE_LEVEL && e & RTE_REMOTE_IRR) || out->n == VMM_GSIS)
		return;
	if (e & RTE_LEVEL)
		io->rte[pin] |= RTE_REMOTE_IRR;
	io->raised[pin]++;
	out->msg[out->n++] = (struct vmm_intr){
		.dest = (uint32_t)(e >> 56),
		.vector = (uint8_t)e,
		.mode = e >> 8 & 7,
		.logical = e & RTE_LOGICAL,
		.level = e & RTE_LEVEL,
	};
}

void vmm_ioapic_line(struct vmm_ioapic *io, unsigned pin, bool level, struct vmm_ioapic_out *out)
{
	if (pin >= VMM_GSIS)
		return;
	bool rise = level && !io->line[pin];
	io->line[pin] = level;
	if (rise)
		fire(io, pin, out);
}

void vmm_ioapic_eoi(struct vmm_ioapic *io, uint8_t vector, struct vmm_ioapic_out *out)
{
	for (unsigned i = 0; i < VMM_GSIS; i++) {
		if ((uint8_t)io->rte[i] != vector || !(io->rte[i] & RTE_REMOTE_IRR))
			continue;
		io->rte[i] &= ~RTE_REMOTE_IRR;
		if (io->line[i] && io->rte[i] & RTE_LEVEL)
			fire(io, i, out);
	}
}

static uint32_t read_selected(const struct vmm_ioapic *io)
{
	unsigned r = io->select;

	switch (r) {
	case IND_ID:
	case IND_ARB: return (uint32_t)io->id << 24;
	case IND_VERSION: return 0x20 | (VMM_GSIS - 1) << 16;
	case IND_RTE ... IND_RTE + 2 * VMM_GSIS - 1:
		return (uint32_t)(io->rte[(r - IND_RTE) / 2] >> (r & 1 ? 32 : 0));
	default: return 0;
	}
}

uint32_t vmm_ioapic_read(const struct vmm_ioapic *io, unsigned off)
{
	switch (off) {
	case REG_SELECT: return io->select;
	case REG_WINDOW: return read_selected(io);
	default: return 0;
	}
}

static void write_rte(struct vmm_ioapic *io, unsigned pin, bool high, uint32_t value,
		      struct vmm_ioapic_out *out)
{
	uint64_t old = io->rte[pin], e;

	if (high)
		e = (old & UINT32_MAX) | (uint64_t)value << 32;
	else
		e = (old & ~(uint64_t)UINT32_MAX) | value;
	e = (e & ~RTE_READ_ONLY) | (old & RTE_REMOTE_IRR);
	/* A pin turned to edge forgets what was in service: how old kernels make an EOI. */
	if (!(e & RTE_LEVEL))
		e &= ~RTE_REMOTE_IRR;
	io->rte[pin] = e;
	if (io->line[pin] && e & RTE_LEVEL)
		fire(io, pin, out);
}

static void write_selected(struct vmm_ioapic *io, uint32_t value, struct vmm_ioapic_out *out)
{
	unsigned r = io->select;

	if (r == IND_ID)
		io->id = value >> 24 & 0xf;
	else if (r >= IND_RTE && r < IND_RTE + 2 * VMM_GSIS)
		write_rte(io, (r - IND_RTE) / 2, r & 1, value, out);
}

void vmm_ioapic_write(struct vmm_ioapic *io, unsigned off, uint32_t value,
		      struct vmm_ioapic_out *out)
{
	switch (off) {
	case REG_SELECT: io->select = (uint8_t)value; break;
	case REG_WINDOW: write_selected(io, value, out); break;
	case REG_EOI: vmm_ioapic_eoi(io, (uint8_t)value, out); break;
	default: break;
	}
}

int vmm_msi_decode(uint64_t addr, uint32_t data, struct vmm_intr *msg)
{
	if (addr >> 20 != VMM_LAPIC >> 20)
		return -EINVAL;
	*msg = (struct vmm_intr){
		.dest = addr >> 12 & 0xff,
		.vector = (uint8_t)data,
		.mode = data >> 8 & 7,
		.logical = addr >> 2 & 1,
		.level = false, /* there is no line to look at again */
	};
	/* The redirection hint asks for one of several, as lowest priority does. */
	if (addr >> 3 & 1 && msg->logical && msg->mode == VMM_INTR_FIXED)
		msg->mode = VMM_INTR_LOWEST;
	return 0;
}
