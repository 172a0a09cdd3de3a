/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages of page tables that several nodes write (shm/seg_walk.c), with processes for hosts and
 * threads for their processors: walkers set accessed bits in entries, as hardware does; kernels
 * change entries under a lock that lies in another page of the same memory, and tell others by
 * messages, as by interrupts. Frames of an entry only grow, so that a stale one is seen.
 *
 * walk_procs [NODES ROUNDS [signals]]
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libdvm/base/clock.h"
#include "libdvm/base/rng.h"
#include "shm/dsm.h"
#include "shm/walked.h"

enum { NODES_MAX = 4, TABLES = 3, ENTRIES = 512, PAGE = 4096 };
enum { LOCK = 0, TRUTH = 1, TABLE = TRUTH + TABLES, PAGES = TABLE + TABLES };

struct told {
	uint64_t table, entry, frame;
};

/* Between the processes, beside the memory that is tested. */
struct shared {
	pthread_barrier_t barrier;
	uint64_t exchange[NODES_MAX][512];
	_Atomic uint32_t failures, done;
};

struct host {
	uint32_t self, nodes;
	int rounds;
	struct shared *sh;
	struct dvmi_log log;
	struct dsm_mesh *mesh;
	struct dsm_node *node;
	struct dsm_seg *seg;
	uint8_t *base;
	char dir[64];
	_Atomic bool stop;
	_Atomic uint64_t newest[TABLES][ENTRIES]; /* frames we were told of */
};

static void wrong(struct host *h, const char *what, uint64_t t, uint64_t i, uint64_t got,
		  uint64_t want)
{
	if (atomic_fetch_add(&h->sh->failures, 1) < 5)
		printf("# node %u: %s: table %" PRIu64 " entry %" PRIu64 ": %" PRIx64
		       ", should be %" PRIx64 "\n",
		       h->self, what, t, i, got, want);
}

static _Atomic uint64_t *word(const struct host *h, unsigned page, uint64_t i)
{
	return (_Atomic uint64_t *)(void *)(h->base + (size_t)page * PAGE + i * 8);
}

static uint64_t frame(uint64_t e)
{
	return (e & UINT64_C(0x000ffffffffff000)) >> 12;
}

static int exchange(void *arg, const void *mine, void *all, size_t each)
{
	struct host *h = arg;

	if (each > sizeof h->sh->exchange[0])
		return -EINVAL;
	memcpy(h->sh->exchange[h->self], mine, each);
	pthread_barrier_wait(&h->sh->barrier);
	for (uint32_t i = 0; i < h->nodes; i++)
		memcpy((uint8_t *)all + i * each, h->sh->exchange[i], each);
	pthread_barrier_wait(&h->sh->barrier);
	return 0;
}

static uint32_t home(void *arg, uint64_t page)
{
	return (uint32_t)(page % ((struct host *)arg)->nodes);
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
	if (frame(e) < told)
		wrong(h, "a stale entry after a message", t, i, frame(e), told);
	if (frame(e) < *last)
		wrong(h, "an entry went back", t, i, frame(e), *last);
	*last = frame(e);
}

static void *walker(void *arg)
{
	struct host *h = arg;
	uint64_t *seen = calloc(TABLES * ENTRIES, sizeof *seen);
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, h->self + 100);
	while (seen && !atomic_load(&h->stop))
		walk(h, &rng, seen);
	free(seen);
	return NULL;
}

static void lock(struct host *h)
{
	uint64_t free_ = 0;

	while (!atomic_compare_exchange_weak(word(h, LOCK, 0), &free_, h->self + 1)) {
		free_ = 0;
		usleep(50);
	}
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
	dsm_node_enter(h->node);
	for (uint32_t i = 0; i < h->nodes; i++)
		if (i != h->self)
			dsm_node_post(h->node, i, 1, t, sizeof *t);
	dsm_node_leave(h->node);
}

/* One change of a table, as a kernel makes it. */
static void change(struct host *h, struct dvmi_rng *rng)
{
	uint64_t t = dvmi_rng_below(rng, TABLES), i = dvmi_rng_below(rng, 64);

	lock(h);
	check_table(h, t);
	_Atomic uint64_t *truth = word(h, TRUTH + (unsigned)t, i);
	uint64_t next = frame(atomic_load(truth)) + 1;
	uint64_t e = next << 12 | DSM_PTE_PRESENT | DSM_PTE_ACCESSED |
		     (dvmi_rng_below(rng, 2) ? DSM_PTE_WRITE : 0);
	uint64_t old = atomic_exchange(word(h, TABLE + (unsigned)t, i), e);
	if (old & DSM_PTE_PRESENT && frame(old) + 1 != next)
		wrong(h, "what was exchanged", t, i, old, next - 1);
	atomic_store(truth, e);
	atomic_store(word(h, LOCK, 0), 0);
	tell(h, &(struct told){ t, i, next });
	usleep(200); /* a kernel does other things, too: others get the lock */
}

static void fill(struct host *h)
{
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
	if (h->self == 0) {
		memset((void *)word(h, TABLE, 0), 0, (size_t)TABLES * PAGE);
		atomic_store(word(h, LOCK, 1), 1);
	}
	while (!atomic_load(word(h, LOCK, 1)))
		usleep(100);
	for (int i = 0; i < h->rounds; i++)
		atomic_fetch_add(word(h, TABLE + (unsigned)i % TABLES, 7), 1);
	atomic_fetch_add(word(h, LOCK, 2), 1);
	while (atomic_load(word(h, LOCK, 2)) < h->nodes)
		usleep(100);
	uint64_t sum = 0, want = (uint64_t)h->rounds * h->nodes;
	for (unsigned t = 0; t < TABLES; t++)
		sum += atomic_load(word(h, TABLE + t, 7));
	if (sum != want)
		wrong(h, "a page that is data again", 0, 7, sum, want);
}

/* ---- a host ---- */

static int join(struct host *h, uint32_t flags)
{
	struct dsm_mesh_config mc = { .self = h->self,
				      .nodes = h->nodes,
				      .interface = "127.0.0.1",
				      .key = 4711,
				      .dir = h->dir,
				      .log = &h->log,
				      .exchange = exchange,
				      .arg = h };
	int rc = dsm_mesh_create(&h->mesh, &mc);
	if (rc < 0)
		return rc;
	rc = dsm_node_create(&h->node, &(struct dsm_node_config){
					       .self = h->self,
					       .nodes = h->nodes,
					       .link = dsm_mesh_link(h->mesh, &h->node),
					       .log = &h->log,
				       });
	if (rc < 0)
		return rc;
	dsm_node_serve(h->node, 1, &(struct dsm_service){ .message = on_message, .arg = h });
	rc = dsm_seg_create(h->node, &h->seg,
			    &(struct dsm_seg_config){ .bytes = PAGES * PAGE,
						      .unit = PAGE,
						      .flags = flags | DSM_WALKED,
						      .hold = 20000,
						      .home = home,
						      .home_arg = h });
	if (rc == 0)
		h->base = dsm_seg_base(h->seg);
	return rc;
}

/* On a busy machine nodes take turns rather than fight for tables: then it takes more rounds. */
static bool was_used(struct host *h)
{
	struct dsm_walk_stats w;

	dsm_seg_walk_stats(h->seg, &w);
	return w.entered && w.diffs;
}

static void run(struct host *h)
{
	pthread_t thread;
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, h->self + 1);
	if (h->self == 0)
		fill(h);
	pthread_barrier_wait(&h->sh->barrier);
	pthread_create(&thread, NULL, walker, h);
	for (int i = 0; i < h->rounds || (i < 20 * h->rounds && !was_used(h)); i++)
		change(h, &rng);
	atomic_fetch_add(&h->sh->done, 1);
	while (atomic_load(&h->sh->done) < h->nodes)
		usleep(1000);
	atomic_store(&h->stop, true);
	pthread_join(thread, NULL);
	pthread_barrier_wait(&h->sh->barrier);
	reuse(h);
}

static void report(struct host *h)
{
	struct dsm_walk_stats w;
	struct dsm_seg_stats s;

	dsm_seg_walk_stats(h->seg, &w);
	dsm_seg_stats(h->seg, &s);
	printf("# node %u: %" PRIu64 " faults, %" PRIu64 " messages; walked: %" PRIu64
	       " entered, %" PRIu64 " left, %" PRIu64 " differences, %" PRIu64
	       " conflicts, %" PRIu64 " of %" PRIu64 " flushes waited\n",
	       h->self, s.read_faults + s.write_faults, s.messages, w.entered, w.left, w.diffs,
	       w.conflicts, w.waits, w.flushes);
	if (!w.entered || !w.diffs)
		wrong(h, "the mode was never used", 0, 0, 0, 1);
	if (w.conflicts)
		wrong(h, "conflicts under a lock", 0, 0, w.conflicts, 0);
}

static int host(struct host *h, uint32_t flags)
{
	int rc = join(h, flags);

	if (rc < 0) {
		printf("# node %u: no memory: %s\n", h->self, strerror(-rc));
		_exit(rc == -EPERM || rc == -ENOTSUP ? 77 : 1);
	}
	pthread_barrier_wait(&h->sh->barrier);
	run(h);
	report(h);
	pthread_barrier_wait(&h->sh->barrier);
	dsm_seg_destroy(h->seg);
	dsm_node_destroy(h->node);
	dsm_mesh_destroy(h->mesh);
	return 0;
}

static struct shared *make_shared(unsigned nodes)
{
	struct shared *sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_barrierattr_t a;

	if (sh == MAP_FAILED)
		return NULL;
	pthread_barrierattr_init(&a);
	pthread_barrierattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&sh->barrier, &a, nodes);
	return sh;
}

/* 0, 1, or 77: this system does not let us. */
static int world(uint32_t nodes, int rounds, uint32_t flags)
{
	struct host h = { .nodes = nodes, .rounds = rounds, .dir = "/tmp/walk_procs.XXXXXX" };
	char cmd[80];
	int status, worst = 0;

	if (!mkdtemp(h.dir) || !(h.sh = make_shared(nodes)))
		return 1;
	for (h.self = 0; h.self < nodes; h.self++)
		if (fork() == 0) {
			alarm(100); /* rather than for ever */
			exit(host(&h, flags));
		}
	while (wait(&status) > 0) {
		int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		worst = code > worst ? code : worst;
	}
	worst = worst ? worst : h.sh->failures > 0;
	munmap(h.sh, sizeof *h.sh);
	snprintf(cmd, sizeof cmd, "rm -rf %s", h.dir);
	return system(cmd) == 0 ? worst : 1;
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
		return n < 2 || n > NODES_MAX ? 99 : say(1, world(n, atoi(argv[2]), flags), n, flags);
	}
	puts("1..4");
	for (int i = 0; i < 4; i++)
		bad |= say(i + 1, world(worlds[i].nodes, worlds[i].rounds, worlds[i].flags),
			   worlds[i].nodes, worlds[i].flags);
	return bad;
}
