/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"
#include "libdvm/base/hostlist.h"

/* Digits of a number in a bracket or in a name that is folded: always fits an unsigned. */
#define DIGITS_MAX 9

static void truncate_to(struct dvmi_hostlist *list, size_t n)
{
	while (list->n > n)
		free(list->names[--list->n]);
}

void dvmi_hostlist_free(struct dvmi_hostlist *list)
{
	truncate_to(list, 0);
	free(list->names);
	*list = (struct dvmi_hostlist){ 0 };
}

static int append(struct dvmi_hostlist *list, const char *name, size_t len)
{
	if (len == 0 || len > DVMI_HOSTLIST_NAME_MAX)
		return -EINVAL;
	if (list->n >= DVMI_HOSTLIST_NAMES_MAX)
		return -E2BIG;
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 8;
		char **names = reallocarray(list->names, cap, sizeof *names);
		if (!names)
			return -ENOMEM;
		list->names = names;
		list->cap = cap;
	}
	char *copy = strndup(name, len);
	if (!copy)
		return -ENOMEM;
	list->names[list->n++] = copy;
	return 0;
}

int dvmi_hostlist_add(struct dvmi_hostlist *list, const char *name)
{
	return append(list, name, strlen(name));
}

/* Expansion of one item: the name as far as it is fixed, and where to put what comes out. */
struct expansion {
	struct dvmi_hostlist *list;
	char name[DVMI_HOSTLIST_NAME_MAX + 1];
};

static int expand(struct expansion *x, size_t len, const char *p, const char *end);

struct span {
	unsigned lo, hi;
	int width; /* digits to pad to; 0 where the text has no leading zero */
};

static int parse_number(const char **p, const char *end, unsigned *v, int *digits)
{
	unsigned n = 0;
	int d = 0;

	for (; *p < end && isdigit((unsigned char)**p); ++*p) {
		if (++d > DIGITS_MAX)
			return -EINVAL;
		n = n * 10 + (unsigned)(**p - '0');
	}
	*v = n;
	*digits = d;
	return d ? 0 : -EINVAL;
}

/* "7", "1-3" or "08-11" at *P. Leading zeros demand that both ends have the same width. */
static int parse_span(const char **p, const char *end, struct span *s)
{
	const char *first = *p;
	int digits, last;

	if (parse_number(p, end, &s->lo, &digits) < 0)
		return -EINVAL;
	s->hi = s->lo;
	s->width = *first == '0' && digits > 1 ? digits : 0;
	if (*p == end || **p != '-')
		return 0;
	++*p;
	if (parse_number(p, end, &s->hi, &last) < 0 || s->hi < s->lo)
		return -EINVAL;
	if (s->width && last != digits)
		return -EINVAL;
	/* "[0-010]" names nothing that could be meant. */
	return (*p)[-last] == '0' && last > 1 && !s->width ? -EINVAL : 0;
}

static int expand_span(struct expansion *x, size_t len, const struct span *s, const char *p,
		       const char *end)
{
	if (s->hi - s->lo >= DVMI_HOSTLIST_NAMES_MAX)
		return -E2BIG;
	for (unsigned v = s->lo; v <= s->hi; v++) {
		size_t room = sizeof x->name - len;
		int n = snprintf(x->name + len, room, "%0*u", s->width, v);
		if ((size_t)n >= room)
			return -EINVAL;
		int rc = expand(x, len + (size_t)n, p, end);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* P is behind '[': every number inside, each followed by what is behind the ']'. */
static int expand_bracket(struct expansion *x, size_t len, const char *p, const char *end)
{
	const char *close = memchr(p, ']', (size_t)(end - p));

	if (!close)
		return -EINVAL;
	for (;;) {
		struct span s;
		int rc = parse_span(&p, close, &s);
		if (rc == 0)
			rc = expand_span(x, len, &s, close + 1, end);
		if (rc < 0 || p == close)
			return rc;
		if (*p++ != ',')
			return -EINVAL;
	}
}

static bool name_char(unsigned char c)
{
	return c > ' ' && c != 0x7f && c != ']' && c != ',';
}

static int expand(struct expansion *x, size_t len, const char *p, const char *end)
{
	for (; p < end && *p != '['; p++) {
		if (!name_char((unsigned char)*p) || len >= DVMI_HOSTLIST_NAME_MAX)
			return -EINVAL;
		x->name[len++] = *p;
	}
	return p < end ? expand_bracket(x, len, p + 1, end) : append(x->list, x->name, len);
}

/* End of the item that starts at P: a comma outside brackets, or the end of the text. */
static const char *item_end(const char *p)
{
	bool inside = false;

	for (; *p && (inside || *p != ','); p++)
		if (*p == '[' || *p == ']')
			inside = *p == '[';
	return p;
}

static int item_error(dvm_error_t *err, int code, const char *p, const char *end)
{
	int len = end - p > 64 ? 64 : (int)(end - p);

	if (code == -E2BIG)
		return dvmi_error_set(err, code, "\"%.*s\": more than %d names", len, p,
				      DVMI_HOSTLIST_NAMES_MAX);
	if (code == -EINVAL && len == 0)
		return dvmi_error_set(err, code, "an empty name in a list of nodes");
	return dvmi_error_code(err, code, "\"%.*s\" in a list of nodes", len, p);
}

int dvmi_hostlist_parse(struct dvmi_hostlist *list, const char *text, dvm_error_t *err)
{
	struct expansion x = { .list = list };
	size_t before = list->n;

	if (strnlen(text, DVMI_HOSTLIST_TEXT_MAX + 1) > DVMI_HOSTLIST_TEXT_MAX)
		return dvmi_error_set(err, -E2BIG, "a list of nodes longer than %d bytes",
				      DVMI_HOSTLIST_TEXT_MAX);
	for (const char *p = text, *end;; p = end + 1) {
		end = item_end(p);
		int rc = expand(&x, 0, p, end);
		if (rc < 0) {
			truncate_to(list, before);
			return item_error(err, rc, p, end);
		}
		if (!*end)
			return (int)(list->n - before);
	}
}

/* A name cut at its last number. */
struct part {
	const char *name;
	size_t prefix; /* bytes before the digits */
	size_t digits; /* 0: the name has no number */
	unsigned number;
	const char *suffix;
};

static struct part cut(const char *name)
{
	size_t end = strlen(name), start;
	struct part p = { .name = name };

	while (end && !isdigit((unsigned char)name[end - 1]))
		end--;
	for (start = end; start && isdigit((unsigned char)name[start - 1]);)
		start--;
	if (end == start || end - start > DIGITS_MAX) {
		p.prefix = strlen(name);
		p.suffix = name + p.prefix;
		return p;
	}
	p.prefix = start;
	p.digits = end - start;
	p.number = (unsigned)strtoul(name + start, NULL, 10);
	p.suffix = name + end;
	return p;
}

static int compare_stem(const struct part *a, const struct part *b)
{
	size_t n = a->prefix < b->prefix ? a->prefix : b->prefix;
	int c = memcmp(a->name, b->name, n);

	if (c == 0)
		c = (a->prefix > b->prefix) - (a->prefix < b->prefix);
	if (c == 0)
		c = strcmp(a->suffix, b->suffix);
	return c ? c : (a->digits != 0) - (b->digits != 0);
}

static int compare(const void *va, const void *vb)
{
	const struct part *a = va, *b = vb;
	int c = compare_stem(a, b);

	if (c == 0)
		c = (a->number > b->number) - (a->number < b->number);
	return c ? c : (a->digits > b->digits) - (a->digits < b->digits);
}

/* Whether B is the name that follows A when A's number is counted up with its leading zeros. */
static bool follows(const struct part *a, const struct part *b)
{
	char next[DIGITS_MAX + 2];
	bool padded = a->digits > 1 && a->name[a->prefix] == '0';

	int n = snprintf(next, sizeof next, "%0*u", padded ? (int)a->digits : 0, a->number + 1);
	return b->number == a->number + 1 && b->digits == (size_t)n;
}

static void put_digits(struct dvmi_buf *out, const struct part *p)
{
	dvmi_buf_put(out, p->name + p->prefix, p->digits);
}

/* The ranges of N parts of one stem. */
static void fold_numbers(const struct part *p, size_t n, struct dvmi_buf *out)
{
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && follows(&p[j - 1], &p[j]);)
			j++;
		if (i)
			dvmi_buf_put(out, ",", 1);
		put_digits(out, &p[i]);
		if (j - i > 1) {
			dvmi_buf_put(out, "-", 1);
			put_digits(out, &p[j - 1]);
		}
	}
}

static void fold_stem(const struct part *p, size_t n, struct dvmi_buf *out)
{
	if (n == 1) {
		dvmi_buf_put(out, p->name, strlen(p->name));
		return;
	}
	dvmi_buf_put(out, p->name, p->prefix);
	dvmi_buf_put(out, "[", 1);
	fold_numbers(p, n, out);
	dvmi_buf_put(out, "]", 1);
	dvmi_buf_put(out, p->suffix, strlen(p->suffix));
}

static size_t drop_repeated(struct part *p, size_t n)
{
	size_t out = 0;

	for (size_t i = 0; i < n; i++)
		if (out == 0 || compare(&p[out - 1], &p[i]) != 0)
			p[out++] = p[i];
	return out;
}

int dvmi_hostlist_fold(const char *const *names, size_t n, struct dvmi_buf *out)
{
	cleanup_free struct part *p = calloc(n ? n : 1, sizeof *p);

	if (!p)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		p[i] = cut(names[i]);
	qsort(p, n, sizeof *p, compare);
	n = drop_repeated(p, n);
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && compare_stem(&p[i], &p[j]) == 0;)
			j++;
		if (i)
			dvmi_buf_put(out, ",", 1);
		fold_stem(&p[i], j - i, out);
	}
	return out->err;
}
