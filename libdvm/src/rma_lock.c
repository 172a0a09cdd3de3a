/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "libdvm/src/rma_lock.h"

/* A word: bit 0 granted, bit 1 exclusive, above them the place in the order, from 1. */
#define GRANTED	  UINT64_C(1)
#define EXCLUSIVE UINT64_C(2)
#define PLACE	  2

#define TRIES 100 /* at the latch: it is held for as long as it takes to look at the words */

static bool take_over(const struct dvmi_rma_locker *k, uint32_t holder)
{
	if (holder > k->n || !k->gone(k->arg, holder - 1))
		return false;
	return atomic_compare_exchange_strong(&k->l->latch, &holder, k->self + 1);
}

static int latch(const struct dvmi_rma_locker *k)
{
	for (int i = 0; i < TRIES; i++) {
		uint32_t free = 0;
		if (atomic_compare_exchange_strong_explicit(&k->l->latch, &free, k->self + 1,
							    memory_order_acquire,
							    memory_order_relaxed))
			return 0;
		if (i == TRIES - 1 && take_over(k, free))
			return 0;
	}
	return -EAGAIN;
}

static void unlatch(const struct dvmi_rma_locker *k)
{
	atomic_store_explicit(&k->l->latch, 0, memory_order_release);
}

static uint64_t word(const struct dvmi_rma_locker *k, uint32_t rank)
{
	return atomic_load_explicit(&k->l->words[rank], memory_order_relaxed);
}

struct oldest {
	uint64_t any, exclusive; /* places; UINT64_MAX: none */
	uint64_t last;		 /* the largest place */
};

static struct oldest survey(const struct dvmi_rma_locker *k)
{
	struct oldest o = { .any = UINT64_MAX, .exclusive = UINT64_MAX };

	for (uint32_t i = 0; i < k->n; i++) {
		uint64_t w = word(k, i), place = w >> PLACE;
		if (!w)
			continue;
		o.any = place < o.any ? place : o.any;
		o.last = place > o.last ? place : o.last;
		if (w & EXCLUSIVE && place < o.exclusive)
			o.exclusive = place;
	}
	return o;
}

static void grant(const struct dvmi_rma_locker *k, uint32_t rank)
{
	atomic_store_explicit(&k->l->words[rank], word(k, rank) | GRANTED, memory_order_release);
	k->granted(k->arg, rank);
}

static void grant_all(const struct dvmi_rma_locker *k)
{
	struct oldest o = survey(k);

	for (uint32_t i = 0; i < k->n; i++) {
		uint64_t w = word(k, i), place = w >> PLACE;
		if (!w || w & GRANTED)
			continue;
		if (w & EXCLUSIVE ? place == o.any : place < o.exclusive)
			grant(k, i);
	}
}

int dvmi_rma_lock_ask(const struct dvmi_rma_locker *k, uint32_t rank, bool exclusive)
{
	int rc = latch(k);

	if (rc < 0)
		return rc;
	if (word(k, rank)) {
		rc = -EALREADY;
	} else {
		uint64_t place = survey(k).last + 1;
		atomic_store_explicit(&k->l->words[rank],
				      place << PLACE | (exclusive ? EXCLUSIVE : 0),
				      memory_order_relaxed);
		grant_all(k);
	}
	unlatch(k);
	return rc;
}

int dvmi_rma_lock_drop(const struct dvmi_rma_locker *k, uint32_t rank)
{
	int rc = latch(k);

	if (rc < 0)
		return rc;
	if (word(k, rank)) {
		atomic_store_explicit(&k->l->words[rank], 0, memory_order_relaxed);
		grant_all(k);
	}
	unlatch(k);
	return 0;
}
