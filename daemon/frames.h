/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One control message on a ZeroMQ socket: [route,] envelope, body. Never waits.
 */
#ifndef DVMD_FRAMES_H
#define DVMD_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

#include "libdvm/proto/envelope.h"

/*
 * A connection of a ROUTER. libzmq names one by 5 bytes, a zero and a number of its own, for those
 * that were accepted; those that we make we name with a one in front. Here both are one integer.
 */
#define DVMD_ROUTE_BYTES 5
#define DVMD_ROUTE_SET	 (UINT64_C(1) << 40) /* in every valid route, so that 0 is none */
#define DVMD_ROUTE_OURS	 (UINT64_C(1) << 32)

struct dvmd_frames {
	uint64_t route; /* 0 from a DEALER, or where the sender chose a name of its own */
	zmq_msg_t env, body;
};

/*
 * Takes the next message, ROUTED if SOCKET is a ROUTER. 1; 0 when there is none; -DVM_EPROTO when
 * what was there had too few or too many parts (it has been taken, ENV is its first part). The
 * caller closes F whatever the result.
 */
int dvmd_frames_recv(void *socket, bool routed, struct dvmd_frames *f);
void dvmd_frames_close(struct dvmd_frames *f);

/* The bytes by which libzmq knows ROUTE. */
void dvmd_frames_route(uint64_t route, uint8_t out[DVMD_ROUTE_BYTES]);

/*
 * Sends by ROUTE of a ROUTER, or on a DEALER (route 0). -EAGAIN: its queue is full;
 * -EHOSTUNREACH: no such connection; -EMSGSIZE.
 */
int dvmd_frames_send(void *socket, uint64_t route, const struct dvmi_envelope *env,
		     const void *body, size_t len);

#endif
