/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm: open and close the library, and who and where this rank is.
 *
 * A rank is one process of a job. Under `dvm run` the shepherd of its node tells it its place; a
 * process started by hand is a job of one rank. Messages are in dvm/msg.h, groups of ranks in
 * dvm/group.h, collective operations in dvm/coll.h, error codes in dvm/error.h.
 *
 * Threads: a handle belongs to one thread at a time, unless it was opened with DVM_OPEN_THREADS;
 * then any thread may call, also while another one waits inside the library. Signal handlers may
 * not call. A handle does not survive fork(): the child must not use it.
 *
 * Progress: messages move while some thread is inside a call of the library. There is no thread
 * behind the program's back, unless it asks for one (DVM_OPEN_PROGRESS): that one sleeps while
 * nothing comes, blocks all signals, and takes over about a millisecond after the last call of the
 * program that waited.
 */
#ifndef DVM_DVM_H
#define DVM_DVM_H

#include <stddef.h>
#include <stdint.h>

#include "dvm/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Version of these headers; dvm_version() is that of the library at run time. */
#define DVM_VERSION_MAJOR 0
#define DVM_VERSION_MINOR 1
#define DVM_VERSION_PATCH 0

/* One rank's access to its job. Made by dvm_open(), ended by dvm_close(). */
typedef struct dvm dvm_t;

/* An ordered set of ranks that exchange messages apart from all other sets. */
typedef struct dvm_group dvm_group_t;

/* dvm_config.flags */
enum {
	DVM_OPEN_THREADS = 1,  /* several threads will call with this handle */
	DVM_OPEN_PROGRESS = 2, /* a thread of the library makes progress while none of the program's
				* is inside; implies DVM_OPEN_THREADS */
};

/*
 * No rank. As source or destination of a message: nothing moves and the call is complete at once.
 */
#define DVM_NOBODY (-2)

/*
 * What the library has to say beside its return values. LEVEL is a syslog level (3 error …
 * 7 debug), SUBSYS a short word ("ctl", "net", …), TEXT one line without newline, valid during
 * the call. Called by the thread that is inside the library; it must not call the library.
 */
typedef void dvm_log_fn(int level, const char *subsys, const char *text, void *arg);

/* How to open. Zero it, set `size`, then what you need; later versions add fields at the end. */
typedef struct dvm_config {
	size_t size;	   /* sizeof(dvm_config_t) */
	uint32_t flags;	   /* DVM_OPEN_… */
	int32_t log_level; /* least urgent level that is logged, 0 … 7; counts where log is set */
	dvm_log_fn *log;   /* NULL: the library stays silent */
	void *log_arg;
} dvm_config_t;

/* "MAJOR.MINOR.PATCH" of the library; a constant. Any thread. */
DVM_PUBLIC const char *dvm_version(void);

/*
 * Joins the job this process belongs to: reads the environment that `dvm run` left, talks to the
 * shepherd and maps what it passes. Without $DVM_SHEPHERD the process is a job of one rank.
 * Blocks until the shepherd has answered, at most 30 s. Does not wait for the other ranks and
 * opens no connection to them.
 *
 * CONFIG may be NULL (one thread, silent). A process opens at most one handle for its rank.
 *
 * Returns 0 and a handle in *OUT, which the caller ends with dvm_close(). On failure *OUT is
 * untouched and ERR (if not NULL) says why: -EINVAL (arguments, or an environment variable that
 * is missing or malformed), -ETIMEDOUT (no answer), -ECONNREFUSED or another connect() error,
 * -DVM_EAUTH (refused), -DVM_EVERSION, -DVM_EPROTO, -ENOMEM.
 */
DVM_PUBLIC int dvm_open(dvm_t **out, const dvm_config_t *config, dvm_error_t *err);

/*
 * Leaves the job. What has been sent is still delivered: waits until messages that the library
 * buffered are on their way, as long as their receivers live. Requests that are not complete are
 * abandoned, their buffers are free again and the requests must not be used any more. Does not
 * wait for the other ranks. D is gone afterwards in every case; NULL is accepted.
 * No other thread may be inside a call with D.
 *
 * Returns 0, or the first error met on the way (-DVM_EPEERLOST: something could not be delivered).
 */
DVM_PUBLIC int dvm_close(dvm_t *d);

/* This rank, 0 … dvm_size() - 1, or -EINVAL where D is NULL. Any thread. */
DVM_PUBLIC int dvm_rank(const dvm_t *d);

/* Ranks in the job, at least 1, or -EINVAL. Any thread. */
DVM_PUBLIC int dvm_size(const dvm_t *d);

/* Index of this rank's node within the job, 0 … dvm_num_nodes() - 1, or -EINVAL. Any thread. */
DVM_PUBLIC int dvm_node(const dvm_t *d);

/* Nodes the job runs on, at least 1, or -EINVAL. Any thread. */
DVM_PUBLIC int dvm_num_nodes(const dvm_t *d);

/* Node index of RANK, or -EINVAL (D NULL, RANK outside of the job). Any thread. */
DVM_PUBLIC int dvm_node_of(const dvm_t *d, int rank);

/*
 * Name of this rank's node, for people; two nodes may have equal names. Lives as long as D.
 * NULL where D is NULL. Any thread.
 */
DVM_PUBLIC const char *dvm_node_name(const dvm_t *d);

/* What is known of a rank; it only ever moves down this list. */
enum {
	DVM_ALIVE = 0,	/* expected to be there, started or not */
	DVM_CLOSED = 1, /* left by dvm_close(): what it had sent can still be received */
	DVM_LOST = 2,	/* exited without dvm_close(), crashed, or its node is gone */
};

/*
 * State of RANK as far as this rank knows: DVM_ALIVE, DVM_CLOSED or DVM_LOST; -EINVAL (D NULL,
 * RANK outside of the job). Takes the news that have arrived, never blocks.
 */
DVM_PUBLIC int dvm_peer_state(dvm_t *d, int rank);

/*
 * Asks the shepherd to end the whole job, because of CODE (exit code of the job, 1 … 255) and
 * TEXT (one line for the user, cut at 255 bytes; may be NULL). The library never ends the
 * process itself: call it and then exit with CODE; the shepherds end the other ranks.
 *
 * Returns 0 when the shepherd has been told (at once in a job without shepherd), -EINVAL, or
 * -DVM_EPEERLOST where the shepherd is gone.
 */
DVM_PUBLIC int dvm_abort(dvm_t *d, int code, const char *text);

/*
 * The group of all ranks of the job, in order: group rank equals dvm_rank(). Borrowed: it ends
 * with D. NULL where D is NULL. Any thread.
 */
DVM_PUBLIC dvm_group_t *dvm_world(dvm_t *d);

#ifdef __cplusplus
}
#endif

#endif
