/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "daemon/shepherd/lines.h"

void shep_lines_free(struct shep_lines *l)
{
	free(l->tail);
	*l = (struct shep_lines){ 0 };
}

/* Room for N bytes in all; N is at most SHEP_LINE_MAX. */
static bool reserve(struct shep_lines *l, size_t n)
{
	size_t cap = l->cap ? l->cap : 128;

	if (n <= l->cap)
		return true;
	while (cap < n)
		cap *= 2;
	uint8_t *tail = realloc(l->tail, cap);
	if (!tail)
		return false;
	l->tail = tail;
	l->cap = cap;
	return true;
}

/* Adds to the tail; what does not fit in leaves as partial. */
static void keep(struct shep_lines *l, const uint8_t *p, size_t n, uint64_t now,
		 shep_lines_fn *emit, void *arg)
{
	while (n > 0) {
		size_t room = SHEP_LINE_MAX - l->len, take = n < room ? n : room;
		if (!reserve(l, l->len + take)) {
			shep_lines_flush(l, emit, arg);
			emit(p, n, true, arg);
			return;
		}
		if (l->len == 0)
			l->since = now;
		memcpy(l->tail + l->len, p, take);
		l->len += take;
		p += take;
		n -= take;
		if (l->len == SHEP_LINE_MAX)
			shep_lines_flush(l, emit, arg);
	}
}

/* Completes the kept line with the N bytes up to its newline. */
static void complete(struct shep_lines *l, const uint8_t *p, size_t n, uint64_t now,
		     shep_lines_fn *emit, void *arg)
{
	if (l->len + n > SHEP_LINE_MAX || !reserve(l, l->len + n)) {
		shep_lines_flush(l, emit, arg);
		emit(p, n, false, arg);
		return;
	}
	memcpy(l->tail + l->len, p, n);
	emit(l->tail, l->len + n, false, arg);
	l->len = 0;
}

void shep_lines_feed(struct shep_lines *l, const void *data, size_t n, uint64_t now,
		     shep_lines_fn *emit, void *arg)
{
	const uint8_t *p = data, *last = memrchr(p, '\n', n);

	if (last && l->len > 0) {
		const uint8_t *first = memchr(p, '\n', n);
		size_t line = (size_t)(first - p) + 1;
		complete(l, p, line, now, emit, arg);
		p += line;
		n -= line;
	}
	if (last && last >= p) {
		size_t whole = (size_t)(last - p) + 1;
		emit(p, whole, false, arg);
		p += whole;
		n -= whole;
	}
	if (n > 0)
		keep(l, p, n, now, emit, arg);
	else if (l->len == 0)
		shep_lines_free(l);
}

void shep_lines_flush(struct shep_lines *l, shep_lines_fn *emit, void *arg)
{
	if (l->len > 0)
		emit(l->tail, l->len, true, arg);
	shep_lines_free(l);
}

bool shep_lines_expire(struct shep_lines *l, uint64_t deadline, shep_lines_fn *emit, void *arg)
{
	if (l->len > 0 && l->since <= deadline)
		shep_lines_flush(l, emit, arg);
	return l->len > 0;
}
