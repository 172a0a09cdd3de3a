/* SPDX-License-Identifier: BSD-3-Clause */
/* What every placement must fulfil, worked out the slow and plain way. */
#ifndef TESTS_UNIT_SCHED_CHECK_H
#define TESTS_UNIT_SCHED_CHECK_H

#include "sched/dsched.h"

/* Fills TEXT with the first rule PLACEMENT breaks and returns false; true if it breaks none. */
bool sched_check(const struct dsched_snapshot *snap, const struct dsched_request *req,
		 const struct dsched_placement *placement, char *text, size_t size);

/* Ranks of REQ that the node takes now, or on an idle machine; by definition, not by sched/. */
uint64_t sched_check_capacity(const struct dsched_request *req, const struct dsched_node *node,
			      bool idle);

#endif
