/* SPDX-License-Identifier: BSD-3-Clause */
/* How a process becomes a daemon that answers in time. */
#ifndef DVMD_BACKGROUND_H
#define DVMD_BACKGROUND_H

#include "dvm/error.h"

/*
 * Leaves the terminal; the parent exits. Where *READY_FD is -1 the parent first waits for the
 * outcome, which the child then writes to *READY_FD. 0 in the child, or -E… and ERR.
 */
int dvmd_background(int *ready_fd, dvm_error_t *err);

/* What goes to stderr goes to dvmd.log in RUN_DIR from now on; a daemon holds no terminal. */
void dvmd_background_stdio(const char *run_dir);

/*
 * Answering in time is what keeps a busy node from being called dead. Children start without
 * this: the kernel resets it on fork.
 */
void dvmd_raise_priority(void);

/*
 * A daemon of a large machine holds some hundred connections to peers and to shepherds. The soft
 * limit it was started with is handed on: it is what ranks are to start with (shepherd/setup.c).
 */
void dvmd_raise_descriptors(void);

#endif
