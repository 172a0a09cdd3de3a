/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shared memory in which the ranks of a group that are on one node do collectives together.
 *
 * Each member has a few lines and a few slots, which only it writes. Everybody counts the same
 * operations; to take part in operation K a member writes what it gives into line (or, what is
 * longer, slot) K modulo DEPTH and then K itself into the line, and reads the lines of whom it
 * needs something from. A line says K only while every member is in an operation of the last DEPTH
 * ones: before a member writes for K it makes sure that all have come to K - DEPTH + 1, and are so
 * done with K - DEPTH, whose place it takes. Operations in which everybody waits for everybody
 * find that already so.
 *
 * What others write is input: numbers are only compared, and a line says what its writer means to
 * do, which must be what this rank does.
 *
 * Under the handle's lock, which is released while waiting.
 */
#ifndef DVMI_SRC_COLL_AREA_H
#define DVMI_SRC_COLL_AREA_H

#include <stdatomic.h>

#include "libdvm/src/coll_layout.h"
#include "libdvm/src/handle.h"

#define DVMI_AREA_DEPTH	 4u
#define DVMI_AREA_SLOTS	 32u
#define DVMI_AREA_INLINE 104u /* bytes that fit into a line */

struct dvmi_area_line {
	_Alignas(128) _Atomic uint64_t seq;
	uint64_t what;
	_Atomic uint64_t left; /* in a member's first line: it will not look again */
	uint8_t bytes[DVMI_AREA_INLINE];
};

_Static_assert(sizeof(struct dvmi_area_line) == 128, "whole pairs of cache lines");

struct dvmi_area {
	dvm_group_t *g;
	struct dvmi_team team; /* the members */
	struct dvmi_area_line *lines;
	uint8_t *slots;
	size_t slot;   /* bytes of each */
	bool direct;   /* members can copy from and to each other's memory; all agree */
	bool crowded;  /* the node has more ranks than cores; all members agree */
	uint64_t seq;  /* the last operation */
	uint64_t seen; /* all members have come so far */
	uint64_t what; /* this rank's, in the operation that is under way */
	void *map;
	size_t bytes;
	int64_t offset;		/* in our part of the heap; -1: it is another's */
	struct dvmi_area *next; /* of those we have made and left, but others not yet */
};

/* Bytes of an area of N members, and of their slots. */
size_t dvmi_area_bytes(uint32_t n, size_t *slot);

/* What the one who makes an area tells the others. */
struct dvmi_area_place {
	int64_t offset; /* negative: there is none */
};

/* Makes an area in our part of the heap. 0 or -E…. */
int dvmi_area_make(struct dvmi_area *a, dvm_group_t *g, const struct dvmi_team *t,
		   struct dvmi_area_place *out);
/* Joins the one that local rank LOCAL has made. 0 or -E…. */
int dvmi_area_join(struct dvmi_area *a, dvm_group_t *g, const struct dvmi_team *t, uint32_t local,
		   const struct dvmi_area_place *place);
/* Leaves it. Its memory is used again when all others have, too. */
void dvmi_area_fini(struct dvmi_area *a);
/* Forgets areas that others have not left. */
void dvmi_area_forget(dvm_t *d);

/* Begins the next operation: from now on this rank may write. WHAT must agree. 0 or -E…. */
int dvmi_area_enter(struct dvmi_area *a, uint64_t what);
/* Tells the others that this rank's part is there. */
void dvmi_area_publish(struct dvmi_area *a);
/* Waits for member M's part. 0, -DVM_EPROTO or what M is down with. */
int dvmi_area_wait(struct dvmi_area *a, uint32_t m);
int dvmi_area_wait_all(struct dvmi_area *a);

/* Why member M will not come, -E…; 0 it may yet. */
int dvmi_area_lost(const struct dvmi_area *a, uint32_t m);

/* Where member M's LEN bytes of this operation are. */
static inline uint8_t *dvmi_area_at(const struct dvmi_area *a, uint32_t m, size_t len)
{
	if (len <= DVMI_AREA_INLINE)
		return a->lines[m * DVMI_AREA_DEPTH + a->seq % DVMI_AREA_DEPTH].bytes;
	return a->slots + ((size_t)m * DVMI_AREA_SLOTS + a->seq % DVMI_AREA_SLOTS) * a->slot;
}

static inline uint8_t *dvmi_area_mine(const struct dvmi_area *a, size_t len)
{
	return dvmi_area_at(a, a->team.rank, len);
}

#endif
