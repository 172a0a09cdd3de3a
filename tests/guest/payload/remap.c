/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mappings changed by one CPU and used by another, which may be on another host: a page is seen where
 * it was put, what is read only is not written, and a written page is marked so.
 */
#include "tests/guest/payload/payload.h"

#define WINDOW	(1ull << 30) /* mapped by tables of our own */
#define PAGES	8u
#define ROUNDS	200u
#define MANY	10000u
#define PRESENT 1ull
#define WRITE	2ull
#define USED	0x20ull
#define DIRTY	0x40ull
#define FLUSH	0x74 /* vector: forget what is known of WINDOW */
#define CR0_WP	(1ull << 16)

static uint32_t rounds; /* how many there are to be */
static uint64_t table[512] __attribute__((aligned(4096)));
static volatile uint64_t pages[PAGES][512] __attribute__((aligned(4096)));
static volatile uint64_t *const window = (volatile uint64_t *)WINDOW;

/* What the other CPU is asked for, on a page of its own. */
static struct {
	volatile uint32_t asked, answered, flushed;
	volatile uint64_t write, seen; /* to be written at window[1], 0: nothing; of window[0] */
	volatile bool faulted;
} order __attribute__((aligned(4096)));

static uint64_t *entry_of(uint64_t tables, unsigned index)
{
	return (uint64_t *)(tables & 0xffffffffff000) + index;
}

static void forget(void)
{
	__asm__ volatile("invlpg %0" ::"m"(*(const char *)WINDOW) : "memory");
}

void remap_flush(void)
{
	forget();
	order.flushed = order.flushed + 1;
}

static void make_window(void)
{
	uint64_t cr3;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	uint64_t *third = entry_of(*entry_of(cr3, 0), 1);
	*entry_of(*third, 0) = (uint64_t)table | PRESENT | WRITE | USED;
	__asm__ volatile("mov %0, %%cr3" ::"r"(cr3) : "memory");
}

/* A write that may fault: mov %rax to memory, three bytes. */
static void try_write(uint64_t value)
{
	uint32_t before = seen[14];

	skip_fault = 3;
	__asm__ volatile("mov %0, (%1)" ::"a"(value), "D"(window + 1) : "memory");
	skip_fault = 0;
	order.faulted = seen[14] != before;
}

static void serve(unsigned cpu)
{
	uint64_t cr0;

	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	__asm__ volatile("mov %0, %%cr0" ::"r"(cr0 | CR0_WP));
	sti();
	for (uint32_t i = 1; cpu == 1 && i <= rounds; i++) {
		while (order.asked < i)
			__asm__ volatile("pause");
		order.seen = window[0];
		if (order.write)
			try_write(order.write);
		order.answered = i;
	}
	cli();
}

static void spin_until(const volatile uint32_t *p, uint32_t n)
{
	while (*p < n)
		__asm__ volatile("pause");
}

/* Page I of them is put there, and nobody knows another one any more. */
static void put(uint32_t round, bool write)
{
	table[0] = (uint64_t)pages[round % PAGES] | PRESENT | USED | (write ? WRITE : 0);
	forget();
	wrmsr(X2_ICR, 3ull << 18 | FLUSH);
	spin_until(&order.flushed, round);
}

static void check_round(uint32_t i)
{
	volatile uint64_t *page = pages[i % PAGES];
	bool write = i % 3 != 0;

	page[0] = i * 7ull;
	page[1] = 0;
	put(i, write);
	order.write = i % 2 ? i * 11ull : 0;
	order.asked = i;
	spin_until(&order.answered, i);
	CHECK(order.seen == i * 7ull);
	CHECK(!order.write || order.faulted == !write);
	CHECK(page[1] == (write ? order.write : 0));
	CHECK(!(order.write && write) || table[0] & DIRTY);
	CHECK(write || !(table[0] & DIRTY));
}

static void remap(uint32_t n)
{
	rounds = n;
	make_window();
	table[0] = (uint64_t)pages[0] | PRESENT | USED;
	start_cpus(serve, 1);
	for (uint32_t i = 1; i <= n; i++) {
		check_round(i);
		if (i % 1000 && i != n)
			continue;
		say_number(i);
		say(" rounds\n");
	}
}

void test_remap(void)
{
	remap(ROUNDS);
}

void test_remaps(void)
{
	remap(MANY);
}
