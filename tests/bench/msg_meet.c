/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A page that the ranks of one launch share, whatever system they use and in whatever network
 * namespaces they are: for meeting, for the results, and for probing the machine. Ranks that share
 * a core sleep on a futex there, so that none of them disturbs a probe.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/msg.h"

#define CORES	    2 /* all ranks share the first two that we may use */
#define BATCHES	    7
#define ROUND_TRIPS 150
#define SPINS	    2000 /* where every rank has a core */

/* The driver makes the file of that size. */
#define MEET_SIZE (1 << 20)

struct page {
	_Alignas(64) _Atomic uint32_t line;
	_Alignas(64) _Atomic uint32_t arrived;
	_Alignas(64) _Atomic uint32_t generation;
	_Alignas(64) uint64_t word;
	double times[MSG_RANKS_MAX];
	long taken[MSG_RANKS_MAX];
	char notes[MSG_RANKS_MAX][MSG_NOTE];
};

static struct {
	struct page *page;
	int rank, size, cores;
	bool crowded;
	long taken;
} m;

double msg_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void msg_die(const char *what, const char *why)
{
	fprintf(stderr, "msg: %s: %s\n", what, why);
	exit(1);
}

int meet_env(const char *name)
{
	const char *text = getenv(name);

	return text ? atoi(text) : -1;
}

int meet_rank(void)
{
	static const char *const names[] = { "MSG_RANK", "DVM_RANK", "OMPI_COMM_WORLD_RANK",
					     "PMI_RANK" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (meet_env(names[i]) >= 0)
			return meet_env(names[i]);
	}
	return -1;
}

/* How many cores we measure on: two, where there are two. */
static int cores(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) < 0 || CPU_COUNT(&set) > 1 ? CORES : 1;
}

/* Before all others, where we may and the machine is not ours alone ($MSG_FIRST). */
static void go_first(void)
{
	int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (write(fd, "-20", 3) < 0)
			msg_die("/proc/self/autogroup", strerror(errno));
		close(fd);
	}
	if (setpriority(PRIO_PROCESS, 0, -20) < 0)
		msg_die("setpriority", strerror(errno));
}

void meet_pin(void)
{
	int rank = meet_rank();
	cpu_set_t all, one;

	if (meet_env("MSG_FIRST") > 0)
		go_first();
	m.cores = cores();
	if (rank < 0 || sched_getaffinity(0, sizeof all, &all) < 0)
		return;
	int left = rank % m.cores;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all) || left-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof one, &one);
		return;
	}
}

void meet_open(int rank, int size)
{
	const char *path = getenv("MSG_MEET");

	if (m.page) /* by a system that has no other way to meet */
		return;
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		msg_die("MSG_MEET", path ? strerror(errno) : "not set");
	if (size > MSG_RANKS_MAX)
		msg_die("ranks", "too many");
	struct stat st;

	if (fstat(fd, &st) < 0 || (size_t)st.st_size < sizeof(struct page))
		msg_die("MSG_MEET", "is no page");
	m.page = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (m.page == MAP_FAILED)
		msg_die("mmap", strerror(errno));
	close(fd);
	m.rank = rank;
	m.size = size;
	m.crowded = size > m.cores;
}

void *meet_room(size_t len)
{
	int fd = open(getenv("MSG_MEET"), O_RDWR | O_CLOEXEC);
	struct stat st;
	off_t start = MEET_SIZE;

	if (fd < 0 || fstat(fd, &st) < 0 ||
	    (st.st_size < start + (off_t)len && ftruncate(fd, start + (off_t)len) < 0))
		msg_die("MSG_MEET", strerror(errno));
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, start);

	if (p == MAP_FAILED)
		msg_die("mmap", strerror(errno));
	close(fd);
	return p;
}

static void nap(uint32_t generation)
{
	static const struct timespec limit = { .tv_sec = 1 };

	syscall(SYS_futex, &m.page->generation, FUTEX_WAIT, generation, &limit, NULL, 0);
}

static void everybody_up(void)
{
	syscall(SYS_futex, &m.page->generation, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void meet(void)
{
	uint32_t generation = atomic_load(&m.page->generation);

	if (atomic_fetch_add(&m.page->arrived, 1) + 1 == (uint32_t)m.size) {
		atomic_store(&m.page->arrived, 0);
		atomic_fetch_add(&m.page->generation, 1);
		everybody_up();
		return;
	}
	for (int spin = 0; atomic_load(&m.page->generation) == generation; spin++) {
		if (m.crowded || spin > SPINS)
			nap(generation);
	}
}

char *meet_note(int rank)
{
	return m.page->notes[rank];
}

void meet_tell(uint64_t word)
{
	m.page->word = word;
}

uint64_t meet_told(void)
{
	return m.page->word;
}

/* How often somebody else was given our core. */
static long core_taken(void)
{
	struct rusage u;

	return getrusage(RUSAGE_SELF, &u) < 0 ? 0 : u.ru_nivcsw;
}

double meet_begin(void)
{
	m.taken = core_taken();
	return msg_now();
}

long meet_taken(void)
{
	long sum = 0;

	for (int i = 0; i < m.size; i++)
		sum += m.page->taken[i];
	return sum;
}

double meet_most(double mine)
{
	double most = 0;

	m.page->times[m.rank] = mine;
	meet();
	for (int i = 0; i < m.size; i++)
		most = fmax(most, m.page->times[i]);
	return most;
}

double meet_time(double begin, bool slowest)
{
	double mine = msg_now() - begin;

	m.page->taken[m.rank] = core_taken() - m.taken;
	double longest = meet_most(mine);
	return slowest ? longest : m.page->times[0];
}

/* ---- the probe ---- */

static void await(uint32_t value)
{
	while (atomic_load_explicit(&m.page->line, memory_order_acquire) != value)
		;
}

static double batch(uint32_t first)
{
	double start = msg_now();

	for (uint32_t i = first; i < first + 2 * ROUND_TRIPS; i += 2) {
		await(i + (uint32_t)m.rank);
		atomic_store_explicit(&m.page->line, i + (uint32_t)m.rank + 1,
				      memory_order_release);
	}
	return (msg_now() - start) / (2 * ROUND_TRIPS);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Those who have just met and are to sleep now need a moment on a core of their own. */
static void let_them_sleep(void)
{
	static const struct timespec moment = { .tv_nsec = 300000 };

	if (m.crowded)
		nanosleep(&moment, NULL);
}

double meet_probe(void)
{
	double took[BATCHES];

	if (m.size < 2)
		return NAN;
	meet();
	if (m.rank == 0)
		atomic_store(&m.page->line, 0);
	if (m.rank < 2) {
		let_them_sleep();
		for (uint32_t i = 0; i < BATCHES; i++)
			took[i] = batch(i * 2 * ROUND_TRIPS);
		qsort(took, BATCHES, sizeof *took, by_size);
	}
	meet();
	return m.rank == 0 ? took[BATCHES / 2] * 1e9 : NAN;
}
