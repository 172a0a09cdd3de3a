/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm/msg.h: modes, persistent requests, matched probes, waiting for some; one rank with itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <dvm/msg.h>

#include "tests/api/alone.h"
#include "tests/api/cm.h"

static dvm_req_t *const untouched = (dvm_req_t *)8;

static void mode_arguments(void **state)
{
	dvm_req_t *req = untouched;
	char c = 0;

	assert_int_equal(dvm_ssend(NULL, &c, 1, 0, 0), -EINVAL);
	assert_int_equal(dvm_ssend(w, NULL, 1, 0, 0), -EINVAL);
	assert_int_equal(dvm_ssend(w, &c, 1, 1, 0), -EINVAL);
	assert_int_equal(dvm_ssend(w, &c, 1, 0, -1), -EINVAL);
	assert_int_equal(dvm_rsend(NULL, &c, 1, 0, 0), -EINVAL);
	assert_int_equal(dvm_rsend(w, &c, 1, 1, 0), -EINVAL);
	assert_int_equal(dvm_issend(w, &c, 1, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_issend(NULL, &c, 1, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_issend(w, NULL, 1, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_issend(w, &c, 1, 0, -1, &req), -EINVAL);
	assert_int_equal(dvm_irsend(w, &c, 1, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_irsend(w, &c, 1, 2, 0, &req), -EINVAL);
	assert_int_equal(dvm_send_init(NULL, &c, 1, 0, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_send_init(w, NULL, 1, 0, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_send_init(w, &c, 1, 1, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_send_init(w, &c, 1, 0, -1, 0, &req), -EINVAL);
	assert_int_equal(dvm_send_init(w, &c, 1, 0, 0, 3, &req), -EINVAL);
	assert_int_equal(dvm_send_init(w, &c, 1, 0, 0, -1, &req), -EINVAL);
	assert_int_equal(dvm_send_init(w, &c, 1, 0, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_recv_init(NULL, &c, 1, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_recv_init(w, NULL, 1, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_recv_init(w, &c, 1, 1, 0, &req), -EINVAL);
	assert_int_equal(dvm_recv_init(w, &c, 1, 0, -2, &req), -EINVAL);
	assert_int_equal(dvm_recv_init(w, &c, 1, 0, 0, NULL), -EINVAL);
	assert_ptr_equal(req, untouched);
	assert_int_equal(dvm_iprobe(w, 0, DVM_ANY_TAG, NULL), 0);
}

static void request_arguments(void **state)
{
	dvm_req_t *none[2] = { NULL, NULL }, *req;
	size_t at = 99, count = 99, indices[2];
	dvm_status_t st = { .len = 7 };
	char c;

	assert_int_equal(dvm_start(NULL), -EINVAL);
	assert_int_equal(dvm_startall(NULL, 1), -EINVAL);
	assert_int_equal(dvm_startall(NULL, 0), 0);
	assert_int_equal(dvm_startall(none, 2), -EINVAL);
	assert_int_equal(dvm_req_free(NULL), -EINVAL);
	assert_int_equal(dvm_req_free(&none[0]), 0);
	assert_int_equal(dvm_peek(NULL, &st), 1);
	assert_true(st.len == 0 && st.source == -1);
	assert_int_equal(dvm_testall(NULL, 1, NULL), -EINVAL);
	assert_int_equal(dvm_testall(none, 2, NULL), 1);
	assert_int_equal(dvm_testany(NULL, 1, &at, NULL), -EINVAL);
	assert_int_equal(dvm_testany(none, 2, NULL, NULL), -EINVAL);
	assert_int_equal(dvm_testany(none, 2, &at, NULL), -ENOENT);
	assert_int_equal(dvm_waitsome(NULL, 1, &count, indices, NULL), -EINVAL);
	assert_int_equal(dvm_waitsome(none, 1, NULL, indices, NULL), -EINVAL);
	assert_int_equal(dvm_waitsome(none, 1, &count, NULL, NULL), -EINVAL);
	assert_int_equal(dvm_testsome(NULL, 1, &count, indices, NULL), -EINVAL);
	assert_int_equal(dvm_testsome(none, 1, NULL, indices, NULL), -EINVAL);
	assert_int_equal(dvm_testsome(none, 1, &count, NULL, NULL), -EINVAL);
	assert_true(at == 99 && count == 99);
	assert_int_equal(dvm_waitsome(none, 2, &count, indices, NULL), -ENOENT);
	assert_int_equal(count, 0);
	assert_int_equal(dvm_testsome(none, 2, &count, indices, NULL), -ENOENT);
	/* What is not persistent is not started, and a receive under way is not freed. */
	assert_int_equal(dvm_irecv(w, &c, 1, 0, 1, &req), 0);
	assert_int_equal(dvm_start(req), -EINVAL);
	assert_int_equal(dvm_req_free(&req), -EBUSY);
	assert_non_null(req);
	assert_int_equal(dvm_cancel(req), 0);
	assert_int_equal(dvm_req_free(&req), 0);
	assert_null(req);
}

static void message_arguments(void **state)
{
	dvm_message_t *const same = (dvm_message_t *)8, *msg = same;
	dvm_req_t *req = untouched;
	dvm_status_t st = { .len = 7 };
	char c;

	assert_int_equal(dvm_mprobe(NULL, 0, 0, &msg, NULL), -EINVAL);
	assert_int_equal(dvm_mprobe(w, 1, 0, &msg, NULL), -EINVAL);
	assert_int_equal(dvm_mprobe(w, 0, -2, &msg, NULL), -EINVAL);
	assert_int_equal(dvm_mprobe(w, 0, 0, NULL, NULL), -EINVAL);
	assert_int_equal(dvm_improbe(NULL, 0, 0, &msg, NULL), -EINVAL);
	assert_int_equal(dvm_improbe(w, 0, 0, NULL, NULL), -EINVAL);
	assert_int_equal(dvm_improbe(w, -3, 0, &msg, NULL), -EINVAL);
	assert_int_equal(dvm_improbe(w, 0, 0, &msg, NULL), 0);
	assert_int_equal(dvm_mprobe(w, 0, 0, &msg, NULL), -EDEADLK);
	assert_int_equal(dvm_mrecv(NULL, &c, 1, NULL), -EINVAL);
	assert_int_equal(dvm_mrecv(&msg, NULL, 1, NULL), -EINVAL);
	assert_int_equal(dvm_imrecv(NULL, &c, 1, &req), -EINVAL);
	assert_int_equal(dvm_imrecv(&msg, NULL, 1, &req), -EINVAL);
	assert_int_equal(dvm_imrecv(&msg, &c, 1, NULL), -EINVAL);
	assert_ptr_equal(msg, same);
	assert_ptr_equal(req, untouched);
	/* Nobody's message is nothing. */
	assert_int_equal(dvm_improbe(w, DVM_NOBODY, 0, &msg, &st), 1);
	assert_true(!msg && st.source == -1 && st.len == 0);
	msg = same;
	assert_int_equal(dvm_mprobe(w, DVM_NOBODY, 0, &msg, &st), 0);
	assert_null(msg);
	st.len = 7;
	assert_int_equal(dvm_mrecv(&msg, &c, 1, &st), 0);
	assert_int_equal(st.len, 0);
	assert_int_equal(dvm_imrecv(&msg, &c, 1, &req), 0);
	assert_null(req);
}

static void synchronous(void **state)
{
	static const size_t sizes[] = { 0, 8, 5000, 3 << 20 };
	char *out = malloc(3 << 20), *in = malloc(3 << 20);
	dvm_req_t *req[2];
	dvm_status_t st;

	for (int i = 0; i < 4; i++) {
		size_t n = sizes[i];
		memset(out, i + 1, n);
		assert_int_equal(dvm_issend(w, out, n, 0, i, &req[0]), 0);
		assert_int_equal(dvm_test(&req[0], NULL), 0);
		assert_int_equal(dvm_peek(req[0], NULL), 0);
		assert_int_equal(dvm_recv(w, in, n, 0, i, &st), 0);
		assert_int_equal(st.len, n);
		assert_memory_equal(in, out, n);
		assert_int_equal(dvm_peek(req[0], NULL), 1);
		assert_int_equal(dvm_wait(&req[0], NULL), 0);
		/* The receive is there first. */
		assert_int_equal(dvm_irecv(w, in, n, 0, i, &req[1]), 0);
		assert_int_equal(dvm_ssend(w, out, n, 0, i), 0);
		assert_int_equal(dvm_wait(&req[1], &st), 0);
		assert_int_equal(st.len, n);
		/* Nobody could receive it. */
		assert_int_equal(dvm_ssend(w, out, n, 0, i), -EDEADLK);
		assert_int_equal(dvm_iprobe(w, 0, DVM_ANY_TAG, NULL), 0);
	}
	assert_int_equal(dvm_issend(w, out, 10, 0, 1, &req[0]), 0);
	assert_int_equal(dvm_recv(w, in, 5, 0, 1, &st), -DVM_ETRUNC);
	assert_int_equal(dvm_wait(&req[0], NULL), 0);
	assert_int_equal(dvm_ssend(w, out, 1, DVM_NOBODY, 1), 0);
	assert_int_equal(dvm_irecv(w, in, 10, 0, 1, &req[0]), 0);
	assert_int_equal(dvm_rsend(w, out, 10, 0, 1), 0);
	assert_int_equal(dvm_irsend(w, out, 10, 0, 1, &req[1]), 0);
	assert_int_equal(dvm_recv(w, in, 10, 0, 1, NULL), 0);
	assert_int_equal(dvm_waitall(req, 2, NULL), 0);
	free(out);
	free(in);
}

static void persistent(void **state)
{
	dvm_req_t *req[4] = { NULL };
	dvm_status_t st[4];
	size_t count, indices[4], at;
	int in = 0, out = 0;

	assert_int_equal(dvm_recv_init(w, &in, sizeof in, 0, 1, &req[0]), 0);
	assert_int_equal(dvm_send_init(w, &out, sizeof out, 0, 1, DVM_SEND_SYNC, &req[1]), 0);
	assert_int_equal(dvm_send_init(w, &out, sizeof out, DVM_NOBODY, 1, 0, &req[3]), 0);
	/* Inactive ones count as none. */
	assert_int_equal(dvm_wait(&req[0], &st[0]), 0);
	assert_true(req[0] && st[0].source == -1);
	assert_int_equal(dvm_test(&req[0], NULL), 1);
	assert_int_equal(dvm_peek(req[0], NULL), 1);
	assert_int_equal(dvm_waitany(req, 4, &at, NULL), -ENOENT);
	assert_int_equal(dvm_testany(req, 4, &at, NULL), -ENOENT);
	assert_int_equal(dvm_waitsome(req, 4, &count, indices, NULL), -ENOENT);
	assert_int_equal(dvm_waitall(req, 4, st), 0);
	assert_int_equal(dvm_testall(req, 4, st), 1);
	assert_int_equal(dvm_startall(req, 4), -EINVAL); /* one is NULL: none starts */
	assert_int_equal(dvm_waitany(req, 4, &at, NULL), -ENOENT);
	for (int i = 1; i <= 20; i++) {
		out = i;
		assert_int_equal(dvm_startall(req, 2), 0);
		assert_int_equal(dvm_start(req[0]), -EBUSY);
		assert_int_equal(dvm_startall(req, 2), -EBUSY);
		assert_int_equal(dvm_start(req[3]), 0);
		switch (i % 4) {
		case 0:
			assert_int_equal(dvm_waitall(req, 4, st), 0);
			assert_true(st[0].source == 0 && st[0].len == sizeof in);
			break;
		case 1:
			assert_int_equal(dvm_testall(req, 4, st), 1);
			break;
		case 2:
			assert_int_equal(dvm_waitsome(req, 4, &count, indices, st), 0);
			assert_true(count == 3 && indices[0] == 0 && indices[2] == 3);
			assert_true(st[0].tag == 1 && st[1].tag == -1);
			break;
		default:
			for (size_t k = 0; k < 3; k++) {
				assert_int_equal(dvm_testany(req, 4, &at, NULL), 1);
				assert_int_equal(at, k == 2 ? 3 : k);
			}
		}
		assert_int_equal(in, i);
		assert_int_equal(dvm_testsome(req, 4, &count, indices, NULL), -ENOENT);
	}
	/* Withdrawn and started again. */
	assert_int_equal(dvm_cancel(req[0]), -EALREADY);
	assert_int_equal(dvm_start(req[0]), 0);
	assert_int_equal(dvm_req_free(&req[0]), -EBUSY);
	assert_int_equal(dvm_cancel(req[0]), 0);
	assert_int_equal(dvm_wait(&req[0], st), -ECANCELED);
	assert_int_equal(dvm_start(req[0]), 0);
	assert_int_equal(dvm_send(w, &out, sizeof out, 0, 1), 0);
	assert_int_equal(dvm_wait(&req[0], NULL), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(dvm_req_free(&req[i]), 0);
		assert_null(req[i]);
	}
}

static void some_of_many(void **state)
{
	enum { N = 6 };
	dvm_req_t *req[N];
	dvm_status_t st[N];
	size_t count, indices[N], at = 9;
	int v[N], x = 5;

	for (int i = 0; i < N; i++)
		assert_int_equal(dvm_irecv(w, &v[i], i == 4 ? 1 : sizeof v[i], 0, i, &req[i]), 0);
	assert_int_equal(dvm_testany(req, N, &at, st), 0);
	assert_int_equal(dvm_testall(req, N, st), 0);
	assert_int_equal(dvm_testsome(req, N, &count, indices, st), 0);
	assert_true(at == 9 && count == 0);
	for (int i = 5; i > 1; i -= 1)
		assert_int_equal(dvm_send(w, &x, sizeof x, 0, i), 0);
	assert_int_equal(dvm_testany(req, N, &at, st), 1);
	assert_true(at == 2 && !req[2] && st[0].tag == 2);
	assert_int_equal(dvm_testsome(req, N, &count, indices, st), -DVM_ETRUNC);
	assert_true(count == 3 && indices[0] == 3 && indices[1] == 4 && indices[2] == 5);
	assert_true(st[0].error == 0 && st[1].error == -DVM_ETRUNC && st[2].tag == 5);
	assert_int_equal(dvm_waitsome(req, N, &count, indices, st), -EDEADLK);
	assert_int_equal(count, 2);
	assert_int_equal(dvm_waitsome(req, N, &count, indices, NULL), -ENOENT);
	/* Several calls on what has failed. */
	assert_int_equal(dvm_irecv(w, &v[0], 1, 0, 0, &req[0]), 0);
	assert_int_equal(dvm_send(w, &x, sizeof x, 0, 0), 0);
	assert_int_equal(dvm_peek(req[0], st), -DVM_ETRUNC);
	assert_int_equal(st[0].len, sizeof x);
	assert_int_equal(dvm_peek(req[0], NULL), -DVM_ETRUNC);
	assert_int_equal(dvm_testall(req, N, st), -DVM_ETRUNC);
	assert_null(req[0]);
}

static void matched(void **state)
{
	dvm_message_t *msg[3];
	dvm_req_t *req, *sync;
	dvm_status_t st;
	int v;

	for (int i = 0; i < 3; i++)
		assert_int_equal(dvm_send(w, &i, sizeof i, 0, 7), 0);
	assert_int_equal(dvm_mprobe(w, DVM_ANY_SOURCE, DVM_ANY_TAG, &msg[0], &st), 0);
	assert_true(st.source == 0 && st.tag == 7 && st.len == sizeof v && st.error == 0);
	assert_int_equal(dvm_improbe(w, 0, 7, &msg[1], NULL), 1);
	assert_int_equal(dvm_recv(w, &v, sizeof v, 0, 7, NULL), 0);
	assert_int_equal(v, 2);
	assert_int_equal(dvm_iprobe(w, 0, DVM_ANY_TAG, NULL), 0);
	assert_int_equal(dvm_improbe(w, 0, DVM_ANY_TAG, &msg[2], NULL), 0);
	assert_int_equal(dvm_imrecv(&msg[1], &v, sizeof v, &req), 0);
	assert_null(msg[1]);
	assert_int_equal(dvm_cancel(req), -EALREADY);
	assert_int_equal(dvm_wait(&req, &st), 0);
	assert_true(v == 1 && st.len == sizeof v && st.source == 0 && st.tag == 7);
	assert_int_equal(dvm_mrecv(&msg[0], &v, 2, &st), -DVM_ETRUNC);
	assert_true(!msg[0] && st.len == sizeof v);
	/* A synchronous send is complete when its message is received, not when it is taken. */
	assert_int_equal(dvm_issend(w, &v, sizeof v, 0, 3, &sync), 0);
	assert_int_equal(dvm_mprobe(w, 0, 3, &msg[0], NULL), 0);
	assert_int_equal(dvm_test(&sync, NULL), 0);
	assert_int_equal(dvm_mrecv(&msg[0], &v, sizeof v, NULL), 0);
	assert_int_equal(dvm_test(&sync, NULL), 1);
}

/* Sends that nobody waits for arrive; what is not received ends with the handle. */
static void let_go(void **state)
{
	enum { N = 1000 };
	dvm_message_t *msg;
	dvm_t *other;
	dvm_req_t *req;
	int v, *out = calloc(N, sizeof *out);

	for (int i = 0; i < N; i++) {
		out[i] = i;
		assert_int_equal(dvm_issend(w, &out[i], sizeof v, 0, i, &req), 0);
		assert_int_equal(dvm_req_free(&req), 0);
		assert_null(req);
	}
	for (int i = N - 1; i >= 0; i--) {
		assert_int_equal(dvm_recv(w, &v, sizeof v, 0, i, NULL), 0);
		assert_int_equal(v, i);
	}
	assert_int_equal(dvm_open(&other, NULL, NULL), 0);
	dvm_group_t *g = dvm_world(other);
	assert_int_equal(dvm_send(g, out, 100, 0, 1), 0);
	assert_int_equal(dvm_mprobe(g, 0, 1, &msg, NULL), 0);
	assert_int_equal(dvm_send_init(g, out, 100, 0, 1, 0, &req), 0);
	assert_int_equal(dvm_start(req), 0);
	assert_int_equal(dvm_recv_init(g, out, 100, 0, 2, &req), 0);
	assert_int_equal(dvm_issend(g, out, 100, 0, 1, &req), 0);
	assert_int_equal(dvm_mprobe(g, 0, 1, &msg, NULL), 0);
	assert_int_equal(dvm_close(other), 0);
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mode_arguments),    cmocka_unit_test(request_arguments),
		cmocka_unit_test(message_arguments), cmocka_unit_test(synchronous),
		cmocka_unit_test(persistent),	     cmocka_unit_test(some_of_many),
		cmocka_unit_test(matched),	     cmocka_unit_test(let_go),
	};
	return cmocka_run_group_tests(tests, open_handle, close_handle);
}
