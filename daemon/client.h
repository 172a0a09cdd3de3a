/* SPDX-License-Identifier: BSD-3-Clause */
/* The local socket: command lines and shepherds, told apart by the kernel's word on who they are. */
#ifndef DVMD_CLIENT_H
#define DVMD_CLIENT_H

#include "daemon/dvmd.h"
#include "libdvm/proto/stream.h"

struct dvmd_clients; /* incomplete */

/* Listens on RUN_DIR/client.sock. */
int dvmd_clients_create(struct dvmd_clients **out, struct dvmd *d, dvm_error_t *err);
void dvmd_clients_destroy(struct dvmd_clients *c);

/* To session ID, which may be gone: -EPIPE. */
int dvmd_client_reply(struct dvmd_clients *c, uint64_t id, uint16_t type, uint32_t flags,
		      uint32_t request, const void *body, size_t len);

/* Bytes queued towards session ID; 0 where it is gone. */
size_t dvmd_client_queued(struct dvmd_clients *c, uint64_t id);

bool dvmd_client_alive(struct dvmd_clients *c, uint64_t id);

#endif
