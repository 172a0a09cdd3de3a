/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Allgather: long parts go round a ring; short equal ones double in every step (Bruck et al.
 * 1997), which takes a logarithm of the steps.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/src/coll.h"

#define BRUCK_BELOW (8u * 1024) /* bytes of the whole result */

void dvmi_coll_ring_allgather(struct dvmi_coll *c, uint8_t *buf, const size_t *lens,
			      const size_t *offsets)
{
	uint32_t next = (c->rank + 1) % c->size, prev = (c->rank + c->size - 1) % c->size;

	for (uint32_t step = 0; step + 1 < c->size && c->rc == 0; step++) {
		uint32_t give = (c->rank + c->size - step) % c->size;
		uint32_t take = (c->rank + 2 * c->size - step - 1) % c->size;
		dvmi_coll_sendrecv(c, lens[give] ? buf + offsets[give] : NULL, lens[give], next,
				   lens[take] ? buf + offsets[take] : NULL, lens[take], prev);
	}
}

static void ring_equal(struct dvmi_coll *c, uint8_t *out, size_t len)
{
	size_t *lens = dvmi_coll_alloc(c, 2 * c->size * sizeof *lens);

	if (!lens)
		return;
	for (uint32_t i = 0; i < c->size; i++) {
		lens[i] = len;
		lens[c->size + i] = i * len;
	}
	dvmi_coll_ring_allgather(c, out, lens, lens + c->size);
	free(lens);
}

/* TMP holds the parts from this rank's on; it is turned into place at the end. */
static void bruck(struct dvmi_coll *c, const void *in, size_t len, uint8_t *out, uint8_t *tmp)
{
	if (len)
		memcpy(tmp, in, len);
	for (uint64_t have = 1; have < c->size && c->rc == 0; have *= 2) {
		size_t n = (have * 2 <= c->size ? have : c->size - have) * len;
		uint32_t to = (uint32_t)((c->rank + c->size - have) % c->size);
		uint32_t from = (uint32_t)((c->rank + have) % c->size);
		dvmi_coll_sendrecv(c, tmp, n, to, tmp + have * len, n, from);
	}
	size_t head = (size_t)(c->size - c->rank) * len;
	if (c->rc == 0 && len) {
		memcpy(out + c->rank * len, tmp, head);
		memcpy(out, tmp + head, c->rank * len);
	}
}

int dvm_allgather(dvm_group_t *g, const void *in, size_t len, void *out)
{
	struct dvmi_coll c;
	uint8_t tmp[BRUCK_BELOW];

	if (!g || (len && (!in || !out)))
		return -EINVAL;
	dvmi_coll_begin(&c, g);
	if (len <= sizeof tmp / c.size) {
		bruck(&c, in, len, out, tmp);
	} else {
		dvmi_coll_copy((uint8_t *)out + c.rank * len, in, len);
		ring_equal(&c, out, len);
	}
	return dvmi_coll_end(&c);
}

int dvm_allgatherv(dvm_group_t *g, const void *in, void *out, const size_t *lens,
		   const size_t *offsets)
{
	struct dvmi_coll c;
	size_t all = 0;

	if (!g || !lens || !offsets || (!in && lens[g->rank]))
		return -EINVAL;
	for (uint32_t i = 0; i < g->size; i++)
		all |= lens[i];
	if (all && !out)
		return -EINVAL;
	dvmi_coll_begin(&c, g);
	if (lens[c.rank])
		dvmi_coll_copy((uint8_t *)out + offsets[c.rank], in, lens[c.rank]);
	dvmi_coll_ring_allgather(&c, out, lens, offsets);
	return dvmi_coll_end(&c);
}
