/* SPDX-License-Identifier: BSD-3-Clause */
/* Gather: the root posts a receive per rank, so whoever is ready first is served first. */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/src/coll.h"

static void collect(struct dvmi_coll *c, const void *in, size_t len, uint8_t *out,
		    const size_t *lens, const size_t *offsets)
{
	struct dvmi_op *ops = dvmi_coll_alloc(c, c->size * sizeof *ops);

	if (!ops)
		return;
	for (uint32_t i = 0; i < c->size; i++) {
		size_t n = lens ? lens[i] : len, off = offsets ? offsets[i] : i * len;
		if (i == c->rank) {
			dvmi_p2p_nothing(&ops[i], DVMI_OP_RECV);
			if (n)
				dvmi_coll_copy(out + off, in, n);
		} else {
			dvmi_coll_irecv(c, &ops[i], n ? out + off : NULL, n, i);
		}
	}
	dvmi_coll_wait(c, ops, c->size);
	free(ops);
}

static bool all_empty(const size_t *lens, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (lens[i])
			return false;
	return true;
}

int dvm_gather(dvm_group_t *g, const void *in, size_t len, void *out, int root)
{
	struct dvmi_coll c;

	if (!g || (!in && len) || root < 0 || (uint32_t)root >= g->size ||
	    ((uint32_t)root == g->rank && !out && len))
		return -EINVAL;
	dvmi_coll_begin(&c, g);
	if (c.rank == (uint32_t)root)
		collect(&c, in, len, out, NULL, NULL);
	else
		dvmi_coll_send(&c, in, len, (uint32_t)root);
	return dvmi_coll_end(&c);
}

int dvm_gatherv(dvm_group_t *g, const void *in, size_t len, void *out, const size_t *lens,
		const size_t *offsets, int root)
{
	struct dvmi_coll c;

	if (!g || (!in && len) || root < 0 || (uint32_t)root >= g->size)
		return -EINVAL;
	bool is_root = (uint32_t)root == g->rank;
	if (is_root &&
	    (!lens || !offsets || lens[root] != len || (!out && !all_empty(lens, g->size))))
		return -EINVAL;
	dvmi_coll_begin(&c, g);
	if (is_root)
		collect(&c, in, len, out, lens, offsets);
	else
		dvmi_coll_send(&c, in, len, (uint32_t)root);
	return dvmi_coll_end(&c);
}
