/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processors, buses and pins as PCs told of them before ACPI (Intel's MultiProcessor Specification
 * 1.4): for kernels without ACPI, and those told to do without it.
 */
#ifndef VMM_MPTABLE_H
#define VMM_MPTABLE_H

#include "kvm-node/acpi.h"

/* Appends the tables as they will lie at VMM_MPTABLE. */
int vmm_mptable_make(const struct vmm_acpi_machine *m, struct dvmi_buf *b);
/* Writes them there. */
int vmm_mptable_write(const struct vmm_acpi_machine *m, dvm_error_t *err);

#endif
