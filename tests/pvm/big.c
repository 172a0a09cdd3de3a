// SPDX-License-Identifier: BSD-3-Clause
// Larger programs in the style that PVM programs have: a farm of many tasks, a master whose workers
// die, collective operations of all types, tasks that come and go in rounds. `big [TASKS]`.
#include "tests/pvm/show.h"

enum { WORK = 1, RESULT, STOP, GONE, HELLO };

static int tids[1000];

/* ---- workers ---- */

/* Sums 1 … n for each n it gets; dies of 0 before it answers. */
static int worker(void)
{
	int parent = pvm_parent(), n, tag, buf;

	for (;;) {
		buf = pvm_recv(parent, -1);
		if (buf < 0 || pvm_bufinfo(buf, NULL, &tag, NULL) < 0 || tag == STOP)
			break;
		pvm_upkint(&n, 1, 1);
		if (n == 0)
			raise(SIGKILL);
		double sum = 0;

		for (int i = 1; i <= n; i++)
			sum += i;
		pvm_initsend(PvmDataRaw);
		pvm_pkint(&n, 1, 1);
		pvm_pkdouble(&sum, 1, 1);
		pvm_send(parent, RESULT);
	}
	pvm_exit();
	return 0;
}

/* ---- a farm ---- */

static void give(int tid, int n)
{
	pvm_initsend(PvmDataDefault);
	pvm_pkint(&n, 1, 1);
	pvm_send(tid, WORK);
}

/* A result, checked. Whose it is; *GOOD counts the right ones. */
static int take(int *good)
{
	int n, from, buf = pvm_recv(-1, RESULT);
	double sum;

	pvm_bufinfo(buf, NULL, NULL, &from);
	pvm_upkint(&n, 1, 1);
	pvm_upkdouble(&sum, 1, 1);
	*good += sum == (double)n * (n + 1) / 2;
	return from;
}

static void farm(int workers, int jobs)
{
	char *argv[] = { "worker", NULL };
	int good = 0, given = 0;
	int rc = pvm_spawn(self_path(), argv, PvmTaskDefault, NULL, workers, tids);

	printf("farm: %d of %d started\n", rc, workers);
	while (given < workers && given < jobs) {
		give(tids[given], given + 1);
		given++;
	}
	for (int i = 0; i < jobs; i++) {
		int who = take(&good);

		if (given < jobs)
			give(who, ++given);
	}
	pvm_initsend(PvmDataDefault);
	pvm_mcast(tids, workers, STOP);
	printf("farm: %d of %d right\n", good, jobs);
}

/* ---- workers that die; each death is told of, and its work given to another ---- */

static void deaths(int workers)
{
	char *argv[] = { "worker", NULL };
	int good = 0, told = 0, dead = workers / 3;

	printf("deaths: %d started\n",
	       pvm_spawn(self_path(), argv, PvmTaskDefault, NULL, workers, tids));
	pvm_notify(PvmTaskExit, GONE, workers, tids);
	for (int i = 0; i < workers; i++)
		give(tids[i], i < dead ? 0 : i + 1);
	while (told < dead) {
		int tid;

		pvm_recv(-1, GONE);
		pvm_upkint(&tid, 1, 1);
		for (int i = 0; i < dead; i++)
			told += tids[i] == tid;
		give(tids[workers - 1], 1000 + told);
	}
	for (int i = 0; i < workers; i++)
		take(&good);
	printf("deaths: %d told of, %d right\n", told, good);
	pvm_initsend(PvmDataDefault);
	pvm_mcast(tids + dead, workers - dead, STOP);
	for (int i = dead; i < workers; i++)
		pvm_recv(-1, GONE);
	SHOW(pvm_nrecv(-1, -1));
}

/* ---- a group: all types, all operations ---- */

#define REDUCE(type, code, op, want)                                               \
	do {                                                                       \
		type v[3] = { (type)(me + 1), (type)(me + 2), (type)2 };           \
		int rc = pvm_reduce(op, v, 3, code, ++tag, "big", 0);              \
		if (me == 0)                                                       \
			wrong += rc < 0 || v[0] != (type)(want);                   \
		else                                                               \
			wrong += rc < 0;                                           \
	} while (0)

#define GATHER(type, code)                                                         \
	do {                                                                       \
		type mine[2] = { (type)me, (type)(me + 1) }, all[2 * 64] = { 0 };  \
		wrong += pvm_gather(all, mine, 2, code, ++tag, "big", 1) < 0;      \
		for (int i = 0; i < n && me == 1; i++)                             \
			wrong += all[2 * i] != (type)i || all[2 * i + 1] != (type)(i + 1); \
		wrong += pvm_scatter(mine, all, 2, code, ++tag, "big", 1) < 0;     \
		wrong += mine[0] != (type)me || mine[1] != (type)(me + 1);         \
	} while (0)

static int member(int n)
{
	int me = pvm_joingroup("big"), tag = 100, wrong = me < 0, sum = n * (n + 1) / 2;

	wrong += pvm_barrier("big", n) < 0;
	REDUCE(short, PVM_SHORT, PvmSum, sum);
	REDUCE(int, PVM_INT, PvmSum, sum);
	REDUCE(long, PVM_LONG, PvmSum, sum);
	REDUCE(float, PVM_FLOAT, PvmSum, sum);
	REDUCE(double, PVM_DOUBLE, PvmSum, sum);
	REDUCE(char, PVM_BYTE, PvmMax, n);
	REDUCE(int, PVM_INT, PvmMax, n);
	REDUCE(double, PVM_DOUBLE, PvmMin, 1);
	GATHER(char, PVM_BYTE);
	GATHER(short, PVM_SHORT);
	GATHER(int, PVM_INT);
	GATHER(long, PVM_LONG);
	GATHER(float, PVM_FLOAT);
	GATHER(double, PVM_DOUBLE);
	wrong += pvm_barrier("big", n) < 0;
	/* From one to all, and back. */
	if (me == 0) {
		pvm_initsend(PvmDataDefault);
		pvm_pkint(&n, 1, 1);
		wrong += pvm_bcast("big", HELLO) < 0;
	} else {
		wrong += recv_int(-1, HELLO) != n;
	}
	wrong += pvm_barrier("big", n) < 0;
	pvm_lvgroup("big");
	return wrong;
}

static int group_task(int n)
{
	send_int(pvm_parent(), RESULT, member(n));
	pvm_exit();
	return 0;
}

static void group(int n)
{
	char number[16], *argv[] = { "group", number, NULL };
	int wrong = 0;

	snprintf(number, sizeof(number), "%d", n);
	printf("group: %d started\n", pvm_spawn(self_path(), argv, 0, NULL, n - 1, tids));
	wrong += member(n);
	for (int i = 1; i < n; i++)
		wrong += recv_int(-1, RESULT);
	printf("group: %d wrong\n", wrong);
}

/* ---- rounds: tasks come and go ---- */

static void rounds(int times, int workers)
{
	char *argv[] = { "worker", NULL };
	int started = 0, good = 0;

	for (int r = 0; r < times; r++) {
		int n = pvm_spawn(self_path(), argv, PvmTaskDefault, NULL, workers, tids);

		started += n;
		pvm_notify(PvmTaskExit, GONE, n, tids);
		for (int i = 0; i < n; i++)
			give(tids[i], r + i + 1);
		for (int i = 0; i < n; i++)
			take(&good);
		pvm_initsend(PvmDataDefault);
		pvm_mcast(tids, n, STOP);
		for (int i = 0; i < n; i++)
			pvm_recv(-1, GONE);
	}
	printf("rounds: %d tasks, %d right\n", started, good);
}

int main(int argc, char **argv)
{
	start(argc, argv, 110);
	if (is_role(argc, argv, "worker"))
		return worker();
	if (is_role(argc, argv, "group"))
		return group_task(atoi(argv[2]));
	int many = argc > 1 ? atoi(argv[1]) : 24;

	if (pvm_mytid() < 0 || many < 6 || many > COUNT(tids))
		return 1;
	pvm_setopt(PvmAutoErr, 0);
	farm(many, 10 * many);
	deaths(many / 2);
	group(many / 2 < 32 ? many / 2 : 32);
	rounds(5, many / 4);
	SHOW(pvm_exit());
	return 0;
}
