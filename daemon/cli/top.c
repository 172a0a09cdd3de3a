/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/cli/top.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cli/show.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/hist.h"
#include "libdvm/base/text.h"

#define HOT_SHOWN 8u
#define HOT_MAX	  512u

/* One host's answers: the first host's is the whole, the others' are in its "hosts". */
struct span {
	const json_t *before, *now;
	double seconds;
	bool fresh; /* it was not there before: what it has counted is of all its time */
};

struct hot {
	uint64_t address, moves, rip; /* rip 0: nobody knows */
	const char *by;
};

static uint64_t number(const json_t *o, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(o, name));

	return n > 0 ? (uint64_t)n : 0;
}

/* Counters begin anew with a guest's reset. */
static uint64_t grown(const json_t *before, const json_t *now, const char *name)
{
	uint64_t was = number(before, name), is = number(now, name);

	return is >= was ? is - was : is;
}

static double span_seconds(const json_t *before, const json_t *now)
{
	uint64_t ns = grown(before, now, "guest_ns");

	return ns ? (double)ns / (double)DVMI_SEC : 1;
}

static void add_rate(struct cli_table *t, uint64_t n, const struct span *s)
{
	cli_table_add(t, "%.0f", (double)n / s->seconds);
}

/* ---- processors ---- */

static uint64_t all_exits(const json_t *before, const json_t *now)
{
	const json_t *was = json_object_get(before, "exits"), *is = json_object_get(now, "exits");
	const char *name;
	json_t *value;
	uint64_t n = 0;

	json_object_foreach((json_t *)(uintptr_t)is, name, value)
		n += grown(was, is, name);
	return n;
}

static void add_unknown(struct cli_table *t, unsigned columns)
{
	while (columns--)
		cli_table_add(t, "-");
}

/* What one that has come from another host has counted is of all its time there. */
static void add_new_cpu(struct cli_table *t, const char *host, const json_t *now)
{
	cli_table_add(t, "%" PRIu64, number(now, "cpu"));
	cli_table_add(t, "%s", host);
	add_unknown(t, 5);
}

static void add_cpu(struct cli_table *t, const char *host, const struct span *s,
		    const json_t *before, const json_t *now)
{
	double idle = (double)grown(before, now, "halt_ns") / (double)DVMI_SEC / s->seconds;

	cli_table_add(t, "%" PRIu64, number(now, "cpu"));
	cli_table_add(t, "%s", host);
	cli_table_add(t, "%.0f%%", idle < 1 ? 100 * (1 - idle) : 0.0);
	add_rate(t, all_exits(before, now), s);
	add_rate(t, grown(before, now, "injected"), s);
	add_rate(t, grown(before, now, "timer_fired"), s);
	add_rate(t, grown(before, now, "kicks"), s);
}

static const char *host_name(const json_t *whole)
{
	const char *name = json_string_value(json_object_get(json_object_get(whole, "share"), "host"));

	return name ? name : "-";
}

static const json_t *find_cpu(const json_t *cpus, uint64_t cpu)
{
	for (size_t i = 0; i < json_array_size(cpus); i++)
		if (number(json_array_get(cpus, i), "cpu") == cpu)
			return json_array_get(cpus, i);
	return NULL;
}

/* Which ones a host has may change. */
static void add_cpus(struct cli_table *t, const struct span *s)
{
	const json_t *was = json_object_get(s->before, "cpus"), *is = json_object_get(s->now, "cpus");

	for (size_t i = 0; i < json_array_size(is); i++) {
		const json_t *now = json_array_get(is, i), *before = find_cpu(was, number(now, "cpu"));
		if (s->fresh || (s->before && !before))
			add_new_cpu(t, host_name(s->now), now);
		else
			add_cpu(t, host_name(s->now), s, before, now);
	}
}

/* ---- pages ---- */

/* How long faults took in between. */
static void add_times(struct cli_table *t, const json_t *was, const json_t *is)
{
	static const unsigned permille[] = { 500, 990 };
	struct dvmi_hist h = { { 0 } };
	char text[DVMI_TEXT_UNIT_MAX];

	for (int sign = 1; sign >= -1; sign -= 2) {
		const json_t *times = json_object_get(sign > 0 ? is : was, "fault_times");
		for (size_t i = 0; i < json_array_size(times); i++) {
			const json_t *one = json_array_get(times, i);
			json_int_t top = json_integer_value(json_array_get(one, 0));
			uint64_t n = (uint64_t)json_integer_value(json_array_get(one, 1));
			uint64_t *into = dvmi_hist_at(&h, top > 0 ? (uint64_t)top : 0);
			*into = sign > 0 ? n : *into >= n ? *into - n : *into;
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		uint64_t ns = dvmi_hist_quantile(&h, permille[i]);
		cli_table_add(t, "%s", ns ? dvmi_text_duration_format(ns, text) : "-");
	}
}

static void add_traffic(struct cli_table *t, const struct span *s, const json_t *was,
			const json_t *is)
{
	add_rate(t, grown(was, is, "read_faults"), s);
	add_rate(t, grown(was, is, "write_faults"), s);
	add_times(t, was, is);
	add_rate(t, grown(was, is, "pages_sent"), s);
	add_rate(t, grown(was, is, "interrupts_sent"), s);
	add_rate(t, grown(was, is, "accesses_sent"), s);
}

static void add_share(struct cli_table *t, const struct span *s)
{
	const json_t *was = json_object_get(s->before, "share"), *is = json_object_get(s->now, "share");
	char text[DVMI_TEXT_UNIT_MAX];

	cli_table_add(t, "%s", host_name(s->now));
	if (s->fresh)
		add_unknown(t, 7);
	else
		add_traffic(t, s, was, is);
	cli_table_add(t, "%s", dvmi_text_size_format(number(is, "pages_here") * 4096, text));
	cli_table_add(t, "%s", dvmi_text_size_format(number(is, "pages_writable") * 4096, text));
}

/* ---- pages that are fought for ---- */

struct hots {
	struct hot v[HOT_MAX];
	size_t n;
};

static uint64_t moves_before(const json_t *list, uint64_t address)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (number(json_array_get(list, i), "address") == address)
			return number(json_array_get(list, i), "moves");
	return 0;
}

/* Too large for a number of JSON's: a text. */
static uint64_t address_of(const json_t *text)
{
	const char *s = json_string_value(text);

	return s ? strtoull(s, NULL, 0) : 0;
}

/* A page is taken away from several hosts: the one that loses it most often stands for it. */
static void note_hot(struct hots *all, const struct hot *one)
{
	size_t i = 0;

	while (i < all->n && all->v[i].address != one->address)
		i++;
	if (i == HOT_MAX || !one->moves)
		return;
	if (i == all->n)
		all->v[all->n++] = *one;
	else if (one->moves > all->v[i].moves)
		all->v[i] = *one;
}

static void note_hots(struct hots *all, const struct span *s)
{
	const json_t *was = json_object_get(json_object_get(s->before, "share"), "hot");
	const json_t *is = json_object_get(json_object_get(s->now, "share"), "hot");

	for (size_t i = 0; i < json_array_size(is); i++) {
		const json_t *one = json_array_get(is, i);
		const char *by = json_string_value(json_object_get(one, "by"));
		struct hot hot = { number(one, "address"), number(one, "moves"),
				   address_of(json_object_get(one, "rip")), by ? by : "?" };
		uint64_t old = moves_before(was, hot.address);

		hot.moves -= hot.moves >= old ? old : 0;
		note_hot(all, &hot);
	}
}

static void add_instruction(struct cli_table *t, uint64_t rip)
{
	if (rip)
		cli_table_add(t, "%#" PRIx64, rip);
	else
		cli_table_add(t, "-");
}

static int hotter(const void *a, const void *b)
{
	const struct hot *x = a, *y = b;

	return x->moves != y->moves ? (x->moves < y->moves ? 1 : -1) :
				      (x->address > y->address) - (x->address < y->address);
}

/* ---- all of it ---- */

static int print_heading(FILE *f, const char *name, const json_t *now)
{
	char up[CLI_TIME_MAX], memory[DVMI_TEXT_UNIT_MAX];
	const char *state = json_string_value(json_object_get(now, "state"));

	return fprintf(f, "guest %s: %s, up %s, %s\n\n", name, state ? state : "?",
		       cli_time_span(number(now, "guest_ns") / DVMI_SEC * DVMI_SEC, up),
		       dvmi_text_size_format(number(now, "memory"), memory));
}

/* Of the Ith of the other hosts; one that does not answer is null. */
static struct span span_of(const struct span *first, size_t i)
{
	const json_t *was = json_array_get(json_object_get(first->before, "hosts"), i);

	return (struct span){ was, json_array_get(json_object_get(first->now, "hosts"), i),
			      first->seconds, first->before && !json_is_object(was) };
}

/* Calls ADD for each host. */
static void each_host(void (*add)(struct cli_table *t, const struct span *s), struct cli_table *t,
		      const struct span *first)
{
	size_t n = json_array_size(json_object_get(first->now, "hosts"));

	add(t, first);
	for (size_t i = 0; i < n; i++) {
		const struct span s = span_of(first, i);
		if (json_is_object(s.now))
			add(t, &s);
	}
}

static int print_table(FILE *f, unsigned columns, uint32_t right, const char *heading,
		       void (*add)(struct cli_table *t, const struct span *s),
		       const struct span *first)
{
	struct cli_table t = { .columns = columns, .right = right };

	cli_table_heading(&t, heading);
	each_host(add, &t, first);
	int rc = cli_table_print(&t, f);
	cli_table_free(&t);
	return rc;
}

static int print_hot(FILE *f, const struct span *first)
{
	size_t n = json_array_size(json_object_get(first->now, "hosts"));
	struct cli_table t = { .columns = 4, .right = 2 };
	struct hots *all = calloc(1, sizeof *all);
	int rc = -ENOMEM;

	if (!all)
		return rc;
	note_hots(all, first);
	for (size_t i = 0; i < n; i++) {
		const struct span s = span_of(first, i);
		if (!s.fresh)
			note_hots(all, &s);
	}
	qsort(all->v, all->n, sizeof *all->v, hotter);
	cli_table_heading(&t, "PAGE MOVES/S TO AT");
	for (size_t i = 0; i < all->n && i < HOT_SHOWN; i++) {
		cli_table_add(&t, "%#" PRIx64, all->v[i].address);
		add_rate(&t, all->v[i].moves, first);
		cli_table_add(&t, "%s", all->v[i].by);
		add_instruction(&t, all->v[i].rip);
	}
	if (all->n)
		fputc('\n', f);
	rc = all->n ? cli_table_print(&t, f) : 0;
	cli_table_free(&t);
	free(all);
	return rc;
}

int cli_top_print(FILE *f, const char *name, const json_t *before, const json_t *now)
{
	const struct span first = { before, now, span_seconds(before, now), false };

	print_heading(f, name, now);
	int rc = print_table(f, 7, 0x7d, "CPU HOST BUSY EXITS/S INTERRUPTS/S TIMER/S KICKS/S", add_cpus,
			     &first);
	if (rc < 0 || !json_is_object(json_object_get(now, "share")))
		return rc;
	fputc('\n', f);
	rc = print_table(f, 10, 0x3fe,
			 "HOST READS/S WRITES/S P50 P99 PAGES/S IPIS/S DEVICES/S HERE WRITABLE",
			 add_share, &first);
	return rc < 0 ? rc : print_hot(f, &first);
}
