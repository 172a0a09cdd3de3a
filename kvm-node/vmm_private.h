/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest, for the files that make, run and show it. */
#ifndef VMM_PRIVATE_H
#define VMM_PRIVATE_H

#include <pthread.h>

#include "kvm-node/asks.h"
#include "kvm-node/boot.h"
#include "kvm-node/devices.h"
#include "kvm-node/lasting.h"
#include "kvm-node/queues.h"
#include "kvm-node/spread.h"
#include "kvm-node/together.h"
#include "kvm-node/vcpu.h"
#include "kvm-node/vmm.h"

#define VMM_ORDERS_MAX 8u

/* States of a guest; the control thread alone moves between them. */
enum vmm_state { VMM_MADE, VMM_RUNNING, VMM_PAUSED, VMM_ENDED };

/* What the first host has asked for, to be answered by ID. */
struct vmm_ordered {
	uint32_t id;
	enum vmm_order what;
};

struct vmm {
	const struct vmm_config *config;
	struct dvmi_log *log;
	struct vmm_kvm kvm;
	struct vmm_mem *mem;
	struct vmm_bus *bus;
	struct vmm_irq *irq;
	struct vmm_pic *pic; /* the first host's */
	struct vmm_loop *loop;
	struct vmm_queues *queues; /* over several hosts, or NULL */
	struct vmm_acpi *acpi;
	struct vmm_clock clock;
	struct vmm_machine machine;
	struct vmm_device *devices;
	struct vmm_boot_input input;
	enum vmm_apic_mode apic; /* what the kernel can start with */
	struct vmm_topology topology;
	struct vmm_acpi_cpu *cpus; /* by number */
	struct vmm_vcpu_env env;
	struct vmm_vcpu **vcpus; /* by number; NULL: never here; those that are not now are .away */
	/* vmm_gather.c: all CPUs are on the first host as long as the kernel starts. */
	bool gathers;
	_Atomic bool gathered, starting; /* on the first host; since the kernel starts */
	struct vmm_lasting users;
	bool user_lasts;
	uint64_t look_at, spread_at; /* ns: whether it is time for the CPUs to go; they do. 0: never */
	uint64_t idle_ns;	     /* of all of them, at the last look */
	struct vmm_vcpu_state **moved; /* by number: what has come, to be adopted */
	/* vmm_meet.c: they are so once more, as long as they would wait for each other's pages. */
	struct vmm_together meet;
	_Atomic bool meeting; /* others' vCPUs may come */
	_Atomic uint64_t met; /* times */
	uint64_t resets;
	uint64_t shadow_hosts; /* of several, a bit each: they cannot run kernels together */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t news;
	struct vmm_asks asks;
	struct vmm_ordered orders[VMM_ORDERS_MAX]; /* of the first host, for all others */
	unsigned n_orders;
	struct vmm_load loads[VMM_HOSTS_MAX]; /* of other hosts' vCPUs, as they have said */
	enum vmm_end end; /* what the guest itself has asked for */
	unsigned code;
	char why[512];
	enum vmm_state state;
	struct dvmi_buf last; /* what other hosts had counted when the guest ended; or nothing */
	uint64_t behind; /* ticks: other hosts' time is later than ours by so much; 0: it is not */
};

/* vmm_load.c: two steps of making a guest, */
int vmm_open_images(struct vmm *v, dvm_error_t *err);
int vmm_load_first(struct vmm *v, dvm_error_t *err);
/* ... and the guest as it is before its first instruction; again, for a reset. */
int vmm_load(struct vmm *v, dvm_error_t *err);
/* The guest itself has said something about its end; the first word counts. */
void vmm_ended(void *arg, enum vmm_end end, unsigned code, const char *why);

/* vmm_catch_up.c: another host's time is THEIRS, any thread; this host's, if it is behind, goes there. */
void vmm_catch_up_note(void *v, uint64_t theirs);
int vmm_catch_up(struct vmm *v, dvm_error_t *err);

/* vmm.c: this host's vCPUs, ... */
void vmm_park(struct vmm *v);
void vmm_unpark(struct vmm *v);
/* ... and its devices. */
int vmm_stand_still(struct vmm *v, dvm_error_t *err);
/* Likewise on all hosts. */
int vmm_all_stand_still(struct vmm *v, dvm_error_t *err);
int vmm_all_move_on(struct vmm *v, dvm_error_t *err);
/* Locked. Waits for news, for no longer than UNTIL (ns; 0: for ever). False: it is that late. */
bool vmm_await_news(struct vmm *v, uint64_t until);
void vmm_move_on(struct vmm *v);
void vmm_reset_devices(struct vmm *v);
/* As after power-on, with RAM that is zero; the first host's kernel is not loaded yet. */
int vmm_make_new(struct vmm *v, dvm_error_t *err);
void vmm_set_state(struct vmm *v, enum vmm_state state);

static inline bool vmm_is_here(const struct vmm *v, unsigned cpu)
{
	return v->vcpus[cpu] && !v->vcpus[cpu]->away;
}

/* The next vCPU that is on this host, from number CPU on, or NULL. */
static inline struct vmm_vcpu *vmm_vcpu_from(const struct vmm *v, unsigned cpu)
{
	while (cpu < v->config->cpus && !vmm_is_here(v, cpu))
		cpu++;
	return cpu < v->config->cpus ? v->vcpus[cpu] : NULL;
}

#define VMM_EACH_VCPU(v, c)                                                                        \
	for (struct vmm_vcpu *c = vmm_vcpu_from(v, 0); c; c = vmm_vcpu_from(v, (c)->index + 1))

/* Likewise of those that this host has made: they are here, or have been, or will be. */
static inline struct vmm_vcpu *vmm_made_from(const struct vmm *v, unsigned cpu)
{
	while (cpu < v->config->cpus && !v->vcpus[cpu])
		cpu++;
	return cpu < v->config->cpus ? v->vcpus[cpu] : NULL;
}

#define VMM_EACH_MADE(v, c)                                                                        \
	for (struct vmm_vcpu *c = vmm_made_from(v, 0); c; c = vmm_made_from(v, (c)->index + 1))

/* Decides, and has the devices: the only host, or the first one of several. */
static inline bool vmm_is_first(const struct vmm *v)
{
	return !v->config->spread || vmm_spread_self(v->config->spread) == 0;
}

/* vmm_gather.c */
bool vmm_gather_possible(const struct vmm *v);
/* Whether this host needs vCPU number CPU, now or later; on which one it is if it is not here. */
bool vmm_gather_makes(const struct vmm *v, unsigned cpu);
unsigned vmm_gather_host(const struct vmm *v, unsigned cpu);
/* Nobody runs: from the next start on all are on the first host, or each is where it belongs. */
void vmm_gather_set(struct vmm *v, bool gathered);
/* The kernel is known, on the first host. Collective. */
int vmm_gather_agree(struct vmm *v, dvm_error_t *err);
/* As vmm_vcpu_env.user. */
void vmm_gather_user(void *arg, uint64_t cr3, uint64_t rsp);
/* Control thread of the first host: vCPUs go where they belong. */
int vmm_gather_end(struct vmm *v, dvm_error_t *err);
/* ... if nothing is to be seen that would say when, any more. */
int vmm_gather_look(struct vmm *v, dvm_error_t *err);
/* ... anew, as it had been paused. */
void vmm_gather_resumed(struct vmm *v);
/* Whether vCPU number CPU comes here, or goes from here, when all meet or part; where it goes then. */
bool vmm_gather_moves(const struct vmm *v, unsigned cpu);
unsigned vmm_gather_to(const struct vmm *v, unsigned cpu);
/* All stand still: those that move, and are here, go. */
int vmm_gather_send(struct vmm *v, dvm_error_t *err);
/* As vmm_spread_ops.cpu; then they are to run here. */
void vmm_gather_came(void *arg, unsigned from, unsigned cpu, const void *state, size_t len);
int vmm_gather_adopt(struct vmm *v, dvm_error_t *err);

/* vmm_meet.c. Control threads: vCPUs have gone to their hosts. */
void vmm_meet_begin(struct vmm *v);
/* The first host's: it is time to look whether they had better be together. */
int vmm_meet_look(struct vmm *v, dvm_error_t *err);
/* As vmm_spread_ops.load. */
void vmm_meet_load(void *arg, unsigned from, const struct vmm_load *load);
/* Control threads of the others: what their vCPUs did is said now and then; the order. */
void vmm_meet_report(struct vmm *v);
int vmm_meet_give(struct vmm *v, dvm_error_t *err);

/* vmm_hosts.c: a guest on several hosts. Each does nothing, well, where there is one. */
int vmm_hosts_memory(struct vmm *v, const uint64_t *node_mem, dvm_error_t *err);
int vmm_hosts_attach(struct vmm *v, dvm_error_t *err);
/* All have one kind of processor, and the first host's rate in *TSC_KHZ. */
int vmm_hosts_compare(struct vmm *v, uint32_t *tsc_khz, const struct kvm_cpuid2 *model,
		      dvm_error_t *err);
/* Why these hosts cannot run one kernel together, or 0. After they were compared. */
int vmm_hosts_check_kernel(struct vmm *v, dvm_error_t *err);
/* The first host's time is ours, as of now. */
int vmm_hosts_set_clock(struct vmm *v, dvm_error_t *err);
int vmm_hosts_agree(struct vmm *v, int rc, dvm_error_t *err);
void vmm_hosts_interrupt(struct vmm *v, unsigned cpu, const struct vmm_intr *msg);
/* As vmm_vcpu_env.settle, .sampled, .walks; over several hosts, on each. */
void vmm_hosts_settle(void *arg);
void vmm_hosts_sampled(void *arg, uint64_t page, uint64_t at);
void vmm_hosts_walks(void *arg, const struct dsm_root *root);
/* No vCPU runs here: what they have said is done on all hosts. */
int vmm_hosts_settle_far(struct vmm *v, dvm_error_t *err);
/* The first host: all others have done WHAT. */
int vmm_hosts_order(struct vmm *v, enum vmm_order what, dvm_error_t *err);
/* The guest has ended, and all hosts know. Collective; waits. */
void vmm_hosts_part(struct vmm *v);
/* RAM is forgotten; then it is there again and zero. */
int vmm_hosts_forget(struct vmm *v);
int vmm_hosts_again(struct vmm *v, dvm_error_t *err);
/* Every other host: does what the first one says until the guest has ended. */
int vmm_hosts_follow(struct vmm *v, enum vmm_end *end, dvm_error_t *err);
void vmm_hosts_detach(struct vmm *v);
/* More members: this host's share, and for the first one those of all others. */
void vmm_hosts_stat(struct vmm *v, struct dvmi_buf *out);
/* The first host: the others' are asked for while they can be, and kept. */
void vmm_hosts_keep_stat(struct vmm *v);

#endif
