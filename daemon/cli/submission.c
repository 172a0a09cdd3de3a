/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/cli/submission.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/idset.h"
#include "libdvm/base/text.h"

#define TASK_MAX   1000000u
#define TASKS_MAX  10000u
#define SCRIPT_MAX (64u << 10) /* bytes in which options are looked for */

/* ---- dependencies ---- */

static int add_after(Pb__Waiting *w, uint64_t job, Pb__After__Kind kind)
{
	Pb__After **list = reallocarray(w->after, w->n_after + 1, sizeof *list);
	Pb__After *a = list ? malloc(sizeof *a) : NULL;

	if (list)
		w->after = list;
	if (!a)
		return -ENOMEM;
	pb__after__init(a);
	a->job = job;
	a->kind = kind;
	list[w->n_after++] = a;
	return 0;
}

static int one_after(Pb__Waiting *w, char *text, dvm_error_t *err)
{
	static const char *const words[] = { "any", "ok", "notok", "started" };
	char *colon = strchr(text, ':');
	uint64_t job;
	size_t kind = 0;

	if (colon)
		*colon++ = '\0';
	if (dvmi_text_u64(text, 1, UINT64_MAX, &job) < 0)
		return dvmi_error_set(err, -EINVAL, "--after: \"%s\" is no job", text);
	while (colon && kind < 4 && strcmp(colon, words[kind]) != 0)
		kind++;
	if (kind == 4)
		return dvmi_error_set(err, -EINVAL,
				      "--after: \"%s\": expected any, ok, notok or started", colon);
	int rc = add_after(w, job, (Pb__After__Kind)kind);
	return rc < 0 ? dvmi_error_code(err, rc, "--after") : 0;
}

int cli_submission_after(Pb__Waiting *w, const char *text, dvm_error_t *err)
{
	cleanup_free char *copy = strdup(text);
	char *save, *word = copy ? strtok_r(copy, ",", &save) : NULL;
	int rc = !copy	 ? dvmi_error_code(err, -ENOMEM, "--after")
		 : !word ? dvmi_error_set(err, -EINVAL, "--after: expected JOB[:WHEN],…")
			 : 0;

	for (; rc == 0 && word; word = strtok_r(NULL, ",", &save))
		rc = one_after(w, word, err);
	return rc;
}

/* ---- arrays ---- */

static int fill_tasks(Pb__SubmitRequest *req, const struct dvmi_idset *set)
{
	size_t n = 0;

	free(req->tasks);
	req->tasks = calloc(dvmi_idset_count(set) + 1, sizeof *req->tasks);
	if (!req->tasks)
		return -ENOMEM;
	for (size_t i = 0; i < set->n; i++)
		for (uint32_t id = set->r[i].lo; id <= set->r[i].hi; id++)
			req->tasks[n++] = id;
	req->n_tasks = n;
	return 0;
}

int cli_submission_array(Pb__SubmitRequest *req, const char *text, dvm_error_t *err)
{
	struct dvmi_idset set = { 0 };
	size_t n = strcspn(text, "%");
	uint64_t at_once = 0;

	if (text[n] && dvmi_text_u64(text + n + 1, 1, TASKS_MAX, &at_once) < 0)
		return dvmi_error_set(err, -EINVAL,
				      "--array %s: behind %% a number of tasks is expected", text);
	int rc = dvmi_idset_parse_n(&set, text, n, TASK_MAX);
	if (rc == 0 && (set.n == 0 || dvmi_idset_count(&set) > TASKS_MAX))
		rc = -ERANGE;
	if (rc == 0)
		rc = fill_tasks(req, &set);
	dvmi_idset_free(&set);
	if (rc < 0)
		return dvmi_error_set(
			err, rc == -ENOMEM ? rc : -EINVAL,
			"--array %s: expected 1 … %u numbers up to %u, such as 1-100%%8", text,
			TASKS_MAX, TASK_MAX);
	req->job->at_once = (uint32_t)at_once;
	return 0;
}

/* ---- dates ---- */

/* A time of day is the next one there is. */
static time_t next_time_of_day(const struct tm *of, time_t now)
{
	struct tm day;

	localtime_r(&now, &day);
	day.tm_hour = of->tm_hour;
	day.tm_min = of->tm_min;
	day.tm_sec = of->tm_sec;
	day.tm_isdst = -1;
	time_t t = mktime(&day);
	if (t >= now)
		return t;
	day.tm_mday++;
	day.tm_isdst = -1;
	return mktime(&day);
}

static bool parse_date(const char *text, time_t now, time_t *out)
{
	static const char *const dates[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d" };
	static const char *const times[] = { "%H:%M:%S", "%H:%M" };

	for (size_t i = 0; i < 5; i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(text, i < 3 ? dates[i] : times[i - 3], &tm);
		if (!end || *end)
			continue;
		*out = i < 3 ? mktime(&tm) : next_time_of_day(&tm, now);
		return *out != (time_t)-1;
	}
	return false;
}

int cli_submission_begin(const char *text, uint64_t wall, uint64_t *delay, dvm_error_t *err)
{
	time_t at;

	if (dvmi_text_duration_parse(text, delay) == 0)
		return 0;
	if (!parse_date(text, (time_t)(wall / DVMI_SEC), &at))
		return dvmi_error_set(err, -EINVAL,
				      "--begin %s: expected 10m, 14:30 or 2027-01-31T14:30", text);
	uint64_t ns = at > 0 ? (uint64_t)at * DVMI_SEC : 0;
	*delay = ns > wall ? ns - wall : 0;
	return 0;
}

int cli_submission_since(const char *text, uint64_t wall, uint64_t *since, dvm_error_t *err)
{
	time_t now = (time_t)(wall / DVMI_SEC), at;
	uint64_t ago;

	if (dvmi_text_duration_parse(text, &ago) == 0) {
		*since = ago < wall ? wall - ago : 0;
		return 0;
	}
	if (!parse_date(text, now, &at))
		return dvmi_error_set(err, -EINVAL, "--since %s: expected 2h, 14:30 or 2027-01-31",
				      text);
	if (at > now && strchr(text, '-') == NULL)
		at -= 24 * 3600;
	*since = at > 0 ? (uint64_t)at * DVMI_SEC : 0;
	return 0;
}

int cli_submission_priority(const char *text, int32_t *priority, dvm_error_t *err)
{
	bool minus = *text == '-';
	uint64_t n;

	if (dvmi_text_u64(text + minus, 0, 1000, &n) < 0)
		return dvmi_error_set(err, -EINVAL, "--priority %s: expected -1000 … 1000", text);
	*priority = minus ? -(int32_t)n : (int32_t)n;
	return 0;
}

/* ---- scripts ---- */

/* The next word of *AT, unquoted in place; NULL: none; *BAD: an open quote. */
static char *next_word(char **at, bool *bad)
{
	char *in = *at + strspn(*at, " \t\r"), *out = in, *word = in, quote = 0;

	if (!*in || *in == '#') /* a comment */
		return NULL;
	for (; *in && (quote || !strchr(" \t\r", *in)); in++)
		if (quote ? *in == quote : *in == '\'' || *in == '"')
			quote = quote ? 0 : *in;
		else if (*in == '\\' && quote != '\'' && in[1])
			*out++ = *++in;
		else
			*out++ = *in;
	*bad = quote != 0;
	*at = *in ? in + 1 : in;
	*out = '\0';
	return word;
}

static int add_words(struct cli_script *s, char *line, unsigned number, dvm_error_t *err)
{
	bool bad = false;
	char *word;

	while ((word = next_word(&line, &bad))) {
		char **argv = reallocarray(s->argv, s->argc + 2, sizeof *argv);
		if (argv)
			s->argv = argv;
		unsigned *lines = reallocarray(s->lines, s->argc + 2, sizeof *lines);
		if (lines)
			s->lines = lines;
		if (bad)
			return dvmi_error_set(err, -EINVAL, "line %u: a quote is not closed",
					      number);
		if (!argv || !lines)
			return dvmi_error_code(err, -ENOMEM, "line %u", number);
		lines[s->argc] = number;
		argv[s->argc++] = word;
		argv[s->argc] = NULL;
	}
	return 0;
}

static int read_text(struct cli_script *s, const char *path)
{
	FILE *f = fopen(path, "re");

	if (!f)
		return -errno;
	s->text = calloc(1, SCRIPT_MAX + 1);
	if (s->text)
		fread(s->text, 1, SCRIPT_MAX, f);
	int rc = !s->text ? -ENOMEM : ferror(f) ? -EIO : 0;
	fclose(f);
	return rc;
}

int cli_script_read(struct cli_script *s, const char *path, dvm_error_t *err)
{
	*s = (struct cli_script){ 0 };
	int rc = read_text(s, path);
	if (rc < 0 || strncmp(s->text, "#!", 2) != 0) {
		cli_script_free(s);
		return rc == -ENOMEM ? dvmi_error_code(err, rc, "%s", path) : 0;
	}
	char *next = s->text;
	for (unsigned n = 1; rc == 0 && next; n++) {
		char *line = strsep(&next, "\n");
		if (n == 1)
			s->interpreter = line + 2;
		else if (!strncmp(line, "#DVM", 4) && (line[4] == ' ' || line[4] == '\t'))
			rc = add_words(s, line + 4, n, err);
		else if (*line && *line != '#')
			break;
	}
	if (rc < 0)
		dvmi_error_prefix(err, "%s", path);
	return rc;
}

void cli_script_free(struct cli_script *s)
{
	free(s->text);
	free(s->argv);
	free(s->lines);
	*s = (struct cli_script){ 0 };
}
