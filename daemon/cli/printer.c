/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "daemon/cli/printer.h"
#include "daemon/cli/show.h"
#include "libdvm/base/buf.h"
#include "libdvm/base/cleanup.h"

#define STDERR_STREAM 2

#undef uthash_fatal
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* A job whose ranks' nodes are known. */
struct crew {
	struct crew *next;
	uint64_t job;
	char **node_of; /* by rank, owned; NULL where unknown */
	uint32_t ranks;
};

/* Whose output it is. */
struct source {
	uint64_t job;
	uint32_t rank, stream;
};

/* What has come of a line whose end has not. */
struct held {
	struct source key;
	struct dvmi_buf text;
	uint64_t wall;
	UT_hash_handle hh;
};

struct cli_printer {
	struct cli_printer_config config;
	enum cli_output output;
	struct dvmi_buf pending; /* formatted for `pending_fd` and not yet written */
	int pending_fd;
	struct held *held;
	struct crew *crews;
	int dirfd;
	int err; /* latched */
};

int cli_printer_create(struct cli_printer **out, const struct cli_printer_config *config)
{
	struct cli_printer *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	p->config = *config;
	p->output = config->output;
	if (p->output == CLI_OUTPUT_AUTO)
		p->output = isatty(config->out) ? CLI_OUTPUT_RAW : CLI_OUTPUT_LINES;
	p->pending_fd = config->out;
	p->dirfd = -1;
	if (p->output == CLI_OUTPUT_DIR) {
		if (mkdir(config->dir, 0777) < 0 && errno != EEXIST)
			p->err = -errno;
		else if ((p->dirfd = open(config->dir, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
			p->err = -errno;
	}
	if (p->err < 0) {
		int rc = p->err;
		cli_printer_destroy(p);
		return rc;
	}
	*out = p;
	return 0;
}

static void free_crew(struct crew *c)
{
	for (uint32_t i = 0; i < c->ranks; i++)
		free(c->node_of[i]);
	free(c->node_of);
	free(c);
}

static void drop_crew(struct cli_printer *p, uint64_t job)
{
	for (struct crew **at = &p->crews; *at; at = &(*at)->next)
		if ((*at)->job == job) {
			struct crew *c = *at;
			*at = c->next;
			free_crew(c);
			return;
		}
}

void cli_printer_destroy(struct cli_printer *p)
{
	struct held *h, *next;

	if (!p)
		return;
	HASH_ITER (hh, p->held, h, next) {
		HASH_DEL(p->held, h);
		dvmi_buf_free(&h->text);
		free(h);
	}
	while (p->crews)
		drop_crew(p, p->crews->job);
	dvmi_buf_free(&p->pending);
	if (p->dirfd >= 0)
		close(p->dirfd);
	free(p);
}

/* ---- writing ---- */

static int write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

int cli_printer_flush(struct cli_printer *p)
{
	if (!p->err && p->pending.err)
		p->err = p->pending.err;
	if (!p->err && p->pending.len)
		p->err = write_all(p->pending_fd, p->pending.data, p->pending.len);
	dvmi_buf_consume(&p->pending, p->pending.len);
	return p->err;
}

/* The buffer of bytes for FD; those for the other descriptor go out first, to keep the order. */
static struct dvmi_buf *pending_for(struct cli_printer *p, int fd)
{
	if (fd != p->pending_fd || p->pending.len > (256u << 10))
		cli_printer_flush(p);
	p->pending_fd = fd;
	return &p->pending;
}

static int open_rank_file(struct cli_printer *p, const struct source *from, int flags)
{
	char name[80], of[32] = "";

	if (from->job != p->config.job)
		snprintf(of, sizeof of, "job.%" PRIu64 ".", from->job);
	snprintf(name, sizeof name, "%srank.%" PRIu32 ".%s", of, from->rank,
		 from->stream == STDERR_STREAM ? "err" : "out");
	int fd = openat(p->dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);
	return fd < 0 ? -errno : fd;
}

/* Opened for each write: a job may have more ranks than a process has descriptors. */
static void put_file(struct cli_printer *p, const struct source *from, const Pb__Chunk *c)
{
	cleanup_fd int fd = open_rank_file(p, from, O_APPEND);
	int rc = fd < 0 ? fd : write_all(fd, c->data.data, c->data.len);

	if (rc < 0 && !p->err)
		p->err = rc;
}

/* ---- formats ---- */

static const char *node_name(const struct cli_printer *p, const struct source *from)
{
	for (const struct crew *c = p->crews; c; c = c->next)
		if (c->job == from->job)
			return from->rank < c->ranks ? c->node_of[from->rank] : NULL;
	return NULL;
}

static void put_json(struct cli_printer *p, const struct source *from, uint64_t wall,
		     const uint8_t *text, size_t n, bool ended)
{
	struct dvmi_buf *b = pending_for(p, p->config.out);
	const char *node = node_name(p, from);
	json_t *j = json_pack("{s:I, s:I}", "job", (json_int_t)from->job, "rank",
			      (json_int_t)from->rank);

	if (node)
		json_object_set_new(j, "node", cli_json_string(node));
	json_object_set_new(j, "stream",
			    json_string(from->stream == STDERR_STREAM ? "stderr" : "stdout"));
	json_object_set_new(j, "time", cli_json_time(wall));
	json_object_set_new(j, "text", cli_json_text((const char *)text, n));
	if (!ended)
		json_object_set_new(j, "partial", json_true());
	char *line = json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(j);
	if (!line) {
		p->err = -ENOMEM;
		return;
	}
	dvmi_buf_put(b, line, strlen(line));
	dvmi_buf_put_u8(b, '\n');
	free(line);
}

static void put_tagged(struct cli_printer *p, const struct source *from, const uint8_t *text,
		       size_t n)
{
	bool error = from->stream == STDERR_STREAM;
	struct dvmi_buf *b = pending_for(p, error ? p->config.err : p->config.out);

	dvmi_buf_put_u8(b, '[');
	if (from->job != p->config.job)
		dvmi_buf_printf(b, "%" PRIu64 ".", from->job);
	dvmi_buf_printf(b, "%" PRIu32 "%s] ", from->rank, error ? ":err" : "");
	dvmi_buf_put(b, text, n);
	dvmi_buf_put_u8(b, '\n');
}

/* N bytes of one line without its newline; ENDED tells whether it had one. */
static void put_line(struct cli_printer *p, const struct source *from, uint64_t wall,
		     const uint8_t *text, size_t n, bool ended)
{
	if (p->output == CLI_OUTPUT_JSON) {
		put_json(p, from, wall, text, n, ended);
	} else if (p->output == CLI_OUTPUT_TAG) {
		put_tagged(p, from, text, n);
	} else {
		struct dvmi_buf *b = pending_for(p, from->stream == STDERR_STREAM ? p->config.err :
										    p->config.out);
		dvmi_buf_put(b, text, n + ended);
	}
}

/* Prints the whole lines of TEXT and returns how many bytes they are. */
static size_t put_lines(struct cli_printer *p, const struct source *from, uint64_t wall,
			const uint8_t *text, size_t n)
{
	const uint8_t *at = text, *end = text + n, *nl;

	if (p->output == CLI_OUTPUT_LINES) { /* nothing goes in front of a line: all at once */
		nl = memrchr(text, '\n', n);
		if (nl)
			put_line(p, from, wall, text, (size_t)(nl - text), true);
		return nl ? (size_t)(nl + 1 - text) : 0;
	}
	for (; at < end && (nl = memchr(at, '\n', (size_t)(end - at))); at = nl + 1)
		put_line(p, from, wall, at, (size_t)(nl - at), true);
	return (size_t)(at - text);
}

static struct held *held_for(struct cli_printer *p, const struct source *from)
{
	struct held *h;

	HASH_FIND(hh, p->held, from, sizeof *from, h);
	if (h)
		return h;
	h = calloc(1, sizeof *h);
	if (h) {
		h->key = *from;
		HASH_ADD(hh, p->held, key, sizeof h->key, h);
	}
	if (!h)
		p->err = -ENOMEM;
	return h;
}

static void put_rest(struct cli_printer *p, struct held *h)
{
	if (h->text.len)
		put_line(p, &h->key, h->wall, h->text.data, h->text.len, false);
	dvmi_buf_consume(&h->text, h->text.len);
}

/* Lines are printed when they are whole; what is not waits for its end. */
static void put_by_line(struct cli_printer *p, const struct source *from, const Pb__Chunk *c)
{
	const uint8_t *text = c->data.data;
	size_t n = c->data.len;
	struct held *h;

	HASH_FIND(hh, p->held, from, sizeof *from, h);
	if (h && h->text.len) {
		dvmi_buf_put(&h->text, text, n);
		dvmi_buf_consume(&h->text,
				 put_lines(p, from, c->wall, h->text.data, h->text.len));
	} else {
		size_t done = put_lines(p, from, c->wall, text, n);

		h = done < n ? held_for(p, from) : h;
		if (h && done < n)
			dvmi_buf_put(&h->text, text + done, n - done);
	}
	if (!h)
		return;
	h->wall = c->wall;
	if (h->text.len > CLI_PRINTER_LINE_MAX)
		put_rest(p, h);
	if (h->text.err)
		p->err = h->text.err;
}

int cli_printer_chunk(struct cli_printer *p, uint64_t job, const Pb__Chunk *c)
{
	const struct source from = { job, c->rank, c->stream & 3 };

	if (p->err)
		return p->err;
	if (p->output == CLI_OUTPUT_RAW)
		dvmi_buf_put(
			pending_for(p, c->stream == STDERR_STREAM ? p->config.err : p->config.out),
			c->data.data, c->data.len);
	else if (p->output == CLI_OUTPUT_DIR)
		put_file(p, &from, c);
	else
		put_by_line(p, &from, c);
	return p->err;
}

int cli_printer_finish(struct cli_printer *p)
{
	struct held *h, *next;

	HASH_ITER (hh, p->held, h, next)
		put_rest(p, h);
	return cli_printer_flush(p);
}

/* ---- placement ---- */

static int empty_files(struct cli_printer *p, uint64_t job, uint32_t rank)
{
	for (uint32_t stream = 1; stream <= STDERR_STREAM; stream++) {
		const struct source from = { job, rank, stream };
		int fd = open_rank_file(p, &from, O_TRUNC);

		if (fd < 0)
			return fd;
		close(fd);
	}
	return 0;
}

static int add_share(struct cli_printer *p, struct crew *c, const Pb__NodeShare *s)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->n_ranks; i++) {
		if (s->ranks[i] >= c->ranks || c->node_of[s->ranks[i]])
			continue;
		c->node_of[s->ranks[i]] = strdup(s->name);
		if (p->output == CLI_OUTPUT_DIR)
			rc = empty_files(p, c->job, s->ranks[i]);
	}
	return rc;
}

int cli_printer_placement(struct cli_printer *p, uint64_t job, const Pb__Placement *placement)
{
	struct crew *c = calloc(1, sizeof *c);

	if (!c || !(c->node_of = calloc((size_t)placement->ranks + 1, sizeof *c->node_of))) {
		free(c);
		return -ENOMEM;
	}
	drop_crew(p, job);
	c->job = job;
	c->ranks = placement->ranks;
	c->next = p->crews;
	p->crews = c;
	for (size_t i = 0; p->err == 0 && i < placement->n_nodes; i++)
		p->err = add_share(p, c, placement->nodes[i]);
	return p->err;
}
