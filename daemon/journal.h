/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log records to systemd's journal, by its native protocol: one datagram of KEY=value lines. No
 * library: libsystemd would cost every exec its dependencies.
 */
#ifndef DVMD_JOURNAL_H
#define DVMD_JOURNAL_H

#include <stdbool.h>

#include "libdvm/base/log.h"

#define DVMD_JOURNAL_SOCKET "/run/systemd/journal/socket"

/* Has systemd connected descriptor FD to the journal (JOURNAL_STREAM, "device:inode")? */
bool dvmd_journal_has(int fd);

/* A datagram socket to the journal at PATH, or -E…. */
int dvmd_journal_open(const char *path);

/* Sends REC, without waiting; a full queue loses it (-EAGAIN). */
int dvmd_journal_send(int fd, const struct dvmi_log_record *rec);

#endif
