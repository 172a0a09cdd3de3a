/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The durable log of a node: a snapshot and the entries behind it, in one directory.
 *
 * Records are {length u32, CRC32C u32, index u64, bytes}, little-endian, each appended with one
 * write and fdatasync. A torn last record (crash, full disk) is cut off when the log is opened; a
 * record damaged in the middle is an error that names file and offset, never skipped.
 */
#ifndef DVMD_CLOG_H
#define DVMD_CLOG_H

#include "daemon/cstate.h"

struct dvmd_clog;

/*
 * Opens or creates the log in directory DIR and replays it into a fresh *state.
 * -EBUSY: another process has it open. -DVM_EPROTO: damaged.
 */
int dvmd_clog_open(struct dvmd_clog **out, const char *dir, struct dvmd_cstate **state,
		   dvm_error_t *err);
void dvmd_clog_close(struct dvmd_clog *l);

/*
 * Makes entry INDEX durable before it returns. On failure (-ENOSPC, -EIO, …) the file is as
 * before and the entry must not be applied.
 */
int dvmd_clog_append(struct dvmd_clog *l, uint64_t index, const void *command, size_t len,
		     dvm_error_t *err);

/* Replaces the log by a snapshot of STATE (new file, fsync, rename), e.g. every 4096 entries. */
int dvmd_clog_compact(struct dvmd_clog *l, const struct dvmd_cstate *state, dvm_error_t *err);

/* Entries since the last snapshot: when to compact, and what can be sent as entries. */
uint64_t dvmd_clog_first(const struct dvmd_clog *l);

/* The packed command of INDEX, kept in memory since the last snapshot; NULL if it is not there. */
const void *dvmd_clog_get(const struct dvmd_clog *l, uint64_t index, size_t *len);

#endif
