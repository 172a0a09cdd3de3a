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
