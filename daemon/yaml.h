/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of settings: one flat mapping of YAML. libcyaml finds out whether a file follows its schema;
 * it names only the neighbourhood of what it does not like, so the lines of keys are found here.
 *
 * No state; any thread.
 */
#ifndef DVMD_YAML_H
#define DVMD_YAML_H

#include <cyaml/cyaml.h>

#include "dvm/error.h"

#define DVMD_YAML_MAX (64u << 10) /* bytes of a file */

/* The whole of PATH in TEXT (DVMD_YAML_MAX + 1 bytes): its length, or -E…. Of a pipe it waits for the
 * end, if anybody has it open. */
int dvmd_yaml_read(const char *path, char *text, dvm_error_t *err);

/* Text as SCHEMA has it; *DATA is NULL for an empty file, and goes with dvmd_yaml_free(). */
int dvmd_yaml_load(void **data, const char *path, const char *text, size_t n,
		   const cyaml_schema_value_t *schema, dvm_error_t *err);
void dvmd_yaml_free(void *data, const cyaml_schema_value_t *schema);

/* KEY, of LEN bytes, begins LINE. Less than 0 ends the search. */
typedef int dvmd_yaml_key_fn(void *arg, const char *key, size_t len, unsigned line,
			     dvm_error_t *err);
int dvmd_yaml_each_key(const char *text, size_t n, dvmd_yaml_key_fn *fn, void *arg,
		       dvm_error_t *err);
/* A known key begins LINE of PATH: *FIRST (0: not yet) becomes that; -EINVAL the second time. */
int dvmd_yaml_once(unsigned *first, const char *path, const char *name, unsigned line,
		   dvm_error_t *err);

#endif
