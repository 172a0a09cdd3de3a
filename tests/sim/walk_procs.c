/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages of page tables that several nodes write (shm/seg_walk.c), with processes for hosts and
 * threads for their processors: walkers set accessed bits in entries, as hardware does; kernels
 * change entries under a lock that lies in another page of the same memory, and tell others by
 * messages, as by interrupts. Frames of an entry only grow, so that a stale one is seen.
 *
 * walk_procs [NODES ROUNDS [signals]]
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libdvm/base/rng.h"
#include "shm/walked.h"
#include "tests/sim/procs.h"

enum { TABLES = 3, ENTRIES = 512, PAGE = 4096 };
enum { LOCK = 0, TRUTH = 1, TABLE = TRUTH + TABLES, ROOT = TABLE + TABLES, COUNTER, PAGES };

struct told {
	uint64_t table, entry, frame;
};

struct host {
	struct procs *p;
	int rounds;
	_Atomic bool stop;
	_Atomic uint64_t newest[TABLES][ENTRIES]; /* frames we were told of */
};

static void wrong(struct host *h, const char *what, uint64_t t, uint64_t i, uint64_t got,
		  uint64_t want)
{
	procs_fail(h->p, "%s: table %" PRIu64 " entry %" PRIu64 ": %" PRIx64 ", should be %" PRIx64,
		   what, t, i, got, want);
}

static _Atomic uint64_t *word(const struct host *h, unsigned page, uint64_t i)
{
	return (_Atomic uint64_t *)(void *)(h->p->base + (size_t)page * PAGE + i * 8);
}

static void on_message(void *arg, uint32_t from, const void *message, size_t len, uint64_t now)
{
	struct host *h = arg;
	struct told t;

	(void)from;
	(void)now;
	if (len != sizeof t)
		return;
	memcpy(&t, message, sizeof t);
	if (t.table < TABLES && t.entry < ENTRIES && t.frame > h->newest[t.table][t.entry])
		h->newest[t.table][t.entry] = t.frame;
}

/* ---- processors ---- */

/* What hardware does, and more: whoever was told of an entry never sees an older one. */
static void walk(struct host *h, struct dvmi_rng *rng, uint64_t *seen)
{
	uint64_t t = dvmi_rng_below(rng, TABLES), i = dvmi_rng_below(rng, ENTRIES);
	uint64_t told = h->newest[t][i], *last = &seen[t * ENTRIES + i];
	_Atomic uint64_t *p = word(h, TABLE + (unsigned)t, i);
	uint64_t e = atomic_load(p), set = DSM_PTE_ACCESSED;

	if (!(e & DSM_PTE_PRESENT))
		return;
	if (e & DSM_PTE_WRITE && dvmi_rng_below(rng, 2))
		set |= DSM_PTE_DIRTY;
	/* As hardware: only if it still is that entry. */
	atomic_compare_exchange_strong(p, &e, e | set);
	if (dsm_pte_frame(e) < told)
		wrong(h, "a stale entry after a message", t, i, dsm_pte_frame(e), told);
	if (dsm_pte_frame(e) < *last)
		wrong(h, "an entry went back", t, i, dsm_pte_frame(e), *last);
	*last = dsm_pte_frame(e);
}

static void *walker(void *arg)
{
	struct host *h = arg;
	uint64_t *seen = calloc(TABLES * ENTRIES, sizeof *seen);
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, h->p->self + 100);
	while (seen && !atomic_load(&h->stop))
		walk(h, &rng, seen);
	free(seen);
	return NULL;
}

static void lock(struct host *h)
{
	uint64_t free_ = 0;

	while (!atomic_compare_exchange_weak(word(h, LOCK, 0), &free_, h->p->self + 1)) {
		free_ = 0;
		usleep(50);
	}
}

static void unlock(struct host *h)
{
	atomic_store(word(h, LOCK, 0), 0);
}

/* All nodes have come here, each once; word I of the lock's page counts them, so that the memory says so. */
static void meet(struct host *h, uint64_t i)
{
	atomic_fetch_add(word(h, LOCK, i), 1);
	while (atomic_load(word(h, LOCK, i)) < h->p->nodes)
		usleep(100);
}

static void check_table(struct host *h, uint64_t t)
{
	uint64_t hardware = DSM_PTE_ACCESSED | DSM_PTE_DIRTY;

	for (uint64_t i = 0; i < ENTRIES; i++) {
		uint64_t e = atomic_load(word(h, TABLE + (unsigned)t, i));
		uint64_t truth = atomic_load(word(h, TRUTH + (unsigned)t, i));
		if ((e | hardware) != (truth | hardware))
			wrong(h, "under the lock", t, i, e, truth);
	}
}

static void tell(struct host *h, const struct told *t)
{
	dsm_node_enter(h->p->node);
	for (uint32_t i = 0; i < h->p->nodes; i++)
		if (i != h->p->self)
			dsm_node_post(h->p->node, i, 1, t, sizeof *t);
	dsm_node_leave(h->p->node);
}

/* One change of a table, as a kernel makes it. */
static void change(struct host *h, struct dvmi_rng *rng)
{
	uint64_t t = dvmi_rng_below(rng, TABLES), i = dvmi_rng_below(rng, 64);

	lock(h);
	check_table(h, t);
	_Atomic uint64_t *truth = word(h, TRUTH + (unsigned)t, i);
	uint64_t next = dsm_pte_frame(atomic_load(truth)) + 1;
	uint64_t e = next << 12 | DSM_PTE_PRESENT | DSM_PTE_ACCESSED |
		     (dvmi_rng_below(rng, 2) ? DSM_PTE_WRITE : 0);
	uint64_t old = atomic_exchange(word(h, TABLE + (unsigned)t, i), e);
	if (old & DSM_PTE_PRESENT && dsm_pte_frame(old) + 1 != next)
		wrong(h, "what was exchanged", t, i, old, next - 1);
	atomic_store(truth, e);
	unlock(h);
	tell(h, &(struct told){ t, i, next });
	usleep(200); /* a kernel does other things, too: others get the lock */
}

/* What processors here begin with leads to the tables. */
static unsigned roots(void *arg, struct dsm_root *root)
{
	(void)arg;
	root[0] = (struct dsm_root){ ROOT, 2 };
	return 1;
}

static void fill(struct host *h)
{
	for (unsigned t = 0; t < TABLES; t++)
		atomic_store(word(h, ROOT, t), (uint64_t)(TABLE + t) << 12 | DSM_PTE_PRESENT);
	for (unsigned t = 0; t < TABLES; t++)
		for (unsigned i = 0; i < 64; i++) {
			uint64_t e = UINT64_C(1) << 12 | DSM_PTE_PRESENT | DSM_PTE_ACCESSED;
			atomic_store(word(h, TABLE + t, i), e);
			atomic_store(word(h, TRUTH + t, i), e);
		}
}

/* The tables are given back, and what were entries are counters. */
static void reuse(struct host *h)
{
	/* The memory itself says so, or they would not know it. */
	if (h->p->self == 0) {
		lock(h); /* the last change of another node is known here, which the barrier does not see to */
		memset((void *)word(h, TABLE, 0), 0, (size_t)TABLES * PAGE);
		unlock(h);
		atomic_store(word(h, LOCK, 1), 1);
	}
	while (!atomic_load(word(h, LOCK, 1)))
		usleep(100);
	for (int i = 0; i < h->rounds; i++)
		atomic_fetch_add(word(h, TABLE + (unsigned)i % TABLES, 7), 1);
	meet(h, 2);
	uint64_t sum = 0, want = (uint64_t)h->rounds * h->p->nodes;
	for (unsigned t = 0; t < TABLES; t++)
		sum += atomic_load(word(h, TABLE + t, 7));
	if (sum != want)
		wrong(h, "a page that is data again", 0, 7, sum, want);
}

/* A page with nothing but a counter, which looks like a table for a quarter of the time. */
static void count(struct host *h)
{
	_Atomic uint64_t *counter = word(h, COUNTER, 0);
	uint64_t adds = 40 * (uint64_t)h->rounds;

	for (uint64_t i = 0; i < adds; i++) {
		atomic_fetch_add(counter, i ? 1 : PAGE);
		for (volatile unsigned k = 0; k < 500; k++)
			;
	}
	meet(h, 3);
	uint64_t sum = atomic_load(counter), want = (adds - 1 + PAGE) * h->p->nodes;
	if (sum != want)
		wrong(h, "a page with a counter", 0, 0, sum, want);
}

/* ---- a host ---- */

/* On a busy machine nodes take turns rather than fight for tables: then it takes more rounds. */
static bool was_used(struct host *h)
{
	struct dsm_walk_stats w;

	dsm_seg_walk_stats(h->p->seg, &w);
	return w.entered && w.diffs;
}

static void run(struct host *h)
{
	pthread_t thread;
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, h->p->self + 1);
	if (h->p->self == 0)
		fill(h);
	procs_meet(h->p);
	(void)atomic_load(word(h, ROOT, 0)); /* as walks do */
	pthread_create(&thread, NULL, walker, h);
	for (int i = 0; i < h->rounds || (i < 20 * h->rounds && !was_used(h)); i++)
		change(h, &rng);
	atomic_fetch_add(&h->p->sh->done, 1);
	while (atomic_load(&h->p->sh->done) < h->p->nodes)
		usleep(1000);
	atomic_store(&h->stop, true);
	pthread_join(thread, NULL);
	procs_meet(h->p);
	reuse(h);
	count(h);
}

static void report(struct host *h)
{
	struct dsm_walk_stats w;
	struct dsm_seg_stats s;

	dsm_seg_walk_stats(h->p->seg, &w);
	dsm_seg_stats(h->p->seg, &s);
	printf("# node %u: %" PRIu64 " faults, %" PRIu64 " messages; walked: %" PRIu64
	       " entered, %" PRIu64 " left, %" PRIu64 " differences, %" PRIu64
	       " conflicts, %" PRIu64 " of %" PRIu64 " flushes waited\n",
	       h->p->self, s.read_faults + s.write_faults, s.messages, w.entered, w.left, w.diffs,
	       w.conflicts, w.waits, w.flushes);
	if (!w.entered || !w.diffs)
		wrong(h, "the mode was never used", 0, 0, 0, 1);
	if (w.conflicts)
		wrong(h, "conflicts under a lock", 0, 0, w.conflicts, 0);
}

static int host(struct procs *p, void *arg)
{
	struct host *h = arg;
	p->roots = roots;
	int rc = procs_join(p, PAGES);

	if (rc < 0)
		return rc;
	h->p = p;
	dsm_node_serve(p->node, 1, &(struct dsm_service){ .message = on_message, .arg = h });
	procs_meet(p);
	run(h);
	report(h);
	return 0;
}

/* 0, 1, or 77: this system does not let us. */
static int world(uint32_t nodes, int rounds, uint32_t flags)
{
	struct host h = { .rounds = rounds };

	return procs_run(nodes, flags | DSM_WALKED, host, &h);
}

static int say(int number, int result, uint32_t nodes, uint32_t flags)
{
	printf("%s %d - tables of %u nodes%s%s\n", result && result != 77 ? "not ok" : "ok",
	       number, nodes, flags & DSM_SIGBUS ? ", faults as signals" : "",
	       result == 77 ? " # SKIP no userfaultfd" : "");
	return result && result != 77;
}

int main(int argc, char **argv)
{
	static const struct {
		uint32_t nodes;
		int rounds;
		uint32_t flags;
	} worlds[] = { { 2, 1000, 0 }, { 3, 500, 0 }, { 2, 500, DSM_SIGBUS }, { 4, 300, DSM_SIGBUS } };
	int bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 2) {
		uint32_t n = (uint32_t)atoi(argv[1]), flags = argc > 3 ? DSM_SIGBUS : 0;
		puts("1..1");
		return n < 2 || n > PROCS_MAX ? 99 : say(1, world(n, atoi(argv[2]), flags), n, flags);
	}
	puts("1..4");
	for (int i = 0; i < 4; i++)
		bad |= say(i + 1, world(worlds[i].nodes, worlds[i].rounds, worlds[i].flags),
			   worlds[i].nodes, worlds[i].flags);
	return bad;
}
