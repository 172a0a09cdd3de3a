/* SPDX-License-Identifier: BSD-3-Clause */
/* What happened in a guest between two answers to `stat`, as tables. Pure. */
#ifndef DVMD_CLI_TOP_H
#define DVMD_CLI_TOP_H

#include <jansson.h>
#include <stdio.h>

/*
 * BEFORE and NOW are what dvm-vmm says of guest NAME; BEFORE is NULL the first time, when NOW is
 * shown as the average since the start. They come from another process: what is missing counts as 0.
 * -ENOMEM.
 */
int cli_top_print(FILE *f, const char *name, const json_t *before, const json_t *now);

#endif
