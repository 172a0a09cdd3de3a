/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers of other hosts, in pieces: put together, and of no harm where a host says what it likes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <utlist.h>

#include "kvm-node/spread_private.h"

enum { ID = 7, HOSTS = 4 };

struct scene {
	struct vmm_spread s;
	struct spread_wait w;
	struct dvmi_buf texts[HOSTS];
};

/* Hosts 1 and 2 of four are asked. */
static int set_up(void **state)
{
	struct scene *c = calloc(1, sizeof *c);

	c->s.hosts = HOSTS;
	c->w = (struct spread_wait){ .id = ID, .from = 6, .texts = c->texts };
	DL_APPEND(c->s.waits, &c->w);
	*state = c;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *c = *state;

	for (unsigned i = 0; i < HOSTS; i++)
		dvmi_buf_free(&c->texts[i]);
	free(c);
	return 0;
}

static void hear(struct scene *c, unsigned from, const char *text, size_t len, bool more)
{
	const struct vmm_msg n = { .kind = VMM_MSG_ANSWER, .id = ID, .vector = more };

	spread_answered(&c->s, from, &n, text, len);
}

static void has(const struct dvmi_buf *b, const char *text)
{
	assert_int_equal(b->len, strlen(text));
	if (b->len)
		assert_memory_equal(b->data, text, b->len);
}

static void test_pieces(void **state)
{
	struct scene *c = *state;

	hear(c, 1, "one", 3, true);
	hear(c, 2, "other", 5, false);
	assert_int_equal(c->w.from, 2); /* who has more to say has not answered yet */
	assert_int_equal(c->w.done, 0);
	hear(c, 1, " two", 4, false);
	assert_int_equal(c->w.done, SPREAD_DONE);
	has(&c->texts[1], "one two");
	has(&c->texts[2], "other");
	assert_null(c->s.waits);
	assert_int_equal(c->s.n.bad, 0);
}

/* Who was not asked, or has answered already, adds nothing. */
static void test_others(void **state)
{
	struct scene *c = *state;

	hear(c, 3, "x", 1, true);
	hear(c, 1, "one", 3, false);
	hear(c, 1, "more", 4, true);
	has(&c->texts[1], "one");
	has(&c->texts[3], "");
	assert_int_equal(c->s.n.bad, 2);
	assert_int_equal(c->w.done, 0);
}

/* A host that never ends takes no more memory than a bound, and nobody waits for it. */
static void test_endless(void **state)
{
	static const char piece[VMM_MSG_TEXT_MAX];
	struct scene *c = *state;

	hear(c, 2, "other", 5, false);
	for (size_t said = 0; said <= 2 * SPREAD_TEXT_MAX; said += sizeof piece) {
		hear(c, 1, piece, sizeof piece, true);
		assert_true(c->texts[1].len <= SPREAD_TEXT_MAX);
	}
	has(&c->texts[1], "");
	has(&c->texts[2], "other");
	assert_int_equal(c->w.done, SPREAD_DONE);
	assert_true(c->s.n.bad > 0);
}

/* Of what has no text, pieces are nothing to wait for. */
static void test_without(void **state)
{
	struct scene *c = *state;

	c->w.texts = NULL;
	hear(c, 1, "x", 1, true);
	hear(c, 2, "x", 1, false);
	assert_int_equal(c->w.done, SPREAD_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pieces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_endless, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_without, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
