/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames between the rig's client and its agent: what passes and what is refused. */
#include "tests/rig/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/cm.h"

static struct rig_frame frame;

/* Reads one frame from bytes after which the stream ends. */
static int recv_from(const void *bytes, size_t len)
{
	int ends[2], rc;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], bytes, len), len);
	close(ends[1]);
	rc = rig_wire_recv(ends[0], &frame);
	close(ends[0]);
	return rc;
}

static void what_is_sent_is_received(void **state)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(rig_wire_send_text(ends[1], RIG_ARG, "a word"), 0);
	assert_int_equal(rig_wire_send(ends[1], RIG_GO, NULL, 0), 0);
	close(ends[1]);
	assert_int_equal(rig_wire_recv(ends[0], &frame), 1);
	assert_int_equal(frame.type, RIG_ARG);
	assert_int_equal(frame.len, 6);
	assert_string_equal(frame.data, "a word");
	assert_int_equal(rig_wire_recv(ends[0], &frame), 1);
	assert_int_equal(frame.type, RIG_GO);
	assert_int_equal(frame.len, 0);
	assert_int_equal(rig_wire_recv(ends[0], &frame), 0);
	close(ends[0]);
}

static void every_truncation_is_refused(void **state)
{
	static const char whole[] = { RIG_ARG, 0, 0, 0, 3, 0, 0, 0, 'a', 'b', 'c' };

	assert_int_equal(recv_from(whole, 0), 0);
	for (size_t len = 1; len < sizeof(whole); len++)
		assert_int_equal(recv_from(whole, len), -EPROTO);
	assert_int_equal(recv_from(whole, sizeof(whole)), 1);
}

static void too_much_and_nonsense_are_refused(void **state)
{
	static const char large[] = { RIG_STDIN, 0, 0, 0, 1, 0, 1, 0 };
	static const char huge[] = { RIG_STDIN, 0, 0, 0, -1, -1, -1, -1 };
	static const char dirty[] = { RIG_STDIN, 0, 1, 0, 0, 0, 0, 0 };

	assert_int_equal(recv_from(large, sizeof(large)), -EPROTO);
	assert_int_equal(recv_from(huge, sizeof(huge)), -EPROTO);
	assert_int_equal(recv_from(dirty, sizeof(dirty)), -EPROTO);
	assert_int_equal(rig_wire_send(-1, RIG_STDIN, "", RIG_WIRE_MAX + 1), -E2BIG);
}

static int64_t number(const char *text, int64_t max)
{
	frame.len = strlen(text);
	memcpy(frame.data, text, frame.len + 1);
	return rig_wire_number(&frame, max);
}

static void numbers_are_digits_within_bounds(void **state)
{
	assert_int_equal(number("0", 0), 0);
	assert_int_equal(number("15", 15), 15);
	assert_int_equal(number("999999999999999999", INT64_MAX), 999999999999999999);
	assert_int_equal(number("16", 15), -EPROTO);
	assert_int_equal(number("", 15), -EPROTO);
	assert_int_equal(number("-1", 15), -EPROTO);
	assert_int_equal(number("1 ", 15), -EPROTO);
	assert_int_equal(number("0000000000000000001", INT64_MAX), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sent_is_received),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(too_much_and_nonsense_are_refused),
		cmocka_unit_test(numbers_are_digits_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
