/* SPDX-License-Identifier: BSD-3-Clause */
/* Several transports in one process and one loop, on addresses of 127/8 and the kernel's ports. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/transport.h"
#include "libdvm/base/clock.h"
#include "tests/unit/cm.h"

#define PATIENCE (10 * DVMI_SEC)

struct node {
	uint32_t id;
	char address[16];
	uint8_t pk[32], sk[32];
	struct dvmd_transport *t;
	uint16_t port;
	/* what was received */
	unsigned messages;
	uint32_t from, last_value;
	bool from_token, in_order, mute;
};

static uv_loop_t *loop;

static uint64_t view(void *arg)
{
	return 77;
}

static void on_message(const struct dvmd_sender *from, const struct dvmi_envelope *env,
		       const uint8_t *body, size_t len, struct dvmd_reply_to reply, void *arg)
{
	struct node *n = arg;

	n->messages++;
	n->from = from->node;
	n->from_token = from->token != NULL;
	assert_int_equal(env->view, 77);
	if (len == sizeof n->last_value) {
		uint32_t v;
		memcpy(&v, body, sizeof v);
		if (v != n->last_value + 1)
			n->in_order = false;
		n->last_value = v;
	}
	if (reply.route && !n->mute) {
		if (env->type == DVMI_MSG_LEAVE)
			dvmd_transport_reply_error(n->t, reply, -EBUSY, "not %s", "now");
		else
			dvmd_transport_reply(n->t, reply, DVMI_MSG_OK, body, len);
	}
}

static void start(struct node *n)
{
	struct dvmd_transport_config config = {
		.loop = loop, .address = n->address, .port = n->port,
		.public_key = n->pk, .secret_key = n->sk,
		.message = on_message, .view = view, .arg = n,
	};
	dvm_error_t err;

	assert_int_equal(dvmd_transport_create(&n->t, &config, &err), 0);
	n->port = dvmd_transport_port(n->t);
	n->in_order = true;
}

static void make(struct node *n, uint32_t id)
{
	*n = (struct node){ .id = id };
	snprintf(n->address, sizeof n->address, "127.0.7.%u", id);
	crypto_box_keypair(n->pk, n->sk);
	start(n);
}

static void knows(struct node *a, const struct node *b)
{
	assert_int_equal(dvmd_transport_peer_set(a->t, b->id, b->pk, b->address, b->port), 0);
}

static void introduce(struct node *a, struct node *b)
{
	knows(a, b);
	knows(b, a);
}

static void stop(struct node *n)
{
	dvmd_transport_destroy(n->t);
	n->t = NULL;
}

/* Turns the loop until *DONE, or fails after the patience. */
static void on_tick(uv_timer_t *h)
{
}

static bool wait_until(bool (*done)(void *), void *arg)
{
	uint64_t end = dvmi_clock_mono() + PATIENCE;
	uv_timer_t tick;
	bool ok = false;

	uv_timer_init(loop, &tick);
	uv_timer_start(&tick, on_tick, 5, 5);
	while (!(ok = done(arg)) && dvmi_clock_mono() < end)
		uv_run(loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(loop, UV_RUN_NOWAIT);
	return ok;
}

struct answer {
	int code, calls;
	uint16_t type;
	char text[64];
	size_t len;
	uint64_t when;
};

static void on_answer(int code, const char *text, uint16_t type, const uint8_t *body, size_t len,
		      void *arg)
{
	struct answer *a = arg;

	a->code = code;
	a->calls++;
	a->type = type;
	a->len = len;
	a->when = dvmi_clock_mono();
	snprintf(a->text, sizeof a->text, "%s", text);
}

static bool answered(void *arg)
{
	return ((struct answer *)arg)->calls > 0;
}

static int ask(struct node *a, uint32_t id, uint16_t type, uint64_t timeout)
{
	struct answer ans = { 0 };

	int rc = dvmd_transport_request(a->t, id, type, "hello", 5, timeout, on_answer, &ans);
	if (rc < 0)
		return rc;
	assert_int_equal(ans.calls, 0);
	assert_true(wait_until(answered, &ans));
	assert_int_equal(ans.calls, 1);
	if (ans.code == 0)
		assert_int_equal(ans.len, 5);
	return ans.code;
}

static int set_up(void **state)
{
	loop = malloc(sizeof *loop);
	return sodium_init() < 0 || uv_loop_init(loop) < 0 ? -1 : 0;
}

/* The loop closes only if every transport has taken all its handles away. */
static int tear_down(void **state)
{
	uv_run(loop, UV_RUN_DEFAULT);
	int rc = uv_loop_close(loop);
	free(loop);
	return rc;
}

static void a_request_is_answered(void **state)
{
	struct node a, b;

	make(&a, 1);
	make(&b, 2);
	introduce(&a, &b);
	assert_int_equal(ask(&a, 2, DVMI_MSG_PROBE, PATIENCE), 0);
	assert_int_equal(b.from, 1);
	assert_int_equal(ask(&b, 1, DVMI_MSG_PROBE, PATIENCE), 0);
	assert_int_equal(ask(&a, 3, DVMI_MSG_PROBE, PATIENCE), -ENOENT);
	stop(&a);
	stop(&b);
}

static void selftest_done(int code, void *arg)
{
	*(int *)arg = code;
}

static bool decided(void *arg)
{
	return *(int *)arg != 1;
}

static void the_self_test_passes(void **state)
{
	struct dvmd_transport_stats st;
	struct node a;
	int code = 1;

	make(&a, 1);
	uint64_t t0 = dvmi_clock_mono();
	assert_int_equal(dvmd_transport_selftest(a.t, selftest_done, &code), 0);
	assert_true(wait_until(decided, &code));
	print_message("# self-test took %llu us\n",
		      (unsigned long long)(dvmi_clock_mono() - t0) / 1000);
	assert_int_equal(code, 0);
	dvmd_transport_stats(a.t, &st);
	assert_int_equal(st.refused, 0);
	stop(&a);
}

static void a_token_joins(void **state)
{
	uint8_t pk[32], sk[32];
	struct answer ans = { 0 };
	struct node a, b;

	make(&a, 1);
	make(&b, 2);
	crypto_box_keypair(pk, sk);
	dvmd_transport_token_allow(a.t, pk);
	assert_int_equal(dvmd_transport_join(b.t, a.address, a.port, a.pk, pk, sk, "hello", 5,
					     PATIENCE, on_answer, &ans),
			 0);
	assert_true(wait_until(answered, &ans));
	assert_int_equal(ans.code, 0);
	assert_int_equal(ans.len, 5);
	assert_true(a.from_token);

	memset(&ans, 0, sizeof ans);
	dvmd_transport_token_drop(a.t, pk);
	assert_int_equal(dvmd_transport_join(b.t, a.address, a.port, a.pk, pk, sk, "hello", 5,
					     PATIENCE, on_answer, &ans),
			 0);
	assert_true(wait_until(answered, &ans));
	assert_int_equal(ans.code, -DVM_EAUTH);
	stop(&a);
	stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_request_is_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_self_test_passes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_token_joins, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
