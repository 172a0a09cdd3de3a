/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the tables: what collects them and what is in each. */
#ifndef VMM_ACPI_PRIVATE_H
#define VMM_ACPI_PRIVATE_H

#include "kvm-node/acpi.h"

#define VMM_ACPI_S5	  5u
#define VMM_ACPI_RSDP_LEN 36u

struct vmm_acpi {
	struct dvmi_buf devices; /* AML of the scope \_SB_ */
	uint64_t pci; /* segments that have a bus, a bit each */
};

/* All tables as they will lie from VMM_ACPI on. */
int vmm_acpi_tables(const struct vmm_acpi *a, const struct vmm_acpi_machine *m, struct dvmi_buf *b);

/* Bodies, behind the common header. */
void vmm_acpi_put_fadt(struct dvmi_buf *b, uint64_t facs, uint64_t dsdt);
void vmm_acpi_put_madt(struct dvmi_buf *b, const struct vmm_acpi_machine *m);
void vmm_acpi_put_srat(struct dvmi_buf *b, const struct vmm_acpi_machine *m);
void vmm_acpi_put_slit(struct dvmi_buf *b, const struct vmm_acpi_machine *m);

#endif
