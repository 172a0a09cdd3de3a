/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long things take: counts of values in classes, eight to each power of two, so that a quantile is
 * known to an eighth of its value whatever its size (as HdrHistogram does it, G. Tene). Pure; not
 * thread-safe; a zeroed struct is empty.
 */
#ifndef DVMI_HIST_H
#define DVMI_HIST_H

#include <stdint.h>

#define DVMI_HIST_CLASSES 496u /* the last one ends with UINT64_MAX */

struct dvmi_hist {
	uint64_t n[DVMI_HIST_CLASSES];
};

void dvmi_hist_add(struct dvmi_hist *h, uint64_t value);

/* The count of VALUE's class. */
uint64_t *dvmi_hist_at(struct dvmi_hist *h, uint64_t value);

/* The largest value of class I. */
uint64_t dvmi_hist_top(unsigned i);

/* A value that at least PERMILLE (of 1000) of all are not above; 0 when there are none. */
uint64_t dvmi_hist_quantile(const struct dvmi_hist *h, unsigned permille);

#endif
