/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of placement: how many ranks, on which nodes, bound to what. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cli/jobspec_private.h"
#include "daemon/spec.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"
#include "libdvm/base/hostlist.h"
#include "libdvm/base/text.h"

#define RANKS_MAX  CLI_RANKS_MAX
#define SHARES_MAX 10000

static int exclude(Pb__JobSpec *spec, const char *text, dvm_error_t *err)
{
	struct dvmi_hostlist list = { 0 };
	int rc = dvmi_hostlist_parse(&list, text, err);

	for (size_t i = 0; rc >= 0 && i < list.n; i++)
		rc = dvmd_spec_add_string(&spec->exclude, &spec->n_exclude, list.names[i]);
	dvmi_hostlist_free(&list);
	return rc;
}

/* ppr:K:node, ppr:K:numa */
static int map_per_resource(Pb__JobSpec *spec, const char *arg, const struct dvmi_opt_parser *p,
			    dvm_error_t *err)
{
	uint64_t k;
	cleanup_free char *number = strndup(arg + 4, strcspn(arg + 4, ":"));

	if (!number)
		return dvmi_error_code(err, -ENOMEM, "--map-by");
	const char *what = arg + 4 + strlen(number);
	if (dvmi_text_u64(number, 1, RANKS_MAX, &k) < 0)
		return dvmi_opt_bad(p, err,
				    "expected ppr:K:node or ppr:K:numa with K of 1 or more");
	if (!strcmp(what, ":node"))
		spec->map_by = PB__MAP_BY__MAP_PPR_NODE;
	else if (!strcmp(what, ":numa") || !strcmp(what, ":socket") || !strcmp(what, ":package"))
		spec->map_by = PB__MAP_BY__MAP_PPR_NUMA;
	else
		return dvmi_opt_bad(p, err, "expected ppr:K:node or ppr:K:numa");
	spec->per = (uint32_t)k;
	return 0;
}

/* Takes ":oversubscribe" and the like off the end of mpirun's --map-by. */
static void take_modifiers(Pb__JobSpec *spec, char *how)
{
	for (char *colon; (colon = strrchr(how, ':'));) {
		if (!strcasecmp(colon + 1, "oversubscribe"))
			spec->oversubscribe = true;
		else if (!strcasecmp(colon + 1, "nooversubscribe"))
			spec->oversubscribe = false;
		else
			return;
		*colon = '\0';
	}
}

/* "1.5": thousandths are kept. */
static int cpu_limit(Pb__JobSpec *spec, const struct dvmi_opt_parser *p, dvm_error_t *err)
{
	char *end;
	double cpus = strtod(p->arg, &end);

	if (end == p->arg || *end || !(cpus >= 0.01 && cpus <= 4096))
		return dvmi_opt_bad(p, err, "a number of processors is wanted, 0.01 to 4096");
	spec->cpu_limit = (uint32_t)(cpus * 1000 + 0.5);
	return 0;
}

static int map_by(Pb__JobSpec *spec, struct dvmi_opt_parser *p, dvm_error_t *err)
{
	static const char *const words[] = { "slot",   "node",	  "core",     "numa",
					     "socket", "package", "hwthread", NULL };
	static const Pb__MapBy values[] = { PB__MAP_BY__MAP_SLOT, PB__MAP_BY__MAP_NODE,
					    PB__MAP_BY__MAP_CORE, PB__MAP_BY__MAP_NUMA,
					    PB__MAP_BY__MAP_NUMA, PB__MAP_BY__MAP_NUMA,
					    PB__MAP_BY__MAP_CORE };
	cleanup_free char *how = strdup(p->arg);

	if (!how)
		return dvmi_error_code(err, -ENOMEM, "--map-by");
	take_modifiers(spec, how);
	if (!strncmp(how, "ppr:", 4))
		return map_per_resource(spec, how, p, err);
	struct dvmi_opt_parser q = *p;
	q.arg = how;
	int i = dvmi_opt_choice(&q, words, err);
	if (i < 0)
		return i;
	spec->map_by = values[i];
	spec->per = 0;
	return 0;
}

static int bind_to(Pb__JobSpec *spec, struct dvmi_opt_parser *p, dvm_error_t *err)
{
	static const char *const words[] = { "auto",	 "none",   "core",    "numa", "thread",
					     "hwthread", "socket", "package", NULL };
	static const Pb__BindTo values[] = { PB__BIND_TO__BIND_AUTO,   PB__BIND_TO__BIND_NONE,
					     PB__BIND_TO__BIND_CORE,   PB__BIND_TO__BIND_NUMA,
					     PB__BIND_TO__BIND_THREAD, PB__BIND_TO__BIND_THREAD,
					     PB__BIND_TO__BIND_NUMA,   PB__BIND_TO__BIND_NUMA };
	int i = dvmi_opt_choice(p, words, err);

	if (i >= 0)
		spec->bind_to = values[i];
	return i;
}

static int set_per_node(Pb__JobSpec *spec, struct dvmi_opt_parser *p, dvm_error_t *err)
{
	spec->map_by = PB__MAP_BY__MAP_PPR_NODE;
	return dvmi_opt_u32(p, 1, RANKS_MAX, &spec->per, err);
}

/* "8", or "2-8" of one that may grow. */
static int set_ranks(Pb__JobSpec *spec, struct dvmi_opt_parser *p, dvm_error_t *err)
{
	const char *minus = strchr(p->arg, '-');
	uint64_t least, most;

	if (!minus)
		return dvmi_opt_u32(p, 1, RANKS_MAX, &spec->ranks, err);
	cleanup_free char *first = strndup(p->arg, (size_t)(minus - p->arg));
	if (!first)
		return dvmi_error_code(err, -ENOMEM, "%s", p->spelled);
	if (dvmi_text_u64(first, 1, RANKS_MAX, &least) < 0 ||
	    dvmi_text_u64(minus + 1, 1, RANKS_MAX, &most) < 0)
		return dvmi_opt_bad(p, err, "expected a number of ranks, or the least and the most: 2-8");
	spec->ranks = (uint32_t)least;
	spec->ranks_max = (uint32_t)most;
	return 0;
}

static int set_beside(Pb__JobSpec *spec, const struct dvmi_opt_parser *p, dvm_error_t *err)
{
	if (dvmi_text_u64(p->arg, 1, UINT64_MAX, &spec->beside) < 0)
		return dvmi_opt_bad(p, err, "expected a job");
	return 0;
}

int cli_job_place(Pb__JobSpec *spec, struct dvmi_opt_parser *p, int id, dvm_error_t *err)
{
	switch (id) {
	case RANKS:
		return set_ranks(spec, p, err);
	case MOST_RANKS:
		return dvmi_opt_u32(p, 1, RANKS_MAX, &spec->ranks_max, err);
	case NODES:
		return dvmi_opt_u32(p, 1, RANKS_MAX, &spec->nodes, err);
	case PER_NODE:
		return set_per_node(spec, p, err);
	case MAP_BY:
		return map_by(spec, p, err);
	case BIND_TO:
		return bind_to(spec, p, err);
	case HOSTS:
		return cli_job_named(p, dvmd_spec_hosts(spec, p->arg, err), err);
	case HOSTFILE:
		return cli_job_named(p, cli_hostfile_read(spec, p->arg, err), err);
	case EXCLUDE:
		return cli_job_named(p, exclude(spec, p->arg, err), err);
	case MEM_PER_RANK:
		return dvmi_opt_size(p, &spec->mem_per_rank, err);
	case CPU_LIMIT:
		return cpu_limit(spec, p, err);
	case CPU_SHARES:
		return dvmi_opt_u32(p, 1, SHARES_MAX, &spec->cpu_shares, err);
	case OVERSUBSCRIBE:
		spec->oversubscribe = true;
		return 0;
	case NO_OVERSUBSCRIBE:
		spec->oversubscribe = false;
		return 0;
	case NO_SLOTS: /* for what mostly waits, as our own helpers do */
		spec->no_slots = spec->oversubscribe = true;
		return 0;
	case BESIDE: /* the same, where JOB runs, drained or not */
		spec->no_slots = spec->oversubscribe = true;
		return set_beside(spec, p, err);
	case SOLE: /* of its name */
		spec->sole = true;
		return 0;
	case GUEST: /* its ranks are monitors */
		spec->guest = true;
		return 0;
	case EXCLUSIVE:
		spec->exclusive = true;
		return 0;
	default:
		return 1;
	}
}
