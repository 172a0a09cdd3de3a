/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ranks that die or leave. The victim is the last rank; every survivor must get an error, and
 * soon: a hang ends by the alarm of the program and fails the test.
 */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/api/job.h"
#include "tests/api/minishep.h"

static int victim(const struct job *j)
{
	return j->size - 1;
}

static int is_victim(const struct job *j)
{
	return j->rank == victim(j);
}

static void die(void)
{
	kill(getpid(), SIGKILL);
}

/* Survivors agree that they are through, so that none leaves while another still tests. */
static int survivors_meet(struct job *j)
{
	char c = 0;

	for (int r = 0; r < victim(j); r++)
		if (r != j->rank)
			CHECK_INT(dvm_send(j->w, &c, 1, r, 999), 0);
	for (int r = 0; r < victim(j); r++)
		if (r != j->rank)
			CHECK_INT(dvm_recv(j->w, &c, 1, r, 999, NULL), 0);
	return 0;
}

int dies_while_received(struct job *j)
{
	char c = 0;
	dvm_status_t st;
	dvm_req_t *req;

	if (is_victim(j)) {
		for (int r = 0; r < victim(j); r++)
			CHECK_INT(dvm_recv(j->w, &c, 1, r, 1, NULL), 0);
		die();
	}
	CHECK_INT(dvm_irecv(j->w, &c, 1, victim(j), 2, &req), 0);
	CHECK_INT(dvm_send(j->w, &c, 1, victim(j), 1), 0);
	CHECK_INT(dvm_recv(j->w, &c, 1, victim(j), DVM_ANY_TAG, &st), -DVM_EPEERLOST);
	CHECK_INT(st.error, -DVM_EPEERLOST);
	CHECK_INT(dvm_wait(&req, NULL), -DVM_EPEERLOST);
	CHECK_INT(dvm_probe(j->w, victim(j), 3, NULL), -DVM_EPEERLOST);
	CHECK_INT(dvm_send(j->w, &c, 1, victim(j), 1), -DVM_EPEERLOST);
	CHECK_INT(dvm_peer_state(j->d, victim(j)), DVM_LOST);
	return survivors_meet(j);
}

/* All but rank 0 die: a receive from anyone ends. */
int dies_while_any(struct job *j)
{
	char c = 0;

	if (j->rank) {
		CHECK_INT(dvm_send(j->w, &c, 1, 0, 1), 0);
		CHECK_INT(dvm_recv(j->w, &c, 1, 0, 2, NULL), 0);
		die();
	}
	for (int r = 1; r < j->size; r++)
		CHECK_INT(dvm_recv(j->w, &c, 1, DVM_ANY_SOURCE, 1, NULL), 0);
	for (int r = 1; r < j->size; r++)
		CHECK_INT(dvm_send(j->w, &c, 1, r, 2), 0);
	CHECK_INT(dvm_recv(j->w, &c, 1, DVM_ANY_SOURCE, DVM_ANY_TAG, NULL), -DVM_EPEERLOST);
	CHECK_INT(dvm_probe(j->w, DVM_ANY_SOURCE, 5, NULL), -DVM_EPEERLOST);
	return 0;
}

/* The victim has seen the announcement of a long message and never asks for it. */
int dies_announced(struct job *j)
{
	size_t n = 4 << 20;
	char *buf = calloc(1, n);

	if (is_victim(j)) {
		for (int r = 0; r < victim(j); r++)
			CHECK_INT(dvm_probe(j->w, r, 1, NULL), 0);
		die();
	}
	CHECK_INT(dvm_send(j->w, buf, n, victim(j), 1), -DVM_EPEERLOST);
	free(buf);
	return survivors_meet(j);
}

/* Short messages until the sends must wait. */
int dies_flooded(struct job *j)
{
	char buf[512] = { 0 };
	int rc = 0;

	if (is_victim(j)) {
		for (int r = 0; r < victim(j); r++)
			CHECK_INT(dvm_probe(j->w, r, 1, NULL), 0);
		die();
	}
	for (int i = 0; i < 100000 && rc == 0; i++)
		rc = dvm_send(j->w, buf, sizeof buf, victim(j), 1);
	CHECK_INT(rc, -DVM_EPEERLOST);
	return survivors_meet(j);
}

/* The state of a process, as in /proc: 'T' is stopped; 'Z' also for one that is gone. */
static char state_of(pid_t pid)
{
	char path[32], text[512];

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
	if (f)
		fclose(f);
	text[n] = '\0';
	const char *bracket = strrchr(text, ')');
	return bracket && bracket[1] == ' ' ? bracket[2] : 'Z';
}

/* SIG, and then the process is as it says: it neither sends nor copies any more. */
static void halt(pid_t pid, int sig, char state)
{
	kill(pid, sig);
	while (state_of(pid) != state)
		usleep(1000);
}

/* Offers the long message again and again, until it is killed over it. */
static int sends_until_killed(struct job *j, char *buf, size_t n)
{
	pid_t self = getpid();
	dvm_req_t *req;

	CHECK_INT(dvm_send(j->w, &self, sizeof self, 0, 3), 0);
	memset(buf, 1, n);
	for (;;) {
		CHECK_INT(dvm_isend(j->w, buf, n, 0, 1, &req), 0);
		CHECK_INT(dvm_recv(j->w, NULL, 0, 0, 2, NULL), 0);
		CHECK_INT(dvm_wait(&req, NULL), 0);
	}
}

/*
 * Stops the sender when the first bytes have come. On a busy host all may have come by then, or come
 * while the sender stands: *LEFT is NULL, and the next message is to be tried.
 */
static int stops_sender(struct job *j, pid_t sender, char *buf, size_t n, dvm_req_t **left)
{
	volatile char *first = buf;
	int rc = 0;

	memset(buf, 0, n);
	CHECK_INT(dvm_irecv(j->w, buf, n, victim(j), 1, left), 0);
	while (!*first && rc == 0)
		rc = dvm_test(left, NULL);
	halt(sender, SIGSTOP, 'T');
	if (rc == 0)
		rc = dvm_test(left, NULL);
	if (rc == 0)
		return 0;
	CHECK_INT(rc, 1);
	kill(sender, SIGCONT);
	CHECK_INT(dvm_send(j->w, NULL, 0, victim(j), 2), 0);
	return 0;
}

/* The victim is killed with a long message half-way out. */
int dies_sending(struct job *j)
{
	size_t n = (size_t)128 << 20;
	char *buf = malloc(n);
	dvm_req_t *left = NULL;
	pid_t sender;

	CHECK(buf);
	if (is_victim(j))
		return sends_until_killed(j, buf, n);
	if (j->rank == 0) {
		CHECK_INT(dvm_recv(j->w, &sender, sizeof sender, victim(j), 3, NULL), 0);
		while (!left)
			CHECK_INT(stops_sender(j, sender, buf, n, &left), 0);
		halt(sender, SIGKILL, 'Z');
		CHECK_INT(dvm_wait(&left, NULL), -DVM_EPEERLOST);
	}
	free(buf);
	return survivors_meet(j);
}

static int by_request(struct job *j, int which, char *buf, size_t n)
{
	dvm_req_t *reqs[2] = { NULL };
	int rc = which == 9 ? dvm_iallreduce(j->w, buf, buf + n, n, DVM_UINT8, DVM_BXOR, &reqs[0])
			    : dvm_ibcast(j->w, buf, n, 0, &reqs[0]);

	/* Two at a time: both fail. */
	if (rc == 0)
		rc = dvm_ibarrier(j->w, &reqs[1]);
	int end = dvm_waitall(reqs, 2, NULL);
	return rc < 0 ? rc : end;
}

static int collective(struct job *j, int which, char *buf, size_t n)
{
	switch (which) {
	case 0:
		return dvm_barrier(j->w);
	case 1:
		return dvm_bcast(j->w, buf, n, 0);
	case 2:
		return dvm_allreduce(j->w, buf, buf, n, DVM_UINT8, DVM_BXOR);
	case 3:
		return dvm_alltoall(j->w, buf, n / 16, buf + n);
	case 4:
		return dvm_gather(j->w, buf, n / 16, buf + n, 0);
	case 5:
		return dvm_allgather(j->w, buf, n / 16, buf + n);
	case 6:
		return dvm_reduce(j->w, buf, buf + n, n, DVM_UINT8, DVM_BXOR, 0);
	case 7:
		return dvm_scan(j->w, buf, buf + n, n, DVM_UINT8, DVM_BXOR);
	case 8:
		return dvm_reduce_scatter_block(j->w, buf, buf + n, n / 16, DVM_UINT8, DVM_BXOR);
	case 11:
		return dvm_scatter(j->w, buf, n / 16, buf + n, 0);
	default:
		return by_request(j, which, buf, n);
	}
}

static int until_it_fails(struct job *j, int which, int leave_at, size_t n, int want)
{
	char *buf = calloc(2, n);
	int rc = 0;

	for (int i = 0; rc == 0; i++) {
		if (is_victim(j) && i == leave_at) {
			if (want == -DVM_EPEERLOST)
				die();
			free(buf);
			return 0;
		}
		rc = collective(j, which, buf, n);
	}
	free(buf);
	CHECK_INT(rc, want);
	CHECK_INT(dvm_barrier(j->w), want);
	return survivors_meet(j);
}

/* job dies_in_collective WHICH BYTES: the rest must fail, even if it never talks to the victim. */
int dies_in_collective(struct job *j)
{
	return until_it_fails(j, (int)arg(j, 0, 0), 20, (size_t)arg(j, 1, 64) * 16, -DVM_EPEERLOST);
}

/* A barrier too few. */
int closes_in_collective(struct job *j)
{
	return until_it_fails(j, 0, 5, 64, -DVM_ECLOSED);
}

/* Nobody has talked to the victim when it dies. */
int dies_at_once(struct job *j)
{
	char c = 0;

	if (is_victim(j))
		die();
	CHECK_INT(dvm_recv(j->w, &c, 1, victim(j), 1, NULL), -DVM_EPEERLOST);
	CHECK_INT(dvm_barrier(j->w), -DVM_EPEERLOST);
	return survivors_meet(j);
}

/* Sends to a rank that has closed, short and long, blocking and not. */
int refuses_closed(struct job *j)
{
	static char buf[100000];
	dvm_req_t *req;
	int rc;

	if (is_victim(j))
		return 0;
	while (dvm_peer_state(j->d, victim(j)) == DVM_ALIVE)
		;
	CHECK_INT(dvm_recv(j->w, buf, 1, victim(j), 1, NULL), -DVM_ECLOSED);
	CHECK_INT(dvm_send(j->w, buf, 8, victim(j), 1), -DVM_ECLOSED);
	CHECK_INT(dvm_isend(j->w, buf, sizeof buf, victim(j), 1, &req), 0);
	while ((rc = dvm_test(&req, NULL)) == 0)
		;
	CHECK_INT(rc, -DVM_ECLOSED);
	return survivors_meet(j);
}

int shepherd_vanishes(struct job *j)
{
	char c = 0;

	/* Not before all are through with the fabric's first connection. */
	for (int r = 1; r < j->size; r++)
		if (j->rank == 0)
			CHECK_INT(dvm_recv(j->w, &c, 1, r, 2, NULL), 0);
		else if (j->rank == r)
			CHECK_INT(dvm_send(j->w, &c, 1, 0, 2), 0);
	if (j->rank == 0)
		CHECK_INT(dvm_abort(j->d, 1, MINI_VANISH), 0);
	CHECK_INT(dvm_recv(j->w, &c, 1, DVM_ANY_SOURCE, 1, NULL), -DVM_EPEERLOST);
	CHECK_INT(dvm_send(j->w, &c, 1, 0, 1), -DVM_EPEERLOST);
	CHECK_INT(dvm_barrier(j->w), -DVM_EPEERLOST);
	CHECK_INT(dvm_close(j->d), -DVM_EPEERLOST);
	j->d = NULL;
	return 0;
}

/* $DVM_FABRIC names a provider, or the node an address, that does not exist: no way out of here. */
int lacks_fabric(struct job *j)
{
	char c = 0;

	if (j->size < 4 || dvm_num_nodes(j->d) != 2)
		return 1;
	int other = j->size - 1 - j->rank;
	/* The other one may be through already and have closed. */
	int received = dvm_recv(j->w, &c, 1, other, 1, NULL);
	int sent = dvm_send(j->w, &c, 1, other, 1);
	CHECK(received == -DVM_EPEERLOST || received == -DVM_ECLOSED);
	CHECK_INT(sent, received);
	return 0;
}

/* Only the last rank gets no socket; it waits for anyone, and rank 0 waits for its address. */
int wanted_without_fabric(struct job *j)
{
	char c = 0;

	if (is_victim(j)) {
		struct rlimit old, none;
		CHECK_INT(getrlimit(RLIMIT_NOFILE, &old), 0);
		none = (struct rlimit){ .rlim_cur = 0, .rlim_max = old.rlim_max };
		CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
		CHECK_INT(dvm_recv(j->w, &c, 1, DVM_ANY_SOURCE, 1, NULL), -DVM_EPEERLOST);
		CHECK_INT(setrlimit(RLIMIT_NOFILE, &old), 0);
	} else if (j->rank == 0) {
		CHECK_INT(dvm_send(j->w, &c, 1, victim(j), 1), -DVM_ECLOSED);
	}
	return 0;
}
