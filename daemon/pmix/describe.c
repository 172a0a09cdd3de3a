/* SPDX-License-Identifier: BSD-3-Clause */
/* What a job looks like, in the keys that libpmix knows: our own job, or one that ours connects to. */
#include <pmix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/pmix/pmixd.h"

void pmixd_infos_add(struct pmixd_infos *l, const char *key, const void *value,
		     pmix_data_type_t type)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 32;
		pmix_info_t *list = realloc(l->list, cap * sizeof *list);
		if (!list) {
			l->failed = true;
			return;
		}
		memset(list + l->cap, 0, (cap - l->cap) * sizeof *list);
		l->list = list;
		l->cap = cap;
	}
	if (PMIx_Info_load(&l->list[l->n++], key, value, type) != PMIX_SUCCESS)
		l->failed = true;
}

static void add_u32(struct pmixd_infos *l, const char *key, uint32_t v)
{
	pmixd_infos_add(l, key, &v, PMIX_UINT32);
}

void pmixd_infos_free(struct pmixd_infos *l)
{
	for (size_t i = 0; i < l->n; i++)
		PMIX_INFO_DESTRUCT(&l->list[i]);
	free(l->list);
}

/* This node's part; NULL: another job has none here. */
static const Pb__PmixNode *here(const Pb__PmixSetup *s)
{
	return s->node < s->n_nodes ? s->nodes[s->node] : NULL;
}

static void put_ranks(struct dvmi_buf *b, const Pb__PmixNode *node)
{
	for (size_t r = 0; r < node->n_ranks; r++)
		dvmi_buf_printf(b, "%s%u", r ? "," : "", node->ranks[r]);
}

/* Which nodes there are and which ranks they have, in libpmix' own compressed form. */
static void add_maps(struct pmixd_infos *l, const Pb__PmixSetup *s)
{
	struct dvmi_buf names = { 0 }, ranks = { 0 };
	char *nodes = NULL, *procs = NULL;

	for (size_t i = 0; i < s->n_nodes; i++) {
		dvmi_buf_printf(&names, "%s%s", i ? "," : "", s->nodes[i]->name);
		if (i)
			dvmi_buf_printf(&ranks, ";");
		put_ranks(&ranks, s->nodes[i]);
	}
	dvmi_buf_put_u8(&names, 0);
	dvmi_buf_put_u8(&ranks, 0);
	if (names.err || ranks.err || PMIx_generate_regex((char *)names.data, &nodes) != PMIX_SUCCESS ||
	    PMIx_generate_ppn((char *)ranks.data, &procs) != PMIX_SUCCESS) {
		l->failed = true;
	} else {
		pmixd_infos_add(l, PMIX_NODE_MAP, nodes, PMIX_REGEX);
		pmixd_infos_add(l, PMIX_PROC_MAP, procs, PMIX_REGEX);
	}
	free(nodes);
	free(procs);
	dvmi_buf_free(&names);
	dvmi_buf_free(&ranks);
}

/* What is true of node I. */
static void add_node(struct pmixd_infos *l, const Pb__PmixSetup *s, uint32_t i)
{
	const Pb__PmixNode *node = s->nodes[i];
	struct dvmi_buf peers = { 0 };

	put_ranks(&peers, node);
	dvmi_buf_put_u8(&peers, 0);
	if (peers.err)
		l->failed = true;
	else
		pmixd_infos_add(l, PMIX_LOCAL_PEERS, peers.data, PMIX_STRING);
	dvmi_buf_free(&peers);
	if (node->n_ranks)
		pmixd_infos_add(l, PMIX_LOCALLDR, &(pmix_rank_t){ node->ranks[0] }, PMIX_PROC_RANK);
	add_u32(l, PMIX_LOCAL_SIZE, (uint32_t)node->n_ranks);
	add_u32(l, PMIX_NODE_SIZE, (uint32_t)node->n_ranks);
	add_u32(l, PMIX_NODEID, i);
}

/*
 * The same of all nodes, by their names: what is a node's and is asked of a rank elsewhere, libpmix
 * answers from here. (All but PMIX_NODEID itself, by which it tells nodes apart and no more.)
 */
static void add_nodes(struct pmixd_infos *l, const Pb__PmixSetup *s)
{
	for (uint32_t i = 0; i < s->n_nodes; i++) {
		struct pmixd_infos own = { 0 };
		pmixd_infos_add(&own, PMIX_HOSTNAME, s->nodes[i]->name, PMIX_STRING);
		add_node(&own, s, i);
		pmix_data_array_t all = { .type = PMIX_INFO, .size = own.n, .array = own.list };
		pmixd_infos_add(l, PMIX_NODE_INFO_ARRAY, &all, PMIX_DATA_ARRAY);
		l->failed |= own.failed;
		pmixd_infos_free(&own);
	}
}

/* ---- programs ---- */

struct part {
	uint32_t number, first, ranks;
};

static struct part part_of(const Pb__PmixSetup *s, uint32_t rank)
{
	struct part p = { .ranks = s->size };

	for (uint32_t i = 0, first = 0; i < s->n_programs; first += s->programs[i++])
		if (rank >= first && rank - first < s->programs[i])
			return (struct part){ i, first, s->programs[i] };
	return p;
}

static void add_programs(struct pmixd_infos *l, const Pb__PmixSetup *s)
{
	uint32_t n = s->n_programs ? (uint32_t)s->n_programs : 1;

	add_u32(l, PMIX_JOB_NUM_APPS, n);
	for (uint32_t i = 0, first = 0; i < s->n_programs; first += s->programs[i++]) {
		struct pmixd_infos own = { 0 };
		add_u32(&own, PMIX_APPNUM, i);
		add_u32(&own, PMIX_APP_SIZE, s->programs[i]);
		pmixd_infos_add(&own, PMIX_APPLDR, &first, PMIX_PROC_RANK);
		pmix_data_array_t all = { .type = PMIX_INFO, .size = own.n, .array = own.list };
		pmixd_infos_add(l, PMIX_APP_INFO_ARRAY, &all, PMIX_DATA_ARRAY);
		l->failed |= own.failed;
		pmixd_infos_free(&own);
	}
}

/* ---- ranks ---- */

/*
 * Where on this node a rank that is bound runs, in libpmix' words for sockets, caches and cores: by
 * them ranks know whom they share what with. Nothing where the topology is not known.
 */
static void add_locality(struct pmixd_infos *l, const char *cpus)
{
	char text[1024], *locality = NULL;
	pmix_cpuset_t set;

	PMIX_CPUSET_CONSTRUCT(&set);
	if (snprintf(text, sizeof text, "hwloc:%s", cpus) < (int)sizeof text &&
	    PMIx_Parse_cpuset_string(text, &set) == PMIX_SUCCESS &&
	    PMIx_server_generate_locality_string(&set, &locality) == PMIX_SUCCESS && locality)
		pmixd_infos_add(l, PMIX_LOCALITY_STRING, locality, PMIX_STRING);
	free(locality);
	PMIx_Cpuset_destruct(&set);
}

/* One rank: half of what PMIX_PROC_DATA may hold is worse than nothing of it. */
static void add_rank(struct pmixd_infos *l, const Pb__PmixSetup *s, uint32_t node, uint32_t local)
{
	struct pmixd_infos own = { 0 };
	pmix_rank_t rank = s->nodes[node]->ranks[local];
	struct part part = part_of(s, rank);
	pmix_rank_t in_part = rank - part.first;
	uint16_t l16 = (uint16_t)local;

	pmixd_infos_add(&own, PMIX_RANK, &rank, PMIX_PROC_RANK);
	pmixd_infos_add(&own, PMIX_GLOBAL_RANK, &rank, PMIX_PROC_RANK);
	pmixd_infos_add(&own, PMIX_APP_RANK, &in_part, PMIX_PROC_RANK);
	add_u32(&own, PMIX_APPNUM, part.number);
	pmixd_infos_add(&own, PMIX_LOCAL_RANK, &l16, PMIX_UINT16);
	pmixd_infos_add(&own, PMIX_NODE_RANK, &l16, PMIX_UINT16);
	add_u32(&own, PMIX_NODEID, node);
	pmixd_infos_add(&own, PMIX_HOSTNAME, s->nodes[node]->name, PMIX_STRING);
	if (local < s->nodes[node]->n_cpus && *s->nodes[node]->cpus[local]) {
		pmixd_infos_add(&own, PMIX_CPUSET, s->nodes[node]->cpus[local], PMIX_STRING);
		if (node == s->node)
			add_locality(&own, s->nodes[node]->cpus[local]);
	}
	pmix_data_array_t all = { .type = PMIX_INFO, .size = own.n, .array = own.list };
	pmixd_infos_add(l, PMIX_PROC_DATA, &all, PMIX_DATA_ARRAY);
	l->failed |= own.failed;
	pmixd_infos_free(&own);
}

static void add_parent(struct pmixd_infos *l, const struct pmixd *d, const Pb__PmixSetup *s)
{
	const bool yes = true;
	pmix_nspace_t nspace;
	pmix_proc_t parent;

	if (!s->parent_job)
		return;
	pmixd_nspace_of(d, s->parent_job, nspace);
	PMIX_LOAD_PROCID(&parent, nspace, s->parent_rank);
	pmixd_infos_add(l, PMIX_SPAWNED, &yes, PMIX_BOOL);
	pmixd_infos_add(l, PMIX_PARENT_ID, &parent, PMIX_PROC);
}

void pmixd_describe(struct pmixd_infos *l, const struct pmixd *d, const Pb__PmixSetup *s,
		    const char *nspace)
{
	const bool yes = true;

	add_u32(l, PMIX_JOB_SIZE, s->size);
	add_u32(l, PMIX_UNIV_SIZE, s->universe > s->size ? s->universe : s->size);
	add_u32(l, PMIX_MAX_PROCS, s->size);
	add_u32(l, PMIX_NUM_NODES, (uint32_t)s->n_nodes);
	pmixd_infos_add(l, PMIX_JOBID, nspace, PMIX_STRING);
	if (*s->dir) {
		pmixd_infos_add(l, PMIX_TMPDIR, s->dir, PMIX_STRING);
		pmixd_infos_add(l, PMIX_NSDIR, s->dir, PMIX_STRING);
		pmixd_infos_add(l, PMIX_TDIR_RMCLEAN, &yes, PMIX_BOOL);
	}
	if (*s->map_by)
		pmixd_infos_add(l, PMIX_MAPBY, s->map_by, PMIX_STRING);
	if (*s->bind_to)
		pmixd_infos_add(l, PMIX_BINDTO, s->bind_to, PMIX_STRING);
	add_parent(l, d, s);
	add_programs(l, s);
	add_maps(l, s);
	if (here(s))
		add_node(l, s, s->node);
	add_nodes(l, s);
	for (uint32_t n = 0; n < s->n_nodes; n++)
		for (uint32_t r = 0; r < s->nodes[n]->n_ranks; r++)
			add_rank(l, s, n, r);
}
