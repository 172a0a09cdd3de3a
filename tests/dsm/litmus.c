/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small programs of few loads and stores whose outcomes tell one memory from another. x86 forbids
 * some of them (total store order); so must memory that only looks like one.
 *
 *	dvm run -n 4 litmus [-r RUNS] [-s SHAPE] [-l LAYOUT] [-S SEED] [-p] [-b]
 *
 * The roles of a shape are ranks. In each run all ranks meet, wait for a random moment and do their
 * part. Nothing is ever reset: run I stores numbers made of I, so what is older is "before", and a
 * load may find nothing but what is stored in this run or what was there last.
 *
 * -p: the protocol also on one node. -b: loads see, now and then, a copy that nobody keeps up to
 * date, as if there were no protocol: then forbidden outcomes must be found.
 */
#include <dvm/coll.h>
#include <dvm/dvm.h>
#include <dvm/mem.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROLES = 4, OPS = 4, VARS = 3, PAGE = 4096, PAGES = 24, REGS = ROLES * OPS };

enum kind { NOTHING = 0, STORE, LOAD, FENCE, ADD };

struct op {
	uint8_t kind, var, value; /* value: 1, 2 … of those stored to var in a run */
};

#define W(v, n)                                                                                    \
	{                                                                                          \
		STORE, v, n                                                                        \
	}
#define R(v)                                                                                       \
	{                                                                                          \
		LOAD, v, 0                                                                         \
	}
#define F                                                                                          \
	{                                                                                          \
		FENCE, 0, 0                                                                        \
	}
#define A(v)                                                                                       \
	{                                                                                          \
		ADD, v, 0                                                                          \
	}

enum { X, Y, Z };

/* What a run has led to: loads by role and position (0: before), and what is there in the end. */
struct outcome {
	int r[ROLES][OPS];
	int end[VARS];
};

struct shape {
	const char *name;
	int roles;
	struct op ops[ROLES][OPS];
	bool (*forbidden)(const struct outcome *o);
};

static bool sb(const struct outcome *o)
{
	return !o->r[0][2] && !o->r[1][2];
}

static bool mp(const struct outcome *o)
{
	return o->r[1][0] && !o->r[1][1];
}

static bool lb(const struct outcome *o)
{
	return o->r[0][0] && o->r[1][0];
}

static bool iriw(const struct outcome *o)
{
	return o->r[2][0] && !o->r[2][1] && o->r[3][0] && !o->r[3][1];
}

static bool two_two_w(const struct outcome *o)
{
	return o->end[X] == 1 && o->end[Y] == 1;
}

static bool store_read(const struct outcome *o)
{
	return o->end[Y] == 2 && !o->r[1][2];
}

static bool s_shape(const struct outcome *o)
{
	return o->end[X] == 2 && o->r[1][0];
}

static bool corr(const struct outcome *o)
{
	return o->r[1][0] && !o->r[1][1];
}

static bool corr2(const struct outcome *o)
{
	return o->r[2][0] && o->r[3][0] && o->r[2][0] != o->r[3][0] && o->r[2][1] == o->r[3][0] &&
	       o->r[3][1] == o->r[2][0];
}

static bool coww(const struct outcome *o)
{
	return o->end[X] != 2;
}

static bool cowr(const struct outcome *o)
{
	return o->r[0][1] == 0 || (o->r[0][1] == 2 && o->end[X] == 1);
}

static bool corw(const struct outcome *o)
{
	return o->r[0][0] == 1 || (o->r[0][0] == 2 && o->end[X] == 2);
}

static bool wrc(const struct outcome *o)
{
	return o->r[1][0] && o->r[2][0] && !o->r[2][1];
}

static bool rwc(const struct outcome *o)
{
	return o->r[1][0] && !o->r[1][1] && !o->r[2][2];
}

static bool isa2(const struct outcome *o)
{
	return o->r[1][0] && o->r[2][0] && !o->r[2][1];
}

/* Each finds another number, and all of them have been added. */
static bool atomicity(const struct outcome *o)
{
	return o->r[0][0] == o->r[1][0] || o->end[X] != 2;
}

static const struct shape shapes[] = {
	{ "SB", 2, { { W(X, 1), F, R(Y) }, { W(Y, 1), F, R(X) } }, sb },
	{ "MP", 2, { { W(X, 1), W(Y, 1) }, { R(Y), R(X) } }, mp },
	{ "LB", 2, { { R(X), W(Y, 1) }, { R(Y), W(X, 1) } }, lb },
	{ "IRIW", 4, { { W(X, 1) }, { W(Y, 1) }, { R(X), R(Y) }, { R(Y), R(X) } }, iriw },
	{ "2+2W", 2, { { W(X, 1), W(Y, 2) }, { W(Y, 1), W(X, 2) } }, two_two_w },
	{ "R", 2, { { W(X, 1), W(Y, 1) }, { W(Y, 2), F, R(X) } }, store_read },
	{ "S", 2, { { W(X, 2), W(Y, 1) }, { R(Y), W(X, 1) } }, s_shape },
	{ "CoRR", 2, { { W(X, 1) }, { R(X), R(X) } }, corr },
	{ "CoRR2", 4, { { W(X, 1) }, { W(X, 2) }, { R(X), R(X) }, { R(X), R(X) } }, corr2 },
	{ "CoWW", 2, { { W(X, 1), W(X, 2) }, { R(X) } }, coww },
	{ "CoWR", 2, { { W(X, 1), R(X) }, { W(X, 2) } }, cowr },
	{ "CoRW", 2, { { R(X), W(X, 1) }, { W(X, 2) } }, corw },
	{ "WRC", 3, { { W(X, 1) }, { R(X), W(Y, 1) }, { R(Y), R(X) } }, wrc },
	{ "RWC", 3, { { W(X, 1) }, { R(X), R(Y) }, { W(Y, 1), F, R(X) } }, rwc },
	{ "ISA2", 3, { { W(X, 1), W(Y, 1) }, { R(Y), W(Z, 1) }, { R(Z), R(X) } }, isa2 },
	{ "ADD", 2, { { A(X) }, { A(X) } }, atomicity },
};

enum { SHAPES = sizeof shapes / sizeof *shapes };

/* Where variables lie to each other. */
enum layout { PAGES_APART, ONE_PAGE, ONE_LINE, LAYOUTS };

static const char *const layout_names[] = { "pages", "page", "line" };

struct run {
	uint64_t number;
	const struct shape *shape;
	uint32_t at[VARS];     /* offsets */
	uint64_t before[VARS]; /* what is there */
	int role[ROLES];       /* whose */
};

static dvm_t *d;
static dvm_group_t *w;
static dvm_seg_t *seg;
static int self, size;
static bool broken;
static uint8_t stale[PAGES * PAGE];
/* The last number of every place, known to all ranks by the same computation. */
static uint64_t last[PAGES * PAGE / 8];

static void must(int rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "rank %d: %s: %s\n", self, what, dvm_strerror(rc));
	dvm_abort(d, 1, what);
	exit(1);
}

static uint64_t random_number(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t below(uint64_t *state, uint64_t n)
{
	return random_number(state) % n;
}

static volatile uint64_t *place(uint32_t at)
{
	return (volatile uint64_t *)((char *)dvm_seg_base(seg) + at);
}

static void place_variables(struct run *r, enum layout layout, uint64_t *rng)
{
	uint32_t page = (uint32_t)below(rng, PAGES), line = (uint32_t)below(rng, 60);

	for (uint32_t v = 0; v < VARS; v++) {
		uint32_t p = layout == PAGES_APART ? (page + v) % PAGES : page;
		uint32_t l = layout == ONE_LINE ? line : line + v;
		r->at[v] = p * PAGE + l * 64 + (layout == ONE_LINE ? v * 8 : 0);
		r->before[v] = last[r->at[v] / 8];
	}
}

/* Roles go to the ranks in turn, so that each is once with the home and once without. */
static void choose(struct run *r, enum layout layout, uint64_t *rng)
{
	int first = (int)below(rng, (uint64_t)size);

	place_variables(r, layout, rng);
	for (int i = 0; i < ROLES; i++)
		r->role[i] = (first + i) % size;
}

static void wait_a_moment(uint64_t *rng)
{
	uint64_t n = below(rng, 4) ? below(rng, 200) : below(rng, 20000);

	for (volatile uint64_t i = 0; i < n; i++)
		;
}

static uint64_t load(uint32_t at, uint64_t *rng)
{
	uint64_t old;

	if (!broken || below(rng, 2))
		return *place(at);
	memcpy(&old, stale + at, sizeof old);
	return old;
}

/* The loads and stores of a role, with nothing between them. */
static void act(const struct run *r, const struct op *ops, uint64_t *found, uint64_t *rng)
{
	for (int i = 0; i < OPS && ops[i].kind; i++) {
		uint32_t at = r->at[ops[i].var];
		if (ops[i].kind == STORE)
			*place(at) = r->number * 4 + ops[i].value;
		else if (ops[i].kind == LOAD)
			found[i] = load(at, rng);
		else if (ops[i].kind == ADD)
			found[i] = __atomic_fetch_add(place(at), 1, __ATOMIC_SEQ_CST);
		else
			__sync_synchronize();
	}
}

/* What was found, as the number of the store in this run. -1: neither that nor what was before. */
static int meaning(const struct run *r, int var, uint64_t found)
{
	if (r->shape->ops[0][0].kind == ADD)
		return found >= r->before[var] && found <= r->before[var] + 2
			       ? (int)(found - r->before[var])
			       : -1;
	if (found == r->before[var])
		return 0;
	return found / 4 == r->number ? (int)(found % 4) : -1;
}

static bool is_bad(const struct run *r, const uint64_t *found, const uint64_t *ends,
		   struct outcome *o)
{
	bool nonsense = false;

	memset(o, 0, sizeof *o);
	for (int role = 0; role < r->shape->roles; role++)
		for (int i = 0; i < OPS; i++) {
			const struct op *op = &r->shape->ops[role][i];
			if (op->kind != LOAD && op->kind != ADD)
				continue;
			o->r[role][i] = meaning(r, op->var, found[role * OPS + i]);
			nonsense |= o->r[role][i] < 0;
		}
	for (int v = 0; v < VARS; v++) {
		o->end[v] = meaning(r, v, ends[v]);
		nonsense |= o->end[v] < 0;
	}
	return nonsense || r->shape->forbidden(o);
}

static void tell(const struct run *r, const char *layout, const struct outcome *o)
{
	printf("# %s, %s, run %llu:", r->shape->name, layout, (unsigned long long)r->number);
	for (int role = 0; role < r->shape->roles; role++)
		for (int i = 0; i < OPS; i++)
			if (r->shape->ops[role][i].kind == LOAD ||
			    r->shape->ops[role][i].kind == ADD)
				printf(" r%d.%d=%d", role, i, o->r[role][i]);
	printf(" end %d %d %d\n", o->end[X], o->end[Y], o->end[Z]);
}

static void remember(const struct run *r, const uint64_t *ends)
{
	for (int v = 0; v < VARS; v++)
		last[r->at[v] / 8] = ends[v];
}

/* Ranks that have no role only look on. True when what came out is forbidden. */
static bool run_once(struct run *r, enum layout layout, uint64_t *common, uint64_t *own)
{
	uint64_t found[REGS] = { 0 }, all[REGS], ends[VARS];
	struct outcome o;

	choose(r, layout, common);
	if (broken && below(own, 3) == 0)
		memcpy(stale, dvm_seg_base(seg), sizeof stale);
	must(dvm_barrier(w), "barrier");
	wait_a_moment(own);
	for (int role = 0; role < r->shape->roles; role++)
		if (r->role[role] == self)
			act(r, r->shape->ops[role], found + role * OPS, own);
	must(dvm_allreduce(w, found, all, REGS, DVM_UINT64, DVM_SUM), "allreduce");
	for (int v = 0; v < VARS; v++)
		ends[v] = *place(r->at[v]);
	must(dvm_bcast(w, ends, sizeof ends, (int)(r->number % (uint64_t)size)), "bcast");
	bool bad = is_bad(r, all, ends, &o);
	if (bad && self == 0 && !broken)
		tell(r, layout_names[layout], &o);
	remember(r, ends);
	return bad;
}

static uint64_t run_shape(const struct shape *shape, enum layout layout, uint64_t runs,
			  uint64_t seed, uint64_t *number)
{
	uint64_t common = seed * 1000 + (uint64_t)layout, own = common * 64 + (uint64_t)self + 1;
	uint64_t bad = 0;

	for (uint64_t i = 0; i < runs; i++) {
		struct run r = { .number = ++*number, .shape = shape };
		bad += run_once(&r, layout, &common, &own);
	}
	return bad;
}

struct options {
	uint64_t runs, seed;
	const char *shape, *layout;
	bool protocol;
};

static uint64_t run_all(const struct options *o)
{
	uint64_t number = 0, all = 0;

	for (int i = 0; i < SHAPES; i++)
		for (int l = 0; l < LAYOUTS; l++) {
			if ((o->shape && strcmp(o->shape, shapes[i].name) != 0) ||
			    (o->layout && strcmp(o->layout, layout_names[l]) != 0) ||
			    shapes[i].roles > size)
				continue;
			uint64_t bad =
				run_shape(&shapes[i], (enum layout)l, o->runs, o->seed, &number);
			if (self == 0)
				printf("%s %s runs %llu forbidden %llu\n", shapes[i].name,
				       layout_names[l], (unsigned long long)o->runs,
				       (unsigned long long)bad);
			all += bad;
		}
	return all;
}

int main(int argc, char **argv)
{
	struct options o = { .runs = 500, .seed = 1 };
	dvm_error_t err = { 0 };
	int c;

	while ((c = getopt(argc, argv, "r:s:l:S:pb")) != -1)
		if (c == 'r')
			o.runs = strtoull(optarg, NULL, 10);
		else if (c == 'S')
			o.seed = strtoull(optarg, NULL, 10);
		else if (c == 's')
			o.shape = optarg;
		else if (c == 'l')
			o.layout = optarg;
		else if (c == 'p')
			o.protocol = true;
		else
			broken = true;
	if (dvm_open(&d, NULL, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	w = dvm_world(d);
	self = dvm_rank(d);
	size = dvm_size(d);
	dvm_seg_config_t config = {
		.size = sizeof config,
		.bytes = (uint64_t)PAGES * PAGE,
		.homes = DVM_HOMES_ROUND_ROBIN,
		.flags = o.protocol ? DVM_SEG_PROTOCOL : 0,
	};
	must(dvm_seg_create(w, &config, &seg, &err), err.text[0] ? err.text : "segment");
	uint64_t bad = run_all(&o);
	must(dvm_seg_destroy(seg), "destroy");
	must(dvm_close(d), "close");
	return bad != 0;
}
