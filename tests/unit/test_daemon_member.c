/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/member.h"
#include "daemon/member_private.h"
#include "libdvm/base/clock.h"
#include "tests/unit/cm.h"

#define SELF  1
#define OTHER 2
#define THIRD 3
#define INC   5

static const char *const order_names[] = { "lower", "equal", "higher" };

/* --- a small bench: one engine, its clock, what it last did -------------------------------------
 */

struct bench {
	dvmd_member_t *m;
	struct dvmd_member_conf conf;
	uint64_t now;
	unsigned events; /* bit per enum dvmd_member_event about OTHER */
	unsigned flags;
	unsigned sends;
	struct dvmi_member_msg last; /* the last message sent, and to whom */
	uint32_t last_to;
	struct dvmi_member_msg probe; /* the last ping with a seq */
	uint32_t probe_to;
	uint32_t asked[8], nasked; /* whom it sent a PING_REQ */
};

static void drain(struct bench *b)
{
	struct dvmd_member_act act;

	while (dvmd_member_next(b->m, &act)) {
		if (act.type == DVMD_MEMBER_EVENT) {
			if (act.node == OTHER) {
				b->events |= 1u << act.event;
				b->flags |= act.flags;
			}
			continue;
		}
		b->sends++;
		b->last = *act.msg;
		b->last_to = act.node;
		if (act.msg->type == DVMI_MEMBER_PING && act.msg->seq) {
			b->probe = *act.msg;
			b->probe_to = act.node;
		}
		if (act.msg->type == DVMI_MEMBER_PING_REQ && b->nasked < 8)
			b->asked[b->nasked++] = act.node;
	}
}

static void forget(struct bench *b)
{
	b->events = b->flags = b->sends = b->nasked = b->probe_to = 0;
}

static void setup(struct bench *b, uint32_t members)
{
	*b = (struct bench){ .now = 100 * DVMI_SEC };
	assert_int_equal(dvmd_member_conf_init(&b->conf, 10 * DVMI_SEC), 0);
	assert_int_equal(dvmd_member_create(&b->m, &b->conf, SELF, DVMD_MEMBER_LIFE(1), 42, b->now),
			 0);
	for (uint32_t id = 1; id <= members; id++)
		assert_int_equal(dvmd_member_add(b->m, b->now, id), 0);
	drain(b);
	forget(b);
}

static void teardown(struct bench *b)
{
	dvmd_member_destroy(b->m);
}

static void receive(struct bench *b, uint32_t from, struct dvmi_member_msg msg)
{
	dvmd_member_receive(b->m, b->now, from, &msg);
	drain(b);
}

/* THIRD says something about ID. */
static void claim(struct bench *b, uint32_t id, enum dvmi_member_state state, uint64_t inc)
{
	receive(b, THIRD,
		(struct dvmi_member_msg){ .type = DVMI_MEMBER_PING,
					  .seq = 1,
					  .nupdates = 1,
					  .updates[0] = { .id = id,
							  .state = (uint8_t)state,
							  .incarnation = inc,
							  .by = THIRD } });
}

/* Time passes as for a process that runs: each deadline is met. */
static void pass(struct bench *b, uint64_t time)
{
	uint64_t end = b->now + time, at;

	while ((at = dvmd_member_next_deadline(b->m)) <= end) {
		b->now = at;
		dvmd_member_tick(b->m, b->now);
		drain(b);
	}
	b->now = end;
}

static struct dvmd_member_info info_of(struct bench *b, uint32_t id)
{
	struct dvmd_member_info info;

	assert_int_equal(dvmd_member_get(b->m, id, &info), 0);
	return info;
}

static const struct dvmi_member_update *update_about(const struct dvmi_member_msg *m, uint32_t id)
{
	for (unsigned i = 0; i < m->nupdates; i++) {
		if (m->updates[i].id == id)
			return &m->updates[i];
	}
	return NULL;
}

/* --- the table of state and claim ---------------------------------------- */

static void bring_to(struct bench *b, enum dvmi_member_state state)
{
	claim(b, OTHER, state == DVMI_MEMBER_DEAD ? DVMI_MEMBER_SUSPECT : state, INC);
	if (state == DVMI_MEMBER_DEAD)
		pass(b, b->conf.suspicion_max + DVMI_SEC);
	assert_int_equal(info_of(b, OTHER).state, state);
	assert_int_equal(info_of(b, OTHER).incarnation, INC);
	forget(b);
}

static bool is_up(unsigned state)
{
	return state == DVMI_MEMBER_ALIVE || state == DVMI_MEMBER_SUSPECT;
}

/* What must hold of every cell, whatever it says in detail. */
static void check_rules(unsigned state, unsigned claimed, unsigned order,
			const struct dvmd_member_cell *cell)
{
	unsigned e = cell->effects;
	bool news = order == DVMD_MEMBER_HIGHER || (order == DVMD_MEMBER_EQUAL && claimed > state);
	bool known = order == DVMD_MEMBER_EQUAL && claimed == state;

	/* A lower claim changes nothing and is corrected. */
	if (order == DVMD_MEMBER_LOWER)
		assert_true(cell->next == state && e == DVMD_MEMBER_CORRECT);
	/* Nobody's death is believed on another's word. */
	if (is_up(state) && claimed == DVMI_MEMBER_DEAD)
		assert_true(is_up(cell->next) && !(e & DVMD_MEMBER_SAY_DOWN));
	/* The greater claim is adopted, and only that; a death of equal incarnation is not. */
	if (order == DVMD_MEMBER_HIGHER)
		assert_true(e & DVMD_MEMBER_ADOPT);
	if (e & DVMD_MEMBER_ADOPT)
		assert_true(news && e & DVMD_MEMBER_SPREAD);
	if (known)
		assert_true(!(e & ~(unsigned)DVMD_MEMBER_CONFIRM) && cell->next == state);
	/* UP and DOWN are said where and only where the node comes up or goes down. */
	assert_int_equal(!is_up(state) && is_up(cell->next), !!(e & DVMD_MEMBER_SAY_UP));
	assert_int_equal(is_up(state) && !is_up(cell->next), !!(e & DVMD_MEMBER_SAY_DOWN));
	/* A suspicion runs where and only where the state is SUSPECT. */
	if (cell->next == DVMI_MEMBER_SUSPECT && state != DVMI_MEMBER_SUSPECT)
		assert_true(e & DVMD_MEMBER_START);
	if (e & DVMD_MEMBER_START)
		assert_true(cell->next == DVMI_MEMBER_SUSPECT);
}

static void walk_cell(unsigned state, unsigned claimed, unsigned order)
{
	const struct dvmd_member_cell *cell = dvmd_member_cell(state, claimed, order);
	uint64_t inc = INC - 1 + order;
	struct bench b;

	check_rules(state, claimed, order, cell);
	setup(&b, 4);
	bring_to(&b, state);
	claim(&b, OTHER, claimed, inc);
	assert_int_equal(info_of(&b, OTHER).state, cell->next);
	assert_int_equal(info_of(&b, OTHER).incarnation,
			 cell->effects & DVMD_MEMBER_ADOPT ? inc : INC);
	assert_int_equal(!!(b.events & 1u << DVMD_MEMBER_UP),
			 !!(cell->effects & DVMD_MEMBER_SAY_UP));
	assert_int_equal(!!(b.events & 1u << DVMD_MEMBER_DOWN),
			 !!(cell->effects & DVMD_MEMBER_SAY_DOWN));
	assert_int_equal(!!(b.events & 1u << DVMD_MEMBER_TRUSTED),
			 !!(cell->effects & DVMD_MEMBER_SAY_TRUSTED));
	assert_int_equal(!!(b.events & 1u << DVMD_MEMBER_SUSPECTED),
			 cell->effects & DVMD_MEMBER_START && state != DVMI_MEMBER_SUSPECT);
	/* The ACK that answers the claim is the last message: it carries what was worth saying. */
	assert_int_equal(b.last.type, DVMI_MEMBER_ACK);
	if (cell->effects & (DVMD_MEMBER_CORRECT | DVMD_MEMBER_SPREAD)) {
		const struct dvmi_member_update *u = update_about(&b.last, OTHER);
		assert_non_null(u);
		assert_int_equal(u->state, cell->next);
	}
	/* A dispute reaches the accused itself. */
	assert_int_equal(b.sends, cell->effects & DVMD_MEMBER_DISPUTE ? 2 : 1);
	teardown(&b);
}

static void every_cell_of_the_table(void **state)
{
	for (unsigned s = 0; s < DVMI_MEMBER_STATES; s++) {
		for (unsigned c = 0; c < DVMI_MEMBER_STATES; c++) {
			for (unsigned o = 0; o < DVMD_MEMBER_ORDERS; o++)
				walk_cell(s, c, o);
		}
	}
}

/* The design document shows the same table. */
static void the_document_has_the_same_table(void **state)
{
	const char *src = getenv("DVM_SRC");
	char path[4096], line[512], row[256], effects[64];
	FILE *f;
	unsigned found = 0;

	snprintf(path, sizeof(path), "%s/doc/design/0002-membership.md", src ? src : ".");
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		for (unsigned i = 0; i < 48; i++) {
			unsigned s = i / 12, c = i / 3 % 4, o = i % 3;
			const struct dvmd_member_cell *cell = dvmd_member_cell(s, c, o);
			dvmd_member_effects_format(cell->effects, effects, sizeof(effects));
			snprintf(row, sizeof(row), "| %s | %s | %s | %s | %s |\n",
				 dvmi_member_state_name(s), dvmi_member_state_name(c),
				 order_names[o], dvmi_member_state_name(cell->next), effects);
			found += strcmp(line, row) == 0;
		}
	}
	fclose(f);
	assert_int_equal(found, 48);
}

/* --- probing ------------------------------------------------------------- */

static void a_round_probes_each_member_once(void **state)
{
	struct bench b;
	unsigned seen[20] = { 0 };

	setup(&b, 19);
	for (int i = 0; i < 18; i++) {
		forget(&b);
		while (!b.probe_to)
			pass(&b, b.conf.period / 10);
		seen[b.probe_to]++;
		receive(&b, b.probe_to,
			(struct dvmi_member_msg){ .type = DVMI_MEMBER_ACK,
						  .seq = b.probe.seq,
						  .target = b.probe_to });
		b.probe_to = 0;
	}
	for (uint32_t id = 2; id <= 19; id++)
		assert_int_equal(seen[id], 1);
	teardown(&b);
}

static void no_answer_asks_helpers_then_suspects(void **state)
{
	struct bench b;

	setup(&b, 6);
	while (!b.probe_to)
		pass(&b, DVMI_MSEC);
	uint32_t target = b.probe_to;
	pass(&b, b.conf.probe_timeout);
	assert_int_equal(b.nasked, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_true(b.asked[i] != target && b.asked[i] != SELF);
	assert_int_equal(info_of(&b, target).state, DVMI_MEMBER_ALIVE);
	pass(&b, b.conf.period);
	assert_int_equal(info_of(&b, target).state, DVMI_MEMBER_SUSPECT);
	assert_int_equal(dvmd_member_health(b.m), 1);
	teardown(&b);
}

static void a_relayed_answer_is_enough(void **state)
{
	struct bench b;

	setup(&b, 6);
	while (!b.probe_to)
		pass(&b, DVMI_MSEC);
	uint32_t target = b.probe_to;
	struct dvmi_member_msg ack = { .type = DVMI_MEMBER_ACK,
				       .seq = b.probe.seq,
				       .target = target };
	pass(&b, b.conf.probe_timeout);
	receive(&b, b.asked[0], ack);
	pass(&b, b.conf.period);
	assert_int_equal(info_of(&b, target).state, DVMI_MEMBER_ALIVE);
	teardown(&b);
}

static void a_nack_keeps_us_healthy(void **state)
{
	struct bench b;

	setup(&b, 6);
	while (!b.probe_to)
		pass(&b, DVMI_MSEC);
	struct dvmi_member_msg nack = { .type = DVMI_MEMBER_NACK,
					.seq = b.probe.seq,
					.target = b.probe_to };
	uint32_t target = b.probe_to;
	pass(&b, b.conf.probe_timeout);
	receive(&b, b.asked[0], nack);
	b.nasked = 0;
	pass(&b, b.conf.period - b.conf.probe_timeout);
	assert_int_equal(info_of(&b, target).state, DVMI_MEMBER_SUSPECT);
	assert_int_equal(dvmd_member_health(b.m), 0);
	teardown(&b);
}

static void a_helper_relays_and_says_nack(void **state)
{
	struct bench b;
	struct dvmi_member_msg req = { .type = DVMI_MEMBER_PING_REQ, .seq = 77, .target = OTHER };

	setup(&b, 4);
	receive(&b, THIRD, req);
	assert_int_equal(b.last_to, OTHER);
	assert_int_equal(b.last.type, DVMI_MEMBER_PING);
	uint32_t seq = b.last.seq;
	forget(&b);
	/* Its own probes go on meanwhile, so look for the NACK among what it sends. */
	bool nacked = false;
	for (int i = 0; i < 100 && !nacked; i++) {
		pass(&b, b.conf.probe_timeout / 50);
		nacked = b.last.type == DVMI_MEMBER_NACK && b.last_to == THIRD && b.last.seq == 77;
	}
	assert_true(nacked);
	receive(&b, OTHER,
		(struct dvmi_member_msg){ .type = DVMI_MEMBER_ACK, .seq = seq, .target = OTHER });
	assert_int_equal(b.last.type, DVMI_MEMBER_ACK);
	assert_int_equal(b.last_to, THIRD);
	assert_int_equal(b.last.seq, 77);
	assert_int_equal(b.last.target, OTHER);
	teardown(&b);
}

/* --- suspicion and refutation -------------------------------------------- */

static uint64_t time_to_death(struct bench *b)
{
	uint64_t start = b->now;

	while (!(b->events & 1u << DVMD_MEMBER_DOWN)) {
		pass(b, 10 * DVMI_MSEC);
		assert_true(b->now - start < 20 * DVMI_SEC);
	}
	return b->now - start;
}

static void confirmations_shorten_a_suspicion(void **state)
{
	uint64_t times[4];

	for (unsigned extra = 0; extra < 4; extra++) {
		struct bench b;
		setup(&b, 200); /* so that its own probes will hardly confirm */
		claim(&b, OTHER, DVMI_MEMBER_SUSPECT, 0);
		for (unsigned i = 0; i < extra; i++)
			receive(&b, 10 + i,
				(struct dvmi_member_msg){
					.type = DVMI_MEMBER_ACK,
					.nupdates = 1,
					.updates[0] = { .id = OTHER,
							.state = DVMI_MEMBER_SUSPECT,
							.by = 10 + i } });
		times[extra] = time_to_death(&b);
		teardown(&b);
	}
	struct dvmd_member_conf c;
	dvmd_member_conf_init(&c, 10 * DVMI_SEC);
	assert_true(times[0] >= c.suspicion_max && times[0] < c.suspicion_max + DVMI_SEC);
	assert_true(times[1] < times[0] && times[2] < times[1] && times[3] < times[2]);
	assert_true(times[3] >= c.suspicion_min && times[3] < c.suspicion_min + DVMI_SEC);
}

static void the_same_accuser_confirms_nothing(void **state)
{
	struct bench b;

	setup(&b, 200);
	for (int i = 0; i < 5; i++)
		claim(&b, OTHER, DVMI_MEMBER_SUSPECT, 0);
	assert_true(time_to_death(&b) >= b.conf.suspicion_max);
	teardown(&b);
}

static void who_is_heard_is_not_called_dead(void **state)
{
	struct bench b;

	setup(&b, 5);
	claim(&b, OTHER, DVMI_MEMBER_SUSPECT, 0);
	for (int i = 0; i < 30; i++) {
		pass(&b, b.conf.suspicion_min / 2);
		receive(&b, OTHER, (struct dvmi_member_msg){ .type = DVMI_MEMBER_PING, .seq = 1 });
		/* and the answer tells it what is said about it */
		const struct dvmi_member_update *u = update_about(&b.last, OTHER);
		assert_true(u && u->state == DVMI_MEMBER_SUSPECT);
	}
	assert_false(b.events & 1u << DVMD_MEMBER_DOWN);
	teardown(&b);
}

static void an_accusation_of_self_is_refuted(void **state)
{
	struct bench b;
	uint64_t first = DVMD_MEMBER_LIFE(1);

	setup(&b, 4);
	claim(&b, SELF, DVMI_MEMBER_SUSPECT, first);
	assert_true(dvmd_member_incarnation(b.m) == first + 1);
	assert_int_equal(dvmd_member_health(b.m), 1);
	assert_true(b.last.incarnation == first + 1);
	/* An old accusation is out of date, the memory of a later life is outdone. */
	claim(&b, SELF, DVMI_MEMBER_DEAD, first);
	assert_true(dvmd_member_incarnation(b.m) == first + 1);
	claim(&b, SELF, DVMI_MEMBER_ALIVE, first + 1);
	assert_true(dvmd_member_incarnation(b.m) == first + 1);
	claim(&b, SELF, DVMI_MEMBER_LEFT, DVMD_MEMBER_LIFE(3));
	assert_true(dvmd_member_incarnation(b.m) == DVMD_MEMBER_LIFE(3) + 1);
	/* At the very top there is nothing to wrap to. */
	claim(&b, SELF, DVMI_MEMBER_DEAD, UINT64_MAX - 1);
	assert_true(dvmd_member_incarnation(b.m) == UINT64_MAX - 1);
	teardown(&b);
}

static void a_refutation_gets_a_head_start(void **state)
{
	struct bench b;

	setup(&b, 12);
	claim(&b, SELF, DVMI_MEMBER_SUSPECT, DVMD_MEMBER_LIFE(1));
	assert_int_equal(b.sends, 8 + 1); /* and the ACK */
	assert_true(b.last.incarnation == DVMD_MEMBER_LIFE(1) + 1);
	teardown(&b);
}

static void others_are_asked_before_a_death(void **state)
{
	struct bench b;

	setup(&b, 200);
	claim(&b, OTHER, DVMI_MEMBER_SUSPECT, INC);
	pass(&b, b.conf.suspicion_max - DVMI_MSEC);
	forget(&b);
	pass(&b, 2 * DVMI_MSEC);
	assert_true(b.sends >= 4); /* the suspect and three others */
	assert_int_equal(update_about(&b.last, OTHER)->state, DVMI_MEMBER_SUSPECT);
	assert_int_equal(info_of(&b, OTHER).state, DVMI_MEMBER_SUSPECT);
	claim(&b, OTHER, DVMI_MEMBER_ALIVE, INC + 1); /* one of them knows better */
	pass(&b, DVMI_SEC);
	assert_false(b.events & 1u << DVMD_MEMBER_DOWN);
	teardown(&b);
}

static void a_suspicion_rides_on_every_ping(void **state)
{
	struct bench b;
	unsigned pings = 0;

	setup(&b, 30);
	claim(&b, OTHER, DVMI_MEMBER_SUSPECT, INC);
	uint64_t end = b.now + b.conf.suspicion_min;
	while (b.now < end) {
		forget(&b);
		pass(&b, DVMI_MSEC);
		if (!b.probe_to)
			continue;
		/* Answered, so that the suspicions do not grow in number. */
		receive(&b, b.probe_to,
			(struct dvmi_member_msg){ .type = DVMI_MEMBER_ACK,
						  .seq = b.probe.seq,
						  .target = b.probe_to });
		assert_non_null(update_about(&b.probe, OTHER));
		pings++;
	}
	assert_true(pings > 8); /* which is how often news is sent */
	teardown(&b);
}

static void tables_that_differ_are_compared(void **state)
{
	struct bench b;
	struct dvmi_member_msg ping = { .type = DVMI_MEMBER_PING, .seq = 1 };

	setup(&b, 20);
	receive(&b, THIRD, ping); /* differs, but not for long yet */
	assert_int_equal(b.last.nupdates, 0);
	pass(&b, b.conf.settle + DVMI_SEC);
	ping.digest = dvmd_member_digest(b.m);
	receive(&b, THIRD, ping);
	assert_null(update_about(&b.last, 19));
	pass(&b, b.conf.settle / 2);
	ping.digest++;
	receive(&b, THIRD, ping); /* equal a moment ago */
	assert_null(update_about(&b.last, 19));
	pass(&b, b.conf.settle);
	receive(&b, THIRD, ping);
	assert_non_null(update_about(&b.last, 19));
	assert_non_null(update_about(&b.last, 20));
	teardown(&b);
}

static void a_dead_member_is_looked_at_now_and_then(void **state)
{
	struct bench b;
	unsigned looks = 0;

	setup(&b, 2);
	while (dvmd_member_is_up(b.m, OTHER))
		pass(&b, b.conf.period);
	uint64_t end = b.now + 20 * b.conf.dead_period;
	while (b.now < end) {
		forget(&b);
		pass(&b, DVMI_MSEC);
		looks += b.sends;
		if (b.sends)
			assert_int_equal(update_about(&b.last, OTHER)->state, DVMI_MEMBER_DEAD);
	}
	assert_true(looks >= 10 && looks <= 40);
	teardown(&b);
}

static void a_held_up_process_blames_nobody(void **state)
{
	struct bench b;

	setup(&b, 5);
	claim(&b, OTHER, DVMI_MEMBER_SUSPECT, 0);
	pass(&b, DVMI_SEC);
	b.now += 3600 * DVMI_SEC; /* SIGSTOP; then the loop runs its timers first */
	dvmd_member_tick(b.m, b.now);
	drain(&b);
	assert_true(dvmd_member_health(b.m) > 0);
	assert_int_equal(dvmd_member_count_up(b.m), 5);
	pass(&b, DVMI_SEC);
	assert_int_equal(dvmd_member_count_up(b.m), 5);
	claim(&b, OTHER, DVMI_MEMBER_ALIVE, 1); /* then reads its sockets */
	assert_int_equal(info_of(&b, OTHER).state, DVMI_MEMBER_ALIVE);
	teardown(&b);
}

/* --- members, lives, leaving --------------------------------------------- */

static void a_new_life_is_a_restart(void **state)
{
	struct bench b;
	struct dvmi_member_msg hello = { .type = DVMI_MEMBER_PING, .seq = 1 };

	setup(&b, 4);
	hello.incarnation = DVMD_MEMBER_LIFE(3);
	receive(&b, OTHER, hello); /* first contact: we do not know of an earlier life */
	assert_int_equal(b.events, 0);
	hello.incarnation++;
	receive(&b, OTHER, hello); /* a refutation */
	assert_int_equal(b.events, 0);
	hello.incarnation = DVMD_MEMBER_LIFE(4);
	receive(&b, OTHER, hello);
	assert_int_equal(b.events, 1u << DVMD_MEMBER_UP);
	assert_int_equal(b.flags, DVMD_MEMBER_F_RESTARTED);
	teardown(&b);
}

/* Who knows a member's life number has not thereby heard it refute anything. */
static void a_first_word_is_no_refutation(void **state)
{
	struct bench b;
	uint64_t life = DVMD_MEMBER_LIFE(1);

	setup(&b, 4);
	claim(&b, OTHER, DVMI_MEMBER_ALIVE, life);
	assert_true(info_of(&b, OTHER).incarnation == life);
	assert_null(update_about(&b.last, OTHER)); /* and is no news */
	teardown(&b);

	setup(&b, 4);
	claim(&b, OTHER, DVMI_MEMBER_SUSPECT, 0);
	claim(&b, OTHER, DVMI_MEMBER_ALIVE, life);
	assert_int_equal(info_of(&b, OTHER).state, DVMI_MEMBER_SUSPECT);
	assert_true(info_of(&b, OTHER).incarnation == life);
	pass(&b, b.conf.suspicion_max + DVMI_SEC);
	assert_int_equal(info_of(&b, OTHER).state, DVMI_MEMBER_DEAD);
	claim(&b, OTHER, DVMI_MEMBER_ALIVE, life + 1); /* this is one */
	assert_int_equal(info_of(&b, OTHER).state, DVMI_MEMBER_ALIVE);
	teardown(&b);
}

static void a_dead_member_is_told_of_its_first_word(void **state)
{
	struct bench b;

	setup(&b, 4);
	claim(&b, OTHER, DVMI_MEMBER_SUSPECT, 0);
	pass(&b, b.conf.suspicion_max + DVMI_SEC);
	forget(&b);
	claim(&b, OTHER, DVMI_MEMBER_ALIVE, DVMD_MEMBER_LIFE(2));
	assert_int_equal(info_of(&b, OTHER).state, DVMI_MEMBER_DEAD);
	assert_int_equal(b.sends, 2); /* the answer, and what it is told */
	teardown(&b);
}

static void leaving_is_told_at_once_and_not_refuted(void **state)
{
	struct bench b;

	setup(&b, 12);
	dvmd_member_leave(b.m, b.now);
	drain(&b);
	assert_int_equal(b.sends, 8);
	assert_int_equal(b.last.state, DVMI_MEMBER_LEFT);
	assert_true(dvmd_member_next_deadline(b.m) == DVMD_MEMBER_NEVER);
	claim(&b, SELF, DVMI_MEMBER_SUSPECT, DVMD_MEMBER_LIFE(1));
	assert_true(dvmd_member_incarnation(b.m) == DVMD_MEMBER_LIFE(1));
	assert_int_equal(b.last.type, DVMI_MEMBER_ACK); /* it still answers */
	teardown(&b);
}

static void who_says_that_it_leaves_is_down(void **state)
{
	struct bench b;

	setup(&b, 4);
	receive(&b, OTHER,
		(struct dvmi_member_msg){
			.type = DVMI_MEMBER_PING, .seq = 1, .state = DVMI_MEMBER_LEFT });
	assert_int_equal(b.events, 1u << DVMD_MEMBER_DOWN);
	assert_int_equal(b.flags, DVMD_MEMBER_F_LEFT);
	assert_false(dvmd_member_is_up(b.m, OTHER));
	teardown(&b);
}

static void members_come_and_go(void **state)
{
	struct bench b;
	struct dvmd_member_info info;

	setup(&b, 4);
	uint64_t digest = dvmd_member_digest(b.m);
	for (uint32_t id = 40; id > 9; id--)
		assert_int_equal(dvmd_member_add(b.m, b.now, id), 0);
	assert_int_equal(dvmd_member_add(b.m, b.now, 10), 0);
	assert_int_equal(dvmd_member_count(b.m), 35);
	for (size_t i = 1; i < 35; i++) {
		struct dvmd_member_info before;
		assert_int_equal(dvmd_member_at(b.m, i - 1, &before), 0);
		assert_int_equal(dvmd_member_at(b.m, i, &info), 0);
		assert_true(before.id < info.id);
	}
	claim(&b, 20, DVMI_MEMBER_SUSPECT, 0);
	for (uint32_t id = 10; id <= 40; id++)
		dvmd_member_remove(b.m, b.now, id);
	dvmd_member_remove(b.m, b.now, SELF);
	dvmd_member_remove(b.m, b.now, 1234);
	assert_int_equal(dvmd_member_count(b.m), 4);
	assert_int_equal(dvmd_member_count_up(b.m), 4);
	assert_true(dvmd_member_digest(b.m) == digest);
	assert_int_equal(dvmd_member_at(b.m, 4, &info), -ENOENT);
	assert_int_equal(dvmd_member_get(b.m, 20, &info), -ENOENT);
	pass(&b, 60 * DVMI_SEC); /* nothing of the removed ones is left to trip over */
	teardown(&b);
}

static void strangers_are_answered_and_ignored(void **state)
{
	struct bench b;
	struct dvmi_member_msg msg = { .type = DVMI_MEMBER_PING,
				       .seq = 9,
				       .nupdates = 1,
				       .updates[0] = { .id = OTHER, .state = DVMI_MEMBER_LEFT } };

	setup(&b, 4);
	receive(&b, 99, msg);
	assert_int_equal(b.last.type, DVMI_MEMBER_ACK);
	assert_int_equal(b.last.seq, 9);
	assert_int_equal(info_of(&b, OTHER).state, DVMI_MEMBER_ALIVE);
	forget(&b);
	msg.type = DVMI_MEMBER_PING_REQ;
	receive(&b, 99, msg);
	receive(&b, SELF, msg);
	assert_int_equal(b.sends, 0);
	teardown(&b);
}

static void load_and_log_index_are_kept(void **state)
{
	struct bench b;
	struct dvmi_member_load load = { .load100 = 150, .mem_free = 1 << 30, .slots_used = 3 };

	setup(&b, 4);
	assert_int_equal(info_of(&b, OTHER).heard, 0);
	receive(&b, OTHER,
		(struct dvmi_member_msg){
			.type = DVMI_MEMBER_PING, .seq = 1, .applied = 17, .load = load });
	assert_true(info_of(&b, OTHER).heard == b.now);
	assert_int_equal(info_of(&b, OTHER).applied, 17);
	assert_int_equal(info_of(&b, OTHER).load.load100, 150);
	dvmd_member_set_load(b.m, &load);
	dvmd_member_set_applied(b.m, 18);
	receive(&b, OTHER, (struct dvmi_member_msg){ .type = DVMI_MEMBER_PING, .seq = 1 });
	assert_int_equal(b.last.applied, 18);
	assert_int_equal(b.last.load.slots_used, 3);
	assert_int_equal(info_of(&b, SELF).applied, 18);
	teardown(&b);
}

static void alone_and_settings(void **state)
{
	struct dvmd_member_conf conf;
	dvmd_member_t *m = NULL;
	struct bench b;

	assert_int_equal(dvmd_member_conf_init(&conf, 499 * DVMI_MSEC), -EINVAL);
	assert_int_equal(dvmd_member_conf_init(&conf, 3601 * DVMI_SEC), -EINVAL);
	for (uint64_t f = 500 * DVMI_MSEC; f <= 3600 * DVMI_SEC; f *= 2) {
		assert_int_equal(dvmd_member_conf_init(&conf, f), 0);
		assert_true(conf.period > conf.probe_timeout);
		assert_true(conf.suspicion_min < conf.suspicion_max);
		assert_true(conf.suspicion_max + 8 * conf.period < f);
	}
	conf.period = 0;
	assert_int_equal(dvmd_member_create(&m, &conf, 1, 1, 1, 1), -EINVAL);
	assert_null(m);
	setup(&b, 1);
	pass(&b, 60 * DVMI_SEC);
	assert_int_equal(b.sends, 0);
	teardown(&b);
	dvmd_member_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_of_the_table),
		cmocka_unit_test(the_document_has_the_same_table),
		cmocka_unit_test(a_round_probes_each_member_once),
		cmocka_unit_test(no_answer_asks_helpers_then_suspects),
		cmocka_unit_test(a_relayed_answer_is_enough),
		cmocka_unit_test(a_nack_keeps_us_healthy),
		cmocka_unit_test(a_helper_relays_and_says_nack),
		cmocka_unit_test(confirmations_shorten_a_suspicion),
		cmocka_unit_test(the_same_accuser_confirms_nothing),
		cmocka_unit_test(who_is_heard_is_not_called_dead),
		cmocka_unit_test(an_accusation_of_self_is_refuted),
		cmocka_unit_test(a_refutation_gets_a_head_start),
		cmocka_unit_test(others_are_asked_before_a_death),
		cmocka_unit_test(a_suspicion_rides_on_every_ping),
		cmocka_unit_test(tables_that_differ_are_compared),
		cmocka_unit_test(a_dead_member_is_looked_at_now_and_then),
		cmocka_unit_test(a_held_up_process_blames_nobody),
		cmocka_unit_test(a_new_life_is_a_restart),
		cmocka_unit_test(a_first_word_is_no_refutation),
		cmocka_unit_test(a_dead_member_is_told_of_its_first_word),
		cmocka_unit_test(leaving_is_told_at_once_and_not_refuted),
		cmocka_unit_test(who_says_that_it_leaves_is_down),
		cmocka_unit_test(members_come_and_go),
		cmocka_unit_test(strangers_are_answered_and_ignored),
		cmocka_unit_test(load_and_log_index_are_kept),
		cmocka_unit_test(alone_and_settings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
