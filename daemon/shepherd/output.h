/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the ranks write: from their pipes, cut into lines, into the spool file and into numbered
 * Output messages that are kept until the client has acknowledged them.
 *
 * When the window is full the pipes are not read any more, and the ranks wait in write(). Chunks
 * of one loop turn share a message.
 *
 * A detached job has no client that must see everything. Messages are made for it only while one
 * listens, which may hold the ranks back for SHEP_OUTPUT_PATIENCE; then what waits is dropped, and
 * the client goes on with what comes after it has caught up.
 */
#ifndef SHEP_OUTPUT_H
#define SHEP_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "libdvm/proto/pb.h"

#define SHEP_OUTPUT_WINDOW   (1u << 20) /* bytes */
#define SHEP_OUTPUT_PATIENCE 2000	/* ms with a full window and nothing acknowledged */

struct shep_output; /* incomplete */

struct shep_output_config {
	uv_loop_t *loop;
	uint64_t job;
	uint32_t node;
	size_t streams; /* that will be added */
	bool detached;	/* nobody need listen: what a client has not acknowledged may be dropped */
	int spool_dir; /* where the file `output` goes; -1: no spool */
	uint64_t spool_bound;
	/* A packed Output; -E…: not now, it stays unsent until resend(). */
	int (*send)(const uint8_t *body, size_t len, void *arg);
	/* The last stream has ended. */
	void (*ended)(void *arg);
	/* Output is not kept any more: the reason. */
	void (*note)(const char *text, void *arg);
	void *arg;
};

int shep_output_create(struct shep_output **out, const struct shep_output_config *config);

/* Takes over FD, the read end of a pipe (closed on failure, too). STREAM: 1 stdout, 2 stderr. */
int shep_output_add(struct shep_output *o, uint32_t rank, uint32_t stream, int fd);

/* Once per loop turn: makes a message of what has come in, and sends what is not sent. */
void shep_output_flush(struct shep_output *o);

/*
 * Everything up to SEQ has arrived; with AGAIN the rest is sent once more. To a detached job AGAIN
 * also says that somebody listens from now on.
 */
void shep_output_ack(struct shep_output *o, uint64_t seq, bool again);

/* Whoever listened to a detached job is gone. Any other job is not concerned. */
void shep_output_forget(struct shep_output *o);

/* The connection is new: what was not acknowledged is sent again. */
void shep_output_resend(struct shep_output *o);

/*
 * Nobody writes any more, and the job is being ended: read what is left in the pipes, at most
 * their size, whether or not somebody takes it.
 */
void shep_output_ignore_window(struct shep_output *o);

/* Gives up the streams that are still open; `ended` follows at once if there was one. */
void shep_output_close_streams(struct shep_output *o);

size_t shep_output_open(const struct shep_output *o);  /* streams that have not ended */
bool shep_output_blocked(const struct shep_output *o); /* waits for the window */
bool shep_output_acked(const struct shep_output *o);   /* nobody is waited for */
uint64_t shep_output_seq(const struct shep_output *o); /* last message to wait for, 0: none */

/* Closes the spool and everything else. NULL is allowed. */
void shep_output_destroy(struct shep_output *o);

#endif
