/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ranks' socket: libdvm/proto/rank.h, the shepherd's side.
 *
 * Knows connections and packets. What a packet means to the job is the owner's affair. A rank is
 * input like any other: versions, sizes and numbers are checked, and one that sends without
 * reading its answers is not read any further.
 */
#ifndef SHEP_SERVER_H
#define SHEP_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "daemon/shepherd/jobmem.h"

struct shep_server; /* incomplete */

/* LOCAL is a local rank. None of these may destroy the server. */
struct shep_server_ops {
	/* Said hello and was welcomed. */
	void (*hello)(uint32_t local, uint32_t pid, void *arg);
	void (*publish)(uint32_t local, const uint8_t *addr, size_t len, void *arg);
	/* JOB is a linked one, or 0 for the own. */
	void (*lookup)(uint32_t local, uint64_t job, uint32_t rank, void *arg);
	void (*goodbye)(uint32_t local, void *arg);
	void (*abort)(uint32_t local, int code, const char *text, void *arg);
	/*
	 * A question, LINK … HOST_DROP: BODY, aligned to 8, is at least a struct dvmi_rank_ask. FD
	 * came with it, or is -1; it is closed after the call.
	 */
	void (*ask)(uint32_t local, uint16_t type, const uint8_t *body, size_t len, int fd,
		    void *arg);
	/*
	 * The connection is gone, after a goodbye or without one, or broke the protocol. Also of
	 * one that was gone before its hello could be answered.
	 */
	void (*lost)(uint32_t local, void *arg);
};

struct shep_server_config {
	uv_loop_t *loop;
	const char *path; /* of the socket */
	uid_t uid;	  /* who may connect */
	struct dvmi_rank_welcome welcome; /* but for map_bytes */
	struct shep_jobmem *mem; /* outlives the server; doorbells are rung in its map */
	const struct shep_server_ops *ops;
	void *arg;
};

/* Listens. -ENAMETOOLONG: the path does not fit into a socket address. */
int shep_server_create(struct shep_server **out, const struct shep_server_config *config);

/* Closes all connections and unlinks the socket. NULL is allowed. */
void shep_server_destroy(struct shep_server *s);

/*
 * Queues a packet for a local rank and rings its doorbell. -ENOTCONN: it is not connected;
 * -EMSGSIZE; -ENOMEM. A WANTED or CHANGED that still waits to be sent is not queued twice.
 */
int shep_server_send(struct shep_server *s, uint32_t local, uint16_t type, const void *body,
		     size_t len);

/* The same with a descriptor, of which the server keeps a copy as long as it needs one. */
int shep_server_send_fd(struct shep_server *s, uint32_t local, uint16_t type, const void *body,
			size_t len, int fd);

/* Packets that local rank has not taken yet. */
unsigned shep_server_queued(const struct shep_server *s, uint32_t local);

/* Takes in what the local rank has sent and nobody has read: its process is gone. */
void shep_server_drain(struct shep_server *s, uint32_t local);

/* CHANGED to every connected rank. */
void shep_server_tell_changed(struct shep_server *s);

#endif
