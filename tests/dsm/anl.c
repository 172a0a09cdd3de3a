/* SPDX-License-Identifier: BSD-3-Clause */
/* A program as those of others: every macro, no include of ours, private variables set before. */
MAIN_ENV

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/dsm/anl.h"

struct global_memory *gm;
static int nprocs = 2;
static double factor; /* private: every process has it as it was at CREATE */
static struct item *list;

static void add_item(long value)
{
	struct item *it = (struct item *)G_MALLOC(sizeof(struct item));

	it->value = value;
	LOCK(gm->listlock)
	it->next = gm->list;
	gm->list = it;
	UNLOCK(gm->listlock)
}

void slave_start(void)
{
	long i, id;
	unsigned long begin, end;

	LOCK(gm->idlock)
	id = gm->id++;
	UNLOCK(gm->idlock)
	CLOCK(begin)
	WAITPAUSE(gm->go)
	BARRIER(gm->start, nprocs)
	for (i = 0; i < 200; i++) {
		ALOCK(gm->locks, i % 4)
		gm->counts[i % 4] += (long)factor;
		AULOCK(gm->locks, i % 4)
	}
	GETSUB(gm->loop, i, 99, nprocs)
	while (i >= 0) {
		gm->done[i]++;
		GETSUB(gm->loop, i, 99, nprocs)
	}
	add_item(id);
	count_items(list);
	BARRIER(gm->start, nprocs)
	CLOCK(end)
	if (end < begin)
		exit(3);
}

static int check(void)
{
	long sum = 0, ids = 0;
	int i, n = 0;

	for (i = 0; i < 4; i++)
		sum += gm->counts[i];
	for (i = 0; i < 100; i++)
		if (gm->done[i] != 1)
			return 0;
	for (struct item *it = gm->list; it; it = it->next, n++)
		ids += it->value;
	return sum == 200L * 3 * nprocs && n == nprocs + 10 && gm->counted == 10L * nprocs &&
	       ids == (long)nprocs * (nprocs - 1) / 2 + 45;
}

int main(int argc, char **argv)
{
	int c, i, old = 0;

	while ((c = getopt(argc, argv, "op:")) != -1) {
		if (c == 'p')
			nprocs = atoi(optarg);
		else
			old = 1;
	}
	MAIN_INITENV(, 1000000)
	printf("%d processes\n", nprocs);
	gm = (struct global_memory *)G_MALLOC(sizeof(struct global_memory));
	gm->id = 0;
	gm->counted = 0;
	gm->list = NULL;
	LOCKINIT(gm->idlock)
	LOCKINIT(gm->listlock)
	ALOCKINIT(gm->locks, 4)
	BARINIT(gm->start, nprocs)
	GSINIT(gm->loop)
	PAUSEINIT(gm->go)
	factor = 3.5;
	for (i = 0; i < 4; i++)
		gm->counts[i] = 0;
	for (i = 0; i < 100; i++)
		gm->done[i] = 0;
	for (i = 0; i < 10; i++)
		add_item(i);
	list = gm->list;
	if (old) {
		for (i = 1; i < nprocs; i++)
			CREATE(slave_start)
		SETPAUSE(gm->go)
		slave_start();
		WAIT_FOR_END(nprocs - 1)
	} else {
		SETPAUSE(gm->go)
		CREATE(slave_start, nprocs)
		WAIT_FOR_END(nprocs)
	}
	printf("%s\n", check() ? "correct" : "WRONG");
	MAIN_END
}
