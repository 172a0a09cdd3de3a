/* SPDX-License-Identifier: BSD-3-Clause */
/* Scatter: the root starts all sends at once. */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/src/coll.h"

static void hand_out(struct dvmi_coll *c, const uint8_t *in, size_t len, void *out,
		     const size_t *lens, const size_t *offsets)
{
	struct dvmi_op *ops = dvmi_coll_alloc(c, c->size * sizeof *ops);

	if (!ops)
		return;
	for (uint32_t i = 0; i < c->size; i++) {
		size_t n = lens ? lens[i] : len, off = offsets ? offsets[i] : i * len;
		if (i == c->rank) {
			dvmi_p2p_nothing(&ops[i], DVMI_OP_SEND);
			if (n)
				dvmi_coll_copy(out, in + off, n);
		} else {
			dvmi_coll_isend(c, &ops[i], n ? in + off : NULL, n, i);
		}
	}
	dvmi_coll_wait(c, ops, c->size);
	free(ops);
}

int dvm_scatter(dvm_group_t *g, const void *in, size_t len, void *out, int root)
{
	struct dvmi_coll c;

	if (!g || (!out && len) || root < 0 || (uint32_t)root >= g->size ||
	    ((uint32_t)root == g->rank && !in && len))
		return -EINVAL;
	dvmi_coll_begin(&c, g);
	if (c.rank == (uint32_t)root)
		hand_out(&c, in, len, out, NULL, NULL);
	else
		dvmi_coll_recv(&c, out, len, (uint32_t)root);
	return dvmi_coll_end(&c);
}

static bool all_empty(const size_t *lens, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (lens[i])
			return false;
	return true;
}

int dvm_scatterv(dvm_group_t *g, const void *in, const size_t *lens, const size_t *offsets,
		 void *out, size_t len, int root)
{
	struct dvmi_coll c;

	if (!g || (!out && len) || root < 0 || (uint32_t)root >= g->size)
		return -EINVAL;
	bool is_root = (uint32_t)root == g->rank;
	if (is_root &&
	    (!lens || !offsets || lens[root] != len || (!in && !all_empty(lens, g->size))))
		return -EINVAL;
	dvmi_coll_begin(&c, g);
	if (is_root)
		hand_out(&c, in, len, out, lens, offsets);
	else
		dvmi_coll_recv(&c, out, len, (uint32_t)root);
	return dvmi_coll_end(&c);
}
