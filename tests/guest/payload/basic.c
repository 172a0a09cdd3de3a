/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports, MSRs, memory, and the ways a guest ends. */
#include "tests/guest/payload/payload.h"

void test_hello(void)
{
	say("hello\n");
}

void test_ports(void)
{
	CHECK(inb(0x1234) == 0xff);
	CHECK(inw(0x1234) == 0xffff);
	CHECK(inl(0x1234) == 0xffffffff);
	outb(0x1234, 7);
	outb(0x21, 0x5a);
	CHECK(inb(0x21) == 0x5a); /* the old controller's mask */
	CHECK(inb(0x64) == 0xff); /* no keyboard */
	CHECK(inw(0x604) & 1);	  /* ACPI is on */
	CHECK((inb(0x3fd) & 0x60) == 0x60);
	uint32_t a = inl(0x608), b = inl(0x608);
	CHECK(b - a < 3579545); /* the timer moves on */
	CHECK(mmio_read(0xd0100000) == 0xffffffff);
	mmio_write(0xd0100000, 5);
	outb(0x70, 0x0d);
	CHECK(inb(0x71) & 0x80); /* the clock's memory is good */
}

/* A read of MSR that must fault. */
static bool faults(uint32_t msr)
{
	uint32_t before = seen[13];

	skip_fault = 2;
	rdmsr(msr);
	skip_fault = 0;
	return seen[13] == before + 1;
}

static bool write_faults(uint32_t msr, uint64_t v)
{
	uint32_t before = seen[13];

	skip_fault = 2;
	wrmsr(msr, v);
	skip_fault = 0;
	return seen[13] == before + 1;
}

void test_msrs(void)
{
	static const uint32_t bad[] = { 0x80b, 0x80e, 0x831, 0x83f, 0x8ff, 0x4b564d04 };

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CHECK(faults(bad[i]));
	CHECK(!faults(X2_ID));
	CHECK(write_faults(X2_EOI, 1));
	CHECK(write_faults(X2_ID, 0));
	CHECK(write_faults(0x4b564d01, ~0ull)); /* a time page outside memory */
	CHECK(write_faults(KVM_PV_EOI, ~0ull << 2 | 1));
	CHECK(write_faults(KVM_PV_EOI, (uintptr_t)&eoi_flag | 3));
	CHECK(!write_faults(X2_TPR, 0x20));
	CHECK(rdmsr(X2_TPR) == 0x20);
}

struct range {
	uint64_t at, len;
	uint32_t type;
} __attribute__((packed));

/* A page of RAM above the program, at each STEP, holds what was written there, and no other. */
static void check_memory(uint64_t step)
{
	const struct range *map = (const struct range *)(boot_params + 0x2d0);
	uint64_t pages = 0;

	for (int pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < boot_params[0x1e8]; i++)
			for (uint64_t at = 0x800000; map[i].type == 1 && at < map[i].at + map[i].len;
			     at += step) {
				if (at < map[i].at || at >= 1ull << 32)
					continue;
				volatile uint64_t *p = (volatile uint64_t *)at;
				if (pass)
					CHECK(*p == (at ^ 0x55));
				else
					*p = at ^ 0x55;
				pages++;
			}
	CHECK(pages > 16);
}

void test_memory(void)
{
	check_memory(0x40000);
}

/* All of it, which takes its time where pages are another host's, or KVM is emulated. */
void test_fill(void)
{
	check_memory(0x1000);
}

/* The clock's memory outlives a reset; RAM does not. */
void test_reset(void)
{
	volatile uint64_t *mark = (volatile uint64_t *)0x700000;

	outb(0x70, 0x40);
	uint8_t n = inb(0x71);
	CHECK(*mark == 0);
	*mark = 77;
	if (n == 3)
		return;
	outb(0x71, (uint8_t)(n + 1));
	if (n == 0)
		outb(0x60c, 6); /* as the FADT says */
	else
		outb(n == 1 ? 0x64 : 0x92, n == 1 ? 0xfe : 0x01);
	for (;;)
		__asm__ volatile("hlt");
}

void test_poweroff(void)
{
	outw(0x604, 5 << 10 | 1 << 13);
	for (;;)
		__asm__ volatile("hlt");
}

void test_triple(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = { 0, 0 };

	__asm__ volatile("lidt %0; ud2" ::"m"(none));
}

/* What has been interrupted had come up: its triple fault is a reset, after which it goes on here. */
void test_fall(void)
{
	outb(0x70, 0x40);
	if (inb(0x71) == 1)
		return;
	outb(0x71, 1);
	apic_on();
	wrmsr(X2_SELF, 0x48);
	while (!seen[0x48])
		sti_hlt_cli();
	test_triple();
}

/* Runs until the power button is pressed from outside; says so, as it may take a while. */
void test_wait(void)
{
	apic_on();
	ioapic_pin(9, 0x50, (uint8_t)rdmsr(X2_ID)); /* once, where level would repeat it until seen */
	outw(0x602, 0x100);
	say("waiting\n");
	for (cli(); !(inw(0x600) & 0x100);)
		sti_hlt_cli();
	/* Pressed early, it shows before its interrupt could come. */
	for (sti(); !seen[0x50];)
		__asm__ volatile("pause");
	outw(0x600, 0x100);
	CHECK(!(inw(0x600) & 0x100));
	test_poweroff();
}
