/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All to all: everything is started at once, each rank beginning with its own neighbours, so that
 * no rank is everybody's first. Waiting step by step would pay for the scheduler where ranks
 * share cores.
 */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/src/coll.h"

/* LENS NULL: all parts have LEN bytes, one behind the other. */
struct side {
	uint8_t *buf;
	size_t len;
	const size_t *lens, *offsets;
};

static size_t len_of(const struct side *s, uint32_t i)
{
	return s->lens ? s->lens[i] : s->len;
}

static uint8_t *place_of(const struct side *s, uint32_t i)
{
	if (!len_of(s, i))
		return NULL;
	return s->buf + (s->offsets ? s->offsets[i] : i * s->len);
}

static bool side_good(const struct side *s, uint32_t n)
{
	if (!s->lens && s->offsets)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (len_of(s, i) && !s->buf)
			return false;
	return true;
}

static void start(struct dvmi_coll *c, struct dvmi_op *ops, const struct side *in,
		  const struct side *out)
{
	for (uint32_t k = 1; k < c->size; k++) {
		uint32_t i = (c->rank + c->size - k) % c->size;
		dvmi_coll_irecv(c, &ops[k - 1], place_of(out, i), len_of(out, i), i);
	}
	for (uint32_t k = 1; k < c->size; k++) {
		uint32_t i = (c->rank + k) % c->size;
		dvmi_coll_isend(c, &ops[c->size + k - 2], place_of(in, i), len_of(in, i), i);
	}
}

static int run(dvm_group_t *g, const struct side *in, const struct side *out)
{
	struct dvmi_coll c;

	if (!side_good(in, g->size) || !side_good(out, g->size) ||
	    len_of(in, g->rank) != len_of(out, g->rank))
		return -EINVAL;
	dvmi_coll_begin(&c, g);
	dvmi_coll_copy(place_of(out, c.rank), place_of(in, c.rank), len_of(in, c.rank));
	size_t n = 2 * (size_t)(c.size - 1);
	struct dvmi_op *ops = dvmi_coll_alloc(&c, n * sizeof *ops);
	if (ops) {
		start(&c, ops, in, out);
		dvmi_coll_wait(&c, ops, n);
		free(ops);
	}
	return dvmi_coll_end(&c);
}

int dvm_alltoall(dvm_group_t *g, const void *in, size_t len, void *out)
{
	struct side from = { .buf = (uint8_t *)(uintptr_t)in, .len = len };
	struct side to = { .buf = out, .len = len };

	return g ? run(g, &from, &to) : -EINVAL;
}

int dvm_alltoallv(dvm_group_t *g, const void *in, const size_t *in_lens, const size_t *in_offsets,
		  void *out, const size_t *out_lens, const size_t *out_offsets)
{
	struct side from = { .buf = (uint8_t *)(uintptr_t)in,
			     .lens = in_lens,
			     .offsets = in_offsets };
	struct side to = { .buf = out, .lens = out_lens, .offsets = out_offsets };

	if (!g || !in_lens || !in_offsets || !out_lens || !out_offsets)
		return -EINVAL;
	return run(g, &from, &to);
}
