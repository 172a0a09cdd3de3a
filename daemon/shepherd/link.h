/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection to the node's daemon: made, kept, made again.
 *
 * Tries every 100 ms at first and every second later, and greets with ShepherdHello. The link is
 * up once the daemon has answered OK.
 */
#ifndef SHEP_LINK_H
#define SHEP_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "libdvm/proto/msgtype.h"
#include "libdvm/proto/pb.h"

struct shep_link; /* incomplete */

struct shep_link_ops {
	/* Packs a ShepherdHello of this moment into BODY. */
	void (*hello)(struct dvmi_buf *body, void *arg);
	/* The daemon knows us; whatever it may have missed is to be sent again. */
	void (*up)(void *arg);
	/* It is gone, and will be looked for. */
	void (*down)(void *arg);
	void (*message)(uint16_t type, const uint8_t *body, size_t len, void *arg);
	/* The answer to a call. */
	void (*reply)(uint32_t request, uint16_t type, const uint8_t *body, size_t len, void *arg);
	/* It does not want us. True: give up, no call follows; false: try again later. */
	bool (*refused)(int code, const char *text, void *arg);
};

/* PATH is the daemon's socket. Nothing happens before the loop runs. */
int shep_link_create(struct shep_link **out, uv_loop_t *loop, const char *path,
		     const struct shep_link_ops *ops, void *arg);

/* -ENOTCONN while it is not up. */
int shep_link_send(struct shep_link *l, uint16_t type, const void *body, size_t len);
int shep_link_send_pb(struct shep_link *l, uint16_t type, const void *msg);

/* A call with that number, not 0; `reply` follows while it is up. */
int shep_link_call(struct shep_link *l, uint16_t type, uint32_t request, const void *body,
		   size_t len);

bool shep_link_is_up(const struct shep_link *l);
/* Bytes that the daemon has not taken yet. */
size_t shep_link_queued(const struct shep_link *l);
/* When it was last up, or made; monotonic ns. */
uint64_t shep_link_last_up(const struct shep_link *l);

void shep_link_destroy(struct shep_link *l); /* NULL is allowed */

#endif
