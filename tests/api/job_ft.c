/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Going on after losses: revoke, agree, shrink, with ranks killed at any moment. A hang ends by the
 * alarm of the program and fails the test.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <dvm/ft.h>

#include "tests/api/job.h"

static int is_last(const struct job *j)
{
	return j->rank == j->size - 1;
}

static void die(void)
{
	kill(getpid(), SIGKILL);
}

static void on_alarm(int sig)
{
	(void)sig;
	kill(getpid(), SIGKILL);
}

/* This rank is killed after US microseconds, wherever it is then. */
static void die_after(long us)
{
	struct itimerval t = { .it_value = { .tv_sec = us / 1000000,
					     .tv_usec = us % 1000000 + 1 } };

	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &t, NULL);
}

/* All members of a group wait in different ways; one revokes it. Others are not touched. */
int revoked(struct job *j)
{
	char buf[100];
	dvm_req_t *req;
	dvm_group_t *g, *other;
	int rc;

	CHECK_INT(dvm_group_dup(j->w, &g), 0);
	CHECK_INT(dvm_group_is_revoked(g), 0);
	CHECK_INT(dvm_barrier(j->w), 0);
	CHECK_INT(dvm_irecv(g, buf, sizeof buf, DVM_ANY_SOURCE, 3, &req), 0);
	if (is_last(j)) {
		CHECK_INT(dvm_group_revoke(g), 0);
		CHECK_INT(dvm_group_revoke(g), 0);
	} else if (j->rank % 3 == 0) {
		while ((rc = dvm_barrier(g)) == 0)
			;
		CHECK_INT(rc, -DVM_EREVOKED);
	} else if (j->rank % 3 == 1) {
		CHECK_INT(dvm_recv(g, buf, sizeof buf, j->size - 1, 4, NULL), -DVM_EREVOKED);
	} else {
		CHECK_INT(dvm_probe(g, DVM_ANY_SOURCE, 9, NULL), -DVM_EREVOKED);
	}
	CHECK_INT(dvm_wait(&req, NULL), -DVM_EREVOKED);
	CHECK_INT(dvm_group_is_revoked(g), 1);
	CHECK_INT(dvm_send(g, buf, 1, 0, 3), -DVM_EREVOKED);
	CHECK_INT(dvm_bcast(g, buf, 1, 0), -DVM_EREVOKED);
	CHECK_INT(dvm_group_dup(g, &other), -DVM_EREVOKED);
	uint32_t flags = ~(1u << j->rank);
	CHECK_INT(dvm_group_agree(g, &flags), 0);
	CHECK_INT(flags, ~((1u << j->size) - 1));
	CHECK_INT(dvm_group_shrink(g, &other), 0);
	CHECK_INT(dvm_group_size(other), j->size);
	CHECK_INT(dvm_barrier(other), 0);
	CHECK_INT(dvm_barrier(j->w), 0);
	CHECK_INT(dvm_group_free(g), 0);
	return 0;
}

struct revoker {
	dvm_group_t *g;
	long us;
};

static void *revoke_later(void *arg)
{
	const struct revoker *r = arg;

	usleep((useconds_t)r->us);
	dvm_group_revoke(r->g);
	return NULL;
}

/* Long collectives of G until it is revoked; what they end with. */
static int until_revoked(dvm_group_t *g, double *in, double *out, size_t n)
{
	int rc = 0;

	for (int i = 0; rc == 0; i++)
		rc = i % 3 == 2 ? dvm_bcast(g, out, n * sizeof *out, i % 2)
				: dvm_allreduce(g, i % 3 ? out : in, out, n, DVM_DOUBLE, DVM_MAX);
	return rc;
}

/*
 * A thread revokes the group within a long collective: what that writes to is the program's again
 * when it returns, however far the other rank has come.
 */
int revoked_inside(struct job *j)
{
	const size_t n = 400000;
	double *in = calloc(n, sizeof *in), *out = calloc(n, sizeof *out);
	pthread_t id;

	CHECK(in && out);
	for (int i = 0; i < 30; i++) {
		struct revoker r = { .us = (long)(mix(77, (uint64_t)i) % 2000) };
		CHECK_INT(dvm_group_dup(j->w, &r.g), 0);
		if (j->rank == i % 2)
			CHECK_INT(pthread_create(&id, NULL, revoke_later, &r), 0);
		CHECK_INT(until_revoked(r.g, in, out, n), -DVM_EREVOKED);
		fill(out, n * sizeof *out, (uint64_t)i);
		CHECK_INT(dvm_barrier(j->w), 0);
		CHECK(filled(out, n * sizeof *out, (uint64_t)i));
		if (j->rank == i % 2)
			CHECK_INT(pthread_join(id, NULL), 0);
		CHECK_INT(dvm_group_free(r.g), 0);
		memset(out, 0, n * sizeof *out);
	}
	free(in);
	free(out);
	return 0;
}

/* The one that revokes dies at once: if anybody has heard, the rest will. */
int dies_revoking(struct job *j)
{
	dvm_group_t *g;
	uint32_t deaf;

	CHECK_INT(dvm_group_dup(j->w, &g), 0);
	if (is_last(j)) {
		CHECK_INT(dvm_group_revoke(g), 0);
		die();
	}
	while (!dvm_group_is_revoked(g) && !dvm_group_failed(g, NULL, 0))
		;
	deaf = !dvm_group_is_revoked(g);
	int rc = dvm_group_agree(g, &deaf);
	CHECK(rc == 0 || rc == -DVM_EPEERLOST);
	while (!deaf && !dvm_group_is_revoked(g))
		;
	if (!deaf)
		CHECK_INT(dvm_recv(g, &rc, 1, (j->rank + 1) % (j->size - 1), 1, NULL),
			  -DVM_EREVOKED);
	return 0;
}

/* Many agreements one after the other, in the world and in two halves of it. */
int agrees(struct job *j)
{
	dvm_group_t *half;

	CHECK_INT(dvm_group_split(j->w, j->rank % 2, 0, &half), 0);
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t flags = i | 1u << (16 + j->rank), all = i;
		CHECK_INT(dvm_group_agree(j->w, &flags), 0);
		CHECK_INT(flags, j->size > 1 ? i : i | 1u << 16);
		flags = i | (uint32_t)(j->rank % 2) << 30;
		all |= (uint32_t)(j->rank % 2) << 30;
		CHECK_INT(dvm_group_agree(half, &flags), 0);
		CHECK_INT(flags, all);
	}
	/* Freed at once: who has not heard the result yet still gets it. */
	CHECK_INT(dvm_group_free(half), 0);
	return 0;
}

/* A receive from anyone fails at a loss until the program knows of it. */
int acknowledges(struct job *j)
{
	int failed[4] = { -1, -1, -1, -1 }, x = 0;
	uint32_t flags = 7;

	if (is_last(j))
		die();
	CHECK_INT(dvm_recv(j->w, &x, sizeof x, DVM_ANY_SOURCE, 1, NULL), -DVM_EPEERLOST);
	CHECK_INT(dvm_iprobe(j->w, DVM_ANY_SOURCE, 1, NULL), -DVM_EPEERLOST);
	CHECK_INT(dvm_group_failed(j->w, NULL, 0), 1);
	CHECK_INT(dvm_group_failed(j->w, failed, 4), 1);
	CHECK_INT(failed[0], j->size - 1);
	CHECK_INT(failed[1], -1);
	CHECK_INT(dvm_group_agree(j->w, &flags), -DVM_EPEERLOST);
	CHECK_INT(flags, 7);
	CHECK_INT(dvm_group_ack_failed(j->w), 1);
	CHECK_INT(dvm_iprobe(j->w, DVM_ANY_SOURCE, 1, NULL), 0);
	flags = 5;
	CHECK_INT(dvm_group_agree(j->w, &flags), 0);
	CHECK_INT(flags, 5);
	if (j->rank == 0)
		for (int r = 1; r < j->size - 1; r++) {
			CHECK_INT(dvm_recv(j->w, &x, sizeof x, DVM_ANY_SOURCE, 2, NULL), 0);
			CHECK_INT(x, 77);
		}
	x = 77;
	if (j->rank)
		CHECK_INT(dvm_send(j->w, &x, sizeof x, 0, 2), 0);
	return 0;
}

/* Which ranks die, and when, follows from SEED: the first one too, never all. */
static int dies_when(const struct job *j, uint64_t seed, long max_us)
{
	if (j->rank == (int)(mix(seed, 1) % (uint64_t)j->size))
		return 0;
	if (mix(seed, 100 + (uint64_t)j->rank) % 2)
		return 0;
	die_after((long)(mix(seed, 200 + (uint64_t)j->rank) % (uint64_t)max_us));
	return 1;
}

/* What the survivors have seen is the same. */
static int same(struct job *j, dvm_group_t *g, uint64_t seen)
{
	uint64_t low, high;

	int rc = dvm_allreduce(g, &seen, &low, 1, DVM_UINT64, DVM_MIN);
	if (rc == 0)
		rc = dvm_allreduce(g, &seen, &high, 1, DVM_UINT64, DVM_MAX);
	if (rc == 0)
		CHECK(low == high);
	return rc == 0 ? 0 : -1;
}

/* Shrinks until a group holds together; *SEEN is then known to be the same at all of it. */
static int until_whole(struct job *j, dvm_group_t *from, uint64_t seen)
{
	dvm_group_t *g = from, *next;

	for (int i = 0; i < 4 * j->size; i++) {
		CHECK_INT(dvm_group_shrink(g, &next), 0);
		if (g != from)
			CHECK_INT(dvm_group_free(g), 0);
		g = next;
		uint32_t ok;
		int rc = same(j, g, seen);
		if (rc > 0)
			return 1;
		ok = rc == 0;
		rc = dvm_group_agree(g, &ok);
		CHECK(rc == 0 || rc == -DVM_EPEERLOST);
		if (ok)
			return dvm_group_free(g) != 0;
		CHECK_INT(dvm_group_revoke(g), 0);
	}
	return 1;
}

/* job dies_agreeing SEED MICROSECONDS: results are the same at all that live. */
int dies_agreeing(struct job *j)
{
	uint64_t seen = 1;

	dies_when(j, (uint64_t)arg(j, 0, 1), arg(j, 1, 10000));
	for (uint32_t i = 0; i < 300; i++) {
		uint32_t flags = (uint32_t)mix((uint64_t)j->rank, i);
		int rc = dvm_group_agree(j->w, &flags);
		CHECK(rc == 0 || rc == -DVM_EPEERLOST);
		seen = mix(seen, flags);
		seen = mix(seen, (uint64_t)-rc);
		if (flags & 1)
			CHECK(dvm_group_ack_failed(j->w) >= 0);
	}
	return until_whole(j, j->w, seen);
}

/* job dies_shrinking SEED MICROSECONDS: one shrink after the other while ranks die. */
int dies_shrinking(struct job *j)
{
	dvm_group_t *g = j->w, *next;

	dies_when(j, (uint64_t)arg(j, 0, 1), arg(j, 1, 10000));
	for (int i = 0; i < 100; i++) {
		CHECK_INT(dvm_group_shrink(g, &next), 0);
		CHECK(dvm_group_size(next) <= dvm_group_size(g));
		if (g != j->w)
			CHECK_INT(dvm_group_free(g), 0);
		g = next;
	}
	return until_whole(j, g, (uint64_t)dvm_group_size(g));
}

static int make_one(dvm_group_t *g, int i, dvm_group_t **out)
{
	int all[64], n = dvm_group_size(g);

	for (int r = 0; r < n; r++)
		all[r] = r;
	switch (i % 3) {
	case 0:
		return dvm_group_split(g, dvm_group_rank(g) % 2, 0, out);
	case 1:
		return dvm_group_create(g, (size_t)n, all, i, out);
	default:
		return dvm_group_dup(g, out);
	}
}

/* job dies_grouping SEED MICROSECONDS: in the making of groups; everybody ends, and goes on. */
int dies_grouping(struct job *j)
{
	dvm_group_t *made[300];
	int n = 0, rc = 0;

	dies_when(j, (uint64_t)arg(j, 0, 1), arg(j, 1, 10000));
	while (n < 300 && (rc = make_one(j->w, n, &made[n])) == 0)
		n++;
	CHECK(rc == 0 || rc == -DVM_EPEERLOST || rc == -DVM_EREVOKED);
	CHECK_INT(dvm_group_revoke(j->w), 0);
	while (n > 0)
		CHECK_INT(dvm_group_free(made[--n]), 0);
	return until_whole(j, j->w, 1);
}

/*
 * job recovers SEED MICROSECONDS: the whole pattern. Iterations of a computation; after a loss the
 * survivors find the last iteration that all have and go on from there, in a smaller group.
 */
int recovers(struct job *j)
{
	dvm_group_t *g = j->w, *next;
	int done = 0;

	dies_when(j, (uint64_t)arg(j, 0, 1), arg(j, 1, 10000));
	while (done < 400) {
		int one = 1, all = 0, least;
		int rc = dvm_allreduce(g, &one, &all, 1, DVM_INT32, DVM_SUM);
		if (rc == 0)
			CHECK_INT(all, dvm_group_size(g));
		done += rc == 0;
		if (rc == 0 && done < 400)
			continue;
		uint32_t ok = rc == 0;
		if (rc < 0)
			CHECK_INT(dvm_group_revoke(g), 0);
		rc = dvm_group_agree(g, &ok);
		CHECK(rc == 0 || rc == -DVM_EPEERLOST);
		if (ok)
			break;
		do {
			CHECK_INT(dvm_group_shrink(g, &next), 0);
			if (g != j->w)
				CHECK_INT(dvm_group_free(g), 0);
			g = next;
			rc = dvm_allreduce(g, &done, &least, 1, DVM_INT32, DVM_MIN);
			ok = rc == 0;
			if (rc < 0)
				CHECK_INT(dvm_group_revoke(g), 0);
			rc = dvm_group_agree(g, &ok);
			CHECK(rc == 0 || rc == -DVM_EPEERLOST);
		} while (!ok);
		done = least;
	}
	CHECK_INT(done, 400);
	return 0;
}

/* job outlives FILE: works until others are lost, and then with those that are left. */
int outlives(struct job *j)
{
	dvm_group_t *left;
	int one = 1, sum;

	CHECK_INT(dvm_barrier(j->w), 0);
	FILE *f = j->rank ? NULL : fopen(j->args[0], "w");
	if (f)
		fclose(f);
	while (dvm_allreduce(j->w, &one, &sum, 1, DVM_INT32, DVM_SUM) == 0)
		;
	CHECK_INT(dvm_group_revoke(j->w), 0);
	CHECK_INT(dvm_group_shrink(j->w, &left), 0);
	CHECK_INT(dvm_allreduce(left, &one, &sum, 1, DVM_INT32, DVM_SUM), 0);
	CHECK_INT(sum, dvm_group_size(left));
	CHECK(sum < j->size);
	if (dvm_group_rank(left) == 0)
		printf("%d are left\n", sum);
	return 0;
}
