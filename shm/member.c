/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shm/member.h"

int dsm_member_init(struct dsm_member *m, uint32_t self, uint32_t nodes)
{
	*m = (struct dsm_member){ .self = self, .nodes = nodes };
	m->heard = calloc(nodes, sizeof *m->heard);
	m->gone = calloc(nodes, sizeof *m->gone);
	if (m->heard && m->gone)
		return 0;
	dsm_member_fini(m);
	return -ENOMEM;
}

void dsm_member_fini(struct dsm_member *m)
{
	free(m->heard);
	free(m->gone);
	m->heard = m->gone = NULL;
}

void dsm_member_heard(struct dsm_member *m, uint32_t node)
{
	if (node < m->nodes && node != m->self)
		m->heard[node] = true;
}

static uint32_t lowest(const struct dsm_member *m)
{
	uint32_t i = 0;

	while (m->heard[i])
		i++;
	return i; /* we have not heard of our own death */
}

/* The next epoch that is ours. */
uint32_t dsm_member_next(const struct dsm_member *m)
{
	return (m->epoch / m->nodes + 1) * m->nodes + m->self;
}

uint32_t dsm_member_decider(const struct dsm_member *m)
{
	return lowest(m);
}

bool dsm_member_decide(struct dsm_member *m)
{
	return memcmp(m->heard, m->gone, m->nodes * sizeof *m->gone) != 0 &&
	       dsm_member_decide_again(m);
}

bool dsm_member_decide_again(struct dsm_member *m)
{
	if (lowest(m) != m->self)
		return false;
	m->epoch = dsm_member_next(m);
	memcpy(m->gone, m->heard, m->nodes * sizeof *m->gone);
	return true;
}

void dsm_member_stale(struct dsm_member *m, uint32_t epoch)
{
	if (epoch <= m->epoch || epoch >= UINT32_MAX - 2 * m->nodes)
		return;
	/* As if it had been ours, so that the next one is newer; and there has to be one. */
	m->epoch = epoch;
	memset(m->gone, 0, m->nodes * sizeof *m->gone);
}

enum dsm_member_told dsm_member_told(struct dsm_member *m, uint32_t from, uint32_t epoch,
				     const bool *gone)
{
	if (epoch == m->epoch)
		return DSM_TOLD_OLD;
	if (epoch < m->epoch || epoch % m->nodes != from || epoch >= UINT32_MAX - 2 * m->nodes)
		return DSM_TOLD_STALE;
	m->epoch = epoch;
	/* Who is gone stays so: a later view of somebody who has not heard comes once more. */
	for (uint32_t i = 0; i < m->nodes; i++) {
		m->heard[i] |= gone[i] && i != m->self;
		m->gone[i] = gone[i];
	}
	return DSM_TOLD_NEW;
}
