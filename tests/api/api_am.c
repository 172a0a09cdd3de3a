/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm/am.h: wrong arguments first, then what one rank can do with itself. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <dvm/am.h>

#include "tests/api/alone.h"
#include "tests/api/cm.h"

static void nothing(dvm_group_t *g, int source, const void *head, size_t head_len,
		    const void *payload, size_t len, void *arg)
{
}

static void wrong_arguments(void **state)
{
	dvm_req_t *none = (dvm_req_t *)8, *req = none;
	char c = 0;
	int ms;

	assert_int_equal(dvm_am_register(NULL, 0, nothing, NULL), -EINVAL);
	assert_int_equal(dvm_am_register(w, -1, nothing, NULL), -EINVAL);
	assert_int_equal(dvm_am_register(w, DVM_AM_IDS, nothing, NULL), -EINVAL);
	assert_int_equal(dvm_am_send(NULL, 0, 0, NULL, 0, NULL, 0), -EINVAL);
	assert_int_equal(dvm_am_send(w, 1, 0, NULL, 0, NULL, 0), -EINVAL);
	assert_int_equal(dvm_am_send(w, -1, 0, NULL, 0, NULL, 0), -EINVAL);
	assert_int_equal(dvm_am_send(w, 0, -1, NULL, 0, NULL, 0), -EINVAL);
	assert_int_equal(dvm_am_send(w, 0, DVM_AM_IDS, NULL, 0, NULL, 0), -EINVAL);
	assert_int_equal(dvm_am_send(w, 0, 0, NULL, 1, NULL, 0), -EINVAL);
	assert_int_equal(dvm_am_send(w, 0, 0, NULL, 0, NULL, 1), -EINVAL);
	assert_int_equal(dvm_am_send(w, 0, 0, &c, DVM_AM_HEAD_MAX + 1, NULL, 0), -EINVAL);
	assert_int_equal(dvm_am_send(w, 0, 0, NULL, 0, &c, DVM_AM_MAX + 1), -EINVAL);
	assert_int_equal(dvm_am_isend(NULL, 0, 0, NULL, 0, NULL, 0, &req), -EINVAL);
	assert_int_equal(dvm_am_isend(w, 1, 0, NULL, 0, NULL, 0, &req), -EINVAL);
	assert_int_equal(dvm_am_isend(w, 0, 0, NULL, 0, NULL, 0, NULL), -EINVAL);
	assert_ptr_equal(req, none);
	assert_int_equal(dvm_progress(NULL, 0), -EINVAL);
	assert_int_equal(dvm_fd(NULL), -EINVAL);
	assert_int_equal(dvm_arm(NULL, &ms), -EINVAL);
	assert_int_equal(dvm_arm(d, NULL), -EINVAL);
}

struct seen {
	int n, source;
	size_t head_len, len;
	char head[DVM_AM_HEAD_MAX];
	char *payload;
	void *null[2];
};

static void see(dvm_group_t *g, int source, const void *head, size_t head_len, const void *payload,
		size_t len, void *arg)
{
	struct seen *s = arg;

	assert_ptr_equal(g, w);
	s->n++;
	s->source = source;
	s->head_len = head_len;
	s->len = len;
	s->null[0] = (void *)(uintptr_t)head;
	s->null[1] = (void *)(uintptr_t)payload;
	if (head_len)
		memcpy(s->head, head, head_len);
	if (len)
		memcpy(s->payload, payload, len);
}

static void to_oneself(void **state)
{
	static const size_t heads[] = { 0, 1, 8, DVM_AM_HEAD_MAX };
	static const size_t sizes[] = { 0, 1, 4096, DVM_AM_MAX };
	char *payload = malloc(DVM_AM_MAX), *got = malloc(DVM_AM_MAX), head[DVM_AM_HEAD_MAX];
	struct seen s = { .payload = got };
	int n = 0;

	memset(head, 'h', sizeof head);
	memset(payload, 'p', DVM_AM_MAX);
	assert_int_equal(dvm_am_register(w, DVM_AM_IDS - 1, see, &s), 0);
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < 4; k++) {
			memset(got, 0, DVM_AM_MAX);
			memset(s.head, 0, sizeof s.head);
			assert_int_equal(dvm_am_send(w, 0, DVM_AM_IDS - 1, head, heads[i], payload,
						     sizes[k]),
					 0);
			assert_int_equal(s.n, ++n);
			assert_true(s.source == 0 && s.head_len == heads[i] && s.len == sizes[k]);
			assert_memory_equal(s.head, head, heads[i]);
			assert_memory_equal(got, payload, sizes[k]);
			assert_true(!s.null[0] == !heads[i] && !s.null[1] == !sizes[k]);
		}
	assert_int_equal(dvm_am_register(w, DVM_AM_IDS - 1, NULL, NULL), 0);
	free(payload);
	free(got);
}

/* Without a handler they are kept, in order, and others overtake them. */
static void kept(void **state)
{
	char payload[8] = "", got[8];
	struct seen a = { .payload = got }, b = { .payload = got };
	dvm_req_t *req = NULL;

	for (char c = 'a'; c < 'd'; c++) {
		payload[0] = c;
		assert_int_equal(dvm_am_send(w, 0, 1, &c, 1, payload, sizeof payload), 0);
	}
	assert_int_equal(dvm_am_isend(w, 0, 1, "d", 1, payload, 0, &req), 0);
	assert_int_equal(dvm_wait(&req, NULL), 0);
	assert_int_equal(dvm_am_register(w, 2, see, &b), 0);
	assert_int_equal(dvm_am_send(w, 0, 2, NULL, 0, payload, 2), 0);
	assert_true(a.n == 0 && b.n == 1);
	assert_int_equal(dvm_am_register(w, 1, see, &a), 0);
	assert_true(a.n == 4 && a.head[0] == 'd' && a.len == 0 && got[0] == 'c');
	assert_int_equal(dvm_am_register(w, 1, NULL, NULL), 0);
	assert_int_equal(dvm_am_send(w, 0, 1, NULL, 0, NULL, 0), 0);
	assert_true(a.n == 4);
}

struct chain {
	int left, depth, deepest, rc[4];
};

/* Sends to itself from within: never nested, never refused. */
static void link_of_chain(dvm_group_t *g, int source, const void *head, size_t head_len,
			  const void *payload, size_t len, void *arg)
{
	struct chain *c = arg;
	dvm_req_t *req;
	int ms;

	c->depth++;
	c->deepest = c->depth > c->deepest ? c->depth : c->deepest;
	if (c->left-- > 0)
		assert_int_equal(dvm_am_send(g, 0, 3, NULL, 0, NULL, 0), 0);
	c->rc[0] = dvm_am_register(g, 9, nothing, NULL);
	c->rc[1] = dvm_am_isend(g, 0, 3, NULL, 0, NULL, 0, &req);
	c->rc[2] = dvm_progress(d, 0);
	c->rc[3] = dvm_arm(d, &ms);
	c->depth--;
}

static void within_a_handler(void **state)
{
	struct chain c = { .left = 1000 };

	assert_int_equal(dvm_am_register(w, 3, link_of_chain, &c), 0);
	assert_int_equal(dvm_am_send(w, 0, 3, NULL, 0, NULL, 0), 0);
	for (int i = 0; c.left >= 0 && i < 5000; i++)
		assert_true(dvm_progress(d, 0) >= 0);
	assert_true(c.left == -1 && c.deepest == 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(c.rc[i], -EBUSY);
}

static void own_loop(void **state)
{
	struct pollfd p = { .fd = dvm_fd(d), .events = POLLIN };
	int ms = -7;

	assert_true(p.fd >= 0);
	assert_int_equal(dvm_fd(d), p.fd);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(dvm_arm(d, &ms), 0);
	assert_true(ms >= -1);
	assert_int_equal(poll(&p, 1, 1), 0);
	assert_int_equal(dvm_progress(d, 0), 0);
	assert_int_equal(dvm_progress(d, 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_arguments),
		cmocka_unit_test(to_oneself),
		cmocka_unit_test(kept),
		cmocka_unit_test(within_a_handler),
		cmocka_unit_test(own_loop),
	};
	return cmocka_run_group_tests(tests, open_handle, close_handle);
}
