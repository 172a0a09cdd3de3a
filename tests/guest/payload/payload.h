/* SPDX-License-Identifier: BSD-3-Clause */
/* Bare programs that test one mechanism each. No libc, no kernel: ports, MSRs and interrupts. */
#ifndef TESTS_GUEST_PAYLOAD_H
#define TESTS_GUEST_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>

#define CPUS_MAX 16
#define IOAPIC	 0xfec00000u

enum {
	X2_ID = 0x802,
	X2_TPR = 0x808,
	X2_EOI = 0x80b,
	X2_SVR = 0x80f,
	X2_ISR = 0x810,
	X2_IRR = 0x820,
	X2_ESR = 0x828,
	X2_ICR = 0x830,
	X2_LVT_TIMER = 0x832,
	X2_TMICT = 0x838,
	X2_TMCCT = 0x839,
	X2_TDCR = 0x83e,
	X2_SELF = 0x83f,
	TSC_DEADLINE = 0x6e0,
	KVM_PV_EOI = 0x4b564d04
};

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port) : "memory");
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
	return (uint64_t)hi << 32 | lo;
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory");
	return (uint64_t)hi << 32 | lo;
}

static inline uint32_t cpuid(uint32_t leaf, uint32_t *b, uint32_t *c, uint32_t *d)
{
	uint32_t a;

	__asm__ volatile("cpuid" : "=a"(a), "=b"(*b), "=c"(*c), "=d"(*d) : "a"(leaf), "c"(0));
	return a;
}

static inline void sti(void)
{
	__asm__ volatile("sti; nop" ::: "memory");
}

static inline void cli(void)
{
	__asm__ volatile("cli" ::: "memory");
}

/* Sleeps until an interrupt; none is lost between the test before and the sleep. */
static inline void sti_hlt_cli(void)
{
	__asm__ volatile("sti; hlt; cli" ::: "memory");
}

static inline uint32_t mmio_read(uint64_t a)
{
	return *(volatile uint32_t *)a;
}

static inline void mmio_write(uint64_t a, uint32_t v)
{
	*(volatile uint32_t *)a = v;
}

/* main.c */
void say(const char *s);
void say_number(uint64_t v);
__attribute__((noreturn)) void finish(unsigned code);
__attribute__((noreturn)) void failed(const char *file, int line, const char *what);
#define CHECK(c)                                                                                   \
	do {                                                                                       \
		if (!(c))                                                                          \
			failed(__FILE__, __LINE__, #c);                                            \
	} while (0)

/* How often each vector has come, on all CPUs. Interrupts above 31 are ended by the handler. */
extern volatile uint32_t seen[256];
/* The next #GP skips this many bytes instead of failing. */
extern volatile unsigned skip_fault;
extern uint32_t tsc_khz;
/* Where the monitor may say that an interrupt needs no end, and how many have had none. One CPU. */
extern volatile uint32_t eoi_flag, silent_eois;
extern const uint8_t *boot_params;

void apic_on(void);
void ioapic_pin(unsigned pin, uint32_t low, uint8_t dest);

/* smp.c: starts all others and says how many CPUs there are; each runs FN until it returns. */
unsigned start_cpus(void (*fn)(unsigned cpu), unsigned others);

/* How many there are. */
unsigned count_cpus(void);

/* What can be tested, by name. */
void test_hello(void), test_ports(void), test_msrs(void), test_memory(void), test_fill(void);
void test_reset(void);
void test_poweroff(void), test_triple(void), test_fall(void), test_wait(void);
void test_apic(void), test_timer(void), test_pins(void), test_halt(void);
void test_smp(void), test_tsc(void), test_ipis(void), test_cross(void);
void test_remap(void), test_eoi(void);
void test_disk(void), test_disk_times(void), test_late(void), test_remaps(void);

/* remap.c: on vector 0x74. */
void remap_flush(void);

#endif
