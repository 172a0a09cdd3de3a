/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/shepherd/lines.h"
#include "daemon/shepherd/output.h"
#include "daemon/shepherd/window.h"
#include "daemon/spool.h"
#include "libdvm/base/clock.h"

#define READ_BYTES    (64u << 10)
#define MESSAGE_BYTES (256u << 10) /* a message is closed when it holds this much */
#define PARTIAL_MS    100	   /* an unfinished line leaves after this time */

struct stream {
	uv_pipe_t pipe;
	struct shep_output *o;
	struct shep_lines lines;
	uint32_t rank, stream;
	bool open;
	bool reading;
};

/* A chunk whose data lies in the message's buffer: the buffer may still move. */
struct piece {
	uint32_t rank, stream;
	bool partial;
	size_t at, len;
};

enum client {
	NOBODY,	   /* listens: the spool alone has it */
	LATE,	   /* was dropped from; goes on when it has acknowledged what tells it so */
	LISTENING, /* the only state of a job that is not detached */
};

struct shep_output {
	struct shep_output_config c;
	enum client client;
	struct stream *streams;
	size_t n, open;
	int handles;
	struct dvmd_spool *spool;
	struct shep_window window;
	struct dvmi_buf data;	/* of the message in the making */
	struct dvmi_buf pieces; /* struct piece[] */
	uv_timer_t partial;
	uv_timer_t patience; /* detached: for a client that does not take what is there */
	bool unlimited;
	bool blocked;
	bool destroyed;
	char read_buf[READ_BYTES];
};

static void free_output(struct shep_output *o)
{
	for (size_t i = 0; i < o->n; i++)
		shep_lines_free(&o->streams[i].lines);
	dvmd_spool_close(o->spool);
	shep_window_free(&o->window);
	dvmi_buf_free(&o->data);
	dvmi_buf_free(&o->pieces);
	free(o->streams);
	free(o);
}

static void on_freed(uv_handle_t *h)
{
	struct shep_output *o = h->type == UV_TIMER ? h->data : ((struct stream *)h->data)->o;

	if (--o->handles == 0 && o->destroyed)
		free_output(o);
}

/* ---- lines → spool and message ---- */

static void keep_in_spool(struct shep_output *o, const Pb__Chunk *chunk)
{
	int rc = o->spool ? dvmd_spool_append(o->spool, chunk) : 0;

	if (rc == -EFBIG)
		o->c.note("output is kept up to its bound only: `dvm logs` will end early",
			  o->c.arg);
	else if (rc < 0)
		o->c.note("output cannot be kept: `dvm logs` will end early", o->c.arg);
}

static void add_piece(struct shep_output *o, const struct stream *s, const uint8_t *p, size_t n,
		      bool partial)
{
	struct piece piece = { .rank = s->rank,
			       .stream = s->stream,
			       .partial = partial,
			       .at = o->data.len,
			       .len = n };

	dvmi_buf_put(&o->data, p, n);
	dvmi_buf_put(&o->pieces, &piece, sizeof piece);
	if (o->data.len >= MESSAGE_BYTES)
		shep_output_flush(o);
}

static void on_lines(const uint8_t *p, size_t n, bool partial, void *arg)
{
	struct stream *s = arg;
	Pb__Chunk chunk = PB__CHUNK__INIT;

	chunk.rank = s->rank;
	chunk.stream = s->stream;
	chunk.data = (ProtobufCBinaryData){ .len = n, .data = (uint8_t *)p };
	chunk.partial = partial;
	chunk.wall = dvmi_clock_wall();
	keep_in_spool(s->o, &chunk);
	if (s->o->client == LISTENING)
		add_piece(s->o, s, p, n, partial);
}

/* ---- messages ---- */

static void fill_chunks(const struct shep_output *o, Pb__Chunk *chunks, Pb__Chunk **list, size_t n)
{
	const struct piece *piece = (const struct piece *)o->pieces.data;
	uint64_t wall = dvmi_clock_wall();

	for (size_t i = 0; i < n; i++) {
		pb__chunk__init(&chunks[i]);
		chunks[i].rank = piece[i].rank;
		chunks[i].stream = piece[i].stream;
		chunks[i].partial = piece[i].partial;
		chunks[i].wall = wall;
		chunks[i].data = (ProtobufCBinaryData){ .len = piece[i].len,
							.data = o->data.data + piece[i].at };
		list[i] = &chunks[i];
	}
}

static int put_message(struct shep_output *o, Pb__Chunk **list, size_t n, bool begin)
{
	Pb__Output out = PB__OUTPUT__INIT;
	struct dvmi_buf b = { 0 };

	out.job = o->c.job;
	out.node = o->c.node;
	out.seq = o->window.last + 1;
	out.n_chunks = n;
	out.chunks = list;
	out.begin = begin;
	dvmi_pb_pack(&b, &out);
	int rc = b.err ? b.err : shep_window_put(&o->window, b.data, b.len);
	dvmi_buf_free(&b);
	return rc;
}

/* Without memory it stays as it is, and is tried again on the next turn. */
static void make_message(struct shep_output *o)
{
	size_t n = o->pieces.len / sizeof(struct piece);
	Pb__Chunk *chunks = calloc(n, sizeof *chunks), **list = calloc(n, sizeof *list);

	if (chunks && list) {
		fill_chunks(o, chunks, list, n);
		if (put_message(o, list, n, false) == 0) {
			dvmi_buf_free(&o->data);
			dvmi_buf_free(&o->pieces);
		}
	}
	free(chunks);
	free(list);
}

static void send_unsent(struct shep_output *o)
{
	const struct shep_window_msg *m;

	while ((m = o->window.unsent) && o->c.send(m->body, m->len, o->c.arg) >= 0)
		shep_window_next(&o->window);
}

/* ---- who listens to a detached job ---- */

static void drop_all(struct shep_output *o)
{
	shep_window_drop(&o->window);
	dvmi_buf_free(&o->data);
	dvmi_buf_free(&o->pieces);
}

/* Out of memory: nobody listens, until it is asked for again. */
static void begin(struct shep_output *o, enum client client)
{
	drop_all(o);
	o->client = put_message(o, NULL, 0, true) == 0 ? client : NOBODY;
	send_unsent(o);
}

static void set_reading(struct shep_output *o, bool on);

static void on_impatient(uv_timer_t *h)
{
	struct shep_output *o = h->data;

	begin(o, LATE);
	set_reading(o, true);
}

static void be_patient(struct shep_output *o)
{
	if (o->c.detached && o->blocked)
		uv_timer_start(&o->patience, on_impatient, SHEP_OUTPUT_PATIENCE, 0);
}

/* ---- pipes ---- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct stream *s = h->data;

	*buf = uv_buf_init(s->o->read_buf, READ_BYTES);
}

static void start_partial_timer(struct shep_output *o);

static void on_partial(uv_timer_t *h)
{
	struct shep_output *o = h->data;
	uint64_t deadline = dvmi_clock_mono() - PARTIAL_MS * DVMI_MSEC;
	bool waiting = false;

	for (size_t i = 0; i < o->n; i++)
		waiting |=
			shep_lines_expire(&o->streams[i].lines, deadline, on_lines, &o->streams[i]);
	if (waiting)
		start_partial_timer(o);
}

static void start_partial_timer(struct shep_output *o)
{
	if (!uv_is_active((uv_handle_t *)&o->partial))
		uv_timer_start(&o->partial, on_partial, PARTIAL_MS, 0);
}

static void end_stream(struct stream *s)
{
	struct shep_output *o = s->o;

	if (!s->open)
		return;
	shep_lines_flush(&s->lines, on_lines, s);
	s->open = s->reading = false;
	o->open--;
	uv_close((uv_handle_t *)&s->pipe, on_freed);
	if (o->open == 0)
		o->c.ended(o->c.arg);
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *buf)
{
	struct stream *s = h->data;
	struct shep_output *o = s->o;

	if (n < 0) {
		end_stream(s);
		return;
	}
	if (n == 0)
		return;
	shep_lines_feed(&s->lines, buf->base, (size_t)n, dvmi_clock_mono(), on_lines, s);
	if (s->lines.len > 0)
		start_partial_timer(o);
	if (!o->unlimited && o->window.bytes + o->data.len >= o->window.limit) {
		set_reading(o, false);
		be_patient(o);
	}
}

static void set_reading(struct shep_output *o, bool on)
{
	o->blocked = !on;
	if (on)
		uv_timer_stop(&o->patience);
	for (size_t i = 0; i < o->n; i++) {
		struct stream *s = &o->streams[i];
		if (!s->open || s->reading == on)
			continue;
		s->reading = on;
		if (on)
			uv_read_start((uv_stream_t *)&s->pipe, on_alloc, on_read);
		else
			uv_read_stop((uv_stream_t *)&s->pipe);
	}
}

/* ---- face ---- */

int shep_output_create(struct shep_output **out, const struct shep_output_config *config)
{
	struct shep_output *o = calloc(1, sizeof *o);

	if (!o)
		return -ENOMEM;
	o->c = *config;
	o->client = config->detached ? NOBODY : LISTENING;
	o->window.limit = SHEP_OUTPUT_WINDOW;
	o->streams = calloc(config->streams + 1, sizeof *o->streams);
	if (!o->streams) {
		free(o);
		return -ENOMEM;
	}
	uv_timer_init(config->loop, &o->partial);
	uv_timer_init(config->loop, &o->patience);
	o->partial.data = o->patience.data = o;
	o->handles = 2;
	if (config->spool_dir >= 0 &&
	    dvmd_spool_create(&o->spool, config->spool_dir, "output", config->spool_bound) < 0)
		o->c.note("output cannot be kept: `dvm logs` will show none", o->c.arg);
	*out = o;
	return 0;
}

int shep_output_add(struct shep_output *o, uint32_t rank, uint32_t stream, int fd)
{
	struct stream *s = &o->streams[o->n];
	int rc = o->n < o->c.streams ? uv_pipe_init(o->c.loop, &s->pipe, 0) : -ENOSPC;

	if (rc < 0) {
		close(fd);
		return rc;
	}
	o->n++;
	o->handles++;
	*s = (struct stream){ .pipe = s->pipe, .o = o, .rank = rank, .stream = stream };
	s->pipe.data = s;
	rc = uv_pipe_open(&s->pipe, fd);
	if (rc < 0) {
		close(fd);
		uv_close((uv_handle_t *)&s->pipe, on_freed);
		return rc;
	}
	s->open = true;
	o->open++;
	if (!o->blocked) {
		s->reading = true;
		uv_read_start((uv_stream_t *)&s->pipe, on_alloc, on_read);
	}
	return 0;
}

void shep_output_flush(struct shep_output *o)
{
	if (o->pieces.len)
		make_message(o);
	send_unsent(o);
}

void shep_output_ack(struct shep_output *o, uint64_t seq, bool again)
{
	size_t before = o->window.bytes;

	shep_window_ack(&o->window, seq);
	if (o->client == NOBODY && again)
		begin(o, LISTENING);
	else if (again)
		shep_output_resend(o);
	if (o->client == LATE && shep_window_empty(&o->window))
		o->client = LISTENING;
	if (o->blocked && !shep_window_full(&o->window))
		set_reading(o, true);
	else if (o->window.bytes < before)
		be_patient(o);
}

void shep_output_forget(struct shep_output *o)
{
	if (!o->c.detached)
		return;
	drop_all(o);
	o->client = NOBODY;
	if (o->blocked)
		set_reading(o, true);
}

void shep_output_resend(struct shep_output *o)
{
	shep_window_rewind(&o->window);
	send_unsent(o);
}

void shep_output_ignore_window(struct shep_output *o)
{
	o->unlimited = true;
	if (o->blocked)
		set_reading(o, true);
}

void shep_output_close_streams(struct shep_output *o)
{
	for (size_t i = 0; i < o->n; i++)
		end_stream(&o->streams[i]);
}

size_t shep_output_open(const struct shep_output *o)
{
	return o->open;
}

bool shep_output_blocked(const struct shep_output *o)
{
	return o->blocked;
}

bool shep_output_acked(const struct shep_output *o)
{
	return o->client != LISTENING || (shep_window_empty(&o->window) && o->pieces.len == 0);
}

uint64_t shep_output_seq(const struct shep_output *o)
{
	return o->client == NOBODY ? 0 : o->window.last;
}

void shep_output_destroy(struct shep_output *o)
{
	if (!o || o->destroyed)
		return;
	o->destroyed = true;
	for (size_t i = 0; i < o->n; i++)
		if (o->streams[i].open)
			uv_close((uv_handle_t *)&o->streams[i].pipe, on_freed);
	uv_close((uv_handle_t *)&o->partial, on_freed);
	uv_close((uv_handle_t *)&o->patience, on_freed);
}
