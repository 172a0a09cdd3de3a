/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/name.h"
#include "daemon/pairs.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"

#define COUNT_MAX 1000000u

int dvmd_pairs_next(const char **at, char sep, uint64_t max, struct dvmd_pair *out,
		    dvm_error_t *err)
{
	size_t len = strcspn(*at, ","), n = 0;
	char number[24] = "1";

	if (!**at)
		return 0;
	while (n < len && (*at)[n] != sep)
		n++;
	size_t digits = n < len ? len - n - 1 : 1;
	if (n == 0 || n > DVMD_PAIR_NAME_MAX || digits == 0 || digits >= sizeof number)
		return dvmi_error_set(err, -EINVAL, "expected NAME%cNUMBER,…", sep);
	memcpy(out->name, *at, n);
	out->name[n] = '\0';
	if (n < len) {
		memcpy(number, *at + n + 1, digits);
		number[digits] = '\0';
	}
	if (dvmi_text_u64(number, 0, max, &out->value) < 0)
		return dvmi_error_set(err, -EINVAL, "%s: expected a number up to %llu", out->name,
				      (unsigned long long)max);
	*at += len + ((*at)[len] == ',' && (*at)[len + 1]);
	if (**at == ',')
		return dvmi_error_set(err, -EINVAL, "expected NAME%cNUMBER,…", sep);
	return 1;
}

uint64_t dvmd_pairs_find(const char *list, const char *name, uint64_t none)
{
	struct dvmd_pair p;

	while (dvmd_pairs_next(&list, '=', UINT64_MAX, &p, NULL) > 0)
		if (!strcmp(p.name, name))
			return p.value;
	return none;
}

static int add_gres(Pb__Gres ***list, size_t *n, const struct dvmd_pair *p)
{
	Pb__Gres **grown = reallocarray(*list, *n + 1, sizeof *grown);
	Pb__Gres *g = grown ? malloc(sizeof *g) : NULL;

	if (grown)
		*list = grown;
	if (!g)
		return -ENOMEM;
	pb__gres__init(g);
	g->count = (uint32_t)p->value;
	g->name = strdup(p->name);
	if (!g->name) {
		free(g);
		return -ENOMEM;
	}
	grown[(*n)++] = g;
	return 0;
}

int dvmd_gres_parse(const char *text, Pb__Gres ***list, size_t *n, dvm_error_t *err)
{
	struct dvmd_pair p;
	int rc;

	while ((rc = dvmd_pairs_next(&text, ':', COUNT_MAX, &p, err)) > 0)
		if ((rc = add_gres(list, n, &p)) < 0)
			return dvmi_error_code(err, rc, "generic resources");
	return rc < 0 ? rc : dvmd_gres_check(*list, *n, err);
}

int dvmd_gres_check(Pb__Gres *const *list, size_t n, dvm_error_t *err)
{
	if (n > DVMD_GRES_KINDS)
		return dvmi_error_set(err, -EINVAL, "%zu kinds of generic resources: %d are possible",
				      n, DVMD_GRES_KINDS);
	for (size_t i = 0; i < n; i++) {
		int rc = dvmd_name_check("generic resource", list[i]->name, err);
		if (rc < 0)
			return rc;
		if (list[i]->count > COUNT_MAX)
			return dvmi_error_set(err, -EINVAL, "%s: expected a number up to %u",
					      list[i]->name, COUNT_MAX);
		for (size_t k = 0; k < i; k++)
			if (!strcmp(list[i]->name, list[k]->name))
				return dvmi_error_set(err, -EINVAL, "%s is there twice",
						      list[i]->name);
	}
	return 0;
}
