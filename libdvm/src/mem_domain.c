/* SPDX-License-Identifier: BSD-3-Clause */
/* The shared memory of a group: made with its first segment, gone with its last. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "dvm/coll.h"
#include "libdvm/base/clock.h"
#include "libdvm/src/ask.h"
#include "libdvm/src/domain.h"
#include "libdvm/src/mem.h"
#include "libdvm/src/mem_sync.h"

#ifdef __SANITIZE_THREAD__ /* which lets memory lie in few places */
#define FIRST_AT UINT64_C(0x7f0000000000)
#else
#define FIRST_AT UINT64_C(0x200000000000)
#endif

struct dvmi_segments *dvmi_seg_of(dvm_t *d)
{
	if (!d->mem) {
		d->mem = calloc(1, sizeof *d->mem);
		if (d->mem)
			d->mem->uffd_dev = -1;
	}
	return d->mem;
}

struct dvmi_seg_domain *dvmi_seg_domain(dvm_group_t *g)
{
	struct dvmi_segments *mem = dvmi_seg_of(g->d);
	struct dvmi_seg_domain *m = mem ? mem->domains : NULL;

	while (m && m->g != g)
		m = m->next;
	if (!m && mem) {
		m = calloc(1, sizeof *m);
		if (!m)
			return NULL;
		m->g = g;
		m->next_at = FIRST_AT;
		m->next = mem->domains;
		mem->domains = m;
		g->users++;
	}
	return m;
}

int dvmi_seg_exchange(void *group, const void *mine, void *all, size_t each)
{
	return dvm_allgather(group, mine, each, all);
}

bool dvmi_seg_dead(void *arg, uint32_t node)
{
	const struct dvmi_seg_domain *m = arg;

	return dvmi_domain_dead(m->g, node);
}

int dvmi_seg_ask_uffd(dvm_t *d)
{
	struct dvmi_rank_ask head = { 0 };
	const struct dvmi_question q = { .type = DVMI_RANK_UFFD,
					 .head = &head,
					 .head_len = sizeof head };
	struct dvmi_ask a;

	if (d->mem->uffd_dev >= 0)
		return -EALREADY;
	int rc = dvmi_ask(d, &a, &q, NULL);
	if (rc == 0)
		d->mem->uffd_dev = a.fd;
	return rc == 0 && a.fd < 0 ? -DVM_EPROTO : rc;
}

int dvmi_seg_open_uffd(const dvm_t *d)
{
	int dev = d->mem ? d->mem->uffd_dev : -1;
	int fd = dev < 0 ? -1 : fcntl(dev, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -EPERM : fd;
}

static int open_uffd(void *arg)
{
	const struct dvmi_seg_domain *m = arg;

	return dvmi_seg_open_uffd(m->g->d);
}

/* A core each for the rank and its service thread: then that may look for news by itself. */
static uint64_t spin_of(const dvm_t *d)
{
	return d->cores >= 2 * d->env.local_size ? 20 * DVMI_USEC : 0;
}

static uint64_t patience_of(const dvm_t *d)
{
	return dvmi_seg_patience(d->map.map ? d->map.map->failure_timeout : 0);
}

static int make_node(struct dvmi_seg_domain *m)
{
	dvm_t *d = m->g->d;

	return dsm_node_create(&m->node, &(struct dsm_node_config){
						 .self = m->g->rank,
						 .nodes = m->g->size,
						 .link = dsm_mesh_link(m->mesh, &m->node),
						 .log = &d->log,
						 .spin = spin_of(d),
						 .patience = patience_of(d),
						 .dead = dvmi_seg_dead,
						 .open_uffd = open_uffd,
						 .arg = m,
					 });
}

static void disconnect(struct dvmi_seg_domain *m)
{
	dvmi_seg_sync_disconnect(m);
	dsm_node_destroy(m->node);
	dsm_mesh_destroy(m->mesh);
	m->node = NULL;
	m->mesh = NULL;
}

int dvmi_seg_connect(struct dvmi_seg_domain *m)
{
	int8_t all[DSM_GROUP_MAX];

	if (m->node)
		return 0;
	int rc = dvmi_domain_mesh(&m->mesh, m->g, 0);
	if (rc == 0)
		rc = make_node(m);
	if (rc == 0)
		rc = dvmi_seg_sync_connect(m);
	int8_t bad = rc < 0;
	int said = dvmi_seg_exchange(m->g, &bad, all, sizeof bad);
	for (uint32_t i = 0; i < m->g->size && said == 0 && rc == 0; i++)
		if (all[i])
			rc = -ENOTCONN;
	if (rc == 0)
		rc = said;
	if (rc < 0)
		disconnect(m);
	return rc;
}

static void destroy(struct dvmi_seg_domain *m)
{
	struct dvmi_segments *mem = m->g->d->mem;

	for (struct dvmi_seg_domain **p = &mem->domains; *p; p = &(*p)->next)
		if (*p == m) {
			*p = m->next;
			break;
		}
	m->g->users--;
	disconnect(m);
	free(m);
}

void dvmi_seg_domain_put(struct dvmi_seg_domain *m)
{
	if (--m->users == 0)
		destroy(m);
}

int dvmi_seg_help(dvm_t *d, bool stays)
{
	int n = 0;

	for (struct dvmi_seg_domain *m = d->mem->domains; m; m = m->next)
		n += m->node ? dsm_node_help(m->node, stays) : 0;
	return n;
}

uint32_t dvmi_seg_turns(const dvm_t *d)
{
	uint32_t n = 0;

	for (const struct dvmi_seg_domain *m = d->mem->domains; m; m = m->next)
		n += m->node ? dsm_node_turns(m->node) : 0;
	return n;
}

void dvmi_seg_doze(dvm_t *d, bool on)
{
	for (struct dvmi_seg_domain *m = d->mem->domains; m; m = m->next)
		if (m->node)
			dsm_node_doze(m->node, on);
}

void dvmi_seg_fini(dvm_t *d)
{
	if (!d->mem)
		return;
	while (d->mem->segs)
		dvmi_seg_free(d->mem->segs);
	while (d->mem->domains)
		destroy(d->mem->domains);
	if (d->mem->uffd_dev >= 0)
		close(d->mem->uffd_dev);
	free(d->mem);
	d->mem = NULL;
}
