/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "daemon/name.h"
#include "libdvm/base/err.h"

static bool allowed(char c)
{
	/* Not isalnum(): the rule must not depend on a locale. */
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

int dvmd_name_check(const char *what, const char *name, dvm_error_t *err)
{
	size_t n = 0;

	if (!name || !*name)
		return dvmi_error_set(err, -EINVAL, "%s is empty", what);
	while (allowed(name[n]))
		n++;
	if (name[n])
		return dvmi_error_set(err, -EINVAL,
				      "%s \"%.80s\": only letters, digits, '.', '_' and '-' are "
				      "allowed",
				      what, name);
	if (n > DVMD_NAME_MAX)
		return dvmi_error_set(err, -EINVAL, "%s \"%.80s…\" is longer than %d characters",
				      what, name, DVMD_NAME_MAX);
	if (name[0] == '.' || name[0] == '-')
		return dvmi_error_set(err, -EINVAL, "%s \"%s\" must not begin with '%c'", what,
				      name, name[0]);
	return 0;
}
