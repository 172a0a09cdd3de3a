/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest, for the files that make, run and show it. */
#ifndef VMM_PRIVATE_H
#define VMM_PRIVATE_H

#include <pthread.h>

#include "kvm-node/boot.h"
#include "kvm-node/devices.h"
#include "kvm-node/vcpu.h"
#include "kvm-node/vmm.h"

#define VMM_ASKS_MAX 16u

/* States of a guest; the control thread alone moves between them. */
enum vmm_state { VMM_MADE, VMM_RUNNING, VMM_PAUSED, VMM_ENDED };

struct vmm {
	const struct vmm_config *config;
	struct dvmi_log *log;
	struct vmm_kvm kvm;
	struct vmm_mem *mem;
	struct vmm_bus *bus;
	struct vmm_irq *irq;
	struct vmm_loop *loop;
	struct vmm_acpi *acpi;
	struct vmm_clock clock;
	struct vmm_machine machine;
	struct vmm_device *devices;
	struct vmm_boot_input input;
	struct vmm_topology topology;
	struct vmm_acpi_cpu *cpus; /* by number */
	struct vmm_vcpu_env env;
	struct vmm_vcpu **vcpus;
	uint64_t resets;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t news;
	enum vmm_ask asks[VMM_ASKS_MAX];
	unsigned n_asks;
	enum vmm_end end; /* what the guest itself has asked for */
	unsigned code;
	char why[512];
	enum vmm_state state;
};

/* vmm_make.c: the guest as it is before its first instruction; again, for a reset. */
int vmm_load(struct vmm *v, dvm_error_t *err);

#endif
