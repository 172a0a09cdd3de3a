/* SPDX-License-Identifier: BSD-3-Clause */
/* Packed buffers as messages. */
#include <errno.h>

#include "libdvm/src/p2p_private.h"
#include "libdvm/src/packbuf.h"
#include "libdvm/src/sendrecv.h"

int dvm_buf_send(dvm_group_t *g, const dvm_buf_t *b, int dest, int tag)
{
	return b ? dvm_send(g, b->bytes, b->len, dest, tag) : -EINVAL;
}

int dvm_buf_isend(dvm_group_t *g, const dvm_buf_t *b, int dest, int tag, dvm_req_t **req)
{
	return b ? dvm_isend(g, b->bytes, b->len, dest, tag, req) : -EINVAL;
}

/* There is no memory for the message: it ends all the same. */
static int lose(dvm_message_t **msg, dvm_status_t *status)
{
	struct dvmi_mem none = { .len = 0 };

	dvmi_mrecv(msg, &none, status);
	if (status)
		status->error = -ENOMEM;
	return -ENOMEM;
}

static int receive(dvm_message_t **msg, dvm_buf_t *b, dvm_status_t *status)
{
	uint64_t len = ((const struct dvmi_unexpected *)*msg)->len;

	dvmi_buf_clear(b);
	if (len > SIZE_MAX || dvmi_buf_reserve(b, (size_t)len) < 0)
		return lose(msg, status);
	struct dvmi_mem mem = dvmi_mem_flat(b->bytes, (size_t)len);
	int rc = dvmi_mrecv(msg, &mem, status);
	if (rc < 0) {
		dvmi_buf_clear(b);
		return rc;
	}
	rc = dvmi_buf_adopt(b, (size_t)len);
	if (rc < 0 && status)
		status->error = rc;
	return rc;
}

int dvm_buf_mrecv(dvm_message_t **msg, dvm_buf_t *b, dvm_status_t *status)
{
	if (!msg || !b)
		return -EINVAL;
	if (*msg)
		return receive(msg, b, status);
	dvmi_buf_clear(b);
	dvmi_status_empty(status, 0);
	return 0;
}

int dvm_buf_recv(dvm_group_t *g, dvm_buf_t *b, int source, int tag, dvm_status_t *status)
{
	dvm_message_t *msg;

	if (!b)
		return -EINVAL;
	int rc = dvm_mprobe(g, source, tag, &msg, status);
	return rc < 0 ? rc : dvm_buf_mrecv(&msg, b, status);
}
