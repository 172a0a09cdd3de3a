/* SPDX-License-Identifier: BSD-3-Clause */
/* The edges that lead to vertices of other ranks. */
#include <errno.h>
#include <stdlib.h>

#include "examples/graph/part.h"

int lane_make(struct lane *l, size_t ranks)
{
	l->len = calloc(ranks, sizeof *l->len);
	l->off = calloc(ranks, sizeof *l->off);
	return l->len && l->off ? 0 : -ENOMEM;
}

void lane_free(struct lane *l)
{
	free(l->len);
	free(l->off);
}

/* Offsets from lengths: one block behind the other. */
static void lane_pack(struct lane *l, size_t ranks, size_t value)
{
	size_t bytes = 0;

	for (size_t r = 0; r < ranks; r++) {
		l->off[r] = bytes;
		bytes += l->len[r];
	}
	l->n = bytes / value;
}

/*
 * Numbers the ghosts in vertex order, which is also rank order, and turns the edges to part
 * numbers. Returns the ghosts' vertices, one uint64_t each, or NULL. The table of all vertices
 * is the simplest way and only here for a moment.
 */
static uint64_t *number_ghosts(struct part *p, size_t ranks)
{
	uint32_t *number = calloc((size_t)p->n + 1, sizeof *number);
	uint64_t *vertex = calloc(p->m + 1, sizeof *vertex);

	for (uint64_t e = 0; number && e < p->m; e++)
		number[p->to[e]] = 1;
	for (uint32_t r = 0; number && vertex && r < ranks; r++)
		for (uint32_t v = p->bound[r]; v < p->bound[r + 1]; v++) {
			if (v - p->low < p->own) {
				number[v] = v - p->low;
			} else if (number[v]) {
				vertex[p->ghosts] = v;
				number[v] = p->own + p->ghosts++;
				p->out.len[r] += sizeof(double);
			}
		}
	for (uint64_t e = 0; number && e < p->m; e++)
		p->to[e] = number[p->to[e]];
	if (!number) {
		free(vertex);
		vertex = NULL;
	}
	free(number);
	return vertex;
}

/* Tells each rank which of its vertices we will send values for. A vertex takes 8 bytes here, as
 * a value does later, so that the same lanes serve both. */
static int tell_ghosts(struct part *p, const uint64_t *vertex, size_t ranks)
{
	int rc = dvm_alltoall(p->group, p->out.len, sizeof *p->out.len, p->in.len);

	if (rc < 0)
		return rc;
	lane_pack(&p->out, ranks, sizeof(double));
	lane_pack(&p->in, ranks, sizeof(double));
	p->at = calloc(p->in.n + 1, sizeof *p->at);
	p->inbox = calloc(p->in.n + 1, sizeof *p->inbox);
	if (!p->at || !p->inbox)
		return -ENOMEM;
	rc = dvm_alltoallv(p->group, vertex, p->out.len, p->out.off, p->at, p->in.len, p->in.off);
	for (size_t i = 0; rc == 0 && i < p->in.n; i++)
		p->at[i] -= p->low;
	return rc;
}

int part_meet(struct part *p, size_t ranks)
{
	uint64_t *vertex = number_ghosts(p, ranks);
	int rc = vertex ? tell_ghosts(p, vertex, ranks) : -ENOMEM;

	free(vertex);
	return rc;
}

int part_exchange(struct part *p, double *sum)
{
	int rc = dvm_alltoallv(p->group, sum + p->own, p->out.len, p->out.off, p->inbox, p->in.len,
			       p->in.off);

	for (size_t i = 0; rc == 0 && i < p->in.n; i++)
		sum[p->at[i]] += p->inbox[i];
	return rc;
}
