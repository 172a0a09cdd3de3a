/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting: spin for a moment, then give the core away in between, and sleep on descriptors when it
 * takes long. Where cores are short, because the job map says so or because a yield was seen to
 * cost the core, there is next to no spinning and sleep comes soon. Under the handle's lock, which
 * is released in between.
 */
#ifndef DVMI_SRC_WAIT_H
#define DVMI_SRC_WAIT_H

#include "libdvm/src/handle.h"

struct dvmi_wait {
	uint32_t idle;	/* rounds without news */
	uint64_t since; /* of the first of them, ns; 0 not looked yet */
	uint64_t asked; /* when the shepherd's socket was looked at */
	bool yielding;	/* done with pure spinning */
	uint32_t naps;
	bool helper;	/* the progress thread: sleeps early */
	uint64_t until; /* sleep no longer than that, ns; 0 no limit */
};

/*
 * Something in shared memory that a caller of dvmi_wait_round() waits for: looked at after the
 * transports were armed, so that whoever changes it and then calls dvmi_shm_poke() wakes us.
 */
struct dvmi_look {
	bool (*ready)(void *arg);
	void *arg;
	struct dvmi_look *next;
};

void dvmi_look_add(dvm_t *d, struct dvmi_look *l);
void dvmi_look_remove(dvm_t *d, struct dvmi_look *l);

/* Cores are short: spinning keeps others from what is waited for. */
static inline bool dvmi_wait_crowded(const dvm_t *d)
{
	return d->mates > d->cores || d->crowded_until;
}

/* How often the short way of a receive is looked at before the long one is taken: about 2 us. */
static inline uint32_t dvmi_wait_spins(const dvm_t *d)
{
	return dvmi_wait_crowded(d) ? 1 : 50;
}

/* A receive went the short way: now and then all of progress has its turn, however well it works. */
static inline void dvmi_wait_went_direct(dvm_t *d)
{
	if (++d->direct % 32 == 0)
		dvmi_progress(d);
}

/* Gives the core to whoever needs it, and learns from that whether cores are short. */
void dvmi_wait_yield(dvm_t *d);

static inline void dvmi_cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield");
#endif
}

/* One round: progress, and backing off when there was none. Returns the number of events. */
int dvmi_wait_round(dvm_t *d, struct dvmi_wait *w);

/*
 * Receives as dvmi_p2p_recv() and dvmi_wait_op() would, if the message is here or comes at once and
 * the short way is open. False: not received, do those two.
 */
bool dvmi_wait_direct(dvm_t *d, struct dvmi_op *op, const struct dvmi_match_key *key, void *buf,
		      size_t len);

/* Waits until OP is done and returns its code. */
int dvmi_wait_op(dvm_t *d, struct dvmi_op *op);

/*
 * Before sleeping: arms the transports, fills FDS (room for MAX + DVMI_WAIT_OWN) and *TIMEOUT (ms).
 * Their number, or -EAGAIN when there is something to do. Undone by disarm in both cases.
 */
#define DVMI_WAIT_OWN 3
int dvmi_wait_arm(dvm_t *d, struct pollfd *fds, int max, int *timeout);
void dvmi_wait_disarm(dvm_t *d);
/* TIMEOUT, or less where a descriptor may not tell; *NAPS counts the sleeps without news. */
int dvmi_wait_cap(dvm_t *d, uint32_t *naps, int timeout);
/* There is news for other threads that wait. */
void dvmi_wait_tell(dvm_t *d);

/* The progress thread of DVM_OPEN_PROGRESS. */
int dvmi_helper_start(dvm_t *d, dvm_error_t *err);
/* Nothing where there is none. Not under the lock. */
void dvmi_helper_stop(dvm_t *d);

/* Progress for a call that does not wait, kind to others when it is called in a loop. */
void dvmi_poll(dvm_t *d);

#endif
