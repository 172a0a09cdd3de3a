/* SPDX-License-Identifier: BSD-3-Clause */
#include "libdvm/net/ring.h"

#define BULK_ALIGN 64u
#define BULK_WARM  8u /* this part of the area is used before the tail is looked at */

static uint32_t count_cells(size_t bytes)
{
	return (uint32_t)((bytes - sizeof(struct dvmi_ring_ctl)) / DVMI_RING_CELL);
}

void dvmi_ring_tx_init(struct dvmi_ring_tx *r, void *ctl, size_t bytes, size_t bulk_size)
{
	*r = (struct dvmi_ring_tx){
		.ctl = ctl,
		.cells = (uint8_t *)ctl + sizeof(struct dvmi_ring_ctl),
		.ncells = count_cells(bytes),
		.bulk_size = bulk_size,
	};
	r->limit = r->ncells;
}

void dvmi_ring_rx_init(struct dvmi_ring_rx *r, void *ctl, size_t bytes)
{
	*r = (struct dvmi_ring_rx){
		.ctl = ctl,
		.cells = (uint8_t *)ctl + sizeof(struct dvmi_ring_ctl),
		.ncells = count_cells(bytes),
	};
}

bool dvmi_ring_refresh(struct dvmi_ring_tx *r, uint64_t need)
{
	uint64_t tail = atomic_load_explicit(&r->ctl->tail, memory_order_acquire);

	/* A tail ahead of us is nonsense; it must not let us overwrite what is unread. */
	if (tail <= r->pos)
		r->limit = tail + r->ncells;
	return r->pos + need <= r->limit;
}

int dvmi_ring_peek_wrap(struct dvmi_ring_rx *r, struct dvmi_ring_rec *rec)
{
	r->pos += r->ncells - r->at;
	r->at = 0;
	uint64_t word = atomic_load_explicit(dvmi_ring_word(r->cells, 0), memory_order_acquire);
	return word == DVMI_RING_WRAP ? -DVM_EPROTO : dvmi_ring_parse(r, word, rec);
}

static void bulk_refresh(struct dvmi_ring_tx *r)
{
	uint64_t tail = atomic_load_explicit(&r->ctl->bulk_tail, memory_order_acquire);

	if (tail <= r->bulk_pos)
		r->bulk_tail = tail;
	if (r->bulk_tail == r->bulk_pos)
		r->bulk_at = 0;
}

static uint64_t bulk_skip(const struct dvmi_ring_tx *r, uint64_t size)
{
	return r->bulk_at + size > r->bulk_size ? r->bulk_size - r->bulk_at : 0;
}

static bool bulk_fits(const struct dvmi_ring_tx *r, uint64_t size)
{
	return r->bulk_pos + bulk_skip(r, size) + size - r->bulk_tail <= r->bulk_size;
}

bool dvmi_ring_bulk_take(struct dvmi_ring_tx *r, uint32_t len, uint32_t *off, uint32_t *advance)
{
	uint64_t size = ((uint64_t)len + BULK_ALIGN - 1) / BULK_ALIGN * BULK_ALIGN;

	/* The tail is in a line that the consumer writes all the time: not looked at for every
	 * piece, but often enough to stay within the first part while the load is light. */
	if (r->bulk_at + size > r->bulk_size / BULK_WARM || !bulk_fits(r, size))
		bulk_refresh(r);
	if (!bulk_fits(r, size))
		return false;
	uint64_t skip = bulk_skip(r, size);
	*off = (uint32_t)(skip ? 0 : r->bulk_at);
	*advance = (uint32_t)(skip + size);
	r->bulk_at = *off + size == r->bulk_size ? 0 : *off + size;
	r->bulk_pos += skip + size;
	return true;
}
