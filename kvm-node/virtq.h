/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's side of a split virtqueue (virtio 1.2, 2.7): an engine over guest memory.
 *
 * All in it is written by a hostile guest, also while we read. A queue that makes no sense breaks:
 * nothing more comes out of it or goes in until it is set up again, and the device says
 * DEVICE_NEEDS_RESET. Not thread-safe: the device's lock is around it.
 */
#ifndef VMM_VIRTQ_H
#define VMM_VIRTQ_H

#include <stdbool.h>
#include <sys/uio.h>

#include "kvm-node/gmem.h"

enum {
	VMM_VIRTQ_MAX = 1024, /* entries of the largest queue */
	VMM_CHAIN_MAX = 264,  /* buffers in one chain: 256 pages of data and what goes with them */
};

struct vmm_away;

struct vmm_virtq {
	const struct vmm_gmem *mem;
	struct vmm_away *away;	    /* requests that come from another host (virtq_away.h), or NULL */
	uint64_t desc, avail, used; /* guest addresses, as the driver says */
	uint16_t max, num;
	bool ready, broken, event_idx, indirect;

	/* Valid while ready. */
	struct vring_desc *descs;
	struct vring_avail *availp;
	struct vring_used *usedp;
	uint16_t seen;	    /* next entry of avail to look at */
	uint16_t next;	    /* next entry of used to fill */
	uint16_t signalled; /* `next` when an interrupt was last considered */
};

/* A request: what the driver gives first, then where it wants answers. */
struct vmm_chain {
	uint16_t head;
	unsigned nout, nin; /* iov[0..nout) may be read, iov[nout..nout+nin) may be written */
	uint64_t out_len, in_len;
	struct iovec iov[VMM_CHAIN_MAX];
	uint64_t gpa[VMM_CHAIN_MAX]; /* where the guest has them */
};

/* Everything but `mem` and `max` as after power-on. */
void vmm_virtq_reset(struct vmm_virtq *q);

/* The driver has set addresses and num. -EINVAL if they are no queue in RAM; it is broken then. */
int vmm_virtq_enable(struct vmm_virtq *q);

/* 1: *c is the next request; 0: there is none; -EPROTO: the queue is broken. */
int vmm_virtq_pop(struct vmm_virtq *q, struct vmm_chain *c);

/* Is there something to pop? Also true if popping it would break the queue. */
bool vmm_virtq_some(const struct vmm_virtq *q);

/* Puts the last N popped chains back, as if they had never been popped. */
void vmm_virtq_unpop(struct vmm_virtq *q, unsigned n);

/* The request of HEAD is done; WRITTEN bytes from the beginning of its writable part are new. */
void vmm_virtq_push(struct vmm_virtq *q, uint16_t head, uint32_t written);

/* The same in two steps, for answers that must be seen together: entry I of the next N. */
void vmm_virtq_fill(struct vmm_virtq *q, unsigned i, uint16_t head, uint32_t written);
void vmm_virtq_publish(struct vmm_virtq *q, unsigned n);

/* Does the driver want to hear of what was pushed since this was last asked? */
bool vmm_virtq_wants_signal(struct vmm_virtq *q);

/*
 * Shall the driver tell us of new requests? After switching it on, look for requests once more:
 * returns true if there are some.
 */
bool vmm_virtq_kicks(struct vmm_virtq *q, bool on);

/* How many requests there are to pop, and: tell us when there are more than HAD. True: there are.
 */
uint16_t vmm_virtq_waiting(const struct vmm_virtq *q);
bool vmm_virtq_await(struct vmm_virtq *q, uint16_t had);

/* Copies between BUF and vectors, from byte AT of them on. Return how many there were, up to LEN.
 */
size_t vmm_iov_read(const struct iovec *iov, unsigned n, size_t at, void *buf, size_t len);
size_t vmm_iov_write(const struct iovec *iov, unsigned n, size_t at, const void *buf, size_t len);
size_t vmm_iov_fill(const struct iovec *iov, unsigned n, size_t at, int byte, size_t len);

/* The part [at, at+len) of IOV into OUT, which has room for n. Returns how many vectors it has. */
unsigned vmm_iov_cut(const struct iovec *iov, unsigned n, size_t at, size_t len, struct iovec *out);

#endif
