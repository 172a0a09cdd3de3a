/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/bench/msg: what the machine itself allows. Words go through a ring, four to a cache line,
 * longer messages through one mailbox per direction: copied in, a flag, copied out. There is no
 * matching, and flow control is the loop's own: it never has more than a window under way. Beside
 * that, how fast one megabyte is copied from one private buffer to another: within a process, by
 * the receiver out of the sender (process_vm_readv), and by both, half each; and what the long
 * collectives are made of when nothing but their copies and sums is left, with a barrier around.
 */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/bench/msg.h"

const unsigned msg_sys_caps = MSG_P2P | MSG_COLL | MSG_RMA;

#define COPY	    ((size_t)1 << 20)
#define CHUNK	    ((size_t)256 << 10) /* of what is read from both ends in turn */
#define BOTH_WINDOW 16

#define SLOTS (2 * MSG_WINDOW)

struct slot {
	_Atomic uint64_t number; /* of the message that is there, from 1 */
	uint64_t word;
};

/* Both directions in one line: it goes to and fro once each way, where two lines go twice. */
struct pair {
	_Alignas(64) struct slot of[2];
};

/* Where more ranks meet than there are cores. */
struct counter {
	_Alignas(64) _Atomic uint32_t arrived;
	_Alignas(64) _Atomic uint32_t generation;
};

struct box { /* of one sender */
	_Alignas(64) struct slot ring[SLOTS];
	_Alignas(64) _Atomic uint64_t full;
	_Alignas(64) _Atomic uint64_t window;
	_Alignas(64) char rest[MSG_ROOM];
};

struct note { /* in the shared page */
	pid_t pid;
	char *out, *in;
};

static struct {
	struct box *boxes; /* [0] of rank 0, [1] of rank 1 */
	struct pair *pair;
	struct counter *counter;
	uint64_t sent, received; /* words */
	uint64_t turns;		 /* of the pair */
	int rank, size;
} l;

void sys_open(int *argc, char ***argv)
{
	l.rank = meet_rank();
	l.size = meet_env("MSG_SIZE");
	if (l.rank < 0 || l.size < 2)
		msg_die("the limit", "is measured with two ranks, that of barriers with more");
	meet_open(l.rank, l.size);
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	l.boxes = meet_room(2 * sizeof *l.boxes + sizeof *l.pair + sizeof *l.counter);
	l.pair = (struct pair *)(l.boxes + 2);
	l.counter = (struct counter *)(l.pair + 1);
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

/* Who looks without a pause keeps the line from whoever wants to write it. */
static inline void relax(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#endif
}

static void send_word(uint64_t word)
{
	struct slot *slot = &l.boxes[l.rank].ring[l.sent++ % SLOTS];

	slot->word = word;
	atomic_store_explicit(&slot->number, l.sent, memory_order_release);
}

static uint64_t recv_word(int from)
{
	struct slot *slot = &l.boxes[from].ring[l.received++ % SLOTS];

	while (atomic_load_explicit(&slot->number, memory_order_acquire) != l.received)
		relax();
	return slot->word;
}

void sys_send(const void *buf, size_t len, int to)
{
	struct box *box = &l.boxes[l.rank];
	uint64_t word = 0;

	if (len <= sizeof word) {
		memcpy(&word, buf, len);
		send_word(word);
		return;
	}
	while (atomic_load_explicit(&box->full, memory_order_acquire))
		;
	memcpy(box->rest, buf, len);
	atomic_store_explicit(&box->full, 1, memory_order_release);
}

void sys_recv(void *buf, size_t len, int from)
{
	struct box *box = &l.boxes[from];

	if (len <= sizeof(uint64_t)) {
		uint64_t word = recv_word(from);

		memcpy(buf, &word, len);
		return;
	}
	while (!atomic_load_explicit(&box->full, memory_order_acquire))
		;
	memcpy(buf, box->rest, len);
	atomic_store_explicit(&box->full, 0, memory_order_release);
}

/* Whoever waits for something does so here. */
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

/* ---- a word to and fro ---- */

static void write_pair(uint64_t word)
{
	struct slot *slot = &l.pair->of[l.rank];

	slot->word = word;
	atomic_store_explicit(&slot->number, l.turns, memory_order_release);
}

static uint64_t read_pair(void)
{
	struct slot *slot = &l.pair->of[1 - l.rank];

	while (atomic_load_explicit(&slot->number, memory_order_acquire) != l.turns)
		relax();
	return slot->word;
}

static void pair_ping_pong(const struct msg_case *c, uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++) {
		l.turns++;
		if (l.rank == 0) {
			write_pair(i);
			read_pair();
		} else {
			write_pair(read_pair());
		}
	}
}

/* ---- together, and windows ---- */

/* Everybody counts once and gives its core away: as few switches as there can be. */
static void crowded_barrier(void)
{
	uint32_t now = atomic_load_explicit(&l.counter->generation, memory_order_acquire);

	if (atomic_fetch_add(&l.counter->arrived, 1) + 1 == (uint32_t)l.size) {
		atomic_store_explicit(&l.counter->arrived, 0, memory_order_relaxed);
		atomic_store_explicit(&l.counter->generation, now + 1, memory_order_release);
		return;
	}
	while (atomic_load_explicit(&l.counter->generation, memory_order_acquire) == now)
		sched_yield();
}

void sys_barrier(void)
{
	if (l.size > 2) {
		crowded_barrier();
		return;
	}
	send_word(0);
	recv_word(1 - l.rank);
}

void sys_allreduce(const double *in, double *out, size_t count)
{
	double theirs;
	uint64_t word;

	memcpy(&word, in, sizeof word);
	send_word(word);
	word = recv_word(1 - l.rank);
	memcpy(&theirs, &word, sizeof theirs);
	*out = *in + theirs;
}

void sys_win_open(size_t len)
{
}

void sys_win_close(void)
{
}

void sys_put8(uint64_t value, int to)
{
	atomic_store(&l.boxes[to].window, value); /* complete: it is there before we go on */
}

uint64_t sys_add8(uint64_t value, int to)
{
	return atomic_fetch_add(&l.boxes[to].window, value);
}

/* Never asked for. */
void sys_bcast(void *buf, size_t len, int root)
{
}

void sys_alltoall(const void *in, size_t len, void *out)
{
}

/* ---- copies ---- */

static struct note notes[MSG_RANKS_MAX], peer;

static void swap_addresses(void)
{
	const struct note mine = { getpid(), msg_out, msg_in };

	memcpy(meet_note(l.rank), &mine, sizeof mine);
	meet();
	for (int i = 0; i < l.size; i++)
		memcpy(&notes[i], meet_note(i), sizeof notes[i]);
	peer = notes[(l.rank + 1) % l.size];
	meet();
}

static void read_from(pid_t pid, char *to, char *from, size_t len)
{
	struct iovec local = { to, len }, remote = { from, len };

	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != (ssize_t)len)
		msg_die("process_vm_readv", strerror(errno));
}

static void write_to(pid_t pid, char *to, char *from, size_t len)
{
	struct iovec local = { from, len }, remote = { to, len };

	if (process_vm_writev(pid, &local, 1, &remote, 1, 0) != (ssize_t)len)
		msg_die("process_vm_writev", strerror(errno));
}

static void pull(size_t from, size_t len)
{
	read_from(peer.pid, msg_in + from, peer.out + from, len);
}

static void push(size_t from, size_t len)
{
	write_to(peer.pid, peer.in + from, msg_out + from, len);
}

/* Rank 1 has had its part, rank 0 knows. */
static void agree(void)
{
	if (l.rank == 0)
		recv_word(1);
	else
		send_word(0);
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

/* One message: announced, copied by both, and known by both to be there. */
static void hand_over(size_t len, int from)
{
	if (l.rank == from) {
		send_word(0);
		push(len / 2, len / 2);
	} else {
		recv_word(from);
		pull(0, len / 2);
	}
	send_word(0);
	recv_word(1 - l.rank);
}

static void ping_pong_by_both(const struct msg_case *c, uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++) {
		hand_over(c->len, 0);
		hand_over(c->len, 1);
	}
}

/* The same, read by the receiver alone. */
static void take_over(size_t len, int from)
{
	if (l.rank == from) {
		send_word(0);
		recv_word(1 - l.rank);
	} else {
		recv_word(from);
		pull(0, len);
		send_word(0);
	}
}

static void ping_pong_by_reading(const struct msg_case *c, uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++) {
		take_over(c->len, 0);
		take_over(c->len, 1);
	}
}

/* Both read all of the other's, every second time from the end, as that is still in the cache. */
static void both_read(const struct msg_case *c, uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds * BOTH_WINDOW; i++)
		for (size_t at = 0; at < c->len; at += CHUNK)
			pull(i % 2 ? c->len - CHUNK - at : at, CHUNK);
	sys_barrier();
}

/* Each copies the same half in both directions, so that it stays in its cache. */
static void bcast_by_halves(const struct msg_case *c, uint64_t rounds)
{
	size_t half = c->len / 2, at = l.rank ? half : 0;

	for (uint64_t i = 0; i < rounds; i++) {
		if ((uint64_t)l.rank == i % 2)
			write_to(peer.pid, peer.out + at, msg_out + at, half);
		else
			read_from(peer.pid, msg_out + at, peer.out + at, half);
		sys_barrier();
	}
}

/* With vectors, as any library does it. */
#if defined(__clang__)
#define FAST
#else
#define FAST __attribute__((optimize("O3")))
#endif

static FAST void add(double *to, const double *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += from[i];
}

/* Each fetches the other's operands for its half, adds its own and hands out the sums. */
static void allreduce_by_halves(const struct msg_case *c, uint64_t rounds)
{
	size_t half = c->len / 2, begin = l.rank ? half : 0;

	for (uint64_t i = 0; i < rounds; i++) {
		for (size_t k = 0; k < half; k += CHUNK) {
			size_t at = begin + (i % 2 ? half - CHUNK - k : k);
			pull(at, CHUNK);
			add((double *)(msg_in + at), (double *)(msg_out + at), CHUNK / 8);
			write_to(peer.pid, peer.in + at, msg_in + at, CHUNK);
		}
		sys_barrier();
	}
}

static void alltoall_by_reading(const struct msg_case *c, uint64_t rounds)
{
	size_t len = c->len, mine = (size_t)l.rank * len;

	for (uint64_t i = 0; i < rounds; i++) {
		sys_barrier();
		memcpy(msg_in + mine, msg_out + mine, len);
		for (int k = 1; k < l.size; k++) {
			int m = (l.rank + l.size - k) % l.size;
			read_from(notes[m].pid, msg_in + (size_t)m * len, notes[m].out + mine, len);
		}
		sys_barrier();
	}
}

static void ring_ping_pong(const struct msg_case *c, uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++) {
		if (l.rank == 0)
			send_word(i);
		recv_word(1 - l.rank);
		if (l.rank == 1)
			send_word(i);
	}
}

/* clang-format off */
const struct msg_case msg_sys_cases[] = {
	{ "lat8", pair_ping_pong, 8, MSG_P2P, 2, false, false, NULL, NULL },
	{ "ring8", ring_ping_pong, 8, MSG_P2P, 2, false, false, NULL, NULL },
	{ "lat8k", ping_pong_by_reading, 8 << 10, MSG_P2P, 2, false, false, swap_addresses, NULL },
	{ "lat64k", ping_pong_by_both, 64 << 10, MSG_P2P, 2, false, false, swap_addresses, NULL },
	{ "bi1m", both_read, COPY, MSG_P2P, 2 * BOTH_WINDOW * (double)COPY, true, false, swap_addresses, NULL },
	{ "bcast1m", bcast_by_halves, COPY, MSG_COLL, 1, false, true, swap_addresses, NULL },
	{ "allreduce1m", allreduce_by_halves, COPY, MSG_COLL, 1, false, true, swap_addresses, NULL },
	{ "alltoall64k", alltoall_by_reading, 64 << 10, MSG_COLL, 1, false, true, swap_addresses, NULL },
	{ "memcpy1m", by_memcpy, COPY, MSG_P2P, (double)COPY, true, false, NULL, NULL },
	{ "readv1m", by_reading, COPY, MSG_P2P, (double)COPY, true, false, swap_addresses, NULL },
	{ "split1m", by_both, COPY, MSG_P2P, (double)COPY, true, false, swap_addresses, NULL },
	{ .name = NULL },
};
/* clang-format on */
