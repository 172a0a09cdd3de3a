/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/bench/msg: what its programs have in common. msg_loop.c has the loops that are timed,
 * msg_meet.c brings the ranks together and measures the machine between samples, and each system
 * is one msg_SYSTEM.c with the sys_ functions below. A layer that fails says why and exits: the
 * driver names it.
 */
#ifndef TESTS_BENCH_MSG_H
#define TESTS_BENCH_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

#define MSG_WINDOW    64 /* operations under way, at most */
#define MSG_RANKS_MAX 64

/* What a system can do; cases need one of these. */
enum { MSG_P2P = 1, MSG_COLL = 2, MSG_RMA = 4 };

/* ---- a system ---- */

extern const unsigned msg_sys_caps;

/* Opens the system; afterwards rank and size are known. Memory is measured around it. */
void sys_open(int *argc, char ***argv);
int sys_rank(void);
int sys_size(void);
void sys_close(void);

void sys_send(const void *buf, size_t len, int to);
void sys_recv(void *buf, size_t len, int from);
/* Operations without waiting, each in a slot 0 … MSG_WINDOW - 1 of its own. */
void sys_isend(int slot, const void *buf, size_t len, int to);
void sys_irecv(int slot, void *buf, size_t len, int from);
/* Waits for slots 0 … N - 1. */
void sys_waitall(int n);

void sys_barrier(void);
void sys_bcast(void *buf, size_t len, int root);
void sys_allreduce(const double *in, double *out, size_t count); /* sum */
void sys_alltoall(const void *in, size_t len, void *out);	 /* LEN to each */

/* A window of LEN bytes at each rank, open for put and fetch-and-add until it is closed. */
void sys_win_open(size_t len);
void sys_win_close(void);
/* Both are complete at the target when they return. */
void sys_put8(uint64_t value, int to);
uint64_t sys_add8(uint64_t value, int to);

/* ---- cases ---- */

struct msg_case {
	const char *name;
	void (*run)(const struct msg_case *c, uint64_t rounds);
	size_t len;
	unsigned needs;	     /* MSG_… */
	double per_round;    /* what one round counts for: operations or bytes */
	bool rate;	     /* value is amount per second, else seconds per operation */
	bool slowest;	     /* the time of the last rank counts, else that of rank 0 */
	void (*begin)(void); /* before the first sample and after the last; may be NULL */
	void (*end)(void);
};

/* Cases of a system's own, ended by one without name. */
extern const struct msg_case msg_sys_cases[];

extern char *msg_out, *msg_in; /* MSG_ROOM bytes each, touched */
#define MSG_ROOM ((size_t)4 << 20)

/* ---- meeting outside of the system ---- */

/* Room in the page that the ranks share, for addresses. */
#define MSG_NOTE 256

/* Goes to this rank's core, one of two, before anything of the system has started. */
void meet_pin(void);
/* Maps the file $MSG_MEET. Ranks of a system without launcher have $MSG_RANK and $MSG_SIZE. */
void meet_open(int rank, int size);
/* This rank as its launcher calls it, before anything was opened, or -1. */
int meet_rank(void);
/* A variable that is a number, or -1. */
int meet_env(const char *name);
/* LEN more bytes that the ranks share, zero at first. Every rank asks for the same. */
void *meet_room(size_t len);
/* All ranks are here; they sleep when there are more of them than cores. */
void meet(void);
/* Leaves a note for the others, and reads theirs; a meet() lies between. */
char *meet_note(int rank);
/* Rank 0's word to all: set before a meet(), read after it. */
void meet_tell(uint64_t word);
uint64_t meet_told(void);
/* The largest of what all ranks hand in. A meeting. */
double meet_most(double mine);
/* Begins what is timed; returns now, in seconds. */
double meet_begin(void);
/* Ends it; rank 0 gets its own time or that of the slowest. A meeting. */
double meet_time(double begin, bool slowest);
/* How often, meanwhile, a rank had to give its core to somebody who is no rank, or another one. */
long meet_taken(void);
/*
 * How long a cache line takes from rank 0 to 1, in ns one way (median of a few batches), while the
 * other ranks sleep. Called by all, counts at rank 0. NaN for a rank alone.
 */
double meet_probe(void);

double msg_now(void); /* seconds */
noreturn void msg_die(const char *what, const char *why);

#endif
