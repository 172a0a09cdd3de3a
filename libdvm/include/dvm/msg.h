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
 * dvm_isend() or dvm_sendrecv(). Messages to oneself are always buffered. A synchronous send
 * (dvm_ssend() and DVM_SEND_SYNC) is complete when a receive has met its message, whatever its
 * length and also to oneself.
 *
 * Failures: an operation with a rank that has crashed (-DVM_EPEERLOST) or called dvm_close()
 * (-DVM_ECLOSED) fails in bounded time; what the rank had sent before closing is still received.
 * A receive from DVM_ANY_SOURCE fails with -DVM_EPEERLOST when any rank of the group is lost, since
 * it may be the one that is waited for, until the program has said that it knows of it (dvm/ft.h);
 * ranks that have closed do not matter as long as some other one is left. -DVM_EPEERLOST is also
 * returned by everything after the shepherd of this rank's node is gone. A rank that sends what no
 * rank should is cut off: -DVM_EPROTO.
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
/* Tags are 0 … DVM_TAG_MAX. */
#define DVM_TAG_MAX 2147483647

/*
 * An operation under way. Made by a call that starts one, ended by waiting for it. A persistent
 * request is made inactive by a call …_init, started any number of times, and ended by
 * dvm_req_free(); waiting for it makes it inactive again. All requests end before their group.
 */
typedef struct dvm_req dvm_req_t;

/* A message taken out of matching by dvm_mprobe() or dvm_improbe(), ended by receiving it. */
typedef struct dvm_message dvm_message_t;

/* Modes of sends, for calls that take one. */
enum {
	DVM_SEND_STANDARD = 0,
	DVM_SEND_SYNC = 1,  /* complete when a receive has met the message */
	DVM_SEND_READY = 2, /* the caller knows that the receive is posted; see dvm_rsend() */
};

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
 * The same, synchronous: returns when a receive has met the message. -EDEADLK also where this rank
 * sends to itself, has posted no receive and no other thread could.
 */
DVM_PUBLIC int dvm_ssend(dvm_group_t *g, const void *buf, size_t len, int dest, int tag);

/*
 * The same, ready: the caller promises that the receiver has posted the receive. A broken promise
 * is no error: the message then waits like that of dvm_send().
 */
DVM_PUBLIC int dvm_rsend(dvm_group_t *g, const void *buf, size_t len, int dest, int tag);

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

/* The same, synchronous and ready. */
DVM_PUBLIC int dvm_issend(dvm_group_t *g, const void *buf, size_t len, int dest, int tag,
			  dvm_req_t **req);
DVM_PUBLIC int dvm_irsend(dvm_group_t *g, const void *buf, size_t len, int dest, int tag,
			  dvm_req_t **req);

/* Starts a receive and returns at once; otherwise as dvm_recv() and dvm_isend(). */
DVM_PUBLIC int dvm_irecv(dvm_group_t *g, void *buf, size_t len, int source, int tag,
			 dvm_req_t **req);

/*
 * Make a persistent send or receive, which is not started yet. Arguments and errors as those of
 * dvm_isend() and dvm_irecv(); MODE is a DVM_SEND_… (else -EINVAL).
 */
DVM_PUBLIC int dvm_send_init(dvm_group_t *g, const void *buf, size_t len, int dest, int tag,
			     int mode, dvm_req_t **req);
DVM_PUBLIC int dvm_recv_init(dvm_group_t *g, void *buf, size_t len, int source, int tag,
			     dvm_req_t **req);

/*
 * Starts the persistent request REQ and returns at once. 0; -EINVAL where REQ is NULL or not
 * persistent, -EBUSY where it is active: started and not waited for since.
 */
DVM_PUBLIC int dvm_start(dvm_req_t *req);

/* Starts all N requests, in order. As dvm_start(); on an error none was started. */
DVM_PUBLIC int dvm_startall(dvm_req_t **reqs, size_t n);

/*
 * Ends the caller's use of *REQ without waiting and sets it to NULL; NULL is accepted. A send that
 * is under way completes by itself: its buffer must stay until the receiver has told, nobody hears
 * of a failure, and dvm_close() waits for it, 10 s at most. Returns 0, -EINVAL (REQ NULL), -EBUSY for a receive
 * or another operation that is under way: wait for it, or cancel it and wait.
 */
DVM_PUBLIC int dvm_req_free(dvm_req_t **req);

/*
 * In all calls that wait or test, an inactive persistent request counts as NULL, and where others
 * are freed and set to NULL, a persistent one becomes inactive and stays.
 */

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
 * Looks whether REQ is complete and makes progress, as dvm_test(), but neither frees nor changes
 * it: returns 0 when it is not, else 1 or the error of the operation. NULL: 1.
 */
DVM_PUBLIC int dvm_peek(dvm_req_t *req, dvm_status_t *status);

/*
 * Looks whether all N requests are complete and makes progress. Returns 0 when they are not, and
 * nothing has changed; else all are freed as by dvm_waitall(), and 1 or the error of the first one
 * that failed is returned. -EINVAL: REQS NULL.
 */
DVM_PUBLIC int dvm_testall(dvm_req_t **reqs, size_t n, dvm_status_t *statuses);

/*
 * Looks whether one of N requests is complete. Returns 0 when none is; else it is freed, *INDEX is
 * its place, and 1 or its error is returned. -ENOENT and -EINVAL as dvm_waitany().
 */
DVM_PUBLIC int dvm_testany(dvm_req_t **reqs, size_t n, size_t *index, dvm_status_t *status);

/*
 * Waits until at least one of N requests is complete, and frees all that are. *COUNT is their
 * number, INDICES (room for N) their places in ascending order, STATUSES (NULL or room for N) theirs
 * in the same order. Returns 0 or the error of the first of them that failed; each has its own
 * statuses[i].error. -ENOENT when all are NULL (then *COUNT is 0), -EINVAL (REQS, COUNT or INDICES
 * NULL).
 */
DVM_PUBLIC int dvm_waitsome(dvm_req_t **reqs, size_t n, size_t *count, size_t *indices,
			    dvm_status_t *statuses);

/* The same without waiting: *COUNT may be 0, which is no error. */
DVM_PUBLIC int dvm_testsome(dvm_req_t **reqs, size_t n, size_t *count, size_t *indices,
			    dvm_status_t *statuses);

/*
 * Withdraws a receive that no message has met yet: its wait then returns -ECANCELED. Returns 0
 * when it was withdrawn, -EALREADY when a message has met it (it completes as usual) or it is not
 * active, -EINVAL for NULL or what is not a receive. The request must still be waited for.
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
 * As dvm_probe(), and takes the message: *MSG stands for it and no other call can receive it, so
 * that several threads may probe and receive side by side. It keeps its place in the order in
 * which messages match. SOURCE DVM_NOBODY: *MSG is NULL. -EINVAL also where MSG is NULL; on failure
 * *MSG is untouched.
 *
 * *MSG ends by being received. If it never is, dvm_close() releases it; a sender that waits for it
 * gets -DVM_ECLOSED then. If its sender is lost before, the receive reports it.
 */
DVM_PUBLIC int dvm_mprobe(dvm_group_t *g, int source, int tag, dvm_message_t **msg,
			  dvm_status_t *status);

/* The same without waiting: 1 taken, 0 none yet, else an error. */
DVM_PUBLIC int dvm_improbe(dvm_group_t *g, int source, int tag, dvm_message_t **msg,
			   dvm_status_t *status);

/*
 * Receives the message *MSG into BUF (room for LEN bytes), waits for it, and sets *MSG to NULL.
 * STATUS may be NULL. A NULL *MSG is received at once (source and tag -1). Returns as dvm_recv();
 * after -EINVAL the message is still there.
 */
DVM_PUBLIC int dvm_mrecv(dvm_message_t **msg, void *buf, size_t len, dvm_status_t *status);

/* Starts to do so and returns at once; *MSG is NULL then. As dvm_irecv(). */
DVM_PUBLIC int dvm_imrecv(dvm_message_t **msg, void *buf, size_t len, dvm_req_t **req);

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
