/* SPDX-License-Identifier: BSD-3-Clause */
/* What users write on the command line, as parts of a request. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"
#include "libdvm/base/hostlist.h"
#include "sched/dsched.h"

#define HOSTS_MAX 65536

static const struct {
	const char *name;
	enum dsched_map map;
} maps[] = {
	{ "slot", DSCHED_MAP_SLOT },
	{ "core", DSCHED_MAP_CORE },
	{ "node", DSCHED_MAP_NODE },
	{ "numa", DSCHED_MAP_NUMA },
}, resources[] = {
	{ "node", DSCHED_MAP_PPR_NODE },
	{ "numa", DSCHED_MAP_PPR_NUMA },
};

static const struct {
	const char *name;
	enum dsched_bind bind;
} binds[] = {
	{ "auto", DSCHED_BIND_AUTO },	      { "none", DSCHED_BIND_NONE },
	{ "hwthread", DSCHED_BIND_HWTHREAD }, { "core", DSCHED_BIND_CORE },
	{ "numa", DSCHED_BIND_NUMA },
};

/* 1…MAX in N digits and nothing else; 0 for any other text. */
static uint32_t count_of(const char *s, size_t n, uint32_t max)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)s[i]))
			return 0;
		v = v * 10 + (uint64_t)(s[i] - '0');
		if (v > max)
			return 0;
	}
	return (uint32_t)v;
}

/* Behind "ppr:". */
static int parse_ppr(struct dsched_request *req, const char *text, dvm_error_t *err)
{
	const char *colon = strchr(text, ':');
	uint32_t ppr = colon ? count_of(text, (size_t)(colon - text), DSCHED_RANKS_MAX) : 0;

	for (size_t i = 0; ppr && i < sizeof resources / sizeof resources[0]; i++)
		if (strcmp(colon + 1, resources[i].name) == 0) {
			req->map = resources[i].map;
			req->ppr = ppr;
			return 0;
		}
	return dvmi_error_set(err, -EINVAL,
			      "--map-by ppr:%.64s: it is ppr:COUNT:node or ppr:COUNT:numa", text);
}

int dsched_map_parse(struct dsched_request *req, const char *text, dvm_error_t *err)
{
	if (strncmp(text, "ppr:", 4) == 0)
		return parse_ppr(req, text + 4, err);
	for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
		if (strcmp(text, maps[i].name) == 0) {
			req->map = maps[i].map;
			req->ppr = 0;
			return 0;
		}
	return dvmi_error_set(err, -EINVAL,
			      "--map-by %.64s: it is slot, core, node, numa, ppr:COUNT:node or "
			      "ppr:COUNT:numa",
			      text);
}

int dsched_bind_parse(struct dsched_request *req, const char *text, dvm_error_t *err)
{
	for (size_t i = 0; i < sizeof binds / sizeof binds[0]; i++)
		if (strcmp(text, binds[i].name) == 0) {
			req->bind = binds[i].bind;
			return 0;
		}
	return dvmi_error_set(err, -EINVAL,
			      "--bind-to %.64s: it is none, core, numa, hwthread or auto", text);
}

const char *dsched_bind_name(enum dsched_bind bind)
{
	for (size_t i = 0; i < sizeof binds / sizeof binds[0]; i++)
		if (binds[i].bind == bind)
			return binds[i].name;
	return "?";
}

/* ---- -H ---- */

void dsched_hosts_free(struct dsched_hosts *hosts)
{
	for (uint32_t i = 0; i < hosts->n; i++)
		free((char *)hosts->hosts[i].name);
	free(hosts->hosts);
	*hosts = (struct dsched_hosts){ 0 };
}

/* Moves the names of LIST behind those of HOSTS. */
static int append(struct dsched_hosts *hosts, struct dvmi_hostlist *list, uint32_t slots)
{
	if (list->n > HOSTS_MAX - hosts->n)
		return -E2BIG;
	struct dsched_host *more = reallocarray(hosts->hosts, hosts->n + list->n, sizeof *more);
	if (!more)
		return -ENOMEM;
	hosts->hosts = more;
	for (size_t i = 0; i < list->n; i++)
		more[hosts->n++] = (struct dsched_host){ take_ptr(list->names[i]), slots };
	list->n = 0;
	return 0;
}

/* One item, "names" or "names:count". A colon inside brackets or behind another is no count. */
static int parse_item(struct dsched_hosts *hosts, char *item, dvm_error_t *err)
{
	struct dvmi_hostlist list = { 0 };
	char *colon = strchr(item, ':');
	uint32_t slots = 0;

	if (colon && !strchr(colon + 1, ':')) {
		slots = count_of(colon + 1, strlen(colon + 1), DSCHED_RANKS_MAX);
		if (slots == 0)
			return dvmi_error_set(err, -EINVAL,
					      "-H %.64s: the slots behind the colon are a number "
					      "of at least 1",
					      item);
		*colon = 0;
	}
	int rc = dvmi_hostlist_parse(&list, item, err);
	if (rc >= 0)
		rc = append(hosts, &list, slots);
	if (rc == -E2BIG || rc == -ENOMEM)
		dvmi_error_code(err, rc, "-H with %u names", hosts->n);
	dvmi_hostlist_free(&list);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	const struct dsched_host *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* A name without a count that is there more than once stands for one slot each time. */
static int count_repeated(struct dsched_hosts *hosts)
{
	cleanup_free struct dsched_host **sorted = calloc(hosts->n, sizeof *sorted);

	if (!sorted)
		return -ENOMEM;
	for (uint32_t i = 0; i < hosts->n; i++)
		sorted[i] = &hosts->hosts[i];
	qsort(sorted, hosts->n, sizeof *sorted, by_name);
	for (uint32_t i = 0, j; i < hosts->n; i = j) {
		for (j = i + 1; j < hosts->n && by_name(&sorted[i], &sorted[j]) == 0;)
			j++;
		for (uint32_t k = i; j - i > 1 && k < j; k++)
			if (sorted[k]->slots == 0)
				sorted[k]->slots = 1;
	}
	return 0;
}

/* End of the item at P: a comma outside brackets, or the end of the text. */
static char *item_end(char *p)
{
	bool inside = false;

	for (; *p && (inside || *p != ','); p++)
		if (*p == '[' || *p == ']')
			inside = *p == '[';
	return p;
}

static int parse_items(struct dsched_hosts *hosts, char *text, dvm_error_t *err)
{
	for (char *p = text, *end;; p = end + 1) {
		end = item_end(p);
		bool last = *end == 0;
		*end = 0;
		int rc = parse_item(hosts, p, err);
		if (rc < 0 || last)
			return rc < 0 ? rc : count_repeated(hosts);
	}
}

int dsched_hosts_parse(struct dsched_hosts *hosts, const char *text, dvm_error_t *err)
{
	struct dsched_hosts fresh = { 0 };
	cleanup_free char *copy = NULL;

	if (strnlen(text, DVMI_HOSTLIST_TEXT_MAX + 1) <= DVMI_HOSTLIST_TEXT_MAX)
		copy = strdup(text);
	else
		return dvmi_error_set(err, -E2BIG, "-H: more than %d bytes",
				      DVMI_HOSTLIST_TEXT_MAX);
	int rc = copy ? parse_items(&fresh, copy, err) : -ENOMEM;
	if (rc < 0)
		dsched_hosts_free(&fresh);
	else
		*hosts = fresh;
	return rc < 0 ? rc : 0;
}
