/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The durable log of a node: a snapshot and the entries behind it, in one file DIR/log.
 *
 * The file begins with 8 bytes "DVMLOG1\n"; then come records {length u32, CRC32C u32, index u64,
 * bytes}, little-endian: a StateSnapshot without its commands, each of its commands, an empty
 * record, all with the snapshot's index; then the entries, each appended with one write and
 * fdatasync, or several as one record (length with the highest bit set), which is there as a whole
 * or not at all. A torn last record (crash, full disk) is cut off when the log is opened; a record
 * damaged in the middle is an error that names file and offset, never skipped.
 *
 * DIR/log.lock is held (flock) while the log is open. One owner, one thread; calls block.
 */
#ifndef DVMD_CLOG_H
#define DVMD_CLOG_H

#include <stdbool.h>

#include "daemon/clog_record.h"
#include "daemon/cstate.h"

struct dvmd_clog;

/*
 * Opens or creates the log in the existing directory DIR and replays it into a fresh *state, which
 * is the caller's. -EBUSY: another process has it open. -DVM_EPROTO: damaged.
 */
int dvmd_clog_open(struct dvmd_clog **out, const char *dir, struct dvmd_cstate **state,
		   dvm_error_t *err);
void dvmd_clog_close(struct dvmd_clog *l); /* NULL is allowed */

/* Bytes of a torn last record that open() has cut off; 0 for a clean log. */
size_t dvmd_clog_cut(const struct dvmd_clog *l);

/*
 * Makes entry INDEX, the next one, durable before it returns. On failure (-ENOSPC, -EIO, …) the
 * file is as before and the entry must not be applied. Where even going back to what was before
 * fails, the log takes no more entries until it is opened again. -EMSGSIZE above
 * DVMD_CLOG_ENTRY_MAX, -DVM_EPROTO for what is not a command that can be read back.
 *
 * Some space on the disk is held in reserve for commands that end or change something (states of
 * jobs and members, removals): with -ENOSPC for those that add, hundreds of them still go.
 */
int dvmd_clog_append(struct dvmd_clog *l, uint64_t index, const void *command, size_t len,
		     dvm_error_t *err);

/*
 * From hold() on what is appended is only kept, in memory and by a place on the disk; release() makes
 * all of it durable at once, and fails for all of it: then these entries are as if they had never been
 * appended. What follows from an entry may not leave the process before that.
 */
void dvmd_clog_hold(struct dvmd_clog *l);
int dvmd_clog_release(struct dvmd_clog *l, dvm_error_t *err);
/* The state as the file has it, into a fresh *STATE: after a release() that failed. */
int dvmd_clog_reload(struct dvmd_clog *l, struct dvmd_cstate **state, dvm_error_t *err);

/*
 * Replaces the log by a snapshot of STATE (new file, fsync, rename). STATE holds at least all
 * entries of the log (-EINVAL), or more when it came from another node. On failure the log is
 * as before.
 */
int dvmd_clog_compact(struct dvmd_clog *l, const struct dvmd_cstate *state, dvm_error_t *err);

/* Has the log grown so much since its snapshot that compact() pays? */
bool dvmd_clog_is_long(const struct dvmd_clog *l);

/* The first index behind the snapshot (what can be sent as entries), and the last one there is. */
uint64_t dvmd_clog_first(const struct dvmd_clog *l);
uint64_t dvmd_clog_last(const struct dvmd_clog *l);

/*
 * The packed command of INDEX, kept in memory since the last snapshot; NULL if it is not there.
 * It lives until the next compact() or close().
 */
const void *dvmd_clog_get(const struct dvmd_clog *l, uint64_t index, size_t *len);

#endif
