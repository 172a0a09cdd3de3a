/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Building a JobSpec, for the command line and for ranks that spawn. Everything in it is malloc'ed,
 * so dvmi_pb_free() frees it.
 */
#ifndef DVMD_SPEC_H
#define DVMD_SPEC_H

#include "dvm/error.h"
#include "libdvm/proto/pb.h"

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
