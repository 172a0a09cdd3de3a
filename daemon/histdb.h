/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What jobs have used, in a file of SQLite: rows are added and asked for. It blocks, and knows
 * nothing of loops: history.c calls it from a thread of its own, one call at a time.
 */
#ifndef DVMD_HISTDB_H
#define DVMD_HISTDB_H

#include <stddef.h>
#include <stdint.h>

#include "dvm/error.h"
#include "libdvm/proto/pb.h"

struct dvmd_histdb; /* incomplete */

/*
 * Opens or makes the file. One that is damaged is put aside as PATH.bad, and ERR says so although 0
 * is returned. -ENOSPC, -EIO, -EACCES, … with ERR.
 */
int dvmd_histdb_open(struct dvmd_histdb **out, const char *path, dvm_error_t *err);
void dvmd_histdb_close(struct dvmd_histdb *db);

/* All of ROWS or none; those that are there already stay as they are. */
int dvmd_histdb_add(struct dvmd_histdb *db, Pb__HistoryRow *const *rows, size_t n,
		    dvm_error_t *err);

/* The rows that are asked for, at most a page of them. The caller frees *OUT. */
int dvmd_histdb_query(struct dvmd_histdb *db, const Pb__HistoryRequest *req,
		      Pb__HistoryReply **out, dvm_error_t *err);

/* Calls FN with each run since SINCE (wall, ns): for fair share. */
int dvmd_histdb_each_run(struct dvmd_histdb *db, uint64_t since,
			 void (*fn)(const Pb__HistoryRow *row, void *arg), void *arg,
			 dvm_error_t *err);

#endif
