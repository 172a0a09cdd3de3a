/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest over several hosts: what joins its monitors. doc/design/0020-spread.md is its paper.
 *
 * Each host runs a monitor, a rank of one job; ranks are hosts, and host I has the guest's NUMA node
 * I with its CPUs. The first host has the I/O APIC and all devices but those disks and network cards
 * that are given to another one, and decides when the guest starts, stands still and ends; the others
 * follow. RAM is a segment of shm/dsm.h.
 *
 * Everything one host says to another goes through the segment's own node, in the order in which it
 * is said: whatever a host has written to RAM before is seen by who has heard of it.
 *
 * Threads: calls that say "collective" are made by the control thread of all hosts, in the same
 * order; those that wait (for an answer) must not be made under a lock that a callback takes.
 */
#ifndef VMM_SPREAD_H
#define VMM_SPREAD_H

#include "dvm/error.h"
#include "kvm-node/msg.h"
#include "kvm-node/together.h"
#include "kvm-node/vmm.h"
#include "shm/dsm.h"

#define VMM_HOSTS_MAX VMM_NODES_MAX
#define VMM_HOST_NAME 64

struct vmm_spread; /* incomplete */

/* What the first host has the others do. */
enum vmm_order {
	VMM_ORDER_STAND,  /* vCPUs stand still */
	VMM_ORDER_MOVE,	  /* they go on, with the first host's time */
	VMM_ORDER_FORGET, /* RAM goes */
	VMM_ORDER_AGAIN,  /* RAM is there and zero, vCPUs are as after power-on */
	VMM_ORDER_END,	  /* the guest has ended: vCPUs end */
	VMM_ORDER_ADOPT,  /* the vCPUs that have come are to run here */
	VMM_ORDER_GIVE,	  /* the vCPUs that are here go to the first host */
	VMM_ORDERS,
};

/* What comes from other hosts. "Locked": by the node, nothing there may wait or touch RAM. */
struct vmm_spread_ops {
	void (*interrupt)(void *arg, unsigned cpu, const struct vmm_intr *msg); /* locked */
	void (*row)(void *arg, unsigned cpu, const struct vmm_apic_row *row);	/* locked */
	void (*order)(void *arg, uint32_t id, enum vmm_order what);		/* locked */
	void (*ended)(void *arg, enum vmm_end end, unsigned code, const char *why); /* locked */
	void (*asked)(void *arg, enum vmm_ask what);				/* locked */
	/* vCPU number CPU is here from now on. */
	void (*cpu)(void *arg, unsigned from, unsigned cpu, const void *state, size_t len); /* locked */
	/* What the vCPUs of another host did with their time, since ever. */
	void (*load)(void *arg, unsigned from, const struct vmm_load *load);	/* locked */
	uint64_t (*time)(void *arg);						/* locked */
	/* The guest's time here is to change by DELTA; at most so much that it never goes back. */
	void (*adjust)(void *arg, int64_t delta);				/* locked */
	/* Another host's time is THEIRS, or was a moment ago: ours should not be before it. */
	void (*later)(void *arg, uint64_t theirs);				/* locked */
	/* THREAD (as of gettid()) waits for the page at guest-physical ADDRESS; it has come. */
	void (*waits)(void *arg, uint64_t address, int thread);		/* locked */
	void (*came)(void *arg, uint64_t address);			/* locked */
	/* By a thread of ours; may do what a vCPU's thread may do. */
	/* Locked; of VMM_MSG_LEND and those that follow it. -ENOMEM: it is not kept. */
	int (*queue)(void *arg, unsigned from, const struct vmm_msg *n, const void *text, size_t len);
	void (*eoi)(void *arg, uint8_t vector);
	void (*access)(void *arg, unsigned from, struct vmm_access *a);
	void (*stat)(void *arg, struct dvmi_buf *out);
	void *arg;
};

/* What there is to count. */
struct vmm_spread_counts {
	_Atomic uint64_t intr_out, intr_in, eois_out, accesses_out, accesses_in, posted, rows, bad, freed;
	_Atomic uint64_t access_ns, access_max_ns;
};

/*
 * Joins the other monitors: this process is one of HOSTS ranks of a job. Collective. ERR says what is
 * missing.
 */
int vmm_spread_open(struct vmm_spread **out, unsigned hosts, struct dvmi_log *log,
		    dvm_error_t *err);
/*
 * FN is called, once, when a host is gone: the guest has ended with it, and cannot even stand still,
 * for what is waited for will never come. So FN had better end the process. By a thread that works
 * for the node. Before map.
 */
void vmm_spread_on_loss(struct vmm_spread *s, void (*fn)(void *arg, const char *why), void *arg);
/* NULL is accepted. Nobody uses it any more. */
void vmm_spread_close(struct vmm_spread *s);

unsigned vmm_spread_self(const struct vmm_spread *s);
unsigned vmm_spread_hosts(const struct vmm_spread *s);
const char *vmm_spread_name(const struct vmm_spread *s, unsigned host);

/* Another monitor of the guest is on this host's kernel. */
bool vmm_spread_together(const struct vmm_spread *s);
/* How long it takes at best until all hosts have heard from all, ns. */
uint64_t vmm_spread_trip(const struct vmm_spread *s);

/* All give EACH bytes and get all of them. Collective. */
int vmm_spread_share(struct vmm_spread *s, const void *mine, void *all, size_t each,
		     dvm_error_t *err);
/*
 * RC of this host, or the failure of another one, with its name; then there is no guest, and
 * hosts that go are not lost. Collective.
 */
int vmm_spread_agree(struct vmm_spread *s, int rc, dvm_error_t *err);

/*
 * RAM: SIZE bytes, of which each host is home to what HOME says, and where they are here; PAGES is of
 * enum vmm_pages. Collective, and all must have come back (agree) before one touches it.
 */
int vmm_spread_map(struct vmm_spread *s, const uint64_t *home, uint64_t size, unsigned pages,
		   void **base, dvm_error_t *err);
/* No host touches it any more. */
void vmm_spread_unmap(struct vmm_spread *s);
/* As vmm_mem_hook. */
void vmm_spread_touch(void *spread, uint64_t offset, uint64_t len, bool write);

/* The guest does not need these bytes: no host keeps them, and their homes have the pages. Waits. */
int vmm_spread_free(struct vmm_spread *s, uint64_t offset, uint64_t len);

/* From here on OPS are called; CPUS is the guest's number of them. Before agree. */
void vmm_spread_attach(struct vmm_spread *s, const struct vmm_spread_ops *ops, unsigned cpus);
/* No more, nor is one still in hand when this returns. */
void vmm_spread_detach(struct vmm_spread *s);

/* ---- what this host says ---- */

/* None of them waits. Any thread. */
void vmm_spread_interrupt(struct vmm_spread *s, unsigned host, unsigned cpu,
			  const struct vmm_intr *msg);
/* Likewise, by who has the node's lock. */
void vmm_spread_pass(struct vmm_spread *s, unsigned host, unsigned cpu, const struct vmm_intr *msg);
void vmm_spread_eoi(struct vmm_spread *s, uint8_t vector);
void vmm_spread_ended(struct vmm_spread *s, enum vmm_end end, unsigned code, const char *why);
void vmm_spread_ask(struct vmm_spread *s, enum vmm_ask what);
void vmm_spread_done(struct vmm_spread *s, uint32_t id, int rc);
/* To the first host. */
void vmm_spread_load(struct vmm_spread *s, const struct vmm_load *load);

/*
 * vCPU number CPU is HOST's from now on: LEN bytes at STATE, which LAST completes, locked, right before
 * they go. So whatever is said to it afterwards comes after them. -ENOMEM, -DVM_EPEERLOST.
 */
int vmm_spread_give_cpu(struct vmm_spread *s, unsigned host, unsigned cpu, const void *state,
			size_t len, void (*last)(void *arg), void *arg);

/* They wait. -DVM_EPEERLOST: a host is gone, and the guest with it. */
int vmm_spread_row(struct vmm_spread *s, unsigned cpu, const struct vmm_apic_row *row);
/* To a device of HOST. Writes to memory do not wait, as on a bus. */
void vmm_spread_access(struct vmm_spread *s, unsigned host, struct vmm_access *a);
/*
 * Before a vCPU uses a device of its own host: what others have written, and told it of by
 * memory or interrupts, is done first. Waits for the thread of ours.
 */
void vmm_spread_settle(struct vmm_spread *s);
/* What this host has written to devices of others, and did not wait for, is done. -DVM_EPEERLOST. */
int vmm_spread_settle_far(struct vmm_spread *s);

/* Virtqueues (queues.h): N with LEN bytes, in as many messages as they need. Does not wait. */
void vmm_spread_queue(struct vmm_spread *s, unsigned host, const struct vmm_msg *n, const void *bytes,
		      size_t len);
/* HOST gives back the rings of QUEUE of DEVICE; *STATE is how far it has read them. Waits. */
int vmm_spread_recall(struct vmm_spread *s, unsigned host, uint32_t device, unsigned queue,
		      uint64_t *state);
/* ... which was asked by ID. */
void vmm_spread_returned(struct vmm_spread *s, unsigned host, uint32_t id, uint64_t state);

int vmm_spread_order(struct vmm_spread *s, enum vmm_order what, dvm_error_t *err);
/*
 * Counters of all other hosts, each at its number in OUT, which the caller frees; nothing where one does
 * not answer. All are asked at once, and waited for no longer than a second.
 */
void vmm_spread_stat(struct vmm_spread *s, struct dvmi_buf *out);

/*
 * The guest stands still, and the first host's time with it, but not ours: until let_time_go() nothing is
 * made good. It goes on being asked, as who asks is heard.
 */
void vmm_spread_let_time_stand(struct vmm_spread *s);
/*
 * The first host's time, asked a number of times: *AHEAD is by how much it is ahead of TIME() here.
 * Time stands until let_time_go(): a question that goes out before TIME() is set would tell the first host
 * a time that never was, which it would follow.
 */
int vmm_spread_set_clock(struct vmm_spread *s, int64_t *ahead);
/* TIME() is set. The first host goes on being asked until detach, and adjust() is called. */
void vmm_spread_let_time_go(struct vmm_spread *s);

/* All others may go, too: the end is no loss. */
void vmm_spread_end(struct vmm_spread *s);

/* The guest's instruction AT has waited for the page at guest-physical ADDRESS. Any thread. */
void vmm_spread_sampled(struct vmm_spread *s, uint64_t address, uint64_t at);

/* A vCPU here runs with these tables. Any thread. */
void vmm_spread_walks(struct vmm_spread *s, const struct dsm_root *root);

/* Members of a JSON object about this host's share: messages, pages, those that are fought for. */
void vmm_spread_counts(struct vmm_spread *s, struct dvmi_buf *out);

#endif
