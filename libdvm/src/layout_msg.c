/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages from and into layouts and lists of pieces. */
#include <errno.h>

#include "libdvm/src/sendrecv.h"

int dvm_sendl(dvm_group_t *g, const void *buf, size_t count, const dvm_layout_t *l, int dest,
	      int tag, int mode)
{
	struct dvmi_cursor_room room;
	struct dvmi_mem mem;
	int rc = dvmi_check_send(g, dest, tag, mode);

	if (rc == 0)
		rc = dvmi_mem_layout(&mem, buf, count, l, &room);
	if (rc < 0)
		return rc;
	if (!mem.cur && mode != DVM_SEND_SYNC)
		return dvm_send(g, mem.buf, mem.len, dest, tag);
	rc = dvmi_send(g, &mem, dest, tag, mode);
	dvmi_mem_fini(&mem, &room);
	return rc;
}

int dvm_recvl(dvm_group_t *g, void *buf, size_t count, const dvm_layout_t *l, int source, int tag,
	      dvm_status_t *status)
{
	struct dvmi_cursor_room room;
	struct dvmi_mem mem;
	int rc = dvmi_check_source(g, source, tag);

	if (rc == 0)
		rc = dvmi_mem_layout(&mem, buf, count, l, &room);
	if (rc < 0)
		return rc;
	if (!mem.cur)
		return dvm_recv(g, mem.buf, mem.len, source, tag, status);
	rc = dvmi_recv(g, &mem, source, tag, status);
	dvmi_mem_fini(&mem, &room);
	return rc;
}

int dvm_sendrecvl(dvm_group_t *g, const void *sbuf, size_t scount, const dvm_layout_t *sl, int dest,
		  int stag, void *rbuf, size_t rcount, const dvm_layout_t *rl, int source, int rtag,
		  dvm_status_t *status)
{
	struct dvmi_cursor_room out_room, in_room;
	struct dvmi_mem out, in;
	int rc = dvmi_check_send(g, dest, stag, DVM_SEND_STANDARD);

	if (rc == 0)
		rc = dvmi_check_source(g, source, rtag);
	if (rc == 0)
		rc = dvmi_mem_layout(&out, sbuf, scount, sl, &out_room);
	if (rc < 0)
		return rc;
	rc = dvmi_mem_layout(&in, rbuf, rcount, rl, &in_room);
	if (rc == 0) {
		rc = dvmi_sendrecv(g, &out, dest, stag, &in, source, rtag, status);
		dvmi_mem_fini(&in, &in_room);
	}
	dvmi_mem_fini(&out, &out_room);
	return rc;
}

/* RC of a call that was to take MEM's cursor. */
static int handed(struct dvmi_mem *mem, int rc)
{
	if (rc < 0)
		dvmi_mem_fini(mem, NULL);
	return rc;
}

int dvm_isendl(dvm_group_t *g, const void *buf, size_t count, const dvm_layout_t *l, int dest,
	       int tag, int mode, dvm_req_t **req)
{
	struct dvmi_mem mem;
	int rc = req ? dvmi_check_send(g, dest, tag, mode) : -EINVAL;

	if (rc == 0)
		rc = dvmi_mem_layout(&mem, buf, count, l, NULL);
	return rc < 0 ? rc : handed(&mem, dvmi_isend(g, &mem, dest, tag, mode, req));
}

int dvm_irecvl(dvm_group_t *g, void *buf, size_t count, const dvm_layout_t *l, int source, int tag,
	       dvm_req_t **req)
{
	struct dvmi_mem mem;
	int rc = req ? dvmi_check_source(g, source, tag) : -EINVAL;

	if (rc == 0)
		rc = dvmi_mem_layout(&mem, buf, count, l, NULL);
	return rc < 0 ? rc : handed(&mem, dvmi_irecv(g, &mem, source, tag, req));
}

int dvm_sendl_init(dvm_group_t *g, const void *buf, size_t count, const dvm_layout_t *l, int dest,
		   int tag, int mode, dvm_req_t **req)
{
	struct dvmi_mem mem;
	int rc = req ? dvmi_check_send(g, dest, tag, mode) : -EINVAL;

	if (rc == 0)
		rc = dvmi_mem_layout(&mem, buf, count, l, NULL);
	return rc < 0 ? rc : handed(&mem, dvmi_send_init(g, &mem, dest, tag, mode, req));
}

int dvm_recvl_init(dvm_group_t *g, void *buf, size_t count, const dvm_layout_t *l, int source,
		   int tag, dvm_req_t **req)
{
	struct dvmi_mem mem;
	int rc = req ? dvmi_check_source(g, source, tag) : -EINVAL;

	if (rc == 0)
		rc = dvmi_mem_layout(&mem, buf, count, l, NULL);
	return rc < 0 ? rc : handed(&mem, dvmi_recv_init(g, &mem, source, tag, req));
}

int dvm_mrecvl(dvm_message_t **msg, void *buf, size_t count, const dvm_layout_t *l,
	       dvm_status_t *status)
{
	struct dvmi_cursor_room room;
	struct dvmi_mem mem;
	int rc = msg ? dvmi_mem_layout(&mem, buf, count, l, &room) : -EINVAL;

	if (rc < 0)
		return rc;
	if (*msg)
		rc = dvmi_mrecv(msg, &mem, status);
	else
		dvmi_status_empty(status, 0);
	dvmi_mem_fini(&mem, &room);
	return rc;
}

int dvm_imrecvl(dvm_message_t **msg, void *buf, size_t count, const dvm_layout_t *l,
		dvm_req_t **req)
{
	struct dvmi_mem mem;
	int rc = msg && req ? dvmi_mem_layout(&mem, buf, count, l, NULL) : -EINVAL;

	if (rc < 0)
		return rc;
	if (*msg)
		return handed(&mem, dvmi_imrecv(msg, &mem, req));
	dvmi_mem_fini(&mem, NULL);
	*req = NULL;
	return 0;
}

int dvm_sendv(dvm_group_t *g, const dvm_iov_t *iov, size_t n, int dest, int tag)
{
	struct dvmi_cursor_room room;
	struct dvmi_mem mem;
	int rc = dvmi_check_send(g, dest, tag, DVM_SEND_STANDARD);

	if (rc == 0)
		rc = dvmi_mem_iov(&mem, iov, n, &room);
	if (rc < 0)
		return rc;
	rc = dvmi_send(g, &mem, dest, tag, DVM_SEND_STANDARD);
	dvmi_mem_fini(&mem, &room);
	return rc;
}

int dvm_recvv(dvm_group_t *g, const dvm_iov_t *iov, size_t n, int source, int tag,
	      dvm_status_t *status)
{
	struct dvmi_cursor_room room;
	struct dvmi_mem mem;
	int rc = dvmi_check_source(g, source, tag);

	if (rc == 0)
		rc = dvmi_mem_iov(&mem, iov, n, &room);
	if (rc < 0)
		return rc;
	rc = dvmi_recv(g, &mem, source, tag, status);
	dvmi_mem_fini(&mem, &room);
	return rc;
}

int dvm_isendv(dvm_group_t *g, const dvm_iov_t *iov, size_t n, int dest, int tag, dvm_req_t **req)
{
	struct dvmi_mem mem;
	int rc = req ? dvmi_check_send(g, dest, tag, DVM_SEND_STANDARD) : -EINVAL;

	if (rc == 0)
		rc = dvmi_mem_iov(&mem, iov, n, NULL);
	if (rc < 0)
		return rc;
	return handed(&mem, dvmi_isend(g, &mem, dest, tag, DVM_SEND_STANDARD, req));
}

int dvm_irecvv(dvm_group_t *g, const dvm_iov_t *iov, size_t n, int source, int tag,
	       dvm_req_t **req)
{
	struct dvmi_mem mem;
	int rc = req ? dvmi_check_source(g, source, tag) : -EINVAL;

	if (rc == 0)
		rc = dvmi_mem_iov(&mem, iov, n, NULL);
	return rc < 0 ? rc : handed(&mem, dvmi_irecv(g, &mem, source, tag, req));
}
