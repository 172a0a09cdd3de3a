/* SPDX-License-Identifier: BSD-3-Clause */
#include "libdvm/base/hist.h"

#define PARTS_LOG 3
#define PARTS	  (1u << PARTS_LOG)

/* Values below PARTS have classes of their own; then the PARTS_LOG bits below the highest one tell. */
static unsigned class_of(uint64_t value)
{
	if (value < PARTS)
		return (unsigned)value;
	unsigned shift = 63 - (unsigned)__builtin_clzll(value) - PARTS_LOG;
	return shift * PARTS + (unsigned)(value >> shift);
}

uint64_t dvmi_hist_top(unsigned i)
{
	if (i < PARTS)
		return i;
	unsigned shift = i / PARTS - 1;
	return (((uint64_t)(i % PARTS + PARTS) + 1) << shift) - 1;
}

uint64_t *dvmi_hist_at(struct dvmi_hist *h, uint64_t value)
{
	return &h->n[class_of(value)];
}

void dvmi_hist_add(struct dvmi_hist *h, uint64_t value)
{
	++*dvmi_hist_at(h, value);
}

uint64_t dvmi_hist_quantile(const struct dvmi_hist *h, unsigned permille)
{
	uint64_t all = 0, below = 0;
	unsigned i = 0;

	for (unsigned c = 0; c < DVMI_HIST_CLASSES; c++)
		all += h->n[c];
	if (!all)
		return 0;
	/* all * permille would overflow only after centuries of counting. */
	uint64_t wanted = (all * permille + 999) / 1000;
	for (; i < DVMI_HIST_CLASSES - 1; i++)
		if ((below += h->n[i]) >= wanted && below)
			break;
	return dvmi_hist_top(i);
}
