/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "daemon/histdb.h"
#include "libdvm/base/err.h"

#define PAGE	     500u /* rows in a reply */
#define PATH_MAX_OWN 4096

struct dvmd_histdb {
	sqlite3 *sql;
	sqlite3_stmt *insert;
};

/* WAL: a reader and a crash see whole transactions, and one costs one write. */
static const char schema[] =
	"PRAGMA journal_mode = WAL;"
	"PRAGMA synchronous = NORMAL;"
	"CREATE TABLE IF NOT EXISTS runs ("
	" row INTEGER PRIMARY KEY, job INTEGER NOT NULL, restarts INTEGER NOT NULL,"
	" name TEXT NOT NULL, user TEXT NOT NULL, account TEXT NOT NULL, command TEXT NOT NULL,"
	" nodes TEXT NOT NULL, ranks INTEGER NOT NULL, submitted INTEGER NOT NULL,"
	" started INTEGER NOT NULL, ended INTEGER NOT NULL, cpu_ns INTEGER NOT NULL,"
	" rss_peak INTEGER NOT NULL, exit_code INTEGER NOT NULL, signal INTEGER NOT NULL,"
	" state TEXT NOT NULL, reason TEXT NOT NULL, array INTEGER NOT NULL,"
	" task INTEGER NOT NULL, parent INTEGER NOT NULL, UNIQUE (job, restarts));"
	"CREATE INDEX IF NOT EXISTS runs_ended ON runs (ended);";

#define COLUMNS \
	"job, restarts, name, user, account, command, nodes, ranks, submitted, started, ended, " \
	"cpu_ns, rss_peak, exit_code, signal, state, reason, array, task, parent"

/* ---- errors ---- */

static int code_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
		return -EACCES;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	default:
		return -EIO;
	}
}

static int failed(const struct dvmd_histdb *db, int rc, dvm_error_t *err)
{
	return dvmi_error_set(err, code_of(rc), "the history: %s",
			      db->sql ? sqlite3_errmsg(db->sql) : sqlite3_errstr(rc));
}

/* ---- life ---- */

void dvmd_histdb_close(struct dvmd_histdb *db)
{
	if (!db)
		return;
	sqlite3_finalize(db->insert);
	sqlite3_close(db->sql);
	free(db);
}

static int open_file(struct dvmd_histdb **out, const char *path, dvm_error_t *err)
{
	struct dvmd_histdb *db = calloc(1, sizeof *db);

	if (!db)
		return dvmi_error_code(err, -ENOMEM, "the history");
	int rc = sqlite3_open_v2(path, &db->sql,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
				 NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db->sql, schema, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(db->sql,
					"INSERT OR IGNORE INTO runs (" COLUMNS ") VALUES "
					"(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
					-1, &db->insert, NULL);
	if (rc != SQLITE_OK) {
		rc = failed(db, rc, err);
		dvmd_histdb_close(db);
		return rc;
	}
	*out = db;
	return 0;
}

int dvmd_histdb_open(struct dvmd_histdb **out, const char *path, dvm_error_t *err)
{
	char bad[PATH_MAX_OWN], wal[PATH_MAX_OWN];
	int rc = open_file(out, path, err);

	if (rc != -EBADMSG)
		return rc;
	snprintf(bad, sizeof bad, "%s.bad", path);
	snprintf(wal, sizeof wal, "%s-wal", path);
	if (rename(path, bad) < 0)
		return rc;
	remove(wal);
	rc = open_file(out, path, err);
	if (rc == 0)
		dvmi_error_set(err, -EBADMSG, "the history was damaged: it is %s now, and empty", bad);
	return rc;
}

/* ---- adding ---- */

static void bind(sqlite3_stmt *st, const Pb__HistoryRow *r)
{
	const char *const texts[] = { r->name, r->user, r->account, r->command, r->nodes };
	const uint64_t numbers[] = { r->ranks, r->submitted, r->started, r->ended, r->cpu_ns,
				     r->rss_peak };
	int at = 1;

	sqlite3_bind_int64(st, at++, (sqlite3_int64)r->job);
	sqlite3_bind_int64(st, at++, r->restarts);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		sqlite3_bind_text(st, at++, texts[i], -1, SQLITE_STATIC);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		sqlite3_bind_int64(st, at++, (sqlite3_int64)numbers[i]);
	sqlite3_bind_int(st, at++, r->exit_code);
	sqlite3_bind_int(st, at++, r->signal);
	sqlite3_bind_text(st, at++, r->state, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, at++, r->reason, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, at++, (sqlite3_int64)r->array);
	sqlite3_bind_int64(st, at++, r->task);
	sqlite3_bind_int64(st, at, (sqlite3_int64)r->parent);
}

static int insert(struct dvmd_histdb *db, const Pb__HistoryRow *row)
{
	bind(db->insert, row);
	int rc = sqlite3_step(db->insert);
	sqlite3_reset(db->insert);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int dvmd_histdb_add(struct dvmd_histdb *db, Pb__HistoryRow *const *rows, size_t n,
		    dvm_error_t *err)
{
	int rc = sqlite3_exec(db->sql, "BEGIN", NULL, NULL, NULL);

	for (size_t i = 0; rc == SQLITE_OK && i < n; i++)
		rc = insert(db, rows[i]);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db->sql, "COMMIT", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		return 0;
	rc = failed(db, rc, err);
	sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

/* ---- asking ---- */

static char *text(sqlite3_stmt *st, int column)
{
	const unsigned char *s = sqlite3_column_text(st, column);

	return (char *)(s ? (const char *)s : "");
}

static uint64_t number(sqlite3_stmt *st, int column)
{
	return (uint64_t)sqlite3_column_int64(st, column);
}

/* The strings are the statement's, until its next step. */
static void take_row(sqlite3_stmt *st, Pb__HistoryRow *r)
{
	int at = 0;

	pb__history_row__init(r);
	r->row = number(st, at++);
	r->job = number(st, at++);
	r->restarts = (uint32_t)number(st, at++);
	r->name = text(st, at++);
	r->user = text(st, at++);
	r->account = text(st, at++);
	r->command = text(st, at++);
	r->nodes = text(st, at++);
	r->ranks = (uint32_t)number(st, at++);
	r->submitted = number(st, at++);
	r->started = number(st, at++);
	r->ended = number(st, at++);
	r->cpu_ns = number(st, at++);
	r->rss_peak = number(st, at++);
	r->exit_code = sqlite3_column_int(st, at++);
	r->signal = sqlite3_column_int(st, at++);
	r->state = text(st, at++);
	r->reason = text(st, at++);
	r->array = number(st, at++);
	r->task = (uint32_t)number(st, at++);
	r->parent = number(st, at);
}

static const char select_page[] = "SELECT row, " COLUMNS " FROM runs WHERE (?1 = '' OR user = ?1)"
				  " AND (?2 = '' OR account = ?2) AND (?3 = '' OR state = ?3)"
				  " AND ended >= ?4 AND (?5 = 0 OR job = ?5 OR array = ?5)"
				  " AND (?6 = 0 OR row < ?6) ORDER BY row DESC LIMIT ?7";

static int prepare(struct dvmd_histdb *db, const Pb__HistoryRequest *req, uint32_t page,
		   sqlite3_stmt **out)
{
	int rc = sqlite3_prepare_v2(db->sql, select_page, -1, out, NULL);

	if (rc != SQLITE_OK)
		return rc;
	sqlite3_bind_text(*out, 1, req->user, -1, SQLITE_STATIC);
	sqlite3_bind_text(*out, 2, req->account, -1, SQLITE_STATIC);
	sqlite3_bind_text(*out, 3, req->state, -1, SQLITE_STATIC);
	sqlite3_bind_int64(*out, 4, (sqlite3_int64)(req->since & INT64_MAX));
	sqlite3_bind_int64(*out, 5, (sqlite3_int64)(req->job & INT64_MAX));
	sqlite3_bind_int64(*out, 6, (sqlite3_int64)(req->before & INT64_MAX));
	sqlite3_bind_int64(*out, 7, (sqlite3_int64)page + 1);
	return SQLITE_OK;
}

/* 1: a row was there. */
static int fetch(sqlite3_stmt *st, Pb__HistoryReply *r, uint32_t page)
{
	Pb__HistoryRow row;
	int rc = sqlite3_step(st);

	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? 0 : -rc;
	if (r->n_rows == page) {
		r->more = true;
		return 0;
	}
	take_row(st, &row);
	r->rows[r->n_rows] = dvmi_pb_dup(&row);
	return r->rows[r->n_rows] ? (r->n_rows++, 1) : -SQLITE_NOMEM;
}

int dvmd_histdb_query(struct dvmd_histdb *db, const Pb__HistoryRequest *req,
		      Pb__HistoryReply **out, dvm_error_t *err)
{
	uint32_t page = req->limit && req->limit < PAGE ? req->limit : PAGE;
	Pb__HistoryReply *r = malloc(sizeof *r);
	sqlite3_stmt *st = NULL;

	if (!r)
		return dvmi_error_code(err, -ENOMEM, "the history");
	pb__history_reply__init(r);
	r->rows = calloc(page, sizeof *r->rows);
	int rc = r->rows ? prepare(db, req, page, &st) : SQLITE_NOMEM, got = 1;
	while (rc == SQLITE_OK && got > 0)
		got = fetch(st, r, page);
	if (rc != SQLITE_OK || got < 0) {
		rc = failed(db, rc != SQLITE_OK ? rc : -got, err);
		dvmi_pb_free(r);
	} else {
		*out = r;
	}
	sqlite3_finalize(st);
	return rc;
}

int dvmd_histdb_each_run(struct dvmd_histdb *db, uint64_t since,
			 void (*fn)(const Pb__HistoryRow *row, void *arg), void *arg,
			 dvm_error_t *err)
{
	sqlite3_stmt *st = NULL;
	Pb__HistoryRow row;
	int rc = sqlite3_prepare_v2(db->sql,
				    "SELECT row, " COLUMNS " FROM runs WHERE ended >= ? AND started",
				    -1, &st, NULL);

	if (rc == SQLITE_OK)
		sqlite3_bind_int64(st, 1, (sqlite3_int64)(since & INT64_MAX));
	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		take_row(st, &row);
		fn(&row, arg);
		rc = SQLITE_OK;
	}
	rc = rc == SQLITE_DONE ? 0 : failed(db, rc, err);
	sqlite3_finalize(st);
	return rc;
}
