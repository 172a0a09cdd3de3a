/* SPDX-License-Identifier: BSD-3-Clause */
/* The MSI-X table and pending bits of one PCI function: an engine. */
#ifndef VMM_MSIX_H
#define VMM_MSIX_H

#include <stdbool.h>
#include <stdint.h>

enum { VMM_MSIX_MAX = 16, VMM_MSIX_NONE = 0xffff };

struct vmm_msix {
	unsigned n;
	bool enabled, masked;		 /* as in the capability's control word */
	uint32_t entry[VMM_MSIX_MAX][4]; /* address, its upper half, data, control */
	uint32_t pending;
	void (*send)(void *ctx, uint64_t addr, uint32_t data); /* a message signalled interrupt */
	void *ctx;
};

void vmm_msix_reset(struct vmm_msix *m);
/* The control word has been written: what was masked and pending goes out now. */
void vmm_msix_control(struct vmm_msix *m, bool enabled, bool masked);
void vmm_msix_raise(struct vmm_msix *m, unsigned vector);
/* What raising it would send now; false: nothing. */
bool vmm_msix_message(const struct vmm_msix *m, unsigned vector, uint64_t *addr, uint32_t *data);

/* Accesses to the table and to the pending bits, of 4 or 8 bytes; others read 0 and write nothing.
 */
void vmm_msix_table(struct vmm_msix *m, uint64_t at, void *data, unsigned len, bool write);
void vmm_msix_pba(const struct vmm_msix *m, uint64_t at, void *data, unsigned len);

#endif
