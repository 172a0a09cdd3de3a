/* SPDX-License-Identifier: BSD-3-Clause */
/* CRC-32C (Castagnoli, as in iSCSI, RFC 3720): finds damage, not forgery. Any thread. */
#ifndef DVMI_BASE_CRC32C_H
#define DVMI_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues CRC, the result for the bytes before, or 0 at the beginning. */
uint32_t dvmi_crc32c(uint32_t crc, const void *p, size_t n);

#endif
