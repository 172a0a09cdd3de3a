/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio disk driven by all CPUs: in turn and at once through one queue, each through its own with
 * interrupts, and reset while it works. Every byte that is read is checked.
 */
#include "tests/guest/payload/payload.h"

enum {
	ENTRIES = 16, /* of a queue; three for each CPU */
	CPUS = 4,
	BIG = 1 << 16,
	HUGE = (1 << 21) + 4096, /* more than goes with messages */
	SMALL = 4096,
	SECTOR = 512,
	ROUNDS = 3,
	VECTOR = 0x60, /* of queue 0; the next ones follow */
	WRITE = 1,
	ACKNOWLEDGE = 1,
	DRIVER = 2,
	DRIVER_OK = 4,
	FEATURES_OK = 8,
};

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct queue {
	struct desc desc[ENTRIES];
	struct {
		uint16_t flags, idx, ring[ENTRIES], event;
	} avail __attribute__((aligned(4096)));
	struct {
		uint16_t flags, idx;
		struct {
			uint32_t id, len;
		} ring[ENTRIES];
		uint16_t event;
	} used __attribute__((aligned(4096)));
	uint16_t seen __attribute__((aligned(4096)));
	uint32_t lock;
};

struct request {
	uint32_t type, zero;
	uint64_t sector;
	volatile uint8_t status;
	volatile uint32_t done;
} __attribute__((aligned(64)));

static volatile struct queue queues[CPUS] __attribute__((aligned(4096)));
static struct request requests[CPUS] __attribute__((aligned(4096)));
static uint64_t data[CPUS][BIG / 8] __attribute__((aligned(4096)));
static uint64_t huge[HUGE / 8] __attribute__((aligned(4096)));
static volatile uint32_t here, turn;
static unsigned n_cpus;
static uint64_t registers, doorbells, device, vectors;

/* ---- the device ---- */

static void put16(uint64_t a, uint16_t v)
{
	*(volatile uint16_t *)a = v;
}

static void put8(uint64_t a, uint8_t v)
{
	*(volatile uint8_t *)a = v;
}

static uint8_t status(void)
{
	return *(volatile uint8_t *)(registers + 20);
}

/* Each host's bus has 1 MiB of configuration space, and 4 MiB of the window. */
static uint64_t find_disk(uint32_t *bar)
{
	for (unsigned host = 0; host < 2; host++)
		for (unsigned slot = 0; slot < 32; slot++) {
			uint64_t fn = 0xe0000000u + (host << 20) + (slot << 15);
			*bar = 0xc0000000u + host * 0x400000u;
			if (mmio_read(fn) == 0x10421af4)
				return fn;
		}
	CHECK(!"a disk");
	return 0;
}

static void switch_on(uint64_t fn, uint32_t bar)
{
	mmio_write(fn + 0x10, bar);
	put16(fn + 4, 6); /* memory, and its own accesses */
}

static void find_registers(void)
{
	uint32_t bar;
	uint64_t fn = find_disk(&bar);

	switch_on(fn, bar);
	for (uint8_t at = *(volatile uint8_t *)(fn + 0x34); at; at = *(volatile uint8_t *)(fn + at + 1)) {
		uint64_t where = bar + mmio_read(fn + at + 8);
		if (*(volatile uint8_t *)(fn + at) == 0x11) {
			vectors = bar + mmio_read(fn + at + 4);
			put16(fn + at + 2, 0x8000);
		} else if (*(volatile uint8_t *)(fn + at) == 9) {
			uint8_t type = *(volatile uint8_t *)(fn + at + 3);
			*(type == 1 ? &registers : type == 2 ? &doorbells : type == 4 ? &device : &where) =
				where;
		}
	}
	CHECK(registers && doorbells && device && vectors);
}

static void clear_queue(unsigned i)
{
	for (unsigned at = 0; at < sizeof queues[i] / 8; at++)
		((volatile uint64_t *)&queues[i])[at] = 0;
}

static void set_queue(unsigned i)
{
	volatile struct queue *q = &queues[i];

	put16(registers + 22, (uint16_t)i);
	put16(registers + 24, ENTRIES);
	put16(registers + 26, (uint16_t)i);
	mmio_write(registers + 32, (uint32_t)(uint64_t)q->desc);
	mmio_write(registers + 36, 0);
	mmio_write(registers + 40, (uint32_t)(uint64_t)&q->avail);
	mmio_write(registers + 44, 0);
	mmio_write(registers + 48, (uint32_t)(uint64_t)&q->used);
	mmio_write(registers + 52, 0);
	put16(registers + 28, 1);
}

static void say_features(void)
{
	put8(registers + 20, ACKNOWLEDGE | DRIVER);
	mmio_write(registers + 8, 1);
	mmio_write(registers + 12, 1); /* version 1, and nothing more */
	mmio_write(registers + 8, 0);
	mmio_write(registers + 12, 0);
	put8(registers + 20, ACKNOWLEDGE | DRIVER | FEATURES_OK);
}

static void start_disk(unsigned n)
{
	say_features();
	CHECK(status() & FEATURES_OK);
	for (unsigned i = 0; i < n; i++) {
		clear_queue(i);
		set_queue(i);
	}
	put8(registers + 20, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

static void set_vector(unsigned i, uint32_t apic_id)
{
	mmio_write(vectors + 16 * i, 0xfee00000u | apic_id << 12);
	mmio_write(vectors + 16 * i + 4, 0);
	mmio_write(vectors + 16 * i + 8, VECTOR + i);
	mmio_write(vectors + 16 * i + 12, 0);
}

/* ---- requests ---- */

static void lock(volatile struct queue *q)
{
	while (__atomic_exchange_n(&q->lock, 1, __ATOMIC_ACQUIRE))
		while (q->lock)
			__asm__ volatile("pause");
}

static void unlock(volatile struct queue *q)
{
	__atomic_store_n(&q->lock, 0, __ATOMIC_RELEASE);
}

static void post(unsigned cpu, unsigned queue, bool write, uint64_t sector, uint32_t bytes)
{
	uint64_t at = (uint64_t)(bytes == HUGE ? huge : data[cpu]);
	volatile struct queue *q = &queues[queue];
	struct request *r = &requests[cpu];
	uint16_t head = (uint16_t)(3 * cpu);

	r->type = write;
	r->sector = sector;
	r->status = 0xff;
	r->done = 0;
	lock(q);
	q->desc[head] = (struct desc){ (uint64_t)r, 16, 1, (uint16_t)(head + 1) };
	q->desc[head + 1] = (struct desc){ at, bytes, (uint16_t)(write ? 1 : 3),
					   (uint16_t)(head + 2) };
	q->desc[head + 2] = (struct desc){ (uint64_t)&r->status, 1, 2, 0 };
	q->avail.ring[q->avail.idx % ENTRIES] = head;
	__atomic_store_n(&q->avail.idx, (uint16_t)(q->avail.idx + 1), __ATOMIC_SEQ_CST);
	unlock(q);
	if (!(__atomic_load_n(&q->used.flags, __ATOMIC_SEQ_CST) & 1))
		put16(doorbells + 4 * queue, (uint16_t)queue);
}

static void reap(unsigned queue)
{
	volatile struct queue *q = &queues[queue];

	if (q->seen == __atomic_load_n(&q->used.idx, __ATOMIC_ACQUIRE))
		return; /* and the lock is for those that have something to do */
	lock(q);
	while (q->seen != __atomic_load_n(&q->used.idx, __ATOMIC_ACQUIRE)) {
		uint32_t id = q->used.ring[q->seen % ENTRIES].id;
		CHECK(id % 3 == 0 && id < 3 * n_cpus);
		q->seen++;
		requests[id / 3].done = 1;
	}
	unlock(q);
}

/* With SLEEPS nothing but an interrupt ends the wait. */
static void request(unsigned cpu, unsigned queue, bool write, uint64_t sector, uint32_t bytes, bool sleeps)
{
	struct request *r = &requests[cpu];
	uint32_t had = seen[VECTOR + queue];

	cli();
	post(cpu, queue, write, sector, bytes);
	while (!r->done) {
		if (sleeps && seen[VECTOR + queue] == had)
			sti_hlt_cli();
		else
			__asm__ volatile("pause");
		had = seen[VECTOR + queue];
		reap(queue);
	}
	sti();
	CHECK(r->status == 0);
}

static uint64_t word(uint64_t sector, unsigned i, unsigned round)
{
	return (sector + i / (SECTOR / 8)) * 0x9e3779b97f4a7c15u + i + ((uint64_t)round << 56);
}

static void put(unsigned cpu, unsigned queue, uint64_t sector, uint32_t bytes, unsigned round, bool sleeps)
{
	for (unsigned i = 0; i < bytes / 8; i++)
		data[cpu][i] = word(sector, i, round);
	request(cpu, queue, true, sector, bytes, sleeps);
}

static void check(unsigned cpu, unsigned queue, uint64_t sector, uint32_t bytes, unsigned round, bool sleeps)
{
	for (unsigned i = 0; i < bytes / 8; i++)
		data[cpu][i] = 0;
	request(cpu, queue, false, sector, bytes, sleeps);
	for (unsigned i = 0; i < bytes / 8; i++)
		CHECK(data[cpu][i] == word(sector, i, round));
}

/* ---- what CPUs do ---- */

static void meet(unsigned times)
{
	__atomic_fetch_add(&here, 1, __ATOMIC_SEQ_CST);
	while (here < n_cpus * times)
		__asm__ volatile("pause");
}

/* What one CPU has written the next one reads. */
static void in_turn(unsigned cpu)
{
	for (unsigned round = 1; round <= ROUNDS; round++) {
		while (turn != (round - 1) * n_cpus + cpu)
			__asm__ volatile("pause");
		if (turn)
			check(cpu, 0, 8 * (turn - 1), SMALL, (turn - 1) / n_cpus + 1, false);
		put(cpu, 0, 8 * turn, SMALL, round, false);
		turn++;
	}
}

static void at_once(unsigned cpu, unsigned queue, bool sleeps)
{
	for (unsigned round = 1; round <= ROUNDS; round++) {
		uint64_t sector = 1024 + (cpu * ROUNDS + round) * (SMALL / SECTOR);
		put(cpu, queue, sector, SMALL, round, sleeps);
		check(cpu, queue, sector, SMALL, round, sleeps);
	}
	put(cpu, queue, 2048 + cpu * (BIG / SECTOR), BIG, 7, sleeps);
	check(cpu, queue, 2048 + cpu * (BIG / SECTOR), BIG, 7, sleeps);
}

/* In one request: what all have written in turn. */
static void read_all(unsigned cpu)
{
	request(cpu, 0, false, 0, HUGE, false);
	for (unsigned i = 0; i < ROUNDS * n_cpus; i++)
		CHECK(huge[i * SMALL / 8 + 9] == word(8 * i, 9, i / n_cpus + 1));
}

/* What the others have asked for is under way, or not even that; afterwards nothing of it comes. */
static void reset_amid(unsigned cpu)
{
	if (cpu)
		post(cpu, 0, false, 0, BIG);
	meet(4);
	if (cpu == 0) {
		put8(registers + 20, 0);
		while (status())
			__asm__ volatile("pause");
		uint16_t idx = queues[0].used.idx;
		for (unsigned i = 0; i < 1000; i++)
			CHECK(queues[0].used.idx == idx);
		start_disk(1);
	}
	meet(5);
	check(cpu, 0, 8 * cpu, SMALL, 1, false);
}

static void run(unsigned cpu)
{
	unsigned n = *(volatile uint16_t *)(device + 34);

	in_turn(cpu);
	meet(1);
	if (cpu + 1 == n_cpus)
		read_all(cpu);
	at_once(cpu, 0, false);
	if (cpu < n)
		set_vector(cpu, (uint32_t)rdmsr(X2_ID));
	meet(2);
	if (cpu < n)
		at_once(cpu, cpu, true);
	meet(3);
	reset_amid(cpu);
}

static void run_other(unsigned cpu)
{
	while (!n_cpus)
		__asm__ volatile("pause");
	run(cpu);
	meet(6);
}

void test_disk(void)
{
	uint32_t n;

	find_registers();
	put8(registers + 20, 0);
	n = *(volatile uint16_t *)(device + 34);
	start_disk(n < CPUS ? n : CPUS);
	n = start_cpus(run_other, count_cpus() - 1);
	CHECK(n <= CPUS);
	__atomic_store_n(&n_cpus, n, __ATOMIC_SEQ_CST);
	run(0);
	meet(6);
	say_number(n);
	say(" CPUs, each byte\n");
}

/* ---- how long it takes ---- */

/* A word of each page is used before it goes to the disk, and when it has come. */
static void time_requests(unsigned cpu, bool write, uint32_t bytes, unsigned rounds)
{
	uint64_t began = rdtsc(), sum = 0;

	for (unsigned i = 0; i < rounds; i++) {
		for (uint32_t at = 0; at < bytes / 8 && write; at += SMALL / 8)
			data[cpu][at] = i;
		request(cpu, 0, write, 8 * (i % 16), bytes, false);
		for (uint32_t at = 0; at < bytes / 8 && !write; at += SMALL / 8)
			sum += data[cpu][at];
	}
	say(write ? "write " : "read ");
	say_number(bytes);
	say(" bytes: ");
	say_number((rdtsc() - began) * 1000 / tsc_khz / rounds);
	say(" us\n");
	CHECK(sum < ~0ull);
}

static void time_all(unsigned cpu)
{
	if (cpu == 0 || !n_cpus)
		return;
	for (unsigned i = 0; i < 4; i++)
		time_requests(cpu, i % 2, i < 2 ? SMALL : BIG, i < 2 ? 200 : 40);
}

static void time_other(unsigned cpu)
{
	while (!n_cpus)
		__asm__ volatile("pause");
	time_all(cpu);
	meet(1);
}

/* By the last CPU, which is on another host than the disk if that is on the first. */
void test_disk_times(void)
{
	find_registers();
	put8(registers + 20, 0);
	start_disk(1);
	start_cpus(time_other, 1);
	__atomic_store_n(&n_cpus, 2, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&here, 1, __ATOMIC_SEQ_CST);
	for (cli(); here < 2;)
		__asm__ volatile("pause");
}

/* ---- a reset amid writes that nobody waits for ---- */

static volatile uint32_t posted;

/*
 * As many writes as are not waited for in one go, so the disk's host has most of them before it when this
 * one is to stand still: what takes long, as doorbells come and go with the BAR, and then what starts the
 * disk.
 */
static void start_late(unsigned cpu)
{
	enum { AT_ONCE = 64, START = 21 };
	uint32_t bar;
	uint64_t fn = find_disk(&bar);

	if (cpu + 1 != n_cpus)
		return;
	for (unsigned i = START; i < AT_ONCE; i++)
		put16(fn + 4, i % 2 ? 0 : 6);
	switch_on(fn, bar);
	put8(registers + 20, 0);
	say_features();
	set_queue(0);
	put8(registers + 20, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	put16(doorbells, 0);
	posted = 1;
}

/* What the last CPU has written before a reset is not done after it. The clock's memory counts. */
void test_late(void)
{
	enum { RESETS = 6 };

	find_registers();
	put16(registers + 22, 0);
	CHECK(status() == 0 && *(volatile uint16_t *)(registers + 28) == 0);
	outb(0x70, 0x40);
	uint8_t n = inb(0x71);
	if (n == RESETS)
		return;
	outb(0x71, (uint8_t)(n + 1));
	n_cpus = count_cpus();
	start_cpus(start_late, n_cpus - 1);
	while (!posted)
		__asm__ volatile("pause");
	outb(0x64, 0xfe);
	for (;;)
		__asm__ volatile("hlt");
}
