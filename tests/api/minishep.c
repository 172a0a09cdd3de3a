/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "libdvm/proto/rank.h"
#include "tests/api/minishep.h"

struct rank {
	pid_t pid; /* 0: ended */
	int pidfd, sock;
	uint32_t node, local;
	uint8_t addr[DVMI_RANK_ADDR_MAX];
	uint32_t addr_len;
	bool wanted;
	bool *asked; /* [ranks]: who waits for our address */
};

struct node {
	char dir[64];
	int listener, map_fd, rings_fd;
	uint32_t local_size;
	struct dvmi_jobmap *map;
	size_t map_bytes;
};

/* A connection that has not said who it is. */
#define STRANGERS 64

struct mini {
	const struct mini_options *opt;
	char base[48];
	uint64_t key;
	struct node *nodes;
	struct rank *ranks;
	int strangers[STRANGERS];
	uint32_t running;
	int code; /* of the first failure */
};

static void die(const char *what)
{
	perror(what);
	exit(99);
}

static void *must(void *p)
{
	if (!p)
		die("memory");
	return p;
}

static uint32_t *u32_array(struct node *n, uint64_t off)
{
	return (uint32_t *)(void *)((char *)n->map + off);
}

static _Atomic uint8_t *states(struct node *n)
{
	return (_Atomic uint8_t *)(void *)((char *)n->map + n->map->state_off);
}

/* The INDEX-th of those named, or the last. */
static void set_interface(struct mini *m, uint32_t index, char *out, size_t size)
{
	const char *s = m->opt->interfaces ? m->opt->interfaces : "127.0.0.1", *comma;

	for (; index && (comma = strchr(s, ',')); index--)
		s = comma + 1;
	snprintf(out, size, "%.*s", (int)strcspn(s, ","), s);
}

static void fill_map(struct mini *m, uint32_t index)
{
	struct node *n = &m->nodes[index];
	uint32_t size = m->opt->ranks;

	*n->map = (struct dvmi_jobmap){
		.magic = DVMI_JOBMAP_MAGIC,
		.version = DVMI_RANK_VERSION,
		.size = size,
		.nnodes = m->opt->nodes,
		.node = index,
		.local_size = n->local_size,
		.local_cores = m->opt->cores,
		.job = 1,
		.node_of_off = 256,
		.local_rank_off = 256 + 4 * (uint64_t)size,
		.doorbell_off = 256 + 8 * (uint64_t)size,
		.pid_off = 256 + 8 * (uint64_t)size + 4 * (uint64_t)n->local_size,
		.node_id_of_off = 256 + 12 * (uint64_t)size + 4 * (uint64_t)n->local_size,
		.state_off = 256 + 12 * (uint64_t)size + 4 * (uint64_t)n->local_size +
			     4 * (uint64_t)m->opt->nodes,
	};
	set_interface(m, index, n->map->interface, sizeof n->map->interface);
	snprintf(n->map->node_name, sizeof n->map->node_name, "mini%u", index);
	for (uint32_t i = 0; i < m->opt->nodes; i++)
		u32_array(n, n->map->node_id_of_off)[i] = i + 1;
	for (uint32_t r = 0; r < size; r++) {
		u32_array(n, n->map->node_of_off)[r] = m->ranks[r].node;
		u32_array(n, n->map->local_rank_off)[r] = m->ranks[r].local;
	}
}

static void listen_at(struct node *n)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(sa.sun_path, sizeof sa.sun_path, "%s/rank", n->dir);
	n->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->listener < 0 || bind(n->listener, (struct sockaddr *)&sa, sizeof sa) < 0 ||
	    listen(n->listener, 256) < 0)
		die("listen");
}

static void make_node(struct mini *m, uint32_t index)
{
	struct node *n = &m->nodes[index];

	snprintf(n->dir, sizeof n->dir, "%s/%u", m->base, index);
	if (mkdir(n->dir, 0700) < 0)
		die("mkdir");
	n->map_bytes = 256 + (size_t)m->opt->ranks * 13 + (size_t)n->local_size * 4 +
		       (size_t)m->opt->nodes * 4;
	n->map_fd = memfd_create("mini-map", MFD_CLOEXEC);
	n->rings_fd = memfd_create("mini-rings", MFD_CLOEXEC);
	if (n->map_fd < 0 || n->rings_fd < 0 || ftruncate(n->map_fd, (off_t)n->map_bytes) < 0)
		die("memfd");
	n->map = mmap(NULL, n->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, n->map_fd, 0);
	if (n->map == MAP_FAILED)
		die("mmap");
	fill_map(m, index);
	listen_at(n);
}

static void place_ranks(struct mini *m)
{
	for (uint32_t r = 0; r < m->opt->ranks; r++) {
		struct rank *k = &m->ranks[r];
		k->node = r * m->opt->nodes / m->opt->ranks;
		k->local = m->nodes[k->node].local_size++;
		k->sock = k->pidfd = -1;
		k->asked = must(calloc(m->opt->ranks, 1));
	}
}

static void send_packet(struct mini *m, uint32_t r, uint16_t type, const void *head,
			size_t head_len, const void *tail, size_t tail_len)
{
	struct rank *k = &m->ranks[r];
	struct node *n = &m->nodes[k->node];
	struct dvmi_rank_hdr h = { DVMI_RANK_VERSION, type, (uint32_t)(head_len + tail_len) };
	struct iovec iov[3] = {
		{ &h, sizeof h },
		{ (void *)(uintptr_t)head, head_len },
		{ (void *)(uintptr_t)tail, tail_len },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };

	if (k->sock < 0)
		return;
	if (sendmsg(k->sock, &msg, MSG_NOSIGNAL) < 0)
		return; /* it has died; its pidfd tells */
	atomic_fetch_add((_Atomic uint32_t *)(u32_array(n, n->map->doorbell_off) + k->local), 1);
}

static void welcome(struct mini *m, uint32_t r)
{
	struct node *n = &m->nodes[m->ranks[r].node];
	struct dvmi_rank_hdr h = { DVMI_RANK_VERSION, DVMI_RANK_WELCOME,
				   sizeof(struct dvmi_rank_welcome) };
	struct dvmi_rank_welcome w = { .map_bytes = n->map_bytes,
				       .job = 1,
				       .key = m->key,
				       .node_id = m->ranks[r].node + 1 };
	struct iovec iov[2] = { { &h, sizeof h }, { &w, sizeof w } };
	int fds[2] = { n->map_fd, n->rings_fd };
	union {
		char buf[CMSG_SPACE(sizeof fds)];
		struct cmsghdr align;
	} ctl = { { 0 } };
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = 2,
			      .msg_control = ctl.buf,
			      .msg_controllen = sizeof ctl.buf };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fds);
	memcpy(CMSG_DATA(c), fds, sizeof fds);
	sendmsg(m->ranks[r].sock, &msg, MSG_NOSIGNAL);
}

static uint8_t state_of(struct mini *m, uint32_t r)
{
	return states(&m->nodes[0])[r];
}

static void answer(struct mini *m, uint32_t asker, uint32_t peer)
{
	struct rank *k = &m->ranks[peer];
	struct dvmi_rank_peer p = { .rank = peer };

	if (!k->addr_len)
		p.code = state_of(m, peer) == DVMI_RANK_CLOSED ? -DVM_ECLOSED : -DVM_EPEERLOST;
	send_packet(m, asker, DVMI_RANK_ADDR, &p, sizeof p, k->addr, k->addr_len);
	k->asked[asker] = false;
}

static void answer_all(struct mini *m, uint32_t peer)
{
	for (uint32_t r = 0; r < m->opt->ranks; r++)
		if (m->ranks[peer].asked[r])
			answer(m, r, peer);
}

static void set_state(struct mini *m, uint32_t r, uint8_t state)
{
	if (state_of(m, r) != DVMI_RANK_ALIVE)
		return;
	for (uint32_t i = 0; i < m->opt->nodes; i++)
		atomic_store_explicit(&states(&m->nodes[i])[r], state, memory_order_release);
	answer_all(m, r);
	for (uint32_t i = 0; i < m->opt->ranks; i++)
		send_packet(m, i, DVMI_RANK_CHANGED, NULL, 0, NULL, 0);
}

static void on_lookup(struct mini *m, uint32_t r, uint32_t peer)
{
	if (peer >= m->opt->ranks)
		return;
	struct rank *k = &m->ranks[peer];
	k->asked[r] = true;
	if (k->addr_len || state_of(m, peer) != DVMI_RANK_ALIVE) {
		answer(m, r, peer);
		return;
	}
	k->wanted = true;
	send_packet(m, peer, DVMI_RANK_WANTED, NULL, 0, NULL, 0);
}

static void on_publish(struct mini *m, uint32_t r, const void *addr, size_t len)
{
	if (!len || len > DVMI_RANK_ADDR_MAX)
		return;
	memcpy(m->ranks[r].addr, addr, len);
	m->ranks[r].addr_len = (uint32_t)len;
	answer_all(m, r);
}

static void fail_with(struct mini *m, int code)
{
	if (!m->code)
		m->code = code;
}

static void kill_all(struct mini *m)
{
	for (uint32_t r = 0; r < m->opt->ranks; r++)
		if (m->ranks[r].pid > 0)
			kill(m->ranks[r].pid, SIGKILL);
}

static void vanish(struct mini *m)
{
	for (uint32_t r = 0; r < m->opt->ranks; r++)
		if (m->ranks[r].sock >= 0) {
			close(m->ranks[r].sock);
			m->ranks[r].sock = -1;
		}
}

static void on_abort(struct mini *m, int code, const char *text, size_t len)
{
	if (len == strlen(MINI_VANISH) && !memcmp(text, MINI_VANISH, len)) {
		vanish(m);
		return;
	}
	fprintf(stderr, "abort (%d): %.*s\n", code, (int)len, text);
	fail_with(m, code);
	kill_all(m);
}

/* There is no machine here whose jobs, names and hosts could be asked about. */
static void on_question(struct mini *m, uint32_t r, const uint8_t *p, size_t n)
{
	static const char text[] = "mini-run is no machine";
	struct dvmi_rank_ask ask = { 0 };
	struct dvmi_rank_answer a = { .code = -ENOTSUP };

	memcpy(&ask, p, n < sizeof ask ? n : sizeof ask);
	a.id = ask.id;
	send_packet(m, r, DVMI_RANK_ANSWER, &a, sizeof a, text, strlen(text));
}

static void on_packet(struct mini *m, uint32_t r, const uint8_t *p, size_t n)
{
	struct dvmi_rank_hdr h;
	struct dvmi_rank_peer peer = { 0 };

	memcpy(&h, p, sizeof h);
	p += sizeof h;
	n -= sizeof h;
	if (n >= sizeof peer)
		memcpy(&peer, p, sizeof peer);
	switch (h.type) {
	case DVMI_RANK_PUBLISH:
		on_publish(m, r, p, n);
		break;
	case DVMI_RANK_LOOKUP:
		on_lookup(m, r, peer.rank);
		break;
	case DVMI_RANK_GOODBYE:
		set_state(m, r, DVMI_RANK_CLOSED);
		break;
	case DVMI_RANK_ABORT:
		on_abort(m, peer.code, (const char *)p + sizeof peer, n - sizeof peer);
		break;
	case DVMI_RANK_LINK ... DVMI_RANK_HOST_DROP:
	case DVMI_RANK_UFFD:
	case DVMI_RANK_ROOM:
		on_question(m, r, p, n);
		break;
	default:
		fprintf(stderr, "mini: rank %u sent type %u\n", r, h.type);
		fail_with(m, 98);
	}
}

static void read_rank(struct mini *m, uint32_t r)
{
	struct rank *k = &m->ranks[r];
	uint8_t buf[DVMI_RANK_PACKET_MAX];
	ssize_t n;

	while (k->sock >= 0 && (n = recv(k->sock, buf, sizeof buf, MSG_DONTWAIT)) != -1) {
		if (n >= (ssize_t)sizeof(struct dvmi_rank_hdr)) {
			on_packet(m, r, buf, (size_t)n);
			continue;
		}
		close(k->sock);
		k->sock = -1;
	}
}

static void on_stranger(struct mini *m, int *slot)
{
	struct {
		struct dvmi_rank_hdr h;
		struct dvmi_rank_hello hello;
	} in;
	ssize_t n = recv(*slot, &in, sizeof in, MSG_DONTWAIT);

	if (n == sizeof in && in.h.type == DVMI_RANK_HELLO && in.hello.rank < m->opt->ranks) {
		m->ranks[in.hello.rank].sock = *slot;
		welcome(m, in.hello.rank);
		if (m->ranks[in.hello.rank].wanted)
			send_packet(m, in.hello.rank, DVMI_RANK_WANTED, NULL, 0, NULL, 0);
	} else {
		close(*slot);
	}
	*slot = -1;
}

static void on_listener(struct mini *m, int listener)
{
	for (int i = 0; i < STRANGERS; i++)
		if (m->strangers[i] < 0) {
			m->strangers[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			if (m->strangers[i] < 0)
				return;
		}
}

static void on_exit_of(struct mini *m, uint32_t r)
{
	struct rank *k = &m->ranks[r];
	int status;

	if (waitpid(k->pid, &status, WNOHANG) != k->pid)
		return;
	read_rank(m, r);
	set_state(m, r, DVMI_RANK_GONE);
	k->pid = 0;
	close(k->pidfd);
	k->pidfd = -1;
	m->running--;
	if (WIFEXITED(status) && WEXITSTATUS(status)) {
		fprintf(stderr, "mini: rank %u exits with %d\n", r, WEXITSTATUS(status));
		fail_with(m, WEXITSTATUS(status));
	}
	if (WIFSIGNALED(status) && !(WTERMSIG(status) == SIGKILL && m->opt->kills_are_good)) {
		fprintf(stderr, "mini: rank %u dies of signal %d\n", r, WTERMSIG(status));
		fail_with(m, 128 + WTERMSIG(status));
	}
}

static void set_number(const char *name, uint32_t v)
{
	char text[16];

	snprintf(text, sizeof text, "%u", v);
	setenv(name, text, 1);
}

static void become_rank(struct mini *m, uint32_t r)
{
	struct rank *k = &m->ranks[r];
	char path[128];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof path, "%s/rank", m->nodes[k->node].dir);
	setenv(DVMI_ENV_SHEPHERD, path, 1);
	set_number(DVMI_ENV_JOBID, 1);
	set_number(DVMI_ENV_RANK, r);
	set_number(DVMI_ENV_SIZE, m->opt->ranks);
	set_number(DVMI_ENV_NODE, k->node);
	set_number(DVMI_ENV_NNODES, m->opt->nodes);
	set_number(DVMI_ENV_LOCAL_RANK, k->local);
	set_number(DVMI_ENV_LOCAL_SIZE, m->nodes[k->node].local_size);
	execvp(m->opt->argv[0], m->opt->argv);
	perror(m->opt->argv[0]);
	_exit(127);
}

static void start_ranks(struct mini *m)
{
	for (uint32_t r = 0; r < m->opt->ranks; r++) {
		pid_t pid = fork();
		if (pid < 0)
			die("fork");
		if (pid == 0)
			become_rank(m, r);
		m->ranks[r].pid = pid;
		m->ranks[r].pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (m->ranks[r].pidfd < 0)
			die("pidfd_open");
		m->running++;
	}
}

static void serve_once(struct mini *m, struct pollfd *fds, int timeout_ms)
{
	uint32_t n = 0, R = m->opt->ranks, N = m->opt->nodes;

	for (uint32_t i = 0; i < N; i++)
		fds[n++] = (struct pollfd){ .fd = m->nodes[i].listener, .events = POLLIN };
	for (uint32_t r = 0; r < R; r++) {
		fds[n++] = (struct pollfd){ .fd = m->ranks[r].sock, .events = POLLIN };
		fds[n++] = (struct pollfd){ .fd = m->ranks[r].pidfd, .events = POLLIN };
	}
	for (int i = 0; i < STRANGERS; i++)
		fds[n++] = (struct pollfd){ .fd = m->strangers[i], .events = POLLIN };
	if (poll(fds, n, timeout_ms) <= 0)
		return;
	for (int i = 0; i < STRANGERS; i++)
		if (fds[N + 2 * R + (uint32_t)i].revents)
			on_stranger(m, &m->strangers[i]);
	for (uint32_t i = 0; i < N; i++)
		if (fds[i].revents)
			on_listener(m, m->nodes[i].listener);
	for (uint32_t r = 0; r < R; r++) {
		if (fds[N + 2 * r].revents)
			read_rank(m, r);
		if (fds[N + 2 * r + 1].revents)
			on_exit_of(m, r);
	}
}

static void serve(struct mini *m)
{
	uint64_t end = dvmi_clock_mono() + m->opt->seconds * DVMI_SEC;
	struct pollfd *fds =
		must(calloc(m->opt->nodes + 2 * m->opt->ranks + STRANGERS, sizeof *fds));

	while (m->running) {
		uint64_t now = dvmi_clock_mono();
		if (now >= end) {
			fprintf(stderr, "mini: no end after %u s\n", m->opt->seconds);
			fail_with(m, 124);
			kill_all(m);
			end = UINT64_MAX;
		}
		serve_once(m, fds, end == UINT64_MAX ? -1 : (int)((end - now) / DVMI_MSEC) + 1);
	}
	free(fds);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	remove(path);
	return 0;
}

static void clean_up(struct mini *m)
{
	for (uint32_t i = 0; i < m->opt->nodes; i++) {
		struct node *n = &m->nodes[i];
		munmap(n->map, n->map_bytes);
		close(n->map_fd);
		close(n->rings_fd);
		close(n->listener);
	}
	/* With all that ranks have left there which did not come to their own end. */
	nftw(m->base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	for (uint32_t r = 0; r < m->opt->ranks; r++) {
		if (m->ranks[r].sock >= 0)
			close(m->ranks[r].sock);
		free(m->ranks[r].asked);
	}
	free(m->ranks);
	free(m->nodes);
}

int mini_run(const struct mini_options *opt)
{
	struct mini m = { .opt = opt, .base = "/tmp/dvm-mini.XXXXXX" };

	if (!mkdtemp(m.base) || getrandom(&m.key, sizeof m.key, 0) != sizeof m.key)
		die("mkdtemp");
	m.nodes = must(calloc(opt->nodes, sizeof *m.nodes));
	m.ranks = must(calloc(opt->ranks, sizeof *m.ranks));
	memset(m.strangers, 0xff, sizeof m.strangers);
	place_ranks(&m);
	for (uint32_t i = 0; i < opt->nodes; i++)
		make_node(&m, i);
	start_ranks(&m);
	serve(&m);
	clean_up(&m);
	return m.code;
}
