/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Work that flows: queues of tasks, one for each process, from which others steal; a pipeline whose
 * stages wait for each other by pause flags that are set and cleared over and over; and arrays of
 * pointers to arrays, taken and given back while all run. Each part checks what came out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

MAIN_ENV

#define MAXPROCS 64
#define TASKS	 400
#define WAVES	 25
#define ROWS	 24
#define COLS	 700

struct task {
	struct task *next;
	long from, depth;
};

struct queue {
	LOCKDEC(lock)
	struct task *head;
	long done, stolen;
	char space[64];
};

struct stage {
	PAUSEDEC(full)
	PAUSEDEC(empty)
	long value;
	char space[64];
};

typedef struct {
	LOCKDEC(idlock)
	LOCKDEC(countlock)
	BARDEC(start)
	long id, left, sum, bad;
	struct queue queues[MAXPROCS];
	struct stage stages[MAXPROCS];
	double **rows;
} gmem;

static gmem *gm;
static int P = 1;

/* ---- queues ---- */

static void push(long q, long depth, long from)
{
	struct task *t = (struct task *)G_MALLOC(sizeof *t);

	t->depth = depth;
	t->from = from;
	LOCK(gm->queues[q].lock)
	t->next = gm->queues[q].head;
	gm->queues[q].head = t;
	UNLOCK(gm->queues[q].lock)
}

static struct task *pop(long q)
{
	struct task *t;

	LOCK(gm->queues[q].lock)
	t = gm->queues[q].head;
	if (t)
		gm->queues[q].head = t->next;
	UNLOCK(gm->queues[q].lock)
	return t;
}

static int finished(void)
{
	long left;

	LOCK(gm->countlock)
	left = gm->left;
	UNLOCK(gm->countlock)
	return left == 0;
}

static void do_task(struct task *t, long me)
{
	/* Two smaller ones come of each. */
	for (int k = 0; k < 2 && t->depth > 0; k++)
		push(me, t->depth - 1, me);
	LOCK(gm->countlock)
	gm->left += (t->depth > 0 ? 2 : 0) - 1;
	gm->sum++;
	UNLOCK(gm->countlock)
	gm->queues[me].done++;
	gm->queues[me].stolen += t->from != me;
	G_FREE(t)
}

static void work(long me)
{
	while (!finished()) {
		struct task *t = NULL;
		for (long k = 0; k < P && !t; k++)
			t = pop((me + k) % P);
		if (t)
			do_task(t, me);
		else
			usleep(50);
	}
}

/* ---- a pipeline ---- */

static void hand_on(struct stage *s, long value)
{
	WAITPAUSE(s->empty)
	CLEARPAUSE(s->empty)
	s->value = value;
	SETPAUSE(s->full)
}

static long take(struct stage *s)
{
	long value;

	WAITPAUSE(s->full)
	CLEARPAUSE(s->full)
	value = s->value;
	SETPAUSE(s->empty)
	return value;
}

static void pipeline(long me)
{
	for (long w = 0; w < WAVES; w++) {
		long value = me == 0 ? w * 100 : take(&gm->stages[me - 1]);
		if (me < P - 1)
			hand_on(&gm->stages[me], value + 1);
		else if (value != w * 100 + P - 1)
			gm->bad++;
	}
}

/* ---- rows that come and go ---- */

static void rows(long me)
{
	for (int round = 0; round < 3; round++) {
		for (long r = me; r < ROWS; r += P) {
			gm->rows[r] = (double *)NU_MALLOC(COLS * sizeof(double), me);
			for (long c = 0; c < COLS; c++)
				gm->rows[r][c] = (double)(r * 1000 + c + round);
		}
		BARRIER(gm->start, P)
		for (long r = 0; r < ROWS; r++) {
			double sum = 0, want = COLS * (r * 1000.0 + round) + COLS * (COLS - 1) / 2.0;
			for (long c = 0; c < COLS; c++)
				sum += gm->rows[r][c];
			if (sum != want) {
				LOCK(gm->countlock)
				gm->bad++;
				UNLOCK(gm->countlock)
			}
		}
		BARRIER(gm->start, P)
		for (long r = me; r < ROWS; r += P)
			G_FREE(gm->rows[r])
	}
}

static void slave(void)
{
	long me;

	LOCK(gm->idlock)
	me = gm->id++;
	UNLOCK(gm->idlock)
	BARRIER(gm->start, P)
	work(me);
	BARRIER(gm->start, P)
	pipeline(me);
	BARRIER(gm->start, P)
	rows(me);
	BARRIER(gm->start, P)
}

static void prepare(void)
{
	gm = (gmem *)G_MALLOC(sizeof *gm);
	memset(gm, 0, sizeof *gm);
	gm->rows = (double **)G_MALLOC(ROWS * sizeof *gm->rows);
	LOCKINIT(gm->idlock)
	LOCKINIT(gm->countlock)
	BARINIT(gm->start, P)
	for (int i = 0; i < P; i++) {
		LOCKINIT(gm->queues[i].lock)
		PAUSEINIT(gm->stages[i].full)
		PAUSEINIT(gm->stages[i].empty)
		SETPAUSE(gm->stages[i].empty)
	}
	/* All of it is with the first: the others have to steal. */
	for (int i = 0; i < TASKS / 8; i++)
		push(0, 2, 0);
	gm->left = TASKS / 8;
}

int main(int argc, char **argv)
{
	long done = 0;

	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], "-p", 2) == 0)
			P = atoi(argv[i][2] ? argv[i] + 2 : argv[++i]);
	MAIN_INITENV()
	prepare();
	CREATE(slave, P)
	WAIT_FOR_END(P)
	for (int i = 0; i < P; i++)
		done += gm->queues[i].done;
	printf("tasks %ld of %d, bad %ld\n", done, TASKS / 8 * 7, gm->bad);
	puts(done == TASKS / 8 * 7 && gm->sum == done && !gm->bad ? "correct" : "wrong");
	MAIN_END
}
