/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modes, matched probes and memory in pieces with a rank that dies. The victim is the last rank;
 * the others must hear of it, and soon: a hang ends by the alarm of the program.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <dvm/layout.h>
#include <dvm/pack.h>

#include "tests/api/job.h"

enum { LONG = 4 << 20 };

static int victim(const struct job *j)
{
	return j->size - 1;
}

static void die(void)
{
	kill(getpid(), SIGKILL);
}

/* A synchronous send whose message is there and never received: with its bytes, and announced. */
int dies_synchronous(struct job *j)
{
	char *buf = calloc(1, LONG);
	dvm_req_t *req[3];
	dvm_status_t st[3];
	size_t count, indices[3];
	int left = 3, rc;

	if (j->rank == victim(j)) {
		for (int tag = 1; tag <= 3; tag++)
			for (int r = 0; r < victim(j); r++)
				CHECK_INT(dvm_probe(j->w, r, tag, NULL), 0);
		die();
	}
	CHECK_INT(dvm_issend(j->w, buf, 8, victim(j), 1, &req[0]), 0);
	CHECK_INT(dvm_issend(j->w, buf, LONG, victim(j), 2, &req[1]), 0);
	CHECK_INT(dvm_isendl(j->w, buf, 1000, dvm_layout_of(DVM_INT64), victim(j), 3, DVM_SEND_SYNC,
			     &req[2]),
		  0);
	for (; left > 0; left -= (int)count) {
		rc = dvm_waitsome(req, 3, &count, indices, st);
		CHECK_INT(rc, -DVM_EPEERLOST);
		for (size_t i = 0; i < count; i++)
			CHECK_INT(st[i].error, -DVM_EPEERLOST);
	}
	CHECK_INT(dvm_ssend(j->w, buf, 8, victim(j), 1), -DVM_EPEERLOST);
	CHECK_INT(dvm_sendl(j->w, buf, 8, dvm_layout_of(DVM_INT64), victim(j), 1, 0),
		  -DVM_EPEERLOST);
	free(buf);
	return 0;
}

/* Messages that were taken, and then their sender dies: what has come is received. */
int dies_probed(struct job *j)
{
	char *buf = calloc(1, LONG), c = 0;
	dvm_message_t *msg[4];
	dvm_req_t *req;
	dvm_buf_t *b;

	if (j->rank == victim(j)) {
		for (int i = 0; i < 2; i++)
			CHECK_INT(dvm_isend(j->w, buf, LONG, 0, 1, &req), 0);
		CHECK_INT(dvm_send(j->w, buf, 100, 0, 2), 0);
		CHECK_INT(dvm_issend(j->w, buf, 100, 0, 3, &req), 0);
		CHECK_INT(dvm_recv(j->w, NULL, 0, 0, 4, NULL), 0);
		die();
	}
	if (j->rank == 0) {
		for (int i = 0; i < 4; i++)
			CHECK_INT(dvm_mprobe(j->w, victim(j), i < 2 ? 1 : i, &msg[i], NULL), 0);
		CHECK_INT(dvm_send(j->w, NULL, 0, victim(j), 4), 0);
		CHECK_INT(dvm_recv(j->w, &c, 1, victim(j), 5, NULL), -DVM_EPEERLOST);
		CHECK_INT(dvm_mrecv(&msg[0], buf, LONG, NULL), -DVM_EPEERLOST);
		CHECK_INT(dvm_imrecv(&msg[1], buf, LONG, &req), 0);
		CHECK_INT(dvm_wait(&req, NULL), -DVM_EPEERLOST);
		CHECK_INT(dvm_mrecv(&msg[2], buf, LONG, NULL), 0);
		CHECK_INT(dvm_mrecv(&msg[3], buf, LONG, NULL), 0);
		CHECK_INT(dvm_mprobe(j->w, victim(j), 1, &msg[0], NULL), -DVM_EPEERLOST);
		CHECK_INT(dvm_improbe(j->w, victim(j), 1, &msg[0], NULL), -DVM_EPEERLOST);
		CHECK_INT(dvm_buf_create(&b, DVM_PACK_RAW), 0);
		CHECK_INT(dvm_buf_recv(j->w, b, victim(j), 1, NULL), -DVM_EPEERLOST);
		dvm_buf_free(b);
	}
	free(buf);
	return 0;
}

/* Killed in the middle of a long message from and into columns. job dies_columns 0: receiving. */
int dies_columns(struct job *j)
{
	enum { N = 64 << 20 };
	int sends = (int)arg(j, 0, 0) ? j->rank == victim(j) : j->rank == 0;
	double *m = calloc(2, N);
	dvm_layout_t *l;
	dvm_req_t *req;

	CHECK_INT(dvm_layout_vector(&l, N / sizeof *m, 1, 2, dvm_layout_of(DVM_DOUBLE)), 0);
	int peer = j->rank == 0 ? victim(j) : 0;
	if (j->rank == 0 || j->rank == victim(j)) {
		CHECK_INT(sends ? dvm_isendl(j->w, m, 1, l, peer, 1, DVM_SEND_SYNC, &req) :
				  dvm_irecvl(j->w, m, 1, l, peer, 1, &req),
			  0);
		if (j->rank == victim(j)) {
			CHECK_INT(dvm_recv(j->w, NULL, 0, 0, 2, NULL), 0);
			die();
		}
		CHECK_INT(dvm_send(j->w, NULL, 0, victim(j), 2), 0);
		CHECK_INT(dvm_wait(&req, NULL), -DVM_EPEERLOST);
	}
	dvm_layout_free(l);
	free(m);
	return 0;
}

/* Persistent requests with the victim end, stay, and end again. */
int dies_persistent(struct job *j)
{
	char c = 0, *buf = calloc(1, LONG);
	dvm_req_t *req[3] = { NULL };

	if (j->rank == victim(j)) {
		for (int r = 0; r < victim(j); r++) {
			CHECK_INT(dvm_send(j->w, &c, 1, r, 1), 0);
			CHECK_INT(dvm_recv(j->w, &c, 1, r, 1, NULL), 0);
			CHECK_INT(dvm_recv(j->w, &c, 1, r, 2, NULL), 0);
		}
		die();
	}
	CHECK_INT(dvm_recv_init(j->w, &c, 1, victim(j), 1, &req[0]), 0);
	CHECK_INT(dvm_send_init(j->w, &c, 1, victim(j), 1, DVM_SEND_SYNC, &req[1]), 0);
	CHECK_INT(dvm_startall(req, 2), 0);
	CHECK_INT(dvm_waitall(req, 2, NULL), 0);
	CHECK_INT(dvm_send_init(j->w, buf, LONG, victim(j), 1, 0, &req[2]), 0);
	CHECK_INT(dvm_startall(req, 3), 0);
	CHECK_INT(dvm_send(j->w, &c, 1, victim(j), 2), 0);
	CHECK_INT(dvm_waitall(req, 3, NULL), -DVM_EPEERLOST);
	CHECK_INT(dvm_startall(req, 3), 0);
	CHECK_INT(dvm_testall(req, 3, NULL), -DVM_EPEERLOST);
	for (int i = 0; i < 3; i++) {
		CHECK(req[i]);
		CHECK_INT(dvm_req_free(&req[i]), 0);
	}
	free(buf);
	return 0;
}

/* Nobody waits for sends to the victim, and leaving does not wait for ever. */
int dies_detached(struct job *j)
{
	char *buf = calloc(1, LONG), c;
	dvm_req_t *req;

	if (j->rank == victim(j)) {
		for (int r = 0; r < victim(j); r++)
			CHECK_INT(dvm_probe(j->w, r, 2, NULL), 0);
		die();
	}
	CHECK_INT(dvm_issend(j->w, buf, 8, victim(j), 1, &req), 0);
	CHECK_INT(dvm_req_free(&req), 0);
	CHECK_INT(dvm_isend(j->w, buf, LONG, victim(j), 2, &req), 0);
	CHECK_INT(dvm_req_free(&req), 0);
	if (j->rank % 2)
		CHECK_INT(dvm_recv(j->w, &c, 1, victim(j), 3, NULL), -DVM_EPEERLOST);
	CHECK_INT(dvm_close(j->d), 0);
	j->d = NULL;
	free(buf);
	return 0;
}

/* A message is taken and its taker closes: the sender hears that. */
int closes_probed(struct job *j)
{
	char *buf = calloc(1, LONG);
	dvm_message_t *msg;

	if (j->rank == victim(j)) {
		for (int r = 0; r < victim(j); r++)
			CHECK_INT(dvm_mprobe(j->w, r, 1, &msg, NULL), 0);
		free(buf);
		return 0;
	}
	CHECK_INT(j->rank % 2 ? dvm_ssend(j->w, buf, 8, victim(j), 1) :
				dvm_send(j->w, buf, LONG, victim(j), 1),
		  -DVM_ECLOSED);
	free(buf);
	return 0;
}
