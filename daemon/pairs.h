/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of names with numbers, as options and settings have them: "gpu:2,fpga", "ann=3,bob=1". Pure. */
#ifndef DVMD_PAIRS_H
#define DVMD_PAIRS_H

#include <stdint.h>

#include "dvm/error.h"
#include "libdvm/proto/pb.h"

#define DVMD_PAIR_NAME_MAX 63
#define DVMD_GRES_KINDS	   8

struct dvmd_pair {
	char name[DVMD_PAIR_NAME_MAX + 1];
	uint64_t value;
};

/*
 * Takes the next pair off *AT, which is moved behind it; SEP is between name and number, MAX the
 * largest one. A name alone counts as 1. 1: OUT is filled; 0: the end; -EINVAL with ERR.
 */
int dvmd_pairs_next(const char **at, char sep, uint64_t max, struct dvmd_pair *out,
		    dvm_error_t *err);

/* The number of NAME in LIST, whose separator is "="; NONE where it is not there. */
uint64_t dvmd_pairs_find(const char *list, const char *name, uint64_t none);

/* "gpu:2,fpga" as messages of their own, appended to *LIST. -EINVAL, -ENOMEM. */
int dvmd_gres_parse(const char *text, Pb__Gres ***list, size_t *n, dvm_error_t *err);
/* As many kinds as there may be, each named once and as things are named. -EINVAL. */
int dvmd_gres_check(Pb__Gres *const *list, size_t n, dvm_error_t *err);

#endif
