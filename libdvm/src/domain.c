/* SPDX-License-Identifier: BSD-3-Clause */
#include "libdvm/src/domain.h"

#include <errno.h>
#include <stdlib.h>

#include "dvm/coll.h"
#include "libdvm/src/link.h"
#include "libdvm/src/mem.h"

struct dvmi_domain {
	struct dvmi_domain_config c;
	dvm_group_t *g;
	struct dsm_mesh *mesh;
	struct dsm_node *node;
};

/* The same at all, and nobody else's; jobs that are linked know nothing together beforehand. */
static int key_of(dvm_group_t *g, uint64_t salt, uint64_t *key)
{
	*key = (g->d->key ^ salt) * 3 + g->ctx;
	return g->link ? dvm_bcast(g, key, sizeof *key, 0) : 0;
}

int dvmi_domain_mesh(struct dsm_mesh **out, dvm_group_t *g, uint64_t salt)
{
	dvm_t *d = g->d;
	uint64_t key;
	int rc = key_of(g, salt, &key);

	return rc < 0 ? rc : dsm_mesh_create(out, &(struct dsm_mesh_config){
					    .self = g->rank,
					    .nodes = g->size,
					    .interface = d->map.map ? d->map.map->interface
								    : "127.0.0.1",
					    .port_low = d->map.map ? d->map.map->port_low : 0,
					    .port_high = d->map.map ? d->map.map->port_high : 0,
					    .key = key,
					    .dir = d->dir,
					    .log = &d->log,
					    .exchange = dvmi_seg_exchange,
					    .arg = g,
				    });
}

bool dvmi_domain_dead(const dvm_group_t *g, uint32_t rank)
{
	const dvm_t *d = g->d;
	uint32_t peer = dvmi_rankmap_peer(&g->map, rank);

	if (peer >= d->world.size)
		return g->link && dvmi_link_peer_left(g->link, peer);
	return d->map.map && atomic_load_explicit(&d->map.state[peer], memory_order_acquire) !=
				     DVMI_RANK_ALIVE;
}

static bool dead(void *arg, uint32_t node)
{
	struct dvmi_domain *m = arg;
	bool lives = !dvmi_domain_dead(m->g, node);

	return (!lives || dsm_mesh_down(m->mesh, node)) && m->c.dead(m->c.arg, node, lives);
}

static void out(void *arg)
{
	const struct dvmi_domain *m = arg;

	if (m->c.out)
		m->c.out(m->c.arg);
}

static int open_uffd(void *arg)
{
	const struct dvmi_domain *m = arg;

	return dvmi_seg_open_uffd(m->g->d);
}

static int make_node(struct dvmi_domain *m)
{
	return dsm_node_create(&m->node, &(struct dsm_node_config){
						 .self = m->g->rank,
						 .nodes = m->g->size,
						 .link = dsm_mesh_link(m->mesh, &m->node),
						 .log = m->c.log,
						 .spin = m->c.spin,
						 .urgent = m->c.urgent,
						 .dead = dead,
						 .out = out,
						 .open_uffd = open_uffd,
						 .arg = m,
					 });
}

int dvmi_domain_create(struct dvmi_domain **out, dvm_group_t *g,
		       const struct dvmi_domain_config *config)
{
	struct dvmi_domain *m = calloc(1, sizeof *m);

	if (!m)
		return -ENOMEM;
	m->c = *config;
	m->g = g;
	int rc = dvmi_domain_mesh(&m->mesh, g, config->salt);
	if (rc == 0)
		rc = make_node(m);
	if (rc < 0)
		dvmi_domain_destroy(m);
	else
		*out = m;
	return rc;
}

struct dsm_node *dvmi_domain_node(struct dvmi_domain *m)
{
	return m->node;
}

int dvmi_domain_ask(struct dvmi_domain *m)
{
	return dvmi_seg_of(m->g->d) ? dvmi_seg_ask_uffd(m->g->d) : -ENOMEM;
}

void dvmi_domain_destroy(struct dvmi_domain *m)
{
	if (!m)
		return;
	dsm_node_destroy(m->node);
	dsm_mesh_destroy(m->mesh);
	free(m);
}
