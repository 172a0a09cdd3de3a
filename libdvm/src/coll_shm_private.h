/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the coll_shm*.c files. */
#ifndef DVMI_SRC_COLL_SHM_PRIVATE_H
#define DVMI_SRC_COLL_SHM_PRIVATE_H

#include "libdvm/src/coll_shm.h"

/* What all members must mean by an operation, as a number. */
static inline uint64_t dvmi_shm_what(enum dvmi_coll_kind kind, uint32_t root, uint64_t size)
{
	return ((uint64_t)kind << 56) ^ ((uint64_t)root << 32) ^
	       size * UINT64_C(0x9e3779b97f4a7c15);
}

/*
 * coll_direct.c: the same with one copy made by the kernel. Only where the area says DIRECT.
 */
int dvmi_direct_bcast(struct dvmi_area *a, uint8_t *buf, size_t len, uint32_t root);
int dvmi_direct_scatter(struct dvmi_area *a, const uint8_t *in, uint8_t *out, size_t len,
			uint32_t root);
int dvmi_direct_gather(struct dvmi_area *a, const uint8_t *in, size_t len, uint8_t *out,
		       uint32_t root);
int dvmi_direct_allgather(struct dvmi_area *a, const uint8_t *in, size_t len, uint8_t *out);
int dvmi_direct_alltoall(struct dvmi_area *a, const uint8_t *in, uint8_t *out, size_t len);
int dvmi_direct_allreduce(struct dvmi_area *a, const struct dvmi_combine *op,
			  const struct dvmi_vector *v);

/* coll_direct_two.c: the same of two ranks in all, which write to each other's memory as well. */
int dvmi_two_bcast(struct dvmi_area *a, uint8_t *buf, size_t len, uint32_t root);
int dvmi_two_allreduce(struct dvmi_area *a, const struct dvmi_combine *op,
		       const struct dvmi_vector *v);

static inline bool dvmi_direct_two(const struct dvmi_area *a)
{
	return a->g->size == 2 && a->team.size == 2 && !a->crowded;
}

/* What a member's line says. */
struct dvmi_place {
	uint64_t in, out;      /* addresses in its process */
	_Atomic uint64_t gate; /* enum dvmi_gate: whether another may write there */
};

enum dvmi_gate { DVMI_GATE_OPEN = 1, DVMI_GATE_BUSY, DVMI_GATE_DONE, DVMI_GATE_CLOSED };

_Static_assert(sizeof(struct dvmi_place) <= DVMI_AREA_INLINE, "in a line");

static inline struct dvmi_place *dvmi_place_of(const struct dvmi_area *a, uint32_t m)
{
	return (struct dvmi_place *)(void *)dvmi_area_at(a, m, sizeof(struct dvmi_place));
}

/* The peer that member M is. */
static inline uint32_t dvmi_area_peer(const struct dvmi_area *a, uint32_t m)
{
	return dvmi_rankmap_peer(&a->g->map, dvmi_team_rank(&a->team, m));
}

/* Says where this rank's buffers are. Waiting for the others is the caller's. */
int dvmi_direct_show(struct dvmi_area *a, uint64_t what, const void *in, void *out);
int dvmi_direct_pull(struct dvmi_area *a, uint32_t m, void *to, uint64_t from, size_t len);
/* RC of a copy. If it failed, M is gone, or it has met memory that the kernel does not copy. */
int dvmi_direct_explain(struct dvmi_area *a, uint32_t m, int rc);

/* Whether LEN bytes, of a buffer or of a part, are worth it. */
static inline bool dvmi_shm_direct(const struct dvmi_area *a, enum dvmi_coll_kind kind, size_t len)
{
	return a->direct && dvmi_coll_is_direct(kind, len);
}

/* Bytes of a piece that flows from some to others, and of one for which all wait for all. */
static inline size_t dvmi_shm_flow(const struct dvmi_area *a)
{
	return dvmi_coll_piece(a->slot, true, a->crowded);
}

static inline size_t dvmi_shm_all(const struct dvmi_area *a)
{
	return dvmi_coll_piece(a->slot, false, a->crowded);
}

#endif
