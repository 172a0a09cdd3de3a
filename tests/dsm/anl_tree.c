/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bodies in a tree that all processes build together, cell by cell under locks, and then sum up from
 * the leaves: pointers into common memory, nodes from a pool of each process, many small locks. What
 * the tree holds in the end is known from the bodies.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

MAIN_ENV

#define LOCKS	 64
#define DEPTH	 20
#define POOL	 4096
#define CHILDREN 4

struct body {
	double x, y, mass;
};

struct cell {
	struct cell *child[CHILDREN];
	struct body *body; /* of a leaf */
	double cx, cy, half, mass, mx, my;
	long count, lock;
};

struct pool {
	struct cell *cells;
	long used;
	char space[64];
};

struct global {
	LOCKDEC(idlock)
	ALOCKDEC(locks, LOCKS)
	BARDEC(phase)
	GSDEC(loop)
	struct cell *root;
	struct body *bodies;
	struct pool *pools;
	double mass[CHILDREN];
	long id, step_count;
};

static struct global *g;
static int nprocs = 1, nbodies = 2000, steps = 3;
static long me; /* private */

static struct cell *new_cell(double cx, double cy, double half)
{
	struct pool *p = &g->pools[me];
	struct cell *c = &p->cells[p->used++];

	if (p->used > POOL * 4)
		exit(4);
	*c = (struct cell){ .cx = cx, .cy = cy, .half = half, .lock = (p->used * 7 + me) % LOCKS };
	return c;
}

static int side(const struct cell *c, const struct body *b)
{
	return (b->x >= c->cx) + 2 * (b->y >= c->cy);
}

static struct cell *below(const struct cell *c, int k)
{
	double h = c->half / 2;

	return new_cell(c->cx + (k & 1 ? h : -h), c->cy + (k & 2 ? h : -h), h);
}

/* A leaf takes a body; a leaf that has one becomes a cell. Under the lock of the cell above. */
static void put(struct cell *c, struct body *b, int depth)
{
	for (;; depth++) {
		struct cell *next = NULL;
		int k = side(c, b);

		if (depth > DEPTH)
			exit(5);
		ALOCK(g->locks, c->lock)
		if (!c->child[k]) {
			c->child[k] = below(c, k);
			c->child[k]->body = b;
		} else if (c->child[k]->body) {
			struct body *old = c->child[k]->body;
			next = below(c, k);
			int at = side(next, old);
			next->child[at] = below(next, at);
			next->child[at]->body = old;
			c->child[k] = next;
		} else {
			next = c->child[k];
		}
		AULOCK(g->locks, c->lock)
		if (!next)
			return;
		c = next;
	}
}

static void sum_up(struct cell *c)
{
	if (c->body) {
		c->mass = c->body->mass;
		c->mx = c->body->x * c->mass;
		c->my = c->body->y * c->mass;
		c->count = 1;
		return;
	}
	c->mass = c->mx = c->my = 0;
	c->count = 0;
	for (int k = 0; k < CHILDREN; k++) {
		if (!c->child[k])
			continue;
		sum_up(c->child[k]);
		c->mass += c->child[k]->mass;
		c->mx += c->child[k]->mx;
		c->my += c->child[k]->my;
		c->count += c->child[k]->count;
	}
}

static void step(void)
{
	long i;

	g->pools[me].used = 0;
	BARRIER(g->phase, nprocs)
	if (me == 0)
		g->root = new_cell(0, 0, 1);
	BARRIER(g->phase, nprocs)
	for (i = me; i < nbodies; i += nprocs)
		put(g->root, &g->bodies[i], 0);
	BARRIER(g->phase, nprocs)
	GETSUB(g->loop, i, CHILDREN - 1, nprocs)
	while (i >= 0) {
		if (g->root->child[i])
			sum_up(g->root->child[i]);
		g->mass[i] = g->root->child[i] ? g->root->child[i]->mass : 0;
		GETSUB(g->loop, i, CHILDREN - 1, nprocs)
	}
	for (i = me; i < nbodies; i += nprocs)
		g->bodies[i].x = -g->bodies[i].x; /* each moves to the other side */
	BARRIER(g->phase, nprocs)
}

static void slave(void)
{
	LOCK(g->idlock)
	me = g->id++;
	UNLOCK(g->idlock)
	for (int s = 0; s < steps; s++) {
		step();
		LOCK(g->idlock)
		g->step_count++;
		UNLOCK(g->idlock)
	}
}

static void make_bodies(void)
{
	unsigned long r = 12345;

	g->bodies = (struct body *)G_MALLOC((size_t)nbodies * sizeof(struct body));
	for (int i = 0; i < nbodies; i++) {
		double v[3];
		for (int k = 0; k < 3; k++) {
			r = r * 6364136223846793005ul + 1442695040888963407ul;
			v[k] = (double)(r >> 33) / (double)(1ul << 31);
		}
		g->bodies[i] = (struct body){ 2 * v[0] - 1, 2 * v[1] - 1, v[2] };
	}
	g->pools = (struct pool *)G_MALLOC((size_t)nprocs * sizeof(struct pool));
	for (int p = 0; p < nprocs; p++)
		g->pools[p].cells = (struct cell *)G_MALLOC(POOL * 4 * sizeof(struct cell));
}

static int check(void)
{
	double want = 0, got = 0;
	long count = 0;

	for (int i = 0; i < nbodies; i++)
		want += g->bodies[i].mass;
	for (int k = 0; k < CHILDREN; k++) {
		got += g->mass[k];
		count += g->root->child[k] ? g->root->child[k]->count : 0;
	}
	printf("bodies %ld steps %ld\n", count, g->step_count);
	return fabs(got - want) < 1e-9 * want && count == nbodies && g->step_count == (long)steps * nprocs;
}

int main(int argc, char **argv)
{
	unsigned long start, end;
	int c;

	while ((c = getopt(argc, argv, "p:n:s:")) != -1) {
		if (c == 'p')
			nprocs = atoi(optarg);
		else if (c == 'n')
			nbodies = atoi(optarg);
		else if (c == 's')
			steps = atoi(optarg);
	}
	MAIN_INITENV(, 60000000)
	CLOCK(start)
	g = (struct global *)G_MALLOC(sizeof(struct global));
	LOCKINIT(g->idlock)
	ALOCKINIT(g->locks, LOCKS)
	BARINIT(g->phase, nprocs)
	GSINIT(g->loop)
	make_bodies();
	for (int i = 1; i < nprocs; i++)
		CREATE(slave)
	slave();
	WAIT_FOR_END(nprocs - 1)
	CLOCK(end)
	int good = check();
	if (end < start)
		good = 0;
	puts(good ? "correct" : "wrong");
	MAIN_END
}
