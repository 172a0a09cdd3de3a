/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/zmon.h"
#include "libdvm/proto/zsource.h"

#define BUDGET 64

struct dvmd_zmon {
	void *watched, *socket; /* the latter a PAIR, from which events are read */
	struct dvmi_zsource *source;
	dvmd_zmon_fn *fn;
	void *arg;
};

/* An event is two parts: 16 bits of event and 32 of value in native order; the address. */
static int take(void *socket, void *arg)
{
	struct dvmd_zmon *mon = arg;
	struct dvmd_zmon_event ev = { 0 };
	uint8_t head[6];
	uint16_t event;

	int n = zmq_recv(socket, head, sizeof head, ZMQ_DONTWAIT);
	if (n < 0)
		return 0;
	int len = zmq_recv(socket, ev.address, sizeof ev.address - 1, ZMQ_DONTWAIT);
	if (n != sizeof head || len < 0)
		return 1;
	ev.address[len < (int)sizeof ev.address ? len : (int)sizeof ev.address - 1] = '\0';
	memcpy(&event, head, sizeof event);
	memcpy(&ev.value, head + sizeof event, sizeof ev.value);
	ev.event = event;
	mon->fn(&ev, mon->arg);
	return 1;
}

static int connect_pair(struct dvmd_zmon *mon, void *zmq, int events, unsigned serial)
{
	char name[40];
	int none = 0;

	snprintf(name, sizeof name, "inproc://monitor-%u", serial);
	if (zmq_socket_monitor(mon->watched, name, events) < 0)
		return -zmq_errno();
	mon->socket = zmq_socket(zmq, ZMQ_PAIR);
	/* No high-water mark: at one, libzmq's I/O thread would wait, and every peer for it. */
	if (!mon->socket || zmq_setsockopt(mon->socket, ZMQ_LINGER, &none, sizeof none) < 0 ||
	    zmq_setsockopt(mon->socket, ZMQ_RCVHWM, &none, sizeof none) < 0 ||
	    zmq_connect(mon->socket, name) < 0)
		return -zmq_errno();
	return 0;
}

int dvmd_zmon_open(struct dvmd_zmon **out, void *zmq, uv_loop_t *loop, void *socket, int events,
		   unsigned serial, dvmd_zmon_fn *fn, void *arg)
{
	struct dvmd_zmon *mon = calloc(1, sizeof *mon);

	if (!mon)
		return -ENOMEM;
	*mon = (struct dvmd_zmon){ .watched = socket, .fn = fn, .arg = arg };
	int rc = connect_pair(mon, zmq, events, serial);
	if (rc == 0)
		rc = dvmi_zsource_open(&mon->source, loop, mon->socket, BUDGET, take, mon);
	if (rc < 0) {
		dvmd_zmon_close(mon);
		return rc;
	}
	*out = mon;
	return 0;
}

void dvmd_zmon_close(struct dvmd_zmon *mon)
{
	if (!mon)
		return;
	dvmi_zsource_close(mon->source);
	zmq_socket_monitor(mon->watched, NULL, 0);
	if (mon->socket)
		zmq_close(mon->socket);
	free(mon);
}
