/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A fabric inside one process, for tests: N ends that exchange packets through queues. It loses
 * and reorders nothing between two ends, but may delay, refuse (-EAGAIN) and cut off at will,
 * driven by a seed.
 */
#ifndef DVMI_NET_FAB_LOOP_H
#define DVMI_NET_FAB_LOOP_H

#include "libdvm/base/rng.h"
#include "libdvm/net/tport.h"

struct dvmi_loop;

struct dvmi_loop_config {
	uint32_t n; /* ends */
	uint64_t seed;
	uint32_t eager_max, chunk;
	uint32_t refuse_pct; /* of sends answered with -EAGAIN */
	uint32_t hold_pct;   /* of progress calls that deliver nothing from an end */
	bool copies;	     /* memory to memory is possible */
	uint32_t pull_fail_pct, push_fail_pct; /* of those copies, with half of it done */
};

/* NULL without memory. */
struct dvmi_loop *dvmi_loop_create(const struct dvmi_loop_config *cfg);
/* After the ends. */
void dvmi_loop_destroy(struct dvmi_loop *l);

/* The end of rank SELF. 0 or -ENOMEM. */
int dvmi_loop_end(struct dvmi_loop *l, uint32_t self, struct dvmi_sink sink,
		  struct dvmi_tport **out);
/* Nothing goes to or comes from RANK any more; what it had sent is still delivered. */
void dvmi_loop_cut(struct dvmi_loop *l, uint32_t rank);

#endif
