/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text that people type and read: near misses, numbers with units, quoted command lines.
 *
 * Parsers take the whole string or refuse it (-EINVAL; -ERANGE where the value does not fit) and
 * leave the output untouched on failure. No locale is asked. Any thread.
 */
#ifndef DVMI_BASE_TEXT_H
#define DVMI_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "libdvm/base/buf.h"

/*
 * Edits that turn A into B: insert, delete, replace a character or swap two neighbours
 * (Damerau-Levenshtein in its optimal-string-alignment form), ignoring case; counted up to CAP,
 * which is returned for everything farther.
 */
unsigned dvmi_text_distance(const char *a, const char *b, unsigned cap);

/*
 * The one of the N WORDS (NULL entries are skipped) that WORD was probably meant to be, or NULL
 * when none is near: at most one edit for every three characters, or WORD a prefix of exactly one.
 */
const char *dvmi_text_nearest(const char *word, const char *const *words, size_t n);

/* A decimal number without sign or blanks, MIN … MAX (-ERANGE outside). */
int dvmi_text_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out);

/*
 * A size in bytes: "4096", "64k", "1.5G", "512MiB", "10MB". K, M, G, T, P and KiB, … count in
 * 1024s, KB, MB, … in 1000s; upper and lower case alike. Fractions are cut to whole bytes.
 */
int dvmi_text_size_parse(const char *s, uint64_t *bytes);

/*
 * A duration in ns: "10s", "500ms", "1h30m", "2d", "1.5s", "MM:SS", "HH:MM:SS"; a bare number
 * counts seconds. Units: d h m (or min) s ms us ns, each at most once, the largest first.
 */
int dvmi_text_duration_parse(const char *s, uint64_t *ns);

#define DVMI_TEXT_UNIT_MAX 32 /* bytes of a formatted size or duration, the NUL included */

/* "1.5 GiB", "512 B": three digits at most. Returns OUT. */
const char *dvmi_text_size_format(uint64_t bytes, char out[DVMI_TEXT_UNIT_MAX]);

/* "350us", "1.5s", "2m03s", "1h30m", "3d04h": the two largest units. Returns OUT. */
const char *dvmi_text_duration_format(uint64_t ns, char out[DVMI_TEXT_UNIT_MAX]);

/*
 * Appends S so that a POSIX shell reads it back as one word: as it is where that is safe, else
 * in single quotes; control characters as $'\n' so that the result stays one line.
 */
void dvmi_text_quote(struct dvmi_buf *b, const char *s);

/* The N words of ARGV quoted, with one blank between them. */
void dvmi_text_quote_argv(struct dvmi_buf *b, char *const *argv, size_t n);

#endif
