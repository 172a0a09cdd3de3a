/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replays each tests/golden/NAME.in, checks every placement against the rules, then compares the
 * transcript with NAME.expect. UPDATE_GOLDEN=1 rewrites the latter: review the difference.
 * Prints TAP. With arguments, only those files.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/cleanup.h"
#include "tests/golden/scene.h"
#include "tests/unit/sched_check.h"

static const char *const verdicts[] = { "placed", "wait", "impossible" };

static void put_placement(const struct scene *s, const struct scene_run *run,
			  const struct dsched_placement *p, struct dvmi_buf *out)
{
	dsched_report_table(&s->snap, p, out);
	for (uint32_t r = 0; r < p->nranks; r++) {
		dsched_report_rank(&s->snap, p, r, out);
		dvmi_buf_printf(out, "\n");
	}
	dsched_report_notes(&s->snap, &run->req, p, out);
}

/* Appends what comes of one request; false and a diagnostic if the placement breaks a rule. */
static bool play(const struct scene *s, const struct scene_run *run, struct dvmi_buf *out)
{
	struct dsched_placement p;
	struct dsched_reason why;
	char broken[256];
	int rc = dsched_place(&s->snap, &run->req, &p, &why);

	dvmi_buf_printf(out, "$ run%s%s\n", *run->line ? " " : "", run->line);
	if (rc < 0) {
		dvmi_buf_printf(out, "%s: %s\n", verdicts[why.verdict], why.text);
		return true;
	}
	bool good = sched_check(&s->snap, &run->req, &p, broken, sizeof broken);
	if (good)
		put_placement(s, run, &p, out);
	else
		printf("# run %s: %s\n", run->line, broken);
	dsched_placement_free(&p);
	return good;
}

static bool transcript(const char *path, struct dvmi_buf *out)
{
	struct scene *s;
	dvm_error_t err = { 0 };
	bool good = true;

	if (scene_load(&s, path, &err) < 0) {
		printf("# %s\n", err.text);
		return false;
	}
	dvmi_buf_printf(out, "# SPDX-License-Identifier: BSD-3-Clause\n");
	for (unsigned i = 0; i < s->nruns; i++) {
		dvmi_buf_printf(out, "\n");
		good = play(s, &s->runs[i], out) && good;
	}
	good = good && s->nruns > 0;
	scene_destroy(s);
	return good;
}

static bool write_expected(const char *path, const struct dvmi_buf *text)
{
	cleanup_file FILE *f = fopen(path, "w");

	return f && fwrite(text->data, 1, text->len, f) == text->len && fflush(f) == 0;
}

/* The first line in which the transcript differs, as a diagnostic. */
static bool same_lines(FILE *want, struct dvmi_buf *got)
{
	char *rest = (char *)got->data;
	cleanup_free char *line = NULL;
	size_t cap = 0;

	dvmi_buf_put_u8(got, 0);
	rest = (char *)got->data;
	for (int n = 1;; n++) {
		ssize_t len = getline(&line, &cap, want);
		char *mine = strsep(&rest, "\n");
		if (len > 0 && line[len - 1] == '\n')
			line[len - 1] = 0;
		if (len < 0 && (!mine || !*mine) && !rest)
			return true;
		if (len >= 0 && mine && strcmp(line, mine) == 0)
			continue;
		printf("# line %d\n# expected: %s\n# got:      %s\n", n, len < 0 ? "(end)" : line,
		       mine ? mine : "(end)");
		return false;
	}
}

static bool matches(const char *path, struct dvmi_buf *got)
{
	cleanup_file FILE *f = fopen(path, "r");

	if (f)
		return same_lines(f, got);
	printf("# %s: %s\n", path, strerror(errno));
	return false;
}

static bool run_file(const char *in)
{
	struct dvmi_buf got = { 0 };
	char expect[4096];
	int stem = (int)strlen(in) - (int)strlen(".in");

	snprintf(expect, sizeof expect, "%.*s.expect", stem, in);
	bool good = transcript(in, &got) && got.err == 0;
	if (good && getenv("UPDATE_GOLDEN"))
		good = write_expected(expect, &got);
	else if (good)
		good = matches(expect, &got);
	dvmi_buf_free(&got);
	return good;
}

static int run_files(char **paths, size_t n)
{
	int failed = 0;

	printf("1..%zu\n", n);
	for (size_t i = 0; i < n; i++) {
		bool good = run_file(paths[i]);
		const char *base = strrchr(paths[i], '/');
		printf("%sok %zu - %s\n", good ? "" : "not ", i + 1, base ? base + 1 : paths[i]);
		failed += !good;
	}
	return failed != 0;
}

int main(int argc, char **argv)
{
	const char *src = getenv("DVM_SRC");
	char pattern[4096];
	glob_t found;

	if (argc > 1)
		return run_files(argv + 1, (size_t)argc - 1);
	snprintf(pattern, sizeof pattern, "%s/tests/golden/*.in", src ? src : ".");
	if (glob(pattern, 0, NULL, &found) != 0) {
		printf("Bail out! no %s\n", pattern);
		return 1;
	}
	int rc = run_files(found.gl_pathv, found.gl_pathc);
	globfree(&found);
	return rc;
}
