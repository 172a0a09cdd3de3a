/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/journal.h"
#include "daemon/logring.h"
#include "libdvm/base/cleanup.h"

struct kept {
	uint64_t wall;
	int level;
	char *line; /* NULL: none yet, or lost for want of memory */
};

struct dvmd_logring {
	pthread_mutex_t lock; /* over all of the below */
	bool to_stderr;
	int journal;	  /* descriptor, or -1 */
	uint64_t written; /* records ever; the next goes to written % n */
	size_t n;
	struct kept kept[];
};

/* The journal where stderr leads there; stderr where that cannot be reached, too. */
static void connect_output(struct dvmd_logring *r, enum dvmd_logring_output output)
{
	r->journal = -1;
	if (output == DVMD_LOG_AUTO && dvmd_journal_has(STDERR_FILENO))
		r->journal = dvmd_journal_open(DVMD_JOURNAL_SOCKET);
	r->to_stderr = output != DVMD_LOG_QUIET && r->journal < 0;
}

int dvmd_logring_create(struct dvmd_logring **out, size_t records, enum dvmd_logring_output output)
{
	struct dvmd_logring *r = calloc(1, sizeof *r + records * sizeof r->kept[0]);

	if (!r)
		return -ENOMEM;
	r->n = records;
	pthread_mutex_init(&r->lock, NULL);
	connect_output(r, output);
	*out = r;
	return 0;
}

void dvmd_logring_destroy(struct dvmd_logring *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		free(r->kept[i].line);
	dvmi_cleanup_fdp(&r->journal);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void keep(struct dvmd_logring *r, const struct dvmi_log_record *rec, const char *line)
{
	struct kept *k = &r->kept[r->written++ % r->n];

	free(k->line);
	*k = (struct kept){ .wall = rec->wall, .level = rec->level, .line = strdup(line) };
}

/* One write a record, so that lines of several writers stay whole. */
static void print(const char *line, size_t n)
{
	char buf[DVMI_LOG_LINE_MAX + 1];

	memcpy(buf, line, n);
	buf[n] = '\n';
	ssize_t did = write(STDERR_FILENO, buf, n + 1);
	(void)did; /* there is nobody to tell */
}

void dvmd_logring_sink(const struct dvmi_log_record *rec, void *arg)
{
	struct dvmd_logring *r = arg;
	char line[DVMI_LOG_LINE_MAX];
	int saved = errno;
	int n = dvmi_log_format(rec, line, sizeof line);

	pthread_mutex_lock(&r->lock);
	keep(r, rec, line);
	if (r->journal >= 0)
		dvmd_journal_send(r->journal, rec);
	if (r->to_stderr)
		print(line, (size_t)n);
	pthread_mutex_unlock(&r->lock);
	errno = saved;
}

static Pb__LogLine *make_line(const struct kept *k)
{
	Pb__LogLine *l = malloc(sizeof *l);

	if (!l)
		return NULL;
	pb__log_line__init(l);
	l->wall = k->wall;
	l->level = (uint32_t)k->level;
	l->line = strdup(k->line);
	if (!l->line) {
		free(l);
		return NULL;
	}
	return l;
}

/* The record BACK steps before the next one. */
static const struct kept *newest(const struct dvmd_logring *r, uint64_t back)
{
	return &r->kept[(r->written - back) % r->n];
}

static bool is_wanted(const struct kept *k, int level)
{
	return k->line && k->level <= level;
}

/* How many steps back the oldest of the newest LINES wanted records is. */
static uint64_t find_start(const struct dvmd_logring *r, uint32_t lines, int level)
{
	uint64_t all = r->written < r->n ? r->written : r->n, back = 0;

	for (uint32_t found = 0; back < all && (lines == 0 || found < lines);)
		found += is_wanted(newest(r, ++back), level);
	return back;
}

static int fill(const struct dvmd_logring *r, Pb__LogReply *reply, uint32_t lines, int level)
{
	uint64_t back = find_start(r, lines, level);

	reply->lines = calloc(back + 1, sizeof(Pb__LogLine *));
	if (!reply->lines)
		return -ENOMEM;
	for (; back; back--) {
		const struct kept *k = newest(r, back);
		if (!is_wanted(k, level))
			continue;
		Pb__LogLine *l = make_line(k);
		if (!l)
			return -ENOMEM;
		reply->lines[reply->n_lines++] = l;
	}
	return 0;
}

Pb__LogReply *dvmd_logring_reply(struct dvmd_logring *r, uint32_t lines, int level)
{
	Pb__LogReply *reply = malloc(sizeof *reply);

	if (!reply)
		return NULL;
	pb__log_reply__init(reply);
	pthread_mutex_lock(&r->lock);
	int rc = fill(r, reply, lines, level);
	pthread_mutex_unlock(&r->lock);
	if (rc < 0) {
		dvmi_pb_free(reply);
		return NULL;
	}
	return reply;
}
