/* SPDX-License-Identifier: BSD-3-Clause */
/* guest.yaml has the options of `dvm guest start`: two tables, in programs of their own. */
#include <stdio.h>
#include <string.h>

#include "daemon/cli/guest.h"
#include "daemon/guestfile.h"
#include "tests/unit/cm.h"

/* Of the command alone. */
static bool is_ours(const char *name)
{
	return !strcmp(name, "file") || !strcmp(name, "json") || !strcmp(name, "machine");
}

/* Is there such a key, and does it take TEXT, so that it comes out as NAME? */
static bool taken(const char *name, const char *text, dvm_error_t *err)
{
	struct dvmi_buf out = { 0 };
	char file[64];
	int n = snprintf(file, sizeof file, "%s: %s\n", name, text);
	int rc = dvmd_guestfile_parse("g.yaml", file, (size_t)n, &out, err);
	bool good = rc == 0 && out.len && !strcmp((const char *)out.data, name);

	dvmi_buf_free(&out);
	return good;
}

static void every_option_is_a_key(void **state)
{
	unsigned seen = 0;

	for (const struct dvmi_opt *o = cli_guest_start_verb.opt.options; o->id; o++) {
		dvm_error_t err = { 0 };
		if (!o->name || is_ours(o->name))
			continue;
		seen++;
		if (o->arg ? !taken(o->name, "40", &err) && !taken(o->name, "[40]", &err) :
			     !taken(o->name, "true", &err))
			fail_msg("--%s: %s", o->name, err.text);
	}
	assert_in_range(seen, 20, 100);
}

static void what_is_the_commands_own_is_none(void **state)
{
	dvm_error_t err = { 0 };

	for (const struct dvmi_opt *o = cli_guest_start_verb.opt.options; o->id; o++)
		if (o->name && is_ours(o->name))
			assert_false(taken(o->name, "40", &err));
}

static void numbers_fit(void **state)
{
	dvm_error_t err = { 0 };

	assert_true(taken("distance", "11", &err));
	assert_false(taken("distance", "10", &err));
	assert_true(taken("tick-rest", "0", &err));
	assert_false(taken("tick-rest", "101", &err));
	assert_false(taken("numa", "0", &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_is_a_key),
		cmocka_unit_test(what_is_the_commands_own_is_none),
		cmocka_unit_test(numbers_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
