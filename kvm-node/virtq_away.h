/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtqueue whose rings another host walks: the device's side of it. doc/design/0020-spread.md,
 * "Virtqueues".
 *
 * The host whose vCPUs use a queue has its rings and buffers in its own memory, so it takes requests
 * from the queue and sends them, bytes and all (borrow.h), and writes the answers there. The rings are
 * one host's at a time: lent by the device's host, and given back with how far they were read. Requests
 * are nobody's: one that was sent before the rings came back is answered here, in RAM, and one that was
 * taken from the rings here before they were lent is answered there, without bytes.
 *
 * An engine; the device's lock is around it, but for vmm_away_hear() and _set_bad().
 */
#ifndef VMM_VIRTQ_AWAY_H
#define VMM_VIRTQ_AWAY_H

#include <pthread.h>

#include "kvm-node/parcel.h"

enum { VMM_AWAY_STAGED = 64, VMM_AWAY_NOBODY = -1 };

/* What who borrows the rings has to know. Goes as it is. */
struct vmm_loan {
	uint64_t desc, avail, used;
	uint64_t bell; /* where its driver writes to say that there is something */
	uint16_t num;
	uint16_t seen, next, signalled; /* as in struct vmm_virtq */
	uint8_t event_idx, indirect, broken, zero[5];
};

_Static_assert(sizeof(struct vmm_loan) == 48, "goes as it is");

/* How far the rings were read, in a word; VMM_LOAN_BROKEN: they make no sense. */
#define VMM_LOAN_BROKEN (UINT64_C(1) << 48)
uint64_t vmm_loan_state(const struct vmm_virtq *q);
void vmm_loan_set_state(struct vmm_virtq *q, uint64_t state);

/* A request that has come. */
struct vmm_sent {
	struct vmm_sent *prev, *next;
	struct vmm_parcel *p;
	uint8_t *in; /* what the device writes, if it goes back by message */
	size_t in_len;
	bool staged;
};

struct vmm_away {
	_Atomic int borrower; /* whose the rings are, or VMM_AWAY_NOBODY: ours */

	pthread_mutex_t lock; /* guards what has come and was not looked at; a leaf */
	struct vmm_parcels stream;
	struct vmm_sent *inbox;
	unsigned waiting;
	bool bad;

	struct vmm_sent *popped;
	unsigned ring_pops; /* the last ones popped came from the rings */
	struct {
		struct vmm_sent *sent; /* NULL: it came from the rings */
		uint16_t head;
		uint32_t written;
	} staged[VMM_AWAY_STAGED];
	unsigned n_staged;
	struct dvmi_buf answers; /* to be sent */
};

/* -ENOMEM. Q has room for it as long as it lives. */
int vmm_away_create(struct vmm_virtq *q);
void vmm_away_destroy(struct vmm_virtq *q); /* NULL inside is accepted */
/* Nothing has come, nothing is owed, nobody has the rings. Nothing is in flight. */
void vmm_away_clear(struct vmm_away *a);

static inline bool vmm_away_lent(const struct vmm_virtq *q)
{
	return q->away && q->away->borrower != VMM_AWAY_NOBODY;
}

/* All that was sent has been looked at, so there is no more than a queue of it: it may be lent. */
bool vmm_away_may_lend(const struct vmm_virtq *q);
/* HOST has the rings from now on; *L is for it. */
void vmm_away_lend(struct vmm_virtq *q, unsigned host, struct vmm_loan *l);
/* They are back. */
void vmm_away_return(struct vmm_virtq *q, uint64_t state);

/* Requests, LEN bytes of their stream, from who has the rings. Any thread. -EBADMSG, -ENOMEM. */
int vmm_away_hear(struct vmm_away *a, const void *bytes, size_t len);
/* It has sent what makes no sense, or says that the rings do not. */
bool vmm_away_bad(struct vmm_away *a);
void vmm_away_set_bad(struct vmm_away *a);

/* ---- for virtq.c ---- */

/* 1: *c is what has come; 0: there is nothing; -EPROTO. */
int vmm_away_pop(struct vmm_virtq *q, struct vmm_chain *c);
unsigned vmm_away_waiting(struct vmm_away *a);
/* How many of the last N popped came from the rings; the others are put back. */
unsigned vmm_away_unpop(struct vmm_away *a, unsigned n);
/* As in virtq.h; true: that was all, the rings are not ours. */
bool vmm_away_fill(struct vmm_virtq *q, unsigned i, uint16_t head, uint32_t written);
bool vmm_away_publish(struct vmm_virtq *q, unsigned n);

#endif
