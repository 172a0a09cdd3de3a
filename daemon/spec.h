/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Building a JobSpec, for the command line and for ranks that spawn. Everything in it is malloc'ed,
 * so dvmi_pb_free() frees it.
 */
#ifndef DVMD_SPEC_H
#define DVMD_SPEC_H

#include "dvm/error.h"
#include "libdvm/proto/pb.h"

#define DVMD_SPEC_GUEST "guest:" /* in front of a guest's name its job has, and no other one */

/* A program of a job: what is run as ranks FIRST and up. All borrowed from the spec. */
struct dvmd_program {
	char **argv;
	size_t n_argv;
	const char *wdir; /* "": none is asked for */
	uint32_t first, ranks;
};

/* How many programs a job has: 1 unless the spec has `apps`. */
size_t dvmd_spec_programs(const Pb__JobSpec *spec);
/* The one with index I; RANKS is the job's size. */
struct dvmd_program dvmd_spec_program(const Pb__JobSpec *spec, size_t i, uint32_t ranks);
/* The index of RANK's program; 0 also where the spec does not say. */
size_t dvmd_spec_program_of(const Pb__JobSpec *spec, uint32_t rank);

/* Copies S. -ENOMEM. */
int dvmd_spec_add_string(char ***v, size_t *n, const char *s);
int dvmd_spec_set_string(char **field, const char *s);

/* Sets NAME=VALUE among the ranks' environment, replacing what is there. -ENOMEM. */
int dvmd_spec_set_env(Pb__JobSpec *spec, const char *pair);

/* One host: NAME or NAME:SLOTS, the name possibly folded; N bytes of S. */
int dvmd_spec_host(Pb__JobSpec *spec, const char *s, size_t n, dvm_error_t *err);
/* A list of them, "a,b:2,node[1-3]". */
int dvmd_spec_hosts(Pb__JobSpec *spec, const char *list, dvm_error_t *err);

/* "slot", "node", "core", "numa", "ppr:K:node", "ppr:K:numa". */
int dvmd_spec_map_by(Pb__JobSpec *spec, const char *text, dvm_error_t *err);

#endif
