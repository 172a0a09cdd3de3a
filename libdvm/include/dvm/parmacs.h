/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm: shared-memory programs in the style of the ANL macros (PARMACS), as many suites of programs
 * for shared memory are written. One process per rank, on any number of nodes. No m4 is needed:
 *
 *	gcc -x c -include dvm/parmacs.h prog.C -ldvm -lm
 *	dvm run -n 4 ./a.out -p 4
 *
 * The program must want as many processes as the job has ranks (or fewer: the others end). What it
 * expects of its system is what fork() gives: until CREATE there is one process, afterwards each
 * has the private variables as they were then, and memory of G_MALLOC is common. So every rank runs
 * main() up to CREATE, the others than rank 0 in a private copy of the common memory and without
 * output. That must do the same at all of them: it may read arguments and files, not the clock for
 * anything that matters. Functions and private variables have the same addresses at all of them, so
 * pointers to functions may lie in common memory (where the system lets a program have that: it is
 * started anew, once, before main()). Standard input is handed to all ranks if $DVM_PARMACS_INPUT is set.
 *
 *	MAIN_ENV EXTERN_ENV		in one file, in the others: outside of functions
 *	MAIN_INITENV(, bytes)		first of main(); bytes for G_MALLOC at least, else as much of 1 GiB
 *					as there is room for; $DVM_PARMACS_BYTES wins
 *	MAIN_END			last of it
 *	CREATE(f)			one more process runs f(); WAIT_FOR_END(n): n of them have ended
 *	CREATE(f, n)			n processes run f(), this one among them
 *	G_MALLOC(n) G_MALLOC_F(n)	common memory; NU_MALLOC(n, node): the same; G_FREE(p)
 *	LOCKDEC(l) LOCKINIT(l) LOCK(l) UNLOCK(l)
 *	ALOCKDEC(l, n) ALOCKINIT(l, n) ALOCK(l, i) AULOCK(l, i)	(AULOCK = UNLOCK of one)
 *	BARDEC(b) BARINIT(b[, n]) BARRIER(b, n)
 *	PAUSEDEC(p) PAUSEINIT(p) CLEARPAUSE(p) SETPAUSE(p) WAITPAUSE(p)
 *	GSDEC(g) GSINIT(g) GETSUB(g, i, max, n)		i from 0 to max, each once, then -1
 *	CLOCK(t)			microseconds
 *
 * Locks, barriers and so on must lie in common memory, and are known by their address. They are
 * those of dvm/sync.h. If $DVM_PARMACS_STAT is set, each rank says in the end how long it took from
 * CREATE on and what has travelled. An error ends the job.
 */
#ifndef DVM_PARMACS_H
#define DVM_PARMACS_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "dvm/coll.h"
#include "dvm/dvm.h"
#include "dvm/sync.h"

#define DVM_PARMACS_LINE    64u
#define DVM_PARMACS_PAGE    4096u
#define DVM_PARMACS_DEFAULT (UINT64_C(1) << 30) /* less where the nodes have not that much */
#define DVM_PARMACS_LEAST   (UINT64_C(64) << 20)

/* Numbers of the layer's own barriers: no address is as low. */
#define DVM_PARMACS_START 1u
#define DVM_PARMACS_END	  (1u << 16)

struct dvm_parmacs {
	dvm_t *d;
	dvm_seg_t *seg;
	char *base;
	uint64_t bytes, taken; /* taken: before CREATE */
	int rank, size;
	int created;	/* calls of CREATE so far */
	int parallel;	/* past the first CREATE: common memory is common */
	int output;	/* the real standard output, while it is muted; -1 */
	double started;
};

typedef struct { uint64_t unused; } dvm_parmacs_name_t;
typedef struct { volatile int64_t value; } dvm_parmacs_flag_t;

extern struct dvm_parmacs dvm_parmacs;

static inline double dvm_parmacs_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* After fork() they would be the same; here the system must not choose others for each process. */
static inline void dvm_parmacs_same_addresses(int argc, char **argv)
{
	int now = personality(0xffffffff);

	if (argc < 1 || now < 0 || now & ADDR_NO_RANDOMIZE || !getenv("DVM_SHEPHERD"))
		return;
	if (personality((unsigned long)now | ADDR_NO_RANDOMIZE) >= 0)
		execv("/proc/self/exe", argv);
}

static inline void dvm_parmacs_must(int rc, const char *what)
{
	char text[128];

	if (rc >= 0)
		return;
	snprintf(text, sizeof text, "%s: %s", what, dvm_strerror(rc));
	fprintf(stderr, "rank %d: %s\n", dvm_parmacs.rank, text);
	dvm_abort(dvm_parmacs.d, 1, text);
	_exit(1);
}

static inline void dvm_parmacs_mute(void)
{
	struct dvm_parmacs *p = &dvm_parmacs;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	fflush(stdout);
	p->output = fcntl(1, F_DUPFD_CLOEXEC, 3);
	if (null >= 0 && p->output >= 0)
		dup2(null, 1);
	if (null >= 0)
		close(null);
}

static inline void dvm_parmacs_unmute(void)
{
	fflush(stdout);
	if (dvm_parmacs.output >= 0) {
		dup2(dvm_parmacs.output, 1);
		close(dvm_parmacs.output);
	}
	dvm_parmacs.output = -1;
}

/* What rank 0 finds in its standard input, all others find in theirs. */
static inline void dvm_parmacs_input(void)
{
	struct dvm_parmacs *p = &dvm_parmacs;
	static char buf[65536];
	FILE *file = tmpfile();

	dvm_parmacs_must(file ? 0 : -ENOMEM, "input");
	for (int64_t n = 1; n > 0;) {
		n = p->rank == 0 ? (int64_t)read(0, buf, sizeof buf) : 0;
		dvm_parmacs_must(dvm_bcast(dvm_world(p->d), &n, sizeof n, 0), "input");
		if (n <= 0)
			break;
		dvm_parmacs_must(dvm_bcast(dvm_world(p->d), buf, (size_t)n, 0), "input");
		dvm_parmacs_must(fwrite(buf, 1, (size_t)n, file) == (size_t)n ? 0 : -EIO, "input");
	}
	rewind(file);
	dvm_parmacs_must(dup2(fileno(file), 0) < 0 ? -EIO : 0, "input");
}

/* The same memory as rank 0 has, but private. */
static inline void dvm_parmacs_pretend(void)
{
	struct dvm_parmacs *p = &dvm_parmacs;

	dvm_parmacs_must(dvm_seg_detach(p->seg), "detach");
	void *at = mmap(p->base, p->bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
	dvm_parmacs_must(at == MAP_FAILED ? -ENOMEM : 0, "private memory");
	dvm_parmacs_mute();
}

static inline void dvm_parmacs_at_exit(int status, void *arg);

/* What nobody has named may be less; all ranks are told the same. */
static inline int dvm_parmacs_make(dvm_seg_config_t *c, uint64_t least, dvm_error_t *err)
{
	struct dvm_parmacs *p = &dvm_parmacs;
	int rc;

	while ((rc = dvm_seg_create(dvm_world(p->d), c, &p->seg, err)) == -ENOMEM &&
	       c->bytes / 2 >= least)
		c->bytes /= 2;
	return rc;
}

static inline void dvm_parmacs_begin(uint64_t bytes)
{
	struct dvm_parmacs *p = &dvm_parmacs;
	const char *wanted = getenv("DVM_PARMACS_BYTES");
	dvm_seg_config_t c = { 0 };
	dvm_error_t err = { 0 };

	if (dvm_open(&p->d, NULL, &err) < 0) {
		fprintf(stderr, "dvm_open: %s\n", err.text);
		exit(1);
	}
	p->rank = dvm_rank(p->d);
	p->size = dvm_size(p->d);
	p->output = -1;
	bytes = bytes + bytes / 4 < DVM_PARMACS_LEAST ? DVM_PARMACS_LEAST : bytes + bytes / 4;
	c.size = sizeof c;
	c.bytes = wanted ? strtoull(wanted, NULL, 0) :
		  bytes < DVM_PARMACS_DEFAULT ? DVM_PARMACS_DEFAULT : bytes;
	c.name = "parmacs";
	c.homes = DVM_HOMES_FIRST_TOUCH;
	if (getenv("DVM_PARMACS_PROTOCOL"))
		c.flags |= DVM_SEG_PROTOCOL;
	if (getenv("DVM_PARMACS_IVY"))
		c.flags |= DVM_SEG_PROTOCOL | DVM_SEG_BASELINE_IVY;
	const char *consistency = getenv("DVM_PARMACS_CONSISTENCY");
	if (consistency && strcmp(consistency, "release") == 0)
		c.consistency = DVM_SEG_RELEASE;
	else if (consistency && strcmp(consistency, "read-mostly") == 0)
		c.consistency = DVM_SEG_READ_MOSTLY;
	int rc = dvm_parmacs_make(&c, wanted ? c.bytes : bytes, &err);
	dvm_parmacs_must(rc, err.text[0] ? err.text : "dvm_seg_create");
	p->base = (char *)dvm_seg_base(p->seg);
	p->bytes = dvm_seg_size(p->seg);
	if (getenv("DVM_PARMACS_INPUT"))
		dvm_parmacs_input();
	on_exit(dvm_parmacs_at_exit, NULL);
	if (p->rank)
		dvm_parmacs_pretend();
}

/* Before CREATE every rank finds the same addresses by itself. */
static inline void *dvm_parmacs_alloc(uint64_t n)
{
	struct dvm_parmacs *p = &dvm_parmacs;
	uint64_t align = n >= DVM_PARMACS_PAGE ? DVM_PARMACS_PAGE : DVM_PARMACS_LINE;
	void *out;

	if (p->parallel)
		return dvm_seg_alloc(p->seg, n ? n : 1, 0, &out) < 0 ? NULL : out;
	p->taken = (p->taken + align - 1) / align * align;
	if (n > p->bytes - p->taken)
		return NULL;
	out = p->base + p->taken;
	p->taken += n;
	return out;
}

static inline void dvm_parmacs_free(void *at)
{
	/* What was taken before CREATE stays. */
	if (dvm_parmacs.parallel && (char *)at >= dvm_parmacs.base + dvm_parmacs.taken)
		dvm_seg_free(dvm_parmacs.seg, at);
}

/* From here on common memory is common; what was taken before is kept from the allocator. */
static inline void dvm_parmacs_go_parallel(void)
{
	struct dvm_parmacs *p = &dvm_parmacs;
	void *first = p->base;

	if (p->parallel)
		return;
	p->parallel = 1;
	p->started = dvm_parmacs_now();
	p->taken = (p->taken + DVM_PARMACS_PAGE) / DVM_PARMACS_PAGE * DVM_PARMACS_PAGE;
	fflush(stdout);
	if (p->rank == 0) {
		dvm_parmacs_must(dvm_seg_alloc(p->seg, p->taken, 0, &first), "first allocation");
		dvm_parmacs_must(first == p->base ? 0 : -ENOMEM, "first allocation");
		return;
	}
	munmap(p->base, p->bytes);
	dvm_parmacs_must(dvm_seg_attach(p->d, "parmacs", &p->seg, NULL), "attach");
}

static inline void dvm_parmacs_stat(void)
{
	struct dvm_parmacs *p = &dvm_parmacs;
	dvm_seg_stat_t s = { .size = sizeof s };

	if (!getenv("DVM_PARMACS_STAT") || dvm_seg_stat(p->seg, &s) < 0)
		return;
	fprintf(stderr,
		"parmacs rank %d seconds %.6f reads %llu writes %llu units %llu messages %llu "
		"bytes %llu\n",
		p->rank, dvm_parmacs_now() - p->started, (unsigned long long)s.read_faults,
		(unsigned long long)s.write_faults, (unsigned long long)s.units_got,
		(unsigned long long)s.messages, (unsigned long long)s.message_bytes);
}

/* All ranks come here in the end, on different ways. */
static inline void dvm_parmacs_leave(void)
{
	struct dvm_parmacs *p = &dvm_parmacs;

	if (!p->d)
		return;
	dvm_parmacs_stat();
	fflush(stdout);
	dvm_parmacs_must(dvm_seg_destroy(p->seg), "dvm_seg_destroy");
	int rc = dvm_close(p->d);
	p->d = NULL;
	dvm_parmacs_must(rc, "dvm_close");
}

/* A program may end without MAIN_END. When one process fails, all do. */
static inline void dvm_parmacs_at_exit(int status, void *arg)
{
	(void)arg;
	if (status && dvm_parmacs.d)
		dvm_abort(dvm_parmacs.d, status & 255 ? status & 255 : 1, "exit");
	else
		dvm_parmacs_leave();
}

static inline void dvm_parmacs_meet(uint64_t id, uint32_t n)
{
	dvm_parmacs_must(dvm_seg_barrier(dvm_parmacs.seg, id, n), "BARRIER");
}

/* A process that was created: runs F and ends. */
static inline void dvm_parmacs_become(void (*f)(void))
{
	struct dvm_parmacs *p = &dvm_parmacs;

	dvm_parmacs_go_parallel();
	dvm_parmacs_meet(DVM_PARMACS_START + (uint64_t)p->rank, 2);
	dvm_parmacs_unmute();
	f();
	fflush(stdout);
	dvm_parmacs_meet(DVM_PARMACS_END + (uint64_t)p->rank, 2);
	dvm_parmacs_leave();
	exit(0);
}

static inline void dvm_parmacs_create(void (*f)(void))
{
	struct dvm_parmacs *p = &dvm_parmacs;
	int n = ++p->created;

	if (n >= p->size)
		dvm_parmacs_must(-DVM_ENOSLOTS, "CREATE: the job has not as many ranks");
	if (p->rank == n)
		dvm_parmacs_become(f);
	if (p->rank)
		return;
	dvm_parmacs_go_parallel();
	dvm_parmacs_meet(DVM_PARMACS_START + (uint64_t)n, 2);
}

static inline void dvm_parmacs_create_all(void (*f)(void), int n)
{
	while (dvm_parmacs.created < n - 1)
		dvm_parmacs_create(f);
	/* Ranks that nobody wants. */
	if (dvm_parmacs.rank > dvm_parmacs.created) {
		dvm_parmacs_go_parallel();
		dvm_parmacs_leave();
		exit(0);
	}
	dvm_parmacs_go_parallel();
	f();
}

/* All that were created are waited for, however many N says. */
static inline void dvm_parmacs_wait(void)
{
	struct dvm_parmacs *p = &dvm_parmacs;

	for (int r = 1; p->rank == 0 && r <= p->created; r++)
		dvm_parmacs_meet(DVM_PARMACS_END + (uint64_t)r, 2);
	if (p->rank == 0)
		p->created = 0;
}

static inline void dvm_parmacs_end(void)
{
	dvm_parmacs_go_parallel();
	dvm_parmacs_leave();
	exit(0);
}

/* There is nobody else before CREATE. */
static inline void dvm_parmacs_lock(const volatile void *l)
{
	if (dvm_parmacs.parallel)
		dvm_parmacs_must(dvm_lock_acquire(dvm_parmacs.seg, (uintptr_t)l), "LOCK");
}

static inline void dvm_parmacs_unlock(const volatile void *l)
{
	if (dvm_parmacs.parallel)
		dvm_parmacs_must(dvm_lock_release(dvm_parmacs.seg, (uintptr_t)l), "UNLOCK");
}

static inline void dvm_parmacs_barrier(const volatile void *b, uint32_t n)
{
	if (dvm_parmacs.parallel)
		dvm_parmacs_meet((uintptr_t)b, n);
}

static inline void dvm_parmacs_set(dvm_parmacs_flag_t *f, int value)
{
	dvm_parmacs_lock(f);
	f->value = value;
	if (dvm_parmacs.parallel && value)
		dvm_parmacs_must(dvm_cond_broadcast(dvm_parmacs.seg, (uintptr_t)f), "SETPAUSE");
	dvm_parmacs_unlock(f);
}

static inline void dvm_parmacs_await(dvm_parmacs_flag_t *f)
{
	uintptr_t id = (uintptr_t)f;

	dvm_parmacs_lock(f);
	while (dvm_parmacs.parallel && !f->value)
		dvm_parmacs_must(dvm_cond_wait(dvm_parmacs.seg, id, id, -1), "WAITPAUSE");
	dvm_parmacs_unlock(f);
}

/* The last number is given; who comes then waits for the others, and all begin anew. */
static inline int64_t dvm_parmacs_next(dvm_parmacs_flag_t *g, int64_t max, uint32_t n)
{
	dvm_parmacs_lock(g);
	int64_t i = g->value <= max ? g->value++ : -1;
	dvm_parmacs_unlock(g);
	if (i >= 0)
		return i;
	dvm_parmacs_barrier(g, n);
	g->value = 0;
	dvm_parmacs_barrier(g, n);
	return -1;
}

static inline uint64_t dvm_parmacs_clock(void)
{
	struct timeval t;

	gettimeofday(&t, NULL);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_usec;
}

#define DVM_PARMACS_1ST(a, ...)	   a
#define DVM_PARMACS_2ND(a, b, ...) b
#define DVM_PARMACS_3RD(a, b, c, ...) c
#define DVM_PARMACS_F(f) ((void (*)(void))(uintptr_t)(f))
#define DVM_PARMACS_CREATE_1(f, ...)	dvm_parmacs_create(DVM_PARMACS_F(f))
#define DVM_PARMACS_CREATE_2(f, n, ...) dvm_parmacs_create_all(DVM_PARMACS_F(f), (int)(n))

#define MAIN_ENV                                                                                   \
	struct dvm_parmacs dvm_parmacs;                                                            \
	__attribute__((constructor)) static void dvm_parmacs_at_start(int argc, char **argv)       \
	{                                                                                          \
		dvm_parmacs_same_addresses(argc, argv);                                            \
	}
#define EXTERN_ENV	  extern struct dvm_parmacs dvm_parmacs;
#define ENV		  EXTERN_ENV
#define MAIN_INITENV(...) dvm_parmacs_begin((uint64_t)(DVM_PARMACS_2ND(__VA_ARGS__, 0, 0)));
#define MAIN_END	  dvm_parmacs_end();
#define INITENV(...)
#define CREATE(...)                                                                                \
	DVM_PARMACS_3RD(__VA_ARGS__, DVM_PARMACS_CREATE_2, DVM_PARMACS_CREATE_1, 0)(__VA_ARGS__, 0);
#define WAIT_FOR_END(n)	    dvm_parmacs_wait();
#define G_MALLOC(...)	    dvm_parmacs_alloc((uint64_t)(DVM_PARMACS_1ST(__VA_ARGS__, 0)))
#define G_MALLOC_F(...)	    G_MALLOC(__VA_ARGS__)
#define NU_MALLOC(...)	    G_MALLOC(__VA_ARGS__)
#define NU_MALLOC_F(...)    G_MALLOC(__VA_ARGS__)
#define G_FREE(...)	    dvm_parmacs_free((void *)(uintptr_t)(DVM_PARMACS_1ST(__VA_ARGS__, 0)));
#define G_MEMINIT(...)
#define LOCKDEC(l)	    dvm_parmacs_name_t l;
#define LOCKINIT(l)
#define LOCK(l)		    dvm_parmacs_lock(&(l));
#define UNLOCK(l)	    dvm_parmacs_unlock(&(l));
#define NLOCKDEC(l)	    LOCKDEC(l)
#define ALOCKDEC(l, n)	    dvm_parmacs_name_t l[n];
#define ALOCKINIT(l, n)
#define ALOCK(l, i)	    dvm_parmacs_lock(&(l)[i]);
#define AULOCK(l, i)	    dvm_parmacs_unlock(&(l)[i]);
#define AUNLOCK(l, i)	    AULOCK(l, i)
#define ALOCK_INIT(l, n)
#define BARDEC(b)	    dvm_parmacs_name_t b;
#define BARINIT(...)
#define BARRIER(b, n)	    dvm_parmacs_barrier(&(b), (uint32_t)(n));
#define BARREINIT(...)
#define PAUSEDEC(p)	    dvm_parmacs_flag_t p;
#define PAUSEINIT(p)	    dvm_parmacs_set(&(p), 0);
#define CLEARPAUSE(p)	    dvm_parmacs_set(&(p), 0);
#define SETPAUSE(p)	    dvm_parmacs_set(&(p), 1);
#define WAITPAUSE(p)	    dvm_parmacs_await(&(p));
#define EVENTDEC(p)	    PAUSEDEC(p)
#define GSDEC(g)	    dvm_parmacs_flag_t g;
#define GSINIT(g)	    (g).value = 0;
#define GETSUB(g, i, max, n) (i) = dvm_parmacs_next(&(g), (max), (uint32_t)(n));
#define CLOCK(t)	    (t) = (__typeof__(t))dvm_parmacs_clock();
#define GET_PID(p)	    (p) = dvm_parmacs.rank;
#define AUG_ON
#define AUG_OFF
#define PROGRESS(...)

#endif
