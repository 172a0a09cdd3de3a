/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kept output of one job on one node: a bounded file of Pb__Chunk records.
 *
 * Written by the job's shepherd (one writer, as the job's user), read by dvmd for `dvm logs`,
 * also while it grows. Layout, little-endian: 16 bytes {magic u32, version u32, flags u32, 0},
 * then records {length u32, packed chunk}. The flags lie in a block that exists from the start,
 * so that "truncated" can be told even when the disk is full.
 *
 * Keeping output never fails a job: when the bound is reached or the disk is full, the file ends
 * with the last whole record, is marked truncated, and further output is not kept.
 */
#ifndef DVMD_SPOOL_H
#define DVMD_SPOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "dvm/error.h"
#include "libdvm/proto/pb.h"

#define DVMD_SPOOL_RECORD_MAX (4u << 20) /* bytes of one packed chunk */

/* Flags in the file. */
#define DVMD_SPOOL_TRUNCATED 1u /* output went on, but was not kept */
#define DVMD_SPOOL_FINISHED  2u /* closed by its writer: nothing will be added */

struct dvmd_spool;

/*
 * Creates the file NAME (0600, must not exist) in the directory DIRFD (AT_FDCWD: here), which
 * may grow to BOUND bytes; 0 keeps nothing but a file that says so. On failure *out is NULL,
 * which every call below takes as a spool that keeps nothing.
 */
int dvmd_spool_create(struct dvmd_spool **out, int dirfd, const char *name, uint64_t bound);

/*
 * Appends CHUNK. 0: kept. -EFBIG (bound) or the errno of the failed write (-ENOSPC, -EDQUOT,
 * -EIO): from this chunk on nothing is kept, told by this one call only, so that it can be
 * noted once; 1 ever after. The caller carries on in every case.
 */
int dvmd_spool_append(struct dvmd_spool *s, const Pb__Chunk *chunk);

/* Marks the file finished, and frees. NULL is allowed. */
void dvmd_spool_close(struct dvmd_spool *s);

struct dvmd_spool_reader;

/*
 * Opens NAME in DIRFD for reading. The directory is the job's user's to fill, so links, other
 * file types and files of another owner than OWNER are refused (-ELOOP, -EACCES).
 * -ENOENT: no output kept (yet). -DVM_EPROTO: not a spool file.
 */
int dvmd_spool_reader_open(struct dvmd_spool_reader **out, int dirfd, const char *name, uid_t owner,
			   dvm_error_t *err);

/*
 * The next chunk: 1 with *out (freed by the caller with dvmi_pb_free()); 0 when there is no
 * further whole record now (call again later to follow a growing file); -DVM_EPROTO for damage,
 * -EIO …, after which the reader stays at that error.
 */
int dvmd_spool_reader_next(struct dvmd_spool_reader *r, Pb__Chunk **out);

/*
 * Where the next record begins, and going there again, also with a reader opened later: reading
 * page by page without starting over. A place that no at() gave makes next() fail at worst.
 * -EINVAL before the first record.
 */
uint64_t dvmd_spool_reader_at(const struct dvmd_spool_reader *r);
int dvmd_spool_reader_seek(struct dvmd_spool_reader *r, uint64_t at);

/* The file's flags now. With next() == 0, FINISHED means that a follower can stop. */
unsigned dvmd_spool_reader_flags(struct dvmd_spool_reader *r);

void dvmd_spool_reader_close(struct dvmd_spool_reader *r);

#endif
