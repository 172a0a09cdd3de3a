/* SPDX-License-Identifier: BSD-3-Clause */
/* Several CPUs: how they start, what they send each other, what time they have. */
#include "tests/guest/payload/payload.h"

#define TRAMPOLINE 0x10000u
#define ROUNDS	   500u

extern const uint8_t trampoline[], trampoline_end[];
extern volatile uint32_t ap_count;
void load_traps(void);

static void (*volatile work)(unsigned cpu);
static volatile uint32_t finished, listening, apic_ids[CPUS_MAX], go;

void payload_ap(unsigned cpu);

void payload_ap(unsigned cpu)
{
	load_traps();
	apic_on();
	apic_ids[cpu] = (uint32_t)rdmsr(X2_ID);
	__atomic_fetch_add(&listening, 1, __ATOMIC_SEQ_CST);
	work(cpu);
	__atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void spin_until(const volatile uint32_t *p, uint32_t n)
{
	while (*p < n)
		__asm__ volatile("pause");
}

unsigned start_cpus(void (*fn)(unsigned cpu), unsigned others)
{
	uint8_t *to = (uint8_t *)(uint64_t)TRAMPOLINE;
	uint64_t cr3;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	for (long i = 0; i < trampoline_end - trampoline; i++)
		to[i] = trampoline[i];
	*(volatile uint32_t *)(uint64_t)(TRAMPOLINE + 0xff0) = (uint32_t)cr3;
	work = fn;
	apic_on();
	apic_ids[0] = (uint32_t)rdmsr(X2_ID);
	wrmsr(X2_ICR, 3 << 18 | 0xc500); /* INIT to all others */
	wrmsr(X2_ICR, 3 << 18 | 0x8500); /* its de-assertion means nothing */
	wrmsr(X2_ICR, 3 << 18 | 0x4600 | TRAMPOLINE >> 12);
	wrmsr(X2_ICR, 3 << 18 | 0x4600 | TRAMPOLINE >> 12); /* a second is ignored */
	/* A local APIC that is not switched on yet takes no interrupt. */
	spin_until(&listening, others);
	return ap_count + 1;
}

/* Fields of firmware tables lie anywhere. */
static uint64_t field(const uint8_t *p, unsigned len)
{
	uint64_t v = 0;

	while (len--)
		v = v << 8 | p[len];
	return v;
}

static const uint8_t *table(const char *name)
{
	const uint8_t *rsdp = (const uint8_t *)field(boot_params + 0x70, 8);
	const uint8_t *xsdt = (const uint8_t *)field(rsdp + 24, 8);

	for (unsigned at = 36; at + 8 <= field(xsdt + 4, 4); at += 8) {
		const uint8_t *t = (const uint8_t *)field(xsdt + at, 8);
		if (field(t, 4) == field((const uint8_t *)name, 4))
			return t;
	}
	return 0;
}

/* Local APICs that the MADT has. A package's CPUID knows only its own. */
unsigned count_cpus(void)
{
	const uint8_t *madt = table("APIC");
	unsigned n = 0;

	CHECK(madt);
	for (uint64_t at = 44; at + 2 <= field(madt + 4, 4) && madt[at + 1]; at += madt[at + 1])
		n += madt[at] == 0;
	return n;
}

static volatile uint32_t counter;

static void count(unsigned cpu)
{
	for (unsigned i = 0; i < 1000; i++)
		__atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
}

void test_smp(void)
{
	unsigned others = count_cpus() - 1;
	unsigned n = start_cpus(count, others);

	count(0);
	spin_until(&finished, others);
	CHECK(ap_count == others && n == others + 1);
	CHECK(counter == 1000 * n);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < i; k++)
			CHECK(apic_ids[i] != apic_ids[k]);
	say_number(n);
	say(" CPUs\n");
}

/* A ball of time: whoever holds it must not see less than the one before. */
static volatile uint64_t ball;
static volatile uint32_t turn, backwards;

static void play(unsigned cpu, unsigned n)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		while (turn != i * n + cpu)
			__asm__ volatile("pause");
		uint64_t now = rdtsc();
		if (now < ball)
			backwards = backwards + 1;
		ball = now;
		turn = turn + 1;
	}
}

static void play_ap(unsigned cpu)
{
	play(cpu, count_cpus());
}

void test_tsc(void)
{
	unsigned n = count_cpus();

	start_cpus(play_ap, n - 1);
	play(0, n);
	spin_until(&finished, n - 1);
	CHECK(backwards == 0);
	CHECK(ball < 3600ull * 1000 * tsc_khz); /* it began with the guest */
}

/* CPU 0 and CPU 1 wake each other out of HLT by interrupts, again and again. */
static void answer(unsigned cpu)
{
	cli();
	for (uint32_t i = 1; cpu == 1 && i <= ROUNDS; i++) {
		while (seen[0x71] < i)
			sti_hlt_cli();
		wrmsr(X2_ICR, (uint64_t)apic_ids[0] << 32 | 0x72);
	}
	sti();
	spin_until(&go, 1);
	cli();
}

void test_ipis(void)
{
	unsigned n = count_cpus();

	start_cpus(answer, n - 1);
	spin_until(&ap_count, n - 1);
	cli();
	while (!apic_ids[1])
		__asm__ volatile("pause");
	uint64_t began = rdtsc();
	for (uint32_t i = 1; i <= ROUNDS; i++) {
		wrmsr(X2_ICR, (uint64_t)apic_ids[1] << 32 | 0x71);
		while (seen[0x72] < i)
			sti_hlt_cli();
	}
	say_number((rdtsc() - began) * 1000 / tsc_khz / ROUNDS);
	say(" us round trip\n");
	wrmsr(X2_ICR, 3ull << 18 | 0x73); /* all others */
	spin_until(&seen[0x73], n - 1);
	wrmsr(X2_ICR, (uint64_t)apic_ids[1] << 32 | 4 << 8); /* NMI */
	spin_until(&seen[2], 1);
	CHECK(seen[0x73] == n - 1 && seen[2] == 1);
	go = 1;
	spin_until(&finished, n - 1);
}

/* What crosses the end of a page comes in two parts, of 1 to 7 bytes; nobody is there. */
static void use_nothing(unsigned cpu)
{
	for (unsigned i = 0; i < 100; i++)
		for (unsigned n = 1; n < 8; n++) {
			volatile uint64_t *p = (volatile uint64_t *)(0xd0001000ull - n);
			*p = i;
			CHECK(*p == ~0ull);
			volatile uint32_t *q = (volatile uint32_t *)(0xd0001000ull - n);
			*q = i;
			CHECK(*q == ~0u);
		}
}

void test_cross(void)
{
	unsigned others = count_cpus() - 1;

	start_cpus(use_nothing, others);
	use_nothing(0);
	spin_until(&finished, others);
}
