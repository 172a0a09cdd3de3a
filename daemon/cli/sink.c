/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include <uthash.h>
#include <utlist.h>

#include "daemon/cli/sink.h"

/* One thing for the thread to do, and the note of it for the loop. */
struct job {
	Pb__Output *output;	  /* or */
	Pb__Placement *placement; /* or */
	bool finish;
	uint64_t job; /* of a placement */
	struct job *prev, *next;
};

/* What of a node's output is out; told once for many messages. */
struct out {
	struct {
		uint64_t job, node;
	} key;
	uint64_t seq, told;
	UT_hash_handle hh;
};

struct cli_sink {
	pthread_t thread;
	pthread_mutex_t lock; /* guards the four below */
	pthread_cond_t more;
	struct job *todo, *done;
	int code; /* first failure, of the printer mostly */
	bool stop;

	uv_async_t wake;
	struct cli_printer *printer; /* the thread's */
	const struct cli_sink_ops *ops;
	void *arg;
	struct out *outs;
	struct job last; /* the one that must not fail */
	bool told;	 /* of the failure */
};

static void free_job(struct job *j)
{
	dvmi_pb_free(j->output);
	dvmi_pb_free(j->placement);
	if (!j->finish)
		free(j);
}

static int print_output(struct cli_printer *p, const Pb__Output *o)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < o->n_chunks; i++)
		rc = cli_printer_chunk(p, o->job, o->chunks[i]);
	return rc;
}

static int print(struct cli_printer *p, const struct job *j)
{
	if (j->output)
		return print_output(p, j->output);
	if (j->placement)
		return cli_printer_placement(p, j->job, j->placement);
	return j->finish ? cli_printer_finish(p) : 0;
}

/* Everything that waits, then one flush; only then are the senders told. */
static int print_all(struct cli_sink *s, struct job *list)
{
	struct job *j;
	int rc = 0;

	DL_FOREACH (list, j) {
		if (rc == 0)
			rc = print(s->printer, j);
	}
	return rc == 0 ? cli_printer_flush(s->printer) : rc;
}

static void *run(void *arg)
{
	struct cli_sink *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		struct job *list = s->todo;

		if (!list) {
			pthread_cond_wait(&s->more, &s->lock);
			continue;
		}
		s->todo = NULL;
		pthread_mutex_unlock(&s->lock);
		int rc = print_all(s, list);
		pthread_mutex_lock(&s->lock);
		if (rc < 0 && !s->code)
			s->code = rc;
		DL_CONCAT(s->done, list);
		uv_async_send(&s->wake);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void note_out(struct cli_sink *s, const struct job *j)
{
	struct out *o, new = { .key = { j->output->job, j->output->node } };

	HASH_FIND(hh, s->outs, &new.key, sizeof new.key, o);
	if (!o) {
		o = calloc(1, sizeof *o);
		if (!o)
			return; /* not acknowledged now, but with the next one */
		o->key = new.key;
		HASH_ADD(hh, s->outs, key, sizeof o->key, o);
	}
	if (j->output->seq > o->seq)
		o->seq = j->output->seq;
}

static void tell_outs(struct cli_sink *s)
{
	struct out *o, *next;

	HASH_ITER (hh, s->outs, o, next) {
		if (o->told < o->seq)
			s->ops->printed(o->key.job, (uint32_t)o->key.node, o->seq, s->arg);
		o->told = o->seq;
	}
}

static void on_wake(uv_async_t *h)
{
	struct cli_sink *s = h->data;
	struct job *list, *j, *next;
	bool finished = false;

	pthread_mutex_lock(&s->lock);
	list = s->done;
	s->done = NULL;
	int code = s->code;
	pthread_mutex_unlock(&s->lock);
	if (code && !s->told) {
		s->told = true;
		s->ops->failed(code, s->arg);
	}
	DL_FOREACH_SAFE (list, j, next) {
		finished |= j->finish;
		if (j->output)
			note_out(s, j);
		free_job(j);
	}
	tell_outs(s);
	if (finished)
		s->ops->finished(s->arg);
}

/* Signals are for the loop's thread alone. */
static int start_thread(struct cli_sink *s)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -rc;
}

static void on_freed(uv_handle_t *h)
{
	free(h->data);
}

int cli_sink_open(struct cli_sink **out, uv_loop_t *loop, struct cli_printer *printer,
		  const struct cli_sink_ops *ops, void *arg)
{
	struct cli_sink *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	int rc = uv_async_init(loop, &s->wake, on_wake);
	if (rc < 0) {
		free(s);
		return rc;
	}
	s->wake.data = s;
	s->printer = printer;
	s->ops = ops;
	s->arg = arg;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->more, NULL);
	rc = start_thread(s);
	if (rc < 0) {
		uv_close((uv_handle_t *)&s->wake, on_freed);
		return rc;
	}
	*out = s;
	return 0;
}

static void append(struct cli_sink *s, struct job *j)
{
	pthread_mutex_lock(&s->lock);
	DL_APPEND(s->todo, j);
	pthread_cond_signal(&s->more);
	pthread_mutex_unlock(&s->lock);
}

/* Takes what JOB holds, also where there is no memory to queue it: then printing has failed. */
static void push(struct cli_sink *s, struct job job)
{
	struct job *j = malloc(sizeof *j);

	if (j) {
		*j = job;
		append(s, j);
		return;
	}
	dvmi_pb_free(job.output);
	dvmi_pb_free(job.placement);
	pthread_mutex_lock(&s->lock);
	s->code = s->code ? s->code : -ENOMEM;
	pthread_mutex_unlock(&s->lock);
	uv_async_send(&s->wake);
}

void cli_sink_push(struct cli_sink *s, Pb__Output *output)
{
	push(s, (struct job){ .output = output });
}

void cli_sink_placement(struct cli_sink *s, uint64_t job, Pb__Placement *placement)
{
	push(s, (struct job){ .job = job, .placement = placement });
}

void cli_sink_finish(struct cli_sink *s)
{
	s->last.finish = true;
	append(s, &s->last);
}

void cli_sink_destroy(struct cli_sink *s)
{
	struct job *j, *next;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->more);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	DL_FOREACH_SAFE (s->todo, j, next)
		free_job(j);
	DL_FOREACH_SAFE (s->done, j, next)
		free_job(j);
	struct out *o, *o_next;
	HASH_ITER (hh, s->outs, o, o_next) {
		HASH_DEL(s->outs, o);
		free(o);
	}
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->more);
	uv_close((uv_handle_t *)&s->wake, on_freed);
}
