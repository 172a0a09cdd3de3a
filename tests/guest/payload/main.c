/* SPDX-License-Identifier: BSD-3-Clause */
/* The first CPU: traps, the test that the command line names, and what tests have in common. */
#include "tests/guest/payload/payload.h"

struct gate {
	uint16_t low, selector, flags, mid;
	uint32_t high, zero;
} __attribute__((packed));

extern const uint8_t traps[256][16];
static struct gate idt[256] __attribute__((aligned(16)));

volatile uint32_t seen[256];
volatile unsigned skip_fault;
uint32_t tsc_khz;
const uint8_t *boot_params;

void say(const char *s)
{
	while (*s)
		outb(0xe9, (uint8_t)*s++);
}

void say_number(uint64_t v)
{
	char digits[24];
	int at = 23;

	digits[at] = 0;
	do
		digits[--at] = (char)('0' + v % 10);
	while (v /= 10);
	say(digits + at);
}

void finish(unsigned code)
{
	outb(0xf4, (uint8_t)code);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void failed(const char *file, int line, const char *what)
{
	say(file);
	say(":");
	say_number((uint64_t)line);
	say(": ");
	say(what);
	say("\n");
	finish(1);
}

volatile uint32_t eoi_flag, silent_eois;

/* By the flag, if the monitor has set it; what asks and what clears is one instruction. */
static void end_interrupt(void)
{
	bool was;

	__asm__ volatile("btrl $0, %0; setc %1" : "+m"(eoi_flag), "=q"(was)::"cc", "memory");
	if (was)
		silent_eois++;
	else
		wrmsr(X2_EOI, 0);
}

void payload_trap(uint64_t vector, uint64_t *frame);

void payload_trap(uint64_t vector, uint64_t *frame)
{
	__atomic_fetch_add(&seen[vector & 255], 1, __ATOMIC_SEQ_CST);
	if (vector >= 32) {
		if (vector == 0x74)
			remap_flush();
		end_interrupt();
		return;
	}
	if (vector == 2)
		return;
	if ((vector == 13 || vector == 14) && skip_fault) {
		frame[0] += skip_fault;
		skip_fault = 0;
		return;
	}
	say("trap ");
	say_number(vector);
	say(" at ");
	say_number(frame[0]);
	say("\n");
	finish(3);
}

/* All CPUs have their code segment in the same place. */
static void fill_traps(void)
{
	for (int i = 0; i < 256; i++) {
		uint64_t at = (uint64_t)traps[i];
		idt[i] = (struct gate){ (uint16_t)at, 0x10, 0x8e00, (uint16_t)(at >> 16),
					(uint32_t)(at >> 32), 0 };
	}
}

void load_traps(void);

void load_traps(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = { sizeof idt - 1, (uint64_t)idt };

	__asm__ volatile("lidt %0" ::"m"(pointer));
}

void apic_on(void)
{
	wrmsr(X2_SVR, 0x1ff);
}

void ioapic_pin(unsigned pin, uint32_t low, uint8_t dest)
{
	mmio_write(IOAPIC, 0x10 + 2 * pin + 1);
	mmio_write(IOAPIC + 0x10, (uint32_t)dest << 24);
	mmio_write(IOAPIC, 0x10 + 2 * pin);
	mmio_write(IOAPIC + 0x10, low);
}

static const struct {
	const char *name;
	void (*fn)(void);
} tests[] = {
	{ "hello", test_hello },   { "ports", test_ports }, { "msrs", test_msrs },
	{ "memory", test_memory }, { "fill", test_fill },
	{ "reset", test_reset },   { "poweroff", test_poweroff },
	{ "triple", test_triple }, { "fall", test_fall },
	{ "wait", test_wait },	   { "apic", test_apic },
	{ "timer", test_timer },   { "pins", test_pins },   { "halt", test_halt },
	{ "smp", test_smp },	   { "tsc", test_tsc },	    { "ipis", test_ipis },
	{ "remap", test_remap },   { "eoi", test_eoi },	    { "disk", test_disk },
	{ "remaps", test_remaps }, { "cross", test_cross },
	{ "disktimes", test_disk_times }, { "late", test_late },
};

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

void payload_main(const uint8_t *params);

void payload_main(const uint8_t *params)
{
	const char *name = (const char *)(uint64_t) * (const uint32_t *)(params + 0x228);
	uint32_t b, c, d;

	boot_params = params;
	fill_traps();
	load_traps();
	tsc_khz = cpuid(0x40000010, &b, &c, &d);
	for (unsigned i = 0; i < sizeof tests / sizeof tests[0]; i++)
		if (same(name, tests[i].name)) {
			tests[i].fn();
			finish(0);
		}
	say("no such test\n");
	finish(2);
}

/* The compiler may call it. */
void *memcpy(void *to, const void *from, unsigned long n);

void *memcpy(void *to, const void *from, unsigned long n)
{
	for (unsigned long i = 0; i < n; i++)
		((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
	return to;
}
