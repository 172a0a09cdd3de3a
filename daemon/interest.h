/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the shepherd of a share wants to hear of: it has asked about it. Kept by the share's dvmd and
 * lost with it; a shepherd that comes back asks again.
 */
#ifndef DVMD_INTEREST_H
#define DVMD_INTEREST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Jobs beside its own that one shepherd can be interested in. */
#define DVMD_INTEREST_JOBS 4096

struct dvmd_interest {
	uint64_t *jobs;
	size_t n;
	bool hosts; /* members that come and go */
	bool names; /* services that are published */
};

/* -ENOSPC, -ENOMEM; a job that is there already is no error. */
int dvmd_interest_add(struct dvmd_interest *i, uint64_t job);
bool dvmd_interest_has(const struct dvmd_interest *i, uint64_t job);
void dvmd_interest_drop(struct dvmd_interest *i, uint64_t job);
void dvmd_interest_free(struct dvmd_interest *i);

#endif
