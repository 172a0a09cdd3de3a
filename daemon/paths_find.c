/* SPDX-License-Identifier: BSD-3-Clause */
/* Who lives on this host, and which of them a client should talk to. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/paths_private.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

struct list {
	struct dvmd_present *v;
	size_t n, cap;
	bool own;
};

static int socket_of(const struct dvmd_present *p, char out[DVMD_SUN_PATH_MAX])
{
	return snprintf(out, DVMD_SUN_PATH_MAX, "%s/client.sock", p->run) >= (int)DVMD_SUN_PATH_MAX
		       ? -ENAMETOOLONG
		       : 0;
}

static void look(struct dvmd_present *p)
{
	char sock[DVMD_SUN_PATH_MAX];

	p->alive = socket_of(p, sock) == 0 && dvmd_paths_is_served(sock);
}

static int add(struct list *l, const char *base, const char *machine, const char *node)
{
	struct dvmd_present p = { .own = l->own };
	char sock[DVMD_SUN_PATH_MAX];

	if (snprintf(p.run, sizeof p.run, "%s/%s/%s", base, machine, node) >= (int)sizeof p.run ||
	    socket_of(&p, sock) < 0)
		return 0; /* no daemon can be there */
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 16;
		struct dvmd_present *v = realloc(l->v, cap * sizeof *v);
		if (!v)
			return -ENOMEM;
		l->v = v;
		l->cap = cap;
	}
	strcpy(p.machine, machine);
	strcpy(p.node, node);
	l->v[l->n++] = p;
	return 0;
}

/* A name of one of ours that is a directory, or may be one. */
static bool is_candidate(const struct dirent *e)
{
	return (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN) &&
	       dvmd_name_check("", e->d_name, NULL) == 0;
}

static int list_machine(struct list *l, const char *base, const char *machine)
{
	char path[PATH_MAX + DVMD_NAME_MAX + 2];
	struct dirent *e;
	int rc = 0;

	snprintf(path, sizeof path, "%s/%s", base, machine);
	cleanup_dir DIR *dir = opendir(path);
	while (rc == 0 && dir && (e = readdir(dir)))
		if (is_candidate(e))
			rc = add(l, base, machine, e->d_name);
	return rc;
}

static int list_base(struct list *l, const char *base, const char *machine)
{
	cleanup_dir DIR *dir = opendir(base);
	struct dirent *e;
	int rc = 0;

	while (rc == 0 && dir && (e = readdir(dir)))
		if (is_candidate(e) && (!machine || !strcmp(machine, e->d_name)))
			rc = list_machine(l, base, e->d_name);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	const struct dvmd_present *x = a, *y = b;
	int order = strverscmp(x->machine, y->machine);

	if (x->own != y->own)
		return x->own ? -1 : 1;
	return order ? order : strverscmp(x->node, y->node);
}

/* The bases to look into, the user's own first; one that was named is the only one. */
static int list_all(struct list *l, const char *machine, dvm_error_t *err)
{
	char base[PATH_MAX];
	int rc = dvmd_paths_run_base(geteuid(), base, err);

	l->own = true;
	if (rc == 0)
		rc = list_base(l, base, machine);
	if (rc < 0 || geteuid() == 0 || getenv("DVM_RUN_BASE"))
		return rc;
	l->own = false;
	rc = dvmd_paths_run_base(0, base, err);
	return rc < 0 ? rc : list_base(l, base, machine);
}

/* All there are, in order; nobody has looked yet whether they are alive. */
static int list_sorted(struct dvmd_present **out, size_t *n, const char *machine, dvm_error_t *err)
{
	struct list l = { 0 };
	int rc = list_all(&l, machine, err);

	if (rc < 0) {
		free(l.v);
		return rc == -ENOMEM ? dvmi_error_code(err, rc, "listing machines") : rc;
	}
	if (l.n)
		qsort(l.v, l.n, sizeof *l.v, by_name);
	*out = l.v;
	*n = l.n;
	return 0;
}

int dvmd_paths_list(struct dvmd_present **out, size_t *n, const char *machine, dvm_error_t *err)
{
	int rc = list_sorted(out, n, machine, err);

	for (size_t i = 0; rc == 0 && i < *n; i++)
		look(&(*out)[i]);
	return rc;
}

/*
 * Looks only at those that can be found: the first of each machine that is alive, and those called
 * NODE. Each look wakes a daemon, and a host may have many.
 */
static void look_for(struct dvmd_present *v, size_t n, const char *node)
{
	bool found = false; /* one of this machine; they follow each other, but for root's */

	for (size_t i = 0; i < n; i++) {
		if (i == 0 || strcmp(v[i].machine, v[i - 1].machine) != 0)
			found = false;
		if (!found || (node && !strcmp(v[i].node, node)))
			look(&v[i]);
		found |= v[i].alive;
	}
}

static const struct dvmd_present *first_alive(const struct dvmd_present *v, size_t n,
					      const char *machine, const char *node)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].alive && (!machine || !strcmp(v[i].machine, machine)) &&
		    (!node || !strcmp(v[i].node, node)))
			return &v[i];
	return NULL;
}

/* The names of the machines that run, "a, b"; returns how many there are. */
static int name_machines(const struct dvmd_present *v, size_t n, char *out, size_t size)
{
	int found = 0;
	size_t used = 0;

	out[0] = 0;
	for (size_t i = 0; i < n; i++) {
		if (first_alive(v, n, v[i].machine, NULL) != &v[i])
			continue; /* not alive, or not the first of its machine */
		if (used < size)
			used += (size_t)snprintf(out + used, size - used, "%s%s", found ? ", " : "",
						 v[i].machine);
		found++;
	}
	return found;
}

static int none(const char *machine, const char *node, bool left, dvm_error_t *err)
{
	if (machine && node)
		return dvmi_error_set(err, -DVM_ENOMACHINE,
				      "node %s of machine %s does not run here", node, machine);
	if (machine && left)
		return dvmi_error_set(err, -DVM_ENOMACHINE,
				      "no node of machine %s runs here any more; `dvm up` starts "
				      "them again",
				      machine);
	if (machine)
		return dvmi_error_set(
			err, -DVM_ENOMACHINE,
			"machine %s does not run here; `dvm up` starts it, `dvm join` "
			"joins one",
			machine);
	return dvmi_error_set(
		err, -DVM_ENOMACHINE,
		"no dvm machine runs here; `dvm up` starts one, `dvm join` joins one");
}

/* Without a name: the only machine there is, else the one called "default". */
static int choose(const struct dvmd_present *v, size_t n, const char **machine, dvm_error_t *err)
{
	char names[256];
	int found = name_machines(v, n, names, sizeof names);

	if (found == 0)
		return none(NULL, NULL, n, err);
	if (found == 1)
		*machine = first_alive(v, n, NULL, NULL)->machine;
	else if (first_alive(v, n, "default", NULL))
		*machine = "default";
	else
		return dvmi_error_set(err, -ENOTUNIQ,
				      "several machines run here: %s; choose one with --machine or "
				      "$DVM_MACHINE",
				      names);
	return 0;
}

static int find_in(char out[DVMD_SUN_PATH_MAX], const struct dvmd_present *v, size_t n,
		   const char *machine, const char *node, dvm_error_t *err)
{
	int rc = machine ? 0 : choose(v, n, &machine, err);

	if (rc < 0)
		return rc;
	const struct dvmd_present *p = first_alive(v, n, machine, node);
	if (!p)
		return none(machine, node, n, err);
	strcpy(out, p->run);
	return 0;
}

int dvmd_paths_find(char out[DVMD_SUN_PATH_MAX], const char *machine, const char *node,
		    dvm_error_t *err)
{
	const char *exact = getenv("DVM_RUN_DIR"), *named = getenv("DVM_MACHINE");
	struct dvmd_present *v = NULL;
	size_t n = 0;

	if (!machine && !node && exact && *exact) {
		if (snprintf(out, DVMD_SUN_PATH_MAX, "%s", exact) < (int)DVMD_SUN_PATH_MAX)
			return 0;
		return dvmi_error_set(err, -ENAMETOOLONG, "DVM_RUN_DIR is too long");
	}
	if (!machine && named && *named)
		machine = named;
	int rc = machine ? dvmd_name_check("machine name", machine, err) : 0;
	if (rc == 0)
		rc = list_sorted(&v, &n, machine, err);
	if (rc == 0)
		look_for(v, n, node);
	if (rc == 0)
		rc = find_in(out, v, n, machine, node, err);
	free(v);
	return rc;
}
