/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm: tagged messages between the ranks of a group.
 *
 * A message is LEN bytes (64-bit, zero allowed) with a tag, from one rank of a group to another.
 * A receive takes the oldest message that fits its source and tag. Two messages from one rank to
 * another in the same group arrive in the order in which they were sent; a message of one group
 * is never seen by another. SOURCE, DEST and status.source are ranks within the group.
 *
 * Buffering: a send of a short message is complete as soon as the library has taken its bytes.
 * A long one (beyond some KiB), and a short one to a rank that has left too many unread, is
 * complete when the receiver takes it; so two ranks that must exchange long messages use
 * dvm_isend() or dvm_sendrecv(). Messages to oneself are always buffered.
 *
 * Failures: an operation with a rank that has crashed (-DVM_EPEERLOST) or called dvm_close()
 * (-DVM_ECLOSED) fails in bounded time; what the rank had sent before closing is still received.
 * A receive from DVM_ANY_SOURCE fails so when no other rank of the group is left. -DVM_EPEERLOST
 * is also returned by everything after the shepherd of this rank's node is gone. A rank that sends
 * what no rank should is cut off: -DVM_EPROTO.
 *
 * Blocking calls that can never return, as waiting for a message of one's own that has not been
 * sent, fail with -EDEADLK where the library can see it.
 *
 * Threads: see dvm/dvm.h. A request is waited for by one thread at a time.
 */
#ifndef DVM_MSG_H
#define DVM_MSG_H

#include "dvm/dvm.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DVM_ANY_SOURCE (-1)
#define DVM_ANY_TAG    (-1)
/* As source or destination: no message moves and the call is complete at once. */
#define DVM_NOBODY (-2)
/* Tags are 0 … DVM_TAG_MAX. */
#define DVM_TAG_MAX 2147483647

/* An operation under way. Made by dvm_isend() or dvm_irecv(), ended by waiting for it. */
typedef struct dvm_req dvm_req_t;

/* How a receive ended. For a send and for DVM_NOBODY: source and tag -1, len 0. */
typedef struct dvm_status {
	int32_t source; /* rank within the group */
	int32_t tag;
	uint64_t len;  /* bytes of the message as sent, also when truncated */
	int32_t error; /* 0 or the negative code of this operation */
	int32_t reserved;
} dvm_status_t;

/*
 * Sends LEN bytes at BUF with TAG to rank DEST of G. Returns when BUF may be used again (see
 * buffering above); handles incoming messages while it waits.
 *
 * Returns 0, -EINVAL (G NULL, DEST or TAG out of range, BUF NULL with LEN > 0), -DVM_EPEERLOST,
 * -DVM_ECLOSED, -ENOMEM.
 */
DVM_PUBLIC int dvm_send(dvm_group_t *g, const void *buf, size_t len, int dest, int tag);

/*
 * Receives into BUF (room for LEN bytes) the oldest message from SOURCE (or DVM_ANY_SOURCE) with
 * TAG (or DVM_ANY_TAG) and waits for it. STATUS may be NULL.
 *
 * Returns 0; -DVM_ETRUNC when the message was longer (LEN bytes are in BUF, the rest is lost,
 * status.len has its full length); -EINVAL, -DVM_EPEERLOST, -DVM_ECLOSED, -EDEADLK, -ENOMEM.
 * STATUS is set in all cases but -EINVAL.
 */
DVM_PUBLIC int dvm_recv(dvm_group_t *g, void *buf, size_t len, int source, int tag,
			dvm_status_t *status);

/*
 * Starts a send and returns at once. BUF must stay as it is until the request has been waited
 * for. Returns 0 and a request in *REQ, which ends in one of the wait or test calls; -EINVAL or
 * -ENOMEM, then *REQ is untouched. A lost peer is reported by the wait.
 */
DVM_PUBLIC int dvm_isend(dvm_group_t *g, const void *buf, size_t len, int dest, int tag,
			 dvm_req_t **req);

/* Starts a receive and returns at once; otherwise as dvm_recv() and dvm_isend(). */
DVM_PUBLIC int dvm_irecv(dvm_group_t *g, void *buf, size_t len, int source, int tag,
			 dvm_req_t **req);

/*
 * Waits until *REQ is complete, frees it and sets *REQ to NULL. A NULL *REQ is complete (source
 * and tag -1). STATUS may be NULL. Returns the result of the operation: 0 or as listed for
 * dvm_send() and dvm_recv(), -ECANCELED after dvm_cancel(); -EINVAL where REQ is NULL.
 */
DVM_PUBLIC int dvm_wait(dvm_req_t **req, dvm_status_t *status);

/*
 * Looks whether *REQ is complete and makes progress. Returns 0 when it is not, 1 when it was and
 * went well, else the error of the operation; in the two latter cases the request is freed and
 * *REQ is NULL. Never blocks.
 */
DVM_PUBLIC int dvm_test(dvm_req_t **req, dvm_status_t *status);

/*
 * Waits for all N requests (NULL ones are complete), frees them and sets them to NULL. STATUSES
 * is NULL or has room for N. Returns 0 or the error of the first one in the array that failed;
 * the others are complete also then, each with its own statuses[i].error. -EINVAL: REQS NULL.
 */
DVM_PUBLIC int dvm_waitall(dvm_req_t **reqs, size_t n, dvm_status_t *statuses);

/*
 * Waits until one of N requests is complete, frees it and sets it to NULL. *INDEX is its place.
 * Returns the result of that operation; -ENOENT when all are NULL (*INDEX untouched), -EINVAL
 * (REQS or INDEX NULL).
 */
DVM_PUBLIC int dvm_waitany(dvm_req_t **reqs, size_t n, size_t *index, dvm_status_t *status);

/*
 * Withdraws a receive that no message has met yet: its wait then returns -ECANCELED. Returns 0
 * when it was withdrawn, -EALREADY when a message has met it (it completes as usual), -EINVAL
 * for NULL or a send. The request must still be waited for.
 */
DVM_PUBLIC int dvm_cancel(dvm_req_t *req);

/*
 * Waits until a message that a receive with SOURCE and TAG would take is there and describes it
 * in STATUS (may be NULL) without taking it. Returns 0 or as dvm_recv().
 */
DVM_PUBLIC int dvm_probe(dvm_group_t *g, int source, int tag, dvm_status_t *status);

/*
 * The same without waiting. Returns 1 when there is one (STATUS set), 0 when not yet, else an
 * error as dvm_recv(). SOURCE DVM_NOBODY: 1.
 */
DVM_PUBLIC int dvm_iprobe(dvm_group_t *g, int source, int tag, dvm_status_t *status);

/*
 * Sends SLEN bytes at SBUF to DEST and receives into RBUF (room for RLEN) from SOURCE, both at
 * once, and waits for both. The buffers must not overlap. STATUS (may be NULL) is the receive's.
 * Returns 0, else the receive's error, else the send's, as listed for dvm_send() and dvm_recv().
 */
DVM_PUBLIC int dvm_sendrecv(dvm_group_t *g, const void *sbuf, size_t slen, int dest, int stag,
			    void *rbuf, size_t rlen, int source, int rtag, dvm_status_t *status);

#ifdef __cplusplus
}
#endif

#endif
