/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/shepherd/program.h"
#include "daemon/shepherd/programs.h"
#include "daemon/spec.h"

/* The arguments with a slot in front, for a script without "#!". */
static char **make_argv(const struct dvmd_program *from)
{
	char **argv = calloc(from->n_argv + 2, sizeof *argv);

	if (!argv)
		return NULL;
	memcpy(argv + 1, from->argv, from->n_argv * sizeof *argv);
	return argv + 1;
}

/* What is not in the front directories of PATH need not be looked for there by each rank. */
static char **first_there(char **candidates)
{
	while (candidates[0] && candidates[1] && *candidates[0] == '/' &&
	       access(candidates[0], F_OK) < 0 && errno == ENOENT)
		candidates++;
	return candidates;
}

static int make(struct shep_spawn_program *p, const struct dvmd_program *from, const char *path)
{
	p->wdir = *from->wdir ? from->wdir : "/";
	p->argv = make_argv(from);
	p->candidates = shep_program_candidates(from->argv[0], path);
	if (!p->argv || !p->candidates)
		return -ENOMEM;
	p->first = first_there(p->candidates);
	return 0;
}

int shep_programs_init(struct shep_programs *p, const Pb__JobSpec *spec, const char *path)
{
	int rc = 0;

	p->spec = spec;
	p->n = dvmd_spec_programs(spec);
	p->list = calloc(p->n, sizeof *p->list);
	if (!p->list)
		return -ENOMEM;
	for (size_t i = 0; rc == 0 && i < p->n; i++) {
		const struct dvmd_program from = dvmd_spec_program(spec, i, 0);
		rc = make(&p->list[i], &from, path);
	}
	return rc;
}

void shep_programs_free(struct shep_programs *p)
{
	for (size_t i = 0; p->list && i < p->n; i++) {
		free(p->list[i].candidates);
		if (p->list[i].argv)
			free(p->list[i].argv - 1);
	}
	free(p->list);
	p->list = NULL;
}

const struct shep_spawn_program *shep_programs_of(const struct shep_programs *p, uint32_t rank)
{
	return &p->list[dvmd_spec_program_of(p->spec, rank)];
}
