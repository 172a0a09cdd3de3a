/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a daemon's log records go: a ring of the newest ones, which `dvm log` reads, and stderr as
 * logfmt lines, or the journal when systemd connected stderr to it.
 *
 * dvmd_logring_sink() is the sink of a struct dvmi_log; any thread may call it. The text of all
 * kept records together is bounded by records × DVMI_LOG_LINE_MAX bytes.
 */
#ifndef DVMD_LOGRING_H
#define DVMD_LOGRING_H

#include <stddef.h>

#include "libdvm/base/log.h"
#include "libdvm/proto/pb.h"

struct dvmd_logring;

enum dvmd_logring_output {
	DVMD_LOG_AUTO, /* the journal if stderr leads there, else stderr */
	DVMD_LOG_STDERR,
	DVMD_LOG_QUIET, /* the ring only */
};

/* A ring of the newest RECORDS (1 or more) records. -ENOMEM. */
int dvmd_logring_create(struct dvmd_logring **out, size_t records, enum dvmd_logring_output output);
void dvmd_logring_destroy(struct dvmd_logring *r); /* NULL is allowed */

/* The sink; ARG is the ring. Keeps errno, never blocks on memory: a record may be lost then. */
void dvmd_logring_sink(const struct dvmi_log_record *rec, void *arg);

/*
 * The newest LINES records (0: all there are) of LEVEL or more urgent, oldest first. The caller
 * frees with dvmi_pb_free(); NULL when out of memory.
 */
Pb__LogReply *dvmd_logring_reply(struct dvmd_logring *r, uint32_t lines, int level);

#endif
