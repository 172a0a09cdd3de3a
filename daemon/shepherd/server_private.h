/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of server.h share: a connection of a rank. Its packets wait in a queue while its
 * socket is full (server_conn.c); what it says goes to the server's owner (server_packets.c).
 */
#ifndef SHEP_SERVER_PRIVATE_H
#define SHEP_SERVER_PRIVATE_H

#include "daemon/shepherd/server.h"

#define SHEP_QUEUE_MAX 64 /* packets unsent at which a rank is read no further */
#define SHEP_NOBODY UINT32_MAX

struct shep_packet {
	struct shep_packet *next;
	uint16_t type;
	uint32_t len;
	int fd; /* goes with it, or -1 */
	uint8_t data[];
};

struct shep_conn {
	uv_poll_t poll;
	struct shep_server *s;
	struct shep_conn *prev, *next;
	int fd;
	uint32_t local; /* SHEP_NOBODY before the hello */
	struct shep_packet *queue;
	unsigned queued;
	bool closing;
};

struct shep_server {
	struct shep_server_config c;
	uv_poll_t poll;
	int fd;
	struct shep_conn *conns;
	unsigned n;
	struct shep_conn **by_local;
	bool destroyed;
	bool listening; /* the handle is open */
};

/* Frees a server that was destroyed, once its last handle is closed. */
void shep_server_maybe_free(struct shep_server *s);

void shep_conn_close(struct shep_conn *c);
/* Says WHY and closes. */
void shep_conn_refuse(struct shep_conn *c, const char *why);

/*
 * A packet for the rank; one without a body that waits already is not sent twice. FD, if it is one,
 * is copied. 0, or -EMSGSIZE, -ENOMEM ….
 */
int shep_conn_send(struct shep_conn *c, uint16_t type, const void *body, size_t len);
int shep_conn_send_fd(struct shep_conn *c, uint16_t type, const void *body, size_t len, int fd);
/* Sends of the queue what the socket takes. */
void shep_conn_drain(struct shep_conn *c);

/* A batch of packets; true if there may be more. */
bool shep_conn_receive(struct shep_conn *c);
/* Listens for what may come next. */
void shep_conn_watch(struct shep_conn *c);

#endif
