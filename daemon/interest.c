/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "daemon/interest.h"

static size_t find(const struct dvmd_interest *i, uint64_t job)
{
	size_t at = 0;

	while (at < i->n && i->jobs[at] != job)
		at++;
	return at;
}

int dvmd_interest_add(struct dvmd_interest *i, uint64_t job)
{
	if (find(i, job) < i->n)
		return 0;
	if (i->n >= DVMD_INTEREST_JOBS)
		return -ENOSPC;
	uint64_t *jobs = reallocarray(i->jobs, i->n + 1, sizeof *jobs);
	if (!jobs)
		return -ENOMEM;
	i->jobs = jobs;
	jobs[i->n++] = job;
	return 0;
}

bool dvmd_interest_has(const struct dvmd_interest *i, uint64_t job)
{
	return find(i, job) < i->n;
}

void dvmd_interest_drop(struct dvmd_interest *i, uint64_t job)
{
	size_t at = find(i, job);

	if (at < i->n)
		i->jobs[at] = i->jobs[--i->n];
}

void dvmd_interest_free(struct dvmd_interest *i)
{
	free(i->jobs);
	*i = (struct dvmd_interest){ 0 };
}
