/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/shepherd/lines.h"
#include "libdvm/base/buf.h"
#include "libdvm/base/rng.h"
#include "tests/unit/cm.h"

/* What came out: the bytes, and a line of notes ("w5 p3 ": whole 5 bytes, partial 3). */
struct out {
	struct dvmi_buf bytes;
	char notes[256];
	size_t longest;
};

static void emit(const uint8_t *p, size_t n, bool partial, void *arg)
{
	struct out *o = arg;
	size_t at = strlen(o->notes);

	assert_true(n > 0);
	if (!partial)
		assert_int_equal(p[n - 1], '\n');
	dvmi_buf_put(&o->bytes, p, n);
	if (at < sizeof o->notes - 20)
		snprintf(o->notes + at, 20, "%c%zu ", partial ? 'p' : 'w', n);
	if (n > o->longest)
		o->longest = n;
}

static void feed(struct shep_lines *l, struct out *o, const char *text, uint64_t now)
{
	shep_lines_feed(l, text, strlen(text), now, emit, o);
}

static void end(struct shep_lines *l, struct out *o)
{
	shep_lines_free(l);
	dvmi_buf_free(&o->bytes);
}

static void whole_lines_leave_at_once(void **state)
{
	struct shep_lines l = { 0 };
	struct out o = { 0 };

	feed(&l, &o, "one\ntwo\n", 1);
	assert_string_equal(o.notes, "w8 ");
	feed(&l, &o, "thr", 2);
	feed(&l, &o, "ee", 3);
	assert_string_equal(o.notes, "w8 ");
	feed(&l, &o, "\nfour\nfi", 4);
	assert_string_equal(o.notes, "w8 w6 w5 ");
	assert_int_equal(l.len, 2);
	assert_int_equal(l.since, 4);
	shep_lines_flush(&l, emit, &o);
	shep_lines_flush(&l, emit, &o);
	assert_string_equal(o.notes, "w8 w6 w5 p2 ");
	assert_null(l.tail);
	end(&l, &o);
}

static void an_unfinished_line_expires_in_its_time(void **state)
{
	struct shep_lines l = { 0 };
	struct out o = { 0 };

	assert_false(shep_lines_expire(&l, 100, emit, &o));
	feed(&l, &o, "a", 50);
	feed(&l, &o, "b", 90);
	assert_true(shep_lines_expire(&l, 49, emit, &o));
	assert_string_equal(o.notes, "");
	assert_false(shep_lines_expire(&l, 50, emit, &o));
	assert_string_equal(o.notes, "p2 ");
	feed(&l, &o, "c\n", 120);
	assert_string_equal(o.notes, "p2 w2 ");
	end(&l, &o);
}

static void a_line_that_is_too_long_leaves_in_parts(void **state)
{
	struct shep_lines l = { 0 };
	struct out o = { 0 };
	char *big = malloc(SHEP_LINE_MAX + 1);

	memset(big, 'x', SHEP_LINE_MAX);
	big[SHEP_LINE_MAX] = 0;
	feed(&l, &o, "ab", 1);
	feed(&l, &o, big, 1);
	assert_string_equal(o.notes, "p65536 ");
	assert_int_equal(l.len, 2);
	feed(&l, &o, "\n", 1);
	assert_string_equal(o.notes, "p65536 w3 ");
	/* Exactly as long as may be kept, then its newline. */
	feed(&l, &o, big, 1);
	feed(&l, &o, "\nz\n", 1);
	assert_string_equal(o.notes, "p65536 w3 p65536 w3 ");
	free(big);
	end(&l, &o);
}

/* Any text in any pieces comes out as it went in, and nothing is longer than allowed. */
static void nothing_is_lost(void **state)
{
	struct dvmi_rng rng;

	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct shep_lines l = { 0 };
		struct out o = { 0 };
		struct dvmi_buf in = { 0 };
		dvmi_rng_seed(&rng, seed);
		for (int i = 0; i < 200; i++) {
			size_t n = 1 + dvmi_rng_below(&rng, i % 10 ? 300 : 60000), at = in.len;
			uint8_t *p = dvmi_buf_extend(&in, n);
			for (size_t k = 0; k < n; k++)
				p[k] = dvmi_rng_below(&rng, seed * 40) ? 'a' : '\n';
			shep_lines_feed(&l, in.data + at, n, 1, emit, &o);
		}
		shep_lines_flush(&l, emit, &o);
		assert_int_equal(in.len, o.bytes.len);
		assert_memory_equal(in.data, o.bytes.data, in.len);
		assert_true(o.longest <= SHEP_LINE_MAX);
		dvmi_buf_free(&in);
		end(&l, &o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_lines_leave_at_once),
		cmocka_unit_test(an_unfinished_line_expires_in_its_time),
		cmocka_unit_test(a_line_that_is_too_long_leaves_in_parts),
		cmocka_unit_test(nothing_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
