/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What programs for the ANL macros do beside arrays of numbers: lists that all hang nodes into,
 * locks inside of structures and in odd places, barriers of some of the processes, pointers to
 * functions in common memory, work handed out by GETSUB, flags, and system calls on common memory.
 */
#include <dvm/parmacs.h>

MAIN_ENV

enum { CELLS = 31, ITEMS = 500, PILES = 37, ODD = 29 };

struct node {
	struct node *next;
	int by;
};

struct cell {
	LOCKDEC(lock)
	int n;
	double mass;
	struct node *list;
};

static struct common {
	LOCKDEC(ids)
	BARDEC(all)
	BARDEC(half)
	ALOCKDEC(pile, PILES)
	PAUSEDEC(flag)
	GSDEC(items)
	int next_id, p, said;
	int piles[PILES], done[ITEMS];
	struct cell *cells;
	struct {
		LOCKDEC(lock)
		int sum;
		char odd[3];
	} places[ODD];
	void (*hang)(int);
	unsigned long start, end;
} *common;

static void must(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static void hang(int self)
{
	for (int i = 0; i < 200; i++) {
		struct cell *c = &common->cells[(i * 7 + self) % CELLS];
		LOCK(c->lock)
		struct node *x = (struct node *)G_MALLOC(sizeof *x);
		must(x != NULL, "no memory");
		x->by = self;
		x->next = c->list;
		c->list = x;
		c->n++;
		c->mass += 0.5;
		UNLOCK(c->lock)
	}
}

static void pile_up(int self)
{
	for (int i = 0; i < 300; i++) {
		ALOCK(common->pile, i % PILES)
		common->piles[i % PILES]++;
		AULOCK(common->pile, i % PILES)
	}
	for (int i = 0; i < 100; i++) {
		LOCK(common->places[i % ODD].lock)
		common->places[i % ODD].sum += self + 1;
		UNLOCK(common->places[i % ODD].lock)
	}
}

static void through_a_pipe(void)
{
	char bytes[sizeof common->piles];
	int fds[2];

	must(pipe(fds) == 0, "pipe");
	must(write(fds[1], common->piles, sizeof bytes) == sizeof bytes, "write");
	must(read(fds[0], bytes, sizeof bytes) == sizeof bytes, "read");
	must(memcmp(bytes, common->piles, sizeof bytes) == 0, "what was read");
	close(fds[0]);
	close(fds[1]);
}

static void work(void)
{
	int i;

	LOCK(common->ids)
	int self = common->next_id++;
	UNLOCK(common->ids)
	for (i = 0; i < 5; i++)
		BARRIER(common->all, common->p)
	common->hang(self);
	pile_up(self);
	if (self < common->p / 2)
		BARRIER(common->half, common->p / 2)
	BARRIER(common->all, common->p)
	GETSUB(common->items, i, ITEMS - 1, common->p)
	while (i >= 0) {
		common->done[i]++;
		GETSUB(common->items, i, ITEMS - 1, common->p)
	}
	if (self == 0) {
		common->said = 7;
		CLOCK(common->end)
		SETPAUSE(common->flag)
	} else {
		WAITPAUSE(common->flag)
		must(common->said == 7, "the flag comes before what it is for");
	}
	through_a_pipe();
	BARRIER(common->all, common->p)
}

static void prepare(int p)
{
	common = (struct common *)G_MALLOC(sizeof *common);
	must(common != NULL, "no memory");
	memset(common, 0, sizeof *common);
	common->cells = (struct cell *)G_MALLOC(CELLS * sizeof *common->cells);
	must(common->cells != NULL, "no memory");
	memset(common->cells, 0, CELLS * sizeof *common->cells);
	LOCKINIT(common->ids)
	BARINIT(common->all, p)
	BARINIT(common->half, p / 2)
	ALOCKINIT(common->pile, PILES)
	PAUSEINIT(common->flag)
	GSINIT(common->items)
	for (int i = 0; i < CELLS; i++) {
		LOCKINIT(common->cells[i].lock)
	}
	for (int i = 0; i < ODD; i++) {
		LOCKINIT(common->places[i].lock)
	}
	common->p = p;
	common->hang = hang;
	CLOCK(common->start)
}

static int correct(int p)
{
	int n = 0, nodes = 0, piles = 0, places = 0, once = 1;
	double mass = 0;

	for (int i = 0; i < CELLS; i++) {
		n += common->cells[i].n;
		mass += common->cells[i].mass;
		for (struct node *x = common->cells[i].list; x; x = x->next)
			nodes += x->by >= 0 && x->by < p;
	}
	for (int i = 0; i < PILES; i++)
		piles += common->piles[i];
	for (int i = 0; i < ODD; i++)
		places += common->places[i].sum;
	for (int i = 0; i < ITEMS; i++)
		once &= common->done[i] == 1;
	return n == 200 * p && nodes == n && mass == 100.0 * p && piles == 300 * p &&
	       places == 100 * p * (p + 1) / 2 && once && common->end > common->start;
}

int main(int argc, char **argv)
{
	MAIN_INITENV(, 16 << 20)
	int p = argc > 2 ? atoi(argv[2]) : 1;
	prepare(p);
	for (int i = 1; i < p; i++)
		CREATE(work)
	work();
	WAIT_FOR_END(p - 1)
	int good = correct(p);
	printf("%s\n", good ? "correct" : "WRONG");
	if (!good)
		exit(1);
	MAIN_END
}
