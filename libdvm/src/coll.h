/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What collectives are made of: messages in the group's second context, tagged with the number of
 * the collective. The first error ends the whole operation: the context is revoked, so that no
 * rank waits for one that has given up, and every later step of this call does nothing.
 *
 * Used as: begin, steps, `return dvmi_coll_end(&c)`.
 */
#ifndef DVMI_SRC_COLL_H
#define DVMI_SRC_COLL_H

#include "libdvm/src/handle.h"
#include "libdvm/src/reduce_op.h"

struct dvmi_coll {
	dvm_group_t *g;
	dvm_t *d;
	uint32_t rank, size, ctx;
	int32_t tag;
	int rc; /* 0 or the first error */
};

/* Takes the handle's lock; end releases it. */
void dvmi_coll_begin(struct dvmi_coll *c, dvm_group_t *g);
int dvmi_coll_end(struct dvmi_coll *c);

void dvmi_coll_fail(struct dvmi_coll *c, int code);

/* Blocking steps. A message of another length than LEN fails with -DVM_EPROTO. */
void dvmi_coll_send(struct dvmi_coll *c, const void *buf, size_t len, uint32_t dest);
void dvmi_coll_recv(struct dvmi_coll *c, void *buf, size_t len, uint32_t source);
void dvmi_coll_sendrecv(struct dvmi_coll *c, const void *sbuf, size_t slen, uint32_t dest,
			void *rbuf, size_t rlen, uint32_t source);

/* Steps that are waited for later; every started one must be, also after a failure. */
void dvmi_coll_isend(struct dvmi_coll *c, struct dvmi_op *op, const void *buf, size_t len,
		     uint32_t dest);
void dvmi_coll_irecv(struct dvmi_coll *c, struct dvmi_op *op, void *buf, size_t len,
		     uint32_t source);
void dvmi_coll_wait(struct dvmi_coll *c, struct dvmi_op *ops, size_t n);

/* Scratch memory of this call; NULL (and failed) without memory. The caller frees. */
void *dvmi_coll_alloc(struct dvmi_coll *c, size_t bytes);

/* Copies unless both are the same place. */
void dvmi_coll_copy(void *out, const void *in, size_t len);

/* Algorithms that serve several calls. */
void dvmi_coll_binomial_bcast(struct dvmi_coll *c, void *buf, size_t len, uint32_t root);
/* Rank i has LENS[i] bytes in place at BUF + OFFSETS[i] and gets all others. */
void dvmi_coll_ring_allgather(struct dvmi_coll *c, uint8_t *buf, const size_t *lens,
			      const size_t *offsets);

/* COUNT elements split over the group: where the part of rank I begins. */
static inline size_t dvmi_coll_part(const struct dvmi_coll *c, size_t count, uint32_t i)
{
	size_t each = count / c->size, more = count % c->size;

	return each * i + (i < more ? i : more);
}

#endif
