/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every state of a copy against every message, and the home's side of every request. What happens
 * is written down in words and compared with the table in doc/design/0015-coherence.md.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/dsm_scene.h"

static void start(struct scene *s, uint32_t home, uint64_t hold)
{
	scene_start(s, home, hold, NULL);
}

static void hear(struct scene *s, uint32_t from, struct dsm_msg m)
{
	m.page = PAGE;
	assert_int_equal(dsm_receive(s->d, from, &m, s->now), 0);
}

/* ---- a copy; its home is node 0 ---- */

enum start_state { I, S, O, M, I_READ, I_WRITE, S_WRITE, O_WRITE, I_DATA, STARTS };
static const char *const start_names[] = { "I",	      "S",	 "O",	    "M",    "I reading",
					   "I writing", "S writing", "O writing", "I with data" };

static void bring_to(struct scene *s, enum start_state to)
{
	const struct dsm_msg shared = { .kind = DSM_DATA, .version = 7, .flags = DSM_BYTES };
	const struct dsm_msg mine = { .kind = DSM_DATA,
				      .version = 7,
				      .flags = DSM_BYTES | DSM_EXCLUSIVE };
	struct dsm_msg awaiting = mine;

	start(s, 0, 0);
	awaiting.acks = 2;
	if (to == S || to == S_WRITE) {
		fault(s, false);
		hear(s, 2, shared);
	} else if (to == M || to == O || to == O_WRITE) {
		fault(s, true);
		hear(s, 2, mine);
	}
	if (to == O || to == O_WRITE)
		hear(s, 0, (struct dsm_msg){ .kind = DSM_FWD_GETS, .node = 3 });
	if (to == I_READ)
		fault(s, false);
	if (to == I_WRITE || to == S_WRITE || to == O_WRITE || to == I_DATA)
		fault(s, true);
	if (to == I_DATA)
		hear(s, 2, awaiting);
	s->said[0] = 0;
}

/* "nonsense" is counted and changes nothing. */
static const struct {
	const char *name;
	uint32_t from;
	struct dsm_msg m;
	const char *then[STARTS];
} rows[] = {
	{ "DATA",
	  2,
	  { .kind = DSM_DATA, .version = 9, .flags = DSM_BYTES },
	  { [I_READ] = "S fill DONE>0 map-r" } },
	{ "DATA, final",
	  0,
	  { .kind = DSM_DATA, .version = 9, .flags = DSM_BYTES | DSM_FINAL },
	  { [I_READ] = "S fill map-r" } },
	{ "DATA, the bytes are there",
	  2,
	  { .kind = DSM_DATA, .version = 0 },
	  { [I_READ] = "S DONE>0 map-r" } },
	{ "DATA to write",
	  2,
	  { .kind = DSM_DATA, .version = 9, .flags = DSM_BYTES | DSM_EXCLUSIVE },
	  { [I_WRITE] = "M fill DONE>0 map-w" } },
	{ "DATA to write, of what is shared",
	  2,
	  { .kind = DSM_DATA, .version = 7, .flags = DSM_EXCLUSIVE },
	  { [S_WRITE] = "M DONE>0 map-w" } },
	{ "DATA to write, one acknowledgement is to come",
	  2,
	  { .kind = DSM_DATA, .version = 9, .flags = DSM_BYTES | DSM_EXCLUSIVE, .acks = 1 },
	  { [I_WRITE] = "I fill" } },
	{ "GRANT", 0, { .kind = DSM_GRANT }, { [O_WRITE] = "M DONE>0 map-w" } },
	{ "GRANT, one acknowledgement is to come",
	  0,
	  { .kind = DSM_GRANT, .acks = 1 },
	  { [O_WRITE] = "O" } },
	{ "GRANT from who is not the home", 2, { .kind = DSM_GRANT }, { 0 } },
	{ "ACK",
	  3,
	  { .kind = DSM_ACK, .version = DSM_NO_VERSION },
	  { [I_WRITE] = "I", [S_WRITE] = "S", [O_WRITE] = "O", [I_DATA] = "I" } },
	{ "LOST",
	  0,
	  { .kind = DSM_LOST },
	  { [I_READ] = "P poison", [I_WRITE] = "P poison", [I_DATA] = "P poison" } },
	{ "FWD_GETS",
	  0,
	  { .kind = DSM_FWD_GETS, .node = 3 },
	  { [O] = "O DATA+>3", [M] = "O protect DATA+>3", [O_WRITE] = "O DATA+>3" } },
	{ "FWD_GETS, the bytes are there",
	  0,
	  { .kind = DSM_FWD_GETS, .node = 3, .version = 8 },
	  { [O] = "O DATA>3", [M] = "O protect DATA>3", [O_WRITE] = "O DATA>3" } },
	{ "DATA, and the page with it",
	  2,
	  { .kind = DSM_DATA, .version = 9, .flags = DSM_BYTES | DSM_OWNER },
	  { [I_READ] = "O fill DONE>0 map-r" } },
	{ "FWD_GETS, the page goes with it",
	  0,
	  { .kind = DSM_FWD_GETS, .node = 3, .flags = DSM_OWNER },
	  { [O] = "S DATA+>3", [M] = "S protect DATA+>3", [O_WRITE] = "S DATA+>3" } },
	{ "FWD_GETM",
	  0,
	  { .kind = DSM_FWD_GETM, .node = 3, .acks = 2 },
	  { [O] = "I drop DATA!+>3", [M] = "I drop DATA!+>3", [O_WRITE] = "I drop DATA!+>3" } },
	{ "FWD_GETM from who is not the home", 2, { .kind = DSM_FWD_GETM, .node = 3 }, { 0 } },
	{ "INV",
	  0,
	  { .kind = DSM_INV, .node = 3 },
	  { [I] = "I ACK>3",
	    [S] = "I drop ACK>3",
	    [I_READ] = "I ACK>3",
	    [I_WRITE] = "I ACK>3",
	    [S_WRITE] = "I drop ACK>3",
	    [I_DATA] = "I ACK>3" } },
	{ "INV for nobody", 0, { .kind = DSM_INV, .node = NODES }, { 0 } },
	{ "GETS to who is not the home", 2, { .kind = DSM_GETS }, { 0 } },
	{ "DONE to who is not the home", 2, { .kind = DSM_DONE }, { 0 } },
	{ "HOLD out of season", 2, { .kind = DSM_HOLD, .node = 2, .state = DSM_OWNED }, { 0 } },
};

static void copies(void **state)
{
	static const char letters[] = "ISOMP";
	struct scene s;
	char got[600];

	(void)state;
	for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
		for (int st = 0; st < STARTS; st++) {
			bring_to(&s, (enum start_state)st);
			enum dsm_state before = dsm_state(s.d, PAGE);
			uint64_t nonsense = dsm_stats(s.d)->dropped;
			hear(&s, rows[r].from, rows[r].m);
			snprintf(got, sizeof got, "%c%s%s", letters[dsm_state(s.d, PAGE)],
				 s.said[0] ? " " : "", s.said);
			const char *expected = rows[r].then[st];
			if (!expected && (dsm_stats(s.d)->dropped != nonsense + 1 || s.said[0] ||
					  dsm_state(s.d, PAGE) != before))
				fail_msg("%s in %s: '%s', not nonsense", rows[r].name, start_names[st],
					 got);
			if (expected && strcmp(got, expected) != 0)
				fail_msg("%s in %s: '%s', not '%s'", rows[r].name, start_names[st], got,
					 expected);
			dsm_destroy(s.d);
		}
}

static void faults(void **state)
{
	static const char *const reads[STARTS] = { "GETS>0", "map-r", "map-r", "map-w", "",
						   "",	     "map-r", "map-r", "" };
	static const char *const writes[STARTS] = { "GETM>0", "GETM>0", "GETM>0", "map-w", "",
						    "",	      "",	"",	  "" };
	struct scene s;

	(void)state;
	for (int st = 0; st < STARTS; st++)
		for (int write = 0; write < 2; write++) {
			bring_to(&s, (enum start_state)st);
			fault(&s, write);
			assert_string_equal(s.said, (write ? writes : reads)[st]);
			dsm_destroy(s.d);
		}
	/* What was to be read is to be written meanwhile. */
	bring_to(&s, I_READ);
	fault(&s, true);
	hear(&s, 2, (struct dsm_msg){ .kind = DSM_DATA, .version = 9, .flags = DSM_BYTES });
	assert_string_equal(s.said, "fill DONE>0 map-r GETM>0");
	dsm_destroy(s.d);
	/* The last acknowledgement may come first. */
	bring_to(&s, I_WRITE);
	hear(&s, 3, (struct dsm_msg){ .kind = DSM_ACK });
	hear(&s, 2,
	     (struct dsm_msg){
		     .kind = DSM_DATA, .version = 9, .flags = DSM_BYTES | DSM_EXCLUSIVE, .acks = 1 });
	assert_string_equal(s.said, "fill DONE>0 map-w");
	assert_int_equal(dsm_version(s.d, PAGE), 10);
	dsm_destroy(s.d);
}

/* ---- the home, node 1 ---- */

static void ask(struct scene *s, uint32_t from, enum dsm_kind kind, const char *then)
{
	s->said[0] = 0;
	hear(s, from, (struct dsm_msg){ .kind = (uint8_t)kind, .version = DSM_NO_VERSION });
	assert_string_equal(s->said, then);
}

static void home(void **state)
{
	struct scene s;

	(void)state;
	start(&s, 1, 0);
	ask(&s, 0, DSM_GETS, "DATA+.>0");
	ask(&s, 2, DSM_GETS, "DATA+.>2");
	ask(&s, 3, DSM_GETM, "INV>0 INV>2 drop DATA!+>3");
	/* Until the new owner is done, everybody waits. */
	ask(&s, 0, DSM_GETS, "");
	ask(&s, 2, DSM_GETM, "");
	ask(&s, 3, DSM_DONE, "FWD_GETS>3");
	ask(&s, 2, DSM_DONE, "");
	ask(&s, 0, DSM_DONE, "INV>0 FWD_GETM>3");
	ask(&s, 2, DSM_DONE, "");
	/* The owner writes what nobody else has, reads what it has, and gives it back. */
	ask(&s, 2, DSM_GETM, "GRANT.>2");
	ask(&s, 2, DSM_GETS, "GRANT.>2");
	ask(&s, 3, DSM_PUT, "");
	ask(&s, 2, DSM_PUT, "FWD_GETM>2");
	dsm_destroy(s.d);
}

static void home_itself(void **state)
{
	struct scene s;

	(void)state;
	start(&s, 1, 0);
	fault(&s, true);
	assert_string_equal(s.said, "map-w");
	assert_int_equal(dsm_state(s.d, PAGE), DSM_MODIFIED);
	ask(&s, 0, DSM_GETS, "protect DATA+.>0");
	s.said[0] = 0;
	fault(&s, true);
	assert_string_equal(s.said, "INV>0");
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_ACK, .version = 1 });
	assert_string_equal(s.said, "INV>0 map-w");
	dsm_destroy(s.d);
}

/* What the home has of a page that another one owns goes with its answer. */
static void home_shares(void **state)
{
	struct scene s;

	(void)state;
	start(&s, 1, 0);
	ask(&s, 0, DSM_GETM, "drop DATA!+.>0");
	fault(&s, false);
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_DATA, .version = 5, .flags = DSM_BYTES });
	assert_int_equal(dsm_state(s.d, PAGE), DSM_SHARED);
	ask(&s, 0, DSM_GETM, "drop GRANT.>0");
	assert_int_equal(dsm_state(s.d, PAGE), DSM_INVALID);
	dsm_destroy(s.d);
}

/* What it has held goes without waiting for a word afterwards. */
/* To compare with: readers own, and are told one after the other. */
static void home_as_the_first(void **state)
{
	struct scene s = { .home = 1 };
	const struct dsm_config c = { .self = 1, .nodes = NODES, .pages = 8, .home = home_of,
				      .serial = true, .reads_own = true, .ops = &ops, .arg = &s };

	(void)state;
	assert_int_equal(dsm_create(&s.d, &c), 0);
	ask(&s, 0, DSM_GETS, "DATA+.>0");
	assert_int_equal(dsm_state(s.d, PAGE), DSM_SHARED);
	ask(&s, 2, DSM_GETS, "FWD_GETS>0");
	ask(&s, 2, DSM_DONE, "");
	ask(&s, 3, DSM_GETM, "INV>0");
	ask(&s, 0, DSM_GETS, "");
	/* Our own copy is one of them. */
	s.said[0] = 0;
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_ACK });
	assert_string_equal(s.said, "drop FWD_GETM>2");
	ask(&s, 3, DSM_DONE, "FWD_GETS>3");
	hear(&s, 2, (struct dsm_msg){ .kind = DSM_ACK });
	assert_int_equal(dsm_stats(s.d)->dropped, 1);
	dsm_destroy(s.d);
}
static void home_holds(void **state)
{
	struct scene s;

	(void)state;
	start(&s, 1, 100);
	ask(&s, 0, DSM_GETM, "drop DATA!+.>0");
	fault(&s, true);
	hear(&s, 0,
	     (struct dsm_msg){
		     .kind = DSM_DATA, .version = 5, .flags = DSM_BYTES | DSM_EXCLUSIVE });
	dsm_woken(s.d, 10);
	ask(&s, 2, DSM_GETS, "");
	ask(&s, 3, DSM_GETM, "");
	s.said[0] = 0;
	dsm_tick(s.d, 110);
	assert_string_equal(s.said, "protect DATA+.>2 INV>2 drop DATA!+>3");
	/* Asked for when its time is over, it goes at once. */
	ask(&s, 2, DSM_DONE, "");
	ask(&s, 3, DSM_DONE, "");
	s.now = 200;
	fault(&s, true);
	hear(&s, 3,
	     (struct dsm_msg){
		     .kind = DSM_DATA, .version = 9, .flags = DSM_BYTES | DSM_EXCLUSIVE });
	dsm_woken(s.d, 200);
	s.now = 300;
	ask(&s, 0, DSM_GETM, "drop DATA!+.>0");
	dsm_destroy(s.d);
}

/* ---- time ---- */

static void hold(void **state)
{
	struct scene s;

	(void)state;
	start(&s, 0, 100);
	s.now = 1000;
	fault(&s, true);
	hear(&s, 2,
	     (struct dsm_msg){ .kind = DSM_DATA, .version = 7, .flags = DSM_BYTES | DSM_EXCLUSIVE });
	/* It is due to be woken for; its time begins then. */
	assert_int_equal(dsm_deadline(s.d), 0);
	dsm_woken(s.d, 1010);
	/* Nothing has to be done then if nobody wants it. */
	assert_int_equal(dsm_deadline(s.d), UINT64_MAX);
	s.said[0] = 0;
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_FWD_GETM, .node = 3 });
	assert_int_equal(dsm_deadline(s.d), 1110);
	dsm_tick(s.d, 1109);
	assert_string_equal(s.said, "");
	dsm_tick(s.d, 1110);
	assert_string_equal(s.said, "drop DATA!+>3");
	assert_int_equal(dsm_deadline(s.d), UINT64_MAX);
	dsm_destroy(s.d);
}

/* PAGE is asked for at AT and comes after TOOK: how long it is held. */
static uint64_t held_after(struct scene *s, uint64_t at, uint64_t took, uint64_t version)
{
	s->said[0] = 0;
	s->now = at;
	fault(s, true);
	s->now = at + took;
	hear(s, 2,
	     (struct dsm_msg){
		     .kind = DSM_DATA, .version = version, .flags = DSM_BYTES | DSM_EXCLUSIVE });
	dsm_woken(s->d, s->now);
	hear(s, 0, (struct dsm_msg){ .kind = DSM_FWD_GETM, .node = 3 });
	uint64_t until = dsm_deadline(s->d);
	dsm_tick(s->d, until);
	return until - s->now;
}

/* As long as the way, not as long as others hold theirs; at least and at most so long. */
static void hold_as_long_as_the_way(void **state)
{
	const struct dsm_config c = { .self = 1,
				      .nodes = NODES,
				      .pages = 8,
				      .home = home_of,
				      .hold = 100,
				      .hold_max = 5000,
				      .ops = &ops };
	struct scene s = { .home = 0 };
	struct dsm_config mine = c;

	(void)state;
	mine.arg = &s;
	assert_int_equal(dsm_create(&s.d, &mine), 0);
	assert_int_equal(held_after(&s, 1000, 50, 7), 100);
	for (int i = 0; i < 200; i++)
		held_after(&s, 10000 + 20000 * (uint64_t)i, 2000, 9 + 2 * (uint64_t)i);
	assert_in_range(dsm_trip(s.d), 1900, 2000);
	assert_in_range(held_after(&s, 5000000, 9000, 1001), 1900, 2200);
	for (int i = 0; i < 400; i++)
		held_after(&s, 6000000 + 20000 * (uint64_t)i, 8000, 2001 + 2 * (uint64_t)i);
	assert_int_equal(held_after(&s, 20000000, 8000, 9001), 5000);
	dsm_destroy(s.d);
}

/* ---- views, one after the other ---- */

static void hear_of(struct scene *s, uint32_t epoch)
{
	static const bool all[NODES] = { true, true, true, true };

	assert_int_equal(dsm_view(s->d, epoch, all, s->now), 0);
}

static void hear_all(struct scene *s, uint8_t kind, uint32_t epoch)
{
	for (uint32_t i = 0; i < NODES; i++)
		if (i != 1)
			hear(s, i, (struct dsm_msg){ .kind = kind, .epoch = epoch });
}

/* Node 2 got nothing to write but what node 3 gave up, of version 7: its report of view EPOCH. */
static void hear_of_keeper(struct scene *s, uint32_t epoch)
{
	hear(s, 2,
	     (struct dsm_msg){ .kind = DSM_HOLD, .epoch = epoch, .node = 3, .version = 7 });
}

/* The home has nothing, and hears of view 1. */
static void start_without(struct scene *s)
{
	start(s, 1, 0);
	hear(s, 2, (struct dsm_msg){ .kind = DSM_GETM });
	hear_of(s, 1);
}

/* A copy that was given up in vain is heard of once; then comes the next view. */
static void report_outlives_view(void **state)
{
	struct scene s;

	(void)state;
	start_without(&s);
	hear_all(&s, DSM_MARK, 1);
	hear_of_keeper(&s, 1);
	hear_of(&s, 2);
	hear_of(&s, 3);
	hear_all(&s, DSM_MARK, 3);
	hear_all(&s, DSM_HELD, 3);
	assert_int_equal(dsm_stats(s.d)->sent[DSM_OWN], 1);
	dsm_destroy(s.d);
}

/* Likewise, when the next view is there first. */
static void late_report_counts(void **state)
{
	struct scene s;

	(void)state;
	start_without(&s);
	hear_all(&s, DSM_MARK, 1);
	hear_of(&s, 2);
	hear_of_keeper(&s, 1);
	hear_all(&s, DSM_MARK, 2);
	hear_all(&s, DSM_HELD, 2);
	assert_int_equal(dsm_stats(s.d)->sent[DSM_OWN], 1);
	assert_int_equal(dsm_stats(s.d)->dropped, 0);
	dsm_destroy(s.d);
}

/* But once the directory was complete somebody may have written since. */
static void old_report_does_not_count(void **state)
{
	struct scene s;

	(void)state;
	start_without(&s);
	hear_all(&s, DSM_MARK, 1);
	hear_of_keeper(&s, 1);
	hear_all(&s, DSM_HELD, 1);
	assert_int_equal(dsm_stats(s.d)->sent[DSM_OWN], 1);
	hear_of(&s, 2);
	hear_all(&s, DSM_MARK, 2);
	hear_all(&s, DSM_HELD, 2);
	assert_int_equal(dsm_stats(s.d)->sent[DSM_OWN], 1);
	dsm_destroy(s.d);
}

/* Who is told to own what it has kept does, also when it has heard of the next view. */
static void appointment_outlives_view(void **state)
{
	struct scene s;

	(void)state;
	bring_to(&s, M);
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_FWD_GETM, .node = 2 });
	assert_int_equal(dsm_state(s.d, PAGE), DSM_INVALID);
	hear_of(&s, 1);
	hear_all(&s, DSM_MARK, 1);
	hear_all(&s, DSM_HELD, 1);
	hear_of(&s, 2);
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_OWN, .epoch = 1, .version = 8 });
	assert_int_equal(dsm_state(s.d, PAGE), DSM_OWNED);
	hear_all(&s, DSM_MARK, 2);
	assert_int_equal(dsm_stats(s.d)->sent[DSM_HOLD], 1);
	dsm_destroy(s.d);
}

/* Who reads and then writes, and owns the page meanwhile, asks once to write it. */
static void appointed_reader_asks_once(void **state)
{
	struct scene s;

	(void)state;
	bring_to(&s, M);
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_FWD_GETM, .node = 2 });
	fault(&s, false);
	fault(&s, true);
	hear_of(&s, 1);
	hear_all(&s, DSM_MARK, 1);
	hear_all(&s, DSM_HELD, 1);
	hear_of(&s, 2);
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_OWN, .epoch = 1, .version = 8 });
	hear_all(&s, DSM_MARK, 2);
	hear_all(&s, DSM_HELD, 2);
	s.said[0] = 0;
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_GRANT, .epoch = 2 });
	assert_string_equal(s.said, "DONE>0 map-w");
	dsm_destroy(s.d);
}

/* ---- who is to own a page may have given it up ---- */

static void hear_of_sharer(struct scene *s, uint32_t node)
{
	hear(s, node,
	     (struct dsm_msg){ .kind = DSM_HOLD,
			       .epoch = 1,
			       .node = (uint16_t)node,
			       .state = DSM_SHARED,
			       .version = 7 });
}

static void say_gone(struct scene *s, uint32_t node)
{
	hear(s, node, (struct dsm_msg){ .kind = DSM_HOLD, .epoch = 1, .state = DSM_POISONED });
}

/* The home has nothing; 2 and 3 share, node 0 keeps what it gave up in vain. Nodes 0 and 3 ask. */
static void start_with_sharers(struct scene *s)
{
	start(s, 1, 0);
	hear(s, 2, (struct dsm_msg){ .kind = DSM_GETM });
	hear_of(s, 1);
	hear_all(s, DSM_MARK, 1);
	hear_of_sharer(s, 3);
	hear_of_sharer(s, 2);
	hear(s, 3,
	     (struct dsm_msg){ .kind = DSM_HOLD, .epoch = 1, .node = 0, .version = 7 });
	hear(s, 0, (struct dsm_msg){ .kind = DSM_GETM, .epoch = 1 });
	s->said[0] = 0;
	hear_all(s, DSM_HELD, 1);
	assert_string_equal(s->said, "OWN>2");
}

/* Another one that shares is asked; until somebody has it, requests wait. */
static void home_asks_the_next_sharer(void **state)
{
	struct scene s;

	(void)state;
	start_with_sharers(&s);
	s.said[0] = 0;
	say_gone(&s, 2);
	assert_string_equal(s.said, "OWN>3");
	say_gone(&s, 2);
	assert_string_equal(s.said, "OWN>3");
	hear(&s, 3, (struct dsm_msg){ .kind = DSM_DONE, .epoch = 1 });
	assert_string_equal(s.said, "OWN>3 INV>2 FWD_GETM>3");
	dsm_destroy(s.d);
}

static void home_asks_until_nobody_is_left(void **state)
{
	struct scene s;

	(void)state;
	start_with_sharers(&s);
	s.said[0] = 0;
	say_gone(&s, 2);
	say_gone(&s, 3);
	assert_string_equal(s.said, "OWN>3 OWN>0");
	s.said[0] = 0;
	say_gone(&s, 0);
	assert_string_equal(s.said, "LOST>0");
	dsm_destroy(s.d);
}

static void make_again(struct scene *s)
{
	hear_of(s, 2);
	say_gone(s, 2);
	hear_all(s, DSM_MARK, 2);
	s->said[0] = 0;
	hear_all(s, DSM_HELD, 2);
}

/* Who was asked has given it up, and the next view comes before it says so: node 0 is still known. */
static void keeper_outlives_view_amid_asking(void **state)
{
	struct scene s;

	(void)state;
	start_with_sharers(&s);
	make_again(&s);
	assert_string_equal(s.said, "OWN>0");
	dsm_destroy(s.d);
}

/* But not once somebody owned it, who may have written. */
static void keeper_does_not_outlive_an_owner(void **state)
{
	struct scene s;

	(void)state;
	start_with_sharers(&s);
	hear(&s, 2, (struct dsm_msg){ .kind = DSM_DONE, .epoch = 1 });
	make_again(&s);
	assert_string_equal(s.said, "");
	dsm_destroy(s.d);
}

/* Node 1 shares PAGE, of another version than zero, when there is a new view; all have marked. */
static void report_shared(struct scene *s)
{
	bring_to(s, S);
	hear_of(s, 1);
	hear_all(s, DSM_MARK, 1);
	s->said[0] = 0;
}

static void says_that_it_owns(void **state)
{
	struct scene s;

	(void)state;
	report_shared(&s);
	assert_int_equal(dsm_discard(s.d, PAGE), -EAGAIN);
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_OWN, .epoch = 1, .version = DSM_NO_VERSION });
	assert_string_equal(s.said, "DONE>0");
	assert_int_equal(dsm_state(s.d, PAGE), DSM_OWNED);
	dsm_destroy(s.d);
}

/* It knows of all reports before the home does. */
static void says_that_it_has_given_up(void **state)
{
	struct scene s;

	(void)state;
	report_shared(&s);
	hear_all(&s, DSM_HELD, 1);
	assert_int_equal(dsm_discard(s.d, PAGE), 0);
	s.said[0] = 0;
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_OWN, .epoch = 1, .version = DSM_NO_VERSION });
	assert_string_equal(s.said, "HOLD>0");
	assert_int_equal(dsm_state(s.d, PAGE), DSM_INVALID);
	dsm_destroy(s.d);
}

static void bad_arguments(void **state)
{
	struct dsm_config c = { .self = 4, .nodes = 4, .pages = 1, .home = home_of, .ops = &ops };
	static const bool without_us[NODES] = { true, false, true, true };
	struct dsm *d = NULL;
	struct scene s;

	(void)state;
	assert_int_equal(dsm_create(&d, &c), -EINVAL);
	c.self = 0;
	c.nodes = DSM_NODES_MAX + 1;
	assert_int_equal(dsm_create(&d, &c), -EINVAL);
	start(&s, 0, 0);
	assert_int_equal(dsm_fault(s.d, 8, false, 0), -EINVAL);
	assert_int_equal(dsm_view(s.d, 1, without_us, 0), -EINVAL);
	assert_int_equal(dsm_view(s.d, 0, without_us, 0), -EINVAL);
	assert_int_equal(dsm_evict(s.d, PAGE), -ENOENT);
	struct dsm_msg far = { .kind = DSM_GETS, .page = 8 }, none = { .kind = DSM_KINDS };
	uint64_t before = dsm_stats(s.d)->dropped;
	dsm_receive(s.d, 2, &far, 0);
	dsm_receive(s.d, 2, &none, 0);
	dsm_receive(s.d, 1, &none, 0);
	dsm_receive(s.d, NODES, &none, 0);
	assert_int_equal(dsm_stats(s.d)->dropped, before + 4);
	dsm_destroy(s.d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_arguments), cmocka_unit_test(copies), cmocka_unit_test(faults),
		cmocka_unit_test(home),		 cmocka_unit_test(home_itself),
		cmocka_unit_test(home_shares),	 cmocka_unit_test(home_holds),
		cmocka_unit_test(home_as_the_first),
		cmocka_unit_test(hold),		 cmocka_unit_test(hold_as_long_as_the_way),
		cmocka_unit_test(report_outlives_view),
		cmocka_unit_test(late_report_counts),
		cmocka_unit_test(old_report_does_not_count),
		cmocka_unit_test(appointment_outlives_view),
		cmocka_unit_test(appointed_reader_asks_once),
		cmocka_unit_test(home_asks_the_next_sharer),
		cmocka_unit_test(home_asks_until_nobody_is_left),
		cmocka_unit_test(keeper_outlives_view_amid_asking),
		cmocka_unit_test(keeper_does_not_outlive_an_owner),
		cmocka_unit_test(says_that_it_owns),
		cmocka_unit_test(says_that_it_has_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
