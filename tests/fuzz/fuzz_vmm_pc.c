/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The old parts of a PC under a hostile guest: interrupt controllers, timer, serial port, I/O APIC
 * and local APIC. Input: steps of 8 bytes, { part and whether it is written, register (2 bytes),
 * value (4 bytes), time that passes }. Whatever comes: counts stay within what there is room for, what
 * is asked for can be taken, and what is due comes to an end.
 */
#include <string.h>

#include "kvm-node/i8259.h"
#include "kvm-node/ioapic.h"
#include "kvm-node/lapic.h"
#include "kvm-node/pit.h"
#include "kvm-node/uart.h"
#include "tests/fuzz/fuzz.h"

enum { STEP = 8, PARTS = 6 };

struct pc {
	struct vmm_i8259 pic;
	struct vmm_pit pit;
	struct vmm_uart uart;
	struct vmm_ioapic io;
	struct vmm_lapic lapic;
	struct vmm_lapic_time now;
};

struct step {
	uint16_t reg;
	uint32_t value;
	bool write;
};

static void use_pic(struct pc *pc, const struct step *s)
{
	static const uint16_t bases[] = { VMM_I8259_MASTER, VMM_I8259_SLAVE, VMM_I8259_ELCR };
	uint16_t port = (uint16_t)(bases[s->reg % 3] + (s->reg >> 8 & 1));

	if (s->write)
		vmm_i8259_write(&pc->pic, port, (uint8_t)s->value);
	else
		vmm_i8259_read(&pc->pic, port);
	vmm_i8259_line(&pc->pic, s->value >> 8 & 31, s->value >> 16 & 1);
	bool asks = vmm_i8259_asks(&pc->pic);
	uint8_t vector = s->value >> 17 & 1 ? vmm_i8259_ack(&pc->pic) : 0;
	FUZZ_CHECK(!asks || !(s->value >> 17 & 1) || vector == 0 ||
		   (vector & 0xf8) == pc->pic.chip[0].base || (vector & 0xf8) == pc->pic.chip[1].base);
}

static void use_pit(struct pc *pc, const struct step *s)
{
	uint64_t now = pc->now.now;

	if (s->reg & 4 && s->write)
		vmm_pit_write61(&pc->pit, (uint8_t)s->value, now);
	else if (s->reg & 4)
		vmm_pit_read61(&pc->pit, now);
	else if (s->write)
		vmm_pit_write(&pc->pit, s->reg & 3, (uint8_t)s->value, now);
	else
		vmm_pit_read(&pc->pit, s->reg & 3, now);
	uint64_t next = vmm_pit_next(&pc->pit, now);
	if (next)
		FUZZ_CHECK(vmm_pit_take(&pc->pit, next > now ? next : now));
}

static void use_uart(struct pc *pc, const struct step *s)
{
	if (s->write)
		vmm_uart_write(&pc->uart, s->reg & 15, (uint8_t)s->value);
	else
		vmm_uart_read(&pc->uart, s->reg & 15);
	vmm_uart_receive(&pc->uart, (const uint8_t *)&s->value, s->value >> 30);
	FUZZ_CHECK(pc->uart.tx_len <= VMM_UART_TX && pc->uart.rx_len <= VMM_UART_RX);
	if (s->value >> 29 & 1)
		vmm_uart_left(&pc->uart, pc->uart.tx_len < 200 ? pc->uart.tx_len : 200);
	vmm_uart_line(&pc->uart);
}

/* What it sends is heard. */
static void use_ioapic(struct pc *pc, const struct step *s)
{
	struct vmm_ioapic_out out = { .n = 0 };

	if (s->write)
		vmm_ioapic_write(&pc->io, s->reg & 0x5f, s->value, &out);
	else
		vmm_ioapic_read(&pc->io, s->reg & 0x5f);
	vmm_ioapic_line(&pc->io, s->reg >> 8 & 31, s->value & 1, &out);
	FUZZ_CHECK(out.n <= VMM_GSIS);
	for (unsigned i = 0; i < out.n; i++)
		vmm_lapic_accept(&pc->lapic, &out.msg[i]);
}

static void use_lapic(struct pc *pc, const struct step *s)
{
	struct vmm_lapic_out out = { 0 };
	uint64_t value;

	if (s->reg >> 15)
		vmm_lapic_set_state(&pc->lapic, s->value % 3, &out);
	if (s->reg >> 14 & 1)
		vmm_lapic_set_tscdl(&pc->lapic, (uint64_t)s->value << (s->reg & 31), &pc->now);
	else if (s->write)
		vmm_lapic_write(&pc->lapic, s->reg & 0x3f, s->value, &pc->now, &out);
	else
		vmm_lapic_read(&pc->lapic, s->reg & 0x3f, &pc->now, &value);
	if (s->write)
		vmm_lapic_mmio_write(&pc->lapic, s->reg & 0xfff, s->value, &pc->now, &out);
	if (out.todo & VMM_LAPIC_DO_SEND)
		vmm_lapic_accept(&pc->lapic, &out.msg);
	if (out.todo & VMM_LAPIC_DO_EOI) {
		struct vmm_ioapic_out again = { .n = 0 };
		vmm_ioapic_eoi(&pc->io, out.vector, &again);
	}
}

static void use_msi(struct pc *pc, const struct step *s)
{
	struct vmm_intr msg;

	if (vmm_msi_decode((uint64_t)s->reg << 20 | (s->value >> 12), s->value, &msg) == 0)
		vmm_lapic_accept(&pc->lapic, &msg);
}

/* All that is pending can be delivered. */
static void deliver(struct pc *pc)
{
	int vector;

	vmm_lapic_tick(&pc->lapic, false, &pc->now);
	for (unsigned n = 0; (vector = vmm_lapic_pending(&pc->lapic)) >= 0; n++) {
		FUZZ_CHECK(vector >= 16 && vector < 256 && n < 256);
		vmm_lapic_ack(&pc->lapic, vector);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parts[PARTS])(struct pc *, const struct step *) = {
		use_pic, use_pit, use_uart, use_ioapic, use_lapic, use_msi,
	};
	static struct pc pc;

	memset(&pc, 0, sizeof pc);
	vmm_i8259_init(&pc.pic);
	vmm_pit_init(&pc.pit);
	vmm_uart_init(&pc.uart);
	vmm_ioapic_init(&pc.io);
	pc.lapic.x2apic_ok = pc.lapic.deadline_ok = true;
	vmm_lapic_init(&pc.lapic, 1, true);
	pc.now = (struct vmm_lapic_time){ .now = 1, .tsc = 1, .tsc_khz = 2000000 };
	for (; size >= STEP; data += STEP, size -= STEP) {
		struct step s = { .write = data[0] & 0x80 };
		memcpy(&s.reg, data + 1, 2);
		memcpy(&s.value, data + 3, 4);
		pc.now.now += (uint64_t)data[7] << (data[7] & 31);
		pc.now.tsc = pc.now.now * 2;
		parts[(data[0] & 0x7f) % PARTS](&pc, &s);
		deliver(&pc);
	}
	return 0;
}
