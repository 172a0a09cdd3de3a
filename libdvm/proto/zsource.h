/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A ZeroMQ socket as a source of a libuv loop.
 *
 * The descriptor of a ZeroMQ socket only says that something has changed, and any call on the
 * socket may swallow that news. So the socket's own state (ZMQ_EVENTS) is asked before the loop
 * sleeps and after it has woken; the descriptor merely ends the sleep. A turn takes a bounded
 * number of messages, and what is left is taken in the next turn, without sleeping, so that one
 * busy peer starves neither timers nor other sources. All calls on the loop's thread.
 */
#ifndef DVMI_PROTO_ZSOURCE_H
#define DVMI_PROTO_ZSOURCE_H

#include <uv.h>

struct dvmi_zsource; /* incomplete */

/* Takes one message off SOCKET without waiting: more than 0 if one was there. */
typedef int dvmi_zsource_fn(void *socket, void *arg);

/* Calls TAKE while SOCKET, which stays the caller's, has messages; at most BUDGET times a turn. */
int dvmi_zsource_open(struct dvmi_zsource **out, uv_loop_t *loop, void *socket, unsigned budget,
		      dvmi_zsource_fn *take, void *arg);

/*
 * Nothing is called any more, even when TAKE itself calls this; the socket may be closed right
 * after. The memory goes in a later turn of the loop. NULL is allowed.
 */
void dvmi_zsource_close(struct dvmi_zsource *z);

#endif
