/* SPDX-License-Identifier: BSD-3-Clause */
/* Layouts packed and unpacked as a whole. */
#include <errno.h>

#include "libdvm/src/cursor.h"

/* Bytes of COUNT elements at BUF, or the code for what cannot be used. */
static int64_t check(const void *buf, size_t count, const struct dvm_layout *l)
{
	int64_t bytes = l ? dvmi_layout_bytes(l, count) : -EINVAL;

	return bytes > 0 && !buf ? -EINVAL : bytes;
}

int dvm_layout_pack(const void *buf, size_t count, const dvm_layout_t *l, void *out, size_t room)
{
	_Alignas(struct dvmi_cursor) uint8_t space[DVMI_CURSOR_BYTES];
	struct dvmi_cursor *c = (struct dvmi_cursor *)space;
	int64_t bytes = check(buf, count, l);

	if (bytes <= 0)
		return (int)bytes;
	if (!out)
		return -EINVAL;
	if ((uint64_t)bytes > room)
		return -ENOSPC;
	dvmi_cursor_init(c, (void *)(uintptr_t)buf, count, l);
	dvmi_cursor_gather(c, out, (size_t)bytes);
	dvmi_cursor_fini(c);
	return 0;
}

int dvm_layout_unpack(const void *in, size_t len, void *buf, size_t count, const dvm_layout_t *l)
{
	_Alignas(struct dvmi_cursor) uint8_t space[DVMI_CURSOR_BYTES];
	struct dvmi_cursor *c = (struct dvmi_cursor *)space;
	int64_t bytes = len && !in ? -EINVAL : check(buf, count, l);

	if (bytes < 0)
		return (int)bytes;
	if (len > (uint64_t)bytes)
		return -DVM_ETRUNC;
	dvmi_cursor_init(c, buf, count, l);
	dvmi_cursor_scatter(c, in, len);
	dvmi_cursor_fini(c);
	return 0;
}
