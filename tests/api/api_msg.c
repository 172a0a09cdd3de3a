/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm/msg.h: wrong arguments first, then what one rank can do with itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <dvm/msg.h>

#include "tests/api/alone.h"
#include "tests/api/cm.h"

static void send_arguments(void **state)
{
	dvm_req_t *none = (dvm_req_t *)8, *req = none;
	char c = 0;

	assert_int_equal(dvm_send(NULL, &c, 1, 0, 0), -EINVAL);
	assert_int_equal(dvm_send(w, NULL, 1, 0, 0), -EINVAL);
	assert_int_equal(dvm_send(w, &c, 1, 1, 0), -EINVAL);
	assert_int_equal(dvm_send(w, &c, 1, DVM_ANY_SOURCE, 0), -EINVAL);
	assert_int_equal(dvm_send(w, &c, 1, -3, 0), -EINVAL);
	assert_int_equal(dvm_send(w, &c, 1, 0, DVM_ANY_TAG), -EINVAL);
	assert_int_equal(dvm_isend(NULL, &c, 1, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_isend(w, NULL, 1, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_isend(w, &c, 1, 1, 0, &req), -EINVAL);
	assert_int_equal(dvm_isend(w, &c, 1, 0, -1, &req), -EINVAL);
	assert_int_equal(dvm_isend(w, &c, 1, 0, 0, NULL), -EINVAL);
	assert_ptr_equal(req, none);
	assert_int_equal(dvm_iprobe(w, 0, DVM_ANY_TAG, NULL), 0); /* nothing was sent */
}

static void receive_arguments(void **state)
{
	dvm_req_t *none = (dvm_req_t *)8, *req = none;
	char c = 0;

	assert_int_equal(dvm_recv(NULL, &c, 1, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_recv(w, NULL, 1, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_recv(w, &c, 1, 1, 0, NULL), -EINVAL);
	assert_int_equal(dvm_recv(w, &c, 1, -3, 0, NULL), -EINVAL);
	assert_int_equal(dvm_recv(w, &c, 1, 0, -2, NULL), -EINVAL);
	assert_int_equal(dvm_irecv(NULL, &c, 1, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_irecv(w, NULL, 1, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_irecv(w, &c, 1, 1, 0, &req), -EINVAL);
	assert_int_equal(dvm_irecv(w, &c, 1, 0, -2, &req), -EINVAL);
	assert_int_equal(dvm_irecv(w, &c, 1, 0, 0, NULL), -EINVAL);
	assert_ptr_equal(req, none);
	assert_int_equal(dvm_probe(NULL, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_probe(w, 1, 0, NULL), -EINVAL);
	assert_int_equal(dvm_iprobe(NULL, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_iprobe(w, 0, -2, NULL), -EINVAL);
	assert_int_equal(dvm_sendrecv(NULL, &c, 1, 0, 0, &c, 1, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_sendrecv(w, &c, 1, 0, -1, &c, 1, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_sendrecv(w, &c, 1, 0, 0, NULL, 1, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_sendrecv(w, &c, 1, 0, 0, &c, 1, 7, 0, NULL), -EINVAL);
	assert_int_equal(dvm_iprobe(w, 0, DVM_ANY_TAG, NULL), 0);
}

static void wait_arguments(void **state)
{
	dvm_req_t *none[2] = { NULL, NULL };
	dvm_status_t st[2] = { { .len = 7 }, { .len = 7 } };
	size_t at = 99;

	assert_int_equal(dvm_wait(NULL, NULL), -EINVAL);
	assert_int_equal(dvm_test(NULL, NULL), -EINVAL);
	assert_int_equal(dvm_waitall(NULL, 1, NULL), -EINVAL);
	assert_int_equal(dvm_waitany(NULL, 1, &at, NULL), -EINVAL);
	assert_int_equal(dvm_waitany(none, 2, NULL, NULL), -EINVAL);
	assert_int_equal(dvm_waitany(none, 2, &at, NULL), -ENOENT);
	assert_int_equal(dvm_waitany(none, 0, &at, NULL), -ENOENT);
	assert_int_equal(at, 99);
	assert_int_equal(dvm_cancel(NULL), -EINVAL);
	assert_int_equal(dvm_wait(&none[0], &st[0]), 0);
	assert_true(st[0].source == -1 && st[0].tag == -1 && st[0].len == 0 && st[0].error == 0);
	assert_int_equal(dvm_test(&none[0], &st[1]), 1);
	assert_int_equal(st[1].len, 0);
	assert_int_equal(dvm_waitall(none, 2, st), 0);
}

static void to_oneself(void **state)
{
	static const size_t sizes[] = { 0, 1, 8, 5000, 3 << 20 };
	char *out = malloc(3 << 20), *in = malloc(3 << 20);
	dvm_status_t st;

	for (int i = 0; i < 5; i++) {
		size_t n = sizes[i];
		memset(out, i + 1, 3 << 20);
		memset(in, 0, 3 << 20);
		assert_int_equal(dvm_send(w, out, n, 0, i), 0);
		assert_int_equal(dvm_iprobe(w, DVM_ANY_SOURCE, DVM_ANY_TAG, &st), 1);
		assert_true(st.source == 0 && st.tag == i && st.len == n);
		assert_int_equal(dvm_probe(w, 0, i, NULL), 0);
		assert_int_equal(dvm_recv(w, in, 3 << 20, DVM_ANY_SOURCE, i, &st), 0);
		assert_true(st.source == 0 && st.tag == i && st.len == n && st.error == 0);
		assert_memory_equal(in, out, n);
	}
	/* Posted first. */
	dvm_req_t *req[2];
	assert_int_equal(dvm_irecv(w, in, 100, 0, 1, &req[0]), 0);
	assert_int_equal(dvm_test(&req[0], NULL), 0);
	assert_int_equal(dvm_isend(w, out, 200, 0, 1, &req[1]), 0);
	assert_int_equal(dvm_waitall(req, 2, NULL), -DVM_ETRUNC);
	assert_true(!req[0] && !req[1]);
	assert_int_equal(dvm_sendrecv(w, out, 10, 0, 3, in, 10, 0, 3, &st), 0);
	assert_int_equal(st.len, 10);
	assert_int_equal(dvm_sendrecv(w, NULL, 0, 0, 0, NULL, 0, 0, DVM_ANY_TAG, NULL), 0);
	free(out);
	free(in);
}

static void nobody(void **state)
{
	dvm_req_t *req[2];
	dvm_status_t st = { .len = 5 };
	size_t at;
	char c = 7;

	assert_int_equal(dvm_send(w, &c, 1, DVM_NOBODY, 0), 0);
	assert_int_equal(dvm_recv(w, &c, 1, DVM_NOBODY, 0, &st), 0);
	assert_true(st.source == -1 && st.tag == -1 && st.len == 0 && c == 7);
	assert_int_equal(dvm_iprobe(w, DVM_NOBODY, 0, &st), 1);
	assert_int_equal(dvm_probe(w, DVM_NOBODY, 0, &st), 0);
	assert_int_equal(dvm_isend(w, &c, 1, DVM_NOBODY, 0, &req[0]), 0);
	assert_int_equal(dvm_irecv(w, &c, 1, DVM_NOBODY, 0, &req[1]), 0);
	assert_int_equal(dvm_waitany(req, 2, &at, NULL), 0);
	assert_int_equal(at, 0);
	assert_int_equal(dvm_waitany(req, 2, &at, NULL), 0);
	assert_int_equal(at, 1);
	assert_int_equal(dvm_sendrecv(w, &c, 1, DVM_NOBODY, 0, &c, 1, DVM_NOBODY, 0, NULL), 0);
	assert_int_equal(dvm_iprobe(w, 0, DVM_ANY_TAG, NULL), 0);
}

static void waiting_for_oneself_is_a_deadlock(void **state)
{
	dvm_req_t *req[2];
	dvm_status_t st;
	size_t at;
	char c;

	assert_int_equal(dvm_recv(w, &c, 1, 0, 0, &st), -EDEADLK);
	assert_int_equal(st.error, -EDEADLK);
	assert_int_equal(dvm_recv(w, &c, 1, DVM_ANY_SOURCE, DVM_ANY_TAG, NULL), -EDEADLK);
	assert_int_equal(dvm_probe(w, 0, 0, NULL), -EDEADLK);
	assert_int_equal(dvm_irecv(w, &c, 1, 0, 0, &req[0]), 0);
	assert_int_equal(dvm_irecv(w, &c, 1, DVM_ANY_SOURCE, 1, &req[1]), 0);
	assert_int_equal(dvm_waitany(req, 2, &at, NULL), -EDEADLK);
	assert_true(at == 0 && !req[0] && req[1]);
	assert_int_equal(dvm_wait(&req[1], NULL), -EDEADLK);
}

static void cancelling(void **state)
{
	dvm_req_t *req;
	dvm_status_t st;
	char c = 1;

	assert_int_equal(dvm_irecv(w, &c, 1, 0, 4, &req), 0);
	assert_int_equal(dvm_cancel(req), 0);
	assert_int_equal(dvm_cancel(req), -EALREADY);
	assert_int_equal(dvm_wait(&req, &st), -ECANCELED);
	assert_int_equal(dvm_irecv(w, &c, 1, 0, 4, &req), 0);
	assert_int_equal(dvm_send(w, &c, 1, 0, 4), 0);
	assert_int_equal(dvm_cancel(req), -EALREADY);
	assert_int_equal(dvm_wait(&req, &st), 0);
	assert_int_equal(st.len, 1);
	assert_int_equal(dvm_isend(w, &c, 1, 0, 4, &req), 0);
	assert_int_equal(dvm_cancel(req), -EINVAL);
	assert_int_equal(dvm_wait(&req, NULL), 0);
	assert_int_equal(dvm_recv(w, &c, 1, 0, 4, NULL), 0);
}

static void thousands_outstanding(void **state)
{
	enum { N = 20000 };
	dvm_req_t **req = calloc(N, sizeof *req);
	int *v = calloc(N, sizeof *v);

	for (int i = 0; i < N; i++)
		assert_int_equal(dvm_irecv(w, &v[i], sizeof v[i], 0, i, &req[i]), 0);
	for (int i = N - 1; i >= 0; i--)
		assert_int_equal(dvm_send(w, &i, sizeof i, 0, i), 0);
	assert_int_equal(dvm_waitall(req, N, NULL), 0);
	for (int i = 0; i < N; i++)
		assert_int_equal(v[i], i);
	free(req);
	free(v);
}

/* What nobody waited for goes with the handle. */
static void abandoned_requests(void **state)
{
	dvm_req_t *req;
	dvm_t *other;
	char c;

	assert_int_equal(dvm_open(&other, NULL, NULL), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(dvm_irecv(dvm_world(other), &c, 1, 0, i, &req), 0);
	assert_int_equal(dvm_send(dvm_world(other), &c, 1, 0, 99), 0);
	assert_int_equal(dvm_close(other), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(send_arguments),
		cmocka_unit_test(receive_arguments),
		cmocka_unit_test(wait_arguments),
		cmocka_unit_test(to_oneself),
		cmocka_unit_test(nobody),
		cmocka_unit_test(waiting_for_oneself_is_a_deadlock),
		cmocka_unit_test(cancelling),
		cmocka_unit_test(thousands_outstanding),
		cmocka_unit_test(abandoned_requests),
	};
	return cmocka_run_group_tests(tests, open_handle, close_handle);
}
