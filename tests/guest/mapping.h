/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_GUEST_MAPPING_H
#define TESTS_GUEST_MAPPING_H

#include <stdbool.h>

/* Changes mappings ROUNDS times on the first CPU and uses them on the last one; prints a line. 0: good. */
int guest_mapping(unsigned rounds);

#endif
