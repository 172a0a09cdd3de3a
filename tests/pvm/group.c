// SPDX-License-Identifier: BSD-3-Clause
/* Groups: who is in them, meeting, one to all, all to one. The last of the children speaks least.
 */
#include "tests/pvm/show.h"

enum { GO = 1, DATA = 2, SAY = 3, KIDS = 3 };

static int me, kids[KIDS];

/* ---- alone ---- */

static void alone(void)
{
	int v = 1;

	head("alone");
	SHOW(pvm_gsize("none"));
	SHOW(pvm_gettid("none", 0));
	SHOW(pvm_getinst("none", me));
	SHOW(pvm_lvgroup("none"));
	SHOW(pvm_barrier("none", 1));
	pvm_initsend(0);
	pvm_pkint(&v, 1, 1);
	SHOW(pvm_bcast("none", 1));
	SHOW(pvm_joingroup("one"));
	SHOW(pvm_joingroup("one"));
	SHOW(pvm_gsize("one"));
	SHOW_TID(pvm_gettid("one", 0));
	SHOW(pvm_gettid("one", 1));
	SHOW(pvm_gettid("one", -1));
	SHOW(pvm_getinst("one", me));
	SHOW(pvm_getinst("one", me + 100));
	SHOW(pvm_getinst("one", 0));
	SHOW(pvm_barrier("one", 1));
	SHOW(pvm_barrier("one", 0));
	SHOW(pvm_barrier("one", -1));
	SHOW(pvm_barrier("one", -2));
	SHOW(pvm_bcast("one", 1));
	SHOW(pvm_nrecv(-1, 1));
	SHOW(pvm_joingroup("other"));
	SHOW(pvm_gsize("other"));
	SHOW(pvm_lvgroup("one"));
	SHOW(pvm_lvgroup("one"));
	SHOW(pvm_gsize("one"));
	SHOW(pvm_getinst("one", me));
	SHOW(pvm_joingroup("one"));
	SHOW(pvm_lvgroup("one"));
	SHOW(pvm_lvgroup("other"));

	head("bad names");
	SHOW(pvm_joingroup(""));
	SHOW(pvm_joingroup(NULL));
	SHOW(pvm_lvgroup(""));
	SHOW(pvm_lvgroup(NULL));
	SHOW(pvm_gsize(""));
	SHOW(pvm_gsize(NULL));
	SHOW(pvm_gettid("", 0));
	SHOW(pvm_getinst("", 0));
	SHOW(pvm_getinst(NULL, 0));
	SHOW(pvm_barrier("", 1));
	SHOW(pvm_barrier(NULL, 1));
	SHOW(pvm_bcast("", 1));
	SHOW(pvm_bcast(NULL, 1));
	SHOW(pvm_freezegroup("", 1));
}

/* ---- operations, called by hand ---- */

static void show_op(const char *name, void (*op)(int *, void *, void *, int *, int *))
{
	int n = 2, info;

	printf("%s:", name);
	for (int type = -1; type <= 12; type++) {
		union {
			char c[32];
			short s[16];
			int i[8];
			long l[4];
			float f[8];
			double d[4];
		} x, y;

		memset(&x, 0, sizeof(x));
		memset(&y, 0, sizeof(y));
		switch (type) {
		case PVM_FLOAT:
		case PVM_CPLX:
			x.f[0] = 1.5F, x.f[1] = -2, x.f[2] = 3, x.f[3] = 1;
			y.f[0] = 2, y.f[1] = 0.5F, y.f[2] = -4, y.f[3] = 2;
			break;
		case PVM_DOUBLE:
		case PVM_DCPLX:
			x.d[0] = 1.5, x.d[1] = -2, x.d[2] = 3, x.d[3] = 1;
			y.d[0] = 2, y.d[1] = 0.5, y.d[2] = -4, y.d[3] = 2;
			break;
		default:
			memset(&x, 3, 2), memset(&y, 2, 3);
			x.c[8] = 5, y.c[8] = 9;
		}
		info = 99;
		op(&type, &x, &y, &n, &info);
		printf("\n  type %d: %d", type, info);
		if (type == PVM_FLOAT || type == PVM_CPLX)
			printf(" %g %g %g %g", x.f[0], x.f[1], x.f[2], x.f[3]);
		else if (type == PVM_DOUBLE || type == PVM_DCPLX)
			printf(" %g %g %g %g", x.d[0], x.d[1], x.d[2], x.d[3]);
		else
			printf(" %d %d %d %d, %d", x.c[0], x.c[1], x.c[2], x.c[3], x.c[8]);
	}
	printf("\n");
}

static void operations(void)
{
	head("operations");
	show_op("PvmMax", PvmMax);
	show_op("PvmMin", PvmMin);
	show_op("PvmSum", PvmSum);
	show_op("PvmProduct", PvmProduct);
}

/* ---- together: each step is said by the parent, and answered by all children in turn ---- */

/* The outcome of a step: the children send theirs to the parent, who prints all. */
static void outcome(const char *what, int inst, const long *values, int n)
{
	char line[256];
	int len = 0;

	line[0] = '\0';
	for (int i = 0; i < n; i++)
		len += snprintf(line + len, sizeof(line) - (size_t)len, " %ld", values[i]);
	if (inst == 0) {
		printf("%s: 0:%s\n", what, line);
		for (int i = 0; i < KIDS; i++) {
			pvm_recv(kids[i], SAY);
			pvm_upkstr(line);
			printf("  %d:%s\n", i + 1, line);
		}
	} else {
		pvm_initsend(0);
		pvm_pkstr(line);
		pvm_send(pvm_parent(), SAY);
	}
}
#define OUTCOME(what, ...)                                                                         \
	do {                                                                                       \
		const long values[] = { __VA_ARGS__ };                                             \
		outcome(what, inst, values, COUNT(values));                                        \
	} while (0)

static void meet(int inst)
{
	long rc = pvm_barrier("team", KIDS + 1);

	OUTCOME("barrier", rc);
	rc = pvm_barrier("team", -1);
	OUTCOME("barrier of all", rc);
}

static void one_to_all(int inst)
{
	long rc;
	int value = 70 + inst;

	for (int from = 0; from <= 1; from++) {
		if (inst == from) {
			pvm_initsend(0);
			pvm_pkint(&value, 1, 1);
			rc = pvm_bcast("team", 20 + from);
			pvm_barrier("team", KIDS + 1);
			OUTCOME("bcast", rc, pvm_nrecv(-1, 20 + from));
		} else {
			pvm_barrier("team", KIDS + 1);
			OUTCOME("bcast", recv_int(-1, 20 + from));
		}
	}
}

static void ours(int *type, void *x, void *y, int *n, int *info)
{
	int *a = x, *b = y;

	(void)type;
	for (int i = 0; i < *n; i++)
		a[i] = 10 * a[i] + b[i];
	*info = 0;
}

static int tag = 100; /* of the last step: another one for each */

#define REDUCE(what, ctype, type, op, root, ...)                                                   \
	do {                                                                                       \
		ctype v[] = { __VA_ARGS__ };                                                       \
		long rc = pvm_reduce(op, v, COUNT(v), type, ++tag, "team", root);                  \
		if (inst == (root))                                                                \
			OUTCOME(what, rc, (long)v[0], (long)v[COUNT(v) - 1]);                      \
		else                                                                               \
			OUTCOME(what, rc);                                                         \
		pvm_barrier("team", KIDS + 1);                                                     \
	} while (0)

static void all_to_one(int inst)
{
	char c = (char)inst;

	REDUCE("sum of ints", int, PVM_INT, PvmSum, 0, inst, 10 * inst, 7);
	REDUCE("max of ints at 2", int, PVM_INT, PvmMax, 2, inst, -inst);
	REDUCE("min of doubles", double, PVM_DOUBLE, PvmMin, 0, inst + 1.5, -inst);
	REDUCE("product of floats", float, PVM_FLOAT, PvmProduct, 0, (float)inst + 1, 2);
	REDUCE("sum of bytes", char, PVM_BYTE, PvmSum, 0, c, 1);
	REDUCE("sum of shorts", short, PVM_SHORT, PvmSum, 0, (short)inst, 1);
	REDUCE("sum of longs", long, PVM_LONG, PvmSum, 0, inst, 1);
	REDUCE("max of longs", long, PVM_LONG, PvmMax, 0, inst, -inst);
	REDUCE("product of longs", long, PVM_LONG, PvmProduct, 0, inst + 1, 2);
	REDUCE("max of shorts", short, PVM_SHORT, PvmMax, 0, (short)inst, 1);
	REDUCE("min of bytes", char, PVM_BYTE, PvmMin, 0, c, 1);
	{
		float v[4] = { (float)inst, 1, 2, (float)-inst };
		long rc = pvm_reduce(PvmSum, v, 2, PVM_CPLX, 31, "team", 0);

		OUTCOME("sum of complex", rc, inst ? 0 : (long)v[0], inst ? 0 : (long)v[3]);
	}
	{
		double v[4] = { inst + 1, 1, 2, -inst };
		long rc = pvm_reduce(PvmProduct, v, 2, PVM_DCPLX, 32, "team", 0);

		OUTCOME("product of double complex", rc, inst ? 0 : (long)v[0],
			inst ? 0 : (long)v[1]);
	}
	{
		double v[4] = { inst + 1, 1, 2, -inst };
		long rc = pvm_reduce(PvmMax, v, 2, PVM_DCPLX, 33, "team", 0);

		OUTCOME("max of double complex", rc, inst ? 0 : (long)v[0], inst ? 0 : (long)v[1]);
	}
	{
		int v = inst;
		long rc = pvm_reduce(ours, &v, 1, PVM_INT, 34, "team", 1);

		OUTCOME("an operation of ours", rc);
		pvm_barrier("team", KIDS + 1);
	}
}

static void spread(int inst)
{
	int all[2 * (KIDS + 1)] = { 0 }, mine[2] = { -1, -1 };
	long rc;

	for (int i = 0; i < COUNT(all); i++)
		all[i] = 100 * inst + i;
	rc = pvm_scatter(mine, all, 2, PVM_INT, 40, "team", 0);
	OUTCOME("scatter", rc, mine[0], mine[1]);
	mine[0] += 1000, mine[1] += 2000;
	memset(all, 0, sizeof(all));
	rc = pvm_gather(all, mine, 2, PVM_INT, 41, "team", 3);
	OUTCOME("gather at 3", rc, all[0], all[1], all[6], all[7]);
	pvm_barrier("team", KIDS + 1);
}

static void wrong(int inst)
{
	int v[8] = { 0 };

	OUTCOME("reduce: bad root", pvm_reduce(PvmSum, v, 1, PVM_INT, 50, "team", 99));
	OUTCOME("reduce: bad count", pvm_reduce(PvmSum, v, -1, PVM_INT, 51, "team", 0));
	OUTCOME("reduce: bad group", pvm_reduce(PvmSum, v, 1, PVM_INT, 53, "none", 0));
	OUTCOME("reduce: no group", pvm_reduce(PvmSum, v, 1, PVM_INT, 53, "", 0));
	OUTCOME("reduce: bad type", pvm_reduce(PvmSum, v, 1, 77, 54, "team", 0));
	OUTCOME("scatter: bad root", pvm_scatter(v, v, 1, PVM_INT, 55, "team", 99));
	OUTCOME("scatter: bad count", pvm_scatter(v, v, -1, PVM_INT, 55, "team", 0));
	OUTCOME("scatter: bad type", pvm_scatter(v, v, 1, 77, 55, "team", 0));
	OUTCOME("scatter: no result", pvm_scatter(NULL, v, 1, PVM_INT, 55, "team", 0));
	OUTCOME("gather: bad root", pvm_gather(v, v, 1, PVM_INT, 56, "team", -1));
	OUTCOME("gather: bad count", pvm_gather(v, v, -1, PVM_INT, 56, "team", 0));
	OUTCOME("gather: bad type", pvm_gather(v, v, 1, 77, 56, "team", 0));
	OUTCOME("gather: no data", pvm_gather(v, NULL, 1, PVM_INT, 56, "team", 0));
	OUTCOME("gather: bad group", pvm_gather(v, v, 1, PVM_INT, 56, "none", 0));
}

static void together(int inst)
{
	meet(inst);
	one_to_all(inst);
	all_to_one(inst);
	spread(inst);
	wrong(inst);
}

/* Joins when told, so that the instances are known. */
static int child(void)
{
	int inst;

	wait_word(GO);
	inst = pvm_joingroup("team");
	send_int(pvm_parent(), DATA, inst);
	wait_word(GO);
	together(inst);
	/* Leaves, or dies as a member. */
	wait_word(GO);
	if (inst == 2)
		send_int(pvm_parent(), DATA, pvm_lvgroup("team"));
	wait_word(GO);
	if (inst == 2) {
		send_int(pvm_parent(), DATA, pvm_joingroup("team"));
		wait_word(GO);
	}
	send_int(pvm_parent(), DATA, pvm_barrier("team", KIDS - 1));
	wait_word(GO);
	pvm_exit();
	return 0;
}

static int until_gsize(int size)
{
	for (int i = 0; i < 500 && pvm_gsize("team") != size; i++)
		usleep(10000);
	return pvm_gsize("team");
}

static void with_children(void)
{
	head("together");
	SHOW(pvm_joingroup("team"));
	SHOW(spawn_role("child", KIDS, kids));
	for (int i = 0; i < KIDS; i++) {
		send_int(kids[i], GO, 0);
		SHOW(recv_int(kids[i], DATA));
	}
	SHOW(pvm_gsize("team"));
	for (int i = 0; i <= KIDS + 1; i++)
		SHOW_TID(pvm_gettid("team", i));
	for (int i = 0; i < KIDS; i++)
		SHOW(pvm_getinst("team", kids[i]));
	say_word(kids, KIDS, GO);
	together(0);
}

static void coming_and_going(void)
{
	head("coming and going");
	say_word(kids, KIDS, GO);
	SHOW(recv_int(kids[1], DATA));
	SHOW(pvm_gsize("team"));
	SHOW(pvm_gettid("team", 2));
	SHOW_TID(pvm_gettid("team", 3));
	SHOW(pvm_getinst("team", kids[1]));
	SHOW(pvm_kill(kids[0]));
	SHOW(until_gsize(2));
	SHOW(pvm_gettid("team", 1));
	SHOW(pvm_getinst("team", kids[0]));
	say_word(kids + 1, 2, GO);
	SHOW(recv_int(kids[1], DATA));
	SHOW(pvm_gsize("team"));
	SHOW_TID(pvm_gettid("team", 1));
	/* The barrier has the wrong count for one of those who come: it is not that one who waits.
	 */
	SHOW(pvm_lvgroup("team"));
	SHOW(pvm_gsize("team"));
	/* What may be done from outside. */
	SHOW_TID(pvm_gettid("team", 3));
	SHOW(pvm_getinst("team", kids[2]));
	SHOW(pvm_barrier("team", 3));
	pvm_initsend(0);
	SHOW(pvm_bcast("team", 99));
	int v = 1;

	SHOW(pvm_reduce(PvmSum, &v, 1, PVM_INT, 60, "team", 1));
	SHOW(pvm_scatter(&v, &v, 1, PVM_INT, 61, "team", 1));
	SHOW(pvm_gather(&v, &v, 1, PVM_INT, 62, "team", 1));
	SHOW(pvm_freezegroup("team", 2));
	say_word(kids + 1, 1, GO);
	SHOW(recv_int(-1, DATA));
	SHOW(recv_int(-1, DATA));
	SHOW(pvm_barrier("team", 2));
	say_word(kids + 1, 2, GO);
	SHOW(until_gsize(PvmNoGroup));
}

/* What is looked at first. */
static void alone_together(void)
{
	int v = 3;

	head("alone together");
	SHOW(pvm_joingroup("solo"));
	SHOW(pvm_reduce(PvmSum, &v, 0, PVM_INT, 1, "solo", 0));
	SHOW(pvm_reduce(PvmSum, &v, 1, PVM_STR, 1, "solo", 0));
	SHOW(pvm_reduce(PvmSum, &v, 1, PVM_UINT, 1, "solo", 0));
	SHOW(pvm_gather(&v, &v, 0, PVM_INT, 1, "solo", 0));
	SHOW(pvm_gather(&v, &v, 1, PVM_STR, 1, "solo", 0));
	SHOW(pvm_scatter(&v, &v, 1, PVM_UINT, 1, "solo", 0));
	SHOW(pvm_scatter(&v, &v, 1, PVM_STR, 1, "solo", 0));
	SHOW(pvm_reduce(PvmSum, &v, -1, PVM_INT, 1, "solo", 5));
	SHOW(pvm_reduce(PvmSum, &v, 1, 77, 1, "solo", 5));
	SHOW(pvm_reduce(PvmSum, &v, -1, PVM_INT, 1, "none", 5));
	SHOW(pvm_reduce(PvmSum, &v, 1, PVM_INT, -1, "solo", 0));
	SHOW(pvm_gather(&v, &v, 1, PVM_INT, -1, "solo", 0));
	pvm_setsbuf(0);
	SHOW(pvm_bcast("solo", -1));
	pvm_initsend(0);
	SHOW(pvm_bcast("solo", -1));
	SHOW(pvm_lvgroup("solo"));
}

static void frozen(void)
{
	int v = 5;

	head("frozen");
	SHOW(pvm_joingroup("ice"));
	SHOW(pvm_freezegroup("ice", 1));
	SHOW(pvm_gsize("ice"));
	SHOW_TID(pvm_gettid("ice", 0));
	SHOW(pvm_getinst("ice", me));
	SHOW(pvm_barrier("ice", 1));
	SHOW(pvm_freezegroup("ice", 1));
	SHOW(pvm_freezegroup("ice", 2));
	SHOW(pvm_joingroup("ice"));
	SHOW(pvm_bcast("ice", 1));
	SHOW(pvm_gettid("ice", 1));
	SHOW(pvm_reduce(PvmSum, &v, 1, PVM_INT, 1, "ice", 0));
	SHOW(v);
	SHOW(pvm_lvgroup("ice"));
	SHOW(pvm_gsize("ice"));
	SHOW(pvm_lvgroup("ice"));
	SHOW(pvm_freezegroup("none", 1));
	SHOW(pvm_freezegroup("ice", 0));
	SHOW(pvm_joingroup("ice"));
	SHOW(pvm_lvgroup("ice"));
}

int main(int argc, char **argv)
{
	start(argc, argv, 40);
	if (is_role(argc, argv, "child"))
		return child();
	pvm_setopt(PvmAutoErr, 0);
	me = pvm_mytid();
	name_tid(me, "me");
	alone();
	operations();
	with_children();
	coming_and_going();
	alone_together();
	frozen();
	SHOW(pvm_exit());
	return 0;
}
