/* SPDX-License-Identifier: BSD-3-Clause */
/* Release consistency: what is sent when, cell by cell, and messages that make no sense. How it all
 * goes together: tests/sim/sim_release.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libdvm/base/rng.h"
#include "shm/release.h"

enum { NODES = 3, PAGES = 6, SENT = 64 };

/* Pages 0 and 3 have node 0 as their home, and so on. The node is number 1 but for one test. */
static struct node {
	struct dsm_rc *d;
	struct dsm_rc_msg sent[SENT];
	uint32_t to[SENT];
	unsigned nsent;
	int may[PAGES]; /* 0, 1 read, 2 write, -1 lost */
	bool twin[PAGES], no_memory;
	unsigned fills, merges;
} node;

static void on_send(void *arg, uint32_t to, const struct dsm_rc_msg *m)
{
	struct node *n = arg;

	if (n->nsent < SENT) {
		n->sent[n->nsent] = *m;
		n->to[n->nsent++] = to;
	}
}

static void on_fill(void *arg, uint64_t page)
{
	((struct node *)arg)->fills += page < PAGES;
}

static void on_merge(void *arg, uint64_t page)
{
	((struct node *)arg)->merges += page < PAGES;
}

static void on_install(void *arg, uint64_t page, bool write)
{
	((struct node *)arg)->may[page] = write ? 2 : 1;
}

static void on_protect(void *arg, uint64_t page)
{
	((struct node *)arg)->may[page] = 1;
}

static void on_drop(void *arg, uint64_t page)
{
	((struct node *)arg)->may[page] = 0;
}

static void on_poison(void *arg, uint64_t page)
{
	((struct node *)arg)->may[page] = -1;
}

static bool on_twin(void *arg, uint64_t page)
{
	struct node *n = arg;

	n->twin[page] = !n->no_memory;
	return !n->no_memory;
}

static void on_untwin(void *arg, uint64_t page)
{
	((struct node *)arg)->twin[page] = false;
}

static void on_redo(void *arg, unsigned part, void *kept)
{
	(void)arg;
	(void)part;
	(void)kept;
}

static void on_forget(void *arg, void *kept)
{
	(void)arg;
	(void)kept;
}

static bool on_changed(void *arg, uint64_t page, unsigned part)
{
	(void)part;
	return ((struct node *)arg)->twin[page];
}

static const struct dsm_rc_ops ops = {
	.send = on_send, .fill = on_fill, .merge = on_merge, .install = on_install,
	.protect = on_protect, .drop = on_drop, .poison = on_poison, .twin = on_twin,
	.untwin = on_untwin, .redo = on_redo, .forget = on_forget, .changed = on_changed,
};

static uint32_t home_of(void *arg, uint64_t page)
{
	(void)arg;
	return (uint32_t)(page % NODES);
}

static struct dsm_rc_config config(bool push)
{
	return (struct dsm_rc_config){ .self = 1, .nodes = NODES, .pages = PAGES, .parts = 1,
				       .push = push, .home = home_of, .ops = &ops, .arg = &node };
}

static void start(bool push)
{
	struct dsm_rc_config c = config(push);

	memset(&node, 0, sizeof node);
	assert_int_equal(dsm_rc_create(&node.d, &c), 0);
}

static void start_lending(void)
{
	struct dsm_rc_config c = config(false);

	c.lend = true;
	memset(&node, 0, sizeof node);
	assert_int_equal(dsm_rc_create(&node.d, &c), 0);
}

static int stop(void **state)
{
	(void)state;
	dsm_rc_destroy(node.d);
	node.d = NULL;
	return 0;
}

/* The next message that was sent. */
static struct dsm_rc_msg sent(enum dsm_rc_kind kind, uint32_t to)
{
	assert_true(node.nsent > 0);
	struct dsm_rc_msg m = node.sent[0];
	assert_int_equal(m.kind, kind);
	assert_int_equal(node.to[0], to);
	node.nsent--;
	memmove(node.sent, node.sent + 1, node.nsent * sizeof *node.sent);
	memmove(node.to, node.to + 1, node.nsent * sizeof *node.to);
	return m;
}

static void comes(uint32_t from, struct dsm_rc_msg m)
{
	assert_true(dsm_rc_receive(node.d, from, &m) >= 0);
}

static void gets(uint64_t page, uint64_t version)
{
	uint32_t home = home_of(NULL, page);

	assert_int_equal(dsm_rc_fault(node.d, page, false, false), 0);
	sent(DSM_RC_GET, home);
	comes(home, (struct dsm_rc_msg){ .kind = DSM_RC_DATA, .flags = DSM_RC_BYTES, .page = page,
					 .version = version });
	assert_int_equal(node.may[page], 1);
}

static void arguments(void **state)
{
	struct dsm_rc_config c = config(false);
	struct dsm_rc *d = NULL;

	(void)state;
	c.nodes = 0;
	assert_int_equal(dsm_rc_create(&d, &c), -EINVAL);
	c = config(false);
	c.self = NODES;
	assert_int_equal(dsm_rc_create(&d, &c), -EINVAL);
	c = config(false);
	c.parts = 256;
	assert_int_equal(dsm_rc_create(&d, &c), -EINVAL);
	c = config(false);
	c.pages = 0;
	assert_int_equal(dsm_rc_create(&d, &c), -EINVAL);
	assert_null(d);
	dsm_rc_destroy(NULL);
	start(false);
	assert_int_equal(dsm_rc_fault(node.d, PAGES, false, false), -EINVAL);
	assert_int_equal(dsm_rc_discard(node.d, PAGES), -ENOENT);
}

/* Its own pages cost a home nothing, until somebody else has one. */
static void home_alone(void **state)
{
	uint32_t number;

	(void)state;
	start(false);
	assert_int_equal(dsm_rc_fault(node.d, 1, false, false), 0);
	assert_int_equal(node.may[1], 2);
	assert_int_equal(dsm_rc_release(node.d, 9, &number), 0);
	assert_true(dsm_rc_over(node.d, number));
	assert_int_equal(node.nsent, 0);
	comes(2, (struct dsm_rc_msg){ .kind = DSM_RC_GET, .page = 1 });
	assert_int_equal(node.may[1], 1);
	assert_int_equal(sent(DSM_RC_DATA, 2).flags, DSM_RC_BYTES);
	assert_int_equal(dsm_rc_fault(node.d, 1, true, false), 0);
	assert_int_equal(dsm_rc_release(node.d, 9, &number), 0);
	assert_false(dsm_rc_over(node.d, number));
	struct dsm_rc_msg m = sent(DSM_RC_NOTICE, 2);
	comes(2, (struct dsm_rc_msg){ .kind = DSM_RC_ACK, .node = 1, .flush = m.flush });
	assert_true(dsm_rc_over(node.d, number));
	assert_int_equal(node.may[1], 2); /* nobody has it any more */
}

static void writer(void **state)
{
	uint32_t number;

	(void)state;
	start(false);
	gets(0, 5);
	node.no_memory = true;
	assert_int_equal(dsm_rc_fault(node.d, 0, true, false), -ENOMEM);
	assert_int_equal(node.may[0], 1);
	node.no_memory = false;
	assert_int_equal(dsm_rc_fault(node.d, 0, true, false), 0);
	assert_int_equal(node.may[0], 2);
	assert_true(node.twin[0]);
	assert_int_equal(dsm_rc_release(node.d, 9, &number), 0);
	assert_int_equal(node.may[0], 1);
	struct dsm_rc_msg m = sent(DSM_RC_DIFF, 0);
	/* An acknowledgement may come before it is known that it is due. */
	comes(2, (struct dsm_rc_msg){ .kind = DSM_RC_ACK, .node = 0, .flush = m.flush });
	assert_false(dsm_rc_over(node.d, number));
	comes(0, (struct dsm_rc_msg){ .kind = DSM_RC_TAKEN, .flush = m.flush, .version = 6,
				      .sharers = 4 });
	assert_true(dsm_rc_over(node.d, number));
	assert_int_equal(dsm_rc_version(node.d, 0), 6);
}

/* A notice is acknowledged at once, and taken with the next acquire. */
static void sharer(void **state)
{
	(void)state;
	start(false);
	gets(0, 1);
	gets(2, 1);
	comes(0, (struct dsm_rc_msg){ .kind = DSM_RC_NOTICE, .page = 0, .node = 2, .flush = 77,
				      .version = 2 });
	struct dsm_rc_msg m = sent(DSM_RC_ACK, 2);
	assert_int_equal(m.flush, 77);
	assert_int_equal(m.node, 0);
	assert_int_equal(node.may[0], 1);
	assert_int_equal(dsm_rc_acquire(node.d), 0);
	assert_int_equal(node.may[0], 0);
	assert_int_equal(node.may[2], 1);
	/* What is pushed stays. */
	comes(2, (struct dsm_rc_msg){ .kind = DSM_RC_NOTICE, .flags = DSM_RC_CHANGES, .page = 2,
				      .node = 0, .version = 2 });
	assert_int_equal(node.merges, 1);
	assert_int_equal(dsm_rc_acquire(node.d), 0);
	assert_int_equal(node.may[2], 1);
}

/* Node 0 dies: its page 0 goes to whoever is next, with the newest copy there is, or is lost. */
static void home_dies(void **state)
{
	const bool alive[NODES] = { false, true, true };

	(void)state;
	start(false);
	gets(0, 3);
	gets(3, 3);
	comes(0, (struct dsm_rc_msg){ .kind = DSM_RC_NOTICE, .page = 3, .node = 2, .version = 4 });
	sent(DSM_RC_ACK, 2);
	assert_int_equal(dsm_rc_view(node.d, 1, alive), 0);
	assert_int_equal(dsm_rc_view(node.d, 1, alive), -EINVAL);
	assert_true(dsm_rc_settling(node.d));
	uint32_t number;
	assert_int_equal(dsm_rc_release(node.d, 9, &number), -EAGAIN);
	assert_int_equal(dsm_rc_acquire(node.d), -EAGAIN);
	comes(2, (struct dsm_rc_msg){ .kind = DSM_RC_HELD, .epoch = 1 });
	assert_false(dsm_rc_settling(node.d));
	for (uint64_t page = 0; page < 4; page += 3)
		if (dsm_rc_home(node.d, page) == 1)
			assert_int_equal(node.may[page], page == 0 ? 1 : -1);
	/* Of a later view: to come again. */
	assert_int_equal(dsm_rc_receive(node.d, 2,
					&(struct dsm_rc_msg){ .kind = DSM_RC_GET, .epoch = 2 }),
			 -EAGAIN);
}

/* The first to write a page has it to itself, until somebody else asks. */
static void lent_by_us(void **state)
{
	const struct dsm_rc_msg other = { .kind = DSM_RC_GET, .page = 1 };
	const bool alive[NODES] = { true, true, false };

	(void)state;
	start_lending();
	comes(2, (struct dsm_rc_msg){ .kind = DSM_RC_GET, .flags = DSM_RC_ALONE, .page = 1 });
	assert_int_equal(sent(DSM_RC_DATA, 2).flags, DSM_RC_ZEROS | DSM_RC_ALONE);
	assert_int_equal(dsm_rc_lent(node.d, 1), 2);
	/* It is called back once, whoever wants it. */
	assert_int_equal(dsm_rc_receive(node.d, 0, &other), -EAGAIN);
	sent(DSM_RC_RECALL, 2);
	assert_int_equal(dsm_rc_fault(node.d, 1, true, true), 0);
	assert_int_equal(dsm_rc_fault(node.d, 1, true, false), 0);
	assert_int_equal(node.nsent, 0);
	assert_int_equal(node.may[1], 0);
	/* Not by who has not got it, nor older than it was. */
	comes(0, (struct dsm_rc_msg){ .kind = DSM_RC_BACK, .flags = DSM_RC_BYTES, .page = 1, .version = 1 });
	comes(2, (struct dsm_rc_msg){ .kind = DSM_RC_BACK, .flags = DSM_RC_BYTES, .page = 1 });
	assert_int_equal(node.fills, 0);
	comes(2, (struct dsm_rc_msg){ .kind = DSM_RC_BACK, .flags = DSM_RC_BYTES | DSM_RC_VALID,
				      .page = 1, .version = 1 });
	assert_int_equal(node.fills, 1);
	assert_int_equal(sent(DSM_RC_GOT, 2).version, 1);
	assert_int_equal(node.may[1], 2);
	comes(0, other);
	assert_int_equal(sent(DSM_RC_DATA, 0).flags, DSM_RC_BYTES);
	/* With who has it, it is lost. */
	comes(2, (struct dsm_rc_msg){ .kind = DSM_RC_GET, .flags = DSM_RC_ALONE, .page = 4 });
	assert_int_equal(sent(DSM_RC_DATA, 2).flags, DSM_RC_ZEROS | DSM_RC_ALONE);
	assert_int_equal(dsm_rc_view(node.d, 1, alive), 0);
	assert_int_equal(node.may[4], -1);
}

static void lent_to_us(void **state)
{
	uint32_t number;

	(void)state;
	start_lending();
	assert_int_equal(dsm_rc_fault(node.d, 0, true, false), 0);
	assert_int_equal(sent(DSM_RC_GET, 0).flags, DSM_RC_ALONE);
	comes(0, (struct dsm_rc_msg){ .kind = DSM_RC_DATA, .flags = DSM_RC_ZEROS | DSM_RC_ALONE });
	assert_int_equal(node.may[0], 2);
	assert_int_equal(dsm_rc_release(node.d, 9, &number), 0);
	assert_true(dsm_rc_over(node.d, number));
	assert_int_equal(node.nsent, 0);
	comes(0, (struct dsm_rc_msg){ .kind = DSM_RC_RECALL });
	assert_int_equal(sent(DSM_RC_BACK, 0).version, 1);
	assert_int_equal(node.may[0], 1);
	comes(0, (struct dsm_rc_msg){ .kind = DSM_RC_RECALL });
	assert_int_equal(node.nsent, 0);
	/* Given up, it goes back, too. */
	assert_int_equal(dsm_rc_fault(node.d, 3, true, true), 0);
	sent(DSM_RC_GET, 0);
	comes(0, (struct dsm_rc_msg){ .kind = DSM_RC_DATA, .flags = DSM_RC_ZEROS | DSM_RC_ALONE,
				      .page = 3 });
	assert_int_equal(dsm_rc_discard(node.d, 3), -EAGAIN);
	assert_int_equal(sent(DSM_RC_BACK, 0).flags, DSM_RC_BYTES);
	assert_int_equal(node.may[3], 0);
	/* Its bytes are needed until they have come. */
	assert_int_equal(dsm_rc_discard(node.d, 3), -EAGAIN);
	assert_true(dsm_rc_is_needed(node.d, 3));
	comes(0, (struct dsm_rc_msg){ .kind = DSM_RC_GOT, .page = 3, .version = 1 });
	assert_false(dsm_rc_is_needed(node.d, 3));
	assert_int_equal(dsm_rc_discard(node.d, 3), 0);
}

static void writes(uint64_t page)
{
	uint32_t number;

	assert_int_equal(dsm_rc_fault(node.d, page, true, false), 0);
	assert_int_equal(dsm_rc_release(node.d, 9, &number), 0);
}

/* Who has written twice alone has it from then on; not if it has lost its copy meanwhile. */
static void lent_to_writer(void **state)
{
	(void)state;
	start_lending();
	assert_int_equal(dsm_rc_fault(node.d, 1, true, false), 0);
	comes(2, (struct dsm_rc_msg){ .kind = DSM_RC_GET, .page = 1 });
	sent(DSM_RC_DATA, 2);
	for (uint8_t i = 0; i < 2; i++) {
		comes(2, (struct dsm_rc_msg){ .kind = DSM_RC_DIFF, .flags = DSM_RC_CHANGES, .page = 1 });
		assert_int_equal(sent(DSM_RC_TAKEN, 2).flags, i ? DSM_RC_ALONE : 0);
	}
	assert_int_equal(node.may[1], 0);
	gets(0, 5);
	writes(0);
	uint32_t flush = sent(DSM_RC_DIFF, 0).flush;
	comes(0, (struct dsm_rc_msg){ .kind = DSM_RC_TAKEN, .flags = DSM_RC_ALONE, .flush = flush,
				      .version = 6 });
	assert_int_equal(node.may[0], 2);
	gets(3, 5);
	writes(3);
	flush = sent(DSM_RC_DIFF, 0).flush;
	comes(0, (struct dsm_rc_msg){ .kind = DSM_RC_NOTICE, .page = 3, .node = 2, .version = 7 });
	sent(DSM_RC_ACK, 2);
	comes(0, (struct dsm_rc_msg){ .kind = DSM_RC_TAKEN, .flags = DSM_RC_ALONE, .flush = flush,
				      .page = 3, .version = 8 });
	assert_int_equal(sent(DSM_RC_BACK, 0).flags, DSM_RC_VALID);
	assert_int_equal(node.may[3], 1);
}

static void nonsense(void **state)
{
	const bool alive[NODES] = { false, true, true };
	struct dvmi_rng rng;

	(void)state;
	dvmi_rng_seed(&rng, 9);
	for (int round = 0; round < 300; round++) {
		if (round % 3)
			start(round % 3 == 1);
		else
			start_lending();
		for (int i = 0; i < 400; i++) {
			struct dsm_rc_msg m = { .kind = (uint8_t)dvmi_rng_below(&rng, DSM_RC_KINDS + 1),
						.flags = (uint8_t)dvmi_rng_next(&rng),
						.node = (uint16_t)dvmi_rng_below(&rng, 5),
						.epoch = (uint32_t)dvmi_rng_below(&rng, 3),
						.flush = (uint32_t)dvmi_rng_below(&rng, 4),
						.page = dvmi_rng_below(&rng, PAGES + 1),
						.version = dvmi_rng_below(&rng, 4),
						.sharers = dvmi_rng_next(&rng) };
			uint32_t number;
			dsm_rc_receive(node.d, (uint32_t)dvmi_rng_below(&rng, 4), &m);
			dsm_rc_fault(node.d, dvmi_rng_below(&rng, PAGES), i & 1, false);
			if (i % 9 == 0)
				dsm_rc_release(node.d, 2, &number);
			if (i % 13 == 0)
				dsm_rc_acquire(node.d);
			if (i == 200)
				dsm_rc_view(node.d, 1, alive);
			node.nsent = 0;
		}
		assert_true(dsm_rc_stats(node.d)->dropped > 0);
		stop(NULL);
	}
	start(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(arguments, stop),
		cmocka_unit_test_teardown(home_alone, stop),
		cmocka_unit_test_teardown(writer, stop),
		cmocka_unit_test_teardown(sharer, stop),
		cmocka_unit_test_teardown(home_dies, stop),
		cmocka_unit_test_teardown(lent_by_us, stop),
		cmocka_unit_test_teardown(lent_to_us, stop),
		cmocka_unit_test_teardown(lent_to_writer, stop),
		cmocka_unit_test_teardown(nonsense, stop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
