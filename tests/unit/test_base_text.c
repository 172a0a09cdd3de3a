/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "libdvm/base/clock.h"
#include "libdvm/base/text.h"
#include "tests/unit/cm.h"

static void distances(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned d;
	} rows[] = {
		{ "", "", 0 },
		{ "", "abc", 3 },
		{ "ranks", "ranks", 0 },
		{ "ranks", "RANKS", 0 },
		{ "rnaks", "ranks", 1 },
		{ "rank", "ranks", 1 },
		{ "rankss", "ranks", 1 },
		{ "rbnks", "ranks", 1 },
		{ "kitten", "sitting", 3 },
		{ "ca", "abc", 3 }, /* not 2: optimal string alignment */
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(dvmi_text_distance(rows[i].a, rows[i].b, 100), rows[i].d);
		assert_int_equal(dvmi_text_distance(rows[i].b, rows[i].a, 100), rows[i].d);
	}
	assert_int_equal(dvmi_text_distance("kitten", "sitting", 2), 2);
	char big[200];
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = 0;
	assert_int_equal(dvmi_text_distance(big, big, 7), 7);
	big[64] = 0;
	assert_int_equal(dvmi_text_distance(big, big, 7), 0);
}

static void nearest(void **state)
{
	static const char *const words[] = {
		"run", "jobs", NULL, "nodes", "node-remove", "submit"
	};
	const size_t n = sizeof words / sizeof words[0];

	assert_string_equal(dvmi_text_nearest("jbos", words, n), "jobs");
	assert_string_equal(dvmi_text_nearest("noeds", words, n), "nodes");
	assert_string_equal(dvmi_text_nearest("rum", words, n), "run");
	assert_string_equal(dvmi_text_nearest("sub", words, n), "submit");
	assert_null(dvmi_text_nearest("xyzzy", words, n));
	assert_null(dvmi_text_nearest("no", words, n)); /* two begin so */
	assert_null(dvmi_text_nearest("", words, n));
	assert_null(dvmi_text_nearest("jobs", words, 0));
}

static void numbers(void **state)
{
	uint64_t v = 5;

	assert_int_equal(dvmi_text_u64("18446744073709551615", 0, UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(dvmi_text_u64("0", 0, 1, &v), 0);
	assert_int_equal(v, 0);
	v = 5;
	assert_int_equal(dvmi_text_u64("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
	assert_int_equal(dvmi_text_u64("0", 1, 9, &v), -ERANGE);
	assert_int_equal(dvmi_text_u64("10", 1, 9, &v), -ERANGE);
	static const char *const bad[] = { "", " 1", "1 ", "-1", "+1", "0x1", "1e3", "one" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(dvmi_text_u64(bad[i], 0, 99, &v), -EINVAL);
	assert_int_equal(v, 5);
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "64k", 65536 },
		{ "64K", 65536 },
		{ "1.5G", 3ul << 29 },
		{ "512MiB", 512ul << 20 },
		{ "10MB", 10000000 },
		{ "10mb", 10000000 },
		{ "1b", 1 },
		{ "2T", 2ul << 40 },
		{ "1p", 1ul << 50 },
		{ "0.001k", 1 },
		{ "16383P", UINT64_C(16383) << 50 },
	};
	static const char *const bad[] = { "",	 "G",	"1.",	 ".5G", "-1",	"1 G",
					   "1X", "1kk", "1GiBs", "1i",	"1.2.3" };
	uint64_t v = 7;

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_int_equal(dvmi_text_size_parse(good[i].text, &v), 0);
		assert_true(v == good[i].bytes);
	}
	v = 7;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(dvmi_text_size_parse(bad[i], &v), -EINVAL);
	assert_int_equal(dvmi_text_size_parse("16384P", &v), -ERANGE);
	assert_int_equal(dvmi_text_size_parse("99999999999999999999", &v), -ERANGE);
	assert_int_equal(v, 7);
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{ "0", 0 },
		{ "10", 10 * DVMI_SEC },
		{ "10s", 10 * DVMI_SEC },
		{ "500ms", 500 * DVMI_MSEC },
		{ "1h30m", 5400 * DVMI_SEC },
		{ "2d", 172800 * DVMI_SEC },
		{ "1.5s", 1500 * DVMI_MSEC },
		{ "1.5", 1500 * DVMI_MSEC },
		{ "3min", 180 * DVMI_SEC },
		{ "1m0.5s", 60500 * DVMI_MSEC },
		{ "20us", 20000 },
		{ "7ns", 7 },
		{ "2:03", 123 * DVMI_SEC },
		{ "90:00", 5400 * DVMI_SEC },
		{ "01:30:00", 5400 * DVMI_SEC },
		{ "100:00:01", 360001 * DVMI_SEC },
	};
	static const char *const bad[] = { "",	     "s",	"10x",	"1h2h", "1m1h",	   "1s5",
					   "1.5h2m", "-1s",	"1 s",	"1:60", "1:60:00", "1:",
					   ":1",     "1:2:3:4", "1:2s", "5m10" };
	uint64_t v = 7;

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_int_equal(dvmi_text_duration_parse(good[i].text, &v), 0);
		assert_true(v == good[i].ns);
	}
	v = 7;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(dvmi_text_duration_parse(bad[i], &v), -EINVAL);
	assert_int_equal(dvmi_text_duration_parse("999999999999d", &v), -ERANGE);
	assert_int_equal(dvmi_text_duration_parse("99999999999999999:00", &v), -ERANGE);
	assert_int_equal(v, 7);
}

static void formats(void **state)
{
	char s[DVMI_TEXT_UNIT_MAX];

	assert_string_equal(dvmi_text_size_format(0, s), "0 B");
	assert_string_equal(dvmi_text_size_format(1023, s), "1023 B");
	assert_string_equal(dvmi_text_size_format(1024, s), "1 KiB");
	assert_string_equal(dvmi_text_size_format(3ul << 29, s), "1.5 GiB");
	assert_string_equal(dvmi_text_size_format((1ul << 30) - 1, s), "1023 MiB");
	assert_string_equal(dvmi_text_size_format(UINT64_MAX, s), "15.9 EiB");
	assert_string_equal(dvmi_text_duration_format(0, s), "0ns");
	assert_string_equal(dvmi_text_duration_format(350 * 1000, s), "350us");
	assert_string_equal(dvmi_text_duration_format(1500 * DVMI_MSEC, s), "1.5s");
	assert_string_equal(dvmi_text_duration_format(DVMI_SEC - 1, s), "999ms");
	assert_string_equal(dvmi_text_duration_format(123 * DVMI_SEC, s), "2m03s");
	assert_string_equal(dvmi_text_duration_format(5400 * DVMI_SEC, s), "1h30m");
	assert_string_equal(dvmi_text_duration_format(76 * 3600 * DVMI_SEC, s), "3d04h");
}

static void quoting(void **state)
{
	static const struct {
		const char *text, *quoted;
	} rows[] = {
		{ "prog", "prog" },
		{ "", "''" },
		{ "a b", "'a b'" },
		{ "it's", "'it'\\''s'" },
		{ "a\nb", "$'a\\nb'" },
		{ "\t'\\\033", "$'\\t\\'\\\\\\033'" },
		{ "$HOME", "'$HOME'" },
		{ "x=1,2:/a.b-c", "x=1,2:/a.b-c" },
		{ "gr\303\274n", "'gr\303\274n'" },
	};
	char *argv[] = { (char *)"echo", (char *)"a b", (char *)"" };
	struct dvmi_buf b = { 0 };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		b.len = 0;
		dvmi_text_quote(&b, rows[i].text);
		dvmi_buf_put_u8(&b, 0);
		assert_string_equal((char *)b.data, rows[i].quoted);
	}
	b.len = 0;
	dvmi_text_quote_argv(&b, argv, 3);
	dvmi_buf_put_u8(&b, 0);
	assert_string_equal((char *)b.data, "echo 'a b' ''");
	dvmi_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distances), cmocka_unit_test(nearest),	  cmocka_unit_test(numbers),
		cmocka_unit_test(sizes),     cmocka_unit_test(durations), cmocka_unit_test(formats),
		cmocka_unit_test(quoting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
