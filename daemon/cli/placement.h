/* SPDX-License-Identifier: BSD-3-Clause */
/* A job's placement as people and programs read it. */
#ifndef DVMD_CLI_PLACEMENT_H
#define DVMD_CLI_PLACEMENT_H

#include <jansson.h>
#include <stdio.h>

#include "libdvm/proto/pb.h"

/* One line a node: "node1  ranks 0-3". */
int cli_placement_print_map(const Pb__Placement *p, FILE *f);

json_t *cli_placement_json(const Pb__Placement *p);

#endif
