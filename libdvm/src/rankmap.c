/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/src/rankmap.h"

void dvmi_rankmap_init(struct dvmi_rankmap *m, uint32_t size)
{
	*m = (struct dvmi_rankmap){ .size = size };
}

void dvmi_rankmap_fini(struct dvmi_rankmap *m)
{
	free(m->peers);
	free(m->sorted);
	*m = (struct dvmi_rankmap){ 0 };
}

static int by_peer(const void *a, const void *b, void *arg)
{
	const uint32_t *peers = arg;
	uint32_t pa = peers[*(const uint32_t *)a], pb = peers[*(const uint32_t *)b];

	return (pa > pb) - (pa < pb);
}

static int sort(struct dvmi_rankmap *m)
{
	for (uint32_t i = 0; i < m->size; i++)
		m->sorted[i] = i;
	qsort_r(m->sorted, m->size, sizeof *m->sorted, by_peer, m->peers);
	for (uint32_t i = 1; i < m->size; i++)
		if (m->peers[m->sorted[i]] == m->peers[m->sorted[i - 1]])
			return -EINVAL;
	return 0;
}

int dvmi_rankmap_set(struct dvmi_rankmap *m, const uint32_t *peers, uint32_t n)
{
	struct dvmi_rankmap new = { .size = n };

	if (!n)
		return -EINVAL;
	new.peers = malloc(n * sizeof *peers);
	new.sorted = malloc(n * sizeof *peers);
	int rc = -ENOMEM;
	if (new.peers && new.sorted) {
		memcpy(new.peers, peers, n * sizeof *peers);
		rc = sort(&new);
	}
	if (rc < 0) {
		dvmi_rankmap_fini(&new);
		return rc;
	}
	*m = new;
	return 0;
}

int dvmi_rankmap_copy(struct dvmi_rankmap *m, const struct dvmi_rankmap *from)
{
	if (from->peers)
		return dvmi_rankmap_set(m, from->peers, from->size);
	dvmi_rankmap_init(m, from->size);
	return 0;
}

int64_t dvmi_rankmap_rank(const struct dvmi_rankmap *m, uint32_t peer)
{
	if (!m->peers)
		return peer < m->size ? (int64_t)peer : -ENOENT;
	uint32_t low = 0, high = m->size;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (m->peers[m->sorted[mid]] < peer)
			low = mid + 1;
		else
			high = mid;
	}
	return low < m->size && m->peers[m->sorted[low]] == peer ? (int64_t)m->sorted[low] : -ENOENT;
}
