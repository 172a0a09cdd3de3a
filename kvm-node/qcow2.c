/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers are big-endian. Versions 2 and 3 differ in what follows byte 72. */
#include "kvm-node/qcow2.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

enum {
	AT_VERSION = 4,
	AT_BACKING = 8, /* where its name is; 0: there is none */
	AT_INCOMPATIBLE = 72,
	AT_LENGTH = 100,
	LENGTH_2 = 72,
	LENGTH_3 = 104,
};

#define MAGIC		0x514649fbu
#define DATA_FILE	(1u << 2)   /* of the incompatible features */
#define BACKING_FORMAT	0xe2792acau /* an extension: type, length, bytes, padded to 8 */

static uint32_t u32(const uint8_t *p, size_t at)
{
	uint32_t v;

	memcpy(&v, p + at, sizeof v);
	return be32toh(v);
}

static uint64_t u64(const uint8_t *p, size_t at)
{
	return (uint64_t)u32(p, at) << 32 | u32(p, at + 4);
}

static enum vmm_qcow2_below format(const uint8_t *name, size_t len)
{
	if (len == 3 && !memcmp(name, "raw", len))
		return VMM_QCOW2_ON_RAW;
	if (len == 5 && !memcmp(name, "qcow2", len))
		return VMM_QCOW2_ON_QCOW2;
	return VMM_QCOW2_ON_OTHER;
}

/* Extensions are between the header, LEN bytes, and the name, or end by a type of 0. */
static enum vmm_qcow2_below backing_format(const uint8_t *p, size_t n, size_t len)
{
	for (size_t at = len; at + 8 <= n;) {
		uint32_t type = u32(p, at), size = u32(p, at + 4);
		at += 8;
		if (!type || size > n - at)
			break;
		if (type == BACKING_FORMAT)
			return format(p + at, size);
		at += (size + 7) & ~(size_t)7;
	}
	return VMM_QCOW2_ON_OTHER;
}

int vmm_qcow2_look(struct vmm_qcow2 *q, const uint8_t *p, size_t n)
{
	size_t len = LENGTH_2;

	if (n < LENGTH_2 || u32(p, 0) != MAGIC)
		return -EINVAL;
	uint32_t version = u32(p, AT_VERSION);
	if (version != 2 && version != 3)
		return -EINVAL;
	if (version == 3 && (n < LENGTH_3 || (len = u32(p, AT_LENGTH)) < LENGTH_3 || len > n))
		return -EINVAL;
	*q = (struct vmm_qcow2){
		.below = u64(p, AT_BACKING) ? backing_format(p, n, len) : VMM_QCOW2_ALONE,
		.external = version == 3 && u64(p, AT_INCOMPATIBLE) & DATA_FILE,
	};
	return 0;
}
