/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logging: records with a level, a subsystem, the node and its view number, handed to a sink.
 *
 * A context belongs to its owner (a daemon, a handle); there is no global one. Levels are
 * syslog's. The sink decides where a record goes; libraries never write to stderr themselves.
 * Any thread may log once the context is set up; the sink must then be thread-safe. Keeps errno.
 */
#ifndef DVMI_BASE_LOG_H
#define DVMI_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

struct dvmi_log_record {
	int level;	    /* LOG_ERR … LOG_DEBUG */
	const char *subsys; /* "member", "job", "net", … */
	const char *node;   /* label of the node, or "" */
	uint64_t view;	    /* number of the machine's view, or 0 */
	uint64_t wall;	    /* ns since 1970 */
	const char *text;
};

typedef void dvmi_log_sink_fn(const struct dvmi_log_record *rec, void *arg);

struct dvmi_log {
	int level; /* records above it (less urgent) are dropped */
	const char *node;
	uint64_t view;
	dvmi_log_sink_fn *sink; /* NULL: nothing is logged */
	void *arg;
};

#define DVMI_LOG_LINE_MAX 1024

void dvmi_log(struct dvmi_log *log, const char *subsys, int level, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* A record as one logfmt line without newline, cut to fit SIZE bytes. Returns its length. */
int dvmi_log_format(const struct dvmi_log_record *rec, char *out, int size);

/* "err", "info", … and back (-EINVAL for an unknown name). */
const char *dvmi_log_level_name(int level);
int dvmi_log_level_parse(const char *name);

#endif
