/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reductions. The first combination of an operand reads the caller's input where it lies; there
 * is no copy to begin with. CUR is where the operand is by now.
 */
#include "libdvm/src/coll_plan.h"

static size_t bytes_of(const struct dvmi_vector *v)
{
	return v->count * v->each;
}

/* ACC combines this rank's operand with those of its subtree, which are all of later ranks. */
static void tree_up(struct dvmi_sched *s, const struct dvmi_team *t, const struct dvmi_vector *v,
		    uint32_t root)
{
	uint32_t me = dvmi_team_before(t, root);
	uint8_t *tmp = dvmi_sched_tmp(s, bytes_of(v)), *acc = v->out;
	const uint8_t *cur = v->in;

	if (me)
		acc = dvmi_sched_tmp(s, bytes_of(v));
	for (uint64_t bit = 1; bit < t->size && tmp && acc; bit *= 2) {
		if (me & bit) {
			dvmi_plan_send(s, t, (me - bit + root) % t->size, cur, bytes_of(v));
			dvmi_sched_round(s);
			return;
		}
		if (me + bit >= t->size)
			continue;
		dvmi_plan_recv(s, t, (me + bit + root) % t->size, tmp, bytes_of(v));
		dvmi_sched_reduce(s, acc, cur, tmp, v->count);
		dvmi_sched_round(s);
		cur = acc;
	}
	dvmi_sched_copy(s, acc, cur, bytes_of(v));
	dvmi_sched_round(s);
}

/* Where the order counts the tree's root is rank 0, which hands the result on. */
void dvmi_plan_reduce_tree(struct dvmi_sched *s, const struct dvmi_team *t,
			   const struct dvmi_vector *v, uint32_t root)
{
	struct dvmi_vector at_first = *v;

	if (v->commutes || root == 0) {
		tree_up(s, t, v, root);
		return;
	}
	if (t->rank == 0)
		at_first.out = dvmi_sched_tmp(s, bytes_of(v));
	tree_up(s, t, &at_first, 0);
	if (t->rank == 0)
		dvmi_plan_send(s, t, root, at_first.out, bytes_of(v));
	else if (t->rank == root)
		dvmi_plan_recv(s, t, 0, v->out, bytes_of(v));
	dvmi_sched_round(s);
}

/* A team cut to a power of two: of the first 2 * EXTRA ranks the odd ones lean on their left. */
struct fold {
	uint32_t pow, extra, me;
	bool out; /* this rank leans on its left neighbour */
};

static struct fold fold_of(const struct dvmi_team *t)
{
	struct fold f = { .pow = 1u << (31 - __builtin_clz(t->size)) };

	f.extra = t->size - f.pow;
	f.out = t->rank < 2 * f.extra && t->rank % 2;
	f.me = t->rank < 2 * f.extra ? t->rank / 2 : t->rank - f.extra;
	return f;
}

static uint32_t unfold(const struct fold *f, uint32_t me)
{
	return me < f->extra ? 2 * me : me + f->extra;
}

/* Takes in what leans on this rank. Returns where the operand is now. */
static const uint8_t *fold_in(struct dvmi_sched *s, const struct dvmi_team *t, const struct fold *f,
			      const struct dvmi_vector *v, uint8_t *tmp)
{
	if (t->rank >= 2 * f->extra)
		return v->in;
	if (f->out) {
		dvmi_plan_send(s, t, t->rank - 1, v->in, bytes_of(v));
		dvmi_sched_round(s);
		return v->in;
	}
	dvmi_plan_recv(s, t, t->rank + 1, tmp, bytes_of(v));
	dvmi_sched_reduce(s, v->out, v->in, tmp, v->count);
	dvmi_sched_round(s);
	return v->out;
}

static void fold_out(struct dvmi_sched *s, const struct dvmi_team *t, const struct fold *f,
		     const struct dvmi_vector *v)
{
	if (t->rank >= 2 * f->extra)
		return;
	if (f->out)
		dvmi_plan_recv(s, t, t->rank - 1, v->out, bytes_of(v));
	else
		dvmi_plan_send(s, t, t->rank + 1, v->out, bytes_of(v));
	dvmi_sched_round(s);
}

/* OUT = CUR and TMP, which comes from PEER, lower rank first. */
static void in_order(struct dvmi_sched *s, bool peer_first, uint8_t *out, const uint8_t *cur,
		     const uint8_t *tmp, size_t n)
{
	if (peer_first)
		dvmi_sched_reduce(s, out, tmp, cur, n);
	else
		dvmi_sched_reduce(s, out, cur, tmp, n);
}

void dvmi_plan_allreduce_doubling(struct dvmi_sched *s, const struct dvmi_team *t,
				  const struct dvmi_vector *v)
{
	struct fold f = fold_of(t);
	uint8_t *tmp = dvmi_sched_tmp(s, bytes_of(v));

	if (!tmp)
		return;
	const uint8_t *cur = fold_in(s, t, &f, v, tmp);
	for (uint32_t bit = 1; bit < f.pow && !f.out; bit *= 2) {
		uint32_t peer = unfold(&f, f.me ^ bit);
		dvmi_plan_recv(s, t, peer, tmp, bytes_of(v));
		dvmi_plan_send(s, t, peer, cur, bytes_of(v));
		in_order(s, f.me & bit, v->out, cur, tmp, v->count);
		dvmi_sched_round(s);
		cur = v->out;
	}
	if (!f.out)
		dvmi_sched_copy(s, v->out, cur, bytes_of(v));
	dvmi_sched_round(s);
	fold_out(s, t, &f, v);
}

/* The elements ME still works on after the rounds below BIT: parts FROM … TO of all. */
static void window(const struct fold *f, size_t count, uint32_t me, uint32_t bit, size_t *from,
		   size_t *to)
{
	uint32_t low = 0, n = f->pow;

	for (uint32_t b = 1; b < bit; b *= 2) {
		n /= 2;
		low += me & b ? n : 0;
	}
	*from = dvmi_split(count, f->pow, low);
	*to = dvmi_split(count, f->pow, low + n);
}

static const uint8_t *halve(struct dvmi_sched *s, const struct dvmi_team *t, const struct fold *f,
			    const struct dvmi_vector *v, const uint8_t *cur, uint8_t *tmp)
{
	for (uint32_t bit = 1; bit < f->pow; bit *= 2) {
		uint32_t peer = unfold(f, f->me ^ bit);
		size_t keep, keep_end, give, give_end;
		window(f, v->count, f->me, bit * 2, &keep, &keep_end);
		window(f, v->count, f->me ^ bit, bit * 2, &give, &give_end);
		size_t n = keep_end - keep;
		dvmi_plan_recv(s, t, peer, tmp, n * v->each);
		dvmi_plan_send(s, t, peer, cur + give * v->each, (give_end - give) * v->each);
		in_order(s, f->me & bit, v->out + keep * v->each, cur + keep * v->each, tmp, n);
		dvmi_sched_round(s);
		cur = v->out;
	}
	return cur;
}

static void put_together(struct dvmi_sched *s, const struct dvmi_team *t, const struct fold *f,
			 const struct dvmi_vector *v)
{
	for (uint32_t bit = f->pow / 2; bit; bit /= 2) {
		uint32_t peer = unfold(f, f->me ^ bit);
		size_t have, have_end, get, get_end;
		window(f, v->count, f->me, bit * 2, &have, &have_end);
		window(f, v->count, f->me ^ bit, bit * 2, &get, &get_end);
		dvmi_plan_recv(s, t, peer, v->out + get * v->each, (get_end - get) * v->each);
		dvmi_plan_send(s, t, peer, v->out + have * v->each, (have_end - have) * v->each);
		dvmi_sched_round(s);
	}
}

void dvmi_plan_allreduce_halving(struct dvmi_sched *s, const struct dvmi_team *t,
				 const struct dvmi_vector *v)
{
	struct fold f = fold_of(t);
	uint8_t *tmp = dvmi_sched_tmp(s, bytes_of(v));

	if (!tmp)
		return;
	const uint8_t *cur = fold_in(s, t, &f, v, tmp);
	if (!f.out) {
		cur = halve(s, t, &f, v, cur, tmp);
		dvmi_sched_copy(s, v->out, cur, bytes_of(v));
		dvmi_sched_round(s);
		put_together(s, t, &f, v);
	}
	fold_out(s, t, &f, v);
}

/* Round by round a part goes on to the next rank, which adds its own. */
void dvmi_plan_allreduce_ring(struct dvmi_sched *s, const struct dvmi_team *t,
			      const struct dvmi_vector *v)
{
	size_t *lens = dvmi_sched_tmp(s, 2 * (size_t)t->size * sizeof *lens);
	uint8_t *tmp = dvmi_sched_tmp(s, (v->count / t->size + 1) * v->each);

	if (!lens || !tmp)
		return;
	size_t *offs = lens + t->size;
	for (uint32_t i = 0; i < t->size; i++) {
		offs[i] = dvmi_split(v->count, t->size, i) * v->each;
		lens[i] = dvmi_split(v->count, t->size, i + 1) * v->each - offs[i];
	}
	const uint8_t *cur = v->in;
	for (uint32_t step = 0; step + 1 < t->size; step++) {
		uint32_t give = dvmi_team_before(t, step + 1);
		uint32_t take = dvmi_team_before(t, (step + 2) % t->size);
		dvmi_plan_recv(s, t, dvmi_team_before(t, 1), tmp, lens[take]);
		dvmi_plan_send(s, t, dvmi_team_after(t, 1), cur + offs[give], lens[give]);
		dvmi_sched_reduce(s, v->out + offs[take], tmp, v->in + offs[take],
				  lens[take] / v->each);
		dvmi_sched_round(s);
		cur = v->out;
	}
	struct dvmi_parts parts = { .buf = v->out, .lens = lens, .offsets = offs };
	dvmi_sched_copy(s, v->out, cur, bytes_of(v));
	dvmi_sched_round(s);
	dvmi_plan_allgather_ring(s, t, &parts);
}
