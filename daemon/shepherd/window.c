/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/shepherd/window.h"

int shep_window_put(struct shep_window *w, const void *body, size_t len)
{
	struct shep_window_msg *m = malloc(sizeof *m + len);

	if (!m)
		return -ENOMEM;
	*m = (struct shep_window_msg){ .seq = w->last + 1, .len = len };
	memcpy(m->body, body, len);
	if (!w->first)
		w->end = &w->first;
	*w->end = m;
	w->end = &m->next;
	if (!w->unsent)
		w->unsent = m;
	w->last++;
	w->bytes += len;
	return 0;
}

const struct shep_window_msg *shep_window_next(struct shep_window *w)
{
	struct shep_window_msg *m = w->unsent;

	if (m)
		w->unsent = m->next;
	return m;
}

static void drop_first(struct shep_window *w)
{
	struct shep_window_msg *m = w->first;

	if (w->unsent == m)
		w->unsent = m->next;
	w->first = m->next;
	w->bytes -= m->len;
	free(m);
}

void shep_window_ack(struct shep_window *w, uint64_t seq)
{
	while (w->first && w->first->seq <= seq && seq <= w->last)
		drop_first(w);
}

void shep_window_drop(struct shep_window *w)
{
	while (w->first)
		drop_first(w);
}

void shep_window_rewind(struct shep_window *w)
{
	w->unsent = w->first;
}

void shep_window_free(struct shep_window *w)
{
	shep_window_drop(w);
}
