/* SPDX-License-Identifier: BSD-3-Clause */
/* What lists are made of: tables, times, addresses. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cli/net.h"
#include "daemon/cli/show.h"
#include "tests/unit/cm.h"

static void tables_are_aligned(void **state)
{
	struct cli_table t = { .columns = 3, .right = 2 };
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	cli_table_heading(&t, "NAME N LAST");
	cli_table_add(&t, "%s", "größe");
	cli_table_add(&t, "%d", 1234);
	cli_table_add(&t, "%s", "x");
	assert_int_equal(cli_table_print(&t, f), 0);
	fclose(f);
	assert_string_equal(text, "NAME      N  LAST\ngröße  1234  x\n");
	free(text);
	cli_table_free(&t);
}

static void times(void **state)
{
	char out[CLI_TIME_MAX];

	assert_string_equal(cli_time_rfc3339(UINT64_C(1700000000000001999), out),
			    "2023-11-14T22:13:20.000001Z");
	assert_string_equal(cli_time_rfc3339(0, out), "");
	assert_string_equal(cli_time_ago(0, 5, out), "-");
	assert_string_equal(cli_time_ago(10, 5, out), "0s"); /* clocks differ */
	assert_string_equal(cli_time_ago(1, UINT64_C(192999999999), out), "3m12s");
	assert_string_equal(cli_time_span(0, out), "0s");
}

static void loopback_addresses(void **state)
{
	char out[CLI_ADDRESS_MAX];
	unsigned d, k;

	for (unsigned i = 1; i <= 1000; i++) {
		cli_net_loopback(9, i, out);
		assert_true(cli_net_parse_loopback(out, &d, &k));
		assert_int_equal(d, 9);
		assert_int_equal(k, i);
	}
	cli_net_loopback(200, 251, out);
	assert_string_equal(out, "127.200.1.1");
	assert_false(cli_net_parse_loopback("127.0.0.1", &d, &k)); /* everybody's */
	assert_false(cli_net_parse_loopback("127.3.0.1x", &d, &k));
	assert_false(cli_net_parse_loopback("10.3.0.1", &d, &k));
	assert_false(cli_net_parse_loopback("", &d, &k));
}

static void machines_start_their_search_apart(void **state)
{
	unsigned a = cli_net_first_d("default", 1000), b = cli_net_first_d("default", 1001);

	assert_int_equal(a, cli_net_first_d("default", 1000));
	assert_int_not_equal(a, b);
	assert_int_not_equal(a, cli_net_first_d("other", 1000));
	for (uint32_t uid = 0; uid < 5000; uid++) {
		unsigned d = cli_net_first_d("m", uid);

		assert_true(d >= 1 && d <= 254);
	}
}

static void addresses_with_and_without_port(void **state)
{
	char address[CLI_ADDRESS_MAX * 4];
	uint16_t port = 7;
	dvm_error_t err;

	assert_int_equal(cli_net_parse("10.0.0.1", address, &port, &err), 0);
	assert_int_equal(port, 7);
	assert_int_equal(cli_net_parse("host.dom:99", address, &port, &err), 0);
	assert_string_equal(address, "host.dom");
	assert_int_equal(port, 99);
	assert_int_equal(cli_net_parse("[fd00::1]:98", address, &port, &err), 0);
	assert_string_equal(address, "fd00::1");
	assert_int_equal(port, 98);
	static const char *const bad[] = {
		"", ":1", "a:", "a:0", "a:65536", "a:1x", "[::1", "[]:1"
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(cli_net_parse(bad[i], address, &port, &err), -EINVAL);
	assert_int_equal(port, 98); /* untouched on failure */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_aligned),
		cmocka_unit_test(times),
		cmocka_unit_test(loopback_addresses),
		cmocka_unit_test(machines_start_their_search_apart),
		cmocka_unit_test(addresses_with_and_without_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
