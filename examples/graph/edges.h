/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An edge list as text: two names per line, "from to", separated by white space. Empty lines are
 * skipped and so is everything behind a # that starts a word.
 */
#ifndef EXAMPLES_GRAPH_EDGES_H
#define EXAMPLES_GRAPH_EDGES_H

#include "examples/graph/names.h"

struct edge {
	uint32_t from, to;
};

/* Zero it before use. */
struct edges {
	struct names names;
	struct edge *edge; /* as listed */
	size_t n, room;
	uint64_t loops; /* self loops: their vertex becomes known, the edge is left out */
};

/*
 * Reads PATH ("-": standard input) into L, which the caller ends with edges_free() in any case.
 * What is wrong goes to standard error: bad lines as PATH:LINE, the first few of them.
 * Returns 0, -EBADMSG (bad lines), -ENOMEM, -EOVERFLOW or why the file could not be read.
 */
int edges_read(struct edges *l, const char *path);

void edges_free(struct edges *l);

#endif
