/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a shepherd is to the ranks of its job, for tasks, who are ranks of the world: the job map, the
 * memory of the node's rings, and the packets of libdvm/proto/rank.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/pvm/agent.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/src/handle.h"

/* ---- packets ---- */

static void send_packet(struct agent *a, struct pvm_slot *s, uint16_t type, const void *head,
			size_t head_len, const void *tail, size_t tail_len, const int *fds)
{
	struct dvmi_rank_hdr h = { .version = DVMI_RANK_VERSION,
				   .type = type,
				   .len = (uint32_t)(head_len + tail_len) };
	struct iovec iov[3] = { { &h, sizeof h },
				{ (void *)(uintptr_t)head, head_len },
				{ (void *)(uintptr_t)tail, tail_len } };
	union {
		char buf[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 3 };

	if (s->ctl.fd < 0)
		return;
	if (fds) {
		m.msg_control = control.buf;
		m.msg_controllen = sizeof control.buf;
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(2 * sizeof(int));
		memcpy(CMSG_DATA(c), fds, 2 * sizeof(int));
	}
	/* What does not fit is said again by the next change. */
	sendmsg(s->ctl.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	pvm_ring(s);
}

static void welcome(struct agent *a, struct pvm_slot *s)
{
	const struct dvmi_rank_welcome w = { .map_bytes = s->bank->map_bytes,
					     .job = a->key,
					     .key = a->key,
					     .node_id = a->index };
	const int fds[2] = { s->bank->map_fd, s->bank->rings_fd };

	send_packet(a, s, DVMI_RANK_WELCOME, &w, sizeof w, NULL, 0, fds);
	if (s->wanted)
		send_packet(a, s, DVMI_RANK_WANTED, NULL, 0, NULL, 0, NULL);
}

static void publish(struct agent *a, struct pvm_slot *s, const uint8_t *addr, size_t len)
{
	if (!len || len > sizeof s->addr)
		return;
	memcpy(s->addr, addr, len);
	s->addr_len = (uint32_t)len;
	for (uint32_t i = 0; i < s->naskers; i++)
		pvm_rank_lookup(a, pvm_slot_rank(s), s->askers[i]);
	s->naskers = 0;
}

static void take_packet(struct agent *a, struct pvm_slot *s, const struct dvmi_rank_hdr *h,
			const uint8_t *body)
{
	struct dvmi_rank_peer p;
	struct dvmi_buf b = { 0 };

	if (h->type == DVMI_RANK_PUBLISH) {
		publish(a, s, body, h->len);
	} else if (h->type == DVMI_RANK_LOOKUP && h->len >= sizeof p) {
		memcpy(&p, body, sizeof p);
		dvmi_buf_put_u32(&b, p.rank);
		dvmi_buf_put_u32(&b, pvm_slot_rank(s));
		pvm_to_master(a, PVMI_LOOKUP, 0, 0, &b);
		dvmi_buf_free(&b);
	}
}

static void on_ctl(struct agent *a, struct pvm_watch *w)
{
	struct pvm_slot *s = (struct pvm_slot *)(void *)w;
	uint8_t packet[DVMI_RANK_PACKET_MAX + sizeof(struct dvmi_rank_hdr)];
	struct dvmi_rank_hdr h;
	ssize_t n = recv(w->fd, packet, sizeof packet, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < (ssize_t)sizeof h) {
		pvm_watch_close(a, w);
		return;
	}
	memcpy(&h, packet, sizeof h);
	if (h.version == DVMI_RANK_VERSION && h.len == (size_t)n - sizeof h)
		take_packet(a, s, &h, packet + sizeof h);
}

/* ---- who calls ---- */

static struct pvm_slot *slot_of_hello(struct agent *a, int fd)
{
	uint8_t packet[sizeof(struct dvmi_rank_hdr) + sizeof(struct dvmi_rank_hello)];
	struct dvmi_rank_hdr h;
	struct dvmi_rank_hello hello;
	struct ucred cred;
	socklen_t len = sizeof cred;
	struct timeval patience = { .tv_sec = 1 };

	/* It says hello in the breath in which it calls. */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (recv(fd, packet, sizeof packet, 0) != sizeof packet ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.uid != geteuid())
		return NULL;
	memcpy(&h, packet, sizeof h);
	memcpy(&hello, packet + sizeof h, sizeof hello);
	struct pvm_slot *s = a->cap ? pvm_slot_of_rank(a, hello.rank) : NULL;
	if (h.version != DVMI_RANK_VERSION || h.type != DVMI_RANK_HELLO || !s ||
	    s->state != PVM_SLOT_TAKEN || s->ctl.fd >= 0)
		return NULL;
	return s;
}

static void on_call(struct agent *a, struct pvm_watch *w)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
	struct pvm_slot *s = fd < 0 ? NULL : slot_of_hello(a, fd);

	if (!s || pvm_watch_add(a, &s->ctl, fd, on_ctl) < 0) {
		if (fd >= 0)
			close(fd);
		return;
	}
	welcome(a, s);
}

static int listen_at(const char *path, int type)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof sa.sun_path)
		return -ENAMETOOLONG;
	strcpy(sa.sun_path, path);
	cleanup_fd int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(fd, 128) < 0)
		return -errno;
	return take_fd(fd);
}

int pvm_ranks_open(struct agent *a)
{
	if (asprintf(&a->ranks_path, "%s/pvm-ranks.sock", a->dir) < 0)
		return -ENOMEM;
	int fd = listen_at(a->ranks_path, SOCK_SEQPACKET);
	return fd < 0 ? fd : pvm_watch_add(a, &a->ranks, fd, on_call);
}

/* ---- their processes ---- */

void pvm_slots_kill(struct agent *a)
{
	const struct pvm_slot *s;

	for (uint32_t i = 0; (s = pvm_slot_at(a, i)); i++)
		if (s->state == PVM_SLOT_TAKEN && s->pid > 0 && s->pid_fd.fd >= 0)
			kill(s->pid, SIGTERM);
}

static void on_process_end(struct agent *a, struct pvm_watch *w)
{
	struct pvm_slot *s =
		(struct pvm_slot *)(void *)((char *)w - offsetof(struct pvm_slot, pid_fd));

	pvm_slot_end(a, s, false);
}

void pvm_slot_watch_pid(struct agent *a, struct pvm_slot *s, pid_t pid)
{
	pvm_watch_close(a, &s->pid_fd);
	s->pid = pid;
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd >= 0)
		pvm_watch_add(a, &s->pid_fd, fd, on_process_end);
}

static void free_askers(struct pvm_slot *s)
{
	free(s->askers);
	s->askers = NULL;
	s->naskers = 0;
}

void pvm_slot_end(struct agent *a, struct pvm_slot *s, bool closed)
{
	struct dvmi_buf b = { 0 };

	if (s->state != PVM_SLOT_TAKEN)
		return;
	pvm_watch_close(a, &s->ctl);
	pvm_watch_close(a, &s->pid_fd);
	free_askers(s);
	pvm_sweep(s);
	pvm_slot_over(a, s);
	pvm_client_slot_ended(a, s);
	if (s->client)
		s->client->slot = NULL;
	s->client = NULL;
	dvmi_buf_put_u32(&b, pvm_slot_rank(s));
	dvmi_buf_put_u32(&b, closed);
	pvm_to_master(a, PVMI_A_EXIT, 0, 0, &b);
	dvmi_buf_free(&b);
}

void pvm_rank_gone(struct agent *a, uint32_t rank, bool closed)
{
	struct pvm_slot *s;

	if (rank >= a->cap * PVMI_LOCAL_MAX)
		return;
	pvm_banks_gone(a, rank, closed);
	for (uint32_t i = 0; (s = pvm_slot_at(a, i)); i++)
		if (s->ctl.fd >= 0)
			send_packet(a, s, DVMI_RANK_CHANGED, NULL, 0, NULL, 0, NULL);
}

/* ---- addresses ---- */

static void answer_lookup(struct agent *a, uint32_t rank, uint32_t who, int code,
			  const struct pvm_slot *s)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, who);
	dvmi_buf_put_u32(&b, rank);
	dvmi_buf_put_u32(&b, (uint32_t)code);
	dvmi_buf_put_blob(&b, s ? s->addr : NULL, s ? s->addr_len : 0);
	pvm_to_master(a, PVMI_ADDRESS, 0, 0, &b);
	dvmi_buf_free(&b);
}

void pvm_rank_lookup(struct agent *a, uint32_t rank, uint32_t who)
{
	struct pvm_slot *s = pvm_slot_of_rank(a, rank);

	if (!s || s->state != PVM_SLOT_TAKEN) {
		answer_lookup(a, rank, who, -DVM_ECLOSED, NULL);
		return;
	}
	if (s->addr_len) {
		answer_lookup(a, rank, who, 0, s);
		return;
	}
	uint32_t *more = realloc(s->askers, (s->naskers + 1) * sizeof *more);
	if (!more)
		return;
	s->askers = more;
	s->askers[s->naskers++] = who;
	s->wanted = true;
	send_packet(a, s, DVMI_RANK_WANTED, NULL, 0, NULL, 0, NULL);
}

void pvm_rank_address(struct agent *a, uint32_t who, uint32_t rank, int code, const void *addr,
		      uint32_t len)
{
	struct pvm_slot *s = pvm_slot_of_rank(a, who);
	const struct dvmi_rank_peer p = { .rank = rank, .code = code };

	if (s && s->state == PVM_SLOT_TAKEN)
		send_packet(a, s, DVMI_RANK_ADDR, &p, sizeof p, addr, len, NULL);
}

void pvm_ranks_close(struct agent *a)
{
	struct pvm_slot *s;

	for (uint32_t i = 0; (s = pvm_slot_at(a, i)); i++) {
		pvm_watch_close(a, &s->ctl);
		pvm_watch_close(a, &s->pid_fd);
		free_askers(s);
	}
	pvm_watch_close(a, &a->ranks);
	if (a->ranks_path)
		unlink(a->ranks_path);
	free(a->ranks_path);
	pvm_banks_close(a);
}
