/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Long messages in both directions between rank 0 and the last rank, which dies or leaves in the
 * middle: what rank 0 has received is right, the rest ends with an error.
 */
#include <sched.h>
#include <signal.h>
#include <time.h>

#include "tests/api/job.h"

static int victim(const struct job *j)
{
	return j->size - 1;
}

/* What rank FROM sends in round I. */
static uint64_t seed_of(int from, int i)
{
	return mix((uint64_t)from + 1, (uint64_t)i);
}

static int exchange(struct job *j, uint8_t *out, uint8_t *in, size_t n, int i)
{
	int peer = victim(j) - j->rank, rc[2];
	dvm_req_t *req[2];

	fill(out, n, seed_of(j->rank, i));
	memset(in, 0, n);
	CHECK_INT(dvm_irecv(j->w, in, n, peer, 1, &req[0]), 0);
	CHECK_INT(dvm_isend(j->w, out, n, peer, 1, &req[1]), 0);
	rc[0] = dvm_wait(&req[0], NULL);
	rc[1] = dvm_wait(&req[1], NULL);
	CHECK(rc[0] < 0 || filled(in, n, seed_of(peer, i)));
	return rc[0] < 0 ? rc[0] : rc[1];
}

static int die_in(long us)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
	struct itimerspec when = { .it_value = { .tv_nsec = us * 1000 } };
	timer_t id;

	return timer_create(CLOCK_MONOTONIC, &ev, &id) || timer_settime(id, 0, &when, NULL);
}

/* job dies_copying BYTES MICROSECONDS */
int dies_copying(struct job *j)
{
	size_t n = (size_t)arg(j, 0, 1 << 20);
	uint8_t *out = malloc(n), *in = malloc(n);
	int rc = 0;

	if (j->rank == 0 || j->rank == victim(j)) {
		/* Not before the first round, or there is nothing to lose. */
		rc = exchange(j, out, in, n, 0);
		CHECK_INT(rc, 0);
		if (j->rank)
			CHECK_INT(die_in(arg(j, 1, 5000)), 0);
		for (int i = 1; rc == 0; i++)
			rc = exchange(j, out, in, n, i);
		CHECK_INT(rc, -DVM_EPEERLOST);
	}
	free(out);
	free(in);
	return 0;
}

static int untouched(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0xee)
			return 0;
	return 1;
}

static int leaves(struct job *j, uint8_t *out, uint8_t *in, size_t n)
{
	dvm_req_t *req[2];

	fill(out, n, seed_of(j->rank, 0));
	CHECK_INT(dvm_irecv(j->w, in, n, 0, 1, &req[0]), 0);
	CHECK_INT(dvm_isend(j->w, out, n, 0, 1, &req[1]), 0);
	/* The other one may be through, and gone, by then. */
	for (long i = arg(j, 1, 0), rc = 0; i > 0 && rc == 0; i--) {
		rc = dvm_iprobe(j->w, 0, 9, NULL);
		CHECK(rc == 0 || rc == -DVM_ECLOSED);
	}
	CHECK_INT(dvm_close(j->d), 0);
	j->d = NULL;
	/* Both are ours again: nobody writes here, and nobody takes this for the message. */
	memset(in, 0xee, n);
	memset(out, 0xee, n);
	for (int i = 0; i < 200; i++) {
		sched_yield();
		CHECK(i % 20 || untouched(in, n));
	}
	return 0;
}

/* job closes_copying BYTES LOOKS */
int closes_copying(struct job *j)
{
	size_t n = (size_t)arg(j, 0, 1 << 20);
	uint8_t *out = malloc(n), *in = malloc(n);
	int rc = 0;

	if (j->rank == victim(j))
		rc = leaves(j, out, in, n);
	else if (j->rank == 0)
		rc = exchange(j, out, in, n, 0);
	free(out);
	free(in);
	return rc == 0 || rc == -DVM_ECLOSED ? 0 : 1;
}
