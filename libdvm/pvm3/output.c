/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pvm_catchout(): what children print, line by line, behind the id of who has printed it. It comes
 * in messages of a context of its own: an id, and a length with text, or what has happened.
 */
#include <stdlib.h>
#include <string.h>

#include "libdvm/pvm3/code.h"
#include "libdvm/pvm3/state.h"

/* A child that prints, and what it has left of a line. */
struct source {
	int tid;
	struct dvmi_buf line;
	struct source *next;
};

static struct source *sources;
static FILE *sink;

static struct source *source_of(int tid)
{
	struct source *s = sources;

	while (s && s->tid != tid)
		s = s->next;
	if (s)
		return s;
	s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->tid = tid;
	s->next = sources;
	return sources = s;
}

static void say(const struct source *s, const char *text, size_t n)
{
	if (!sink)
		return;
	if (pvmi.show_tids)
		fprintf(sink, "[t%x] ", (unsigned)s->tid);
	fprintf(sink, "%.*s\n", (int)n, text);
	fflush(sink);
}

static void mark(const struct source *s, const char *word)
{
	if (pvmi.show_tids)
		say(s, word, strlen(word));
}

static void take_text(struct source *s, const char *text, size_t n)
{
	char *end;

	dvmi_buf_put(&s->line, text, n);
	while (s->line.len && (end = memchr(s->line.data, '\n', s->line.len))) {
		size_t len = (size_t)(end - (char *)s->line.data);
		say(s, (const char *)s->line.data, len);
		dvmi_buf_consume(&s->line, len + 1);
	}
}

static void end_source(struct source *s)
{
	struct source **p = &sources;

	if (s->line.len)
		say(s, (const char *)s->line.data, s->line.len);
	mark(s, "EOF");
	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	dvmi_buf_free(&s->line);
	free(s);
}

static void take_output(struct pvmi_msg *m)
{
	int tid = 0, n = 0;

	pvmi_msg_unpacking(m);
	if (pvmi_unpack(m, PVM_INT, &tid, 1, 1) < 0 || pvmi_unpack(m, PVM_INT, &n, 1, 1) < 0)
		return;
	struct source *s = source_of(tid);
	if (!s)
		return;
	if (n == TO_NEW)
		mark(s, "BEGIN");
	else if (n == TO_EOF)
		end_source(s);
	else if (n > 0 && (size_t)n <= pvmi_msg_left(m))
		take_text(s, (const char *)pvmi_blob_data(m->blob) + m->at, (size_t)n);
}

bool pvmi_output_take(struct pvmi_msg *m)
{
	if (m->ctx != SYSCTX_TC || m->tag != TC_OUTPUT)
		return false;
	take_output(m);
	pvmi_msg_free(m);
	return true;
}

/* Only while there is somebody who passes it on. */
void pvmi_output_finish(void)
{
	struct dvmi_wait w = { 0 };

	while (sources && pvmi.fd >= 0)
		pvmi_wait(&w);
	sink = NULL;
}

int pvm_catchout(FILE *to)
{
	int rc = pvmi_enrol();

	if (rc < 0)
		return pvmi_result("pvm_catchout", rc);
	if (to) {
		sink = to;
		pvmi.out = (struct pvmi_where){ pvmi.tid, SYSCTX_TC, TC_OUTPUT };
	} else {
		pvmi.out = (struct pvmi_where){ 0 };
	}
	return 0;
}
