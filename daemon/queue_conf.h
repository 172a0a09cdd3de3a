/* SPDX-License-Identifier: BSD-3-Clause */
/* How the queue of this machine decides: of dvm.conf. */
#ifndef DVMD_QUEUE_CONF_H
#define DVMD_QUEUE_CONF_H

#include "sched/dsched_queue.h"

struct dvmd_queue_conf {
	enum dsched_order order;
	uint32_t depth; /* 0: the order's own */
	uint32_t w_age, w_size, w_fair, w_asked;
	uint64_t half_life; /* ns */
	enum dsched_preempt preempt;
	uint64_t grace; /* ns that growth of an elastic job has to leave */
};

#endif
