/* SPDX-License-Identifier: BSD-3-Clause */
/* What is remembered of the slowest fault. */
#include <stdlib.h>
#include <string.h>

#include "shm/protocol.h"
#include "shm/trace.h"
#include "tests/unit/cm.h"

static void add(struct dsm_trace *t, uint64_t at, uint64_t page, enum dsm_trace_what what)
{
	dsm_trace_add(t, &(struct dsm_event){ .at = at * 1000,
					      .page = page,
					      .what = (uint8_t)what,
					      .kind = DSM_GETM,
					      .flags = DSM_EXCLUSIVE,
					      .node = 1 });
}

static void slowest(void **state)
{
	struct dsm_trace *t = calloc(1, sizeof *t);
	char words[200];

	(void)state;
	add(t, 5, 7, DSM_TRACE_SENT); /* before the fault */
	add(t, 10, 7, DSM_TRACE_FAULT);
	add(t, 10, 7, DSM_TRACE_SENT);
	add(t, 12, 8, DSM_TRACE_CAME); /* another page */
	add(t, 15, 0, DSM_TRACE_SHUT);
	add(t, 40, 7, DSM_TRACE_MAPPED);
	assert_true(dsm_trace_over(t, 7, 10000, 41000));
	assert_false(dsm_trace_over(t, 8, 20000, 50000));
	dsm_slow_text(&t->slowest, words, sizeof words);
	assert_string_equal(words, "page 7, 31 us, 0 fault to write, 0 sent GETM! to 1, 5 shut, "
				   "30 mapped to write");
	/* Whole words, or none. */
	assert_int_equal(dsm_slow_text(&t->slowest, words, 35),
			 strlen("page 7, 31 us, 0 fault to write"));
	assert_string_equal(words, "page 7, 31 us, 0 fault to write");
	free(t);
}

/* One that lasts while a ring's worth of other things happens. */
static void watched(void **state)
{
	struct dsm_trace *t = calloc(1, sizeof *t);

	(void)state;
	add(t, 1, 3, DSM_TRACE_FAULT);
	dsm_trace_watch(t, 3, 1000);
	dsm_trace_watch(t, 4, 1000); /* one at a time */
	for (uint64_t i = 0; i < 2 * DSM_TRACE_RING; i++)
		add(t, 2 + i, 9, DSM_TRACE_CAME);
	add(t, 5000, 3, DSM_TRACE_CAME);
	assert_true(dsm_trace_over(t, 3, 1000, 5000000));
	assert_int_equal(t->slowest.n, 2);
	assert_int_equal(t->slowest.events[0].what, DSM_TRACE_FAULT);
	assert_int_equal(t->slowest.events[1].at, 5000000);
	assert_int_equal(t->slowest.ns, 4999000);
	/* Not watched in time: what is left of it. */
	add(t, 6000, 3, DSM_TRACE_FAULT);
	for (uint64_t i = 0; i < 2 * DSM_TRACE_RING; i++)
		add(t, 7000, 9, DSM_TRACE_CAME);
	add(t, 20000, 3, DSM_TRACE_MAPPED);
	assert_true(dsm_trace_over(t, 3, 6000000, 20000000));
	assert_int_equal(t->slowest.n, 1);
	free(t);
}

/* How it began and how it ended. */
static void too_much(void **state)
{
	struct dsm_trace *t = calloc(1, sizeof *t);

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		add(t, i, 3, DSM_TRACE_CAME);
	assert_true(dsm_trace_over(t, 3, 0, 200000));
	assert_int_equal(t->slowest.n, DSM_SLOW_MAX);
	assert_int_equal(t->slowest.skipped, 100 - DSM_SLOW_MAX);
	assert_int_equal(t->slowest.events[DSM_SLOW_MAX / 2 - 1].at, (DSM_SLOW_MAX / 2 - 1) * 1000);
	assert_int_equal(t->slowest.events[DSM_SLOW_MAX - 1].at, 99000);
	free(t);
}

static uint32_t home_of(void *arg, uint64_t page)
{
	(void)arg;
	return page & 1;
}

static void on_send(void *arg, uint32_t to, const struct dsm_msg *m)
{
	(void)arg;
	(void)to;
	(void)m;
}

static void on_page(void *arg, uint64_t page)
{
	(void)arg;
	(void)page;
}

static void on_install(void *arg, uint64_t page, bool write)
{
	(void)arg;
	(void)page;
	(void)write;
}

/* What the engine says of a page. */
static void explained(void **state)
{
	static const struct dsm_ops ops = { .send = on_send,
					    .fill = on_page,
					    .install = on_install,
					    .protect = on_page,
					    .drop = on_page,
					    .poison = on_page };
	struct dsm_config c = { .self = 0, .nodes = 3, .pages = 4, .home = home_of, .ops = &ops };
	struct dsm *d;
	char words[400];

	(void)state;
	assert_int_equal(dsm_create(&d, &c), 0);
	assert_int_equal(dsm_fault(d, 1, true, 5), 0);
	dsm_explain(d, 1, words, sizeof words);
	assert_string_equal(words, "invalid, version 0; wants to write, no bytes yet, 0 of 0 "
				   "acknowledgements; 0 messages made no sense");
	dsm_receive(d, 1, &(struct dsm_msg){ .kind = DSM_GETM, .page = 2 }, 6);
	dsm_receive(d, 2, &(struct dsm_msg){ .kind = DSM_GETM, .page = 2 }, 6);
	dsm_receive(d, 1, &(struct dsm_msg){ .kind = DSM_GETS, .page = 2 }, 6);
	dsm_explain(d, 2, words, sizeof words);
	assert_string_equal(words, "invalid, version 0; home: owner node 2, sharers 0, 1 waiting, "
				   "busy with node 2; 0 messages made no sense");
	assert_int_equal(dsm_explain(d, 2, words, 8), 7);
	dsm_destroy(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slowest),
		cmocka_unit_test(watched),
		cmocka_unit_test(too_much),
		cmocka_unit_test(explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
