/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ZAP handler (ZeroMQ RFC 27): who may finish a CURVE handshake.
 *
 * libzmq asks it, inside the process, for each connection that a CURVE server accepts. Without a
 * handler libzmq accepts every key there is, so it is opened before the server binds and closed
 * after the server. The User-Id that it gives to a connection, the key in hex, is attached by
 * libzmq to every message received on it.
 */
#ifndef DVMD_ZAP_H
#define DVMD_ZAP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define DVMD_ZAP_KEY	       32
#define DVMD_ZAP_DOMAIN	       "dvm"
#define DVMD_ZAP_USER_PROPERTY "User-Id"

struct dvmd_zap; /* incomplete */

/* Whether the holder of KEY, connecting from ADDRESS, may. Called from the loop. */
typedef bool dvmd_zap_fn(const uint8_t *key, const char *address, void *arg);

/* Serves the handshakes of ZeroMQ context ZMQ. */
int dvmd_zap_open(struct dvmd_zap **out, void *zmq, uv_loop_t *loop, dvmd_zap_fn *allow, void *arg);
void dvmd_zap_close(struct dvmd_zap *zap);

/* The key within a User-Id. 0; -EINVAL for NULL or what we did not write. */
int dvmd_zap_user_key(const char *user, uint8_t key[DVMD_ZAP_KEY]);

#endif
