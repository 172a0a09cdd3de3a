/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of libpvm3 and libgpvm3 share; doc/design/0016-pvm3.md. One task per process,
 * one thread: the state is one struct, pvmi. Functions return 0 or more, or a Pvm… code.
 */
#ifndef PVMI_PVM_H
#define PVMI_PVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pvm3.h"
#include "libdvm/base/buf.h"

/* ---- every public call ---- */

/* Makes this process a task if it is none. 0, or why it cannot be. */
int pvmi_enrol(void);
/*
 * What public call CALL returns when it came to CODE: notes an error for pvm_errno and says it on
 * standard error where the user wants to hear of it. Returns CODE.
 */
int pvmi_result(const char *call, int code);
/* The same without a word, for what is no error of the user's. */
int pvmi_quiet(int code);
/* "libpvm [t40001]: pvm_recv(): No such buffer" to standard error. */
void pvmi_complain(const char *call, int code);
/* The same of anything: "libpvm [t40001]: WHAT: TEXT". */
void pvmi_say(const char *what, const char *text);
/* The text of CODE, also of what is none. */
const char *pvmi_text(int code);

/* ---- the service (libdvm/proto/pvm.h) ---- */

/*
 * Asks the service for TYPE with ARGS (nullable; its error counts) and waits for the answer, which
 * goes to REPLY (nullable), to be freed by the caller in every case. Messages move meanwhile.
 * Returns the code of the answer, or PvmSysErr where there is no service any more.
 */
int pvmi_ask(uint16_t type, const struct dvmi_buf *args, struct dvmi_buf *reply);

/*
 * Membership of groups, kept by the service (enum pvmi_group_op). INTS (nullable) gets *N numbers,
 * for the caller to free.
 */
int pvmi_ask_group(int op, const char *group, int a, int b, int **ints, int *n);

/* ---- messages ---- */

/* Our id; 0 while we are no task. */
int pvmi_tid(void);
/* Sends the current send buffer to each of TIDS. 0 or a code. */
int pvmi_send_current(const int *tids, int n, int tag, int ctx);
/* Receives the next message from TID (-1: any) with TAG (-1: any) in context CTX: its buffer. */
int pvmi_receive(int tid, int tag, int ctx);

#endif
