/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "libdvm/base/clock.h"
#include "libdvm/base/text.h"

#define WORD_MAX 64 /* longer words are near to nothing */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

unsigned dvmi_text_distance(const char *a, const char *b, unsigned cap)
{
	size_t n = strnlen(a, WORD_MAX + 1), m = strnlen(b, WORD_MAX + 1);
	/* Row i holds the distances of the first i characters of A to all beginnings of B. */
	unsigned rows[3][WORD_MAX + 1], *before = rows[0], *prev = rows[1], *row = rows[2];

	if (n > WORD_MAX || m > WORD_MAX)
		return cap;
	for (size_t j = 0; j <= m; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *t = before;
		before = prev;
		prev = row;
		row = t;
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			char x = lower(a[i - 1]), y = lower(b[j - 1]);
			row[j] = min3(prev[j] + 1, row[j - 1] + 1, prev[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2]) &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
	}
	return row[m] < cap ? row[m] : cap;
}

/* The one word that begins with WORD, or NULL. */
static const char *only_completion(const char *word, const char *const *words, size_t n)
{
	const char *found = NULL;
	size_t len = strlen(word);

	if (len < 2)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (!words[i] || strncasecmp(word, words[i], len))
			continue;
		if (found)
			return NULL;
		found = words[i];
	}
	return found;
}

const char *dvmi_text_nearest(const char *word, const char *const *words, size_t n)
{
	unsigned best = (unsigned)(strnlen(word, WORD_MAX) + 1) / 3 + 1;
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		unsigned d = words[i] ? dvmi_text_distance(word, words[i], best) : best;
		if (d < best) {
			best = d;
			found = words[i];
		}
	}
	return found ? found : only_completion(word, words, n);
}

/* Reads digits, at least one. */
static int take_number(const char **s, uint64_t *out)
{
	uint64_t v = 0;

	if (!is_digit(**s))
		return -EINVAL;
	for (; is_digit(**s); (*s)++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(**s - '0'), &v))
			return -ERANGE;
	}
	*out = v;
	return 0;
}

int dvmi_text_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t v;
	int rc = take_number(&s, &v);

	if (rc < 0)
		return rc;
	if (*s)
		return -EINVAL;
	if (v < min || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

/* A number that may have a fraction, in billionths of one. */
struct decimal {
	uint64_t whole;
	uint32_t billionths;
	bool fraction;
};

static int take_decimal(const char **s, struct decimal *d)
{
	int rc = take_number(s, &d->whole);

	d->billionths = 0;
	d->fraction = **s == '.';
	if (rc < 0 || !d->fraction)
		return rc;
	(*s)++;
	if (!is_digit(**s))
		return -EINVAL;
	for (uint32_t unit = 100000000; is_digit(**s); (*s)++, unit /= 10)
		d->billionths += unit * (uint32_t)(**s - '0');
	return 0;
}

static int scale(const struct decimal *d, uint64_t unit, uint64_t *out)
{
	__extension__ typedef unsigned __int128 wide;
	wide v = (wide)d->whole * unit + (wide)d->billionths * unit / 1000000000;

	if (v > UINT64_MAX)
		return -ERANGE;
	*out = (uint64_t)v;
	return 0;
}

/* "", "b", "k", "kb", "kib", … */
static int size_unit(const char *s, uint64_t *unit)
{
	static const char letters[] = "kmgtp";
	const char *at = *s ? strchr(letters, lower(*s)) : NULL;
	uint64_t base = 1024, v = 1;

	if (!strcasecmp(s, "b"))
		s++;
	else if (at) {
		s++;
		if (!strcasecmp(s, "b"))
			base = 1000;
		if (!strcasecmp(s, "b") || !strcasecmp(s, "ib"))
			s += strlen(s);
		for (const char *p = letters; p <= at; p++)
			v *= base;
	}
	*unit = v;
	return *s ? -EINVAL : 0;
}

int dvmi_text_size_parse(const char *s, uint64_t *bytes)
{
	struct decimal d;
	uint64_t unit = 1;
	int rc = take_decimal(&s, &d);

	if (rc == 0)
		rc = size_unit(s, &unit);
	return rc < 0 ? rc : scale(&d, unit, bytes);
}

static const struct {
	const char *name;
	uint64_t ns;
} time_units[] = {
	{ "d", 86400 * DVMI_SEC },
	{ "h", 3600 * DVMI_SEC },
	{ "min", 60 * DVMI_SEC },
	{ "ms", DVMI_MSEC },
	{ "m", 60 * DVMI_SEC },
	{ "s", DVMI_SEC },
	{ "us", 1000 },
	{ "ns", 1 },
};

static uint64_t take_time_unit(const char **s)
{
	for (size_t i = 0; i < sizeof time_units / sizeof time_units[0]; i++) {
		size_t len = strlen(time_units[i].name);
		if (!strncmp(*s, time_units[i].name, len)) {
			*s += len;
			return time_units[i].ns;
		}
	}
	return 0;
}

/* "1h30m": units fall, and only the last number may have a fraction. */
static int parse_units(const char *s, uint64_t *ns)
{
	uint64_t total = 0, last = UINT64_MAX, part;
	struct decimal d = { 0 };

	do {
		if (d.fraction)
			return -EINVAL;
		int rc = take_decimal(&s, &d);
		if (rc < 0)
			return rc;
		bool bare = !*s && last == UINT64_MAX;
		uint64_t unit = bare ? DVMI_SEC : take_time_unit(&s);
		if (unit == 0 || unit >= last)
			return -EINVAL;
		last = unit;
		if (scale(&d, unit, &part) < 0 || __builtin_add_overflow(total, part, &total))
			return -ERANGE;
	} while (*s);
	*ns = total;
	return 0;
}

/* "MM:SS", "HH:MM:SS": all but the first part are below 60. */
static int parse_clock(const char *s, uint64_t *ns)
{
	struct decimal total = { 0 };
	uint64_t part;
	int parts = 0;

	for (;; s++) {
		int rc = take_number(&s, &part);
		if (rc < 0)
			return rc;
		if (parts++ && part > 59)
			return -EINVAL;
		if (__builtin_mul_overflow(total.whole, 60, &total.whole) ||
		    __builtin_add_overflow(total.whole, part, &total.whole))
			return -ERANGE;
		if (!*s)
			break;
		if (*s != ':' || parts == 3)
			return -EINVAL;
	}
	return scale(&total, DVMI_SEC, ns);
}

int dvmi_text_duration_parse(const char *s, uint64_t *ns)
{
	return strchr(s, ':') ? parse_clock(s, ns) : parse_units(s, ns);
}

/* V / UNIT with three digits at most, cut rather than rounded. */
static void format_scaled(char out[DVMI_TEXT_UNIT_MAX], uint64_t v, uint64_t unit,
			  const char *suffix)
{
	unsigned long long whole = v / unit;
	unsigned tenth = (unsigned)(v % unit / (unit >= 10 ? unit / 10 : 1));

	if (tenth > 9)
		tenth = 9;
	if (unit == 1 || whole >= 100 || tenth == 0)
		snprintf(out, DVMI_TEXT_UNIT_MAX, "%llu%s", whole, suffix);
	else
		snprintf(out, DVMI_TEXT_UNIT_MAX, "%llu.%u%s", whole, tenth, suffix);
}

const char *dvmi_text_size_format(uint64_t bytes, char out[DVMI_TEXT_UNIT_MAX])
{
	static const char *const suffixes[] = {
		" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"
	};
	size_t i = 0;
	uint64_t unit = 1;

	while (bytes / unit >= 1024) {
		unit *= 1024;
		i++;
	}
	format_scaled(out, bytes, unit, suffixes[i]);
	return out;
}

const char *dvmi_text_duration_format(uint64_t ns, char out[DVMI_TEXT_UNIT_MAX])
{
	unsigned long long s = ns / DVMI_SEC;

	if (ns < 1000)
		format_scaled(out, ns, 1, "ns");
	else if (ns < DVMI_MSEC)
		format_scaled(out, ns, 1000, "us");
	else if (ns < DVMI_SEC)
		format_scaled(out, ns, DVMI_MSEC, "ms");
	else if (s < 60)
		format_scaled(out, ns, DVMI_SEC, "s");
	else if (s < 3600)
		snprintf(out, DVMI_TEXT_UNIT_MAX, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, DVMI_TEXT_UNIT_MAX, "%lluh%02llum", s / 3600, s / 60 % 60);
	else
		snprintf(out, DVMI_TEXT_UNIT_MAX, "%llud%02lluh", s / 86400, s / 3600 % 24);
	return out;
}

static bool is_safe(char c)
{
	return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') ||
	       (c && strchr("_@%+=:,./-", c));
}

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

static void quote_controls(struct dvmi_buf *b, const char *s)
{
	dvmi_buf_printf(b, "$'");
	for (; *s; s++) {
		if (*s == '\n')
			dvmi_buf_printf(b, "\\n");
		else if (*s == '\t')
			dvmi_buf_printf(b, "\\t");
		else if (is_control(*s))
			dvmi_buf_printf(b, "\\%03o", (unsigned char)*s);
		else if (*s == '\'' || *s == '\\')
			dvmi_buf_printf(b, "\\%c", *s);
		else
			dvmi_buf_put(b, s, 1);
	}
	dvmi_buf_put(b, "'", 1);
}

static void quote_plain(struct dvmi_buf *b, const char *s)
{
	dvmi_buf_put(b, "'", 1);
	for (; *s; s++) {
		if (*s == '\'')
			dvmi_buf_printf(b, "'\\''");
		else
			dvmi_buf_put(b, s, 1);
	}
	dvmi_buf_put(b, "'", 1);
}

void dvmi_text_quote(struct dvmi_buf *b, const char *s)
{
	bool safe = *s, control = false;

	for (const char *p = s; *p; p++) {
		safe = safe && is_safe(*p);
		control = control || is_control(*p);
	}
	if (safe)
		dvmi_buf_put(b, s, strlen(s));
	else if (control)
		quote_controls(b, s);
	else
		quote_plain(b, s);
}

void dvmi_text_quote_argv(struct dvmi_buf *b, char *const *argv, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i)
			dvmi_buf_put(b, " ", 1);
		dvmi_text_quote(b, argv[i]);
	}
}
