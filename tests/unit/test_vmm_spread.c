/* SPDX-License-Identifier: BSD-3-Clause */
/* What a host does about what others say; the node under it only notes what goes out. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <x86intrin.h>

#include <cmocka.h>

#include "kvm-node/spread_private.h"
#include "kvm-node/vmm_private.h"

#define POSTS 16u
#define WAY   1000u /* ticks that a message takes */

struct said {
	uint32_t to;
	unsigned used; /* the device was by then */
	struct vmm_msg n;
};

/* The node: its lock, its service, what was posted. */
static struct {
	pthread_mutex_t lock;
	struct dsm_service service;
	struct said said[POSTS];
	unsigned n;
	unsigned fails; /* when so many have been posted there is no memory for the next; 0: there is */
	struct vmm_msg last;
	bool full; /* without memory for what is posted */
} node = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A device of the host: how often it was used; not while somebody has the gate. */
static struct {
	pthread_mutex_t gate;
	_Atomic unsigned used;
} device = { .gate = PTHREAD_MUTEX_INITIALIZER };

void __wrap_dsm_node_enter(struct dsm_node *n);
void __wrap_dsm_node_leave(struct dsm_node *n);
int __wrap_dsm_node_wait(struct dsm_node *n, _Atomic uint32_t *done, uint64_t deadline);
int __wrap_dsm_node_serve(struct dsm_node *n, unsigned number, const struct dsm_service *s);
void __wrap_dsm_node_unserve(struct dsm_node *n, unsigned number);
int __wrap_dsm_node_post(struct dsm_node *n, uint32_t to, unsigned number, const void *message,
			 size_t len);

void __wrap_dsm_node_enter(struct dsm_node *n)
{
	pthread_mutex_lock(&node.lock);
}

void __wrap_dsm_node_leave(struct dsm_node *n)
{
	pthread_mutex_unlock(&node.lock);
}

int __wrap_dsm_node_serve(struct dsm_node *n, unsigned number, const struct dsm_service *s)
{
	node.service = *s;
	return 0;
}

void __wrap_dsm_node_unserve(struct dsm_node *n, unsigned number)
{
}

int __wrap_dsm_node_post(struct dsm_node *n, uint32_t to, unsigned number, const void *message,
			 size_t len)
{
	memcpy(&node.last, message, len < sizeof node.last ? len : sizeof node.last);
	if (node.fails && node.n == node.fails)
		return node.fails = 0, -ENOMEM;
	if (node.n < POSTS && len >= sizeof node.said[0].n) {
		node.said[node.n].to = to;
		node.said[node.n].used = device.used;
		memcpy(&node.said[node.n++].n, message, sizeof node.said[0].n);
	}
	return node.full ? -ENOMEM : 0;
}

/* Without memory for a letter. */
static bool no_letters;

int __real_vmm_inbox_put(struct vmm_inbox *b, unsigned from, const struct vmm_msg *n, const void *text,
			 size_t len);
int __wrap_vmm_inbox_put(struct vmm_inbox *b, unsigned from, const struct vmm_msg *n, const void *text,
			 size_t len);

int __wrap_vmm_inbox_put(struct vmm_inbox *b, unsigned from, const struct vmm_msg *n, const void *text,
			 size_t len)
{
	return no_letters ? -ENOMEM : __real_vmm_inbox_put(b, from, n, text, len);
}

/* ---- the guest's time: ours, and the first host's, which may stand still ---- */

static struct {
	uint64_t ours, first;
	bool stands;
	unsigned adjusted;
	void (*asking)(void); /* meanwhile */
	uint64_t later;	      /* the latest that was heard of */
} clocks;

static void on_stat(void *arg, struct dvmi_buf *out);

static uint64_t on_time(void *arg)
{
	return clocks.ours;
}

static void on_adjust(void *arg, int64_t delta)
{
	clocks.adjusted++;
}

static void on_later(void *arg, uint64_t theirs)
{
	clocks.later = theirs > clocks.later ? theirs : clocks.later;
}

static void pass(uint64_t ticks)
{
	clocks.ours += ticks;
	clocks.first += clocks.stands ? 0 : ticks;
}

/* ---- a host ---- */

static void on_access(void *arg, unsigned from, struct vmm_access *a)
{
	pthread_mutex_lock(&device.gate);
	a->data = a->addr + a->len;
	device.used++;
	pthread_mutex_unlock(&device.gate);
}

static int on_queue(void *arg, unsigned from, const struct vmm_msg *n, const void *text, size_t len)
{
	return -ENOMEM;
}

static int open_host(void **state)
{
	static const struct vmm_spread_ops ops = { .access = on_access,
						   .queue = on_queue,
						   .time = on_time,
						   .stat = on_stat,
						   .adjust = on_adjust,
						   .later = on_later };
	static struct vmm_spread s;

	memset(&s, 0, sizeof s);
	node.n = device.used = 0;
	s.hosts = 3;
	s.self = 1;
	s.node = (struct dsm_node *)&node;
	s.ask_time_at = s.look_at = UINT64_MAX;
	s.lost = -1;
	assert_int_equal(spread_hear_start(&s), 0);
	vmm_spread_attach(&s, &ops, 4);
	*state = &s;
	return 0;
}

static int close_host(void **state)
{
	spread_hear_stop(*state);
	return 0;
}

static void hear(struct vmm_spread *s, unsigned from, const struct vmm_msg *n, size_t len)
{
	__wrap_dsm_node_enter(s->node);
	node.service.message(s, from, n, len, 1);
	__wrap_dsm_node_leave(s->node);
}

/* Who waits has asked the first host for the time, and is told at once. */
int __wrap_dsm_node_wait(struct dsm_node *n, _Atomic uint32_t *done, uint64_t deadline)
{
	pass(WAY);
	const struct vmm_msg a = { .kind = VMM_MSG_ANSWER, .id = node.last.id, .value = clocks.first };
	pass(WAY);
	if (clocks.asking)
		clocks.asking();
	hear(node.service.arg, 0, &a, sizeof a);
	return 0;
}

static struct vmm_msg question(uint8_t len)
{
	const struct vmm_access a = { .addr = 0x1000, .vcpu = 1, .space = VMM_MMIO, .len = len };
	struct vmm_msg n = vmm_msg_access(&a);

	n.id = 7;
	return n;
}

static void expect_answer(unsigned i, uint32_t to, uint64_t value)
{
	assert_int_equal(node.said[i].to, to);
	assert_int_equal(node.said[i].n.kind, VMM_MSG_ANSWER);
	assert_int_equal(node.said[i].n.id, 7);
	assert_int_equal(node.said[i].n.value, value);
}

/* ---- tests ---- */

static void accesses_of_any_length_are_answered(void **state)
{
	struct vmm_spread *s = *state;

	for (uint8_t len = 1; len <= 8; len++) {
		struct vmm_msg n = question(len);
		hear(s, 2, &n, sizeof n);
	}
	vmm_spread_settle(s);
	assert_int_equal(node.n, 8);
	for (unsigned i = 0; i < 8; i++)
		expect_answer(i, 2, 0x1000 + i + 1);
	assert_int_equal(s->n.bad, 0);
}

/* It would wait for ever; and what nobody waits for is not answered. */
static void who_asks_nonsense_is_told(void **state)
{
	struct vmm_spread *s = *state;
	const struct vmm_msg bad[] = {
		question(0),
		question(9),
		{ .kind = VMM_MSG_KINDS, .id = 7 },
		{ .kind = VMM_MSG_ORDER, .op = VMM_ORDERS, .id = 7 },
		{ .kind = VMM_MSG_STAT, .id = 7 }, /* only the first host asks that */
	};
	const struct vmm_msg quiet[] = {
		{ .kind = VMM_MSG_KINDS },
		{ .kind = VMM_MSG_ANSWER, .id = 7 },
		{ .kind = VMM_MSG_END, .op = VMM_END_STOPPED },
	};
	unsigned n = sizeof bad / sizeof bad[0];

	for (unsigned i = 0; i < n; i++)
		hear(s, 2, &bad[i], sizeof bad[i]);
	assert_int_equal(node.n, n);
	for (unsigned i = 0; i < n; i++)
		expect_answer(i, 2, UINT64_MAX);
	for (unsigned i = 0; i < sizeof quiet / sizeof quiet[0]; i++)
		hear(s, 2, &quiet[i], sizeof quiet[i]);
	hear(s, 2, &bad[0], sizeof bad[0] - 1);
	assert_int_equal(node.n, n);
	assert_int_equal(s->n.bad, n + 4);
}

static void who_asks_without_memory_here_is_told(void **state)
{
	struct vmm_spread *s = *state;
	const struct vmm_msg n[] = { question(4),
				     { .kind = VMM_MSG_SETTLE, .id = 7 },
				     { .kind = VMM_MSG_RECALL, .id = 7 } };

	no_letters = true;
	for (unsigned i = 0; i < 3; i++)
		hear(s, 2, &n[i], sizeof n[i]);
	no_letters = false;
	assert_int_equal(node.n, 3);
	for (unsigned i = 0; i < 3; i++)
		expect_answer(i, 2, UINT64_MAX);
}

/* That no memory is left is no loss of a host. */
static void who_cannot_ask_says_why(void **state)
{
	struct vmm_spread *s = *state;
	dvm_error_t err;

	node.full = true;
	assert_int_equal(vmm_spread_order(s, VMM_ORDER_STAND, &err), -ENOMEM);
	node.full = false;
	assert_null(strstr(err.text, "lost"));
	assert_null(s->waits);
}

/* Writes that nobody waits for are done when a host says that all it was told has been. */
static void who_settles_hears_after_what_was_posted(void **state)
{
	const struct vmm_msg settle = { .kind = VMM_MSG_SETTLE, .id = 7 };
	struct vmm_msg posted = question(4);
	struct vmm_spread *s = *state;

	posted.id = 0;
	posted.flag = 1;
	pthread_mutex_lock(&device.gate);
	for (unsigned i = 0; i < 3; i++)
		hear(s, 2, &posted, sizeof posted);
	hear(s, 2, &settle, sizeof settle);
	pthread_mutex_unlock(&device.gate);
	vmm_spread_settle(s);
	assert_int_equal(node.n, 1);
	expect_answer(0, 2, 0);
	assert_int_equal(node.said[0].used, 3);
}

/* Asks as often as it is time to, N times, and hears the answers; a long time between two. */
static void ask_for_time(struct vmm_spread *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		node.last = (struct vmm_msg){ 0 };
		__wrap_dsm_node_enter(s->node);
		node.service.tick(s, s->ask_time_at);
		__wrap_dsm_node_leave(s->node);
		assert_int_equal(node.last.kind, VMM_MSG_TIME);
		pass(WAY);
		const struct vmm_msg is = { .kind = VMM_MSG_TIME_IS, .addr = clocks.first,
					    .value = node.last.value };
		pass(WAY);
		hear(s, 0, &is, sizeof is);
		pass(1000 * WAY);
	}
}

/* For so long that clocks which run apart would have been given up. */
static void time_that_stands_still_is_not_followed(void **state)
{
	struct vmm_spread *s = *state;
	int64_t ahead = 1;

	memset(&clocks, 0, sizeof clocks);
	clocks.first = 77;
	assert_int_equal(vmm_spread_set_clock(s, &ahead), 0);
	assert_int_equal(ahead, 77);
	clocks.ours += (uint64_t)ahead;
	vmm_spread_let_time_go(s);
	ask_for_time(s, 40 * VMM_DRIFT_SAMPLES);
	assert_int_equal(clocks.adjusted, 0);
	vmm_spread_let_time_stand(s);
	clocks.stands = true;
	ask_for_time(s, 40 * VMM_DRIFT_SAMPLES);
	assert_int_equal(clocks.adjusted, 0);
	clocks.stands = false;
	assert_int_equal(vmm_spread_set_clock(s, &ahead), 0);
	assert_true(ahead < -(int64_t)WAY);
	clocks.later = 0;
	ask_for_time(s, 1); /* nobody is told a time that is not set yet */
	assert_int_equal(node.last.value, 0);
	assert_int_equal(clocks.later, 0);
	vmm_spread_let_time_go(s);
	assert_int_equal(s->drift.worst, 0);
	ask_for_time(s, 2 * VMM_DRIFT_SAMPLES); /* it was not set, and is followed */
	assert_true(clocks.adjusted > 0);
}

/* ---- who is there ---- */

static void look(struct vmm_spread *s, unsigned times)
{
	while (times--) {
		__wrap_dsm_node_enter(s->node);
		node.service.tick(s, s->look_at);
		__wrap_dsm_node_leave(s->node);
	}
}

/* Not only what the first host has of them: the link between two others may be cut. */
static void all_but_the_first_tell_each_other(void **state)
{
	const struct vmm_msg here = { .kind = VMM_MSG_HERE };
	struct vmm_spread *s = *state;

	s->self = 2;
	hear(s, 1, &here, sizeof here);
	look(s, VMM_SILENCE_LOOKS);
	assert_int_equal(s->silence.told, 0);
	assert_int_equal(node.n, VMM_SILENCE_LOOKS);
	for (unsigned i = 0; i < node.n; i++) {
		assert_int_equal(node.said[i].to, 1);
		assert_int_equal(node.said[i].n.kind, VMM_MSG_HERE);
	}
	look(s, 1);
	assert_int_equal(s->silence.told, 2);
	hear(s, 1, &here, sizeof here);
	assert_int_equal(s->silence.told, 0);
}

static void the_first_is_heard_anyway(void **state)
{
	const struct vmm_msg time = { .kind = VMM_MSG_TIME, .value = 1 };
	struct vmm_spread *s = *state;

	s->self = 0;
	hear(s, 1, &time, sizeof time);
	node.n = 0;
	look(s, VMM_SILENCE_LOOKS);
	assert_int_equal(node.n, 0);
}

/* ---- a guest's clock, of which much is to be made good when it is set ---- */

#define MUCH 1000000000 /* ticks, over 2048 times as many */

static struct vmm guest;
static uint64_t offset_was;

/* After the first question: from then on it has to be the same. */
static void offset_stays(void)
{
	uint64_t until = __rdtsc() + 100000;

	if (!offset_was)
		offset_was = vmm_clock_offset(&guest.clock);
	while (__rdtsc() < until)
		;
	assert_int_equal(vmm_clock_offset(&guest.clock), offset_was);
}

static void nothing_is_made_good_while_it_is_set(void **state)
{
	struct vmm_spread *s = *state;
	const struct vmm_config config = { .spread = s };
	dvm_error_t err;

	memset(&clocks, 0, sizeof clocks);
	clocks.first = 77;
	guest = (struct vmm){ .config = &config };
	vmm_clock_start(&guest.clock, 1, true);
	vmm_clock_adjust(&guest.clock, MUCH);
	offset_was = 0;
	clocks.asking = offset_stays;
	assert_int_equal(vmm_hosts_set_clock(&guest, &err), 0);
	assert_int_equal(vmm_clock_offset(&guest.clock), offset_was + 77);
}

/* ---- counters, which are longer than a message ---- */

static void on_stat(void *arg, struct dvmi_buf *out)
{
	dvmi_buf_extend(out, 3 * VMM_MSG_TEXT_MAX);
}

/* What has no room is not left out: who asks would take the rest for all. */
static void text_that_is_cut_off_says_so(void **state)
{
	const struct vmm_msg stat = { .kind = VMM_MSG_STAT, .id = 7 };
	struct vmm_spread *s = *state;

	node.fails = 1;
	hear(s, 0, &stat, sizeof stat);
	vmm_spread_settle(s);
	assert_int_equal(node.n, 2);
	assert_int_equal(node.said[0].n.vector, 1);
	expect_answer(1, 0, (uint64_t)-ENOMEM);
	assert_int_equal(node.said[1].n.vector, 0);
}

/* One host has told half of its counters, the other one all. */
static void tell_counters(void)
{
	struct {
		struct vmm_msg n;
		char text[8];
	} part = { { .kind = VMM_MSG_ANSWER, .id = node.last.id, .vector = 1 }, "{\"a\":1}" };
	const struct vmm_msg cut = { .kind = VMM_MSG_ANSWER, .id = node.last.id,
				     .value = (uint64_t)-ENOMEM };
	struct vmm_spread *s = node.service.arg;

	hear(s, 1, &part.n, sizeof part);
	hear(s, 1, &cut, sizeof cut);
	part.n.vector = 0;
	hear(s, 2, &part.n, sizeof part);
}

static void part_of_a_text_is_of_no_use(void **state)
{
	struct vmm_spread *s = *state;
	struct dvmi_buf out[VMM_HOSTS_MAX] = { 0 };

	s->self = 0;
	memset(&clocks, 0, sizeof clocks);
	clocks.asking = tell_counters;
	vmm_spread_stat(s, out);
	assert_int_equal(out[1].len, 0);
	assert_int_equal(out[2].len, 8);
	dvmi_buf_free(&out[2]);
}

/* What each of two says of its time tells the other one that it is behind; not while time stands. */
static void who_is_behind_hears_it(void **state)
{
	struct vmm_spread *s = *state;
	const struct vmm_msg theirs = { .kind = VMM_MSG_TIME, .value = 5000 * WAY };
	const struct vmm_msg nothing = { .kind = VMM_MSG_TIME };
	int64_t ahead;

	memset(&clocks, 0, sizeof clocks);
	assert_int_equal(vmm_spread_set_clock(s, &ahead), 0);
	vmm_spread_let_time_go(s);
	clocks.first = clocks.ours + 9000 * WAY;
	ask_for_time(s, 1);
	assert_true(clocks.later > 9000 * WAY);
	clocks.later = 0;
	vmm_spread_let_time_stand(s);
	ask_for_time(s, 1);
	assert_int_equal(clocks.later, 0);
	assert_int_equal(node.last.value, 0);

	s->self = 0;
	hear(s, 2, &nothing, sizeof nothing);
	assert_int_equal(clocks.later, 0);
	hear(s, 2, &theirs, sizeof theirs);
	assert_int_equal(clocks.later, theirs.value);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_host, close_host)
	const struct CMUnitTest tests[] = {
		T(accesses_of_any_length_are_answered),
		T(who_asks_nonsense_is_told),
		T(who_asks_without_memory_here_is_told),
		T(who_cannot_ask_says_why),
		T(who_settles_hears_after_what_was_posted),
		T(time_that_stands_still_is_not_followed),
		T(all_but_the_first_tell_each_other),
		T(the_first_is_heard_anyway),
		T(nothing_is_made_good_while_it_is_set),
		T(text_that_is_cut_off_says_so),
		T(part_of_a_text_is_of_no_use),
		T(who_is_behind_hears_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
