/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loops that tests/bench/msg times, the same for every system, and the program around them:
 *
 *	msg-SYSTEM CASE[,CASE]... [SAMPLES [MICROSECONDS]]
 *
 * takes SAMPLES samples of each case in turn, each of about that many microseconds and between two
 * probes of the machine. Rank 0 prints a line for each: "sample CASE VALUE PROBE PROBE TAKEN",
 *value in seconds, per second, or bytes, probes in ns, and how often a core was given to somebody
 *else. The case "mem" is the private memory of the greediest rank after the system was opened.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/msg.h"

#define CASES_MAX   64
#define ROUNDS_MAX  1000000
#define BIG_WINDOW  16 /* long messages under way */
#define RATE_WINDOW MSG_WINDOW
#define PATIENCE    120 /* seconds until a program that hangs ends itself */

char *msg_out, *msg_in;

/* ---- the loops ---- */

static void ping_pong(const struct msg_case *c, uint64_t rounds)
{
	if (sys_rank() == 0) {
		for (uint64_t i = 0; i < rounds; i++) {
			sys_send(msg_out, c->len, 1);
			sys_recv(msg_in, c->len, 1);
		}
	} else if (sys_rank() == 1) {
		for (uint64_t i = 0; i < rounds; i++) {
			sys_recv(msg_in, c->len, 0);
			sys_send(msg_out, c->len, 0);
		}
	}
}

/* A window of messages one way and a short answer, as osu_bw and osu_mbw_mr do it. */
static void stream(size_t len, int window, uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++) {
		if (sys_rank() == 0) {
			for (int k = 0; k < window; k++)
				sys_isend(k, msg_out, len, 1);
			sys_waitall(window);
			sys_recv(msg_in, 4, 1);
		} else if (sys_rank() == 1) {
			for (int k = 0; k < window; k++)
				sys_irecv(k, msg_in, len, 0);
			sys_waitall(window);
			sys_send(msg_out, 4, 0);
		}
	}
}

static void bandwidth(const struct msg_case *c, uint64_t rounds)
{
	stream(c->len, BIG_WINDOW, rounds);
}

static void rate(const struct msg_case *c, uint64_t rounds)
{
	stream(c->len, RATE_WINDOW, rounds);
}

static void both_ways(const struct msg_case *c, uint64_t rounds)
{
	int peer = 1 - sys_rank();

	for (uint64_t i = 0; i < rounds && peer >= 0; i++) {
		for (int k = 0; k < BIG_WINDOW; k++)
			sys_irecv(k, msg_in, c->len, peer);
		for (int k = 0; k < BIG_WINDOW; k++)
			sys_isend(BIG_WINDOW + k, msg_out, c->len, peer);
		sys_waitall(2 * BIG_WINDOW);
	}
}

static void barrier(const struct msg_case *c, uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++)
		sys_barrier();
}

/* The root moves on, or it would run ahead of the others. */
static void bcast(const struct msg_case *c, uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++)
		sys_bcast(msg_out, c->len, (int)(i % (uint64_t)sys_size()));
}

static void allreduce(const struct msg_case *c, uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++)
		sys_allreduce((double *)msg_out, (double *)msg_in, c->len / sizeof(double));
}

static void alltoall(const struct msg_case *c, uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++)
		sys_alltoall(msg_out, c->len, msg_in);
}

/* One rank acts on the window of the other, which waits for its word inside the system. */
static void put(const struct msg_case *c, uint64_t rounds)
{
	if (sys_rank() == 0) {
		for (uint64_t i = 0; i < rounds; i++)
			sys_put8(i, 1);
		sys_send(msg_out, 4, 1);
	} else if (sys_rank() == 1) {
		sys_recv(msg_in, 4, 0);
	}
}

static void fetch_add(const struct msg_case *c, uint64_t rounds)
{
	if (sys_rank() == 0) {
		for (uint64_t i = 0; i < rounds; i++)
			sys_add8(i, 1);
		sys_send(msg_out, 4, 1);
	} else if (sys_rank() == 1) {
		sys_recv(msg_in, 4, 0);
	}
}

static void window_open(void)
{
	sys_win_open(4096);
}

#define KIB 1024.0

/* clang-format off */
static const struct msg_case cases[] = {
	{ "lat8", ping_pong, 8, MSG_P2P, 2, false, false, NULL, NULL },
	{ "lat1k", ping_pong, 1 << 10, MSG_P2P, 2, false, false, NULL, NULL },
	{ "lat8k", ping_pong, 8 << 10, MSG_P2P, 2, false, false, NULL, NULL },
	{ "lat64k", ping_pong, 64 << 10, MSG_P2P, 2, false, false, NULL, NULL },
	{ "bw1m", bandwidth, 1 << 20, MSG_P2P, BIG_WINDOW * KIB * KIB, true, false, NULL, NULL },
	{ "bw4m", bandwidth, 4 << 20, MSG_P2P, BIG_WINDOW * 4 * KIB * KIB, true, false, NULL, NULL },
	{ "bi1m", both_ways, 1 << 20, MSG_P2P, 2 * BIG_WINDOW * KIB * KIB, true, false, NULL, NULL },
	{ "rate8", rate, 8, MSG_P2P, RATE_WINDOW, true, false, NULL, NULL },
	{ "barrier", barrier, 0, MSG_COLL, 1, false, true, NULL, NULL },
	{ "allreduce8", allreduce, 8, MSG_COLL, 1, false, true, NULL, NULL },
	{ "bcast1m", bcast, 1 << 20, MSG_COLL, 1, false, true, NULL, NULL },
	{ "allreduce1m", allreduce, 1 << 20, MSG_COLL, 1, false, true, NULL, NULL },
	{ "alltoall64k", alltoall, 64 << 10, MSG_COLL, 1, false, true, NULL, NULL },
	{ "put8", put, 8, MSG_RMA, 1, false, false, window_open, sys_win_close },
	{ "fop8", fetch_add, 8, MSG_RMA, 1, false, false, window_open, sys_win_close },
	{ NULL, NULL, 0, 0, 0, false, false, NULL, NULL },
};
/* clang-format on */

/* ---- one sample ---- */

static double timed(const struct msg_case *c, uint64_t rounds)
{
	meet();
	c->run(c, rounds / 16 + 1); /* all are awake and warm */
	double begin = meet_begin();
	c->run(c, rounds);
	return meet_time(begin, c->slowest);
}

/* Rounds that take about that long, agreed on by all. */
static uint64_t calibrate(const struct msg_case *c, double seconds)
{
	uint64_t rounds = 1;

	for (;;) {
		double took = timed(c, rounds);
		double want = seconds / fmax(took, 1e-9) * (double)rounds;

		if (sys_rank() == 0)
			meet_tell(took > seconds / 4 ? (uint64_t)fmin(fmax(want, 1), ROUNDS_MAX)
						     : 0);
		meet();
		uint64_t told = meet_told();

		meet(); /* all have read it */
		if (told || rounds >= ROUNDS_MAX)
			return told ? told : rounds;
		rounds *= 4;
	}
}

static void sample(const struct msg_case *c, uint64_t rounds)
{
	double before = meet_probe();
	double took = timed(c, rounds);
	long taken = meet_taken();
	double after = meet_probe();
	double amount = c->per_round * (double)rounds;

	if (sys_rank() == 0)
		printf("sample %s %.6g %.1f %.1f %ld\n", c->name,
		       c->rate ? amount / took : took / amount, before, after, taken);
}

/* ---- the program ---- */

struct plan {
	const struct msg_case *cases[CASES_MAX];
	uint64_t rounds[CASES_MAX];
	size_t n;
	bool memory;
	int samples;
	double seconds;
};

static const struct msg_case *find(const char *name)
{
	const struct msg_case *const lists[] = { msg_sys_cases, cases };

	for (size_t i = 0; i < 2; i++)
		for (const struct msg_case *c = lists[i]; c->name; c++)
			if (strcmp(c->name, name) == 0)
				return c;
	return NULL;
}

static void add(struct plan *p, const char *name)
{
	const struct msg_case *c = find(name);

	if (strcmp(name, "mem") == 0) {
		p->memory = true;
	} else if (!c || p->n == CASES_MAX) {
		msg_die("no such case", name);
	} else if (!(c->needs & msg_sys_caps)) {
		if (sys_rank() == 0)
			printf("lacks %s\n", name);
	} else {
		p->cases[p->n++] = c;
	}
}

static void make_plan(struct plan *p, int argc, char **argv)
{
	char *rest = argc > 1 ? argv[1] : NULL;

	for (char *name = strtok_r(rest, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
		add(p, name);
	p->samples = argc > 2 ? atoi(argv[2]) : 3;
	p->seconds = (argc > 3 ? atof(argv[3]) : 1500) * 1e-6;
}

/* Private_Dirty in bytes, before a buffer of ours is there. */
static double private_memory(void)
{
	char line[256];
	long kib = 0;
	FILE *f = fopen("/proc/self/smaps_rollup", "r");

	while (f && fgets(line, sizeof line, f) && sscanf(line, "Private_Dirty: %ld", &kib) != 1)
		;
	if (f)
		fclose(f);
	return (double)kib * KIB;
}

static char *touched(void)
{
	char *p = aligned_alloc(4096, MSG_ROOM);

	if (!p)
		msg_die("buffers", "no memory");
	memset(p, 1, MSG_ROOM);
	return p;
}

static void measure(struct plan *p)
{
	msg_out = touched();
	msg_in = touched();
	for (int s = 0; s < p->samples; s++)
		for (size_t i = 0; i < p->n; i++) {
			const struct msg_case *c = p->cases[i];

			if (c->begin)
				c->begin();
			if (s == 0)
				p->rounds[i] = calibrate(c, p->seconds);
			sample(c, p->rounds[i]);
			if (c->end)
				c->end();
		}
	free(msg_out);
	free(msg_in);
}

int main(int argc, char **argv)
{
	struct plan p = { 0 };

	alarm(PATIENCE);
	meet_pin();
	sys_open(&argc, &argv);
	double memory = private_memory();

	setvbuf(stdout, NULL, _IOLBF, 0);
	meet_open(sys_rank(), sys_size());
	make_plan(&p, argc, argv);
	memory = meet_most(memory);
	if (p.memory && sys_rank() == 0)
		printf("sample mem %.0f nan nan 0\n", memory);
	meet();
	if (p.n)
		measure(&p);
	meet();
	sys_close();
	return 0;
}
