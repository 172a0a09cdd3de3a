/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Broadcast: a binomial tree for short ones and within a node, where both ways copy the same but
 * the tree waits less often. Long ones over several nodes are scattered and put together again on
 * a ring, so that every link carries about as much as the others.
 */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/src/coll.h"

#define SCATTER_FROM (256u * 1024) /* bytes */

void dvmi_coll_binomial_bcast(struct dvmi_coll *c, void *buf, size_t len, uint32_t root)
{
	uint32_t me = (c->rank + c->size - root) % c->size;
	uint64_t bit = 1;

	for (; bit < c->size; bit *= 2)
		if (me & bit) {
			dvmi_coll_recv(c, buf, len, (uint32_t)((me - bit + root) % c->size));
			break;
		}
	for (bit /= 2; bit; bit /= 2)
		if (me + bit < c->size)
			dvmi_coll_send(c, buf, len, (uint32_t)((me + bit + root) % c->size));
}

/* The root hands each rank its part. */
static void spread(struct dvmi_coll *c, uint8_t *buf, const size_t *lens, const size_t *offsets,
		   uint32_t root)
{
	if (c->rank != root) {
		dvmi_coll_recv(c, buf + offsets[c->rank], lens[c->rank], root);
		return;
	}
	struct dvmi_op *ops = dvmi_coll_alloc(c, c->size * sizeof *ops);
	if (!ops)
		return;
	for (uint32_t i = 0; i < c->size; i++)
		if (i == root)
			dvmi_p2p_nothing(&ops[i], DVMI_OP_SEND);
		else
			dvmi_coll_isend(c, &ops[i], buf + offsets[i], lens[i], i);
	dvmi_coll_wait(c, ops, c->size);
	free(ops);
}

static void scatter_ring(struct dvmi_coll *c, uint8_t *buf, size_t len, uint32_t root)
{
	size_t *lens = dvmi_coll_alloc(c, 2 * c->size * sizeof *lens);

	if (!lens)
		return;
	size_t *offsets = lens + c->size;
	for (uint32_t i = 0; i < c->size; i++) {
		offsets[i] = dvmi_coll_part(c, len, i);
		lens[i] = dvmi_coll_part(c, len, i + 1) - offsets[i];
	}
	spread(c, buf, lens, offsets, root);
	dvmi_coll_ring_allgather(c, buf, lens, offsets);
	free(lens);
}

int dvm_bcast(dvm_group_t *g, void *buf, size_t len, int root)
{
	struct dvmi_coll c;

	if (!g || (!buf && len) || root < 0 || (uint32_t)root >= g->size)
		return -EINVAL;
	dvmi_coll_begin(&c, g);
	if (len >= SCATTER_FROM && c.size > 2 && dvm_num_nodes(c.d) > 1)
		scatter_ring(&c, buf, len, (uint32_t)root);
	else
		dvmi_coll_binomial_bcast(&c, buf, len, (uint32_t)root);
	return dvmi_coll_end(&c);
}
