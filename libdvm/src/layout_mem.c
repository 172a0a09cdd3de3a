/* SPDX-License-Identifier: BSD-3-Clause */
/* Layouts and lists of pieces as memory of a message. */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/src/sendrecv.h"

/* A cursor over COUNT elements L from BUF on, BYTES in all. */
static int with_cursor(struct dvmi_mem *mem, const void *buf, size_t count,
		       const struct dvm_layout *l, uint64_t bytes, struct dvmi_cursor_room *room)
{
	struct dvmi_cursor *c = room ? (struct dvmi_cursor *)room->bytes :
				       malloc(dvmi_cursor_size(l));

	if (!c)
		return -ENOMEM;
	dvmi_cursor_init(c, (void *)(uintptr_t)buf, count, l);
	*mem = (struct dvmi_mem){ .len = bytes, .cur = c };
	return 0;
}

static int describe(struct dvmi_mem *mem, const void *buf, size_t count, const dvm_layout_t *l,
		    struct dvmi_cursor_room *room)
{
	int64_t bytes = dvmi_layout_bytes(l, count);

	if (bytes <= 0) {
		*mem = (struct dvmi_mem){ .len = 0 };
		return (int)bytes;
	}
	struct dvmi_run r = dvmi_layout_run(l, count);
	if (r.of || r.count > 1)
		return with_cursor(mem, buf, count, l, (uint64_t)bytes, room);
	*mem = dvmi_mem_flat((const void *)((uintptr_t)buf + (uintptr_t)r.at), (size_t)bytes);
	return 0;
}

int dvmi_mem_layout(struct dvmi_mem *mem, const void *buf, size_t count, const dvm_layout_t *l,
		    struct dvmi_cursor_room *room)
{
	if (!l || (!buf && count && l->size))
		return -EINVAL;
	return describe(mem, buf, count, l, room);
}

/* The pieces as a layout whose displacements are addresses. */
static int layout_of_iov(struct dvm_layout **out, const dvm_iov_t *iov, size_t n)
{
	struct dvm_layout *l = dvmi_layout_new(n);
	int rc = l ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = !iov[i].base && iov[i].len ?
			     -EINVAL :
			     dvmi_layout_place(l, dvm_layout_of(DVM_UINT8), iov[i].len, 1,
					       (int64_t)(uintptr_t)iov[i].base);
	if (rc < 0) {
		dvmi_layout_unref(l);
		return rc;
	}
	*out = dvmi_layout_trim(l);
	return 0;
}

int dvmi_mem_iov(struct dvmi_mem *mem, const dvm_iov_t *iov, size_t n,
		 struct dvmi_cursor_room *room)
{
	struct dvm_layout *l;

	if (n && !iov)
		return -EINVAL;
	int rc = layout_of_iov(&l, iov, n);
	if (rc < 0)
		return rc;
	rc = describe(mem, NULL, 1, l, room);
	dvmi_layout_unref(l);
	return rc;
}

void dvmi_mem_fini(struct dvmi_mem *mem, const struct dvmi_cursor_room *room)
{
	if (!mem->cur)
		return;
	dvmi_cursor_fini(mem->cur);
	if (!room)
		free(mem->cur);
	mem->cur = NULL;
}
