/* SPDX-License-Identifier: BSD-3-Clause */
/* Sends and receives of memory of any kind: what all calls of that sort are made of. */
#ifndef DVMI_SRC_SENDRECV_H
#define DVMI_SRC_SENDRECV_H

#include "dvm/layout.h"
#include "libdvm/src/request.h"

/* 0, or -EINVAL for what no call accepts. */
int dvmi_check_send(const dvm_group_t *g, int dest, int tag, int mode);
int dvmi_check_source(const dvm_group_t *g, int source, int tag);
int dvmi_check_buffer(const void *buf, size_t len);

/* What a receive with SOURCE and TAG, which were checked, matches. */
static inline struct dvmi_match_key dvmi_key_of(const dvm_group_t *g, int source, int tag)
{
	int32_t rank = source < 0 ? DVMI_MATCH_ANY : (int32_t)dvmi_group_peer(g, source);

	return dvmi_match_key(g->ctx, rank, tag);
}

/* Room for a cursor during a blocking call. */
struct dvmi_cursor_room {
	_Alignas(struct dvmi_cursor) uint8_t bytes[DVMI_CURSOR_BYTES];
};

/*
 * Fills MEM for COUNT elements L at BUF, or N pieces. Where a cursor is needed it is in ROOM, or
 * allocated where ROOM is NULL. 0, -EINVAL, -EOVERFLOW, -ENOMEM.
 */
int dvmi_mem_layout(struct dvmi_mem *mem, const void *buf, size_t count, const dvm_layout_t *l,
		    struct dvmi_cursor_room *room);
int dvmi_mem_iov(struct dvmi_mem *mem, const dvm_iov_t *iov, size_t n,
		 struct dvmi_cursor_room *room);
/* Ends the cursor, if there is one; frees it unless it is in a room. */
void dvmi_mem_fini(struct dvmi_mem *mem, const struct dvmi_cursor_room *room);

static inline struct dvmi_mem dvmi_mem_flat(const void *buf, size_t len)
{
	return (struct dvmi_mem){ .buf = (void *)(uintptr_t)buf, .len = len };
}

/* Begin OP under the lock; where nobody is at the other end, it is finished at once. */
void dvmi_begin_send(dvm_group_t *g, struct dvmi_op *op, const struct dvmi_mem *mem, int dest,
		     int tag, int mode);
void dvmi_begin_recv(dvm_group_t *g, struct dvmi_op *op, const struct dvmi_mem *mem, int source,
		     int tag);

/* The calls behind the calls; their arguments were checked. The lock is theirs. */
int dvmi_send(dvm_group_t *g, const struct dvmi_mem *mem, int dest, int tag, int mode);
int dvmi_recv(dvm_group_t *g, const struct dvmi_mem *mem, int source, int tag,
	      dvm_status_t *status);
int dvmi_sendrecv(dvm_group_t *g, const struct dvmi_mem *out, int dest, int stag,
		  const struct dvmi_mem *in, int source, int rtag, dvm_status_t *status);
/* On success the request owns the cursor. */
int dvmi_isend(dvm_group_t *g, const struct dvmi_mem *mem, int dest, int tag, int mode,
	       dvm_req_t **req);
int dvmi_irecv(dvm_group_t *g, const struct dvmi_mem *mem, int source, int tag, dvm_req_t **req);
int dvmi_send_init(dvm_group_t *g, const struct dvmi_mem *mem, int dest, int tag, int mode,
		   dvm_req_t **req);
int dvmi_recv_init(dvm_group_t *g, const struct dvmi_mem *mem, int source, int tag,
		   dvm_req_t **req);
/* *MSG is not NULL and is NULL afterwards. */
int dvmi_mrecv(dvm_message_t **msg, const struct dvmi_mem *mem, dvm_status_t *status);
int dvmi_imrecv(dvm_message_t **msg, const struct dvmi_mem *mem, dvm_req_t **req);

#endif
