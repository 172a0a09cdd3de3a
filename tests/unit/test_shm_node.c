/* SPDX-License-Identifier: BSD-3-Clause */
/* A node among peers that send anything: whatever comes, it stays whole and lets nothing out. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/rng.h"
#include "shm/node_private.h"

#define NODES 4
#define PAGES 16
#define UNIT  4096
#define PATIENCE (10 * DVMI_SEC)

struct world {
	struct dsm_node *n;
	struct dsm_seg *s;
	struct dvmi_log log;
	uint64_t said, leaves; /* records, and those that say that it leaves */
	struct dvmi_rng rng;
	_Atomic bool down[NODES], dead[NODES]; /* the link to it; itself */
};

static _Atomic uint64_t clock_now; /* 0: as it is */

uint64_t __real_dvmi_clock_mono(void);
uint64_t __wrap_dvmi_clock_mono(void);

uint64_t __wrap_dvmi_clock_mono(void)
{
	uint64_t now = atomic_load(&clock_now);

	return now ? now : __real_dvmi_clock_mono();
}

static _Atomic size_t most = SIZE_MAX; /* bytes that can be had at once */

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

void *__wrap_malloc(size_t n)
{
	return n > atomic_load(&most) ? NULL : __real_malloc(n);
}

void *__real_calloc(size_t n, size_t each);
void *__wrap_calloc(size_t n, size_t each);

void *__wrap_calloc(size_t n, size_t each)
{
	return n * each > atomic_load(&most) ? NULL : __real_calloc(n, each);
}

static int quiet_send(void *arg, uint32_t node, const void *bytes, size_t len)
{
	struct dsm_wire_record r;
	size_t at = 0;
	int rc;

	/* What it says itself can be understood. */
	assert_in_range(node, 1, NODES - 1);
	while ((rc = dsm_wire_next(bytes, len, &at, &r)) > 0) {
		((struct world *)arg)->said++;
		((struct world *)arg)->leaves += r.service == DSM_WIRE_LEAVE;
	}
	assert_int_equal(rc, 0);
	return 0;
}

static bool is_down(void *arg, uint32_t node)
{
	return ((struct world *)arg)->down[node];
}

static bool is_dead(void *arg, uint32_t node)
{
	return ((struct world *)arg)->dead[node];
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int no_descriptors(void *arg, struct pollfd *fds, int n)
{
	(void)arg;
	(void)fds;
	(void)n;
	return 0;
}

static void disarm(void *arg)
{
	(void)arg;
}

static uint32_t home(void *arg, uint64_t page)
{
	(void)arg;
	return (uint32_t)(page % NODES);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	struct dsm_node_config c = {
		.nodes = NODES,
		.link = { .packet_max = 65536,
			  .send = quiet_send,
			  .progress = nothing,
			  .down = is_down,
			  .arm = no_descriptors,
			  .disarm = disarm,
			  .arg = w },
		.log = &w->log,
		.patience = PATIENCE,
		.dead = is_dead,
		.arg = w,
	};

	*state = w;
	return w ? dsm_node_create(&w->n, &c) : -1;
}

/* Faults as signals: nobody needs to be root for those. */
static int make_segment(struct world *w)
{
	return dsm_seg_create(w->n, &w->s,
			      &(struct dsm_seg_config){ .bytes = PAGES * UNIT,
							.unit = UNIT,
							.flags = DSM_SIGBUS,
							.home = home });
}

static int tear_down(void **state)
{
	struct world *w = *state;

	dsm_node_destroy(w->n);
	free(w);
	return 0;
}

static size_t any_record(struct world *w, uint8_t *to)
{
	struct dvmi_rng *g = &w->rng;
	bool raw = dvmi_rng_below(g, 4) == 0;
	struct dsm_msg m = {
		.kind = (uint8_t)dvmi_rng_below(g, DSM_KINDS + 1),
		.flags = (uint8_t)dvmi_rng_below(g, 8),
		.state = (uint8_t)dvmi_rng_below(g, 6),
		.node = (uint16_t)dvmi_rng_below(g, NODES + 1),
		.acks = (uint16_t)dvmi_rng_below(g, 3),
		.page = dvmi_rng_below(g, PAGES + 1),
		.version = dvmi_rng_below(g, 4),
	};
	size_t len = sizeof(struct dsm_wire_page) + (raw ? UNIT : dvmi_rng_below(g, 20));

	if (raw)
		m.kind = DSM_DATA;
	uint8_t *body = dsm_wire_record(to, DSM_WIRE_PAGES, len);
	memset(body, 1, len);
	dsm_wire_put_page(body, (uint32_t)dvmi_rng_below(g, 2) ? 0 : 77, &m,
			  (enum dsm_wire_form)dvmi_rng_below(g, 5));
	return dsm_wire_room(len);
}

static void deliver(struct world *w, const uint8_t *p, size_t n)
{
	dsm_node_enter(w->n);
	dsm_node_packet(w->n, 1 + (uint32_t)dvmi_rng_below(&w->rng, NODES), p, n);
	dsm_node_leave(w->n);
}

/* A segment's life: after a while most of its pages wait for what never comes. */
static void one_life(struct world *w, uint8_t *p)
{
	struct dsm_seg_stats st;

	for (int i = 0; i < 300; i++) {
		size_t n = 0;
		for (uint64_t k = 1 + dvmi_rng_below(&w->rng, 4); k; k--)
			n += any_record(w, p + n);
		for (uint64_t k = dvmi_rng_below(&w->rng, 3); k; k--)
			p[dvmi_rng_below(&w->rng, n)] = (uint8_t)dvmi_rng_next(&w->rng);
		deliver(w, p, n);
		if (i % 7 == 0)
			dsm_seg_prefetch(w->s, dvmi_rng_below(&w->rng, PAGES), 1, i & 1);
		if (i % 11 == 0)
			dsm_seg_drop(w->s, dvmi_rng_below(&w->rng, PAGES), 1);
	}
	dsm_seg_stats(w->s, &st);
	assert_true(st.resident <= PAGES && st.writable <= st.resident);
}

static void anything(void **state)
{
	struct world *w = *state;
	uint8_t *p = malloc(65536);

	assert_non_null(p);
	dvmi_rng_seed(&w->rng, 12);
	for (int life = 0; life < 100; life++) {
		int rc = make_segment(w);
		if (rc == -EPERM || rc == -ENOTSUP)
			skip();
		assert_int_equal(rc, 0);
		one_life(w, p);
		dsm_seg_destroy(w->s);
		w->s = NULL;
	}
	assert_true(w->said > 500);
	free(p);
}

/* Node 1 wants page 0, ours, of segment ID. */
static void ask(struct world *w, uint32_t id)
{
	const struct dsm_msg m = { .kind = DSM_GETM, .version = DSM_NO_VERSION };
	uint8_t p[256];
	uint8_t *body = dsm_wire_record(p, DSM_WIRE_PAGES, sizeof(struct dsm_wire_page));

	dsm_wire_put_page(body, id, &m, DSM_FORM_NONE);
	dsm_node_enter(w->n);
	dsm_node_packet(w->n, 1, p, dsm_wire_room(sizeof(struct dsm_wire_page)));
	dsm_node_leave(w->n);
}

/* How many messages segment ID sends when it is made, for who has asked before. */
static uint64_t said_by(struct world *w, uint32_t id)
{
	uint64_t before = w->said;
	int rc = dsm_seg_create(w->n, &w->s,
				&(struct dsm_seg_config){ .id = id,
							  .bytes = PAGES * UNIT,
							  .unit = UNIT,
							  .flags = DSM_SIGBUS,
							  .home = home });
	if (rc == -EPERM || rc == -ENOTSUP)
		skip();
	assert_int_equal(rc, 0);
	dsm_seg_destroy(w->s);
	w->s = NULL;
	return w->said - before;
}

static void before_it_is_there(void **state)
{
	struct world *w = *state;

	ask(w, 5);
	assert_int_equal(said_by(w, 5), 1);
	/* What is for others, and never taken, does not keep it from being kept. */
	for (int i = 0; i < 5000; i++)
		ask(w, 77);
	ask(w, 6);
	assert_int_equal(said_by(w, 6), 1);
	/* A number is used again when half of the others were: nothing is left of the last time. */
	ask(w, 7);
	assert_int_equal(said_by(w, 7 + DSM_SEGS / 2), 0);
	assert_int_equal(said_by(w, 7), 0);
}

/* The number of a segment that lives on is passed over; what is a half round away from it is old, too. */
static void old_ones_of_a_number_in_use(void **state)
{
	struct world *w = *state;

	said_by(w, DSM_SEGS - 2);
	ask(w, DSM_SEGS / 2);
	ask(w, 2);
	said_by(w, DSM_SEGS - 1);
	said_by(w, 1);
	assert_int_equal(said_by(w, 2), 1);
	assert_int_equal(said_by(w, DSM_SEGS / 2), 0);
}

/* What nobody wants any more is zeros, takes no memory, and can be written again. */
static void freed(void **state)
{
	struct world *w = *state;
	struct dsm_seg_stats st;
	int rc = make_segment(w);

	if (rc == -EPERM || rc == -ENOTSUP)
		skip();
	assert_int_equal(rc, 0);
	volatile uint8_t *p = dsm_seg_base(w->s);
	assert_int_equal(dsm_seg_free(w->s, 0, PAGES + 1), -EINVAL);
	assert_int_equal(dsm_seg_free(w->s, PAGES + 1, 0), -EINVAL);
	p[5] = 7;
	p[4 * UNIT] = 8;
	assert_int_equal(p[5], 7);
	assert_int_equal(dsm_seg_free(w->s, 0, 1), 1);
	dsm_seg_stats(w->s, &st);
	assert_int_equal(st.resident, 1);
	assert_int_equal(p[5], 0);
	assert_int_equal(p[4 * UNIT], 8);
	p[5] = 9;
	assert_int_equal(p[5], 9);
	dsm_seg_destroy(w->s);
	w->s = NULL;
}

/* At second T, after a look. */
static bool takes_part_at(struct world *w, uint64_t t)
{
	atomic_store(&clock_now, 1000 * DVMI_SEC + t * DVMI_SEC);
	dsm_node_enter(w->n);
	dsm_node_round(w->n, false);
	bool there = dsm_node_alive(w->n, NODES - 1);
	dsm_node_leave(w->n);
	return there;
}

/* Two die one after the other, and each death is known in time: nobody has waited too long. */
static void two_deaths(void **state)
{
	struct world *w = *state;

	assert_true(takes_part_at(w, 0));
	w->down[1] = true;
	assert_true(takes_part_at(w, 5));
	w->down[2] = true;
	assert_true(takes_part_at(w, 11));
	w->dead[1] = true;
	assert_true(takes_part_at(w, 22));
	assert_true(takes_part_at(w, 26));
	w->dead[2] = true;
	assert_true(takes_part_at(w, 30));
	assert_true(takes_part_at(w, 60));
	/* Of this one nobody hears: the lower end has waited twice as long as the higher one. */
	w->down[3] = true;
	assert_true(takes_part_at(w, 61));
	assert_true(takes_part_at(w, 80));
	assert_false(takes_part_at(w, 81));
	atomic_store(&clock_now, 0);
}

/* The others go on without us: every call says so, and nothing is asked of anybody any more. */
static void out(void **state)
{
	struct world *w = *state;
	struct dsm_seg *other;
	int rc = make_segment(w);

	if (rc == -EPERM || rc == -ENOTSUP)
		skip();
	assert_int_equal(rc, 0);
	/* What is written here already is no exception. */
	assert_int_equal(dsm_seg_pin(w->s, 0, 1), 0);
	assert_int_equal(dsm_seg_unpin(w->s, 0, 1), 0);
	w->down[1] = true;
	assert_true(takes_part_at(w, 0));
	assert_false(takes_part_at(w, 20));
	uint64_t said = w->said;
	assert_int_equal(dsm_seg_prefetch(w->s, 0, PAGES, true), -DVM_EPEERLOST);
	assert_int_equal(dsm_seg_drop(w->s, 0, PAGES), -DVM_EPEERLOST);
	assert_int_equal(dsm_seg_pin(w->s, 0, 1), -DVM_EPEERLOST);
	assert_int_equal(dsm_seg_create(w->n, &other,
					&(struct dsm_seg_config){ .id = 1,
								  .bytes = PAGES * UNIT,
								  .unit = UNIT,
								  .flags = DSM_SIGBUS,
								  .home = home }),
			 -DVM_EPEERLOST);
	assert_int_equal(w->said, said);
	dsm_seg_destroy(w->s);
	w->s = NULL;
	atomic_store(&clock_now, 0);
}

/* What has come cannot be answered, with so much memory: all others hear that it leaves, and no more. */
static void leaves_with(struct world *w, size_t memory)
{
	int rc = make_segment(w);

	if (rc == -EPERM || rc == -ENOTSUP)
		skip();
	assert_int_equal(rc, 0);
	atomic_store(&most, memory);
	ask(w, 0);
	atomic_store(&most, SIZE_MAX);
	dsm_node_enter(w->n);
	assert_false(dsm_node_alive(w->n, 1));
	dsm_node_leave(w->n);
	assert_int_equal(w->leaves, NODES - 1);
	assert_int_equal(w->said, NODES - 1);
	dsm_seg_destroy(w->s);
	w->s = NULL;
}

static void no_memory_for_an_answer(void **state)
{
	leaves_with(*state, 60000);
}

static void no_memory_for_a_page(void **state)
{
	leaves_with(*state, 1000);
}

static void no_memory_for_an_early_one(void **state)
{
	struct world *w = *state;

	atomic_store(&most, 10);
	ask(w, 5);
	atomic_store(&most, SIZE_MAX);
	assert_int_equal(w->leaves, NODES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: cmocka takes signals back with each test. */
		cmocka_unit_test_setup_teardown(freed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(before_it_is_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(old_ones_of_a_number_in_use, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_deaths, set_up, tear_down),
		cmocka_unit_test_setup_teardown(out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_memory_for_an_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_memory_for_a_page, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_memory_for_an_early_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(anything, set_up, tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
