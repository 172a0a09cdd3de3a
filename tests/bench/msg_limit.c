/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/bench/msg: what the machine itself allows. Messages go through one shared mailbox per
 * direction, without matching, order or flow control: copied in, a flag, copied out. Beside that,
 * how fast one megabyte is copied from one private buffer to another: within a process, by the
 * receiver out of the sender (process_vm_readv), and by both, half each.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/bench/msg.h"

const unsigned msg_sys_caps = MSG_P2P;

#define COPY ((size_t)1 << 20)

/* A line with a flag and the beginning of the message, as an inline ring has it. */
struct box {
	_Alignas(64) _Atomic uint64_t full;
	char start[48];
	_Alignas(64) char rest[MSG_ROOM];
};

struct note { /* in the shared page */
	pid_t pid;
	char *out, *in;
};

static struct {
	struct box *boxes; /* [0] of rank 0, [1] of rank 1 */
	int rank, size;
} l;

void sys_open(int *argc, char ***argv)
{
	l.rank = meet_env("MSG_RANK");
	l.size = meet_env("MSG_SIZE");
	if (l.rank < 0 || l.rank > 1 || l.size != 2)
		msg_die("the limit", "is measured with two ranks");
	meet_open(l.rank, l.size);
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	l.boxes = meet_room(2 * sizeof *l.boxes);
}

int sys_rank(void)
{
	return l.rank;
}

int sys_size(void)
{
	return l.size;
}

void sys_close(void)
{
}

/* ---- messages ---- */

void sys_send(const void *buf, size_t len, int to)
{
	struct box *box = &l.boxes[l.rank];

	while (atomic_load_explicit(&box->full, memory_order_acquire))
		;
	memcpy(len <= sizeof box->start ? box->start : box->rest, buf, len);
	atomic_store_explicit(&box->full, 1, memory_order_release);
}

void sys_recv(void *buf, size_t len, int from)
{
	struct box *box = &l.boxes[from];

	while (!atomic_load_explicit(&box->full, memory_order_acquire))
		;
	memcpy(buf, len <= sizeof box->start ? box->start : box->rest, len);
	atomic_store_explicit(&box->full, 0, memory_order_release);
}

/* There is only one box: nothing is ever under way. */
void sys_isend(int slot, const void *buf, size_t len, int to)
{
	sys_send(buf, len, to);
}

void sys_irecv(int slot, void *buf, size_t len, int from)
{
	sys_recv(buf, len, from);
}

void sys_waitall(int n)
{
}

/* ---- copies ---- */

static struct note peer;

static void swap_addresses(void)
{
	const struct note mine = { getpid(), msg_out, msg_in };

	memcpy(meet_note(l.rank), &mine, sizeof mine);
	meet();
	memcpy(&peer, meet_note(1 - l.rank), sizeof peer);
	meet();
}

static void pull(size_t from, size_t len)
{
	struct iovec local = { msg_in + from, len }, remote = { peer.out + from, len };

	if (process_vm_readv(peer.pid, &local, 1, &remote, 1, 0) != (ssize_t)len)
		msg_die("process_vm_readv", strerror(errno));
}

static void push(size_t from, size_t len)
{
	struct iovec local = { msg_out + from, len }, remote = { peer.in + from, len };

	if (process_vm_writev(peer.pid, &local, 1, &remote, 1, 0) != (ssize_t)len)
		msg_die("process_vm_writev", strerror(errno));
}

/* Rank 1 has had its part, rank 0 knows. */
static void agree(void)
{
	char word[8] = { 0 };

	if (l.rank == 0)
		sys_recv(word, sizeof word, 1);
	else
		sys_send(word, sizeof word, 0);
}

static void by_memcpy(const struct msg_case *c, uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds && l.rank == 0; i++) {
		memcpy(msg_in, msg_out, c->len);
		__asm__ volatile("" ::: "memory");
	}
}

static void by_reading(const struct msg_case *c, uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++) {
		if (l.rank == 1)
			pull(0, c->len);
		agree();
	}
}

static void by_both(const struct msg_case *c, uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++) {
		if (l.rank == 1)
			pull(0, c->len / 2);
		else
			push(c->len / 2, c->len / 2);
		agree();
	}
}

/* clang-format off */
const struct msg_case msg_sys_cases[] = {
	{ "memcpy1m", by_memcpy, COPY, MSG_P2P, (double)COPY, true, false, NULL, NULL },
	{ "readv1m", by_reading, COPY, MSG_P2P, (double)COPY, true, false, swap_addresses, NULL },
	{ "split1m", by_both, COPY, MSG_P2P, (double)COPY, true, false, swap_addresses, NULL },
	{ .name = NULL },
};
/* clang-format on */
