/* SPDX-License-Identifier: BSD-3-Clause */
/* The shepherd as a child process of dvmd, and the directories its jobs leave. */
#ifndef DVMD_AGENT_SPAWN_H
#define DVMD_AGENT_SPAWN_H

#include "daemon/dvmd.h"

#define DVMD_COOKIE_BYTES 16

struct dvmd_child; /* incomplete */

/* STATUS is the exit code, SIGNAL what it died of or 0. The child is gone then. */
typedef void dvmd_child_exit_fn(int status, int signal, void *arg);

/*
 * Starts dvm-shepherd for the packed LAUNCH; it gets the launch and a fresh cookie, written to
 * COOKIE too, in a memfd. CB once, from the loop, unless the call fails or forget() comes first.
 */
int dvmd_child_spawn(struct dvmd_child **out, struct dvmd *d, const uint8_t *launch, size_t len,
		     uint8_t cookie[DVMD_COOKIE_BYTES], dvmd_child_exit_fn *cb, void *arg,
		     dvm_error_t *err);

/* No callback any more; the process goes on. NULL is allowed. */
void dvmd_child_forget(struct dvmd_child *c);

/* SIGKILL, for one that does not end by itself. */
void dvmd_child_kill(struct dvmd_child *c);

/*
 * Removes the directories under RUN_DIR/jobs whose job the cluster state has forgotten and that
 * IN_USE does not speak for.
 */
void dvmd_child_remove_strays(struct dvmd *d, bool (*in_use)(uint64_t job, void *arg), void *arg);

#endif
