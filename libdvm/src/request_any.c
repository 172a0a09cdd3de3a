/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for and testing one, some or all of many requests. */
#include <errno.h>
#include <sys/types.h>

#include "libdvm/src/request.h"
#include "libdvm/src/wait.h"

enum { NONE_DONE = -1, ALL_IDLE = -2 };

static ssize_t find_done(dvm_req_t **reqs, size_t n)
{
	ssize_t found = ALL_IDLE;

	for (size_t i = 0; i < n; i++) {
		if (dvmi_req_idle(reqs[i]))
			continue;
		if (dvmi_req_done(reqs[i]))
			return (ssize_t)i;
		found = NONE_DONE;
	}
	return found;
}

/* Ends all that cannot end by themselves, if that is all of them. */
static void give_up_hopeless(dvm_t *d, dvm_req_t **reqs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!dvmi_req_idle(reqs[i]) &&
		    (reqs[i]->task || !dvmi_p2p_is_hopeless(&d->p2p, &reqs[i]->op)))
			return;
	for (size_t i = 0; i < n; i++)
		if (!dvmi_req_idle(reqs[i]))
			dvmi_p2p_hopeless(&d->p2p, &reqs[i]->op);
}

/* NULL where there is nothing to wait for. */
static dvm_t *handle_of(dvm_req_t **reqs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!dvmi_req_idle(reqs[i]))
			return reqs[i]->g->d;
	return NULL;
}

/* The place of the first that is done, when there is one. */
static size_t wait_for_one(dvm_t *d, dvm_req_t **reqs, size_t n)
{
	struct dvmi_wait w = { 0 };
	ssize_t i;

	while ((i = find_done(reqs, n)) < 0)
		if (dvmi_wait_round(d, &w) == 0 && !d->threads.on && find_done(reqs, n) < 0)
			give_up_hopeless(d, reqs, n);
	return (size_t)i;
}

int dvm_waitany(dvm_req_t **reqs, size_t n, size_t *index, dvm_status_t *status)
{
	if (!reqs || !index)
		return -EINVAL;
	dvm_t *d = handle_of(reqs, n);
	if (!d)
		return -ENOENT;
	dvmi_enter(d);
	size_t i = wait_for_one(d, reqs, n);
	*index = i;
	int rc = dvmi_req_end(&reqs[i], status);
	dvmi_leave(d);
	return rc;
}

/* As find_done(), with one round of progress where that may help. */
static ssize_t poll_done(dvm_t *d, dvm_req_t **reqs, size_t n)
{
	ssize_t i = find_done(reqs, n);

	if (i >= 0)
		return i;
	dvmi_poll(d);
	return find_done(reqs, n);
}

int dvm_testany(dvm_req_t **reqs, size_t n, size_t *index, dvm_status_t *status)
{
	if (!reqs || !index)
		return -EINVAL;
	dvm_t *d = handle_of(reqs, n);
	if (!d)
		return -ENOENT;
	int rc = 0;
	dvmi_enter(d);
	ssize_t i = poll_done(d, reqs, n);
	if (i >= 0) {
		*index = (size_t)i;
		rc = dvmi_req_end(&reqs[i], status);
		rc = rc < 0 ? rc : 1;
	}
	dvmi_leave(d);
	return rc;
}

/* Ends all that are done, from FIRST on. The first error among them, or 0. */
static int end_some(dvm_req_t **reqs, size_t first, size_t n, size_t *count, size_t *indices,
		    dvm_status_t *statuses)
{
	size_t k = 0;
	int rc = 0;

	for (size_t i = first; i < n; i++) {
		if (dvmi_req_idle(reqs[i]) || !dvmi_req_done(reqs[i]))
			continue;
		int code = dvmi_req_end(&reqs[i], statuses ? &statuses[k] : NULL);
		rc = rc < 0 ? rc : code;
		indices[k++] = i;
	}
	*count = k;
	return rc;
}

int dvm_waitsome(dvm_req_t **reqs, size_t n, size_t *count, size_t *indices, dvm_status_t *statuses)
{
	if (!reqs || !count || !indices)
		return -EINVAL;
	dvm_t *d = handle_of(reqs, n);
	*count = 0;
	if (!d)
		return -ENOENT;
	dvmi_enter(d);
	size_t first = wait_for_one(d, reqs, n);
	int rc = end_some(reqs, first, n, count, indices, statuses);
	dvmi_leave(d);
	return rc;
}

int dvm_testsome(dvm_req_t **reqs, size_t n, size_t *count, size_t *indices, dvm_status_t *statuses)
{
	if (!reqs || !count || !indices)
		return -EINVAL;
	dvm_t *d = handle_of(reqs, n);
	*count = 0;
	if (!d)
		return -ENOENT;
	int rc = 0;
	dvmi_enter(d);
	ssize_t first = poll_done(d, reqs, n);
	if (first >= 0)
		rc = end_some(reqs, (size_t)first, n, count, indices, statuses);
	dvmi_leave(d);
	return rc;
}

static bool all_done(dvm_req_t **reqs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!dvmi_req_idle(reqs[i]) && !dvmi_req_done(reqs[i]))
			return false;
	return true;
}

int dvm_testall(dvm_req_t **reqs, size_t n, dvm_status_t *statuses)
{
	if (!reqs)
		return -EINVAL;
	dvm_t *d = handle_of(reqs, n);
	bool done = true;
	if (d) {
		dvmi_enter(d);
		done = all_done(reqs, n);
		if (!done) {
			dvmi_poll(d);
			done = all_done(reqs, n);
		}
		dvmi_leave(d);
	}
	if (!done)
		return 0;
	int rc = dvm_waitall(reqs, n, statuses);
	return rc < 0 ? rc : 1;
}

int dvm_peek(dvm_req_t *req, dvm_status_t *status)
{
	if (dvmi_req_idle(req)) {
		dvmi_status_empty(status, 0);
		return 1;
	}
	dvm_t *d = req->g->d;
	int rc = 0;
	dvmi_enter(d);
	if (!dvmi_req_done(req))
		dvmi_poll(d);
	if (dvmi_req_done(req)) {
		rc = dvmi_req_result(req, status);
		rc = rc < 0 ? rc : 1;
	}
	dvmi_leave(d);
	return rc;
}
