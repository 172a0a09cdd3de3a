/* SPDX-License-Identifier: BSD-3-Clause */
/* What opt.c (parsing) and opt_text.c (help, manual, completion) share. */
#ifndef DVMI_BASE_OPT_PRIVATE_H
#define DVMI_BASE_OPT_PRIVATE_H

#include "libdvm/base/opt.h"

#define OPT_SPELLING_MAX 64

/*
 * The I-th spelling of an option with its dashes ("-n", "--ranks", then the aliases) in OUT;
 * false when there are no more.
 */
bool dvmi_opt_spelling(const struct dvmi_opt *o, unsigned i, char out[OPT_SPELLING_MAX]);

/* The option that is spelled like the first N bytes of WORD (dashes and all), or NULL. */
const struct dvmi_opt *dvmi_opt_find(const struct dvmi_opt *table, const char *word, size_t n);

/* The option of every command, for where the table has no spelling of its own. */
extern const struct dvmi_opt dvmi_opt_help_option;

#endif
