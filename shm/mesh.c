/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nodes that talk through the transports of libdvm/net: shared memory among those on one kernel,
 * TCP between others. These are instances of our own: a rank's messages and its pages do not wait
 * for each other.
 *
 * Nodes on one kernel find each other by what they say in their cards. The lowest of them makes the
 * memory; the others open it through /proc, which the kernel allows among processes of one user,
 * and all have to succeed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dvm/error.h"
#include "libdvm/net/remote.h"
#include "libdvm/net/shm.h"
#include "libdvm/net/tcp.h"
#include "shm/dsm.h"
#include "shm/protocol.h"

#define KIND   32 /* of a packet with records */
#define PACKET (64u * 1024 + 256)

/* What a node says of itself. */
struct card {
	char kernel[40], pids[32]; /* of which boot, in which namespace of processes */
	char dir[108];		   /* where bells are */
	int32_t pid, file;	   /* -1: it offers no memory */
	uint32_t uid, addr_len;
	uint8_t addr[DVMI_REMOTE_ADDR_MAX];
};

struct dsm_mesh {
	struct dsm_mesh_config c;
	struct dsm_node **node;
	struct card *cards; /* [nodes] */
	struct dvmi_tport *tcp, *shm;
	uint32_t *rank_of, *local_of; /* among those on our kernel */
	uint32_t local_size;
	bool *local, *down, *lost; /* [nodes]; lost: and it has not closed */
	bool apart;	    /* some are not: only then there is anything to hear over TCP */
	int file;
	char dir[108]; /* ours, when we have made it */
};

/* ---- packets ---- */

static int on_packet(void *arg, uint32_t src, const struct dvmi_pkt *pkt, const void *payload)
{
	struct dsm_mesh *m = arg;

	if (pkt->kind == KIND && *m->node)
		dsm_node_packet(*m->node, src, payload, pkt->len);
	return 0;
}

/* Whether it is dead is for others to say. */
static void on_down(void *arg, uint32_t peer, int code)
{
	struct dsm_mesh *m = arg;

	m->down[peer] = true;
	m->lost[peer] = code != -DVM_ECLOSED;
	if (m->lost[peer])
		dvmi_log(m->c.log, "shm", LOG_NOTICE, "no connection to node %u any more: %s", peer,
			 dvm_strerror(code));
}

bool dsm_mesh_down(const struct dsm_mesh *m, uint32_t node)
{
	return m->lost[node];
}

static bool mesh_down(void *arg, uint32_t node)
{
	return dsm_mesh_down(arg, node);
}

static int mesh_send(void *arg, uint32_t node, const void *bytes, size_t len)
{
	struct dsm_mesh *m = arg;
	struct dvmi_tport *t = m->local[node] ? m->shm : m->tcp;
	struct dvmi_pkt pkt = { .kind = KIND, .len = (uint32_t)len };

	if (m->down[node])
		return -DVM_EPEERLOST;
	if (t == m->tcp)
		dvmi_remote_likely(t, node);
	return t->ops->send(t, node, &pkt, bytes);
}

static int mesh_progress(void *arg)
{
	struct dsm_mesh *m = arg;
	int n = m->shm ? m->shm->ops->progress(m->shm) : 0;

	return n + (m->tcp && m->apart ? m->tcp->ops->progress(m->tcp) : 0);
}

static void mesh_disarm(void *arg)
{
	struct dsm_mesh *m = arg;

	if (m->shm)
		m->shm->ops->disarm(m->shm);
	if (m->tcp && m->apart)
		m->tcp->ops->disarm(m->tcp);
}

static int arm_one(struct dvmi_tport *t, struct pollfd *fds, int n, int *k)
{
	int rc = t ? t->ops->arm(t, fds + *k, n - *k) : 0;

	if (rc > 0)
		*k += rc;
	return rc < 0 ? rc : 0;
}

/* Their number, or -ENOTSUP, with as many descriptors as there are: then the sleep is short. */
static int mesh_arm(void *arg, struct pollfd *fds, int n)
{
	struct dsm_mesh *m = arg;
	int k = 0, a = arm_one(m->shm, fds, n, &k);
	int b = a == -EAGAIN || !m->apart ? 0 : arm_one(m->tcp, fds, n, &k);

	if (a < 0 || b < 0)
		mesh_disarm(m);
	if (a == -EAGAIN || b == -EAGAIN)
		return -EAGAIN;
	return a < 0 || b < 0 ? -ENOTSUP : k;
}

struct dsm_link dsm_mesh_link(struct dsm_mesh *m, struct dsm_node **node)
{
	m->node = node;
	return (struct dsm_link){
		.packet_max = PACKET,
		.send = mesh_send,
		.progress = mesh_progress,
		.down = mesh_down,
		.arm = mesh_arm,
		.disarm = mesh_disarm,
		.arg = m,
	};
}

/* ---- TCP ---- */

static int publish(void *arg, const void *addr, size_t len)
{
	struct dsm_mesh *m = arg;
	struct card *c = &m->cards[m->c.self];

	if (len > sizeof c->addr)
		return -EMSGSIZE;
	memcpy(c->addr, addr, len);
	c->addr_len = (uint32_t)len;
	return 0;
}

static int lookup(void *arg, uint32_t peer)
{
	struct dsm_mesh *m = arg;
	const struct card *c = &m->cards[peer];

	dvmi_remote_address(m->tcp, peer, 0, c->addr, c->addr_len);
	return 0;
}

static int open_tcp(struct dsm_mesh *m)
{
	struct dvmi_remote_config cfg = {
		.interface = m->c.interface,
		.port_low = m->c.port_low,
		.port_high = m->c.port_high,
		.key = m->c.key,
		.self = m->c.self,
		.size = m->c.nodes,
		.sink = { .packet = on_packet, .down = on_down, .arg = m },
		.log = m->c.log,
		.publish = publish,
		.lookup = lookup,
		.arg = m,
	};
	int rc = dvmi_tcp_create(&m->tcp, &cfg);

	if (rc == 0)
		dvmi_remote_wanted(m->tcp); /* publishes */
	if (rc == 0 && !m->cards[m->c.self].addr_len)
		rc = -EADDRNOTAVAIL;
	return rc;
}

/* ---- shared memory ---- */

static void read_line(char *to, size_t room, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, to, room - 1);

	to[n > 0 ? n : 0] = '\0';
	to[strcspn(to, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
}

static bool want_shm(void)
{
	const char *how = getenv("DVM_SHM_TRANSPORT");

	return !how || strcmp(how, "tcp") != 0;
}

static void offer_memory(struct dsm_mesh *m, struct card *c)
{
	static _Atomic uint32_t number;

	m->file = memfd_create("dvm-mesh", MFD_CLOEXEC);
	c->file = m->file;
	int n = snprintf(m->dir, sizeof m->dir, "%s/mesh-%d-%u", m->c.dir ? m->c.dir : "/tmp",
			 (int)getpid(), atomic_fetch_add(&number, 1));
	if (n >= (int)sizeof m->dir || mkdir(m->dir, 0700) < 0)
		m->dir[0] = '\0'; /* then sleeps are short */
	memcpy(c->dir, m->dir, sizeof c->dir);
}

static void write_card(struct dsm_mesh *m, struct card *c)
{
	c->pid = (int32_t)getpid();
	c->uid = (uint32_t)getuid();
	c->file = -1;
	read_line(c->kernel, sizeof c->kernel, "/proc/sys/kernel/random/boot_id");
	ssize_t n = readlink("/proc/self/ns/pid", c->pids, sizeof c->pids - 1);
	c->pids[n > 0 ? n : 0] = '\0';
	if (want_shm())
		offer_memory(m, c);
}

static bool together(const struct card *a, const struct card *b)
{
	return a->kernel[0] && a->file >= 0 && b->file >= 0 && a->uid == b->uid &&
	       strncmp(a->kernel, b->kernel, sizeof a->kernel) == 0 &&
	       strncmp(a->pids, b->pids, sizeof a->pids) == 0;
}

/* The lowest node on our kernel. */
static uint32_t maker(const struct dsm_mesh *m)
{
	uint32_t i = 0;

	while (i < m->c.self && !together(&m->cards[i], &m->cards[m->c.self]))
		i++;
	return i;
}

static int open_of(const struct card *c)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)c->pid, (int)c->file);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void list_local(struct dsm_mesh *m)
{
	for (uint32_t i = 0; i < m->c.nodes; i++) {
		m->local[i] = together(&m->cards[i], &m->cards[m->c.self]);
		if (!m->local[i])
			continue;
		m->local_of[i] = m->local_size;
		m->rank_of[m->local_size++] = i;
	}
}

static int open_shm(struct dsm_mesh *m)
{
	uint32_t first = maker(m);
	int fd = first == m->c.self ? m->file : open_of(&m->cards[first]);

	if (fd < 0)
		return fd;
	if (fd != m->file) {
		close(m->file);
		m->file = fd;
	}
	struct dvmi_shm_config cfg = {
		.fd = fd,
		.self = m->local_of[m->c.self],
		.local_size = m->local_size,
		.rank_of = m->rank_of,
		.local_of = m->local_of,
		.dir = m->cards[first].dir,
		.sink = { .packet = on_packet, .down = on_down, .arg = m },
	};
	return dvmi_shm_create(&m->shm, &cfg);
}

/* All or none of those on a kernel. */
static int agree_on_shm(struct dsm_mesh *m)
{
	list_local(m);
	bool want = m->local_size > 1 && m->local_size <= DVMI_SHM_RANKS_MAX;
	uint8_t good = want && open_shm(m) == 0, all[DSM_NODES_MAX];
	int rc = m->c.exchange(m->c.arg, &good, all, 1);

	for (uint32_t i = 0; i < m->c.nodes; i++)
		good &= !m->local[i] || all[i];
	if (rc < 0 || good)
		return rc;
	dvmi_tport_destroy(m->shm);
	m->shm = NULL;
	memset(m->local, 0, m->c.nodes * sizeof *m->local);
	return 0;
}

/* ---- life ---- */

static int allocate(struct dsm_mesh *m)
{
	uint32_t n = m->c.nodes;

	m->cards = calloc(n, sizeof *m->cards);
	m->rank_of = calloc(n, sizeof *m->rank_of);
	m->local_of = calloc(n, sizeof *m->local_of);
	m->local = calloc(n, sizeof *m->local);
	m->down = calloc(n, sizeof *m->down);
	m->lost = calloc(n, sizeof *m->lost);
	return m->cards && m->rank_of && m->local_of && m->local && m->down && m->lost ? 0 : -ENOMEM;
}

/* Also who cannot go on takes part in the exchanges: the others wait for it. */
static int make(struct dsm_mesh *m)
{
	struct card mine = { .file = -1 };
	int rc = open_tcp(m);

	write_card(m, &m->cards[m->c.self]);
	mine = m->cards[m->c.self];
	int said = m->c.exchange(m->c.arg, &mine, m->cards, sizeof mine);
	if (said < 0)
		return said;
	said = agree_on_shm(m);
	for (uint32_t i = 0; i < m->c.nodes; i++)
		m->apart |= !m->local[i];
	return rc < 0 ? rc : said;
}

int dsm_mesh_create(struct dsm_mesh **out, const struct dsm_mesh_config *config)
{
	struct dsm_mesh *m = calloc(1, sizeof *m);

	if (!m)
		return -ENOMEM;
	m->c = *config;
	m->file = -1;
	int rc = allocate(m);
	if (rc == 0)
		rc = make(m);
	if (rc < 0) {
		dsm_mesh_destroy(m);
		return rc;
	}
	*out = m;
	return 0;
}

bool dsm_mesh_local(const struct dsm_mesh *m, uint32_t node)
{
	return m->local[node];
}

void dsm_mesh_destroy(struct dsm_mesh *m)
{
	if (!m)
		return;
	/* Who is still there is not to take it for a loss. */
	if (m->tcp)
		m->tcp->ops->flush(m->tcp);
	dvmi_tport_destroy(m->tcp);
	dvmi_tport_destroy(m->shm);
	if (m->file >= 0)
		close(m->file);
	if (m->dir[0])
		rmdir(m->dir);
	free(m->cards);
	free(m->rank_of);
	free(m->local_of);
	free(m->local);
	free(m->down);
	free(m->lost);
	free(m);
}
