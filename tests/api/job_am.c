/* SPDX-License-Identifier: BSD-3-Clause */
/* Active messages between ranks: order, answers, floods, own loops, the progress thread, deaths. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include <dvm/am.h>

#include "tests/api/job.h"

enum { EACH = 600, ID_ECHO = 7, ID_BACK = 1000, ID_COUNT = 3, ID_LATE = 33 };

struct counts {
	struct job *j;
	uint64_t next[64], back[64]; /* by source */
	int bad;
	_Atomic uint64_t n;
	size_t answer;
	char *page;
};

struct head {
	uint64_t seq, len;
};

static size_t size_of(uint64_t seq)
{
	static const size_t sizes[] = { 0, 8, 100, 1000, 1010, 4096, 20000, DVM_AM_MAX };

	return sizes[mix(seq, 5) % 8];
}

static void check_one(struct counts *c, uint64_t *next, int source, const void *head,
		      size_t head_len, const void *payload, size_t len)
{
	struct head h;

	if (head_len != sizeof h) {
		c->bad++;
		return;
	}
	memcpy(&h, head, sizeof h);
	if (h.seq != next[source]++ || h.len != len || !filled(payload, len, h.seq))
		c->bad++;
}

static void on_back(dvm_group_t *g, int source, const void *head, size_t head_len,
		    const void *payload, size_t len, void *arg)
{
	struct counts *c = arg;

	check_one(c, c->back, source, head, head_len, payload, len);
}

static void on_echo(dvm_group_t *g, int source, const void *head, size_t head_len,
		    const void *payload, size_t len, void *arg)
{
	struct counts *c = arg;

	check_one(c, c->next, source, head, head_len, payload, len);
	if (dvm_am_send(g, source, ID_BACK, head, head_len, payload, len) < 0)
		c->bad++;
}

static int all_there(const struct counts *c, int size, uint64_t want)
{
	for (int r = 0; r < size; r++)
		if (c->next[r] < want || c->back[r] < want)
			return 0;
	return 1;
}

/* Everybody to everybody, itself included; every message comes back. */
int am_echo(struct job *j)
{
	struct counts c = { .j = j };
	uint8_t *buf = malloc(DVM_AM_MAX);

	CHECK_INT(dvm_am_register(j->w, ID_ECHO, on_echo, &c), 0);
	CHECK_INT(dvm_am_register(j->w, ID_BACK, on_back, &c), 0);
	for (uint64_t s = 0; s < EACH; s++) {
		struct head h = { .seq = s, .len = size_of(s) };
		fill(buf, h.len, s);
		for (int r = 0; r < j->size; r++)
			CHECK_INT(dvm_am_send(j->w, r, ID_ECHO, &h, sizeof h, buf, h.len), 0);
	}
	while (!all_there(&c, j->size, EACH))
		CHECK(dvm_progress(j->d, -1) > 0);
	CHECK_INT(c.bad, 0);
	CHECK_INT(dvm_barrier(j->w), 0);
	free(buf);
	return 0;
}

static void on_count(dvm_group_t *g, int source, const void *head, size_t head_len,
		     const void *payload, size_t len, void *arg)
{
	struct counts *c = arg;

	c->n++;
	if (c->answer && dvm_am_send(g, source, ID_BACK, NULL, 0, c->page, c->answer) < 0)
		c->bad++;
}

static void on_answer(dvm_group_t *g, int source, const void *head, size_t head_len,
		      const void *payload, size_t len, void *arg)
{
	struct counts *c = arg;

	c->back[source]++;
	c->bad += !filled(payload, len, 9);
}

/*
 * Small questions with answers of a full page each, all asked at once by both sides: answers pile
 * up, credit is held back, nobody waits for ever.
 */
int am_answers(struct job *j)
{
	enum { N = 1000 };
	struct counts c = { .j = j, .answer = DVM_AM_MAX };
	uint64_t head = 0;
	dvm_req_t **req = calloc((size_t)j->size * N, sizeof(dvm_req_t *));
	size_t n = 0;

	c.page = malloc(DVM_AM_MAX);
	fill(c.page, DVM_AM_MAX, 9);
	CHECK_INT(dvm_am_register(j->w, ID_COUNT, on_count, &c), 0);
	CHECK_INT(dvm_am_register(j->w, ID_BACK, on_answer, &c), 0);
	for (int r = 0; r < j->size; r++)
		for (int i = 0; i < N && r != j->rank; i++)
			CHECK_INT(dvm_am_isend(j->w, r, ID_COUNT, &head, sizeof head, NULL, 0,
					       &req[n++]),
				  0);
	CHECK_INT(dvm_waitall(req, n, NULL), 0);
	for (int r = 0; r < j->size; r++)
		while (r != j->rank && c.back[r] < N)
			CHECK(dvm_progress(j->d, -1) > 0);
	CHECK_INT(dvm_barrier(j->w), 0);
	CHECK_INT(c.n, (uint64_t)(j->size - 1) * N);
	CHECK_INT(c.bad, 0);
	free(c.page);
	free(req);
	return 0;
}

/* Kept within the credit until the handler is there; messages overtake them. */
int am_late(struct job *j)
{
	enum { N = 100 };
	struct counts c = { .j = j };
	char page[4096];

	if (j->rank == 1) {
		CHECK_INT(dvm_recv(j->w, NULL, 0, 0, 1, NULL), 0);
		CHECK_INT(dvm_am_register(j->w, ID_LATE, on_echo, &c), 0);
		CHECK_INT(dvm_am_register(j->w, ID_BACK, on_back, &c), 0);
		while (c.next[0] < N)
			CHECK(dvm_progress(j->d, -1) > 0);
		CHECK_INT(c.bad, 0);
	} else if (j->rank == 0) {
		CHECK_INT(dvm_am_register(j->w, ID_BACK, on_back, &c), 0);
		for (uint64_t i = 0; i < N; i++) {
			struct head h = { .seq = i, .len = sizeof page };
			if (i == N / 2)
				CHECK_INT(dvm_send(j->w, NULL, 0, 1, 1), 0);
			fill(page, sizeof page, i);
			CHECK_INT(dvm_am_send(j->w, 1, ID_LATE, &h, sizeof h, page, sizeof page),
				  0);
		}
		while (c.back[1] < N)
			CHECK(dvm_progress(j->d, -1) > 0);
		CHECK_INT(c.bad, 0);
	}
	return dvm_barrier(j->w);
}

/* Rank 1 waits in a poll of its own. */
int am_loop(struct job *j)
{
	struct counts c = { .j = j };
	uint64_t want = 200;

	CHECK_INT(dvm_am_register(j->w, ID_ECHO, on_echo, &c), 0);
	CHECK_INT(dvm_am_register(j->w, ID_BACK, on_back, &c), 0);
	struct pollfd p = { .fd = dvm_fd(j->d), .events = POLLIN };
	CHECK(p.fd >= 0);
	for (uint64_t s = 0; j->rank == 0 && s < want; s++) {
		struct head h = { .seq = s };
		CHECK_INT(dvm_am_send(j->w, 1, ID_ECHO, &h, sizeof h, NULL, 0), 0);
		while (c.back[1] <= s)
			CHECK(dvm_progress(j->d, -1) > 0);
		if (s % 50 == 0)
			usleep(10000); /* so that it sleeps now and then; nothing depends on it */
	}
	while (j->rank == 1 && c.next[0] < want) {
		int ms, rc = dvm_arm(j->d, &ms);
		CHECK(rc >= 0);
		if (rc == 0)
			CHECK(poll(&p, 1, ms) >= 0);
		CHECK(dvm_progress(j->d, 0) >= 0);
	}
	CHECK_INT(c.bad, 0);
	return dvm_barrier(j->w);
}

/* Rank 1 computes, its progress thread answers. */
int am_helper(struct job *j)
{
	struct counts c = { .j = j };

	CHECK_INT(dvm_am_register(j->w, ID_COUNT, on_count, &c), 0);
	CHECK_INT(dvm_am_register(j->w, ID_ECHO, on_echo, &c), 0);
	CHECK_INT(dvm_am_register(j->w, ID_BACK, on_back, &c), 0);
	CHECK_INT(dvm_barrier(j->w), 0);
	if (j->rank == 1)
		while (c.n == 0)
			usleep(100);
	for (uint64_t s = 0; j->rank == 0 && s < 300; s++) {
		struct head h = { .seq = s };
		CHECK_INT(dvm_am_send(j->w, 1, ID_ECHO, &h, sizeof h, NULL, 0), 0);
		while (c.back[1] <= s)
			CHECK(dvm_progress(j->d, -1) >= 0);
	}
	if (j->rank == 0)
		CHECK_INT(dvm_am_send(j->w, 1, ID_COUNT, NULL, 0, NULL, 0), 0);
	CHECK_INT(c.bad, 0);
	return dvm_barrier(j->w);
}

/* Rank 0 sends until the death of rank 1 is known; the last one is told so, too. */
int dies_active(struct job *j)
{
	struct counts c = { .j = j };
	char page[8192] = "";
	int rc = 0;

	if (j->rank == 1) {
		/* No handler: the credit is used up and the sender waits. */
		CHECK_INT(dvm_recv(j->w, NULL, 0, 0, 1, NULL), 0);
		raise(SIGKILL);
	}
	CHECK_INT(dvm_am_register(j->w, ID_COUNT, on_count, &c), 0);
	dvm_req_t *req = NULL;
	if (j->rank == 0) {
		for (int i = 0; i < 40; i++) {
			CHECK_INT(dvm_am_isend(j->w, 1, ID_LATE, NULL, 0, page, sizeof page, &req),
				  0);
			if (i < 39)
				dvm_test(&req, NULL);
		}
		CHECK_INT(dvm_send(j->w, NULL, 0, 1, 1), 0);
		while (rc == 0)
			rc = dvm_am_send(j->w, 1, ID_LATE, NULL, 0, page, sizeof page);
		CHECK_INT(rc, -DVM_EPEERLOST);
		CHECK_INT(dvm_wait(&req, NULL), -DVM_EPEERLOST);
		CHECK_INT(dvm_am_send(j->w, 2, ID_COUNT, NULL, 0, NULL, 0), 0);
	}
	while (j->rank == 2 && !c.n)
		CHECK(dvm_progress(j->d, -1) >= 0);
	return 0;
}
