/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ACPI machine language, as much of it as tables that only name things need. Appends to a buffer,
 * whose latched error is the only one.
 *
 * A block (scope, device, package, buffer) is opened and closed; closing puts its length in front.
 */
#ifndef VMM_AML_H
#define VMM_AML_H

#include <stdbool.h>

#include "libdvm/base/buf.h"

/* A block begins here; its opening byte(s) have been written. */
size_t vmm_aml_open(struct dvmi_buf *b);
void vmm_aml_close(struct dvmi_buf *b, size_t at);

size_t vmm_aml_scope(struct dvmi_buf *b, const char *path);  /* "\\_SB_" */
size_t vmm_aml_device(struct dvmi_buf *b, const char *name); /* four characters */
/* What follows is the named object's value. */
void vmm_aml_name(struct dvmi_buf *b, const char *name);
size_t vmm_aml_package(struct dvmi_buf *b, uint8_t n);

void vmm_aml_int(struct dvmi_buf *b, uint64_t value);
void vmm_aml_str(struct dvmi_buf *b, const char *s);
/* "PNP0501" as the number it is; anything else as a string. */
void vmm_aml_id(struct dvmi_buf *b, const char *id);

/* Resources: a named buffer of descriptors. */
struct vmm_aml_crs {
	struct dvmi_buf bytes;
};
void vmm_aml_crs_io(struct vmm_aml_crs *c, uint16_t base, uint8_t len);
void vmm_aml_crs_irq(struct vmm_aml_crs *c, uint32_t gsi, bool edge);
void vmm_aml_crs_mem32(struct vmm_aml_crs *c, uint32_t base, uint32_t len);
void vmm_aml_crs_bus(struct vmm_aml_crs *c, uint16_t first, uint16_t last);
/* Windows that a bridge passes on. */
void vmm_aml_crs_window32(struct vmm_aml_crs *c, uint32_t base, uint32_t len);
void vmm_aml_crs_window64(struct vmm_aml_crs *c, uint64_t base, uint64_t len);
/* Name(_CRS, …); frees C. */
void vmm_aml_crs_end(struct vmm_aml_crs *c, struct dvmi_buf *b);

#endif
