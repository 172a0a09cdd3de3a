/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts of one CPU: its local APIC, its timer, pins. */
#include "tests/guest/payload/payload.h"

/* Software that emulates this CPU may take an instruction or two to notice that it may interrupt. */
static bool comes(unsigned vector)
{
	for (unsigned i = 0; i < 1000 && !seen[vector]; i++)
		__asm__ volatile("pause");
	return seen[vector] == 1;
}

void test_apic(void)
{
	uint64_t id = rdmsr(X2_ID);

	apic_on();
	sti();
	wrmsr(X2_SELF, 0x41);
	CHECK(seen[0x41] == 1);
	wrmsr(X2_ICR, id << 32 | 0x42);
	CHECK(seen[0x42] == 1);
	wrmsr(X2_ICR, 1 << 18 | 0x43); /* self */
	CHECK(seen[0x43] == 1);
	wrmsr(X2_ICR, 2 << 18 | 0x44); /* all */
	CHECK(seen[0x44] == 1);
	wrmsr(X2_ICR, 3 << 18 | 0x45); /* all others */
	CHECK(seen[0x45] == 0);
	wrmsr(X2_ICR, (id >> 4 << 16 | 1u << (id & 15)) << 32 | 1 << 11 | 0x46); /* logical */
	CHECK(seen[0x46] == 1);
	cli();
	wrmsr(X2_SELF, 0x47);
	CHECK(seen[0x47] == 0 && rdmsr(X2_IRR + 2) == 1 << 7);
	sti();
	CHECK(comes(0x47) && rdmsr(X2_IRR + 2) == 0);
	wrmsr(X2_TPR, 0x50);
	wrmsr(X2_SELF, 0x4f);
	wrmsr(X2_SELF, 0x61);
	CHECK(seen[0x4f] == 0 && seen[0x61] == 1);
	wrmsr(X2_TPR, 0);
	CHECK(seen[0x4f] == 1);
	wrmsr(X2_ICR, 1 << 18 | 5); /* no such vector */
	wrmsr(X2_ESR, 0);
	CHECK(rdmsr(X2_ESR) == 0x20);
	wrmsr(X2_ICR, id << 32 | 4 << 8); /* NMI */
	CHECK(seen[2] == 1);
}

/* Ended by a flag in memory, one alone or one in front of another; none is lost or comes twice. */
void test_eoi(void)
{
	enum { N = 300 };

	apic_on();
	wrmsr(KVM_PV_EOI, (uintptr_t)&eoi_flag | 1);
	sti();
	for (unsigned i = 1; i <= N; i++) {
		wrmsr(X2_SELF, 0x48);
		CHECK(seen[0x48] == i);
	}
	CHECK(silent_eois > N / 2);
	cli();
	wrmsr(X2_SELF, 0x41);
	wrmsr(X2_SELF, 0x61);
	sti();
	CHECK(comes(0x61) && comes(0x41));
	CHECK(rdmsr(X2_ISR + 2) == 0 && rdmsr(X2_ISR + 3) == 0);
	wrmsr(KVM_PV_EOI, 0);
	uint32_t before = silent_eois;
	wrmsr(X2_SELF, 0x62);
	CHECK(seen[0x62] == 1 && silent_eois == before && rdmsr(X2_ISR + 3) == 0);
}

static void wait_for(unsigned vector, uint32_t n)
{
	cli();
	while (seen[vector] < n)
		sti_hlt_cli();
}

static void test_count(void)
{
	wrmsr(X2_TDCR, 0xb);
	wrmsr(X2_LVT_TIMER, 0x50);
	uint64_t began = rdtsc();
	wrmsr(X2_TMICT, 2000000); /* 2 ms of a bus with 1 GHz */
	CHECK(rdmsr(X2_TMCCT) > 0);
	wait_for(0x50, 1);
	CHECK(rdtsc() - began >= 2ull * tsc_khz);
	CHECK(rdmsr(X2_TMCCT) == 0);
	wrmsr(X2_LVT_TIMER, 1 << 17 | 0x51);
	began = rdtsc();
	wrmsr(X2_TMICT, 1000000);
	wait_for(0x51, 5);
	CHECK(rdtsc() - began >= 5ull * tsc_khz);
	wrmsr(X2_TMICT, 0);
}

static void test_deadline(void)
{
	uint32_t b, c, d;

	cpuid(1, &b, &c, &d);
	if (!(c >> 24 & 1))
		return;
	wrmsr(X2_LVT_TIMER, 2 << 17 | 0x52);
	for (uint32_t i = 1; i <= 5; i++) {
		uint64_t when = rdtsc() + tsc_khz;
		wrmsr(TSC_DEADLINE, when);
		wait_for(0x52, i);
		CHECK(rdtsc() >= when);
		CHECK(rdmsr(TSC_DEADLINE) == 0);
	}
	/* While running, not halted. */
	wrmsr(TSC_DEADLINE, rdtsc() + tsc_khz);
	sti();
	while (seen[0x52] < 6)
		__asm__ volatile("pause");
	cli();
}

void test_timer(void)
{
	CHECK(tsc_khz);
	apic_on();
	test_count();
	test_deadline();
}

void test_pins(void)
{
	uint8_t id = (uint8_t)rdmsr(X2_ID);

	apic_on();
	ioapic_pin(4, 0x60, id); /* the serial port, edge */
	sti();
	outb(0x3f9, 2);
	CHECK(seen[0x60] == 1);
	CHECK((inb(0x3fa) & 0xf) == 2);
	outb(0x3f8, '.');
	CHECK(seen[0x60] == 2);
	outb(0x3f9, 0);
	ioapic_pin(4, 0x10060, id); /* masked */
	inb(0x3fa);
	outb(0x3f9, 2);
	CHECK(seen[0x60] == 2);
	outb(0x3f9, 0);
	ioapic_pin(2, 0x61, id); /* the old timer, 100 a second */
	outb(0x43, 0x34);
	outb(0x40, 0x9c);
	outb(0x40, 0x2e);
	wait_for(0x61, 3);
	outb(0x43, 0x30);
	outb(0x3f8, '\n');
}

/* A CPU that sleeps is woken by its timer, every time. */
void test_halt(void)
{
	apic_on();
	wrmsr(X2_TDCR, 0xb);
	wrmsr(X2_LVT_TIMER, 0x50);
	for (uint32_t i = 1; i <= 20; i++) {
		wrmsr(X2_TMICT, 50000);
		wait_for(0x50, i);
	}
	CHECK(seen[0x50] == 20);
}
