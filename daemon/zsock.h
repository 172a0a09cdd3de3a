/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ZeroMQ sockets of the control plane with every option set whose default waits for ever, grows
 * without bound, or loses messages silently. doc/design/0006-control-plane.md says why each.
 */
#ifndef DVMD_ZSOCK_H
#define DVMD_ZSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DVMD_ZSOCK_HWM		1024 /* messages queued for one peer, and from one */
#define DVMD_ZSOCK_FAREWELL_MS	200  /* for what is queued when a node says goodbye */
#define DVMD_ZSOCK_HANDSHAKE_MS 5000
#define DVMD_ZSOCK_ENDPOINT_MAX 160

/*
 * A context: one I/O thread, a bounded number of sockets. Its threads are as urgent as the caller: a
 * daemon that is to answer in time although all cores are busy needs both halves to run. NULL with
 * errno.
 */
void *dvmd_zsock_context(void);

/* ROUTER or DEALER. NULL with errno. */
void *dvmd_zsock_open(void *zmq, int type, bool ipv6);

/* The keys are binary, 32 bytes. 0 or -E…. */
int dvmd_zsock_server(void *socket, const uint8_t *secret_key);
int dvmd_zsock_client(void *socket, const uint8_t *public_key, const uint8_t *secret_key);
/* Whom the next connect on a client socket must find at the other end. */
int dvmd_zsock_expect(void *socket, const uint8_t *server_key);

/* Closes; LINGER_MS is what is given to messages still queued. NULL is allowed. */
void dvmd_zsock_close(void *socket, int linger_ms);

/* "tcp://ADDRESS:PORT" to bind to (port 0: any); false when an address is not numeric. */
bool dvmd_zsock_bind_name(char out[DVMD_ZSOCK_ENDPOINT_MAX], const char *address, uint16_t port);
/*
 * "tcp://SOURCE:0;ADDRESS:PORT": connects from our own address. Where the kernel would pick that one
 * anyhow it is left out: libzmq lists all interfaces of the host whenever it resolves a
 * source, and ends the process if it has no descriptor left for that.
 */
bool dvmd_zsock_connect_name(char out[DVMD_ZSOCK_ENDPOINT_MAX], const char *source,
			     const char *address, uint16_t port);

/* The port SOCKET was bound to, or -E…. */
int dvmd_zsock_port(void *socket);

#endif
