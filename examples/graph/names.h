/* SPDX-License-Identifier: BSD-3-Clause */
/* Names and their numbers: the first name seen is 0, the next new one 1, and so on. */
#ifndef EXAMPLES_GRAPH_NAMES_H
#define EXAMPLES_GRAPH_NAMES_H

#include <stddef.h>
#include <stdint.h>

/* Zero it before use. */
struct names {
	char **name; /* by number */
	uint32_t n;
	uint32_t *slot; /* hash table, open addressing: number + 1, or 0 where empty */
	uint32_t slots; /* a power of two, more than n */
};

/* Number of the name TEXT (LEN bytes); gives it the next one if it is new. -ENOMEM, -EOVERFLOW. */
int64_t names_number(struct names *t, const char *text, size_t len);

void names_free(struct names *t);

#endif
