/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is at home at an address? A TCP connection that exchanges ZMTP greetings and closes.
 *
 * libzmq tries again for ever and tells neither why a connection failed nor what was found
 * instead of a peer. A knock in front tells exactly that, before any secret is used.
 */
#ifndef DVMD_KNOCK_H
#define DVMD_KNOCK_H

#include <stdint.h>
#include <uv.h>

struct dvmd_knock; /* incomplete */

/*
 * CODE: 0: a ZeroMQ socket that asks for CURVE; -DVM_EPROTO: something else; or why there is no
 * connection (-ECONNREFUSED, -EHOSTUNREACH, -ETIMEDOUT, …). From the loop; the knock is closed.
 */
typedef void dvmd_knock_fn(int code, const char *text, void *arg);

/* From our address SOURCE to ADDRESS, both numeric. */
int dvmd_knock_open(struct dvmd_knock **out, uv_loop_t *loop, const char *source,
		    const char *address, uint16_t port, uint64_t timeout_ns, dvmd_knock_fn *cb,
		    void *arg);
/* Nothing is called any more. NULL is allowed. */
void dvmd_knock_close(struct dvmd_knock *k);

#endif
