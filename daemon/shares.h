/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who has used how much, for fair share: users and accounts, whose use is forgotten by half in every
 * half-life. Pure: times are the caller's.
 */
#ifndef DVMD_SHARES_H
#define DVMD_SHARES_H

#include "sched/dsched_queue.h"

struct dvmd_sharer {
	char *name;
	uint64_t used; /* slot-seconds as of `at` */
	uint64_t at;   /* ns */
};

struct dvmd_shares {
	uint64_t half_life;
	struct dvmd_sharer *list;
	size_t n, cap;
};

void dvmd_shares_free(struct dvmd_shares *s);

/* Somebody has used SLOT_SECONDS until AT. -ENOMEM. */
int dvmd_shares_charge(struct dvmd_shares *s, const char *name, uint64_t slot_seconds, uint64_t at);

/* The number of NAME, who is added if he is new; -ENOMEM. */
int dvmd_shares_index(struct dvmd_shares *s, const char *name);

/*
 * Everybody as sched/ wants to know it, as of NOW; SHARES is the list of dvm.conf and PREFIX what
 * stands in front of names there. The caller frees; NULL: out of memory.
 */
struct dsched_share *dvmd_shares_view(const struct dvmd_shares *s, uint64_t now, const char *shares,
				      const char *prefix);

#endif
