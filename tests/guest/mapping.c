/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mappings that one thread changes and another one, on another CPU, uses: mremap, mprotect, munmap,
 * fork and what is copied then, soft-dirty bits. In a guest over several hosts the two CPUs are those
 * of different hosts; on any other Linux it is the same program and has to say the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/guest/mapping.h"

#define PAGE 4096u

enum what { READ_IT, WRITE_IT, END };

/* What the other thread shall do, and what became of it. */
struct other {
	pthread_t thread;
	int cpu;
	_Atomic unsigned asked, done;
	enum what what;
	volatile uint64_t *at;
	uint64_t value; /* to be written, or that was read */
	bool faulted;
};

struct counts {
	unsigned stale, through, alive, copied, lost, failed;
};

static __thread sigjmp_buf back;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static void go_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof set, &set);
}

/* Until *WORD is N: looks for a while by itself, as it is short where there are two CPUs. */
static void await(const _Atomic unsigned *word, unsigned n)
{
	for (unsigned i = 0; atomic_load(word) != n; i++)
		if (i % 10000 == 9999)
			sched_yield();
}

static void touch(struct other *o)
{
	o->faulted = sigsetjmp(back, 1) != 0;
	if (o->faulted)
		return;
	if (o->what == WRITE_IT)
		*o->at = o->value;
	else
		o->value = *o->at;
}

static void *serve(void *arg)
{
	struct other *o = arg;

	go_to(o->cpu);
	for (unsigned n = 1;; n++) {
		await(&o->asked, n);
		if (o->what == END)
			return NULL;
		touch(o);
		atomic_store(&o->done, n);
	}
}

static void ask(struct other *o, enum what what, volatile uint64_t *at, uint64_t value)
{
	o->what = what;
	o->at = at;
	o->value = value;
	unsigned n = atomic_fetch_add(&o->asked, 1) + 1;
	if (what != END)
		await(&o->done, n);
}

static void *pages(void *at, unsigned n)
{
	void *p = mmap(at, n * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Another page comes to the place: the other thread sees what is there now. */
static void move(struct other *o, volatile uint64_t *x, uint64_t i, struct counts *c)
{
	uint64_t *fresh = pages(NULL, 1);

	if (!fresh) {
		c->failed++;
		return;
	}
	*fresh = i;
	c->failed += mremap(fresh, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)x) ==
		     MAP_FAILED;
	ask(o, READ_IT, x, 0);
	c->stale += o->faulted || o->value != i;
}

/* It may not be written: the other thread cannot. Then it may again. */
static void protect(struct other *o, volatile uint64_t *x, uint64_t i, struct counts *c)
{
	c->failed += mprotect((void *)x, PAGE, PROT_READ) != 0;
	ask(o, WRITE_IT, x, ~i);
	c->through += !o->faulted || *x != i;
	c->failed += mprotect((void *)x, PAGE, PROT_READ | PROT_WRITE) != 0;
	ask(o, WRITE_IT, x, i + 1);
	c->stale += o->faulted || *x != i + 1;
}

/* It is gone; what comes there later is zero. */
static void unmap(struct other *o, volatile uint64_t *y, uint64_t i, struct counts *c)
{
	ask(o, WRITE_IT, y, i);
	c->stale += o->faulted || *y != i;
	c->failed += munmap((void *)y, PAGE) != 0;
	ask(o, READ_IT, y, 0);
	c->alive += !o->faulted;
	c->failed += !pages((void *)y, 1);
	ask(o, READ_IT, y, 1);
	c->stale += o->faulted || o->value != 0;
}

/* The child keeps what was there; what the other thread writes then is the parent's. */
static void copy(struct other *o, volatile uint64_t *x, uint64_t i, struct counts *c)
{
	int go[2], status = -1;
	char byte = 0;

	*x = i;
	if (pipe(go) < 0) {
		c->failed++;
		return;
	}
	pid_t pid = fork();
	if (pid == 0) {
		bool first = *x == i, told = read(go[0], &byte, 1) == 1;
		_exit(!(first && told && *x == i));
	}
	ask(o, WRITE_IT, x, i + 7);
	c->stale += o->faulted || *x != i + 7;
	c->failed += pid < 0 || write(go[1], &byte, 1) != 1;
	if (pid > 0)
		waitpid(pid, &status, 0);
	c->copied += status != 0 || *x != i + 7;
	close(go[0]);
	close(go[1]);
}

/* ---- soft-dirty bits: who has written is found by write protection ---- */

static bool soft_dirty(const volatile uint64_t *at)
{
	uint64_t e = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	off_t where = (off_t)((uintptr_t)at / PAGE * sizeof e);

	if (fd < 0 || pread(fd, &e, sizeof e, where) != sizeof e)
		e = 0;
	if (fd >= 0)
		close(fd);
	return e >> 55 & 1;
}

static bool clear_dirty(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, "4", 1) == 1;

	if (fd >= 0)
		close(fd);
	return good;
}

/* Whether this kernel has them. */
static bool can_track(volatile uint64_t *x)
{
	*x = 1;
	if (!clear_dirty() || soft_dirty(x))
		return false;
	*x = 2;
	return soft_dirty(x);
}

static void track(struct other *o, volatile uint64_t *x, uint64_t i, struct counts *c)
{
	if (!clear_dirty())
		return;
	ask(o, WRITE_IT, x, i);
	c->lost += o->faulted || !soft_dirty(x);
}

/* ---- all ---- */

static void round_of(struct other *o, volatile uint64_t *x, uint64_t i, bool tracks, struct counts *c)
{
	move(o, x, i, c);
	protect(o, x, i, c);
	unmap(o, x + PAGE / 8, i, c);
	if (i % 16 == 0)
		copy(o, x, i, c);
	if (tracks && i % 4 == 0)
		track(o, x, i, c);
}

static void say(unsigned rounds, const struct other *o, bool tracks, const struct counts *c)
{
	bool good = !(c->stale + c->through + c->alive + c->copied + c->lost + c->failed);

	printf("guest: mapping %u rounds on cpus 0 and %d: %u stale, %u written through, %u alive "
	       "after munmap, %u copies wrong, %u dirty bits lost%s, %u calls failed: %s\n",
	       rounds, o->cpu, c->stale, c->through, c->alive, c->copied, c->lost,
	       tracks ? "" : " (not tracked)", c->failed, good ? "good" : "bad");
}

int guest_mapping(unsigned rounds)
{
	struct other o = { .cpu = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1 };
	struct sigaction sa = { .sa_handler = on_fault };
	struct counts c = { 0 };
	volatile uint64_t *x = pages(NULL, 2);

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	if (!x || pthread_create(&o.thread, NULL, serve, &o) != 0)
		return -ENOMEM;
	go_to(0);
	bool tracks = can_track(x);
	for (unsigned i = 1; i <= rounds; i++)
		round_of(&o, x, i, tracks, &c);
	ask(&o, END, x, 0);
	pthread_join(o.thread, NULL);
	say(rounds, &o, tracks, &c);
	munmap((void *)x, 2 * PAGE);
	return c.stale || c.through || c.alive || c.copied || c.lost || c.failed;
}
