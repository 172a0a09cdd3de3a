/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm/layout.h: messages from and into layouts and lists of pieces; one rank with itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <dvm/layout.h>

#include "tests/api/alone.h"
#include "tests/api/cm.h"

static dvm_req_t *const untouched = (dvm_req_t *)8;

static void layout_arguments(void **state)
{
	const dvm_layout_t *l = dvm_layout_of(DVM_INT32);
	dvm_req_t *req = untouched;
	int v[2];

	assert_int_equal(dvm_sendl(NULL, v, 1, l, 0, 0, 0), -EINVAL);
	assert_int_equal(dvm_sendl(w, NULL, 1, l, 0, 0, 0), -EINVAL);
	assert_int_equal(dvm_sendl(w, v, 1, NULL, 0, 0, 0), -EINVAL);
	assert_int_equal(dvm_sendl(w, v, 1, l, 1, 0, 0), -EINVAL);
	assert_int_equal(dvm_sendl(w, v, 1, l, 0, -1, 0), -EINVAL);
	assert_int_equal(dvm_sendl(w, v, 1, l, 0, 0, 3), -EINVAL);
	assert_int_equal(dvm_sendl(w, v, (size_t)1 << 62, l, 0, 0, 0), -EOVERFLOW);
	assert_int_equal(dvm_isendl(w, v, 1, l, 0, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_isendl(w, v, 1, NULL, 0, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_isendl(w, v, 1, l, 0, 0, 9, &req), -EINVAL);
	assert_int_equal(dvm_sendl_init(w, v, 1, l, 0, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_sendl_init(w, v, 1, l, 7, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_sendl_init(w, NULL, 1, l, 0, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_recvl(NULL, v, 1, l, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_recvl(w, NULL, 1, l, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_recvl(w, v, 1, NULL, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_recvl(w, v, 1, l, 0, -2, NULL), -EINVAL);
	assert_int_equal(dvm_irecvl(w, v, 1, l, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_irecvl(w, v, 1, l, 3, 0, &req), -EINVAL);
	assert_int_equal(dvm_irecvl(w, v, SIZE_MAX, l, 0, 0, &req), -EOVERFLOW);
	assert_int_equal(dvm_recvl_init(w, v, 1, l, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_recvl_init(w, v, 1, NULL, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_sendrecvl(w, v, 1, l, 0, 0, v, 1, l, 1, 0, NULL), -EINVAL);
	assert_int_equal(dvm_sendrecvl(w, v, 1, NULL, 0, 0, v, 1, l, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_sendrecvl(w, v, 1, l, 0, 0, v, 1, NULL, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_sendrecvl(w, v, 1, l, 0, -1, v, 1, l, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_mrecvl(NULL, v, 1, l, NULL), -EINVAL);
	assert_int_equal(dvm_imrecvl(NULL, v, 1, l, &req), -EINVAL);
	assert_ptr_equal(req, untouched);
	assert_int_equal(dvm_iprobe(w, 0, DVM_ANY_TAG, NULL), 0);
}

static void iov_arguments(void **state)
{
	dvm_req_t *req = untouched;
	char c;
	const dvm_iov_t good = { &c, 1 }, bad = { NULL, 1 };

	assert_int_equal(dvm_sendv(NULL, &good, 1, 0, 0), -EINVAL);
	assert_int_equal(dvm_sendv(w, NULL, 1, 0, 0), -EINVAL);
	assert_int_equal(dvm_sendv(w, &bad, 1, 0, 0), -EINVAL);
	assert_int_equal(dvm_sendv(w, &good, 1, 1, 0), -EINVAL);
	assert_int_equal(dvm_recvv(NULL, &good, 1, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_recvv(w, NULL, 1, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_recvv(w, &bad, 1, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_recvv(w, &good, 1, 0, -2, NULL), -EINVAL);
	assert_int_equal(dvm_isendv(w, &good, 1, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_isendv(w, &bad, 1, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_irecvv(w, &good, 1, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_irecvv(w, &bad, 1, 0, 0, &req), -EINVAL);
	assert_ptr_equal(req, untouched);
}

enum { ROWS = 300, COLS = 200 };

static double at(int i, int k)
{
	return i * 1000 + k;
}

/* A column of one matrix becomes a row of another, in every way there is. */
static void columns(void **state)
{
	static double m[ROWS][COLS], row[ROWS];
	dvm_layout_t *column;
	dvm_req_t *req[2], *never;
	dvm_message_t *msg;
	dvm_status_t st;

	for (int i = 0; i < ROWS; i++)
		for (int k = 0; k < COLS; k++)
			m[i][k] = at(i, k);
	assert_int_equal(dvm_layout_vector(&column, ROWS, 1, COLS, dvm_layout_of(DVM_DOUBLE)), 0);
	for (int way = 0; way < 7; way++) {
		double *from = &m[0][way * 3];
		memset(row, 0, sizeof row);
		switch (way) {
		case 0:
			assert_int_equal(dvm_sendl(w, from, 1, column, 0, 1, DVM_SEND_STANDARD), 0);
			assert_int_equal(dvm_recv(w, row, sizeof row, 0, 1, &st), 0);
			break;
		case 1:
			assert_int_equal(dvm_irecv(w, row, sizeof row, 0, 1, &req[0]), 0);
			assert_int_equal(dvm_sendl(w, from, 1, column, 0, 1, DVM_SEND_SYNC), 0);
			assert_int_equal(dvm_wait(&req[0], &st), 0);
			break;
		case 2:
			assert_int_equal(dvm_isendl(w, from, 1, column, 0, 1, DVM_SEND_SYNC,
						    &req[0]),
					 0);
			assert_int_equal(dvm_recvl(w, row, ROWS, dvm_layout_of(DVM_DOUBLE), 0, 1,
						   &st),
					 0);
			assert_int_equal(dvm_wait(&req[0], NULL), 0);
			break;
		case 3:
			assert_int_equal(dvm_sendl_init(w, from, 1, column, 0, 1, 0, &req[0]), 0);
			assert_int_equal(dvm_recvl_init(w, &m[0][199], 1, column, 0, 1, &req[1]),
					 0);
			assert_int_equal(dvm_startall(req, 2), 0);
			assert_int_equal(dvm_waitall(req, 2, NULL), 0);
			assert_int_equal(dvm_startall(req, 2), 0);
			assert_int_equal(dvm_waitall(req, 2, NULL), 0);
			assert_int_equal(dvm_req_free(&req[0]), 0);
			assert_int_equal(dvm_req_free(&req[1]), 0);
			assert_int_equal(dvm_sendrecvl(w, &m[0][199], 1, column, 0, 1, row, 1,
						       column, DVM_NOBODY, 1, NULL),
					 0);
			assert_int_equal(dvm_recv(w, row, sizeof row, 0, 1, &st), 0);
			break;
		case 4:
			assert_int_equal(dvm_sendl(w, from, 1, column, 0, 1, 0), 0);
			assert_int_equal(dvm_mprobe(w, 0, 1, &msg, NULL), 0);
			assert_int_equal(dvm_mrecvl(&msg, &m[0][199], 1, column, NULL), 0);
			assert_int_equal(dvm_layout_pack(&m[0][199], 1, column, row, sizeof row),
					 0);
			assert_int_equal(dvm_mrecvl(&msg, row, 1, column, &st), 0);
			assert_int_equal(st.len, 0);
			st.len = sizeof row;
			break;
		case 5:
			assert_int_equal(dvm_send(w, row, sizeof row, 0, 1), 0);
			assert_int_equal(dvm_sendl(w, from, 1, column, 0, 1, DVM_SEND_READY), 0);
			assert_int_equal(dvm_mprobe(w, 0, 1, &msg, NULL), 0);
			assert_int_equal(dvm_imrecvl(&msg, &m[0][199], 1, column, &req[1]), 0);
			assert_int_equal(dvm_irecvl(w, &m[0][199], 1, column, 0, 1, &req[0]), 0);
			assert_int_equal(dvm_waitall(req, 2, NULL), 0);
			assert_int_equal(dvm_layout_pack(&m[0][199], 1, column, row, sizeof row),
					 0);
			break;
		default:
			assert_int_equal(dvm_irecvl(w, row, 1, column, 0, 9, &never), 0);
			assert_int_equal(dvm_sendrecvl(w, from, 1, column, 0, 1, row, ROWS,
						       dvm_layout_of(DVM_DOUBLE), 0, 1, &st),
					 0);
			assert_int_equal(dvm_cancel(never), 0);
			assert_int_equal(dvm_wait(&never, NULL), -ECANCELED);
		}
		assert_int_equal(st.len, sizeof row);
		for (int i = 0; i < ROWS; i++)
			assert_true(row[i] == at(i, way * 3));
	}
	/* Freed while a send is under way, which keeps what it needs. */
	assert_int_equal(dvm_isendl(w, &m[0][5], 1, column, 0, 2, DVM_SEND_SYNC, &req[0]), 0);
	dvm_layout_free(column);
	assert_int_equal(dvm_recv(w, row, 100, 0, 2, &st), -DVM_ETRUNC);
	assert_true(st.len == sizeof row && row[11] == at(11, 5));
	assert_int_equal(dvm_wait(&req[0], NULL), 0);
}

static void pieces(void **state)
{
	char a[] = "one ", b[] = "two ", c[] = "three", x[3], y[4], z[10] = { 0 };
	const dvm_iov_t out[] = { { a, 4 }, { NULL, 0 }, { b, 4 }, { c, 5 } };
	const dvm_iov_t in[] = { { x, 3 }, { y, 4 }, { z, 10 } };
	dvm_req_t *req[2];
	dvm_status_t st, both[2];

	assert_int_equal(dvm_sendv(w, out, 4, 0, 1), 0);
	assert_int_equal(dvm_recvv(w, in, 3, 0, 1, &st), 0);
	assert_int_equal(st.len, 13);
	assert_memory_equal(x, "one", 3);
	assert_memory_equal(y, " two", 4);
	assert_string_equal(z, " three");
	memset(z, 0, sizeof z);
	assert_int_equal(dvm_irecvv(w, in, 2, 0, 1, &req[0]), 0);
	assert_int_equal(dvm_isendv(w, out, 4, 0, 1, &req[1]), 0);
	assert_int_equal(dvm_waitall(req, 2, both), -DVM_ETRUNC);
	assert_int_equal(both[0].len, 13);
	assert_int_equal(z[0], 0);
	assert_int_equal(dvm_sendv(w, NULL, 0, 0, 1), 0);
	assert_int_equal(dvm_recvv(w, NULL, 0, 0, 1, &st), 0);
	assert_int_equal(st.len, 0);
}

/* Thousands under way at once, and a message to oneself longer than any packet. */
static void many_and_long(void **state)
{
	enum { N = 3000, BLOCKS = 200000 };
	dvm_req_t **req = calloc(2 * N, sizeof *req);
	short *v = calloc(4 * N, sizeof *v);
	dvm_layout_t *two, *wide;

	assert_int_equal(dvm_layout_vector(&two, 2, 1, 2, dvm_layout_of(DVM_INT16)), 0);
	for (int i = 0; i < N; i++)
		assert_int_equal(dvm_irecvl(w, &v[4 * i], 1, two, 0, i, &req[i]), 0);
	for (int i = 0; i < N; i++) {
		short pair[2] = { (short)i, (short)-i };
		assert_int_equal(dvm_isendl(w, pair, 2, dvm_layout_of(DVM_INT16), 0, i,
					    i % 3, &req[N + i]),
				 0);
		assert_int_equal(dvm_wait(&req[N + i], NULL), 0);
	}
	dvm_layout_free(two);
	assert_int_equal(dvm_waitall(req, 2 * N, NULL), 0);
	for (int i = 0; i < N; i++)
		assert_true(v[4 * i] == i && v[4 * i + 2] == -i && v[4 * i + 1] == 0);
	free(req);
	free(v);
	int *out = calloc(2 * BLOCKS, sizeof *out), *in = calloc(BLOCKS, sizeof *in);
	for (int i = 0; i < 2 * BLOCKS; i++)
		out[i] = i;
	assert_int_equal(dvm_layout_vector(&wide, BLOCKS, 1, 2, dvm_layout_of(DVM_INT32)), 0);
	assert_int_equal(dvm_sendl(w, out, 1, wide, 0, 1, 0), 0);
	assert_int_equal(dvm_recv(w, in, BLOCKS * sizeof *in, 0, 1, NULL), 0);
	for (int i = 0; i < BLOCKS; i++)
		assert_int_equal(in[i], 2 * i);
	dvm_layout_free(wide);
	free(out);
	free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout_arguments), cmocka_unit_test(iov_arguments),
		cmocka_unit_test(columns),	    cmocka_unit_test(pieces),
		cmocka_unit_test(many_and_long),
	};
	return cmocka_run_group_tests(tests, open_handle, close_handle);
}
