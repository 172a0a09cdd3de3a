/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reductions. Reduce: a binomial tree. Allreduce: recursive doubling for short vectors; for long
 * ones a ring that reduces each part at one rank and hands the parts round (Patarasuk and Yuan
 * 2009). Operands are always combined lower rank first, or at one rank only, so that every rank
 * gets the same bits.
 */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/src/coll.h"

#define RING_FROM (32u * 1024) /* bytes */

struct reduction {
	struct dvmi_coll c;
	dvmi_reduce_fn *fn;
	size_t count, each; /* elements; bytes of one */
};

static int check(const dvm_group_t *g, const void *in, size_t count, dvm_type_t type, dvm_op_t op)
{
	if (!g || (!in && count) || !dvmi_reduce_fn_of(type, op))
		return -EINVAL;
	return count > SIZE_MAX / 16 ? -EINVAL : 0;
}

static void begin(struct reduction *r, dvm_group_t *g, size_t count, dvm_type_t type, dvm_op_t op)
{
	dvmi_coll_begin(&r->c, g);
	r->fn = dvmi_reduce_fn_of(type, op);
	r->count = count;
	r->each = (size_t)dvm_type_size(type);
}

static bool good(const struct reduction *r)
{
	return r->c.rc == 0;
}

/* ACC combines this rank's operand with those of its subtree, which are all of higher ranks. */
static void tree_up(struct reduction *r, uint8_t *acc, uint8_t *tmp, uint32_t root)
{
	struct dvmi_coll *c = &r->c;
	uint32_t me = (c->rank + c->size - root) % c->size;

	for (uint64_t bit = 1; bit < c->size && good(r); bit *= 2) {
		if (me & bit) {
			dvmi_coll_send(c, acc, r->count * r->each,
				       (uint32_t)((me - bit + root) % c->size));
			return;
		}
		if (me + bit >= c->size)
			continue;
		dvmi_coll_recv(c, tmp, r->count * r->each, (uint32_t)((me + bit + root) % c->size));
		if (good(r))
			r->fn(acc, acc, tmp, r->count);
	}
}

int dvm_reduce(dvm_group_t *g, const void *in, void *out, size_t count, dvm_type_t type,
	       dvm_op_t op, int root)
{
	struct reduction r;
	int rc = check(g, in, count, type, op);

	if (rc < 0 || root < 0 || (uint32_t)root >= g->size ||
	    ((uint32_t)root == g->rank && !out && count))
		return -EINVAL;
	begin(&r, g, count, type, op);
	size_t bytes = count * r.each;
	bool is_root = r.c.rank == (uint32_t)root;
	uint8_t *tmp = dvmi_coll_alloc(&r.c, 2 * bytes);
	if (tmp) {
		uint8_t *acc = is_root ? out : tmp + bytes;
		dvmi_coll_copy(acc, in, bytes);
		tree_up(&r, acc, tmp, (uint32_t)root);
		free(tmp);
	}
	return dvmi_coll_end(&r.c);
}

/* ACC with what PEER has, both getting the same. */
static void exchange(struct reduction *r, uint8_t *acc, uint8_t *tmp, uint32_t peer)
{
	size_t bytes = r->count * r->each;

	dvmi_coll_sendrecv(&r->c, acc, bytes, peer, tmp, bytes, peer);
	if (!good(r))
		return;
	if (peer < r->c.rank)
		r->fn(acc, tmp, acc, r->count);
	else
		r->fn(acc, acc, tmp, r->count);
}

/* Ranks beyond the largest power of two give their operand to a partner and get the result. */
static void doubling(struct reduction *r, uint8_t *acc, uint8_t *tmp)
{
	struct dvmi_coll *c = &r->c;
	size_t bytes = r->count * r->each;
	uint32_t pow = 1u << (31 - __builtin_clz(c->size)), extra = c->size - pow;

	if (c->rank >= pow) {
		dvmi_coll_send(c, acc, bytes, c->rank - pow);
		dvmi_coll_recv(c, acc, bytes, c->rank - pow);
		return;
	}
	if (c->rank < extra) {
		dvmi_coll_recv(c, tmp, bytes, c->rank + pow);
		if (good(r))
			r->fn(acc, acc, tmp, r->count);
	}
	for (uint32_t bit = 1; bit < pow && good(r); bit *= 2)
		exchange(r, acc, tmp, c->rank ^ bit);
	if (c->rank < extra)
		dvmi_coll_send(c, acc, bytes, c->rank + pow);
}

/* Round by round a part goes on to the next rank, which adds its own. */
static void ring_reduce(struct reduction *r, uint8_t *acc, uint8_t *tmp, const size_t *lens,
			const size_t *offsets)
{
	struct dvmi_coll *c = &r->c;
	uint32_t next = (c->rank + 1) % c->size, prev = (c->rank + c->size - 1) % c->size;

	for (uint32_t step = 0; step + 1 < c->size && good(r); step++) {
		uint32_t give = (c->rank + 2 * c->size - step - 1) % c->size;
		uint32_t take = (c->rank + 2 * c->size - step - 2) % c->size;
		dvmi_coll_sendrecv(c, acc + offsets[give], lens[give], next, tmp, lens[take], prev);
		if (good(r))
			r->fn(acc + offsets[take], tmp, acc + offsets[take], lens[take] / r->each);
	}
}

static void ring(struct reduction *r, uint8_t *acc, uint8_t *tmp)
{
	struct dvmi_coll *c = &r->c;
	size_t *lens = dvmi_coll_alloc(c, 2 * c->size * sizeof *lens);

	if (!lens)
		return;
	size_t *offsets = lens + c->size;
	for (uint32_t i = 0; i < c->size; i++) {
		offsets[i] = dvmi_coll_part(c, r->count, i) * r->each;
		lens[i] = dvmi_coll_part(c, r->count, i + 1) * r->each - offsets[i];
	}
	ring_reduce(r, acc, tmp, lens, offsets);
	dvmi_coll_ring_allgather(c, acc, lens, offsets);
	free(lens);
}

int dvm_allreduce(dvm_group_t *g, const void *in, void *out, size_t count, dvm_type_t type,
		  dvm_op_t op)
{
	struct reduction r;
	uint8_t small[256], *tmp = small;

	if (check(g, in, count, type, op) < 0 || (!out && count))
		return -EINVAL;
	begin(&r, g, count, type, op);
	size_t bytes = count * r.each;
	if (bytes > sizeof small)
		tmp = dvmi_coll_alloc(&r.c, bytes);
	if (tmp) {
		dvmi_coll_copy(out, in, bytes);
		if (bytes >= RING_FROM && count >= r.c.size)
			ring(&r, out, tmp);
		else
			doubling(&r, out, tmp);
	}
	if (tmp != small)
		free(tmp);
	return dvmi_coll_end(&r.c);
}
