/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/cm.h"
#include "tests/unit/shep_peer.h"

void peer_start(struct rig *r, size_t nodes, uint32_t ranks)
{
	const char *argv[] = { "sleep", "1000", NULL };

	rig_init(r, nodes, ranks, argv);
	for (size_t i = 0; i < nodes; i++)
		rig_start(r, i, NULL);
	rig_run(r, "running", rig_running, NULL);
}

void peer_put(const struct peer *p, uint16_t version, uint16_t type, const void *body, size_t len)
{
	uint8_t packet[2048];
	struct dvmi_rank_hdr hdr = { .version = version, .type = type, .len = (uint32_t)len };

	memcpy(packet, &hdr, sizeof hdr);
	if (len)
		memcpy(packet + sizeof hdr, body, len);
	assert_int_equal(send(p->fd, packet, sizeof hdr + len, MSG_NOSIGNAL), sizeof hdr + len);
}

/* WELCOME brings two, an answer may bring one. */
static void keep_fds(struct peer *p, struct msghdr *msg)
{
	struct cmsghdr *cm = CMSG_FIRSTHDR(msg);
	int fds[2];

	if (!cm)
		return;
	if (p->type == DVMI_RANK_WELCOME) {
		assert_int_equal(cm->cmsg_len, CMSG_LEN(sizeof fds));
		memcpy(fds, CMSG_DATA(cm), sizeof fds);
		p->map_fd = fds[0];
		p->rings_fd = fds[1];
	} else {
		assert_int_equal(cm->cmsg_len, CMSG_LEN(sizeof fds[0]));
		memcpy(&p->fd_came, CMSG_DATA(cm), sizeof p->fd_came);
	}
}

/* One packet, or false: nothing now. type 0: the other side has closed. */
bool peer_get(struct peer *p)
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

	while (peer_get(w->p))
		if (w->p->type == w->type || w->p->type == 0)
			return true;
	return false;
}

/* Skips packets of other types. */
void peer_expect(struct peer *p, uint16_t type)
{
	struct wish w = { .p = p, .type = type };

	rig_run(p->r, "a packet", has_come, &w);
	assert_int_equal(p->type, type);
}

void peer_dial(struct peer *p, struct rig *r, size_t node)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	*p = (struct peer){ .r = r, .map_fd = -1, .rings_fd = -1, .fd_came = -1 };
	snprintf(a.sun_path, sizeof a.sun_path, "%s/jobs/%d/shep.sock", r->nodes[node].dir,
		 RIG_JOB);
	p->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(p->fd, (struct sockaddr *)&a, sizeof a), 0);
}

void peer_hello(struct peer *p, uint32_t rank)
{
	struct dvmi_rank_hello h = { .rank = rank, .pid = (uint32_t)getpid() };

	p->rank = rank;
	peer_put(p, DVMI_RANK_VERSION, DVMI_RANK_HELLO, &h, sizeof h);
}

void peer_join(struct peer *p, struct rig *r, size_t node, uint32_t rank)
{
	struct dvmi_rank_welcome w;

	peer_dial(p, r, node);
	peer_hello(p, rank);
	peer_expect(p, DVMI_RANK_WELCOME);
	assert_int_equal(p->len, sizeof w);
	memcpy(&w, p->body, sizeof w);
	assert_int_equal(w.job, RIG_JOB);
	assert_int_equal(w.key, 0x1234);
	p->bytes = w.map_bytes;
	p->map = mmap(NULL, w.map_bytes, PROT_READ, MAP_SHARED, p->map_fd, 0);
	assert_true(p->map != MAP_FAILED);
}

void peer_leave(struct peer *p)
{
	if (p->map)
		munmap((void *)p->map, p->bytes);
	close(p->fd);
	if (p->map_fd >= 0)
		close(p->map_fd);
	if (p->rings_fd >= 0)
		close(p->rings_fd);
}

const void *peer_at(const struct peer *p, uint64_t off)
{
	return (const uint8_t *)p->map + off;
}

int peer_state_of(const struct peer *p, uint32_t rank)
{
	return atomic_load_explicit((const _Atomic uint8_t *)peer_at(p, p->map->state_off) + rank,
				    memory_order_acquire);
}

uint32_t peer_bell_of(const struct peer *p, uint32_t local)
{
	return atomic_load_explicit((const _Atomic uint32_t *)peer_at(p, p->map->doorbell_off) + local,
				    memory_order_acquire);
}

void peer_lookup(const struct peer *p, uint32_t rank)
{
	struct dvmi_rank_peer q = { .rank = rank };

	peer_put(p, DVMI_RANK_VERSION, DVMI_RANK_LOOKUP, &q, sizeof q);
}

void peer_expect_addr(struct peer *p, uint32_t rank, int code, const char *addr)
{
	struct dvmi_rank_peer a;

	peer_expect(p, DVMI_RANK_ADDR);
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

	return peer_state_of(b->p, b->rank) == b->state;
}

void peer_await_state(struct peer *p, uint32_t rank, enum dvmi_rank_state state)
{
	struct becomes b = { .p = p, .rank = rank, .state = (int)state };

	rig_run(p->r, "a state", has_become, &b);
}

void peer_expect_state(struct peer *p, uint32_t rank, enum dvmi_rank_state state)
{
	peer_await_state(p, rank, state);
	peer_expect(p, DVMI_RANK_CHANGED);
}

