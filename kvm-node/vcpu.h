/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtual CPU: its KVM side, its local APIC, its thread.
 *
 * The thread alternates between KVM_RUN and the exit it came back with, and before each KVM_RUN
 * looks at the local APIC under the lock. Whoever changes something under the lock calls kick().
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "kvm-node/bus.h"
#include "kvm-node/clock.h"
#include "kvm-node/cpuid.h"
#include "kvm-node/crash.h"
#include "kvm-node/irq_core.h"
#include "kvm-node/kvm.h"
#include "kvm-node/lapic.h"
#include "kvm-node/pic.h"
#include "kvm-node/together.h"
#include "kvm-node/vmm.h"
#include "shm/dsm.h"

#define VMM_EXITS   48u /* reasons that are counted one by one */
#define VMM_NO_PAGE UINT64_MAX

/* What all vCPUs share. */
struct vmm_vcpu_env {
	const struct vmm_kvm *kvm;
	struct vmm_mem *mem;
	struct vmm_bus *bus;
	struct vmm_irq *irq;
	struct vmm_pic *pic; /* who interrupts the first vCPU past its local APIC; or NULL */
	struct vmm_clock *clock;
	struct dvmi_log *log;
	const struct vmm_jail *jail; /* or NULL */
	bool lazy_eoi; /* guests may end interrupts by a flag in memory, which is here */
	/* The guest has ended, or wants a reset; the vCPU waits for the control thread. Any thread.
	 */
	void (*ended)(void *arg, enum vmm_end end, unsigned code, const char *why);
	/* Before a device is used. NULL: nothing has to be done. */
	void (*settle)(void *arg);
	/* The instruction AT waited for PAGE: a sample of those that did. */
	void (*sampled)(void *arg, uint64_t page, uint64_t at);
	/* It runs with these tables, as seen now and then. NULL: nobody wants to know. */
	void (*walks)(void *arg, const struct dsm_root *root);
	/* As long as that is so: a program of the guest was seen running, with these tables and stack. */
	const _Atomic bool *starting;
	void (*user)(void *arg, uint64_t cr3, uint64_t rsp);
	void *arg;
};

/* Where a vCPU's thread is. */
enum vmm_where { VMM_OUTSIDE, VMM_IN_GUEST, VMM_ASLEEP, VMM_AWAKE };
enum vmm_want { VMM_WANT_RUN, VMM_WANT_PAUSE, VMM_WANT_EXIT };

struct vmm_vcpu_counts {
	_Atomic uint64_t exits[VMM_EXITS], other_exits, interrupted;
	_Atomic uint64_t injected, windows, nmis, kicks, halts, halt_ns, let_in;
	_Atomic uint64_t lapic_reads, lapic_writes, deadlines, bad_msrs, bad_pio, bad_mmio;
	_Atomic uint64_t silent_eois;
};

/* Where the guest has the flag by which it ends interrupts; NULL: it has none. */
struct vmm_vcpu_eoi {
	uint8_t *flag;
	bool offered;
};

/* A vCPU that waits for pages (vcpu_page.c). */
struct vmm_page_wait {
	uint64_t waits;	 /* for this one, now; or VMM_NO_PAGE */
	uint64_t sample; /* when this one has come it says where it was; likewise */
	uint64_t timer;	 /* what its timer was set to when it began to wait */
	uint64_t cpu;	 /* time its thread had run until then; 0: it has not waited since it entered */
	uint64_t since;	 /* it waits */
	uint64_t ns;	 /* that it has waited, in all */
	uint64_t put_off;  /* since when a look is put off, as pages come one after another */
	unsigned put_offs; /* how often; 0: none is */
	bool kick;	 /* somebody wanted it to look meanwhile */
	unsigned tries;	 /* times in a row that it was let in without an interrupt, for that */
	uint32_t count;
};

struct vmm_vcpu {
	const struct vmm_vcpu_env *env;
	unsigned index;
	uint32_t apic_id;
	int fd;
	struct kvm_run *run;
	struct kvm_sregs reset_sregs;
	struct kvm_regs reset_regs;
	pthread_t thread;
	_Atomic int tid; /* of the thread, once it runs */
	bool started, has_timer;
	timer_t timer;
	uint64_t apic_base;
	uint64_t tsc_offset; /* guest TSC - host TSC, as KVM has been told */
	uint64_t left_at;    /* host TSC when it was last in the guest; 0: it was not since it was reset */
	bool halted;
	bool came_up; /* it has been interrupted since the last reset */
	/* Its own thread only. */
	struct vmm_notes notes;
	uint64_t early; /* ns before a deadline at which a sleep for it ends */
	uint64_t linger; /* ns for which it stays awake before it sleeps */

	clockid_t cpu_clock; /* of the thread */

	pthread_mutex_t lock; /* guards what follows */
	_Atomic uint32_t calls; /* what it sleeps on: they that wake it change it */
	pthread_cond_t parked_cond; /* for who waits until it is parked */
	_Atomic bool away; /* it runs on another host, and here it is parked */
	struct vmm_lapic lapic;
	uint64_t timer_at; /* what the timer is set to */
	enum vmm_where where;
	enum vmm_want want;
	bool parked, kicked;
	uint64_t asleep_since; /* where it is VMM_ASLEEP */
	_Atomic bool news; /* for one that waits awake */
	struct vmm_vcpu_eoi eoi;
	struct vmm_page_wait page;
	uint64_t looked; /* ns: when its tables were told */

	struct vmm_vcpu_counts n;
};

int vmm_vcpu_create(struct vmm_vcpu **out, const struct vmm_vcpu_env *env, unsigned index,
		    uint32_t apic_id, dvm_error_t *err);
/* The CPU it is to be; then it is as after power-on. Once, before it runs. */
int vmm_vcpu_set_model(struct vmm_vcpu *v, const struct kvm_cpuid2 *cpuid, enum vmm_apic_mode mode,
		       dvm_error_t *err);
/* The thread must have been joined. NULL is allowed. */
void vmm_vcpu_destroy(struct vmm_vcpu *v);
uint32_t vmm_vcpu_tsc_khz(const struct vmm_vcpu *v);

/* While the thread does not run, or is parked. */
int vmm_vcpu_reset(struct vmm_vcpu *v, enum vmm_apic_mode mode, dvm_error_t *err);
/* As the clock is: nobody has read it yet. */
int vmm_vcpu_set_tsc(struct vmm_vcpu *v);
/* The most that it can have read; and as the clock is, but no less than READ, somewhere else. */
uint64_t vmm_vcpu_tsc_read(const struct vmm_vcpu *v);
int vmm_vcpu_take_tsc(struct vmm_vcpu *v, uint64_t read);
/* Its own thread, before it enters: its TSC follows the clock, but never goes back. */
void vmm_vcpu_follow_clock(struct vmm_vcpu *v);
/* Where the first vCPU begins. */
int vmm_vcpu_set_start(struct vmm_vcpu *v, const struct kvm_regs *regs,
		       const struct kvm_sregs *sregs, dvm_error_t *err);

int vmm_vcpu_start(struct vmm_vcpu *v);
void vmm_vcpu_want(struct vmm_vcpu *v, enum vmm_want want);
/* After want(PAUSE): waits until the vCPU stands still. */
void vmm_vcpu_wait_parked(struct vmm_vcpu *v);
/* After want(EXIT). */
void vmm_vcpu_join(struct vmm_vcpu *v);

/* An interrupt message names this vCPU. False: it is not here any more. Any thread. */
bool vmm_vcpu_interrupt(struct vmm_vcpu *v, const struct vmm_intr *msg);

/* It is to look whether the old controllers want something. Any thread. */
void vmm_vcpu_look(struct vmm_vcpu *v);

/* vcpu_page.c: it waits for the page at PAGE; that has come. Any thread. */
void vmm_vcpu_page_wait(struct vmm_vcpu *v, uint64_t page);
void vmm_vcpu_page_came(struct vmm_vcpu *v, uint64_t page);
/* It is to look, but waits: when its page has come, or after a while. Locked. */
void vmm_vcpu_page_kick(struct vmm_vcpu *v);
/* Its thread is back from the guest, INTERRUPTED or not; locked. The page it is a sample for, or
 * VMM_NO_PAGE. */
uint64_t vmm_vcpu_page_back(struct vmm_vcpu *v, bool interrupted);
/* Before it enters, locked: true if there must be no interrupt first. */
bool vmm_vcpu_page_owed(struct vmm_vcpu *v);

/*
 * vcpu_nap.c, locked: a halted vCPU waits for DEADLINE (0: for none) or for news; sleeps until it is
 * called, false: until DEADLINE. They may end for no reason.
 */
void vmm_vcpu_nap(struct vmm_vcpu *v, uint64_t deadline);
bool vmm_vcpu_doze(struct vmm_vcpu *v, uint64_t deadline);
/* One that sleeps is called, true; without the lock it is then woken. */
bool vmm_vcpu_call(struct vmm_vcpu *v);
void vmm_vcpu_wake(struct vmm_vcpu *v);

/*
 * vcpu_kick.c, locked: its timer is set; is set if DEADLINE (0: none) needs it. It is kicked now,
 * wherever it waits.
 */
void vmm_vcpu_set_timer(struct vmm_vcpu *v, uint64_t at);
void vmm_vcpu_arm_timer(struct vmm_vcpu *v, uint64_t deadline, uint64_t now);
void vmm_vcpu_kick(struct vmm_vcpu *v);
/* Before any thread of a vCPU. Then on its own, first of all and last. */
void vmm_vcpu_catch_kicks(void);
void vmm_vcpu_hear_kicks(struct vmm_vcpu *v);
void vmm_vcpu_hear_no_more(struct vmm_vcpu *v);

/* A port or memory access that KVM waits to complete must not end up in registers set next. */
void vmm_vcpu_complete_exit(struct vmm_vcpu *v);

/* vcpu_eoi.c: the guest has said where its flag is; -EPERM. The others: lock held. */
int vmm_vcpu_eoi_at(struct vmm_vcpu *v, uint64_t value);
void vmm_vcpu_eoi_offer(struct vmm_vcpu *v); /* an interrupt has been delivered */
void vmm_vcpu_eoi_take(struct vmm_vcpu *v);  /* the guest does not run */

/* exit.c: handles what KVM_RUN came back with. */
void vmm_exit_handle(struct vmm_vcpu *v);

/* Adds what its thread did with its time. */
void vmm_vcpu_add_load(struct vmm_vcpu *v, struct vmm_load *load);
/* ns that it has had nothing to do. */
uint64_t vmm_vcpu_idle(struct vmm_vcpu *v);
void vmm_vcpu_stat(struct vmm_vcpu *v, struct dvmi_buf *out);

/* Does what a register write wanted done. The lock is not held. */
void vmm_vcpu_do(struct vmm_vcpu *v, const struct vmm_lapic_out *out);

static inline void vmm_count(_Atomic uint64_t *n)
{
	/* Only the vCPU's own thread counts here; others read. */
	atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

#endif
