/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/spec.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"
#include "libdvm/base/hostlist.h"
#include "libdvm/base/text.h"

#define RANKS_MAX 1048576u

size_t dvmd_spec_programs(const Pb__JobSpec *spec)
{
	return spec->n_apps ? spec->n_apps : 1;
}

struct dvmd_program dvmd_spec_program(const Pb__JobSpec *spec, size_t i, uint32_t ranks)
{
	struct dvmd_program p = { spec->argv, spec->n_argv, spec->wdir, 0, ranks };

	if (!spec->n_apps)
		return p;
	for (size_t k = 0; k < i; k++)
		p.first += spec->apps[k]->ranks;
	p.ranks = spec->apps[i]->ranks;
	p.argv = spec->apps[i]->argv;
	p.n_argv = spec->apps[i]->n_argv;
	if (*spec->apps[i]->wdir)
		p.wdir = spec->apps[i]->wdir;
	return p;
}

size_t dvmd_spec_program_of(const Pb__JobSpec *spec, uint32_t rank)
{
	uint64_t end = 0;

	for (size_t i = 0; i < spec->n_apps; i++)
		if (rank < (end += spec->apps[i]->ranks))
			return i;
	return 0;
}

/* A vector that was unpacked has no room to spare, so it is grown each time. */
static int add_pointer(void *vector, size_t *n, void *p)
{
	void **v = p ? reallocarray(*(void ***)vector, *n + 1, sizeof *v) : NULL;

	if (!v)
		return -ENOMEM;
	*(void ***)vector = v;
	v[(*n)++] = p;
	return 0;
}

int dvmd_spec_add_string(char ***v, size_t *n, const char *s)
{
	char *copy = strdup(s);
	int rc = add_pointer(v, n, copy);

	if (rc < 0)
		free(copy);
	return rc;
}

int dvmd_spec_set_string(char **field, const char *s)
{
	char *copy = strdup(s);

	if (!copy)
		return -ENOMEM;
	if (*field != protobuf_c_empty_string)
		free(*field);
	*field = copy;
	return 0;
}

static int add_host(Pb__JobSpec *spec, const char *name, uint32_t slots)
{
	Pb__HostRequest *h = malloc(sizeof *h);

	if (!h)
		return -ENOMEM;
	pb__host_request__init(h);
	h->slots = slots;
	if (dvmd_spec_set_string(&h->name, name) < 0 || add_pointer(&spec->hosts, &spec->n_hosts, h) < 0) {
		dvmi_pb_free(h);
		return -ENOMEM;
	}
	return 0;
}

/* Sets NAME=VALUE among the ranks' environment, replacing what is there. */
int dvmd_spec_set_env(Pb__JobSpec *spec, const char *pair)
{
	size_t len = strcspn(pair, "=") + 1;

	for (size_t i = 0; i < spec->n_env; i++)
		if (!strncmp(spec->env[i], pair, len))
			return dvmd_spec_set_string(&spec->env[i], pair);
	return dvmd_spec_add_string(&spec->env, &spec->n_env, pair);
}

/* NAME or NAME:SLOTS, the name possibly folded; N bytes of S. */
int dvmd_spec_host(Pb__JobSpec *spec, const char *s, size_t n, dvm_error_t *err)
{
	cleanup_free char *item = strndup(s, n);
	struct dvmi_hostlist list = { 0 };
	uint64_t slots = 0;

	if (!item)
		return dvmi_error_code(err, -ENOMEM, "hosts");
	char *colon = strrchr(item, ':');
	if (colon && dvmi_text_u64(colon + 1, 1, RANKS_MAX, &slots) < 0)
		return dvmi_error_set(err, -EINVAL,
				      "\"%s\": the number of slots behind a colon is 1 or more",
				      item);
	if (colon)
		*colon = '\0';
	int rc = dvmi_hostlist_parse(&list, item, err);
	for (size_t i = 0; rc >= 0 && i < list.n; i++)
		rc = add_host(spec, list.names[i], (uint32_t)slots);
	dvmi_hostlist_free(&list);
	return rc < 0 ? rc : 0;
}

/* The length of the first item of a list: up to a comma outside brackets. */
static size_t item_length(const char *s)
{
	size_t n = 0;

	for (bool inside = false; s[n] && (inside || s[n] != ','); n++)
		inside = s[n] == '[' || (inside && s[n] != ']');
	return n;
}

int dvmd_spec_hosts(Pb__JobSpec *spec, const char *list, dvm_error_t *err)
{
	for (;;) {
		size_t n = item_length(list);
		int rc = dvmd_spec_host(spec, list, n, err);

		if (rc < 0 || !list[n])
			return rc;
		list += n + 1;
	}
}

static int map_per_resource(Pb__JobSpec *spec, const char *text, dvm_error_t *err)
{
	uint64_t k;
	cleanup_free char *number = strndup(text, strcspn(text, ":"));

	if (!number)
		return dvmi_error_code(err, -ENOMEM, "placement");
	const char *what = text + strlen(number);
	if (dvmi_text_u64(number, 1, RANKS_MAX, &k) < 0 ||
	    (strcmp(what, ":node") != 0 && strcmp(what, ":numa") != 0))
		return dvmi_error_set(err, -EINVAL,
				      "\"ppr:%s\": expected ppr:K:node or ppr:K:numa", text);
	spec->map_by = !strcmp(what, ":node") ? PB__MAP_BY__MAP_PPR_NODE : PB__MAP_BY__MAP_PPR_NUMA;
	spec->per = (uint32_t)k;
	return 0;
}

int dvmd_spec_map_by(Pb__JobSpec *spec, const char *text, dvm_error_t *err)
{
	static const char *const words[] = { "slot", "node", "core", "numa" };
	static const Pb__MapBy values[] = { PB__MAP_BY__MAP_SLOT, PB__MAP_BY__MAP_NODE,
					    PB__MAP_BY__MAP_CORE, PB__MAP_BY__MAP_NUMA };

	if (!strncmp(text, "ppr:", 4))
		return map_per_resource(spec, text + 4, err);
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (!strcmp(text, words[i])) {
			spec->map_by = values[i];
			return 0;
		}
	return dvmi_error_set(err, -EINVAL,
			      "\"%.64s\": expected slot, node, core, numa, ppr:K:node or ppr:K:numa",
			      text);
}
