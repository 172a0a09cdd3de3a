/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stresses a kernel and its memory, on every CPU at once, and is right or not: patterns in
 * memory, mappings, futexes, signals, processes that are copied, pipes, pages that move between
 * nodes. A part counts what is wrong; its line says how many operations there were.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/guest/programs.h"

#define WORKERS_MAX 16u
#define PAGE	    4096u

struct part;

struct worker {
	pthread_t thread;
	const struct part *part;
	unsigned index, of, rounds;
	unsigned done, wrong;
};

struct part {
	const char *name;
	unsigned rounds; /* of each worker */
	void (*run)(struct worker *w);
};

static pthread_barrier_t together;

static void expect(struct worker *w, bool good)
{
	w->done++;
	w->wrong += !good;
}

static void *map_pages(unsigned n)
{
	void *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* ---- patterns: written here, looked at by the next worker, turned over, looked at here ---- */

enum { PATTERN_PAGES = 32, WORDS = PATTERN_PAGES * PAGE / sizeof(uint64_t) };

static uint64_t *pattern_of[WORKERS_MAX];

static uint64_t pattern(unsigned round, unsigned i)
{
	switch (round % 4) {
	case 0: return UINT64_C(1) << (i + round) % 64;	  /* a bit that walks */
	case 1: return (uint64_t)i * PAGE + round;	  /* its own place */
	case 2: return i % 2 ? UINT64_C(0x5555555555555555) : UINT64_C(0xaaaaaaaaaaaaaaaa);
	default: {
		uint64_t seed = (uint64_t)round << 32 | (i + 1);
		return guest_next(&seed);
	}
	}
}

static void run_patterns(struct worker *w)
{
	uint64_t *mine = pattern_of[w->index] = map_pages(PATTERN_PAGES);

	for (unsigned round = 0; round < w->rounds; round++) {
		for (unsigned i = 0; mine && i < WORDS; i++)
			mine[i] = pattern(round, i);
		pthread_barrier_wait(&together);
		uint64_t *next = pattern_of[(w->index + 1) % w->of];
		unsigned bad = !next;
		for (unsigned i = 0; next && i < WORDS; i++) {
			bad += next[i] != pattern(round, i);
			next[i] = ~next[i];
		}
		pthread_barrier_wait(&together);
		for (unsigned i = 0; mine && i < WORDS; i++)
			bad += mine[i] != ~pattern(round, i);
		expect(w, !bad);
		pthread_barrier_wait(&together);
	}
	if (mine)
		munmap(mine, PATTERN_PAGES * PAGE);
}

/* ---- mappings, by all at once in one address space ---- */

static bool vm_round(unsigned self, unsigned round)
{
	enum { N = 8 };
	uint64_t *x = map_pages(N), *y = NULL, bad = 0;

	if (!x)
		return false;
	for (unsigned i = 0; i < N; i++)
		bad += x[i * PAGE / 8] != 0, x[i * PAGE / 8] = self * 1000u + round + i;
	bad += mprotect(x, N * PAGE / 2, PROT_READ) != 0;
	bad += mprotect(x, N * PAGE / 2, PROT_READ | PROT_WRITE) != 0;
	y = mremap(x, N * PAGE, 2 * N * PAGE, MREMAP_MAYMOVE);
	if (y == MAP_FAILED)
		return munmap(x, N * PAGE), false;
	for (unsigned i = 0; i < N; i++)
		bad += y[i * PAGE / 8] != self * 1000u + round + i;
	bad += madvise(y, N * PAGE, MADV_DONTNEED) != 0;
	for (unsigned i = 0; i < N; i++)
		bad += y[i * PAGE / 8] != 0;
	return munmap(y, 2 * N * PAGE) == 0 && !bad;
}

static void run_vm(struct worker *w)
{
	for (unsigned round = 0; round < w->rounds; round++)
		expect(w, vm_round(w->index, round));
}

/* ---- futexes: a token that goes round, each sleeps until it is its turn ---- */

static _Alignas(PAGE) _Atomic uint32_t token;

static void futex(int op, uint32_t value)
{
	syscall(SYS_futex, &token, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void run_futex(struct worker *w)
{
	for (unsigned round = 0; round < w->rounds; round++) {
		uint32_t want = round * w->of + w->index, now;
		while ((now = atomic_load(&token)) != want)
			futex(FUTEX_WAIT, now);
		atomic_store(&token, want + 1);
		futex(FUTEX_WAKE, INT32_MAX);
		expect(w, atomic_load(&token) > want);
	}
	pthread_barrier_wait(&together);
	atomic_store(&token, 0);
}

/* ---- mutexes: who is inside is alone ---- */

static struct {
	_Alignas(PAGE) pthread_mutex_t mutex;
	_Alignas(PAGE) volatile unsigned inside, sum;
} alone = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void run_mutex(struct worker *w)
{
	if (w->index == 0)
		alone.sum = 0;
	pthread_barrier_wait(&together);
	for (unsigned round = 0; round < w->rounds; round++) {
		pthread_mutex_lock(&alone.mutex);
		bool good = ++alone.inside == 1;
		alone.sum++;
		alone.inside--;
		pthread_mutex_unlock(&alone.mutex);
		expect(w, good);
	}
	pthread_barrier_wait(&together);
	if (w->index == 0)
		expect(w, alone.sum == w->of * w->rounds);
}

/* ---- signals: to a process on the next CPU, with numbers, none lost and in order ---- */

static void count_signals(unsigned n, unsigned cpu, int ready)
{
	sigset_t set;
	siginfo_t info;
	unsigned wrong = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	guest_pin(cpu);
	wrong += write(ready, "", 1) != 1;
	for (unsigned i = 0; i < n; i++)
		wrong += sigwaitinfo(&set, &info) != SIGRTMIN || info.si_value.sival_int != (int)i;
	_exit(wrong ? 1 : 0);
}

static void run_signals(struct worker *w)
{
	int ready[2], status = -1;
	char c;

	if (pipe(ready) < 0)
		return expect(w, false);
	pid_t pid = fork();
	if (pid == 0)
		count_signals(w->rounds, (w->index + 1) % w->of, ready[1]);
	bool good = pid > 0 && read(ready[0], &c, 1) == 1;
	for (unsigned i = 0; good && i < w->rounds; i++) {
		int rc;
		while ((rc = sigqueue(pid, SIGRTMIN, (union sigval){ .sival_int = (int)i })) < 0 &&
		       errno == EAGAIN)
			usleep(1000);
		w->done++;
		good = rc == 0;
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	expect(w, good && status == 0);
	close(ready[0]);
	close(ready[1]);
}

/* ---- processes: a copy elsewhere that writes what we look at, and becomes another program ---- */

static bool fork_round(struct worker *w, uint64_t *x, unsigned round)
{
	int status = -1;

	for (unsigned i = 0; i < 4; i++)
		x[i * PAGE / 8] = round + i;
	pid_t pid = fork();
	if (pid == 0) {
		guest_pin((w->index + 1) % w->of);
		unsigned bad = 0;
		for (unsigned i = 0; i < 4; i++)
			bad += x[i * PAGE / 8] != round + i, x[i * PAGE / 8] = 0;
		if (!bad && round % 4 == 0)
			execl("/proc/self/exe", "init", "nothing", (char *)NULL);
		_exit(bad != 0 || round % 4 == 0);
	}
	for (unsigned i = 0; i < 2; i++)
		x[i * PAGE / 8] += 5;
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	bool good = status == 0;
	for (unsigned i = 0; i < 4; i++)
		good &= x[i * PAGE / 8] == round + i + (i < 2 ? 5 : 0);
	return good;
}

static void run_fork(struct worker *w)
{
	uint64_t *x = map_pages(4);

	for (unsigned round = 0; x && round < w->rounds; round++)
		expect(w, fork_round(w, x, round));
	if (!x)
		return expect(w, false);
	munmap(x, 4 * PAGE);
}

/* ---- pipes: bytes to a process on the next CPU and back ---- */

static void echo_pipe(int in, int out, unsigned cpu)
{
	char block[PAGE];
	ssize_t n;

	guest_pin(cpu);
	while ((n = read(in, block, sizeof block)) > 0)
		if (write(out, block, (size_t)n) != n)
			_exit(1);
	_exit(0);
}

static bool all_bytes(int fd, uint64_t *block)
{
	size_t got = 0;
	ssize_t n;

	while (got < PAGE && (n = read(fd, (char *)block + got, PAGE - got)) > 0)
		got += (size_t)n;
	return got == PAGE;
}

static void run_pipe(struct worker *w)
{
	int there[2], back[2], status = -1;
	uint64_t out[PAGE / 8], in[PAGE / 8], seed = w->index + 1;

	if (pipe(there) < 0 || pipe(back) < 0)
		return expect(w, false);
	pid_t pid = fork();
	if (pid == 0) {
		close(there[1]);
		echo_pipe(there[0], back[1], (w->index + 1) % w->of);
	}
	close(there[0]);
	for (unsigned round = 0; pid > 0 && round < w->rounds; round++) {
		for (unsigned i = 0; i < PAGE / 8; i++)
			out[i] = guest_next(&seed);
		expect(w, write(there[1], out, PAGE) == PAGE && all_bytes(back[0], in) &&
				  !memcmp(in, out, PAGE));
	}
	close(there[1]);
	close(back[0]);
	close(back[1]);
	if (pid > 0) /* others that were forked meanwhile may still have its pipe open */
		kill(pid, SIGKILL), waitpid(pid, &status, 0);
}

/* ---- nodes: pages go there, and what is in them is what was ---- */

/*
 * The kernel moves as many as it can: pages that something else holds stay, and then it has not said
 * of all where they are. Only what is in them is right or wrong.
 */
static bool move_to(void *const *page, unsigned n, int node)
{
	int nodes[8], status[8];

	for (unsigned i = 0; i < n; i++)
		nodes[i] = node;
	if (syscall(SYS_move_pages, 0, (unsigned long)n, page, nodes, status, 2 /* move */) >= 0)
		return true;
	return errno == ENOSYS || errno == ENODEV; /* a kernel, or a guest, without nodes */
}

static bool is_word(const uint64_t *at, uint64_t want, unsigned round)
{
	uint64_t is = *(volatile const uint64_t *)at;

	if (is != want)
		printf("guest: stress numa: round %u: %#llx at %p instead of %#llx\n", round,
		       (unsigned long long)is, (const void *)at, (unsigned long long)want);
	return is == want;
}

static void run_numa(struct worker *w)
{
	enum { N = 8 };
	uint64_t *x = map_pages(N);
	void *page[N];

	for (unsigned i = 0; x && i < N; i++) {
		page[i] = (char *)x + i * PAGE;
		x[i * PAGE / 8] = i;
	}
	for (unsigned round = 0; x && round < w->rounds; round++) {
		bool good = move_to(page, N, (int)((round + w->index) % 2));
		for (unsigned i = 0; i < N; i++) {
			good &= is_word(&x[i * PAGE / 8], i + round, round);
			x[i * PAGE / 8] = i + round + 1;
		}
		expect(w, good);
	}
	if (!x)
		return expect(w, false);
	munmap(x, N * PAGE);
}

/* ---- all ---- */

static const struct part parts[] = {
	{ "patterns", 4, run_patterns }, { "vm", 50, run_vm },	     { "futex", 50, run_futex },
	{ "mutex", 200, run_mutex },	 { "signals", 50, run_signals }, { "fork", 4, run_fork },
	{ "pipe", 20, run_pipe },	 { "numa", 6, run_numa },
};

static void *work(void *arg)
{
	struct worker *w = arg;

	w->wrong += !guest_pin(w->index);
	pthread_barrier_wait(&together);
	w->part->run(w);
	return NULL;
}

static void run_part(const struct part *p, unsigned scale)
{
	struct worker w[WORKERS_MAX];
	unsigned n = guest_cpus() < WORKERS_MAX ? guest_cpus() : WORKERS_MAX, done = 0, wrong = 0;
	double began = guest_now_ms();

	pthread_barrier_init(&together, NULL, n);
	for (unsigned i = 0; i < n; i++) {
		w[i] = (struct worker){ .part = p, .index = i, .of = n, .rounds = p->rounds * scale };
		if (pthread_create(&w[i].thread, NULL, work, &w[i]) != 0) {
			printf("guest: stress %s: no threads: bad\n", p->name);
			return;
		}
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(w[i].thread, NULL);
		done += w[i].done;
		wrong += w[i].wrong;
	}
	printf("guest: stress %s: %u on %u CPUs in %.1f s, %u wrong: %s\n", p->name, done, n,
	       (guest_now_ms() - began) / 1e3, wrong, done && !wrong ? "good" : "bad");
	pthread_barrier_destroy(&together);
}

void guest_stress(const char *only, unsigned scale)
{
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (!only || !strcmp(only, parts[i].name))
			run_part(&parts[i], scale);
}
