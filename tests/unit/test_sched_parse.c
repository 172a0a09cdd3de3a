/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched/dsched.h"
#include "tests/unit/cm.h"

static void assert_map(const char *text, enum dsched_map map, uint32_t ppr)
{
	struct dsched_request req = { .map = 99, .ppr = 99 };

	assert_int_equal(dsched_map_parse(&req, text, NULL), 0);
	assert_int_equal(req.map, map);
	assert_int_equal(req.ppr, ppr);
}

static void ways_to_map(void **state)
{
	assert_map("slot", DSCHED_MAP_SLOT, 0);
	assert_map("core", DSCHED_MAP_CORE, 0);
	assert_map("node", DSCHED_MAP_NODE, 0);
	assert_map("numa", DSCHED_MAP_NUMA, 0);
	assert_map("ppr:1:node", DSCHED_MAP_PPR_NODE, 1);
	assert_map("ppr:16777216:numa", DSCHED_MAP_PPR_NUMA, 16777216);
}

static void wrong_ways_to_map(void **state)
{
	static const char *const bad[] = { "",
					   "Core",
					   "cores",
					   "ppr",
					   "ppr:",
					   "ppr:2",
					   "ppr:2:",
					   "ppr::node",
					   "ppr:0:node",
					   "ppr:-1:node",
					   "ppr:2:rack",
					   "ppr:2:node:",
					   "ppr:2 :node",
					   "ppr:16777217:node",
					   " core" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct dsched_request req = { .map = DSCHED_MAP_NODE, .ppr = 3 };
		dvm_error_t err = { 0 };
		assert_int_equal(dsched_map_parse(&req, bad[i], &err), -EINVAL);
		assert_int_equal(err.code, -EINVAL);
		assert_non_null(strstr(err.text, "--map-by"));
		assert_int_equal(req.map, DSCHED_MAP_NODE);
		assert_int_equal(req.ppr, 3);
	}
}

static void ways_to_bind(void **state)
{
	for (int bind = DSCHED_BIND_AUTO; bind <= DSCHED_BIND_NUMA; bind++) {
		struct dsched_request req = { .bind = 99 };
		const char *name = dsched_bind_name((enum dsched_bind)bind);
		assert_int_equal(dsched_bind_parse(&req, name, NULL), 0);
		assert_int_equal(req.bind, bind);
	}
	struct dsched_request req = { .bind = DSCHED_BIND_CORE };
	dvm_error_t err;
	assert_int_equal(dsched_bind_parse(&req, "socket", &err), -EINVAL);
	assert_non_null(strstr(err.text, "--bind-to socket"));
	assert_int_equal(req.bind, DSCHED_BIND_CORE);
	assert_string_equal(dsched_bind_name(99), "?");
}

static void assert_hosts(const char *text, const char *names)
{
	struct dsched_hosts h;
	struct dvmi_buf b = { 0 };

	assert_int_equal(dsched_hosts_parse(&h, text, NULL), 0);
	for (uint32_t i = 0; i < h.n; i++)
		dvmi_buf_printf(&b, "%s%s=%u", i ? " " : "", h.hosts[i].name, h.hosts[i].slots);
	dvmi_buf_put_u8(&b, 0);
	assert_string_equal(b.data, names);
	dvmi_buf_free(&b);
	dsched_hosts_free(&h);
}

static void lists_of_hosts(void **state)
{
	assert_hosts("a", "a=0");
	assert_hosts("a,b:4", "a=0 b=4");
	assert_hosts("n[1-3]:2,x", "n1=2 n2=2 n3=2 x=0");
	assert_hosts("n[1,3],x:1", "n1=0 n3=0 x=1");
	assert_hosts("b,a,b", "b=1 a=0 b=1");
	assert_hosts("a:2,a", "a=2 a=1");
	assert_hosts("a,n[1-2],n1", "a=0 n1=1 n2=0 n1=1");
	/* Two colons: an address, not a count. */
	assert_hosts("fe80::1", "fe80::1=0");
}

static void wrong_lists_of_hosts(void **state)
{
	static const char *const bad[] = {
		"",    ",",    "a,",  ":2",	"a:",	"a:0",		 "a:-1",
		"a:x", "a:1 ", "n[1", "n[2-1]", "a,,b", "a:99999999999", "n[1-2:3]"
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct dsched_hosts h = { .n = 55 };
		dvm_error_t err = { 0 };
		if (dsched_hosts_parse(&h, bad[i], &err) != -EINVAL)
			fail_msg("\"%s\" is taken", bad[i]);
		assert_int_equal(err.code, -EINVAL);
		assert_true(strlen(err.text) > 0);
		assert_int_equal(h.n, 55);
	}
}

static void long_lists_are_bounded(void **state)
{
	struct dsched_hosts h = { 0 };
	dvm_error_t err;
	char *text = malloc(70000);

	assert_non_null(text);
	memset(text, 'a', 69999);
	text[69999] = 0;
	assert_int_equal(dsched_hosts_parse(&h, text, &err), -E2BIG);
	free(text);
	assert_int_equal(dsched_hosts_parse(&h, "n[1-65536]", NULL), 0);
	assert_int_equal(h.n, 65536);
	dsched_hosts_free(&h);
	assert_int_equal(dsched_hosts_parse(&h, "n[1-65536],b", &err), -E2BIG);
	assert_int_equal(err.code, -E2BIG);
	assert_null(h.hosts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ways_to_map),		cmocka_unit_test(wrong_ways_to_map),
		cmocka_unit_test(ways_to_bind),		cmocka_unit_test(lists_of_hosts),
		cmocka_unit_test(wrong_lists_of_hosts), cmocka_unit_test(long_lists_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
