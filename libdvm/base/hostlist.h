/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists of node names and their folded text: "node[1-3,7]", "rack[1-2]-[01-16],login".
 *
 * The text is untrusted input: its size, the number of names and the length of each are bounded
 * before anything is expanded. Not thread-safe; the owner frees with dvmi_hostlist_free().
 */
#ifndef DVMI_BASE_HOSTLIST_H
#define DVMI_BASE_HOSTLIST_H

#include <stddef.h>

#include "dvm/error.h"
#include "libdvm/base/buf.h"

#define DVMI_HOSTLIST_NAMES_MAX 65536
#define DVMI_HOSTLIST_NAME_MAX	255   /* bytes of one name */
#define DVMI_HOSTLIST_TEXT_MAX	65536 /* bytes of folded text */

struct dvmi_hostlist {
	char **names; /* owned */
	size_t n, cap;
};

void dvmi_hostlist_free(struct dvmi_hostlist *list);

/* Appends a copy of NAME. -EINVAL for an empty or overlong one, -E2BIG for a full list, -ENOMEM. */
int dvmi_hostlist_add(struct dvmi_hostlist *list, const char *name);

/*
 * Appends the names TEXT stands for, in its order, repetitions kept. A bracket holds numbers and
 * ranges; "[08-11]" keeps its leading zeros. A name may have several brackets. A name is made of
 * printable characters other than blanks and ",[]". Returns how many names were added; -EINVAL
 * for bad text, -E2BIG beyond a limit, -ENOMEM; ERR (nullable) says where. LIST is unchanged
 * on failure.
 */
int dvmi_hostlist_parse(struct dvmi_hostlist *list, const char *text, dvm_error_t *err);

/*
 * Appends the names to OUT in as few brackets as one number per name allows, sorted, each once,
 * without NUL. The last run of up to nine digits of a name is the number. -ENOMEM.
 */
int dvmi_hostlist_fold(const char *const *names, size_t n, struct dvmi_buf *out);

#endif
