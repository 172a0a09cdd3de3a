/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every rank's schedule of a random collective, executed against each other in this process and
 * compared with a serial oracle. Messages are eager or not and delivered in a random order, ranks
 * move on in a random order; when nobody can, it is a deadlock.
 */
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/rng.h"
#include "libdvm/src/coll_choose.h"
#include "tests/unit/cm.h"

enum { RANKS = 37, RUNS = 6000 };

struct message {
	struct message *next;  /* of this pair */
	struct message *older; /* of all */
	const struct dvmi_step *step;
	uint8_t *copy; /* of an eager send */
	bool done;
};

struct queue {
	struct message *head, **tail;
};

struct rank {
	struct dvmi_nodes *nodes;
	struct dvmi_layout layout;
	struct dvmi_sched s;
	struct dvmi_coll_args a;
	uint32_t round, next;
	struct message *posted[4 * RANKS];
	uint32_t nposted;
	bool done;
	uint8_t *in, *out;
};

struct world {
	struct dvmi_rng rng;
	uint32_t n;
	struct rank *ranks;
	struct queue sends[RANKS][RANKS], recvs[RANKS][RANKS]; /* [from][to], not matched yet */
	struct pair {
		struct message *send, *recv;
	} * matched;
	size_t nmatched, cap;
	struct message *newest;
	bool stuck, wrong;
};

static uint32_t draw(struct world *w, uint32_t below)
{
	return below ? (uint32_t)(dvmi_rng_next(&w->rng) % below) : 0;
}

static struct message *pop(struct queue *q)
{
	struct message *m = q->head;

	q->head = m->next;
	if (!q->head)
		q->tail = &q->head;
	return m;
}

static void push(struct queue *q, struct message *m)
{
	if (!q->head)
		q->tail = &q->head;
	*q->tail = m;
	q->tail = &m->next;
}

static void match(struct world *w, uint32_t from, uint32_t to)
{
	if (!w->sends[from][to].head || !w->recvs[from][to].head)
		return;
	if (w->nmatched == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 64;
		w->matched = realloc(w->matched, w->cap * sizeof *w->matched);
	}
	w->matched[w->nmatched++] =
		(struct pair){ pop(&w->sends[from][to]), pop(&w->recvs[from][to]) };
}

static void post(struct world *w, uint32_t r, const struct dvmi_step *step)
{
	struct rank *rk = &w->ranks[r];
	struct message *m = calloc(1, sizeof *m);

	m->step = step;
	m->older = w->newest;
	w->newest = m;
	assert_true(step->peer < w->n && step->peer != r);
	assert_true(rk->nposted < rk->s.nmsgs_max && rk->nposted < 4 * RANKS);
	rk->posted[rk->nposted++] = m;
	if (step->kind == DVMI_STEP_RECV) {
		push(&w->recvs[step->peer][r], m);
		match(w, step->peer, r);
		return;
	}
	if (draw(w, 2)) {
		m->copy = malloc(step->len + 1);
		if (step->len)
			memcpy(m->copy, step->a, step->len);
		m->done = true;
	}
	push(&w->sends[r][step->peer], m);
	match(w, r, step->peer);
}

static void deliver(struct world *w)
{
	size_t i = draw(w, (uint32_t)w->nmatched);
	struct pair p = w->matched[i];
	const uint8_t *from = p.send->copy ? p.send->copy : p.send->step->a;

	w->matched[i] = w->matched[--w->nmatched];
	if (p.send->step->len != p.recv->step->len) {
		w->wrong = true;
	} else if (p.recv->step->len) {
		memcpy(p.recv->step->out, from, p.recv->step->len);
	}
	p.send->done = p.recv->done = true;
}

static void local_steps(struct rank *r)
{
	for (uint32_t i = r->round; i < r->next; i++) {
		const struct dvmi_step *step = &r->s.steps[i];
		if (step->kind == DVMI_STEP_COPY)
			memcpy(step->out, step->a, step->len);
		else if (step->kind == DVMI_STEP_REDUCE)
			dvmi_combine(&r->a.op, step->out, step->a, step->b, step->len);
	}
}

/* One round further, if its messages are done. */
static bool advance(struct world *w, uint32_t rank)
{
	struct rank *r = &w->ranks[rank];

	if (r->done)
		return false;
	for (uint32_t i = 0; i < r->nposted; i++)
		if (!r->posted[i]->done)
			return false;
	local_steps(r);
	r->nposted = 0;
	r->round = r->next;
	r->done = r->next == r->s.nsteps;
	for (bool last = r->done; !last; last = r->s.steps[r->next++].last)
		if (r->s.steps[r->next].kind <= DVMI_STEP_RECV)
			post(w, rank, &r->s.steps[r->next]);
	return true;
}

static bool all_done(const struct world *w)
{
	for (uint32_t r = 0; r < w->n; r++)
		if (!w->ranks[r].done)
			return false;
	return true;
}

static void execute(struct world *w)
{
	while (!all_done(w) && !w->wrong) {
		bool moved = false;
		if (w->nmatched && draw(w, 2)) {
			deliver(w);
			continue;
		}
		uint32_t first = draw(w, w->n);
		for (uint32_t k = 0; k < w->n && !moved; k++)
			moved = advance(w, (first + k) % w->n);
		if (!moved && !w->nmatched) {
			w->stuck = true;
			return;
		}
		if (!moved)
			deliver(w);
	}
	while (w->nmatched)
		deliver(w);
	for (uint32_t i = 0; i < w->n; i++)
		for (uint32_t k = 0; k < w->n; k++)
			w->wrong |= w->sends[i][k].head || w->recvs[i][k].head;
}

/* x -> a * x + b: composition is associative and does not commute. */
struct affine {
	uint32_t a, b;
};

static void compose(void *out, const void *ap, const void *bp, size_t n, dvm_type_t type, void *arg)
{
	const struct affine *f = ap, *g = bp;
	struct affine *o = out;

	(void)type;
	(void)arg;
	for (size_t i = 0; i < n; i++)
		o[i] = (struct affine){ f[i].a * g[i].a, f[i].a * g[i].b + f[i].b };
}

static void add(void *out, const void *ap, const void *bp, size_t n, dvm_type_t type, void *arg)
{
	const struct affine *f = ap, *g = bp;
	struct affine *o = out;

	(void)type;
	(void)arg;
	for (size_t i = 0; i < n; i++)
		o[i] = (struct affine){ f[i].a + g[i].a, f[i].b + g[i].b };
}

/* What is drawn for all ranks. */
struct plan {
	enum dvmi_coll_kind kind;
	uint32_t root, host_of[RANKS];
	size_t len, count, lens[RANKS][RANKS], counts[RANKS];
	bool vary, commutes, in_place;
	dvm_op_fn *fn;
	uint64_t seed;
};

static uint8_t byte_of(const struct plan *p, uint32_t from, uint32_t to, size_t i)
{
	return (uint8_t)(p->seed + from * 131 + to * 17 + i * 7 + (i >> 8));
}

static size_t draw_len(struct world *w)
{
	static const uint32_t top[] = { 1, 40, 700, 5000, 40000 };

	return draw(w, top[draw(w, 5)]);
}

static void draw_plan(struct world *w, struct plan *p)
{
	uint32_t hosts = 1 + draw(w, 4), long_ones = draw(w, 12) == 0;

	p->kind = (enum dvmi_coll_kind)(1 + draw(w, DVMI_COLL_ALLTOALL));
	p->root = draw(w, w->n);
	p->vary = draw(w, 2);
	p->commutes = draw(w, 2);
	p->in_place = draw(w, 2);
	p->fn = p->commutes ? add : compose;
	p->seed = dvmi_rng_next(&w->rng);
	p->len = p->kind == DVMI_COLL_BCAST && long_ones ? 300000 + draw(w, 99) : draw_len(w);
	if (w->n > 12 && p->len > 5000 && p->kind > DVMI_COLL_BCAST)
		p->len = 5000 + p->len % 77;
	p->count = p->len / 8;
	bool runs = draw(w, 2);
	for (uint32_t i = 0; i < w->n; i++) {
		p->host_of[i] = runs ? i * hosts / w->n : draw(w, hosts);
		p->counts[i] = p->vary ? (draw(w, 4) ? draw_len(w) / 40 : 0) : p->count;
		for (uint32_t k = 0; k < w->n; k++)
			p->lens[i][k] = p->vary ? (draw(w, 4) ? draw_len(w) / 8 : 0) : p->len;
	}
}

/* Element I of what RANK puts in. */
static struct affine element(const struct plan *p, uint32_t rank, size_t i)
{
	return (struct affine){ (uint32_t)(p->seed + rank * 1000003 + i * 31) | 1,
				(uint32_t)(p->seed >> 32) + rank + (uint32_t)i };
}

static size_t whole_count(const struct world *w, const struct plan *p)
{
	size_t n = 0;

	if (p->kind != DVMI_COLL_REDUCE_SCATTER)
		return p->count;
	for (uint32_t i = 0; i < w->n; i++)
		n += p->counts[i];
	return n;
}

static void ask_reduction(struct world *w, const struct plan *p, struct rank *r, uint32_t rank)
{
	size_t n = whole_count(w, p);

	r->in = malloc(n * sizeof(struct affine) + 1);
	for (size_t i = 0; i < n; i++)
		((struct affine *)r->in)[i] = element(p, rank, i);
	r->out = p->in_place ? r->in : calloc(n + 1, sizeof(struct affine));
	r->a.op = (struct dvmi_combine){ .user = { .fn = p->fn }, .each = sizeof(struct affine) };
	r->a.counts = p->kind == DVMI_COLL_REDUCE_SCATTER && p->vary ? p->counts : NULL;
	bool reads_out = p->kind != DVMI_COLL_REDUCE || p->root == rank;
	r->a.v = (struct dvmi_vector){ .in = r->in,
				       .out = reads_out ? r->out : NULL,
				       .count = p->count,
				       .each = sizeof(struct affine),
				       .commutes = p->commutes };
}

/* Parts with a gap in front of each where they vary. */
static struct dvmi_parts parts(struct rank *r, const struct world *w, const struct plan *p,
			       const size_t *lens, uint8_t **buf)
{
	size_t *copy = dvmi_sched_tmp(&r->s, 2 * w->n * sizeof *copy), all = 0;
	size_t *offs = copy + w->n;

	for (uint32_t i = 0; i < w->n; i++) {
		copy[i] = lens[i];
		offs[i] = all + (p->vary ? 3 : 0);
		all = offs[i] + lens[i];
	}
	*buf = calloc(1, all + 1);
	if (p->vary)
		return (struct dvmi_parts){ .buf = *buf, .lens = copy, .offsets = offs };
	return (struct dvmi_parts){ .buf = *buf, .len = p->len };
}

static void fill_part(const struct plan *p, const struct dvmi_parts *ps, uint32_t i, uint32_t from,
		      uint32_t to)
{
	for (size_t k = 0; k < dvmi_part_len(ps, i); k++)
		dvmi_part_at(ps, i)[k] = byte_of(p, from, to, k);
}

static struct dvmi_parts one(uint8_t **buf, size_t len)
{
	*buf = calloc(1, len + 1);
	return (struct dvmi_parts){ .buf = *buf, .len = len };
}

static void ask_move(struct world *w, const struct plan *p, struct rank *r, uint32_t rank)
{
	struct dvmi_coll_args *a = &r->a;
	size_t lens[RANKS];

	switch (p->kind) {
	case DVMI_COLL_BCAST:
		a->out = one(&r->out, p->len);
		if (rank == p->root)
			fill_part(p, &a->out, 0, rank, 0);
		break;
	case DVMI_COLL_GATHER:
	case DVMI_COLL_ALLGATHER:
		a->in = one(&r->in, p->lens[0][rank]);
		fill_part(p, &a->in, 0, rank, 0);
		a->out = parts(r, w, p, p->lens[0], &r->out);
		if (p->kind == DVMI_COLL_GATHER && rank != p->root)
			a->out = (struct dvmi_parts){ .len = p->len };
		break;
	case DVMI_COLL_SCATTER:
		a->out = one(&r->out, p->lens[0][rank]);
		a->in = parts(r, w, p, p->lens[0], &r->in);
		for (uint32_t i = 0; i < w->n; i++)
			fill_part(p, &a->in, i, p->root, i);
		if (rank != p->root)
			a->in = (struct dvmi_parts){ .len = p->len };
		break;
	case DVMI_COLL_ALLTOALL:
		a->in = parts(r, w, p, p->lens[rank], &r->in);
		for (uint32_t i = 0; i < w->n; i++) {
			lens[i] = p->lens[i][rank];
			fill_part(p, &a->in, i, rank, i);
		}
		a->out = parts(r, w, p, lens, &r->out);
		break;
	default:
		break;
	}
}

static bool part_good(const struct plan *p, const struct dvmi_parts *ps, uint32_t i, uint32_t from,
		      uint32_t to)
{
	for (size_t k = 0; k < dvmi_part_len(ps, i); k++)
		if (dvmi_part_at(ps, i)[k] != byte_of(p, from, to, k))
			return false;
	return true;
}

static bool moved_good(const struct world *w, const struct plan *p, uint32_t rank)
{
	const struct dvmi_coll_args *a = &w->ranks[rank].a;
	bool good = true;

	switch (p->kind) {
	case DVMI_COLL_BCAST:
		return part_good(p, &a->out, 0, p->root, 0);
	case DVMI_COLL_GATHER:
		if (rank != p->root)
			return true;
		/* fall through */
	case DVMI_COLL_ALLGATHER:
		for (uint32_t i = 0; i < w->n; i++)
			good &= part_good(p, &a->out, i, i, 0);
		return good;
	case DVMI_COLL_SCATTER:
		return part_good(p, &a->out, 0, p->root, rank);
	case DVMI_COLL_ALLTOALL:
		for (uint32_t i = 0; i < w->n; i++)
			good &= part_good(p, &a->out, i, i, rank);
		return good;
	default:
		return true;
	}
}

/* The combination of element I of ranks FROM … TO - 1. */
static struct affine combined(const struct plan *p, uint32_t from, uint32_t to, size_t i)
{
	struct affine x = element(p, from, i);

	for (uint32_t r = from + 1; r < to; r++) {
		struct affine y = element(p, r, i);
		p->fn(&x, &x, &y, 1, DVM_INT8, NULL);
	}
	return x;
}

static bool reduced_good(const struct world *w, const struct plan *p, uint32_t rank)
{
	const struct affine *out = (void *)w->ranks[rank].out;
	uint32_t to = w->n;
	size_t first = 0, n = p->count;

	if (p->kind == DVMI_COLL_REDUCE && rank != p->root)
		return true;
	if (p->kind == DVMI_COLL_REDUCE_SCATTER) {
		for (uint32_t i = 0; i < rank; i++)
			first += p->counts[i];
		n = p->counts[rank];
	} else if (p->kind == DVMI_COLL_SCAN) {
		to = rank + 1;
	} else if (p->kind == DVMI_COLL_EXSCAN) {
		to = rank;
	}
	for (size_t i = 0; i < n; i++) {
		struct affine untouched = p->in_place ? element(p, 0, i) : (struct affine){ 0, 0 };
		struct affine want = to ? combined(p, 0, to, first + i) : untouched;
		if (memcmp(&out[i], &want, sizeof want) != 0)
			return false;
	}
	return true;
}

static bool is_reduction(enum dvmi_coll_kind k)
{
	return k >= DVMI_COLL_REDUCE && k <= DVMI_COLL_EXSCAN;
}

static void set_up(struct world *w, const struct plan *p)
{
	for (uint32_t i = 0; i < w->n; i++) {
		struct rank *r = &w->ranks[i];
		dvmi_sched_init(&r->s);
		r->a = (struct dvmi_coll_args){ .kind = p->kind, .root = p->root, .vary = p->vary };
		if (is_reduction(p->kind))
			ask_reduction(w, p, r, i);
		else
			ask_move(w, p, r, i);
		r->nodes = dvmi_nodes_make(p->host_of, w->n, 4, i);
		r->layout = dvmi_layout_of(r->nodes, i, w->n);
		dvmi_coll_plan(&r->s, &r->layout, &r->a);
		assert_int_equal(r->s.rc, 0);
		if (r->s.nsteps)
			assert_true(r->s.steps[r->s.nsteps - 1].last);
	}
}

static void tear_down(struct world *w)
{
	for (uint32_t i = 0; i < w->n; i++) {
		struct rank *r = &w->ranks[i];
		if (r->out != r->in)
			free(r->out);
		free(r->in);
		dvmi_sched_fini(&r->s);
		free(r->nodes);
	}
	for (struct message *m = w->newest, *older; m; m = older) {
		older = m->older;
		free(m->copy);
		free(m);
	}
	free(w->ranks);
	free(w->matched);
	free(w);
}

static void one_run(uint64_t seed)
{
	struct world *w = calloc(1, sizeof *w);
	struct plan *p = calloc(1, sizeof *p);
	bool good = true;

	dvmi_rng_seed(&w->rng, seed);
	w->n = 1 + draw(w, draw(w, 4) ? 9 : RANKS);
	w->ranks = calloc(w->n, sizeof *w->ranks);
	draw_plan(w, p);
	set_up(w, p);
	execute(w);
	for (uint32_t i = 0; i < w->n && !w->stuck && !w->wrong; i++)
		good &= is_reduction(p->kind) ? reduced_good(w, p, i) : moved_good(w, p, i);
	if (w->stuck || w->wrong || !good)
		fail_msg("seed %llu: kind %d, %u ranks, %zu bytes: %s", (unsigned long long)seed,
			 p->kind, w->n, p->len,
			 w->stuck   ? "deadlock"
			 : w->wrong ? "messages"
				    : "result");
	tear_down(w);
	free(p);
}

static void against_oracle(void **state)
{
	const char *one = getenv("COLL_SEED");

	(void)state;
	if (one) {
		one_run(strtoull(one, NULL, 10));
		return;
	}
	for (uint64_t seed = 1; seed <= RUNS; seed++)
		one_run(seed);
}

static void layouts(void **state)
{
	static const uint32_t mixed[] = { 7, 3, 7, 9, 3 }, runs[] = { 1, 1, 0 };
	struct dvmi_nodes *nodes = dvmi_nodes_make(mixed, 5, 10, 4);
	struct dvmi_layout l = dvmi_layout_of(nodes, 4, 5);
	struct dvmi_team t = dvmi_layout_local(&l);

	(void)state;
	assert_true(l.shared && !l.runs && l.nnodes == 3);
	assert_int_equal(t.size, 2);
	assert_int_equal(t.rank, 1);
	assert_int_equal(dvmi_team_rank(&t, 0), 1);
	assert_int_equal(dvmi_layout_leader(&l, 1), 1);
	free(nodes);
	nodes = dvmi_nodes_make(runs, 3, 2, 0);
	l = dvmi_layout_of(nodes, 0, 3);
	assert_true(l.shared && l.runs && l.nnodes == 2);
	free(nodes);
}

/* More steps and scratch than fit inside. */
static void grows(void **state)
{
	struct dvmi_sched s;
	char a, b;

	(void)state;
	dvmi_sched_init(&s);
	for (int i = 0; i < 1000; i++) {
		dvmi_sched_copy(&s, &a, &b, 1);
		memset(dvmi_sched_tmp(&s, 100), 1, 100);
	}
	dvmi_sched_copy(&s, &a, &a, 1);
	dvmi_sched_copy(&s, &a, &b, 0);
	assert_int_equal(s.nsteps, 1000);
	assert_int_equal(s.rc, 0);
	assert_null(dvmi_sched_tmp(&s, SIZE_MAX));
	assert_true(s.rc < 0);
	dvmi_sched_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layouts),
		cmocka_unit_test(grows),
		cmocka_unit_test(against_oracle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
