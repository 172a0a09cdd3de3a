// SPDX-License-Identifier: BSD-3-Clause
/*
 * A farm with PVM: the master hands out pieces of work, workers count primes in them, and when a
 * worker dies somebody else does its piece. The same program is master and worker.
 *
 *	cc -o pvm_farm pvm_farm.c -lpvm3
 *	./pvm_farm [WORKERS [LIMIT]]	on a machine that is up; counts the primes below LIMIT
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <pvm3.h>

enum { WORK = 1, RESULT = 2, ENDED = 3 }; /* tags */
enum { IDLE = -1, DEAD = -2 };		  /* what a worker does, beside a piece */

#define PIECE 20000

static int is_prime(int n)
{
	for (int d = 2; d <= n / d; d++)
		if (n % d == 0)
			return 0;
	return n >= 2;
}

/* ---- the worker: from, to; until there is no more ---- */

static int worker(void)
{
	int range[2], count;

	for (;;) {
		pvm_recv(pvm_parent(), WORK);
		pvm_upkint(range, 2, 1);
		if (range[0] >= range[1])
			break;
		count = 0;
		for (int n = range[0]; n < range[1]; n++)
			count += is_prime(n);
		pvm_initsend(PvmDataDefault);
		pvm_pkint(&count, 1, 1);
		pvm_send(pvm_parent(), RESULT);
	}
	return pvm_exit();
}

/* ---- the master ---- */

struct farm {
	int *tids;  /* of the workers */
	int *doing; /* the piece each is at, or what it is instead */
	int num_workers, alive;
	char *done; /* by piece */
	int num_pieces, left, limit;
	long primes;
};

static void send_work(int tid, int from, int to)
{
	int range[2] = { from, to };

	pvm_initsend(PvmDataDefault);
	pvm_pkint(range, 2, 1);
	pvm_send(tid, WORK);
}

/* A piece that nobody is at, or -1. */
static int next_piece(const struct farm *f)
{
	for (int piece = 0; piece < f->num_pieces; piece++) {
		int taken = f->done[piece];

		for (int w = 0; w < f->num_workers; w++)
			taken |= f->doing[w] == piece;
		if (!taken)
			return piece;
	}
	return -1;
}

static void hand_out(struct farm *f)
{
	for (int w = 0; w < f->num_workers; w++) {
		int piece = f->doing[w] == IDLE ? next_piece(f) : -1;

		if (piece < 0)
			continue;
		f->doing[w] = piece;
		send_work(f->tids[w], piece * PIECE,
			  piece == f->num_pieces - 1 ? f->limit : (piece + 1) * PIECE);
	}
}

static int who(const struct farm *f, int tid)
{
	for (int w = 0; w < f->num_workers; w++)
		if (f->tids[w] == tid)
			return w;
	return -1;
}

/* A result, or the end of a worker. */
static void take_message(struct farm *f)
{
	int buf = pvm_recv(-1, -1), tag, tid, value, w;

	pvm_bufinfo(buf, NULL, &tag, &tid);
	pvm_upkint(&value, 1, 1);
	w = who(f, tag == ENDED ? value : tid);
	if (w < 0)
		return;
	if (tag == ENDED) {
		fprintf(stderr, "worker %d has died\n", w);
		f->doing[w] = DEAD;
		f->alive--;
	} else if (tag == RESULT && f->doing[w] >= 0) {
		f->primes += value;
		f->done[f->doing[w]] = 1;
		f->doing[w] = IDLE;
		f->left--;
	}
}

static int master(struct farm *f)
{
	char self[PATH_MAX] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	f->alive = f->num_workers =
		pvm_spawn(self, NULL, PvmTaskDefault, NULL, f->num_workers, f->tids);
	if (f->num_workers <= 0)
		return 1;
	pvm_notify(PvmTaskExit, ENDED, f->num_workers, f->tids);
	for (int w = 0; w < f->num_workers; w++)
		f->doing[w] = IDLE;
	while (f->left > 0 && f->alive > 0) {
		hand_out(f);
		take_message(f);
	}
	for (int w = 0; w < f->num_workers; w++)
		send_work(f->tids[w], 0, 0); /* to the dead as well: nobody minds */
	if (f->left == 0)
		printf("%ld primes below %d, counted by %d workers\n", f->primes, f->limit,
		       f->num_workers);
	return f->left > 0;
}

int main(int argc, char **argv)
{
	struct farm f = { .num_workers = argc > 1 ? atoi(argv[1]) : 4,
			  .limit = argc > 2 ? atoi(argv[2]) : 1000000 };
	int failed;

	if (pvm_mytid() < 0)
		return 1;
	if (pvm_parent() > 0)
		return worker();
	if (f.num_workers < 1 || f.limit < 1)
		return 2;
	f.left = f.num_pieces = (f.limit + PIECE - 1) / PIECE;
	f.tids = calloc((size_t)f.num_workers, sizeof(*f.tids));
	f.doing = calloc((size_t)f.num_workers, sizeof(*f.doing));
	f.done = calloc((size_t)f.num_pieces, 1);
	failed = !f.tids || !f.doing || !f.done || master(&f);
	free(f.tids);
	free(f.doing);
	free(f.done);
	pvm_exit();
	return failed;
}
