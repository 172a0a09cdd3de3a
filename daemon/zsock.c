/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "daemon/srcaddr.h"
#include "daemon/zap.h"
#include "daemon/zsock.h"
#include "libdvm/proto/envelope.h"

#define KEY_BYTES   32
#define SOCKETS_MAX 256
/* CURVE puts a command name, a nonce, a MAC and a flag around the largest body. */
#define FRAME_MAX ((int64_t)DVMI_BODY_MAX + 64)

static const struct {
	int option, value;
} every_socket[] = {
	{ ZMQ_LINGER, 0 },
	{ ZMQ_SNDTIMEO, 0 },
	{ ZMQ_RCVTIMEO, 0 },
	{ ZMQ_SNDHWM, DVMD_ZSOCK_HWM },
	{ ZMQ_RCVHWM, DVMD_ZSOCK_HWM },
	{ ZMQ_IMMEDIATE, 0 }, /* what is sent while a connection is being made waits for it */
	{ ZMQ_HANDSHAKE_IVL, DVMD_ZSOCK_HANDSHAKE_MS },
	{ ZMQ_CONNECT_TIMEOUT, 3000 },
	{ ZMQ_RECONNECT_IVL, 50 },
	{ ZMQ_RECONNECT_IVL_MAX, 800 },
	{ ZMQ_HEARTBEAT_IVL, 3000 },
	{ ZMQ_HEARTBEAT_TIMEOUT, 9000 },
	{ ZMQ_HEARTBEAT_TTL, 12000 },
	{ ZMQ_TCP_KEEPALIVE, 1 },
	{ ZMQ_TCP_KEEPALIVE_IDLE, 30 },
	{ ZMQ_TCP_KEEPALIVE_INTVL, 10 },
	{ ZMQ_TCP_KEEPALIVE_CNT, 3 },
	{ ZMQ_BACKLOG, 1024 },
};

static const struct {
	int option, value;
} every_router[] = {
	{ ZMQ_ROUTER_MANDATORY, 1 }, /* say so when a route is gone, instead of dropping */
	{ ZMQ_ROUTER_HANDOVER, 0 },  /* nobody takes over the route of another connection */
};

/*
 * libzmq's threads start with the first socket. They inherit the caller's nice value, unless it is
 * kept from its children (SCHED_RESET_ON_FORK); to the kernel, threads are such. Where we may
 * not lift that for a moment, we may not have raised the priority either.
 */
static void start_threads(void *zmq)
{
	int policy = sched_getscheduler(0);
	bool reset = policy >= 0 && (policy & SCHED_RESET_ON_FORK);
	struct sched_param param = { 0 };

	if (reset && sched_getparam(0, &param) == 0)
		sched_setscheduler(0, policy & ~SCHED_RESET_ON_FORK, &param);
	void *first = zmq_socket(zmq, ZMQ_PAIR);
	if (first)
		zmq_close(first);
	if (reset)
		sched_setscheduler(0, policy, &param);
}

void *dvmd_zsock_context(void)
{
	void *zmq = zmq_ctx_new();

	if (!zmq)
		return NULL;
	zmq_ctx_set(zmq, ZMQ_IO_THREADS, 1);
	zmq_ctx_set(zmq, ZMQ_MAX_SOCKETS, SOCKETS_MAX);
	zmq_ctx_set(zmq, ZMQ_MAX_MSGSZ, (int)FRAME_MAX);
	start_threads(zmq);
	return zmq;
}

static int set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof value) < 0 ? -zmq_errno() : 0;
}

static int set_all(void *socket, int type, bool ipv6)
{
	int64_t frame = FRAME_MAX;
	int rc = set_int(socket, ZMQ_IPV6, ipv6);

	for (size_t i = 0; rc == 0 && i < sizeof every_socket / sizeof *every_socket; i++)
		rc = set_int(socket, every_socket[i].option, every_socket[i].value);
	for (size_t i = 0; rc == 0 && type == ZMQ_ROUTER && i < 2; i++)
		rc = set_int(socket, every_router[i].option, every_router[i].value);
	if (rc == 0 && zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame, sizeof frame) < 0)
		rc = -zmq_errno();
	return rc;
}

void *dvmd_zsock_open(void *zmq, int type, bool ipv6)
{
	void *socket = zmq_socket(zmq, type);
	int rc = socket ? set_all(socket, type, ipv6) : -zmq_errno();

	if (rc == 0)
		return socket;
	if (socket)
		zmq_close(socket);
	errno = -rc;
	return NULL;
}

static int set_key(void *socket, int option, const uint8_t *key)
{
	return zmq_setsockopt(socket, option, key, KEY_BYTES) < 0 ? -zmq_errno() : 0;
}

int dvmd_zsock_server(void *socket, const uint8_t *secret_key)
{
	int rc = set_int(socket, ZMQ_CURVE_SERVER, 1);

	if (rc == 0)
		rc = set_key(socket, ZMQ_CURVE_SECRETKEY, secret_key);
	if (rc == 0 &&
	    zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, DVMD_ZAP_DOMAIN, strlen(DVMD_ZAP_DOMAIN)) < 0)
		rc = -zmq_errno();
	return rc;
}

int dvmd_zsock_client(void *socket, const uint8_t *public_key, const uint8_t *secret_key)
{
	int rc = set_key(socket, ZMQ_CURVE_PUBLICKEY, public_key);

	return rc < 0 ? rc : set_key(socket, ZMQ_CURVE_SECRETKEY, secret_key);
}

int dvmd_zsock_expect(void *socket, const uint8_t *server_key)
{
	return set_key(socket, ZMQ_CURVE_SERVERKEY, server_key);
}

void dvmd_zsock_close(void *socket, int linger_ms)
{
	if (!socket)
		return;
	set_int(socket, ZMQ_LINGER, linger_ms);
	zmq_close(socket);
}

/* ADDRESS as libzmq itself would write it in an endpoint: an IPv6 address in brackets. */
static bool bracketed(char *out, size_t size, const char *address)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t bin[16];

	if (inet_pton(AF_INET, address, bin) == 1)
		return snprintf(out, size, "%s", address) < (int)size;
	if (inet_pton(AF_INET6, address, bin) == 1 && inet_ntop(AF_INET6, bin, text, sizeof text))
		return snprintf(out, size, "[%s]", text) < (int)size;
	return false;
}

bool dvmd_zsock_bind_name(char out[DVMD_ZSOCK_ENDPOINT_MAX], const char *address, uint16_t port)
{
	char host[INET6_ADDRSTRLEN + 2];

	if (!bracketed(host, sizeof host, address))
		return false;
	if (port == 0)
		snprintf(out, DVMD_ZSOCK_ENDPOINT_MAX, "tcp://%s:*", host);
	else
		snprintf(out, DVMD_ZSOCK_ENDPOINT_MAX, "tcp://%s:%u", host, port);
	return true;
}

bool dvmd_zsock_connect_name(char out[DVMD_ZSOCK_ENDPOINT_MAX], const char *source,
			     const char *address, uint16_t port)
{
	char from[INET6_ADDRSTRLEN + 2], to[INET6_ADDRSTRLEN + 2];

	if (!bracketed(from, sizeof from, source) || !bracketed(to, sizeof to, address))
		return false;
	if (dvmd_srcaddr_is_default(source, address))
		snprintf(out, DVMD_ZSOCK_ENDPOINT_MAX, "tcp://%s:%u", to, port);
	else
		snprintf(out, DVMD_ZSOCK_ENDPOINT_MAX, "tcp://%s:0;%s:%u", from, to, port);
	return true;
}

int dvmd_zsock_port(void *socket)
{
	char name[DVMD_ZSOCK_ENDPOINT_MAX];
	size_t len = sizeof name;

	if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, name, &len) < 0)
		return -zmq_errno();
	const char *colon = strrchr(name, ':');
	return colon ? atoi(colon + 1) : -EINVAL;
}
