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
#include "tests/unit/shep_rig.h"

/* One rank as the test plays it; the process the shepherd started for it just waits. */
struct peer {
	struct rig *r;
	int fd, map_fd, rings_fd;
	uint32_t rank;
	size_t bytes;
	const struct dvmi_jobmap *map;
	uint16_t type; /* of the last packet */
	size_t len;
	uint8_t body[DVMI_RANK_PACKET_MAX];
};

static void start(struct rig *r, size_t nodes, uint32_t ranks)
{
	const char *argv[] = { "sleep", "1000", NULL };

	rig_init(r, nodes, ranks, argv);
	for (size_t i = 0; i < nodes; i++)
		rig_start(r, i, NULL);
	rig_run(r, "running", rig_running, NULL);
}

/* ---- a rank ---- */

static void put(const struct peer *p, uint16_t version, uint16_t type, const void *body, size_t len)
{
	uint8_t packet[2048];
	struct dvmi_rank_hdr hdr = { .version = version, .type = type, .len = (uint32_t)len };

	memcpy(packet, &hdr, sizeof hdr);
	if (len)
		memcpy(packet + sizeof hdr, body, len);
	assert_int_equal(send(p->fd, packet, sizeof hdr + len, MSG_NOSIGNAL), sizeof hdr + len);
}

static void keep_fds(struct peer *p, struct msghdr *msg)
{
	struct cmsghdr *cm = CMSG_FIRSTHDR(msg);
	int fds[2];

	if (!cm)
		return;
	assert_int_equal(cm->cmsg_len, CMSG_LEN(sizeof fds));
	memcpy(fds, CMSG_DATA(cm), sizeof fds);
	p->map_fd = fds[0];
	p->rings_fd = fds[1];
}

/* One packet, or false: nothing now. type 0: the other side has closed. */
static bool get(struct peer *p)
{
	uint8_t packet[2048];
	char control[CMSG_SPACE(2 * sizeof(int))];
	struct iovec iov = { .iov_base = packet, .iov_len = sizeof packet };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof control };
	ssize_t n = recvmsg(p->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct dvmi_rank_hdr hdr;

	if (n < 0 && errno == EAGAIN)
		return false;
	p->type = 0;
	if (n <= 0)
		return true;
	memcpy(&hdr, packet, sizeof hdr);
	assert_int_equal(hdr.version, DVMI_RANK_VERSION);
	assert_int_equal(hdr.len, (size_t)n - sizeof hdr);
	p->type = hdr.type;
	p->len = hdr.len;
	memcpy(p->body, packet + sizeof hdr, hdr.len);
	keep_fds(p, &msg);
	return true;
}

struct wish {
	struct peer *p;
	uint16_t type;
};

static bool has_come(struct rig *r, void *arg)
{
	const struct wish *w = arg;

	while (get(w->p))
		if (w->p->type == w->type || w->p->type == 0)
			return true;
	return false;
}

/* Skips packets of other types. */
static void expect(struct peer *p, uint16_t type)
{
	struct wish w = { .p = p, .type = type };

	rig_run(p->r, "a packet", has_come, &w);
	assert_int_equal(p->type, type);
}

static void dial(struct peer *p, struct rig *r, size_t node)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	*p = (struct peer){ .r = r, .map_fd = -1, .rings_fd = -1 };
	snprintf(a.sun_path, sizeof a.sun_path, "%s/jobs/%d/shep.sock", r->nodes[node].dir,
		 RIG_JOB);
	p->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(p->fd, (struct sockaddr *)&a, sizeof a), 0);
}

static void hello(struct peer *p, uint32_t rank)
{
	struct dvmi_rank_hello h = { .rank = rank, .pid = (uint32_t)getpid() };

	p->rank = rank;
	put(p, DVMI_RANK_VERSION, DVMI_RANK_HELLO, &h, sizeof h);
}

static void join(struct peer *p, struct rig *r, size_t node, uint32_t rank)
{
	struct dvmi_rank_welcome w;

	dial(p, r, node);
	hello(p, rank);
	expect(p, DVMI_RANK_WELCOME);
	assert_int_equal(p->len, sizeof w);
	memcpy(&w, p->body, sizeof w);
	assert_int_equal(w.job, RIG_JOB);
	assert_int_equal(w.key, 0x1234);
	p->bytes = w.map_bytes;
	p->map = mmap(NULL, w.map_bytes, PROT_READ, MAP_SHARED, p->map_fd, 0);
	assert_true(p->map != MAP_FAILED);
}

static void leave(struct peer *p)
{
	if (p->map)
		munmap((void *)p->map, p->bytes);
	close(p->fd);
	if (p->map_fd >= 0)
		close(p->map_fd);
	if (p->rings_fd >= 0)
		close(p->rings_fd);
}

static const void *at(const struct peer *p, uint64_t off)
{
	return (const uint8_t *)p->map + off;
}

static int state_of(const struct peer *p, uint32_t rank)
{
	return atomic_load_explicit((const _Atomic uint8_t *)at(p, p->map->state_off) + rank,
				    memory_order_acquire);
}

static uint32_t bell_of(const struct peer *p, uint32_t local)
{
	return atomic_load_explicit((const _Atomic uint32_t *)at(p, p->map->doorbell_off) + local,
				    memory_order_acquire);
}

static void lookup(const struct peer *p, uint32_t rank)
{
	struct dvmi_rank_peer q = { .rank = rank };

	put(p, DVMI_RANK_VERSION, DVMI_RANK_LOOKUP, &q, sizeof q);
}

static void expect_addr(struct peer *p, uint32_t rank, int code, const char *addr)
{
	struct dvmi_rank_peer a;

	expect(p, DVMI_RANK_ADDR);
	memcpy(&a, p->body, sizeof a);
	assert_int_equal(a.rank, rank);
	assert_int_equal(a.code, code);
	assert_int_equal(p->len - sizeof a, strlen(addr));
	assert_memory_equal(p->body + sizeof a, addr, strlen(addr));
}

struct becomes {
	struct peer *p;
	uint32_t rank;
	int state;
};

static bool has_become(struct rig *r, void *arg)
{
	const struct becomes *b = arg;

	return state_of(b->p, b->rank) == b->state;
}

static void expect_state(struct peer *p, uint32_t rank, enum dvmi_rank_state state)
{
	struct becomes b = { .p = p, .rank = rank, .state = (int)state };

	rig_run(p->r, "a state", has_become, &b);
	expect(p, DVMI_RANK_CHANGED);
}

/* ---- tests ---- */

static void a_rank_gets_the_map(void **state)
{
	struct rig *r = *state;
	struct peer p;

	start(r, 2, 5);
	join(&p, r, 1, 3);
	assert_int_equal(p.map->magic, DVMI_JOBMAP_MAGIC);
	assert_int_equal(p.map->size, 5);
	assert_int_equal(p.map->nnodes, 2);
	assert_int_equal(p.map->node, 1);
	assert_int_equal(p.map->local_size, 2);
	assert_int_equal(p.map->job, RIG_JOB);
	assert_true(p.map->local_cores >= 1);
	assert_string_equal(p.map->interface, "127.0.0.1");
	assert_string_equal(p.map->node_name, "node1");
	const uint32_t *node_of = at(&p, p.map->node_of_off),
		       *local = at(&p, p.map->local_rank_off);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(node_of[i], i % 2);
		assert_int_equal(local[i], i / 2);
		assert_int_equal(state_of(&p, i), DVMI_RANK_ALIVE);
	}
	assert_int_equal(bell_of(&p, 1), 1);
	assert_int_equal(bell_of(&p, 0), 0);
	leave(&p);
}

static void no_rank_can_write_to_the_map(void **state)
{
	struct rig *r = *state;
	struct peer p;
	char path[64];

	start(r, 1, 1);
	join(&p, r, 0, 0);
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
	leave(&p);
}

static void addresses_cross_nodes_when_wanted(void **state)
{
	struct rig *r = *state;
	struct peer a, b;

	start(r, 2, 4);
	join(&a, r, 0, 0);
	join(&b, r, 1, 1);
	lookup(&a, 1);
	expect(&b, DVMI_RANK_WANTED);
	put(&b, DVMI_RANK_VERSION, DVMI_RANK_PUBLISH, "tcp://b", 7);
	expect_addr(&a, 1, 0, "tcp://b");
	/* Known now: answered by the own shepherd. */
	size_t peers = r->peers;
	lookup(&a, 1);
	expect_addr(&a, 1, 0, "tcp://b");
	assert_int_equal(r->peers, peers);
	lookup(&a, 99);
	expect_addr(&a, 99, -EINVAL, "");
	leave(&a);
	leave(&b);
}

static void a_rank_is_wanted_before_it_says_hello(void **state)
{
	struct rig *r = *state;
	struct peer a, b, c;

	start(r, 2, 4);
	join(&a, r, 0, 0);
	join(&c, r, 1, 3);
	lookup(&a, 1);
	lookup(&c, 1);
	join(&b, r, 1, 1);
	expect(&b, DVMI_RANK_WANTED);
	put(&b, DVMI_RANK_VERSION, DVMI_RANK_PUBLISH, "here", 4);
	expect_addr(&a, 1, 0, "here");
	expect_addr(&c, 1, 0, "here");
	leave(&a);
	leave(&b);
	leave(&c);
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

	start(r, 2, 2);
	join(&a, r, 0, 0);
	join(&b, r, 1, 1);
	put(&b, DVMI_RANK_VERSION, DVMI_RANK_PUBLISH, "there", 5);
	r->drop_peers = true;
	before = r->peers;
	lookup(&a, 1);
	rig_run(r, "the question", peers_seen, &before);
	r->drop_peers = false;
	rig_daemon_dies(r, 0);
	rig_daemon_returns(r, 0);
	expect_addr(&a, 1, 0, "there");
	leave(&a);
	leave(&b);
}

static void unanswered_questions_are_repeated(void **state)
{
	struct rig *r = *state;
	struct peer a, b;
	size_t before;

	start(r, 2, 2);
	join(&a, r, 0, 0);
	join(&b, r, 1, 1);
	put(&b, DVMI_RANK_VERSION, DVMI_RANK_PUBLISH, "there", 5);
	r->drop_peers = true;
	before = r->peers;
	lookup(&a, 1);
	rig_run(r, "the question", peers_seen, &before);
	r->drop_peers = false;
	expect_addr(&a, 1, 0, "there"); /* about a second later */
	leave(&a);
	leave(&b);
}

static void goodbyes_and_deaths_are_seen_everywhere(void **state)
{
	struct rig *r = *state;
	struct peer a, b, c;

	start(r, 2, 6);
	join(&a, r, 0, 0);
	join(&b, r, 1, 1);
	join(&c, r, 1, 3);
	put(&b, DVMI_RANK_VERSION, DVMI_RANK_GOODBYE, NULL, 0);
	expect_state(&a, 1, DVMI_RANK_CLOSED);
	expect_state(&c, 1, DVMI_RANK_CLOSED);
	lookup(&a, 1);
	expect_addr(&a, 1, -DVM_ECLOSED, "");
	/* A rank that never said hello dies. */
	kill((pid_t)rig_rank(r, 5)->pid, SIGKILL);
	expect_state(&a, 5, DVMI_RANK_GONE);
	expect_state(&c, 5, DVMI_RANK_GONE);
	/* One that is connected just closes. */
	leave(&c);
	expect_state(&a, 3, DVMI_RANK_GONE);
	lookup(&a, 3);
	expect_addr(&a, 3, -DVM_EPEERLOST, "");
	/* Who closed stays closed when its process ends. */
	kill((pid_t)rig_rank(r, 1)->pid, SIGKILL);
	kill((pid_t)rig_rank(r, 2)->pid, SIGKILL);
	expect_state(&a, 2, DVMI_RANK_GONE);
	assert_int_equal(state_of(&a, 1), DVMI_RANK_CLOSED);
	leave(&a);
	leave(&b);
}

static void who_waits_for_the_dead_is_told(void **state)
{
	struct rig *r = *state;
	struct peer a;

	start(r, 2, 4);
	join(&a, r, 0, 0);
	lookup(&a, 1);
	lookup(&a, 2);
	kill((pid_t)rig_rank(r, 2)->pid, SIGKILL);
	expect_addr(&a, 2, -DVM_EPEERLOST, "");
	kill((pid_t)rig_rank(r, 1)->pid, SIGKILL);
	expect_addr(&a, 1, -DVM_EPEERLOST, "");
	leave(&a);
}

static void a_lost_node_takes_its_ranks_along(void **state)
{
	struct rig *r = *state;
	Pb__RanksState lost = PB__RANKS_STATE__INIT;
	struct peer a;

	start(r, 2, 4);
	join(&a, r, 0, 0);
	lookup(&a, 3);
	lost.job = RIG_JOB;
	lost.node = r->nodes[1].id;
	rig_send(r, 0, DVMI_MSG_RANKS_LOST, &lost);
	expect_addr(&a, 3, -DVM_EPEERLOST, "");
	assert_int_equal(state_of(&a, 1), DVMI_RANK_GONE);
	assert_int_equal(state_of(&a, 3), DVMI_RANK_GONE);
	assert_int_equal(state_of(&a, 0), DVMI_RANK_ALIVE);
	assert_int_equal(state_of(&a, 2), DVMI_RANK_ALIVE);
	leave(&a);
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
	start(r, 1, 2);
	join(&p, r, 0, 1);
	rig_run(r, "the report of a hello", connected, &(uint32_t){ 1 });
	put(&p, DVMI_RANK_VERSION, DVMI_RANK_ABORT, body, sizeof body - 1);
	rig_run(r, "the abort", aborted, NULL);
	assert_int_equal(r->nodes[0].status->abort_code, 42);
	assert_string_equal(r->nodes[0].status->abort_text, "rank 1: bad input  [1m!");
	leave(&p);
}

static void refused(struct peer *p)
{
	expect(p, DVMI_RANK_REFUSED);
	expect(p, 0);
	leave(p);
}

static void odd_packets_are_refused(void **state)
{
	struct rig *r = *state;
	struct peer p;
	uint8_t zeros[1200] = { 0 };
	struct dvmi_rank_hello h = { .rank = 0 };

	start(r, 2, 4);
	dial(&p, r, 0);
	put(&p, 99, DVMI_RANK_HELLO, &h, sizeof h);
	refused(&p);
	dial(&p, r, 0);
	put(&p, DVMI_RANK_VERSION, DVMI_RANK_HELLO, &h, sizeof h - 1);
	refused(&p);
	dial(&p, r, 0);
	put(&p, DVMI_RANK_VERSION, DVMI_RANK_GOODBYE, NULL, 0);
	refused(&p);
	dial(&p, r, 0);
	assert_int_equal(send(p.fd, zeros, 3, 0), 3);
	refused(&p);
	dial(&p, r, 0);
	hello(&p, 1); /* lives on the other node */
	refused(&p);
	dial(&p, r, 0);
	hello(&p, UINT32_MAX);
	refused(&p);
	/* None of this has harmed rank 0. */
	join(&p, r, 0, 0);
	assert_int_equal(state_of(&p, 0), DVMI_RANK_ALIVE);
	leave(&p);
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

	start(r, 1, N + 1);
	join(&watch, r, 0, N);
	for (uint32_t i = 0; i < N; i++) {
		join(&p, r, 0, i);
		put(&p, DVMI_RANK_VERSION, bad[i].type, zeros, bad[i].len);
		refused(&p);
		expect_state(&watch, i, DVMI_RANK_GONE);
	}
	leave(&watch);
}

static void a_rank_connects_once(void **state)
{
	struct rig *r = *state;
	struct peer a, again;

	start(r, 1, 2);
	join(&a, r, 0, 0);
	dial(&again, r, 0);
	hello(&again, 0);
	refused(&again);
	assert_int_equal(state_of(&a, 0), DVMI_RANK_ALIVE);
	put(&a, DVMI_RANK_VERSION, DVMI_RANK_GOODBYE, NULL, 0);
	leave(&a);
	join(&a, r, 0, 1);
	rig_run(r, "the goodbye", has_become, &(struct becomes){ &a, 0, DVMI_RANK_CLOSED });
	dial(&again, r, 0);
	hello(&again, 0);
	refused(&again);
	leave(&a);
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
	start(r, 1, 1);
	join(&p, r, 0, 0);
	/* Until both sockets are full and the shepherd reads no more. */
	struct pollfd pfd = { .fd = p.fd, .events = POLLOUT };
	while (sent < 200000 && poll(&pfd, 1, 300) == 1 && (pfd.revents & POLLOUT) &&
	       send(p.fd, packet, sizeof packet, MSG_DONTWAIT) > 0)
		sent++;
	assert_true(sent < 200000);
	/* And every question is answered once it is read again. */
	while (answered < sent) {
		expect_addr(&p, 9999, -EINVAL, "");
		answered++;
	}
	leave(&p);
}

static void another_user_is_refused(void **state)
{
	struct rig *r = *state;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char path[256];
	int wait;

	if (geteuid() != 0)
		skip();
	start(r, 1, 1);
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
