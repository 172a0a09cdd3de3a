/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/wire_fixture.h"

uv_loop_t *loop;

static uint64_t view(void *arg)
{
	return 77;
}

static void note(struct node *n, const struct dvmd_sender *from, const struct dvmi_envelope *env,
		 const uint8_t *body, size_t len, struct dvmd_reply_to reply)
{
	uint32_t v;

	n->messages++;
	n->from = from->node;
	n->from_token = from->token != NULL;
	n->last_type = env->type;
	n->last_len = len;
	n->last_reply = reply;
	if (len == sizeof v && !reply.route) {
		memcpy(&v, body, sizeof v);
		if (v != n->last_value + 1)
			n->out_of_order = true;
		n->last_value = v;
	}
}

/* Answers with what it got; a LEAVE with an error. */
static void on_message(const struct dvmd_sender *from, const struct dvmi_envelope *env,
		       const uint8_t *body, size_t len, struct dvmd_reply_to reply, void *arg)
{
	struct node *n = arg;

	note(n, from, env, body, len, reply);
	if (n->halt)
		node_stop(n);
	else if (reply.route && !n->mute && env->type == DVMI_MSG_LEAVE)
		dvmd_transport_reply_error(n->t, reply, -EBUSY, "not %s", "now");
	else if (reply.route && !n->mute)
		dvmd_transport_reply(n->t, reply, DVMI_MSG_OK, body, len);
}

void node_start(struct node *n)
{
	struct dvmd_transport_config config = {
		.loop = loop,
		.address = n->address,
		.port = n->port,
		.public_key = n->pk,
		.secret_key = n->sk,
		.message = on_message,
		.view = view,
		.idle_ns = n->idle_ns,
		.arg = n,
	};
	dvm_error_t err = { 0 };

	int rc = dvmd_transport_create(&n->t, &config, &err);
	if (rc < 0)
		print_message("# %s\n", err.text);
	assert_int_equal(rc, 0);
	n->port = dvmd_transport_port(n->t);
}

void node_make(struct node *n, uint32_t id)
{
	*n = (struct node){ .id = id };
	snprintf(n->address, sizeof n->address, "127.0.7.%u", id);
	crypto_box_keypair(n->pk, n->sk);
	node_start(n);
}

void node_stop(struct node *n)
{
	dvmd_transport_destroy(n->t);
	n->t = NULL;
}

void node_knows(struct node *a, const struct node *b)
{
	assert_int_equal(dvmd_transport_peer_set(a->t, b->id, b->pk, b->address, b->port), 0);
}

void node_introduce(struct node *a, struct node *b)
{
	node_knows(a, b);
	node_knows(b, a);
}

struct dvmd_transport_stats node_stats(const struct node *n)
{
	struct dvmd_transport_stats st;

	dvmd_transport_stats(n->t, &st);
	return st;
}

static void on_tick(uv_timer_t *h)
{
}

static bool turn_until(bool (*done)(void *), void *arg, uint64_t ns)
{
	uint64_t end = dvmi_clock_mono() + ns;
	uv_timer_t tick; /* so that a loop without events turns, too */
	bool ok;

	uv_timer_init(loop, &tick);
	uv_timer_start(&tick, on_tick, 2, 2);
	while (!(ok = done(arg)) && dvmi_clock_mono() < end)
		uv_run(loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(loop, UV_RUN_NOWAIT);
	return ok;
}

bool wait_until(bool (*done)(void *), void *arg)
{
	return turn_until(done, arg, PATIENCE);
}

static bool never(void *arg)
{
	return false;
}

void turn_for(uint64_t ns)
{
	turn_until(never, NULL, ns);
}

void on_answer(int code, const char *text, uint16_t type, const uint8_t *body, size_t len,
	       void *arg)
{
	struct answer *a = arg;

	a->code = code;
	a->calls++;
	a->type = type;
	a->len = len;
	snprintf(a->text, sizeof a->text, "%s", text);
}

bool answered(void *arg)
{
	return ((struct answer *)arg)->calls > 0;
}

struct answer ask(struct node *a, uint32_t id, uint16_t type, uint64_t timeout_ns)
{
	struct answer ans = { 0 };

	int rc = dvmd_transport_request(a->t, id, type, "hello", 5, timeout_ns, on_answer, &ans);
	assert_int_equal(ans.calls, 0); /* never from inside the call */
	if (rc < 0) {
		ans.code = rc;
		return ans;
	}
	assert_true(wait_until(answered, &ans));
	assert_int_equal(ans.calls, 1);
	return ans;
}

int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

int wire_set_up(void **state)
{
	loop = malloc(sizeof *loop);
	return !loop || sodium_init() < 0 || uv_loop_init(loop) < 0 ? -1 : 0;
}

int wire_tear_down(void **state)
{
	uv_run(loop, UV_RUN_NOWAIT);
	uv_run(loop, UV_RUN_NOWAIT);
	int rc = uv_loop_close(loop);
	free(loop);
	return rc;
}

int tcp_listener(const char *address, uint16_t *port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof sa;

	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET, address, &sa.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	*port = ntohs(sa.sin_port);
	return fd;
}

int tcp_connect(const struct node *n)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(n->port) };

	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET, n->address, &sa.sin_addr);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	return fd;
}

bool tcp_closed(int fd)
{
	char junk[256];
	ssize_t n;

	while ((n = recv(fd, junk, sizeof junk, MSG_DONTWAIT)) > 0)
		;
	return n == 0 || (errno != EAGAIN && errno != EINTR);
}
