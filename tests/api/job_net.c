/* SPDX-License-Identifier: BSD-3-Clause */
/* What matters between nodes, though it holds within one as well: who sends when, and who stands.
 */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/api/job.h"

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/*
 * Rank 0 sends so many short messages at once that some are gathered, and then computes for a
 * while without a call. They are with rank 1 before that is over.
 */
int computes_after(struct job *j)
{
	enum { COMPUTES = 400 * 1000 * 1000 };
	static const int counts[] = { 1, 2, 3, 4, 17, 500 };
	int64_t over;
	char c[24];

	for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
		CHECK_INT(dvm_barrier(j->w), 0);
		if (j->rank == 0) {
			for (int i = 0; i < counts[k]; i++)
				CHECK_INT(dvm_send(j->w, c, sizeof c, 1, 1), 0);
			for (over = now() + COMPUTES; now() < over;)
				;
			CHECK_INT(dvm_send(j->w, &over, sizeof over, 1, 2), 0);
		} else if (j->rank == 1) {
			for (int i = 0; i < counts[k]; i++)
				CHECK_INT(dvm_recv(j->w, c, sizeof c, 0, 1, NULL), 0);
			int64_t here = now();
			CHECK_INT(dvm_recv(j->w, &over, sizeof over, 0, 2, NULL), 0);
			CHECK(here < over);
		}
	}
	return 0;
}

/* A child that stops its parent and lets it go on, TIMES times. */
static pid_t stopper(int times)
{
	pid_t pid = fork();

	for (int i = 0; pid == 0 && i < times; i++) {
		kill(getppid(), SIGSTOP);
		nanosleep(&(struct timespec){ .tv_nsec = 40000000 }, NULL);
		kill(getppid(), SIGCONT);
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	if (pid == 0)
		_exit(0);
	return pid;
}

/* The last rank stands still now and then while all send to all: messages of all sizes, in order.
 */
int stands_still(struct job *j)
{
	enum { N = 1500, MOST = 90000 };
	uint8_t *in = malloc(MOST), *out = malloc(MOST);
	pid_t pid = j->rank == j->size - 1 ? stopper(10) : -1;
	dvm_req_t *req;

	for (int i = 0; i < N; i++)
		for (int k = 1; k < j->size; k++) {
			int to = (j->rank + k) % j->size, from = (j->rank + j->size - k) % j->size;
			size_t n = mix((uint64_t)i, 7) % (i % 10 ? 200 : MOST);
			dvm_status_t st;
			fill(out, n, mix((uint64_t)i, (uint64_t)j->rank));
			CHECK_INT(dvm_isend(j->w, out, n, to, 1, &req), 0);
			CHECK_INT(dvm_recv(j->w, in, MOST, from, 1, &st), 0);
			CHECK_INT(st.len, n);
			CHECK(filled(in, n, mix((uint64_t)i, (uint64_t)from)));
			CHECK_INT(dvm_wait(&req, NULL), 0);
		}
	if (pid > 0)
		CHECK_INT(waitpid(pid, NULL, 0), pid);
	free(in);
	free(out);
	return 0;
}

/*
 * Long messages in both directions between the last rank and all others; it is killed when some
 * of them (argument 0: so many) are through. Whoever is left gets each message or an error, soon.
 */
int dies_streaming(struct job *j)
{
	enum { N = 6, BYTES = 3 << 20 };
	int last = j->size - 1, others = last, done = 0;
	char *in = malloc((size_t)BYTES * N), *out = calloc(1, BYTES);
	dvm_req_t *req[64];
	int n = 0;

	for (int r = 0; r < j->size; r++)
		for (int i = 0; i < N && n + 2 <= 64 && r != j->rank; i++) {
			if (j->rank != last && r != last)
				continue;
			CHECK_INT(dvm_irecv(j->w, in + (size_t)i * BYTES, BYTES, r, 1, &req[n++]),
				  0);
			CHECK_INT(dvm_isend(j->w, out, BYTES, r, 1, &req[n++]), 0);
		}
	while (j->rank == last) {
		int rc = dvm_test(&req[done], NULL);
		CHECK(rc >= 0);
		done += rc > 0;
		if (done >= arg(j, 0, others) || done == n)
			kill(getpid(), SIGKILL);
	}
	for (int i = 0; i < n; i++) {
		int rc = dvm_wait(&req[i], NULL);
		CHECK(rc == 0 || rc == -DVM_EPEERLOST);
	}
	CHECK_INT(dvm_recv(j->w, in, 1, last, 2, NULL), -DVM_EPEERLOST);
	free(in);
	free(out);
	return 0;
}
