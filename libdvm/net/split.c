/* SPDX-License-Identifier: BSD-3-Clause */
#include "libdvm/net/split.h"

/* Adds ONE (of the front or the back) to the claims, if there is a chunk left. */
static int64_t claim(struct dvmi_split *s, uint16_t gen, uint32_t n, uint64_t one, uint64_t *old)
{
	uint64_t w = atomic_load_explicit(&s->claim, memory_order_acquire);

	do {
		if (w >> 48 != gen)
			return DVMI_SPLIT_GONE;
		if (dvmi_split_taken(w) >= n)
			return DVMI_SPLIT_NONE;
	} while (!atomic_compare_exchange_weak(&s->claim, &w, w + one));
	*old = w;
	return 0;
}

int64_t dvmi_split_front(struct dvmi_split *s, uint16_t gen, uint32_t n)
{
	uint64_t w;
	int64_t rc = claim(s, gen, n, 1, &w);

	return rc < 0 ? rc : (int64_t)(w & DVMI_SPLIT_MASK);
}

int64_t dvmi_split_back(struct dvmi_split *s, uint16_t gen, uint32_t n)
{
	uint64_t w;
	int64_t rc = claim(s, gen, n, UINT64_C(1) << DVMI_SPLIT_BITS, &w);

	return rc < 0 ? rc : (int64_t)(n - 1 - dvmi_split_back_of(w));
}

void dvmi_split_pushed(struct dvmi_split *s, bool good)
{
	if (good)
		atomic_fetch_add_explicit(&s->pushed, 1, memory_order_release);
	else
		atomic_fetch_or_explicit(&s->pushed, DVMI_SPLIT_FAILED, memory_order_release);
}

enum dvmi_split_state dvmi_split_state(struct dvmi_split *s, uint16_t gen, uint32_t n)
{
	uint64_t w = atomic_load_explicit(&s->claim, memory_order_acquire);
	uint64_t pushed = atomic_load_explicit(&s->pushed, memory_order_acquire);

	if (w >> 48 != gen || !dvmi_split_valid(s, gen))
		return DVMI_SPLIT_WITHDRAWN;
	if (pushed & DVMI_SPLIT_FAILED)
		return DVMI_SPLIT_BROKEN;
	if (dvmi_split_taken(w) < n)
		return DVMI_SPLIT_OPEN;
	return pushed == dvmi_split_back_of(w) ? DVMI_SPLIT_COMPLETE : DVMI_SPLIT_WAITING;
}

void dvmi_split_close(struct dvmi_split *s, uint16_t gen, uint32_t n)
{
	uint64_t w = atomic_load_explicit(&s->claim, memory_order_acquire);
	uint64_t back;

	do {
		back = dvmi_split_back_of(w);
		if (w >> 48 != gen || back > n)
			return;
	} while (!atomic_compare_exchange_weak(&s->claim, &w, (w & ~DVMI_SPLIT_MASK) | (n - back)));
}
