/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/bench/dsm: what shared memory costs between two ranks. dsm-run CASE[,CASE…] FLAGS [ARG]…
 * FLAGS are DVM_SEG_…, or "raw": messages in its place. Rank 0 prints "CASE NAME VALUE" lines;
 * times are in seconds.
 */
#include <dvm/coll.h>
#include <dvm/dvm.h>
#include <dvm/msg.h>
#include <dvm/sync.h>

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, MISSES = 600, WARM = 40 };

static dvm_t *d;
static dvm_group_t *w;
static dvm_seg_t *seg;
static int self;
static uint32_t flags;
static bool sigbus;
static uint32_t spin_us;
static const char *now_running;

static void must(int rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "rank %d: %s: %s: %s\n", self, now_running, what, dvm_strerror(rc));
	dvm_abort(d, 1, what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void say(const char *name, double value)
{
	if (self == 0)
		printf("%s %s %.9g\n", now_running, name, value);
}

static void meet(void)
{
	must(dvm_barrier(w), "barrier");
}

static void open_segment(uint64_t bytes)
{
	dvm_seg_config_t c = { .size = sizeof c, .bytes = bytes, .flags = flags };
	dvm_error_t err = { 0 };

	c.spin_us = spin_us;
	c.faults = sigbus ? DVM_FAULT_SIGBUS : DVM_FAULT_THREAD;
	int rc = dvm_seg_create(w, &c, &seg, &err);
	must(rc, err.text);
}

static void close_segment(void)
{
	must(dvm_seg_destroy(seg), "destroy");
	seg = NULL;
}

static volatile uint64_t *at(uint64_t offset)
{
	return (volatile uint64_t *)((char *)dvm_seg_base(seg) + offset);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void say_quantiles(double *t, int n)
{
	qsort(t, (size_t)n, sizeof *t, by_value);
	say("p50", t[n / 2]);
	say("p99", t[n * 99 / 100]);
	say("least", t[0]);
}

static double faults_so_far(uint64_t *ns)
{
	dvm_seg_stat_t s = { .size = sizeof s };

	must(dvm_seg_stat(seg, &s), "stat");
	*ns = s.fault_ns;
	return (double)(s.read_faults + s.write_faults);
}

/* ---- one page at a time ---- */

enum miss { READ, UPGRADE, WRITE };

/* Rank 1 has written all pages; where they are to be upgraded, rank 0 has read them, too. */
static void own_elsewhere(enum miss what, int pages)
{
	for (int i = 0; i < pages && self == 1; i++)
		for (int k = 0; k < PAGE / 8; k++)
			at((uint64_t)i * PAGE)[k] = (uint64_t)(i * 1000 + k + 1);
	meet();
	for (int i = 0; i < pages && self == 0 && what == UPGRADE; i++)
		(void)*at((uint64_t)i * PAGE);
	meet();
}

static void misses(enum miss what)
{
	int pages = MISSES + WARM;
	static double t[MISSES];
	uint64_t before = 0, after = 0;
	double n = 0;

	open_segment((uint64_t)pages * PAGE);
	must(dvm_seg_advise(seg, 0, (uint64_t)pages * PAGE, DVM_ADVISE_RANDOM), "advise");
	own_elsewhere(what, pages);
	for (int i = 0; i < pages && self == 0; i++) {
		volatile uint64_t *p = at((uint64_t)(i * 263 % pages) * PAGE);
		if (i == WARM)
			n = faults_so_far(&before);
		double start = now();
		if (what == READ)
			(void)*p;
		else
			*p = 1;
		if (i >= WARM)
			t[i - WARM] = now() - start;
	}
	n = faults_so_far(&after) - n;
	say_quantiles(t, MISSES);
	if (n > 0)
		say("handled", (double)(after - before) * 1e-9 / n);
	close_segment();
}

static void read_miss(void)
{
	misses(READ);
}

static void upgrade(void)
{
	misses(UPGRADE);
}

static void write_miss(void)
{
	misses(WRITE);
}

/* A page that all ranks have read is written: all the others give theirs up. */
static void invalidate(void)
{
	int pages = 200;
	static double t[200];

	open_segment((uint64_t)pages * PAGE);
	must(dvm_seg_advise(seg, 0, (uint64_t)pages * PAGE, DVM_ADVISE_RANDOM), "advise");
	for (int i = 0; i < pages && self == 0; i++)
		*at((uint64_t)i * PAGE) = 1;
	for (int i = 0; i < pages; i++) {
		meet();
		(void)*at((uint64_t)i * PAGE);
		meet();
		double start = now();
		if (self == 0)
			*at((uint64_t)i * PAGE) = 2;
		t[i] = now() - start;
	}
	meet();
	say_quantiles(t, pages);
	close_segment();
}

/* What a miss would be as messages: 8 bytes there, LEN back. */
static void exchange(size_t len)
{
	static char page[PAGE];
	static double t[MISSES];
	uint64_t ask = 0;

	for (int i = 0; i < MISSES + WARM; i++) {
		double start = now();
		if (self == 0) {
			must(dvm_send(w, &ask, sizeof ask, 1, 1), "send");
			must(dvm_recv(w, page, len, 1, 2, NULL), "recv");
		} else if (self == 1) {
			must(dvm_recv(w, &ask, sizeof ask, 0, 1, NULL), "recv");
			must(dvm_send(w, page, len, 0, 2), "send");
		}
		if (i >= WARM)
			t[i - WARM] = now() - start;
	}
	say_quantiles(t, MISSES);
}

static void raw_page(void)
{
	exchange(PAGE);
}

static void round_trip(void)
{
	exchange(8);
}

/* ---- streams ---- */

static uint64_t stream_bytes = UINT64_C(256) << 20;

static void stream(bool write)
{
	uint64_t bytes = stream_bytes, sum = 0;
	static char buf[1 << 20];

	if (flags & DVM_SEG_BASELINE_IVY && bytes / 16 >= sizeof buf)
		bytes /= 16;
	open_segment(bytes);
	if (self == 1)
		for (uint64_t i = 0; i < bytes; i += sizeof buf) {
			memset(buf, (int)(i >> 20) + 1, sizeof buf);
			for (uint64_t k = 0; k < sizeof buf; k += PAGE)
				memcpy(buf + k, &i, sizeof i);
			memcpy((char *)dvm_seg_base(seg) + i, buf, sizeof buf);
		}
	meet();
	double start = now();
	for (uint64_t i = 0; i < bytes && self == 0; i += 64) {
		if (write)
			*at(i) = i;
		else
			sum += *at(i);
	}
	say("rate", (double)bytes / (now() - start));
	meet();
	if (!write && self == 0 && sum == 0)
		must(-DVM_EPROTO, "nothing was read");
	close_segment();
}

static void stream_read(void)
{
	stream(false);
}

static void stream_write(void)
{
	stream(true);
}

/* As much in messages of 64 KiB. */
enum { PART = 65536 };

/* A file in memory, mapped twice. */
static void map_twice(char *map[2])
{
	int fd = memfd_create("limit", MFD_CLOEXEC);

	must(fd < 0 || ftruncate(fd, (off_t)stream_bytes) < 0 ? -ENOMEM : 0, "memory");
	for (int i = 0; i < 2; i++) {
		map[i] = mmap(NULL, stream_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		must(map[i] == MAP_FAILED ? -ENOMEM : 0, "memory");
	}
	close(fd);
}

/*
 * What no protocol can leave out: who had written memory may not do so any more, its bytes travel
 * to memory that is new to who reads them, and are mapped there, all of that in large parts.
 */
static void limit_stream(void)
{
	uint64_t sum = 0;
	char *map[2];

	map_twice(map);
	if (self == 1)
		memset(map[1], 5, stream_bytes);
	meet();
	double start = now();
	for (uint64_t at = 0; at < stream_bytes && self < 2; at += PART) {
		if (self) {
			mprotect(map[1] + at, PART, PROT_READ);
			must(dvm_send(w, map[1] + at, PART, 0, 1), "message");
			continue;
		}
		must(dvm_recv(w, map[0] + at, PART, 1, 1, NULL), "message");
		madvise(map[1] + at, PART, MADV_POPULATE_READ);
		for (uint64_t i = 0; i < PART; i += 64)
			sum += *(volatile uint64_t *)(map[1] + at + i);
	}
	say("rate", (double)stream_bytes / (now() - start));
	meet();
	if (self == 0 && sum == 0)
		must(-DVM_EPROTO, "nothing was read");
	munmap(map[0], stream_bytes);
	munmap(map[1], stream_bytes);
}

static void raw_stream(void)
{
	static char buf[PART];
	uint64_t n = stream_bytes / PART;

	meet();
	double start = now();
	for (uint64_t i = 0; i < n && self < 2; i++)
		must(self ? dvm_send(w, buf, PART, 0, 1) : dvm_recv(w, buf, PART, 1, 1, NULL),
		     "message");
	say("rate", (double)(n * PART) / (now() - start));
	meet();
}

/* ---- one page, two writers ---- */

static double span = 0.5;

/* Each counts in its own line; POLITE: and lets others have its core, as the handlers, again and again. */
static void count_up(bool polite)
{
	uint64_t mine = 0, all[2] = { 0 };

	open_segment(PAGE);
	meet();
	volatile uint64_t *p = at((uint64_t)self * 64);
	for (double end = now() + span; now() < end; mine += 16) {
		for (int i = 0; i < 16; i++)
			*p = *p + 1;
		if (polite)
			sched_yield();
	}
	meet();
	if (self == 0)
		all[1] = *at(64);
	if (self == 0 && *p != mine)
		must(-DVM_EPROTO, "writes were lost");
	say("writes", (double)(mine + all[1]) / span);
	say("share", (double)(mine < all[1] ? mine : all[1]) / (double)(mine + all[1]));
	close_segment();
}

static void fight(void)
{
	count_up(false);
}

static void fight_polite(void)
{
	count_up(true);
}

/* Looks until *P is at least N or *STOP, and lets others have the core now and then. */
static void look_for(volatile uint64_t *p, uint64_t n, volatile uint64_t *stop)
{
	for (uint32_t i = 1; *p < n && !*stop; i++)
		if (i % 64 == 0)
			sched_yield();
}

/* Each waits for the other's number: a write by one, then a write by the other. */
static void alternate(void)
{
	open_segment(PAGE);
	meet();
	volatile uint64_t *mine = at((uint64_t)self * 64), *other = at((uint64_t)(1 - self) * 64);
	volatile uint64_t *stop = at(128);
	double start = now(), end = start + span;
	uint64_t n = 0;
	while (!*stop) {
		n++;
		if (self == 1)
			look_for(other, n, stop);
		*mine = n;
		if (self == 0)
			look_for(other, n, stop);
		if (self == 0 && now() >= end)
			*stop = 1;
	}
	double took = now() - start;
	meet();
	say("writes", (double)(2 * n) / took);
	close_segment();
}

/* ---- locks ---- */

enum { IDS = 8 };

/* A number whose home is the other rank, as seen from rank 0, and one whose home is rank 0. */
static void find_homes(uint64_t *here, uint64_t *there)
{
	double least = 1, most = 0;
	uint64_t both[2] = { 0 };

	for (uint64_t id = 0; id < IDS && self == 0; id++) {
		double start = now();
		for (int i = 0; i < 20; i++)
			must(dvm_atomic_load(seg, id, &both[1]), "load");
		double took = now() - start;
		if (took < least) {
			least = took;
			*here = id;
		}
		if (took > most) {
			most = took;
			*there = id;
		}
	}
	both[0] = *here;
	both[1] = *there;
	must(dvm_bcast(w, both, sizeof both, 0), "bcast");
	*here = both[0];
	*there = both[1];
}

/* From the call that gives it back to the return of the one that waits for it, one way. */
static double one_hand_over(uint64_t id, int giver)
{
	double t[2] = { 0 };
	char go = 1;

	meet();
	if (self == giver) {
		must(dvm_lock_acquire(seg, id), "lock");
		must(dvm_send(w, &go, 1, 1 - giver, 1), "go");
		/* The other one asks meanwhile; who serves that may need our core. */
		for (double end = now() + 70e-6; now() < end;)
			sched_yield();
		t[0] = now();
		must(dvm_lock_release(seg, id), "unlock");
	} else {
		must(dvm_recv(w, &go, 1, giver, 1, NULL), "go");
		must(dvm_lock_acquire(seg, id), "lock");
		t[1] = now();
		must(dvm_lock_release(seg, id), "unlock");
	}
	double all[4];
	must(dvm_allgather(w, t, sizeof t, all), "allgather");
	return all[2 * (1 - giver) + 1] - all[2 * giver];
}

static void hand_over(void)
{
	enum { N = 400 };
	static double t[N];
	uint64_t here = 0, there = 1;

	open_segment(PAGE);
	find_homes(&here, &there);
	for (int i = 0; i < N; i++)
		t[i] = one_hand_over(i & 1 ? here : there, i >> 1 & 1);
	say_quantiles(t, N);
	close_segment();
}

static void lock_alone(void)
{
	uint64_t n = 2000, id[2] = { 0, 1 };

	open_segment(PAGE);
	find_homes(&id[0], &id[1]);
	for (int k = 0; k < 2; k++) {
		meet();
		double start = now();
		for (uint64_t i = 0; i < n && self == 0; i++) {
			must(dvm_lock_acquire(seg, id[k]), "lock");
			must(dvm_lock_release(seg, id[k]), "unlock");
		}
		say(k ? "away" : "home", (now() - start) / (double)n);
		meet();
	}
	close_segment();
}

static void barriers(void)
{
	int n = 2000;

	open_segment(PAGE);
	meet();
	double start = now();
	for (int i = 0; i < n; i++)
		must(dvm_seg_barrier(seg, 1, 0), "barrier");
	say("time", (now() - start) / n);
	close_segment();
}

static void add(void)
{
	uint64_t id[2] = { 0, 1 };
	int n = 2000;

	open_segment(PAGE);
	find_homes(&id[0], &id[1]);
	for (int k = 0; k < 2; k++) {
		meet();
		double start = now();
		for (int i = 0; i < n && self == 0; i++)
			must(dvm_atomic_add(seg, id[k], 1, NULL), "add");
		say(k ? "away" : "home", (now() - start) / n);
		meet();
	}
	close_segment();
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "read-miss", read_miss },
	{ "upgrade", upgrade },
	{ "write-miss", write_miss },
	{ "invalidate", invalidate },
	{ "raw-page", raw_page },
	{ "round-trip", round_trip },
	{ "stream-read", stream_read },
	{ "stream-write", stream_write },
	{ "raw-stream", raw_stream },
	{ "limit-stream", limit_stream },
	{ "fight", fight },
	{ "fight-polite", fight_polite },
	{ "alternate", alternate },
	{ "hand-over", hand_over },
	{ "lock", lock_alone },
	{ "barrier", barriers },
	{ "add", add },
};

static int run_case(const char *name)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (strcmp(cases[i].name, name) == 0) {
			now_running = cases[i].name;
			cases[i].run();
			fflush(stdout);
			return 0;
		}
	fprintf(stderr, "there is no case %s\n", name);
	return 2;
}

/* Each rank has a core of its own with the threads of the library, as `dvm run --bind-to core` has it. */
static void pin(void)
{
	cpu_set_t set;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)(self % sysconf(_SC_NPROCESSORS_ONLN)), &set);
	sched_setaffinity(0, sizeof set, &set);
}

/*
 * dsm-run CASES FLAGS [MiB of a stream [seconds of a fight]]; FLAGS with an "s" behind: SIGBUS; "p": the
 * service threads spin.
 */
int main(int argc, char **argv)
{
	int rc = 0;

	if (argc < 3)
		return 2;
	char *end;
	flags = (uint32_t)strtoul(argv[2], &end, 0);
	sigbus = strchr(end, 's') != NULL;
	spin_us = strchr(end, 'p') ? 200 : 0;
	if (argc > 3)
		stream_bytes = strtoull(argv[3], NULL, 0) << 20;
	if (argc > 4)
		span = strtod(argv[4], NULL);
	if (dvm_open(&d, NULL, NULL) < 0)
		return 1;
	w = dvm_world(d);
	self = dvm_rank(d);
	if (dvm_size(d) < 2)
		return 2;
	pin();
	for (char *name = strtok(argv[1], ","); name && rc == 0; name = strtok(NULL, ","))
		rc = run_case(name);
	must(dvm_close(d), "close");
	return rc;
}
