/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by spread.c (life, RAM), spread_say.c (what goes out), spread_hear.c (what comes in). */
#ifndef VMM_SPREAD_PRIVATE_H
#define VMM_SPREAD_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "dvm/dvm.h"
#include "kvm-node/drift.h"
#include "kvm-node/hotspot.h"
#include "kvm-node/inbox.h"
#include "kvm-node/layout.h"
#include "kvm-node/roots.h"
#include "kvm-node/silence.h"
#include "kvm-node/spread.h"
#include "libdvm/src/domain.h"

#define SPREAD_SERVICE 1u /* of the node */
#define SPREAD_LOST    1u /* beside 2, "answered", in spread_wait.done */
#define SPREAD_DONE    2u

/* Of a text in pieces: several times what 255 vCPUs have to tell. Who says more has erred. */
#define SPREAD_TEXT_MAX (1u << 20)

/* Somebody waits for answers. On its own stack; all under the node's lock but done. */
struct spread_wait {
	struct spread_wait *prev, *next;
	uint32_t id;
	uint64_t from; /* hosts that have to answer, a bit each */
	uint64_t value;
	int rc;		 /* the first failure among the answers */
	unsigned failed; /* whose */
	struct dvmi_buf *texts; /* of each host, or NULL: nobody asked for any */
	_Atomic uint32_t done;
};

struct vmm_spread {
	dvm_t *d;
	struct dvmi_domain *domain;
	struct dsm_node *node;
	pthread_mutex_t seg_lock; /* for who only looks: between map and unmap */
	struct dsm_seg *seg;
	uint32_t seg_id;
	uint64_t bytes;
	uint32_t flags; /* enum dsm_seg_flag */
	uint64_t room;	/* bytes here for pages that have their home elsewhere */
	uint64_t home_end[VMM_HOSTS_MAX]; /* pages below are the host's, from the one before */
	unsigned self, hosts, cpus;
	char names[VMM_HOSTS_MAX][VMM_HOST_NAME];
	bool together; /* with another one on one kernel */
	uint64_t trip; /* ns */
	struct dvmi_log *log;
	_Atomic int lost;
	_Atomic bool ending;

	/* Under the node's lock. */
	struct vmm_spread_ops ops;
	void (*on_loss)(void *arg, const char *why);
	void *on_loss_arg;
	bool attached;
	uint32_t ids;
	struct spread_wait *waits;
	struct vmm_drift drift;
	uint64_t ask_time_at; /* ns; UINT64_MAX: not */
	uint64_t time_every;  /* ns */
	bool time_stands;     /* what the first host says of its time is no measure of ours */
	struct vmm_silence silence;
	uint64_t look_at; /* ns: whether others still speak; UINT64_MAX: not */

	struct vmm_inbox *inbox; /* what is for the worker */

	pthread_mutex_t spots_lock; /* a leaf */
	struct vmm_hotspots spots;

	pthread_mutex_t roots_lock; /* a leaf */
	struct vmm_roots roots;

	_Atomic uint32_t posted; /* writes that nobody has waited for */
	struct vmm_spread_counts n;
};

/* The guest-physical address of a page of the segment. */
static inline uint64_t spread_address(uint64_t page)
{
	uint64_t at = page * VMM_PAGE;

	return at < VMM_RAM_LOW_MAX ? at : at - VMM_RAM_LOW_MAX + VMM_RAM_HIGH;
}

/* The page of the segment in which a frame of the guest is; none: more than there are. */
static inline uint64_t spread_page(uint64_t frame)
{
	uint64_t low = VMM_RAM_LOW_MAX / VMM_PAGE, high = VMM_RAM_HIGH / VMM_PAGE;

	if (frame < low)
		return frame;
	return frame < high ? UINT64_MAX : frame - high + low;
}

static inline void spread_count(_Atomic uint64_t *n)
{
	atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

/* spread_say.c; locked. */
int spread_post(struct vmm_spread *s, unsigned host, const struct vmm_msg *n, const void *text,
		size_t len);
/*
 * Not locked: N with LEN bytes, in as many messages as they need. Others may go between, but none of
 * what N is about: one thread at a time sends that.
 */
void spread_post_long(struct vmm_spread *s, unsigned host, const struct vmm_msg *n, const void *bytes,
		      size_t len);
void spread_ask_time(struct vmm_spread *s);
void spread_answered(struct vmm_spread *s, unsigned from, const struct vmm_msg *n,
		     const char *text, size_t len);
/* N to the hosts in W->from, whose answers it waits for. Not locked. -DVM_EPEERLOST, -ENOMEM. */
int spread_question(struct vmm_spread *s, struct spread_wait *w, struct vmm_msg *n);
/* Nobody waits any more: a host is gone. */
void spread_release(struct vmm_spread *s);

/* What this host does about it. */
void spread_free_here(struct vmm_spread *s, uint64_t first, uint64_t n);

/* spread_hear.c */
int spread_hear_start(struct vmm_spread *s);
void spread_hear_stop(struct vmm_spread *s);

#endif
