/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "daemon/frames.h"
#include "dvm/error.h"

static uint64_t parse_route(zmq_msg_t *m)
{
	const uint8_t *p = zmq_msg_data(m);
	uint64_t route = DVMD_ROUTE_SET;

	if (zmq_msg_size(m) != DVMD_ROUTE_BYTES)
		return 0;
	for (int i = 0; i < DVMD_ROUTE_BYTES; i++)
		route |= (uint64_t)p[i] << (8 * (DVMD_ROUTE_BYTES - 1 - i));
	return route;
}

void dvmd_frames_route(uint64_t route, uint8_t out[DVMD_ROUTE_BYTES])
{
	for (int i = 0; i < DVMD_ROUTE_BYTES; i++)
		out[i] = (uint8_t)(route >> (8 * (DVMD_ROUTE_BYTES - 1 - i)));
}

/*
 * All parts of the next message, the first MAX of them into PART. Returns their number. libzmq
 * delivers a message as a whole or not at all, so none of these waits for the network.
 */
static int recv_parts(void *socket, zmq_msg_t **part, int max)
{
	zmq_msg_t extra;
	int n = 0, more = 1;

	zmq_msg_init(&extra);
	for (; more; n++) {
		zmq_msg_t *m = n < max ? part[n] : &extra;
		if (zmq_msg_recv(m, socket, ZMQ_DONTWAIT) < 0)
			break;
		more = zmq_msg_more(m);
	}
	zmq_msg_close(&extra);
	return n;
}

int dvmd_frames_recv(void *socket, bool routed, struct dvmd_frames *f)
{
	zmq_msg_t route, *part[] = { &route, &f->env, &f->body };
	int want = routed ? 3 : 2;

	f->route = 0;
	zmq_msg_init(&route);
	zmq_msg_init(&f->env);
	zmq_msg_init(&f->body);
	int n = recv_parts(socket, part + 3 - want, want);
	if (routed && n > 0)
		f->route = parse_route(&route);
	zmq_msg_close(&route);
	return n == 0 ? 0 : n == want ? 1 : -DVM_EPROTO;
}

void dvmd_frames_close(struct dvmd_frames *f)
{
	zmq_msg_close(&f->env);
	zmq_msg_close(&f->body);
}

/* The first part decides whether a message goes; libzmq takes or drops the others with it. */
static int send_part(void *socket, const void *p, size_t len, int more)
{
	return zmq_send(socket, p, len, ZMQ_DONTWAIT | more) < 0 ? -zmq_errno() : 0;
}

int dvmd_frames_send(void *socket, uint64_t route, const struct dvmi_envelope *env,
		     const void *body, size_t len)
{
	uint8_t id[DVMD_ROUTE_BYTES], header[DVMI_ENVELOPE_BYTES];
	int rc = 0;

	if (len > DVMI_BODY_MAX)
		return -EMSGSIZE;
	dvmi_envelope_encode(env, header);
	dvmd_frames_route(route, id);
	if (route)
		rc = send_part(socket, id, sizeof id, ZMQ_SNDMORE);
	if (rc == 0)
		rc = send_part(socket, header, sizeof header, ZMQ_SNDMORE);
	return rc < 0 ? rc : send_part(socket, len ? body : "", len, 0);
}
