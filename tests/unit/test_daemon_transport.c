/* SPDX-License-Identifier: BSD-3-Clause */
/* The transport among nodes that mean well; who do not are in test_daemon_hostile.c. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/transport_private.h"
#include "tests/unit/wire_fixture.h"

static void a_request_is_answered(void **state)
{
	struct node a, b;

	node_make(&a, 1);
	node_make(&b, 2);
	node_introduce(&a, &b);
	struct answer ans = ask(&a, 2, DVMI_MSG_PROBE, PATIENCE);
	assert_int_equal(ans.code, 0);
	assert_int_equal(ans.type, DVMI_MSG_OK);
	assert_int_equal(ans.len, 5);
	assert_int_equal(b.from, 1);
	assert_false(b.from_token);
	assert_int_equal(ask(&b, 1, DVMI_MSG_PROBE, PATIENCE).code, 0);
	assert_int_equal(ask(&a, 3, DVMI_MSG_PROBE, PATIENCE).code, -ENOENT);
	assert_int_equal(node_stats(&a).received, 2);
	assert_int_equal(node_stats(&a).sent, 2);
	node_stop(&a);
	node_stop(&b);
}

static void an_error_carries_code_and_text(void **state)
{
	struct node a, b;

	node_make(&a, 1);
	node_make(&b, 2);
	node_introduce(&a, &b);
	struct answer ans = ask(&a, 2, DVMI_MSG_LEAVE, PATIENCE);
	assert_int_equal(ans.code, -EBUSY);
	assert_string_equal(ans.text, "not now");
	node_stop(&a);
	node_stop(&b);
}

static void a_node_may_speak_to_itself(void **state)
{
	struct node a;

	node_make(&a, 1);
	node_knows(&a, &a);
	assert_int_equal(ask(&a, 1, DVMI_MSG_PROBE, PATIENCE).code, 0);
	assert_int_equal(a.from, 1);
	assert_int_equal(a.messages, 1);
	struct answer ans = ask(&a, 1, DVMI_MSG_LEAVE, PATIENCE);
	assert_int_equal(ans.code, -EBUSY);
	assert_string_equal(ans.text, "not now");
	a.mute = true;
	assert_int_equal(ask(&a, 1, DVMI_MSG_PROBE, 20 * DVMI_MSEC).code, -ETIMEDOUT);
	ans = (struct answer){ 0 };
	assert_int_equal(
		dvmd_transport_request(a.t, 1, DVMI_MSG_PROBE, NULL, 0, PATIENCE, on_answer, &ans),
		0);
	dvmd_transport_peer_drop(a.t, 1);
	assert_true(wait_until(answered, &ans));
	assert_int_equal(ans.code, -DVM_EPEERLOST);
	assert_int_equal(ask(&a, 1, DVMI_MSG_PROBE, PATIENCE).code, -ENOENT);
	node_stop(&a);
}

struct expected {
	struct node *n;
	uint32_t value;
};

static bool got_value(void *arg)
{
	struct expected *e = arg;

	return e->n->last_value == e->value;
}

static bool stopped(void *arg)
{
	return ((struct node *)arg)->t == NULL;
}

/* In order, bounded, and the node may end while it listens to itself. */
static void a_queue_of_ones_own(void **state)
{
	struct node a;
	uint32_t i = 0;
	int rc;

	node_make(&a, 1);
	node_knows(&a, &a);
	do {
		i++;
		rc = dvmd_transport_send(a.t, 1, DVMI_MSG_SWIM, &i, sizeof i);
	} while (rc == 0 && i < 100000);
	assert_int_equal(rc, -EAGAIN);
	assert_true(i > 500);
	assert_int_equal(a.messages, 0);
	assert_true(wait_until(got_value, &(struct expected){ &a, i - 1 }));
	assert_false(a.out_of_order);
	a.halt = true;
	a.messages = 0;
	for (i = 0; i < 3; i++)
		assert_int_equal(dvmd_transport_send(a.t, 1, DVMI_MSG_SWIM, "x", 1), 0);
	assert_true(wait_until(stopped, &a));
	assert_int_equal(a.messages, 1);
}

#define MANY 5000

static bool all_arrived(void *arg)
{
	return ((struct node *)arg)->last_value == MANY;
}

/* More than the queue holds: the sender waits when it is told to. */
static void one_way_messages_keep_their_order(void **state)
{
	struct node a, b;
	unsigned full = 0;

	node_make(&a, 1);
	node_make(&b, 2);
	node_introduce(&a, &b);
	for (uint32_t i = 1; i <= MANY;) {
		int rc = dvmd_transport_send(a.t, 2, DVMI_MSG_SWIM, &i, sizeof i);
		if (rc == 0) {
			i++;
			continue;
		}
		assert_int_equal(rc, -EAGAIN);
		full++;
		uv_run(loop, UV_RUN_NOWAIT);
	}
	assert_true(wait_until(all_arrived, &b));
	assert_int_equal(b.messages, MANY);
	assert_false(b.out_of_order);
	assert_int_equal(node_stats(&a).dropped, full);
	node_stop(&a);
	node_stop(&b);
}

static void a_body_of_the_largest_size_arrives(void **state)
{
	static uint8_t body[DVMI_BODY_MAX + 1];
	struct answer ans = { 0 };
	struct node a, b;

	node_make(&a, 1);
	node_make(&b, 2);
	node_introduce(&a, &b);
	assert_int_equal(dvmd_transport_send(a.t, 2, DVMI_MSG_SWIM, body, DVMI_BODY_MAX + 1),
			 -EMSGSIZE);
	assert_int_equal(dvmd_transport_request(a.t, 2, DVMI_MSG_PROBE, body, DVMI_BODY_MAX,
						PATIENCE, on_answer, &ans),
			 0);
	assert_true(wait_until(answered, &ans));
	assert_int_equal(ans.code, 0);
	assert_int_equal(ans.len, DVMI_BODY_MAX);
	node_stop(&a);
	node_stop(&b);
}

static void a_request_times_out(void **state)
{
	struct node a, b;

	node_make(&a, 1);
	node_make(&b, 2);
	node_introduce(&a, &b);
	b.mute = true;
	uint64_t t0 = dvmi_clock_mono();
	assert_int_equal(ask(&a, 2, DVMI_MSG_PROBE, 100 * DVMI_MSEC).code, -ETIMEDOUT);
	assert_true(dvmi_clock_mono() - t0 >= 99 * DVMI_MSEC);
	/* An answer that comes too late is nobody's. */
	dvmd_transport_reply(b.t, b.last_reply, DVMI_MSG_OK, NULL, 0);
	b.mute = false;
	assert_int_equal(ask(&a, 2, DVMI_MSG_PROBE, PATIENCE).code, 0);
	node_stop(&a);
	node_stop(&b);
}

static bool got_message(void *arg)
{
	return ((struct node *)arg)->messages > 0;
}

/* Starts a request that B gets and does not answer. */
static void ask_in_vain(struct node *a, struct node *b, struct answer *ans)
{
	*ans = (struct answer){ 0 };
	b->mute = true;
	b->messages = 0;
	assert_int_equal(dvmd_transport_request(a->t, b->id, DVMI_MSG_PROBE, NULL, 0, PATIENCE,
						on_answer, ans),
			 0);
	assert_true(wait_until(got_message, b));
	assert_int_equal(ans->calls, 0);
}

static void requests_fail_when_a_peer_is_down(void **state)
{
	struct answer ans;
	struct node a, b;

	node_make(&a, 1);
	node_make(&b, 2);
	node_introduce(&a, &b);
	ask_in_vain(&a, &b, &ans);
	dvmd_transport_peer_down(a.t, 2);
	assert_int_equal(ans.calls, 0);
	assert_true(wait_until(answered, &ans));
	assert_int_equal(ans.code, -DVM_EPEERLOST);
	b.mute = false;
	assert_int_equal(ask(&a, 2, DVMI_MSG_PROBE, PATIENCE).code, 0);
	node_stop(&a);
	node_stop(&b);
}

static void requests_fail_when_a_peer_dies(void **state)
{
	struct answer ans;
	struct node a, b;

	node_make(&a, 1);
	node_make(&b, 2);
	node_introduce(&a, &b);
	ask_in_vain(&a, &b, &ans);
	uint64_t t0 = dvmi_clock_mono();
	node_stop(&b);
	assert_true(wait_until(answered, &ans));
	assert_int_equal(ans.code, -DVM_EPEERLOST);
	assert_true(dvmi_clock_mono() - t0 < PATIENCE / 2);
	node_stop(&a);
}

/* libzmq has something to read for the node's requests; asked so, it looks at the message. */
static void wait_for_readable(struct node *n)
{
	uint64_t end = dvmi_clock_mono() + PATIENCE;
	int events = 0;
	size_t len = sizeof events;

	while (!(events & ZMQ_POLLIN) && dvmi_clock_mono() < end) {
		usleep(1000);
		zmq_getsockopt(n->t->peers.socket, ZMQ_EVENTS, &events, &len);
	}
	assert_true(events & ZMQ_POLLIN);
}

/* An answer has been looked at, and not been read, when a connection ends: its own, or another's. */
static void an_answer_is_there_when_a_peer_goes(void **state)
{
	struct node a, b, c;
	struct answer from_b = { 0 }, from_c = { 0 };

	node_make(&a, 1);
	node_make(&b, 2);
	node_make(&c, 3);
	node_introduce(&a, &b);
	node_introduce(&a, &c);
	ask_in_vain(&a, &c, &from_c);
	ask_in_vain(&a, &b, &from_b);
	dvmd_transport_reply(c.t, c.last_reply, DVMI_MSG_OK, NULL, 0);
	wait_for_readable(&a);
	dvmd_transport_peer_drop(a.t, 2);
	assert_true(wait_until(answered, &from_c));
	assert_int_equal(from_c.code, 0);
	assert_true(wait_until(answered, &from_b));
	assert_int_equal(from_b.code, -DVM_EPEERLOST);

	c.messages = 0;
	from_c = (struct answer){ 0 };
	ask_in_vain(&a, &c, &from_c);
	dvmd_transport_reply(c.t, c.last_reply, DVMI_MSG_OK, NULL, 0);
	wait_for_readable(&a);
	dvmd_transport_peer_drop(a.t, 3);
	/* The rest of the message must not be looked for in the next connection. */
	node_knows(&a, &c);
	assert_int_equal(dvmd_transport_send(a.t, 3, DVMI_MSG_SWIM, "x", 1), 0);
	assert_true(wait_until(answered, &from_c));
	assert_int_equal(from_c.code, -DVM_EPEERLOST);
	node_stop(&a);
	node_stop(&b);
	node_stop(&c);
}

static void requests_are_cancelled_with_the_transport(void **state)
{
	uint8_t key[32] = { 9 };
	struct answer ans, join = { 0 };
	struct node a, b;

	node_make(&a, 1);
	node_make(&b, 2);
	node_introduce(&a, &b);
	ask_in_vain(&a, &b, &ans);
	assert_int_equal(dvmd_transport_join(a.t, b.address, b.port, b.pk, key, key, NULL, 0,
					     PATIENCE, on_answer, &join),
			 0);
	node_stop(&a);
	assert_int_equal(ans.code, -ECANCELED);
	assert_int_equal(join.code, -ECANCELED);
	assert_int_equal(join.calls, 1);
	/* An answer to one that has gone is not an error. */
	dvmd_transport_reply(b.t, b.last_reply, DVMI_MSG_OK, NULL, 0);
	node_stop(&b);
}

struct reach {
	struct node *from;
	struct answer ans;
	bool asked;
};

/* Asks until it is answered, as a failure detector would. */
static bool reached(void *arg)
{
	struct reach *r = arg;

	if (r->asked && !r->ans.calls)
		return false;
	if (r->ans.calls && r->ans.code == 0)
		return true;
	r->ans = (struct answer){ 0 };
	r->asked = dvmd_transport_request(r->from->t, 2, DVMI_MSG_PROBE, NULL, 0, 5 * DVMI_SEC,
					  on_answer, &r->ans) == 0;
	return false;
}

static void a_restarted_peer_is_reached_again(void **state)
{
	struct reach r = { 0 };
	struct node a, b;

	node_make(&a, 1);
	node_make(&b, 2);
	node_introduce(&a, &b);
	assert_int_equal(ask(&a, 2, DVMI_MSG_PROBE, PATIENCE).code, 0);
	node_stop(&b);
	/* Long enough for the pauses between attempts to have grown. */
	assert_int_equal(ask(&a, 2, DVMI_MSG_PROBE, 100 * DVMI_MSEC).code < 0, 1);
	assert_int_equal(dvmd_transport_send(a.t, 2, DVMI_MSG_SWIM, NULL, 0), 0);
	turn_for(1500 * DVMI_MSEC);
	node_start(&b);
	node_knows(&b, &a);
	uint64_t t0 = dvmi_clock_mono();
	r.from = &a;
	assert_true(wait_until(reached, &r));
	uint64_t took = dvmi_clock_mono() - t0;
	print_message("# reached again after %llu ms\n", (unsigned long long)(took / DVMI_MSEC));
	assert_true(took < 4 * DVMI_SEC); /* 0.2 s on an idle host */
	node_stop(&a);
	node_stop(&b);
}

static bool some_sent(void *arg)
{
	return node_stats(arg).received > 0;
}

/* What is queued for a peer that is down is not delivered to the one that comes later. */
static void a_peer_marked_down_gets_nothing_stale(void **state)
{
	struct node a, b;

	node_make(&a, 1);
	node_make(&b, 2);
	node_introduce(&a, &b);
	node_stop(&b);
	assert_int_equal(dvmd_transport_send(a.t, 2, DVMI_MSG_HALT_NODES, NULL, 0), 0);
	dvmd_transport_peer_down(a.t, 2);
	node_start(&b);
	node_knows(&b, &a);
	assert_int_equal(ask(&a, 2, DVMI_MSG_PROBE, PATIENCE).code, 0);
	assert_int_equal(b.messages, 1);
	assert_int_equal(b.last_type, DVMI_MSG_PROBE);
	assert_true(some_sent(&b));
	node_stop(&a);
	node_stop(&b);
}

/* A request that timed out before there was a connection must not be carried out later. */
static void a_request_that_timed_out_is_not_delivered(void **state)
{
	struct node a, b;

	node_make(&a, 1);
	node_make(&b, 2);
	node_introduce(&a, &b);
	node_stop(&b);
	b.messages = 0;
	assert_int_equal(ask(&a, 2, DVMI_MSG_LAUNCH, 50 * DVMI_MSEC).code, -ETIMEDOUT);
	node_start(&b);
	node_knows(&b, &a);
	assert_int_equal(ask(&a, 2, DVMI_MSG_PROBE, PATIENCE).code, 0);
	assert_int_equal(b.messages, 1);
	node_stop(&a);
	node_stop(&b);
}

static void a_full_queue_is_reported(void **state)
{
	struct node a, ghost = { .id = 2, .address = "127.0.7.2" };
	unsigned sent = 0;
	int rc;

	node_make(&a, 1);
	int fd = tcp_listener(ghost.address, &ghost.port); /* accepts, and never says a word */
	node_knows(&a, &ghost);
	while ((rc = dvmd_transport_send(a.t, 2, DVMI_MSG_SWIM, "x", 1)) == 0 && sent < 100000)
		sent++;
	assert_int_equal(rc, -EAGAIN);
	print_message("# %u messages queued\n", sent);
	assert_true(sent >= 500 && sent <= 2048);
	node_stop(&a);
	close(fd);
}

static void connections_come_from_the_configured_address(void **state)
{
	struct node a, ghost = { .id = 2, .address = "127.0.7.2" };
	struct sockaddr_in sa;
	socklen_t len = sizeof sa;
	char text[32];
	int fd = -1;

	node_make(&a, 1);
	int listener = tcp_listener(ghost.address, &ghost.port);
	node_knows(&a, &ghost);
	assert_int_equal(dvmd_transport_send(a.t, 2, DVMI_MSG_SWIM, NULL, 0), 0);
	for (int i = 0; i < 1000 && fd < 0; i++) {
		turn_for(2 * DVMI_MSEC);
		fd = accept(listener, (struct sockaddr *)&sa, &len);
	}
	assert_true(fd >= 0);
	inet_ntop(AF_INET, &sa.sin_addr, text, sizeof text);
	assert_string_equal(text, a.address);
	node_stop(&a);
	close(fd);
	close(listener);
}

static void a_new_key_at_an_old_address_takes_over(void **state)
{
	struct node a, b, c;

	node_make(&a, 1);
	node_make(&b, 2);
	node_introduce(&a, &b);
	assert_int_equal(ask(&a, 2, DVMI_MSG_PROBE, PATIENCE).code, 0);
	c = b;
	node_stop(&b);
	c.id = 3;
	c.t = NULL;
	crypto_box_keypair(c.pk, c.sk);
	node_start(&c);
	node_introduce(&a, &c);
	assert_int_equal(ask(&a, 3, DVMI_MSG_PROBE, PATIENCE).code, 0);
	assert_int_equal(ask(&c, 1, DVMI_MSG_PROBE, PATIENCE).code, 0);
	assert_int_equal(a.from, 3);
	/* The old member is still known, and is not at home. */
	assert_true(ask(&a, 2, DVMI_MSG_PROBE, 200 * DVMI_MSEC).code < 0);
	assert_int_equal(ask(&a, 3, DVMI_MSG_PROBE, PATIENCE).code, 0);
	/* A member's key cannot become another's. */
	assert_int_equal(dvmd_transport_peer_set(a.t, 4, c.pk, c.address, c.port), -EEXIST);
	node_stop(&a);
	node_stop(&c);
}

static void a_member_may_change_its_key(void **state)
{
	struct node a, b;
	uint8_t old[32];

	node_make(&a, 1);
	node_make(&b, 2);
	node_introduce(&a, &b);
	assert_int_equal(ask(&b, 1, DVMI_MSG_PROBE, PATIENCE).code, 0);
	node_stop(&b);
	memcpy(old, b.pk, 32);
	crypto_box_keypair(b.pk, b.sk);
	node_start(&b);
	node_introduce(&a, &b);
	assert_int_equal(ask(&b, 1, DVMI_MSG_PROBE, PATIENCE).code, 0);
	assert_int_equal(ask(&a, 2, DVMI_MSG_PROBE, PATIENCE).code, 0);
	assert_int_equal(a.from, 2);
	/* The old one is free again. */
	assert_int_equal(dvmd_transport_peer_set(a.t, 5, old, "127.0.7.5", 1), 0);
	node_stop(&a);
	node_stop(&b);
}

static void a_transport_may_go_inside_its_callback(void **state)
{
	struct node a, b;

	node_make(&a, 1);
	node_make(&b, 2);
	node_introduce(&a, &b);
	b.halt = true;
	assert_int_equal(ask(&a, 2, DVMI_MSG_PROBE, PATIENCE).code, -DVM_EPEERLOST);
	assert_null(b.t);
	node_stop(&a);
}

static bool all_threads_have(int nice)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *d;
	bool ok = true;
	int threads = 0;

	while ((d = readdir(dir)))
		if (*d->d_name != '.') {
			threads++;
			ok &= getpriority(PRIO_PROCESS, (id_t)atoi(d->d_name)) == nice;
		}
	closedir(dir);
	return ok && threads > 1;
}

/* As dvmd does: favoured, but not its children; to the kernel libzmq's threads are children, too. */
static void its_threads_are_as_urgent(void **state)
{
	const struct sched_param param = { 0 };
	struct node a;

	if (sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &param) < 0 ||
	    setpriority(PRIO_PROCESS, 0, -5) < 0)
		skip();
	node_make(&a, 1);
	bool all = all_threads_have(-5);
	node_stop(&a);
	setpriority(PRIO_PROCESS, 0, 0);
	assert_true(all);
}

struct flood {
	struct node *from;
	uint64_t last, longest;
	unsigned ticks;
};

static void on_flood_tick(uv_timer_t *h)
{
	struct flood *f = h->data;
	uint64_t now = dvmi_clock_mono();

	if (f->last && now - f->last > f->longest)
		f->longest = now - f->last;
	f->last = now;
	f->ticks++;
	for (int i = 0; i < 1000; i++)
		dvmd_transport_send(f->from->t, 2, DVMI_MSG_SWIM, "x", 1);
}

static bool enough_ticks(void *arg)
{
	return ((struct flood *)arg)->ticks >= 200;
}

/* One peer that sends as fast as it can does not keep the loop's timers from their turn. */
static void a_flood_does_not_starve_the_loop(void **state)
{
	struct flood f = { 0 };
	struct node a, b;
	uv_timer_t timer;

	node_make(&a, 1);
	node_make(&b, 2);
	node_introduce(&a, &b);
	f.from = &a;
	uv_timer_init(loop, &timer);
	timer.data = &f;
	uv_timer_start(&timer, on_flood_tick, 1, 1);
	assert_true(wait_until(enough_ticks, &f));
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(loop, UV_RUN_NOWAIT);
	print_message("# %u messages, longest turn %llu us\n", b.messages,
		      (unsigned long long)f.longest / 1000);
	assert_true(b.messages > 1000);
	node_stop(&a);
	node_stop(&b);
}

static bool fewer_descriptors(void *arg)
{
	return open_descriptors() < *(int *)arg;
}

static void an_idle_connection_is_closed(void **state)
{
	struct node a = { .id = 1, .address = "127.0.7.1", .idle_ns = 100 * DVMI_MSEC }, b;

	crypto_box_keypair(a.pk, a.sk);
	node_start(&a);
	node_make(&b, 2);
	node_introduce(&a, &b);
	assert_int_equal(ask(&a, 2, DVMI_MSG_PROBE, PATIENCE).code, 0);
	int connected = open_descriptors();
	assert_true(wait_until(fewer_descriptors, &connected));
	/* One with a request under way is not idle, and an idle one is made again. */
	struct answer ans;
	ask_in_vain(&a, &b, &ans);
	turn_for(400 * DVMI_MSEC);
	assert_int_equal(ans.calls, 0);
	dvmd_transport_reply(b.t, b.last_reply, DVMI_MSG_OK, NULL, 0);
	assert_true(wait_until(answered, &ans));
	assert_int_equal(ans.code, 0);
	node_stop(&a);
	node_stop(&b);
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
	struct node a;
	int code = 1;

	node_make(&a, 1);
	uint64_t t0 = dvmi_clock_mono();
	assert_int_equal(dvmd_transport_selftest(a.t, selftest_done, &code), 0);
	assert_true(wait_until(decided, &code));
	print_message("# self-test took %llu us\n",
		      (unsigned long long)(dvmi_clock_mono() - t0) / 1000);
	assert_int_equal(code, 0);
	assert_int_equal(node_stats(&a).refused, 0);

	code = 1;
	assert_int_equal(dvmd_transport_selftest(a.t, selftest_done, &code), 0);
	node_stop(&a);
	assert_int_equal(code, -ECANCELED);
}

#define SHORT_HANDSHAKE 100

static bool short_handshakes;

int __real_zmq_setsockopt(void *socket, int option, const void *value, size_t len);
int __wrap_zmq_setsockopt(void *socket, int option, const void *value, size_t len);

int __wrap_zmq_setsockopt(void *socket, int option, const void *value, size_t len)
{
	int ms = SHORT_HANDSHAKE;

	if (short_handshakes && option == ZMQ_HANDSHAKE_IVL)
		value = &ms;
	return __real_zmq_setsockopt(socket, option, value, len);
}

/* The daemon stands still for longer than libzmq gives a handshake: nobody was let in by that. */
static void the_self_test_outlasts_a_halt(void **state)
{
	struct node a;
	int code = 1;

	short_handshakes = true;
	node_make(&a, 1);
	assert_int_equal(dvmd_transport_selftest(a.t, selftest_done, &code), 0);
	usleep(3 * SHORT_HANDSHAKE * 1000);
	assert_true(wait_until(decided, &code));
	short_handshakes = false;
	node_stop(&a);
	assert_int_equal(code, 0);
}

static int try_bind(const char *address, uint16_t port, dvm_error_t *err)
{
	uint8_t pk[32], sk[32];
	struct dvmd_transport *t;
	struct dvmd_transport_config config = {
		.loop = loop, .address = address, .port = port, .public_key = pk, .secret_key = sk
	};

	crypto_box_keypair(pk, sk);
	int rc = dvmd_transport_create(&t, &config, err);
	if (rc == 0)
		dvmd_transport_destroy(t);
	return rc;
}

static void what_cannot_be_bound_is_said(void **state)
{
	char who[64];
	dvm_error_t err;
	struct node a;

	node_make(&a, 1);
	assert_int_equal(try_bind(a.address, a.port, &err), -EADDRINUSE);
	snprintf(who, sizeof who, "(pid %d)", getpid());
	print_message("# %s\n", err.text);
	assert_non_null(strstr(err.text, "127.0.7.1"));
	assert_non_null(strstr(err.text, who));
	assert_int_equal(try_bind("203.0.113.1", 0, &err), -EADDRNOTAVAIL);
	assert_non_null(strstr(err.text, "203.0.113.1"));
	assert_int_equal(try_bind("localhost", 0, &err), -EINVAL);
	assert_int_equal(try_bind("0.0.0.0", 0, &err), -EINVAL);
	assert_int_equal(try_bind("::", 0, &err), -EINVAL);
	assert_int_equal(try_bind("127.0.0.1;127.0.0.2", 0, &err), -EINVAL);
	assert_int_equal(try_bind("127.0.7.9", 0, &err), 0);
	node_stop(&a);
}

static void ipv6_works_alike(void **state)
{
	struct node a, b;
	dvm_error_t err;

	if (try_bind("::1", 0, &err) < 0)
		skip();
	a = (struct node){ .id = 1, .address = "::1" };
	b = (struct node){ .id = 2, .address = "0:0::1" };
	crypto_box_keypair(a.pk, a.sk);
	crypto_box_keypair(b.pk, b.sk);
	node_start(&a);
	node_start(&b);
	node_introduce(&a, &b);
	assert_int_equal(ask(&a, 2, DVMI_MSG_PROBE, PATIENCE).code, 0);
	assert_int_equal(ask(&b, 1, DVMI_MSG_PROBE, PATIENCE).code, 0);
	struct answer ans;
	ask_in_vain(&a, &b, &ans);
	node_stop(&b);
	assert_true(wait_until(answered, &ans));
	assert_int_equal(ans.code, -DVM_EPEERLOST);
	assert_int_equal(try_bind("::1", a.port, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "(pid "));
	node_stop(&a);
}

#define T(f) cmocka_unit_test_setup_teardown(f, wire_set_up, wire_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_request_is_answered),
		T(an_error_carries_code_and_text),
		T(a_node_may_speak_to_itself),
		T(a_queue_of_ones_own),
		T(one_way_messages_keep_their_order),
		T(a_body_of_the_largest_size_arrives),
		T(a_request_times_out),
		T(requests_fail_when_a_peer_is_down),
		T(requests_fail_when_a_peer_dies),
		T(an_answer_is_there_when_a_peer_goes),
		T(requests_are_cancelled_with_the_transport),
		T(a_restarted_peer_is_reached_again),
		T(a_peer_marked_down_gets_nothing_stale),
		T(a_request_that_timed_out_is_not_delivered),
		T(a_full_queue_is_reported),
		T(connections_come_from_the_configured_address),
		T(a_new_key_at_an_old_address_takes_over),
		T(a_member_may_change_its_key),
		T(a_transport_may_go_inside_its_callback),
		T(its_threads_are_as_urgent),
		T(a_flood_does_not_starve_the_loop),
		T(an_idle_connection_is_closed),
		T(the_self_test_passes),
		T(the_self_test_outlasts_a_halt),
		T(what_cannot_be_bound_is_said),
		T(ipv6_works_alike),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
