/* SPDX-License-Identifier: BSD-3-Clause */
/* What list commands print: aligned tables, JSON, times. */
#ifndef DVMD_CLI_SHOW_H
#define DVMD_CLI_SHOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "libdvm/base/buf.h"

#define CLI_TABLE_COLUMNS 16

/* Cells row by row; the first row is the heading. A zeroed struct with `columns` set is empty. */
struct cli_table {
	unsigned columns;
	uint32_t right; /* bit per column that is aligned to the right */
	char **cells;	/* owned */
	size_t n, cap;
	bool failed; /* out of memory: print() says so */
};

/* Appends one cell. */
void cli_table_add(struct cli_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The heading from "NAME STATE …", a word a column. */
void cli_table_heading(struct cli_table *t, const char *words);
/* Prints with two blanks between columns and none at the ends of lines. -ENOMEM. */
int cli_table_print(const struct cli_table *t, FILE *f);
void cli_table_free(struct cli_table *t);

#define CLI_TIME_MAX 40

/* "2026-11-20T11:33:59.123456Z" of ns since 1970; "" for 0. Returns OUT. */
const char *cli_time_rfc3339(uint64_t wall, char out[CLI_TIME_MAX]);
/* A duration as dvmi_text_duration_format() has it, but "0s" for none. Returns OUT. */
const char *cli_time_span(uint64_t ns, char out[CLI_TIME_MAX]);
/* How long ago WALL was, as people say it ("3m12s"); "-" for 0. Returns OUT. */
const char *cli_time_ago(uint64_t wall, uint64_t now, char out[CLI_TIME_MAX]);

/*
 * Standard output could not be written, of which errno said WHY, if anything. A reader that leaves early
 * has what it wanted: that ends us as it would end cat. Else the negative errno.
 */
int cli_output_failed(int why);
/* Prints and drops J: an indented document. -ENOMEM when J is NULL. */
int cli_json_print(json_t *j);
/* Strings from elsewhere: bytes that are no UTF-8 become U+FFFD. Never NULL unless out of memory.
 */
json_t *cli_json_text(const char *s, size_t n);
json_t *cli_json_string(const char *s);
/* RFC 3339, or null for 0. */
json_t *cli_json_time(uint64_t wall);
json_t *cli_json_strings(char *const *v, size_t n);

#endif
