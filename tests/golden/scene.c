/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"
#include "tests/golden/scene.h"

/* "16G" in bytes; UINT64_MAX for nonsense. */
static uint64_t bytes(const char *text)
{
	static const char units[] = "KMGT";
	char *end;
	uint64_t v = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (end == text || (*end && (!unit || end[1])))
		return UINT64_MAX;
	return unit ? v << (10 * (unit - units + 1)) : v;
}

static int number(const char *text, uint32_t *v)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	*v = (uint32_t)n;
	return *text && !*end && n <= UINT32_MAX ? 0 : -EINVAL;
}

static const struct dsched_topo *find_topo(const struct scene *s, const char *name)
{
	for (unsigned i = 0; i < s->ntopos; i++)
		if (strcmp(s->topos[i].name, name) == 0)
			return &s->topos[i].topo;
	return NULL;
}

static int read_topo(struct scene *s, char *rest)
{
	char *name = strsep(&rest, " ");

	if (!rest || s->ntopos == SCENE_TOPOS || find_topo(s, name))
		return -EINVAL;
	int rc = dsched_topo_parse(&s->topos[s->ntopos].topo, rest, strlen(rest));
	if (rc == 0)
		s->topos[s->ntopos++].name = strdup(name);
	return rc;
}

static int set_state(struct dsched_node *node, const char *value)
{
	if (strcmp(value, "down") == 0)
		node->state = DSCHED_NODE_DOWN;
	else if (strcmp(value, "draining") == 0)
		node->state = DSCHED_NODE_DRAINING;
	else
		return -EINVAL;
	return 0;
}

static int set_number(struct dsched_node *node, const char *key, const char *value)
{
	if (strcmp(key, "slots") == 0)
		return number(value, &node->slots);
	if (strcmp(key, "used") == 0)
		return number(value, &node->slots_used);
	if (strcmp(key, "jobs") == 0)
		return number(value, &node->jobs);
	if (strcmp(key, "mem") == 0)
		node->mem = node->mem_free = bytes(value);
	else if (strcmp(key, "free") == 0)
		node->mem_free = bytes(value);
	else
		return -EINVAL;
	return node->mem_free == UINT64_MAX ? -EINVAL : 0;
}

static int set(struct scene *s, uint32_t i, const char *key, const char *value)
{
	struct dsched_node *node = &s->nodes[i];

	if (strcmp(key, "exclusive") == 0)
		return node->exclusive = true, 0;
	if (!value)
		return -EINVAL;
	if (strcmp(key, "state") == 0)
		return set_state(node, value);
	if (strcmp(key, "host") == 0)
		return node->host = dsched_host_number(value), 0;
	if (strcmp(key, "topo") == 0)
		return (node->topo = find_topo(s, value)) ? 0 : -EINVAL;
	if (strcmp(key, "busy") != 0)
		return set_number(node, key, value);
	node->busy = &s->busy[i];
	return dvmi_idset_parse(&s->busy[i], value, DSCHED_PU_MAX);
}

static int read_node(struct scene *s, char *rest)
{
	uint32_t first = (uint32_t)s->names.n;
	int n = dvmi_hostlist_parse(&s->names, strsep(&rest, " "), NULL);

	if (n < 0 || s->names.n > SCENE_NODES)
		return -EINVAL;
	for (char *word; (word = strsep(&rest, " "));) {
		char *key = strsep(&word, "=");
		for (uint32_t i = first; *key && i < s->names.n; i++)
			if (set(s, i, key, word) < 0)
				return -EINVAL;
	}
	for (uint32_t i = first; i < s->names.n; i++)
		s->nodes[i].id = i + 1;
	return 0;
}

static int set_option(struct scene_run *run, const char *opt, const char *value)
{
	struct dsched_request *req = &run->req;

	if (strcmp(opt, "-n") == 0)
		return number(value, &req->ranks);
	if (strcmp(opt, "-N") == 0)
		return number(value, &req->nodes);
	if (strcmp(opt, "--map-by") == 0)
		return dsched_map_parse(req, value, NULL);
	if (strcmp(opt, "--bind-to") == 0)
		return dsched_bind_parse(req, value, NULL);
	if (strcmp(opt, "-H") == 0)
		return dsched_hosts_parse(&run->hosts, value, NULL);
	if (strcmp(opt, "--exclude") == 0)
		return dvmi_hostlist_parse(&run->exclude, value, NULL) < 0 ? -EINVAL : 0;
	if (strcmp(opt, "--mem") == 0)
		return (req->mem_per_rank = bytes(value)) == UINT64_MAX ? -EINVAL : 0;
	return -EINVAL;
}

static int read_options(struct scene_run *run, char *rest)
{
	for (char *opt; (opt = strsep(&rest, " "));) {
		if (strcmp(opt, "--oversubscribe") == 0) {
			run->req.oversubscribe = true;
		} else if (strcmp(opt, "--exclusive") == 0) {
			run->req.exclusive = true;
		} else {
			char *value = strsep(&rest, " ");
			if (!value || set_option(run, opt, value) < 0)
				return -EINVAL;
		}
	}
	return 0;
}

static int read_run(struct scene *s, char *rest)
{
	struct scene_run *run = &s->runs[s->nruns];

	if (s->nruns == SCENE_RUNS)
		return -E2BIG;
	s->nruns++;
	run->line = strdup(rest ? rest : "");
	run->req.size = sizeof run->req;
	int rc = rest ? read_options(run, rest) : 0;
	run->req.include = run->hosts.hosts;
	run->req.ninclude = run->hosts.n;
	run->req.exclude = (const char *const *)run->exclude.names;
	run->req.nexclude = (uint32_t)run->exclude.n;
	return rc;
}

static int read_line(struct scene *s, char *line)
{
	char *word = strsep(&line, " ");

	if (!*word || *word == '#')
		return 0;
	if (strcmp(word, "run") == 0)
		return read_run(s, line);
	if (!line)
		return -EINVAL;
	if (strcmp(word, "topo") == 0)
		return read_topo(s, line);
	return strcmp(word, "node") == 0 ? read_node(s, line) : -EINVAL;
}

static int read_all(struct scene *s, const char *path, dvm_error_t *err)
{
	cleanup_file FILE *f = fopen(path, "r");
	cleanup_free char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	if (!f)
		return dvmi_error_code(err, -errno, "%s", path);
	for (int n = 1; (len = getline(&line, &cap, f)) >= 0; n++) {
		if (len && line[len - 1] == '\n')
			line[len - 1] = 0;
		int rc = read_line(s, line);
		if (rc < 0)
			return dvmi_error_set(err, rc, "%s:%d: not understood", path, n);
	}
	return 0;
}

static void finish(struct scene *s)
{
	for (size_t i = 0; i < s->names.n; i++)
		s->nodes[i].name = s->names.names[i];
	s->snap = (struct dsched_snapshot){
		.size = sizeof s->snap,
		.nodes = s->nodes,
		.nnodes = (uint32_t)s->names.n,
	};
}

int scene_load(struct scene **out, const char *path, dvm_error_t *err)
{
	struct scene *s = calloc(1, sizeof *s);
	int rc = s ? read_all(s, path, err) : -ENOMEM;

	if (rc < 0) {
		scene_destroy(s);
		return rc;
	}
	finish(s);
	*out = s;
	return 0;
}

void scene_destroy(struct scene *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->ntopos; i++) {
		free(s->topos[i].name);
		dsched_topo_free(&s->topos[i].topo);
	}
	for (unsigned i = 0; i < SCENE_NODES; i++)
		dvmi_idset_free(&s->busy[i]);
	for (unsigned i = 0; i < s->nruns; i++) {
		free(s->runs[i].line);
		dsched_hosts_free(&s->runs[i].hosts);
		dvmi_hostlist_free(&s->runs[i].exclude);
	}
	dvmi_hostlist_free(&s->names);
	free(s);
}
