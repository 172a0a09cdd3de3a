/* SPDX-License-Identifier: BSD-3-Clause */
/* Output with the name of its host before each line, never torn by that of another. */
#ifndef TESTS_RIG_PREFIX_H
#define TESTS_RIG_PREFIX_H

#include <stddef.h>

struct rig_prefix {
	int fd;
	const char *text; /* NULL: everything passes as it is, at once */
	size_t len;	  /* of the line begun */
	char line[4096];
};

/* Writes what is whole and keeps the beginning of a line. 0 or -E. */
int rig_prefix_write(struct rig_prefix *p, const char *data, size_t len);

/* Ends and writes a line begun. */
void rig_prefix_end(struct rig_prefix *p);

#endif
