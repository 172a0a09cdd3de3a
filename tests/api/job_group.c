/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups: who is in them, and that nothing of one is seen by another. */
#include <errno.h>

#include <dvm/cart.h>

#include "tests/api/job.h"

/* The members of G are WANT, N ranks of the world. */
static int members_are(struct job *j, dvm_group_t *g, const int *want, int n)
{
	int world[64], back[64];

	CHECK_INT(dvm_group_size(g), n);
	for (int i = 0; i < n; i++)
		world[i] = i;
	CHECK_INT(dvm_group_translate(g, (size_t)n, world, j->w, world), 0);
	for (int i = 0; i < n; i++)
		CHECK_INT(world[i], want[i]);
	CHECK_INT(world[dvm_group_rank(g)], j->rank);
	CHECK_INT(dvm_group_translate(j->w, (size_t)n, world, g, back), 0);
	for (int i = 0; i < n; i++)
		CHECK_INT(back[i], i);
	CHECK(dvm_group_handle(g) == j->d);
	return 0;
}

/* Every member sends its world rank to the next one; and their sum is right. */
static int works(struct job *j, dvm_group_t *g)
{
	int n = dvm_group_size(g), me = dvm_group_rank(g), got = -1, sum = 0, want = 0;
	int before = (me + n - 1) % n;
	dvm_status_t st;

	CHECK_INT(dvm_sendrecv(g, &j->rank, sizeof j->rank, (me + 1) % n, 7, &got, sizeof got,
			       before, 7, &st), 0);
	CHECK_INT(st.source, before);
	int r = before;
	CHECK_INT(dvm_group_translate(g, 1, &r, j->w, &r), 0);
	CHECK_INT(got, r);
	CHECK_INT(dvm_allreduce(g, &j->rank, &sum, 1, DVM_INT32, DVM_SUM), 0);
	for (int i = 0; i < n; i++) {
		CHECK_INT(dvm_group_translate(g, 1, &i, j->w, &r), 0);
		want += r;
	}
	CHECK_INT(sum, want);
	return 0;
}

/* Same ranks, same tags, three groups: every message goes where it belongs. */
static int dups(struct job *j)
{
	dvm_group_t *a, *b;
	int next = (j->rank + 1) % j->size, prev = (j->rank + j->size - 1) % j->size;
	dvm_req_t *req[3];
	int out[3], in[3];

	CHECK_INT(dvm_group_dup(j->w, &a), 0);
	CHECK_INT(dvm_group_dup(a, &b), 0);
	dvm_group_t *g[3] = { j->w, a, b };
	for (int i = 0; i < 3; i++)
		out[i] = 10 * j->rank + i;
	for (int i = 0; i < 3; i++) {
		CHECK_INT(dvm_isend(g[2 - i], &out[2 - i], sizeof *out, next, 5, &req[i]), 0);
	}
	for (int i = 0; i < 3; i++) {
		CHECK_INT(dvm_recv(g[i], &in[i], sizeof *in, i ? DVM_ANY_SOURCE : prev, 5, NULL), 0);
		CHECK_INT(in[i], 10 * prev + i);
	}
	CHECK_INT(dvm_waitall(req, 3, NULL), 0);
	CHECK_INT(dvm_iprobe(a, DVM_ANY_SOURCE, DVM_ANY_TAG, NULL), 0);
	CHECK_INT(dvm_irecv(a, in, 4, prev, 9, &req[0]), 0);
	CHECK_INT(dvm_group_free(a), -EBUSY);
	CHECK_INT(dvm_cancel(req[0]), 0);
	CHECK_INT(dvm_wait(&req[0], NULL), -ECANCELED);
	CHECK_INT(dvm_group_free(a), 0);
	if (works(j, b))
		return 1;
	return 0; /* b goes with the handle */
}

static int splits(struct job *j)
{
	dvm_group_t *g, *sub = j->w;
	int want[64], n = 0;

	CHECK_INT(dvm_group_split(j->w, j->rank % 2, -j->rank, &g), 0);
	for (int r = j->size - 1; r >= 0; r--)
		if (r % 2 == j->rank % 2)
			want[n++] = r;
	if (members_are(j, g, want, n) || works(j, g))
		return 1;
	CHECK_INT(dvm_group_split(g, dvm_group_rank(g) ? 3 : DVM_NOBODY, 0, &sub), 0);
	CHECK((sub == NULL) == (dvm_group_rank(g) == 0));
	if (sub && (members_are(j, sub, want + 1, n - 1) || works(j, sub)))
		return 1;
	CHECK_INT(dvm_group_free(sub), 0);
	CHECK_INT(dvm_group_free(g), 0);
	return 0;
}

static int nodes(struct job *j)
{
	dvm_group_t *g;
	int want[64], n = 0, leaders = 0;

	CHECK_INT(dvm_group_split_node(j->w, 0, &g), 0);
	for (int r = 0; r < j->size; r++)
		if (dvm_node_of(j->d, r) == dvm_node(j->d))
			want[n++] = r;
	if (members_are(j, g, want, n) || works(j, g))
		return 1;
	CHECK_INT(dvm_group_num_nodes(g), 1);
	CHECK_INT(dvm_group_num_nodes(j->w), dvm_num_nodes(j->d));
	for (int r = 0; r < j->size; r++) {
		int node = dvm_group_node_of(j->w, r);
		leaders += node == leaders;
		CHECK((node == dvm_group_node_of(j->w, j->rank)) ==
		      (dvm_node_of(j->d, r) == dvm_node(j->d)));
	}
	CHECK_INT(leaders, dvm_num_nodes(j->d));
	CHECK_INT(dvm_group_free(g), 0);
	return 0;
}

/* All but the first rank, which knows of nothing, the last one first. */
static int created(struct job *j)
{
	dvm_group_t *g = NULL;
	int list[64], n = j->size - 1;

	for (int i = 0; i < n; i++)
		list[i] = j->size - 1 - i;
	if (!j->rank)
		return 0;
	CHECK_INT(dvm_group_create(j->w, (size_t)n, list, 77, &g), 0);
	if (members_are(j, g, list, n) || works(j, g))
		return 1;
	list[0] = list[n - 1];
	CHECK_INT(dvm_group_create(j->w, (size_t)n, list, 77, &g), n == 1 ? 0 : -EINVAL);
	return 0;
}

int groups(struct job *j)
{
	return dups(j) || splits(j) || nodes(j) || created(j);
}

/* Lists that differ are found out, at everybody. */
int groups_disagree(struct job *j)
{
	dvm_group_t *g;
	int list[64];

	for (int i = 0; i < j->size; i++)
		list[i] = i;
	if (j->rank == j->size - 1) {
		list[0] = 1;
		list[1] = 0;
	}
	CHECK_INT(dvm_group_create(j->w, (size_t)j->size, list, 1, &g), -DVM_EPROTO);
	for (int i = 0; i < 2; i++)
		list[i] = i;
	CHECK_INT(dvm_group_create(j->w, (size_t)j->size, list, 1, &g), 0);
	return works(j, g);
}

/* A dup while messages of the old group are under way, many of them; numbers run on. */
int groups_many(struct job *j)
{
	enum { N = 300 };
	static dvm_group_t *g[N];

	for (int i = 0; i < N; i++) {
		CHECK_INT(dvm_group_dup(i % 3 ? g[i - 1] : j->w, &g[i]), 0);
		if (i % 7 == 0 && works(j, g[i]))
			return 1;
	}
	for (int i = 0; i < N; i += 2)
		CHECK_INT(dvm_group_free(g[i]), 0);
	for (int i = 1; i < N; i += 14)
		if (works(j, g[i]))
			return 1;
	return 0;
}

static int talks_across(struct job *j, dvm_group_t *inter, int color)
{
	int n = dvm_group_remote_size(inter), me = dvm_group_rank(inter), got, sum = 0, want = 0;
	dvm_req_t *reqs[64];
	dvm_status_t st;

	for (int r = 0; r < n; r++)
		CHECK_INT(dvm_isend(inter, &j->rank, sizeof j->rank, r, me, &reqs[r]), 0);
	for (int r = 0; r < n; r++) {
		CHECK_INT(dvm_recv(inter, &got, sizeof got, DVM_ANY_SOURCE, r, &st), 0);
		CHECK_INT(st.source, r);
		sum += got;
	}
	CHECK_INT(dvm_waitall(reqs, (size_t)n, NULL), 0);
	for (int r = 0; r < j->size; r++)
		want += r % 3 ? color == 0 ? r : 0 : color ? r : 0;
	CHECK_INT(sum, want);
	CHECK_INT(dvm_send(inter, &got, 4, n, 0), -EINVAL);
	return 0;
}

static int merges(struct job *j, dvm_group_t *inter, int color, int high, int first)
{
	dvm_group_t *g;
	int want[64], n = 0;

	CHECK_INT(dvm_intergroup_merge(inter, high, &g), 0);
	for (int side = 0; side < 2; side++)
		for (int r = 0; r < j->size; r++)
			if ((r % 3 != 0) == (side ? !first : first))
				want[n++] = r;
	if (members_are(j, g, want, n) || works(j, g))
		return 1;
	CHECK_INT(dvm_group_remote_size(g), 0);
	return dvm_group_free(g);
}

/* Ranks 0, 3, 6, … and the rest. */
int intergroups(struct job *j)
{
	int color = j->rank % 3 != 0, x = 1;
	dvm_group_t *side, *inter, *other;

	CHECK_INT(dvm_group_split(j->w, color, 0, &side), 0);
	int leader = dvm_group_size(side) - 1, r = leader;
	CHECK_INT(dvm_group_translate(side, 1, &r, j->w, &r), 0);
	int far = j->size - 1;
	while ((far % 3 != 0) == color)
		far--;
	CHECK_INT(dvm_intergroup_create(side, leader, r == j->rank ? j->w : NULL, far, 4, &inter), 0);
	CHECK_INT(dvm_group_size(inter), dvm_group_size(side));
	CHECK_INT(dvm_group_remote_size(inter), j->size - dvm_group_size(side));
	CHECK_INT(dvm_group_free(side), 0);
	if (talks_across(j, inter, color))
		return 1;
	CHECK_INT(dvm_barrier(inter), 0);
	CHECK_INT(dvm_bcast(inter, &x, sizeof x, 0), -ENOTSUP);
	CHECK_INT(dvm_group_dup(inter, &other), -ENOTSUP);
	CHECK_INT(dvm_group_create(inter, 1, &x, 1, &other), -ENOTSUP);
	if (merges(j, inter, color, color, 0) || merges(j, inter, color, !color, 1) ||
	    merges(j, inter, color, 3, 0))
		return 1;
	if (talks_across(j, inter, color))
		return 1;
	CHECK_INT(dvm_barrier(inter), 0);
	return 0;
}

/* Neighbours of a grid in each dimension exchange their coordinates. */
static int neighbours(struct job *j, dvm_group_t *g, int n)
{
	int mine[DVM_CART_MAX], theirs[DVM_CART_MAX], dims[DVM_CART_MAX], per[DVM_CART_MAX];

	CHECK_INT(dvm_cart_get(g, DVM_CART_MAX, dims, per), n);
	CHECK_INT(dvm_cart_coords(g, dvm_group_rank(g), n, mine), n);
	CHECK_INT(dvm_cart_rank(g, mine), dvm_group_rank(g));
	for (int d = 0; d < n; d++) {
		int from, to;
		CHECK_INT(dvm_cart_shift(g, d, 1, &from, &to), 0);
		memcpy(theirs, mine, sizeof theirs);
		CHECK_INT(dvm_sendrecv(g, mine, sizeof mine, to, d, theirs, sizeof theirs, from, d,
				       NULL), 0);
		CHECK((from == DVM_NOBODY) == (!per[d] && mine[d] == 0));
		if (from != DVM_NOBODY)
			theirs[d] = (theirs[d] + 1) % dims[d];
		for (int k = 0; k < n; k++)
			CHECK_INT(theirs[k], mine[k]);
	}
	return 0;
}

static int rows(struct job *j, dvm_group_t *g)
{
	int keep[] = { 0, 1 }, coords[2], row = -1;
	dvm_group_t *sub, *dot;

	CHECK_INT(dvm_cart_coords(g, dvm_group_rank(g), 2, coords), 2);
	CHECK_INT(dvm_cart_sub(g, keep, &sub), 0);
	CHECK_INT(dvm_group_rank(sub), coords[1]);
	CHECK_INT(dvm_allreduce(sub, &coords[0], &row, 1, DVM_INT32, DVM_MAX), 0);
	CHECK_INT(row, coords[0]);
	if (neighbours(j, sub, 1))
		return 1;
	keep[1] = 0;
	CHECK_INT(dvm_cart_sub(g, keep, &dot), 0);
	CHECK_INT(dvm_group_size(dot), 1);
	CHECK_INT(dvm_cart_get(dot, 0, NULL, NULL), 1);
	return 0;
}

int carts(struct job *j)
{
	int dims[2] = { 0, 0 }, periodic[2] = { 1, 0 };
	dvm_group_t *g;

	CHECK_INT(dvm_dims_create(j->size, 2, dims), 0);
	for (int reorder = 0; reorder < 2; reorder++) {
		CHECK_INT(dvm_cart_create(j->w, 2, dims, periodic, reorder, &g), 0);
		if (works(j, g) || neighbours(j, g, 2) || rows(j, g))
			return 1;
		dvm_group_t *copy;
		CHECK_INT(dvm_group_dup(g, &copy), 0);
		CHECK_INT(dvm_cart_get(copy, 0, NULL, NULL), 2);
	}
	dims[0] = j->size - 1;
	dims[1] = 1;
	CHECK_INT(dvm_cart_create(j->w, 2, dims, periodic, 1, &g), 0);
	CHECK((g == NULL) == (j->rank == j->size - 1));
	return g ? neighbours(j, g, 2) : 0;
}

/* Random programs: every rank knows what all groups must look like. */

enum { MAX_GROUPS = 24, MAX_RANKS = 16 };

struct model {
	int n, members[MAX_RANKS]; /* ranks of the world */
	dvm_group_t *g;		   /* NULL where we are no member */
};

struct program {
	struct job *j;
	uint64_t seed, step;
	struct model m[MAX_GROUPS];
	int n;
};

static int draw(struct program *p, int below)
{
	return (int)(mix(p->seed, p->step++) % (uint64_t)below);
}

/* Members of color C of the model M, by key; the same dice for every rank. */
static void model_split(const struct model *m, uint64_t seed, int colors, int c, struct model *out)
{
	out->n = 0;
	for (int i = 0; i < m->n; i++) {
		if ((int)(mix(seed, (uint64_t)m->members[i]) % (uint64_t)colors) != c)
			continue;
		int at = out->n++;
		int key = (int)(mix(seed + 1, (uint64_t)m->members[i]) % 3);
		for (; at > 0 && (int)(mix(seed + 1, (uint64_t)out->members[at - 1]) % 3) > key; at--)
			out->members[at] = out->members[at - 1];
		out->members[at] = m->members[i];
	}
}

/* Colors beyond the last but one are none at all. */
static int do_split(struct program *p, struct model *m)
{
	struct job *j = p->j;
	uint64_t seed = mix(p->seed, p->step++);
	int colors = 1 + draw(p, 3);
	dvm_group_t *g = NULL;

	if (p->n + colors > MAX_GROUPS)
		return 0;
	int mine = (int)(mix(seed, (uint64_t)j->rank) % (uint64_t)colors);
	int none = colors > 2 ? 2 : -1;
	if (m->g)
		CHECK_INT(dvm_group_split(m->g, mine == none ? -5 : mine,
					  (int)(mix(seed + 1, (uint64_t)j->rank) % 3), &g), 0);
	for (int c = 0; c < colors; c++) {
		struct model *new = &p->m[p->n];
		model_split(m, seed, colors, c, new);
		if (c == none || !new->n)
			continue;
		new->g = c == mine ? g : NULL;
		p->n++;
		if (new->g && members_are(j, new->g, new->members, new->n))
			return 1;
	}
	return 0;
}

static int do_create(struct program *p, struct model *m)
{
	struct job *j = p->j;
	struct model *new = &p->m[p->n];
	int list[MAX_RANKS], in = 0, start = draw(p, m->n), step = draw(p, 2) ? 1 : m->n - 1;
	int tag = draw(p, 3);

	if (p->n == MAX_GROUPS)
		return 0;
	new->n = 1 + draw(p, m->n);
	for (int i = 0; i < new->n; i++) {
		list[i] = (start + i * step) % m->n;
		if (new->n > 1 && m->n == 1)
			list[i] = 0;
		new->members[i] = m->members[list[i]];
		in |= new->members[i] == j->rank;
	}
	new->g = NULL;
	p->n++;
	if (!in || !m->g)
		return 0;
	CHECK_INT(dvm_group_create(m->g, (size_t)new->n, list, tag, &new->g), 0);
	return members_are(j, new->g, new->members, new->n);
}

static int do_free(struct program *p, int i)
{
	struct job *j = p->j;

	if (i == 0)
		return 0;
	CHECK_INT(dvm_group_free(p->m[i].g), 0);
	p->m[i] = p->m[--p->n];
	return 0;
}

/* Some pairs of members exchange messages whose bytes tell of the group. */
static int do_messages(struct program *p, struct model *m)
{
	static uint8_t out[40000], in[40000];
	struct job *j = p->j;
	int pairs = 1 + draw(p, 4);

	for (int i = 0; i < pairs; i++) {
		int from = draw(p, m->n), to = draw(p, m->n), tag = draw(p, 2), any = draw(p, 2);
		size_t len = (size_t)draw(p, 6) ? (size_t)draw(p, 600) : sizeof out;
		uint64_t seed = mix(p->seed, p->step++);
		dvm_req_t *req = NULL;
		if (!m->g)
			continue;
		if (m->members[from] == j->rank) {
			fill(out, len, seed);
			CHECK_INT(dvm_isend(m->g, out, len, to, tag, &req), 0);
		}
		if (m->members[to] == j->rank) {
			dvm_status_t st;
			CHECK_INT(dvm_recv(m->g, in, sizeof in, any ? DVM_ANY_SOURCE : from, tag,
					   &st), 0);
			CHECK_INT(st.source, from);
			CHECK_INT(st.len, len);
			CHECK(filled(in, len, seed));
		}
		CHECK_INT(dvm_wait(&req, NULL), 0);
		/* Else any source may be another pair of this very group. */
		CHECK_INT(dvm_barrier(m->g), 0);
	}
	return 0;
}

static int do_collective(struct program *p, struct model *m)
{
	struct job *j = p->j;
	int root = draw(p, m->n), x = root, sum = 0, want = 0;

	if (!m->g)
		return 0;
	for (int i = 0; i < m->n; i++)
		want += m->members[i];
	CHECK_INT(dvm_allreduce(m->g, &j->rank, &sum, 1, DVM_INT32, DVM_SUM), 0);
	CHECK_INT(sum, want);
	x = m->members[root] == j->rank ? want : 0;
	CHECK_INT(dvm_bcast(m->g, &x, sizeof x, root), 0);
	CHECK_INT(x, want);
	return 0;
}

/* job random_groups SEED STEPS */
int random_groups(struct job *j)
{
	static struct program program;
	struct program *p = &program;
	int rc = 0;

	*p = (struct program){ .j = j, .seed = (uint64_t)arg(j, 0, 1), .n = 1 };
	p->m[0].g = j->w;
	p->m[0].n = j->size;
	for (int r = 0; r < j->size; r++)
		p->m[0].members[r] = r;
	for (long i = 0; i < arg(j, 1, 50) && !rc; i++) {
		int what = draw(p, 8), which = draw(p, p->n);
		struct model *m = &p->m[which];
		rc = what < 2 ? do_split(p, m) :
		     what < 3 ? do_create(p, m) :
		     what < 4 ? do_free(p, which) :
		     what < 6 ? do_collective(p, m) :
				do_messages(p, m);
	}
	return rc;
}
