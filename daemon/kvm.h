/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Can this host run guests? As far as the device tells that monitors open: it may come and go with a
 * kernel module, so one looks again now and then. A look takes some microseconds.
 */
#ifndef DVMD_KVM_H
#define DVMD_KVM_H

#include <stdbool.h>

#define DVMD_KVM_DEVICE "/dev/kvm"

struct dvmd_kvm {
	bool usable;
	char why[240]; /* why not: "DEVICE: …" */
};

/* Opens DEVICE as a monitor does, and asks whether it is KVM. True: *KVM said otherwise before. */
bool dvmd_kvm_look(struct dvmd_kvm *kvm, const char *device);

#endif
