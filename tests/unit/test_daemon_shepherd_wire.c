/* SPDX-License-Identifier: BSD-3-Clause */
/* The ranks' side of the real dvm-shepherd: libdvm/proto/rank.h, on one and on two nodes. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "libdvm/proto/rank.h"
#include "tests/unit/cm.h"
#include "tests/unit/shep_peer.h"

/* ---- tests ---- */

static void a_rank_gets_the_map(void **state)
{
	struct rig *r = *state;
	struct peer p;

	peer_start(r, 2, 5);
	peer_join(&p, r, 1, 3);
	assert_int_equal(p.map->magic, DVMI_JOBMAP_MAGIC);
	assert_int_equal(p.map->size, 5);
	assert_int_equal(p.map->nnodes, 2);
	assert_int_equal(p.map->node, 1);
	assert_int_equal(p.map->local_size, 2);
	assert_int_equal(p.map->job, RIG_JOB);
	assert_true(p.map->local_cores >= 1);
	assert_string_equal(p.map->interface, "127.0.0.1");
	assert_string_equal(p.map->node_name, "node1");
	const uint32_t *node_of = peer_at(&p, p.map->node_of_off),
		       *local = peer_at(&p, p.map->local_rank_off);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(node_of[i], i % 2);
		assert_int_equal(local[i], i / 2);
		assert_int_equal(peer_state_of(&p, i), DVMI_RANK_ALIVE);
	}
	assert_int_equal(peer_bell_of(&p, 1), 1);
	assert_int_equal(peer_bell_of(&p, 0), 0);
	peer_leave(&p);
}

static void no_rank_can_write_to_the_map(void **state)
{
	struct rig *r = *state;
	struct peer p;
	char path[64];

	peer_start(r, 1, 1);
	peer_join(&p, r, 0, 0);
	assert_true(mmap(NULL, p.bytes, PROT_WRITE, MAP_SHARED, p.map_fd, 0) == MAP_FAILED);
	snprintf(path, sizeof path, "/proc/self/fd/%d", p.map_fd);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		assert_true(mmap(NULL, p.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) ==
			    MAP_FAILED);
		assert_int_equal(write(fd, "x", 1), -1);
		assert_int_equal(ftruncate(fd, 1), -1);
		close(fd);
	}
	assert_int_equal(ftruncate(p.rings_fd, 1 << 20), 0);
	peer_leave(&p);
}

static void addresses_cross_nodes_when_wanted(void **state)
{
	struct rig *r = *state;
	struct peer a, b;

	peer_start(r, 2, 4);
	peer_join(&a, r, 0, 0);
	peer_join(&b, r, 1, 1);
	peer_lookup(&a, 1);
	peer_expect(&b, DVMI_RANK_WANTED);
	peer_put(&b, DVMI_RANK_VERSION, DVMI_RANK_PUBLISH, "tcp://b", 7);
	peer_expect_addr(&a, 1, 0, "tcp://b");
	/* Known now: answered by the own shepherd. */
	size_t peers = r->peers;
	peer_lookup(&a, 1);
	peer_expect_addr(&a, 1, 0, "tcp://b");
	assert_int_equal(r->peers, peers);
	peer_lookup(&a, 99);
	peer_expect_addr(&a, 99, -EINVAL, "");
	peer_leave(&a);
	peer_leave(&b);
}

static void a_rank_is_wanted_before_it_says_hello(void **state)
{
	struct rig *r = *state;
	struct peer a, b, c;

	peer_start(r, 2, 4);
	peer_join(&a, r, 0, 0);
	peer_join(&c, r, 1, 3);
	peer_lookup(&a, 1);
	peer_lookup(&c, 1);
	peer_join(&b, r, 1, 1);
	peer_expect(&b, DVMI_RANK_WANTED);
	peer_put(&b, DVMI_RANK_VERSION, DVMI_RANK_PUBLISH, "here", 4);
	peer_expect_addr(&a, 1, 0, "here");
	peer_expect_addr(&c, 1, 0, "here");
	peer_leave(&a);
	peer_leave(&b);
	peer_leave(&c);
}

static bool peers_seen(struct rig *r, void *arg)
{
	return r->peers > *(size_t *)arg;
}

static void lost_questions_are_asked_again(void **state)
{
	struct rig *r = *state;
	struct peer a, b;
	size_t before;

	peer_start(r, 2, 2);
	peer_join(&a, r, 0, 0);
	peer_join(&b, r, 1, 1);
	peer_put(&b, DVMI_RANK_VERSION, DVMI_RANK_PUBLISH, "there", 5);
	r->drop_peers = true;
	before = r->peers;
	peer_lookup(&a, 1);
	rig_run(r, "the question", peers_seen, &before);
	r->drop_peers = false;
	rig_daemon_dies(r, 0);
	rig_daemon_returns(r, 0);
	peer_expect_addr(&a, 1, 0, "there");
	peer_leave(&a);
	peer_leave(&b);
}

static void unanswered_questions_are_repeated(void **state)
{
	struct rig *r = *state;
	struct peer a, b;
	size_t before;

	peer_start(r, 2, 2);
	peer_join(&a, r, 0, 0);
	peer_join(&b, r, 1, 1);
	peer_put(&b, DVMI_RANK_VERSION, DVMI_RANK_PUBLISH, "there", 5);
	r->drop_peers = true;
	before = r->peers;
	peer_lookup(&a, 1);
	rig_run(r, "the question", peers_seen, &before);
	r->drop_peers = false;
	peer_expect_addr(&a, 1, 0, "there"); /* about a second later */
	peer_leave(&a);
	peer_leave(&b);
}

static void goodbyes_and_deaths_are_seen_everywhere(void **state)
{
	struct rig *r = *state;
	struct peer a, b, c;

	peer_start(r, 2, 6);
	peer_join(&a, r, 0, 0);
	peer_join(&b, r, 1, 1);
	peer_join(&c, r, 1, 3);
	peer_put(&b, DVMI_RANK_VERSION, DVMI_RANK_GOODBYE, NULL, 0);
	peer_expect_state(&a, 1, DVMI_RANK_CLOSED);
	peer_expect_state(&c, 1, DVMI_RANK_CLOSED);
	peer_lookup(&a, 1);
	peer_expect_addr(&a, 1, -DVM_ECLOSED, "");
	/* A rank that never said hello dies. */
	kill((pid_t)rig_rank(r, 5)->pid, SIGKILL);
	peer_expect_state(&a, 5, DVMI_RANK_GONE);
	peer_expect_state(&c, 5, DVMI_RANK_GONE);
	/* One that is connected just closes. */
	peer_leave(&c);
	peer_expect_state(&a, 3, DVMI_RANK_GONE);
	peer_lookup(&a, 3);
	peer_expect_addr(&a, 3, -DVM_EPEERLOST, "");
	/* Who closed stays closed when its process ends. */
	kill((pid_t)rig_rank(r, 1)->pid, SIGKILL);
	kill((pid_t)rig_rank(r, 2)->pid, SIGKILL);
	peer_expect_state(&a, 2, DVMI_RANK_GONE);
	assert_int_equal(peer_state_of(&a, 1), DVMI_RANK_CLOSED);
	peer_leave(&a);
	peer_leave(&b);
}

static void who_waits_for_the_dead_is_told(void **state)
{
	struct rig *r = *state;
	struct peer a;

	peer_start(r, 2, 4);
	peer_join(&a, r, 0, 0);
	peer_lookup(&a, 1);
	peer_lookup(&a, 2);
	kill((pid_t)rig_rank(r, 2)->pid, SIGKILL);
	peer_expect_addr(&a, 2, -DVM_EPEERLOST, "");
	kill((pid_t)rig_rank(r, 1)->pid, SIGKILL);
	peer_expect_addr(&a, 1, -DVM_EPEERLOST, "");
	peer_leave(&a);
}

static void a_lost_node_takes_its_ranks_along(void **state)
{
	struct rig *r = *state;
	Pb__RanksState lost = PB__RANKS_STATE__INIT;
	struct peer a;

	peer_start(r, 2, 4);
	peer_join(&a, r, 0, 0);
	peer_lookup(&a, 3);
	lost.job = RIG_JOB;
	lost.node = r->nodes[1].id;
	rig_send(r, 0, DVMI_MSG_RANKS_LOST, &lost);
	peer_expect_addr(&a, 3, -DVM_EPEERLOST, "");
	assert_int_equal(peer_state_of(&a, 1), DVMI_RANK_GONE);
	assert_int_equal(peer_state_of(&a, 3), DVMI_RANK_GONE);
	assert_int_equal(peer_state_of(&a, 0), DVMI_RANK_ALIVE);
	assert_int_equal(peer_state_of(&a, 2), DVMI_RANK_ALIVE);
	peer_leave(&a);
}

static bool aborted(struct rig *r, void *arg)
{
	return r->nodes[0].status->abort_text[0];
}

static bool connected(struct rig *r, void *arg)
{
	return rig_rank(r, *(uint32_t *)arg)->connected;
}

static void an_abort_is_reported(void **state)
{
	static const char text[] = "bad\ninput \x1b[1m!";
	const struct dvmi_rank_peer head = { .code = 42 };
	uint8_t body[sizeof head + sizeof text];
	struct rig *r = *state;
	struct peer p;

	memcpy(body, &head, sizeof head);
	memcpy(body + sizeof head, text, sizeof text);
	peer_start(r, 1, 2);
	peer_join(&p, r, 0, 1);
	rig_run(r, "the report of a hello", connected, &(uint32_t){ 1 });
	peer_put(&p, DVMI_RANK_VERSION, DVMI_RANK_ABORT, body, sizeof body - 1);
	rig_run(r, "the abort", aborted, NULL);
	assert_int_equal(r->nodes[0].status->abort_code, 42);
	assert_string_equal(r->nodes[0].status->abort_text, "rank 1: bad input  [1m!");
	peer_leave(&p);
}

static void refused(struct peer *p)
{
	peer_expect(p, DVMI_RANK_REFUSED);
	peer_expect(p, 0);
	peer_leave(p);
}

static void odd_packets_are_refused(void **state)
{
	struct rig *r = *state;
	struct peer p;
	uint8_t zeros[1200] = { 0 };
	struct dvmi_rank_hello h = { .rank = 0 };

	peer_start(r, 2, 4);
	peer_dial(&p, r, 0);
	peer_put(&p, 99, DVMI_RANK_HELLO, &h, sizeof h);
	refused(&p);
	peer_dial(&p, r, 0);
	peer_put(&p, DVMI_RANK_VERSION, DVMI_RANK_HELLO, &h, sizeof h - 1);
	refused(&p);
	peer_dial(&p, r, 0);
	peer_put(&p, DVMI_RANK_VERSION, DVMI_RANK_GOODBYE, NULL, 0);
	refused(&p);
	peer_dial(&p, r, 0);
	assert_int_equal(send(p.fd, zeros, 3, 0), 3);
	refused(&p);
	peer_dial(&p, r, 0);
	peer_hello(&p, 1); /* lives on the other node */
	refused(&p);
	peer_dial(&p, r, 0);
	peer_hello(&p, UINT32_MAX);
	refused(&p);
	/* None of this has harmed rank 0. */
	peer_join(&p, r, 0, 0);
	assert_int_equal(peer_state_of(&p, 0), DVMI_RANK_ALIVE);
	peer_leave(&p);
}

static void odd_packets_of_a_rank_end_its_connection(void **state)
{
	const struct {
		uint16_t type;
		size_t len;
	} bad[] = { { DVMI_RANK_PUBLISH, 0 },	{ DVMI_RANK_PUBLISH, DVMI_RANK_ADDR_MAX + 1 },
		    { DVMI_RANK_LOOKUP, 3 },	{ DVMI_RANK_GOODBYE, 1 },
		    { DVMI_RANK_ABORT, 15 },	{ DVMI_RANK_ABORT, 16 + DVMI_RANK_TEXT_MAX + 1 },
		    { DVMI_RANK_LINK, 7 },
		    { DVMI_RANK_HELLO, 8 },	{ 77, 0 },
		    { DVMI_RANK_PUBLISH, 1100 } };
	enum { N = sizeof bad / sizeof bad[0] };
	struct rig *r = *state;
	uint8_t zeros[1200] = { 0 };
	struct peer p, watch;

	peer_start(r, 1, N + 1);
	peer_join(&watch, r, 0, N);
	for (uint32_t i = 0; i < N; i++) {
		peer_join(&p, r, 0, i);
		peer_put(&p, DVMI_RANK_VERSION, bad[i].type, zeros, bad[i].len);
		refused(&p);
		peer_expect_state(&watch, i, DVMI_RANK_GONE);
	}
	peer_leave(&watch);
}

static void a_rank_connects_once(void **state)
{
	struct rig *r = *state;
	struct peer a, again;

	peer_start(r, 1, 2);
	peer_join(&a, r, 0, 0);
	peer_dial(&again, r, 0);
	peer_hello(&again, 0);
	refused(&again);
	assert_int_equal(peer_state_of(&a, 0), DVMI_RANK_ALIVE);
	peer_put(&a, DVMI_RANK_VERSION, DVMI_RANK_GOODBYE, NULL, 0);
	peer_leave(&a);
	peer_join(&a, r, 0, 1);
	peer_await_state(&a, 0, DVMI_RANK_CLOSED);
	peer_dial(&again, r, 0);
	peer_hello(&again, 0);
	refused(&again);
	peer_leave(&a);
}

static void who_asks_without_reading_is_held_back(void **state)
{
	struct rig *r = *state;
	struct dvmi_rank_peer q = { .rank = 9999 };
	struct dvmi_rank_hdr hdr = { .version = DVMI_RANK_VERSION,
				     .type = DVMI_RANK_LOOKUP,
				     .len = sizeof q };
	uint8_t packet[sizeof hdr + sizeof q];
	struct peer p;
	size_t sent = 0, answered = 0;

	memcpy(packet, &hdr, sizeof hdr);
	memcpy(packet + sizeof hdr, &q, sizeof q);
	peer_start(r, 1, 1);
	peer_join(&p, r, 0, 0);
	/* Until both sockets are full and the shepherd reads no more. */
	struct pollfd pfd = { .fd = p.fd, .events = POLLOUT };
	while (sent < 200000 && poll(&pfd, 1, 300) == 1 && (pfd.revents & POLLOUT) &&
	       send(p.fd, packet, sizeof packet, MSG_DONTWAIT) > 0)
		sent++;
	assert_true(sent < 200000);
	/* And every question is answered once it is read again. */
	while (answered < sent) {
		peer_expect_addr(&p, 9999, -EINVAL, "");
		answered++;
	}
	peer_leave(&p);
}

static void another_user_is_refused(void **state)
{
	struct rig *r = *state;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char path[256];
	int wait;

	if (geteuid() != 0)
		skip();
	peer_start(r, 1, 1);
	snprintf(a.sun_path, sizeof a.sun_path, "%s/jobs/%d/shep.sock", r->nodes[0].dir, RIG_JOB);
	/* Even if the directory let somebody in. */
	snprintf(path, sizeof path, "chmod 755 %s/jobs/%d; chmod 777 %s", r->nodes[0].dir, RIG_JOB,
		 a.sun_path);
	assert_int_equal(system(path), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct dvmi_rank_hdr hdr = { 0 };
		int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		if (setuid(65534) < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0 ||
		    recv(fd, &hdr, sizeof hdr, 0) < (ssize_t)sizeof hdr)
			_exit(1);
		_exit(hdr.type == DVMI_RANK_REFUSED ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &wait, 0), pid);
	assert_int_equal(wait, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(a_rank_gets_the_map),
		T(no_rank_can_write_to_the_map),
		T(addresses_cross_nodes_when_wanted),
		T(a_rank_is_wanted_before_it_says_hello),
		T(lost_questions_are_asked_again),
		T(unanswered_questions_are_repeated),
		T(goodbyes_and_deaths_are_seen_everywhere),
		T(who_waits_for_the_dead_is_told),
		T(a_lost_node_takes_its_ranks_along),
		T(an_abort_is_reported),
		T(odd_packets_are_refused),
		T(odd_packets_of_a_rank_end_its_connection),
		T(a_rank_connects_once),
		T(who_asks_without_reading_is_held_back),
		T(another_user_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
