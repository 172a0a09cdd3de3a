/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest: how it is described, made, run and ended.
 *
 * One struct vmm in a process or many; there are no globals. The thread that calls vmm_run() is
 * the control thread: it alone changes the state of the guest (enum vmm_state, vmm.c).
 */
#ifndef VMM_H
#define VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dvm/error.h"
#include "kvm-node/jail.h"
#include "kvm-node/memory.h"
#include "libdvm/base/buf.h"
#include "libdvm/base/log.h"

struct vmm_spread; /* spread.h */

#define VMM_CPUS_MAX   255u
#define VMM_DISKS_MAX  16u
#define VMM_NETS_MAX   8u
#define VMM_SHARES_MAX 8u
#define VMM_BACKING_MAX 8u

enum vmm_disk_format { VMM_DISK_RAW, VMM_DISK_QCOW2 };

struct vmm_disk_config {
	const char *path;
	enum vmm_disk_format format;
	const char *backing[VMM_BACKING_MAX]; /* below an image in qcow2, each below the one before */
	unsigned n_backing;
	bool ro, snapshot; /* snapshot: writes are forgotten in the end */
	unsigned host;	   /* of several, where it is */
};

enum vmm_net_kind { VMM_NET_NONE, VMM_NET_USER, VMM_NET_TAP };

struct vmm_net_config {
	enum vmm_net_kind kind;
	const char *tap; /* interface, or NULL */
	bool has_mac;
	uint8_t mac[6];
	unsigned host; /* of several, where it is */
};

struct vmm_share_config {
	const char *dir, *tag;
	bool ro;
};

/* How pages go between hosts, each a bit: for measurements, what is left out. */
enum vmm_pages {
	VMM_PAGES_NO_PREFETCH = 1,
	VMM_PAGES_NO_ELISION = 2,
	VMM_PAGES_NO_BATCH = 4,
	VMM_PAGES_NO_HOLD = 8,
	VMM_PAGES_NO_DIFF = 16,
	VMM_PAGES_NO_WALKED = 64, /* page tables are pages like others */
	VMM_PAGES_NO_QUEUES = 256, /* virtqueues and what is in them are pages like others */
	VMM_PAGES_SERIAL = 128,	  /* copies are called back one after the other, and who reads owns */
};

/* A NUMA node of the guest. */
struct vmm_node_config {
	uint64_t mem;
	unsigned cpus;
};

/*
 * The local APICs at start: firmware may leave either, and kernels built without x2APIC halt where
 * it is on. AUTO: in xAPIC mode, which a kernel that can leaves soon; in x2APIC mode for bare programs
 * and over hosts.
 */
enum vmm_apic_mode { VMM_APIC_AUTO, VMM_APIC_X2, VMM_APIC_XAPIC };

struct vmm_config {
	size_t size; /* of this struct */
	const char *name;
	unsigned cpus;
	uint64_t mem;
	struct vmm_node_config nodes[VMM_NODES_MAX]; /* ascending CPU numbers */
	unsigned n_nodes;
	uint8_t distance; /* between any two nodes, in units of SLIT: 10 is local */
	const char *cpu;  /* name of a CPU model; NULL: what the host has */
	enum vmm_apic_mode apic;
	bool has_tick_rest; /* else what is good for the number of hosts */
	unsigned tick_rest; /* as vmm_lapic.rest */
	const char *kernel, *initrd, *append;
	bool no_tuning; /* nothing is put before append */
	bool no_gather; /* over hosts: each CPU starts where it belongs */
	bool stay_apart; /* ... and stays there, whatever they wait for */
	struct vmm_disk_config disks[VMM_DISKS_MAX];
	unsigned n_disks;
	struct vmm_net_config nets[VMM_NETS_MAX];
	unsigned n_nets;
	struct vmm_share_config shares[VMM_SHARES_MAX];
	unsigned n_shares;
	bool rng, balloon;
	bool ksm; /* equal pages may be shared with other guests */
	uint32_t vsock_cid; /* 0: no vsock */
	const char *vsock_path; /* NULL: "vsock-CID" */
	int console_in, console_out; /* descriptors of the serial console, stay the caller's; -1: none */
	bool hvc;		     /* there is a virtio console, too */
	int hvc_in, hvc_out;	     /* its descriptors, the same */
	void (*hvc_reset)(void *arg); /* nobody in the guest has it any more; may be NULL; any thread */
	void *hvc_arg;
	bool no_reboot; /* a reset ends the guest */
	bool last_stat; /* vmm_stat() tells of all hosts when it has ended, too */
	unsigned pages; /* enum vmm_pages */
	/* Of a guest on several hosts, each with the NUMA node of its number: the others. Else NULL. */
	struct vmm_spread *spread;
	const struct vmm_jail *jail; /* what is in force when it runs, or NULL; filled in before */
};

struct vmm; /* incomplete */

/* How a guest ended. */
enum vmm_end {
	VMM_END_NONE,	  /* it has not */
	VMM_END_POWEROFF, /* by itself */
	VMM_END_STOPPED,  /* from outside */
	VMM_END_RESET,	  /* by itself, with no_reboot */
	VMM_END_EXIT,	  /* a payload, with a code */
	VMM_END_CRASH,	  /* KVM could not go on, or what follows with no_reboot */
	VMM_END_FAULT,	  /* triple fault of a kernel that had come up: a reset */
	VMM_ENDS,
};

/*
 * Everything but starting it: KVM, RAM, devices, tables, kernel. ERR says what is missing or
 * wrong. C must live as long as the guest.
 */
int vmm_create(struct vmm **out, const struct vmm_config *c, struct dvmi_log *log,
	       dvm_error_t *err);
void vmm_destroy(struct vmm *v);

/* Runs the guest until it ends; how is in *END, and the code of a payload in *CODE. */
int vmm_run(struct vmm *v, enum vmm_end *end, unsigned *code, dvm_error_t *err);

/*
 * From any thread while vmm_run() runs; what is asked happens soon, in order, but that it stops comes
 * first. -ESRCH: it has ended; -EAGAIN: too much is asked already, but it may always be stopped.
 */
enum vmm_ask {
	VMM_ASK_STOP,
	VMM_ASK_POWER_BUTTON,
	VMM_ASK_PAUSE,
	VMM_ASK_RESUME,
	VMM_ASK_RESET,
	VMM_ASK_SPREAD, /* CPUs that start together go to their hosts */
	VMM_ASK_LOOK,	/* ... if it is time for that */
	VMM_ASKS,
};
int vmm_ask(struct vmm *v, enum vmm_ask what);

/*
 * The balloon is to leave the guest BYTES of its memory; it takes as long as the guest likes. -ENODEV:
 * it has none; -ERANGE: nothing, or more than it was made with. Any thread.
 */
int vmm_leave_memory(struct vmm *v, uint64_t bytes);

/* What shuts the monitor in, as a line for people. Any thread. */
void vmm_isolation(const struct vmm *v, struct dvmi_buf *out);

/* Counters as a JSON object. Any thread. */
void vmm_stat(struct vmm *v, struct dvmi_buf *out);

#endif
