/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm: active messages, and progress from the program's own event loop.
 *
 * An active message runs a function at its destination: a handler, registered there under a number
 * that the program has chosen. It carries a head of up to DVM_AM_HEAD_MAX bytes and a payload of
 * up to DVM_AM_MAX, which arrive in one piece, once, and without having to be received. Messages
 * from one rank to another in the same group are handled in the order in which they were sent.
 * Between active messages and those of dvm/msg.h there is no order.
 *
 * A handler runs in whichever thread makes progress: inside any call of the library with that
 * handle that moves messages, or in the progress thread where there is one (DVM_OPEN_PROGRESS).
 * Handlers of a handle never run at the same time as each other, nor inside one another. HEAD and
 * PAYLOAD are valid during the call and aligned to nothing. A handler may call dvm_am_send(),
 * which then never waits, and the functions that any thread may call at any time (dvm_rank() and
 * the like, dvm_win_base()); nothing else with this handle. It should be short: nothing moves
 * meanwhile.
 *
 * A message whose number has no handler is kept until one is registered, while others overtake it.
 *
 * Flow control: a rank may be DVM_AM_CREDIT bytes ahead of another, each message counting 256
 * more; then dvm_am_send() waits until the other has run its handlers. Messages from within a
 * handler are exempt, so that answers can always be sent, and are queued where there is no room. A
 * handler that sends at most one message for each it is given, and not for answers, keeps the
 * queue bounded; a program that sends without end from within handlers does not.
 *
 * Failures: as for messages (dvm/msg.h): -DVM_EPEERLOST, -DVM_ECLOSED, -DVM_EPROTO,
 * -DVM_EREVOKED. What had been queued from within a handler is dropped. What a rank had sent
 * before it was lost is still handled as far as it has arrived.
 */
#ifndef DVM_AM_H
#define DVM_AM_H

#include "dvm/group.h"
#include "dvm/msg.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DVM_AM_IDS	1024   /* numbers of handlers are 0 … DVM_AM_IDS - 1 */
#define DVM_AM_HEAD_MAX 256    /* bytes */
#define DVM_AM_MAX	65536  /* bytes of payload of one message */
#define DVM_AM_CREDIT	262144 /* bytes per ordered pair of ranks */

/*
 * Handles a message that rank SOURCE of G has sent. HEAD is NULL where HEAD_LEN is 0, PAYLOAD where
 * LEN is 0. ARG is as registered.
 */
typedef void dvm_am_fn(dvm_group_t *g, int source, const void *head, size_t head_len,
		       const void *payload, size_t len, void *arg);

/*
 * FN handles the messages with number ID in G from now on, at this rank; messages that were kept
 * for it are handled before the call returns. FN NULL: none does, messages are kept again. Every
 * rank registers for itself, and the same ID ought to mean the same everywhere.
 *
 * Returns 0, -EINVAL (G NULL, ID out of range), -EBUSY (called by a handler), -ENOMEM.
 */
DVM_PUBLIC int dvm_am_register(dvm_group_t *g, int id, dvm_am_fn *fn, void *arg);

/*
 * Sends a message with number ID to rank DEST of G: HEAD_LEN bytes at HEAD and LEN bytes at
 * PAYLOAD. Returns when both may be used again. Waits for credit and for room, running handlers
 * meanwhile; within a handler it never waits. To oneself: the handler has run on return, unless
 * called by a handler.
 *
 * Returns 0; -EINVAL (G NULL, DEST, ID or a length out of range, a pointer NULL with a length),
 * -ENOMEM, -DVM_EPEERLOST, -DVM_ECLOSED, -DVM_EPROTO, -DVM_EREVOKED.
 */
DVM_PUBLIC int dvm_am_send(dvm_group_t *g, int dest, int id, const void *head, size_t head_len,
			   const void *payload, size_t len);

/*
 * The same without waiting: HEAD and PAYLOAD must stay as they are until the request in *REQ has
 * been waited for (dvm_wait() and the like). Not within a handler (-EBUSY). Returns 0, or as above
 * with *REQ untouched; a lost peer is reported by the wait.
 */
DVM_PUBLIC int dvm_am_isend(dvm_group_t *g, int dest, int id, const void *head, size_t head_len,
			    const void *payload, size_t len, dvm_req_t **req);

/*
 * Makes progress: moves messages, runs handlers. Where nothing has happened since the last call,
 * by whichever thread, it waits until something does, at most TIMEOUT_MS milliseconds (0: not at
 * all; negative: without limit). Where several threads call it, one may be told of what another
 * one waits for: then pass a limit.
 *
 * Returns the number of events (packets, handlers, steps of operations), 0 where the time is up;
 * -EINVAL, -EBUSY (within a handler), -DVM_EPEERLOST once the shepherd is gone.
 */
DVM_PUBLIC int dvm_progress(dvm_t *d, int timeout_ms);

/*
 * For programs with an event loop of their own. Whenever the loop is about to wait:
 *
 *	rc = dvm_arm(d, &timeout_ms);
 *	if (rc == 0)
 *		wait in poll() for dvm_fd(d) to become readable (POLLIN) and for all else,
 *		no longer than timeout_ms (-1: no limit);
 *	dvm_progress(d, 0);
 *
 * dvm_fd() returns a descriptor that lives as long as D and is only good for poll() and its
 * relatives, or -EINVAL or another error. It says nothing unless armed.
 *
 * dvm_arm() returns 0 when the descriptor will tell of the next event; 1 when there is something
 * to do already; or an error as dvm_progress(). dvm_progress() disarms. Calls by other threads
 * in between are allowed; they make the descriptor readable where it would no longer tell.
 */
DVM_PUBLIC int dvm_fd(dvm_t *d);
DVM_PUBLIC int dvm_arm(dvm_t *d, int *timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
