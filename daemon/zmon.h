/* SPDX-License-Identifier: BSD-3-Clause */
/* What happens to the connections of a ZeroMQ socket (zmq_socket_monitor), in the loop. */
#ifndef DVMD_ZMON_H
#define DVMD_ZMON_H

#include <stdint.h>
#include <uv.h>
#include <zmq.h>

struct dvmd_zmon; /* incomplete */

struct dvmd_zmon_event {
	int event;	/* ZMQ_EVENT_… */
	uint32_t value; /* a descriptor, an errno, a ZAP status: by event */
	char address[160];
};

typedef void dvmd_zmon_fn(const struct dvmd_zmon_event *ev, void *arg);

/* SERIAL is different for each monitor of one context. */
int dvmd_zmon_open(struct dvmd_zmon **out, void *zmq, uv_loop_t *loop, void *socket, int events,
		   unsigned serial, dvmd_zmon_fn *fn, void *arg);

/* Before the socket itself is closed. Nothing is called any more. NULL is allowed. */
void dvmd_zmon_close(struct dvmd_zmon *mon);

#endif
