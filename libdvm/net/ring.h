/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A ring of records in memory shared by one producer and one consumer.
 *
 * A record is a 64-bit word and a body, in cells of 16 bytes, never wrapped. The word is zero
 * until the record is complete, so a short record travels in one cache line, four of the shortest
 * in one, and the consumer waits on the very line it will read. To keep old bodies from looking
 * like words, the producer zeroes the word behind a record before it publishes the record itself.
 * A record that would cross the end goes to the start, behind a word that says so. The consumer
 * gives cells back in batches through `tail`, which the producer reads only when it seems out of
 * room.
 *
 * Beside it lies the bulk area for payloads too long for the ring, handed out by the producer and
 * given back by the consumer in the same order. When all of it is back, the producer starts from
 * its beginning, so that a light load stays within a few warm pages.
 *
 * All-zero memory is an empty ring. Both ends keep their position in private memory. The consumer
 * checks what it reads: the other side is another process.
 */
#ifndef DVMI_NET_RING_H
#define DVMI_NET_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dvm/error.h"

#define DVMI_RING_CELL	   16u
#define DVMI_RING_BODY_MAX 2040u /* bytes of a record behind its word */

/* In front of the cells: a line the consumer writes and one for the producer. */
struct dvmi_ring_ctl {
	_Atomic uint64_t tail;	    /* cells given back since the start */
	_Atomic uint64_t bulk_tail; /* bulk bytes given back since the start */
	uint8_t pad0[48];
	_Atomic uint32_t wants_room; /* the producer sleeps until something is given back */
	uint8_t pad1[60];
};

_Static_assert(sizeof(struct dvmi_ring_ctl) == 128, "two cache lines");

struct dvmi_ring_tx {
	struct dvmi_ring_ctl *ctl;
	uint8_t *cells;
	uint32_t ncells;
	uint32_t at;	/* cell of the next record */
	uint64_t pos;	/* cells used since the start */
	uint64_t limit; /* pos may grow up to this */
	uint64_t bulk_size, bulk_at, bulk_pos, bulk_tail;
};

struct dvmi_ring_rx {
	struct dvmi_ring_ctl *ctl;
	uint8_t *cells;
	uint32_t ncells;
	uint32_t at;
	uint64_t pos;
	uint64_t given; /* the tail as published */
	uint64_t bulk_pos;
};

struct dvmi_ring_rec {
	uint64_t meta; /* 1 … DVMI_RING_META_MAX, the user's */
	uint32_t len;  /* bytes of body */
	const uint8_t *body;
};

#define DVMI_RING_META_MAX ((UINT64_C(1) << 48) - 1)
#define DVMI_RING_WRAP	   UINT64_MAX /* a length that no record has */
#define DVMI_RING_LINE	   64u

static inline uint32_t dvmi_ring_cells(uint32_t body)
{
	return (body + 8 + DVMI_RING_CELL - 1) / DVMI_RING_CELL;
}

static inline _Atomic uint64_t *dvmi_ring_word(uint8_t *cells, uint32_t at)
{
	return (_Atomic uint64_t *)(void *)(cells + (size_t)at * DVMI_RING_CELL);
}

void dvmi_ring_tx_init(struct dvmi_ring_tx *r, void *ctl, size_t bytes, size_t bulk_size);
void dvmi_ring_rx_init(struct dvmi_ring_rx *r, void *ctl, size_t bytes);

/* Looks how far the consumer is. False when NEED cells do not fit even so. */
bool dvmi_ring_refresh(struct dvmi_ring_tx *r, uint64_t need);

/* Cells lost at the end when a record of NEED cells comes next. */
static inline uint32_t dvmi_ring_skip(const struct dvmi_ring_tx *r, uint32_t need)
{
	return r->at + need > r->ncells ? r->ncells - r->at : 0;
}

/*
 * Room for a record with a body of LEN bytes (at most DVMI_RING_BODY_MAX); NULL when the ring is
 * full. Nothing is visible to the consumer before the commit with the same LEN.
 */
static inline uint8_t *dvmi_ring_reserve(struct dvmi_ring_tx *r, uint32_t len)
{
	uint32_t need = dvmi_ring_cells(len), skip = dvmi_ring_skip(r, need);
	uint64_t all = (uint64_t)need + skip + 1; /* one for the zero word behind */

	if (__builtin_expect(r->pos + all > r->limit, 0) && !dvmi_ring_refresh(r, all))
		return NULL;
	return r->cells + (skip ? 0 : (size_t)r->at * DVMI_RING_CELL) + 8;
}

/* The line at P: ours to write before we need it. (The builtin asks for a shared copy only.) */
static inline void dvmi_ring_own(const void *p)
{
#if defined(__x86_64__)
	__asm__ __volatile__("prefetchw %0" : : "m"(*(const char *)p));
#else
	__builtin_prefetch(p, 1);
#endif
}

static inline void dvmi_ring_commit(struct dvmi_ring_tx *r, uint32_t len, uint64_t meta)
{
	uint32_t need = dvmi_ring_cells(len), skip = dvmi_ring_skip(r, need);
	uint32_t first = skip ? 0 : r->at, next = first + need == r->ncells ? 0 : first + need;

	atomic_store_explicit(dvmi_ring_word(r->cells, next), 0, memory_order_relaxed);
	atomic_store_explicit(dvmi_ring_word(r->cells, first), meta << 16 | len,
			      memory_order_release);
	if (__builtin_expect(skip != 0, 0))
		atomic_store_explicit(dvmi_ring_word(r->cells, r->at), DVMI_RING_WRAP,
				      memory_order_release);
	r->at = next;
	r->pos += need + skip;
	/* A line behind those the consumer may be looking at. */
	dvmi_ring_own(r->cells + (size_t)next * DVMI_RING_CELL + 3 * DVMI_RING_LINE);
}

/*
 * The oldest record. 1 and *REC, which stays until the pop; 0 when there is none; -DVM_EPROTO
 * when the memory holds what no producer writes.
 */
int dvmi_ring_peek_wrap(struct dvmi_ring_rx *r, struct dvmi_ring_rec *rec);

static inline int dvmi_ring_parse(struct dvmi_ring_rx *r, uint64_t word, struct dvmi_ring_rec *rec)
{
	uint32_t len = (uint32_t)(word & 0xffff);

	if (__builtin_expect(word == DVMI_RING_WRAP, 0))
		return dvmi_ring_peek_wrap(r, rec);
	if (__builtin_expect(len > DVMI_RING_BODY_MAX || !(word >> 16) ||
				     r->at + dvmi_ring_cells(len) > r->ncells,
			     0))
		return -DVM_EPROTO;
	rec->len = len;
	rec->meta = word >> 16;
	rec->body = r->cells + (size_t)r->at * DVMI_RING_CELL + 8;
	return 1;
}

static inline int dvmi_ring_peek(struct dvmi_ring_rx *r, struct dvmi_ring_rec *rec)
{
	uint64_t word = atomic_load_explicit(dvmi_ring_word(r->cells, r->at), memory_order_acquire);

	return word ? dvmi_ring_parse(r, word, rec) : 0;
}

/* Gives all cells back that were popped; the pop does it by itself now and then. */
static inline void dvmi_ring_give(struct dvmi_ring_rx *r)
{
	r->given = r->pos;
	atomic_store_explicit(&r->ctl->tail, r->pos, memory_order_release);
}

static inline void dvmi_ring_pop(struct dvmi_ring_rx *r, const struct dvmi_ring_rec *rec)
{
	uint32_t need = dvmi_ring_cells(rec->len);

	r->at = r->at + need == r->ncells ? 0 : r->at + need;
	r->pos += need;
	if (r->pos - r->given >= r->ncells / 4)
		dvmi_ring_give(r);
}

/* Many are waiting: the line behind the next record is on its way when it is looked at. */
static inline void dvmi_ring_look_ahead(const struct dvmi_ring_rx *r)
{
	__builtin_prefetch(r->cells + (size_t)r->at * DVMI_RING_CELL + DVMI_RING_LINE);
}

/*
 * LEN bytes of the bulk area: their offset in *OFF and in *ADVANCE what the consumer has to give
 * back for them. False when there is no room.
 */
bool dvmi_ring_bulk_take(struct dvmi_ring_tx *r, uint32_t len, uint32_t *off, uint32_t *advance);

/* The consumer is done with the oldest bulk payload. */
static inline void dvmi_ring_bulk_give(struct dvmi_ring_rx *r, uint32_t advance)
{
	r->bulk_pos += advance;
	atomic_store_explicit(&r->ctl->bulk_tail, r->bulk_pos, memory_order_release);
}

#endif
