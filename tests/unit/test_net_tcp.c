/* SPDX-License-Identifier: BSD-3-Clause */
/* Several ranks' TCP transports in one process, and strangers that connect to them. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "libdvm/net/tcp_private.h"
#include "tests/unit/cm.h"

enum { RANKS = 3, KEY = 4711, BIG = 100000 };

#define SOON (10 * DVMI_SEC)

struct rank {
	struct scene *s;
	struct dvmi_tport *t;
	uint32_t id;
	uint32_t got[RANKS]; /* packets, which count up in their tags */
	uint64_t bytes[RANKS];
	int down[RANKS];
	bool refuses; /* the sink */
};

struct scene {
	struct rank r[RANKS];
	uint8_t addr[RANKS][DVMI_REMOTE_ADDR_MAX];
	size_t addr_len[RANKS];
	bool looked_up[RANKS][RANKS];
	uint32_t port_low, port_high;
	const char *interface;
};

static int on_packet(void *arg, uint32_t src, const struct dvmi_pkt *pkt, const void *payload)
{
	struct rank *r = arg;

	if (r->refuses)
		return -EAGAIN;
	for (uint32_t i = 0; i < pkt->len; i += 997)
		assert_int_equal(((const uint8_t *)payload)[i], (uint8_t)pkt->ctx);
	if (pkt->kind != DVMI_PKT_DATA)
		assert_int_equal(pkt->tag, r->got[src]++);
	r->bytes[src] += pkt->len;
	return 0;
}

static void on_down(void *arg, uint32_t peer, int code)
{
	((struct rank *)arg)->down[peer] = code;
}

static int publish(void *arg, const void *addr, size_t len)
{
	struct rank *r = arg;

	memcpy(r->s->addr[r->id], addr, len);
	r->s->addr_len[r->id] = len;
	return 0;
}

static int lookup(void *arg, uint32_t peer)
{
	struct rank *r = arg;

	r->s->looked_up[r->id][peer] = true;
	return 0;
}

/* The shepherds: who is looked up is wanted, and its address goes to whoever looked it up. */
static void shepherds(struct scene *s)
{
	for (uint32_t a = 0; a < RANKS; a++)
		for (uint32_t b = 0; b < RANKS; b++) {
			if (!s->looked_up[a][b] || !s->r[b].t)
				continue;
			if (!s->addr_len[b])
				dvmi_remote_wanted(s->r[b].t);
			if (!s->addr_len[b])
				continue;
			s->looked_up[a][b] = false;
			dvmi_remote_address(s->r[a].t, b, 0, s->addr[b], s->addr_len[b]);
		}
}

static void progress(struct scene *s)
{
	shepherds(s);
	for (int i = 0; i < RANKS; i++)
		if (s->r[i].t)
			s->r[i].t->ops->progress(s->r[i].t);
}

static void open_rank(struct scene *s, uint32_t id)
{
	struct rank *r = &s->r[id];
	struct dvmi_remote_config cfg = {
		.interface = s->interface ? s->interface : "127.0.0.1",
		.port_low = s->port_low,
		.port_high = s->port_high,
		.key = KEY,
		.self = id,
		.size = RANKS,
		.sink = { .packet = on_packet, .down = on_down, .arg = r },
		.publish = publish,
		.lookup = lookup,
		.arg = r,
	};
	static struct dvmi_log quiet;

	cfg.log = &quiet;
	*r = (struct rank){ .s = s, .id = id };
	assert_int_equal(dvmi_tcp_create(&r->t, &cfg), 0);
}

static void open_all(struct scene *s)
{
	for (uint32_t i = 0; i < RANKS; i++)
		open_rank(s, i);
}

static void close_rank(struct scene *s, uint32_t id)
{
	dvmi_tport_destroy(s->r[id].t);
	s->r[id].t = NULL;
}

static void close_all(struct scene *s)
{
	for (uint32_t i = 0; i < RANKS; i++)
		close_rank(s, i);
}

static int send_one(struct scene *s, uint32_t from, uint32_t to, int32_t number, uint32_t len)
{
	static uint8_t bytes[BIG];
	struct dvmi_pkt pkt = { .kind = len > EAGER_MAX ? DVMI_PKT_DATA : DVMI_PKT_EAGER,
				.ctx = 5,
				.tag = number,
				.len = len };

	memset(bytes, 5, len);
	return s->r[from].t->ops->send(s->r[from].t, to, &pkt, bytes);
}

static void must_send(struct scene *s, uint32_t from, uint32_t to, int32_t number, uint32_t len)
{
	uint64_t end = dvmi_clock_mono() + SOON;
	int rc;

	while ((rc = send_one(s, from, to, number, len)) == -EAGAIN) {
		assert_true(dvmi_clock_mono() < end);
		progress(s);
	}
	assert_int_equal(rc, 0);
}

#define UNTIL(s, cond)                                                                             \
	do {                                                                                       \
		uint64_t end_ = dvmi_clock_mono() + SOON;                                          \
		while (!(cond)) {                                                                  \
			assert_true(dvmi_clock_mono() < end_);                                     \
			progress(s);                                                               \
		}                                                                                  \
	} while (0)

static struct tcp *tcp_at(struct scene *s, uint32_t id)
{
	return (struct tcp *)s->r[id].t;
}

static void calls_cross(void **state)
{
	for (int round = 0; round < 50; round++) {
		struct scene s = { 0 };
		open_all(&s);
		/* All addresses are known before anybody calls; then all do at once. */
		for (uint32_t a = 0; a < RANKS; a++)
			for (uint32_t b = 0; b < RANKS; b++)
				if (a != b)
					dvmi_remote_likely(s.r[a].t, b);
		shepherds(&s);
		shepherds(&s);
		for (uint32_t a = 0; a < RANKS; a++)
			for (uint32_t b = 0; b < RANKS; b++)
				if (a != b)
					assert_int_equal(send_one(&s, a, b, 0, 8), -EAGAIN);
		for (int i = 0; i < 20; i++)
			for (uint32_t a = 0; a < RANKS; a++)
				for (uint32_t b = 0; b < RANKS; b++)
					if (a != b)
						must_send(&s, a, b, i, (uint32_t)(i * 700));
		for (uint32_t a = 0; a < RANKS; a++)
			for (uint32_t b = 0; b < RANKS; b++)
				UNTIL(&s, a == b || s.r[a].got[b] == 20);
		for (uint32_t a = 0; a < RANKS; a++)
			assert_int_equal(tcp_at(&s, a)->nlinks, RANKS - 1);
		close_all(&s);
	}
}

static void connect_two(struct scene *s)
{
	open_all(s);
	must_send(s, 0, 1, 0, 8);
	UNTIL(s, s->r[1].got[0] == 1);
}

/* Only the receiver moves from here on. */
static void receive_alone(struct scene *s, uint32_t count)
{
	uint64_t end = dvmi_clock_mono() + SOON;

	while (s->r[1].got[0] < count) {
		assert_true(dvmi_clock_mono() < end);
		s->r[1].t->ops->progress(s->r[1].t);
	}
}

static void lone_packets_go_at_once(void **state)
{
	struct scene s = { 0 };

	connect_two(&s);
	for (uint32_t i = 1; i < 50; i++) {
		assert_int_equal(send_one(&s, 0, 1, (int32_t)i, 8), 0);
		receive_alone(&s, i + 1);
		s.r[0].t->ops->progress(s.r[0].t);
	}
	assert_false(tcp_at(&s, 0)->flusher.on);
	close_all(&s);
}

/* What a burst leaves behind goes though its sender calls nothing more. */
static void bursts_go_by_themselves(void **state)
{
	struct scene s = { 0 };
	uint32_t n = 1;

	connect_two(&s);
	for (int burst = 0; burst < 20; burst++) {
		for (int i = 0; i < 3 + 40 * burst; i++)
			assert_int_equal(send_one(&s, 0, 1, (int32_t)n++, 8), 0);
		receive_alone(&s, n);
	}
	assert_true(tcp_at(&s, 0)->flusher.on);
	close_all(&s);
}

static void what_is_held_stays_in_order(void **state)
{
	struct scene s = { 0 };
	uint32_t n = 1;

	connect_two(&s);
	for (int i = 0; i < 2000; i++) {
		must_send(&s, 0, 1, (int32_t)n++, (uint32_t)(i * 7919 % 300));
		if (i % 50 == 0)
			must_send(&s, 0, 1, (int32_t)n++, 12000);
		if (i % 300 == 0)
			must_send(&s, 0, 1, 0, BIG);
		if (i % 77 == 0)
			progress(&s);
	}
	UNTIL(&s, s.r[1].got[0] == n);
	close_all(&s);
}

/* Whoever does not read cannot make us keep more than a little. */
static void a_full_socket_says_so(void **state)
{
	struct scene s = { 0 };
	uint64_t sent = 8, n = 0;

	connect_two(&s);
	while (send_one(&s, 0, 1, 0, BIG) == 0) {
		sent += BIG;
		assert_true(++n < 1000);
	}
	assert_in_range(tcp_at(&s, 0)->peers[1].out_len, 1, OUT_ROOM);
	UNTIL(&s, s.r[1].bytes[0] == sent);
	close_all(&s);
}

static void a_sink_that_refuses_loses_nothing(void **state)
{
	struct scene s = { 0 };

	connect_two(&s);
	s.r[1].refuses = true;
	for (int32_t i = 1; i < 30; i++)
		must_send(&s, 0, 1, i, 3000);
	UNTIL(&s, tcp_at(&s, 1)->nstuck == 1);
	struct pollfd fds[2];
	assert_int_equal(s.r[1].t->ops->arm(s.r[1].t, fds, 2), -ENOTSUP);
	s.r[1].t->ops->disarm(s.r[1].t);
	assert_int_equal(s.r[1].t->ops->drain(s.r[1].t, 0, true), -EAGAIN);
	assert_int_equal(s.r[1].got[0], 1);
	s.r[1].refuses = false;
	UNTIL(&s, s.r[1].got[0] == 30);
	assert_int_equal(tcp_at(&s, 1)->nstuck, 0);
	close_all(&s);
}

/* Who was woken finds out by whom in one look, whoever was busy before. */
static void the_woken_find_what_woke_them(void **state)
{
	struct scene s = { 0 };
	struct pollfd fd;

	connect_two(&s);
	must_send(&s, 2, 1, 0, 8);
	UNTIL(&s, s.r[1].got[2] == 1);
	for (int32_t i = 1; i < 8; i++) {
		must_send(&s, 0, 1, i, 8);
		UNTIL(&s, s.r[1].got[0] == (uint32_t)i + 1);
		assert_ptr_equal(tcp_at(&s, 1)->hot, &tcp_at(&s, 1)->peers[0]);
		assert_int_equal(s.r[1].t->ops->arm(s.r[1].t, &fd, 1), 1);
		must_send(&s, 2, 1, i, 8);
		assert_int_equal(poll(&fd, 1, 10000), 1);
		s.r[1].t->ops->disarm(s.r[1].t);
		assert_true(s.r[1].t->ops->progress(s.r[1].t) > 0);
		assert_int_equal(s.r[1].got[2], i + 1);
	}
	close_all(&s);
}

/* One that sends without end keeps nobody else out, neither a connection nor a new one. */
static void the_busy_leave_others_their_turn(void **state)
{
	struct scene s = { 0 };
	uint64_t end = dvmi_clock_mono() + SOON;
	int rc = -EAGAIN;

	connect_two(&s);
	for (int32_t i = 1; s.r[1].got[2] == 0; i++) {
		assert_true(dvmi_clock_mono() < end);
		assert_int_equal(send_one(&s, 0, 1, i, 8), 0);
		if (rc == -EAGAIN)
			rc = send_one(&s, 2, 1, 0, 8);
		shepherds(&s);
		for (int k = 0; k < 3; k++)
			s.r[k].t->ops->progress(s.r[k].t);
	}
	assert_int_equal(rc, 0);
	close_all(&s);
}

static void last_words_are_heard(void **state)
{
	struct scene s = { 0 };
	struct dvmi_tport *t;

	connect_two(&s);
	for (int32_t i = 1; i < 100; i++)
		must_send(&s, 0, 1, i, 8);
	t = s.r[0].t;
	UNTIL(&s, t->ops->flush(t) == 0);
	close_rank(&s, 0);
	assert_int_equal(s.r[1].t->ops->drain(s.r[1].t, 0, false), 0);
	assert_int_equal(s.r[1].got[0], 100);
	assert_int_equal(send_one(&s, 1, 0, 0, 8), -DVM_ECLOSED);
	close_all(&s);
}

/* ---- those who are none of us ---- */

static int call(struct scene *s, uint32_t id)
{
	struct tcp_addr self;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	dvmi_tcp_self(tcp_at(s, id), &self);
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = self.port };
	memcpy(&sa.sin_addr, self.ip, 4);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	return fd;
}

static struct dvmi_wire_hello hello_of(uint32_t from, uint32_t to, uint64_t key)
{
	struct dvmi_wire_end end = { .key = key, .self = from, .size = RANKS };
	struct dvmi_wire_hello h;

	dvmi_wire_put_hello(&h, &end, DVMI_HELLO_CALL, to);
	return h;
}

static void is_hung_up(struct scene *s, int fd)
{
	char c;
	ssize_t n = -1;

	UNTIL(s, (n = recv(fd, &c, 1, MSG_DONTWAIT)) >= 0 || errno == ECONNRESET);
	assert_true(n <= 0);
	close(fd);
}

static void strangers_are_not_let_in(void **state)
{
	struct scene s = { 0 };
	struct dvmi_wire_hello bad[] = {
		hello_of(2, 1, KEY + 1), hello_of(1, 1, KEY), hello_of(2, 0, KEY),
		hello_of(RANKS, 1, KEY), hello_of(0, 1, KEY), /* who is connected already */
		hello_of(2, 1, KEY),	 hello_of(2, 1, KEY), hello_of(2, 1, KEY),
	};

	bad[5].version++;
	bad[6].kind = DVMI_HELLO_WELCOME;
	bad[7].reserved = 1;
	connect_two(&s);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int fd = call(&s, 1);
		assert_int_equal(write(fd, &bad[i], sizeof bad[i]), sizeof bad[i]);
		is_hung_up(&s, fd);
	}
	int half = call(&s, 1);
	assert_int_equal(write(half, &bad[0], 7), 7);
	progress(&s);
	close(half);
	must_send(&s, 0, 1, 1, 8);
	UNTIL(&s, s.r[1].got[0] == 2 && tcp_at(&s, 1)->nstrangers == 0);
	close_all(&s);
}

static void the_silent_keep_nobody_out(void **state)
{
	struct scene s = { 0 };
	int fds[2 * STRANGERS];

	connect_two(&s);
	for (int i = 0; i < 2 * STRANGERS; i++) {
		fds[i] = call(&s, 1);
		progress(&s);
	}
	UNTIL(&s, tcp_at(&s, 1)->nstrangers == STRANGERS);
	must_send(&s, 2, 1, 0, 8);
	UNTIL(&s, s.r[1].got[2] == 1);
	for (int i = 0; i < 2 * STRANGERS; i++)
		close(fds[i]);
	close_all(&s);
}

static void a_rank_that_talks_nonsense_is_lost(void **state)
{
	struct scene s = { 0 };
	struct dvmi_wire_hello h = hello_of(2, 1, KEY), answer;
	struct dvmi_wire_frame f = { .kind = DVMI_PKT_EAGER, .len = htole32(CHUNK + 1) };

	open_all(&s);
	dvmi_remote_wanted(s.r[1].t);
	int fd = call(&s, 1);
	assert_int_equal(write(fd, &h, sizeof h), sizeof h);
	UNTIL(&s, recv(fd, &answer, sizeof answer, MSG_DONTWAIT) == sizeof answer);
	assert_int_equal(answer.kind, DVMI_HELLO_WELCOME);
	assert_int_equal(write(fd, &f, sizeof f), sizeof f);
	UNTIL(&s, s.r[1].down[2] == -DVM_EPROTO);
	is_hung_up(&s, fd);
	close_all(&s);
}

/* ---- ports ---- */

static uint32_t port_of(struct scene *s, uint32_t id)
{
	struct tcp_addr self;

	dvmi_tcp_self(tcp_at(s, id), &self);
	return ntohs(self.port);
}

static void ports_of_the_range_only(void **state)
{
	struct scene s = { 0 };

	open_rank(&s, 0);
	dvmi_remote_wanted(s.r[0].t);
	/* The neighbour of a port that was free; somebody else may have it. */
	s.port_low = s.port_high = port_of(&s, 0);
	open_rank(&s, 1);
	dvmi_remote_likely(s.r[1].t, 0);
	assert_int_equal(s.r[1].down[0], -DVM_EPEERLOST);
	assert_int_equal(send_one(&s, 1, 0, 0, 8), -DVM_EPEERLOST);
	assert_int_equal(s.r[1].down[2], 0);
	close_rank(&s, 0);
	open_rank(&s, 2);
	dvmi_remote_wanted(s.r[2].t);
	assert_int_equal(port_of(&s, 2), s.port_low);
	close_all(&s);
}

static void an_address_that_is_not_ours(void **state)
{
	struct scene s = { .interface = "203.0.113.7" };

	open_rank(&s, 0);
	dvmi_remote_wanted(s.r[0].t);
	assert_int_equal(s.r[0].down[1], -DVM_EPEERLOST);
	assert_int_equal(s.r[0].down[2], -DVM_EPEERLOST);
	assert_int_equal(s.addr_len[0], 0);
	close_all(&s);
}

static void addresses_are_checked(void **state)
{
	struct scene s = { 0 };
	uint8_t bytes[DVMI_REMOTE_ADDR_MAX] = { 0 };

	for (size_t n = 0; n <= sizeof bytes; n++) {
		open_rank(&s, 0);
		dvmi_remote_likely(s.r[0].t, 1);
		dvmi_remote_address(s.r[0].t, 1, 0, bytes, n);
		assert_int_equal(s.r[0].down[1], -DVM_EPROTO);
		close_rank(&s, 0);
	}
	open_rank(&s, 0);
	dvmi_remote_likely(s.r[0].t, 1);
	dvmi_remote_address(s.r[0].t, 1, -DVM_ECLOSED, NULL, 0);
	assert_int_equal(s.r[0].down[1], -DVM_ECLOSED);
	close_rank(&s, 0);
}

static void both_families(void **state)
{
	struct scene s = { .interface = "::1" };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	bool there = fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0;

	if (fd >= 0)
		close(fd);
	if (!there)
		skip();
	connect_two(&s);
	close_all(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_cross),
		cmocka_unit_test(lone_packets_go_at_once),
		cmocka_unit_test(bursts_go_by_themselves),
		cmocka_unit_test(what_is_held_stays_in_order),
		cmocka_unit_test(a_full_socket_says_so),
		cmocka_unit_test(a_sink_that_refuses_loses_nothing),
		cmocka_unit_test(the_woken_find_what_woke_them),
		cmocka_unit_test(the_busy_leave_others_their_turn),
		cmocka_unit_test(last_words_are_heard),
		cmocka_unit_test(strangers_are_not_let_in),
		cmocka_unit_test(the_silent_keep_nobody_out),
		cmocka_unit_test(a_rank_that_talks_nonsense_is_lost),
		cmocka_unit_test(ports_of_the_range_only),
		cmocka_unit_test(an_address_that_is_not_ours),
		cmocka_unit_test(addresses_are_checked),
		cmocka_unit_test(both_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
