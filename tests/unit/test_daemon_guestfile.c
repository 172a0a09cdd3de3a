/* SPDX-License-Identifier: BSD-3-Clause */
/* guest.yaml as words, and what is said of one that is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/guestfile.h"

static void good(void **state)
{
	static const char text[] = "# a guest\nkernel: vmlinuz\nappend: \"console=ttyS0 quiet\"\n"
				   "cpus: 4\nmem: 1G\nrng: true\nballoon: no\n"
				   "disk:\n  - root.img\n  - data.qcow2,format=qcow2\nnet: [user]\n";
	static const char want[] = "append\0console=ttyS0 quiet\0cpus\0004\0kernel\0vmlinuz\0mem\0001G\0"
				   "rng\0\0disk\0root.img\0disk\0data.qcow2,format=qcow2\0net\0user";
	struct dvmi_buf out = { 0 };
	dvm_error_t err = { 0 };

	assert_int_equal(dvmd_guestfile_parse("g.yaml", text, strlen(text), &out, &err), 0);
	assert_int_equal(out.len, sizeof want);
	assert_memory_equal(out.data, want, sizeof want);
	dvmi_buf_free(&out);
}

static void an_empty_file_says_nothing(void **state)
{
	struct dvmi_buf out = { 0 };
	dvm_error_t err = { 0 };

	assert_int_equal(dvmd_guestfile_parse("g.yaml", "", 0, &out, &err), 0);
	assert_int_equal(out.len, 0);
}

static void bad(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "kernel: x\nkernle: y\n", "g.yaml:2: unknown key \"kernle\"; did you mean \"kernel\"?" },
		{ "cpus: 2\n\ncpus: 3\n", "g.yaml:3: cpus is set in line 1 already" },
		{ "kernel: x\ncpus: many\n", "g.yaml:2: cpus: \"many\" is no number that fits" },
		{ "cpus: 0\n", "g.yaml:1: cpus: \"0\" is no number that fits" },
		{ "mem: lots\n", "g.yaml:1: mem: \"lots\" is no size (as 512M or 4G)" },
		{ "\nrng: perhaps\n", "g.yaml:2: rng: \"perhaps\" is neither true nor false" },
		{ "kernel: ''\n", "g.yaml:1: kernel: \"\" is empty" },
		{ "disk: root.img\n", "g.yaml: near line 1: " },
		{ "kernel: [a\n", "g.yaml: near line " },
		{ "- a\n- b\n", "g.yaml: " },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct dvmi_buf out = { 0 };
		dvm_error_t err = { 0 };
		int rc = dvmd_guestfile_parse("g.yaml", rows[i].text, strlen(rows[i].text), &out,
					      &err);
		if (rc >= 0 || strncmp(err.text, rows[i].message, strlen(rows[i].message)) != 0)
			fail_msg("row %zu: %d, \"%s\" instead of \"%s\"", i, rc, err.text,
				 rows[i].message);
		dvmi_buf_free(&out);
	}
}

/* Cut anywhere, it is good or refused, and nothing else. */
static void cut_short(void **state)
{
	static const char text[] = "kernel: 'a'\ndisk: [\"b\", c]\nmem: 12M\n";

	for (size_t n = 0; n < sizeof text; n++) {
		struct dvmi_buf out = { 0 };
		dvm_error_t err = { 0 };
		(void)dvmd_guestfile_parse("g.yaml", text, n, &out, &err);
		dvmi_buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(an_empty_file_says_nothing),
		cmocka_unit_test(bad),
		cmocka_unit_test(cut_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
