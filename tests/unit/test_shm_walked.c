/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages that several nodes write: what is an entry, what becomes of one that two have changed; and
 * every state of a copy against every message of the mode, as in test_shm_protocol.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/diff.h"
#include "shm/walked.h"
#include "tests/unit/dsm_scene.h"

#define FRAMES UINT64_C(0x40000) /* 1 GiB */
#define NX     (UINT64_C(1) << 63)

/* ---- entries ---- */

static void entries(void **state)
{
	static const struct {
		uint64_t e;
		bool is;
	} rows[] = {
		{ 0, true },
		{ 0x1067, true },			/* a table below it */
		{ 0x8000000012345163, true },		/* a kernel's own page */
		{ 0x0400000012345065, true },		/* bit 58 is a kernel's */
		{ (FRAMES - 1) << 12 | 1, true },
		{ FRAMES << 12 | 1, false },	/* no such page */
		{ 0x163, true },			/* the first page, in a kernel's tables */
		{ NX | 0x63, true },
		{ 0x63, false },
		{ 1, false },				/* numbers */
		{ 0xff, false },
		{ 0x7fff, true },			/* ... which we cannot tell from an entry */
		{ 0xffff888012345000, false },		/* pointers */
		{ 0xffffffff81000001, false },
		{ 0x00007f1234567891, false },
		{ 0x3ff0000000000001, false },		/* 1.0 and a bit */
		{ ~UINT64_C(0), false },
		{ 0x000fffffedcba100, true },		/* taken away to see who touches it */
		{ 0x100, false },
		{ 2, false },
		{ 0x07ffffffffffc000, false },		/* swapped out: not while it is shared */
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (dsm_walked_entry(rows[i].e, FRAMES) != rows[i].is)
			fail_msg("%llx is%s an entry", (unsigned long long)rows[i].e,
				 rows[i].is ? "" : " not");
}

static void tables(void **state)
{
	uint64_t w[DSM_WALKED_WORDS] = { 0 };

	(void)state;
	assert_int_equal(dsm_walked_table(w, FRAMES), 0);
	w[3] = 0x5001; /* nobody has looked at it */
	assert_int_equal(dsm_walked_table(w, FRAMES), 0);
	w[511] = 0x6067;
	assert_int_equal(dsm_walked_table(w, FRAMES), 2);
	w[100] = 5; /* present, of the first page, unused */
	assert_int_equal(dsm_walked_table(w, FRAMES), -1);
}

enum { P = 1, W = 2, A = 0x20, D = 0x40, X = 0x1000, Y = 0x2000 };

static void merging(void **state)
{
	static const struct {
		uint64_t base, mine, theirs;
		enum dsm_walked_way way;
		uint64_t out;
	} rows[] = {
		/* One of the two has changed it, or both in the same way. */
		{ X | P, X | P, X | P, DSM_WALKED_KEEP, X | P },
		{ X | P, X | P, 0, DSM_WALKED_TAKE, 0 },
		{ X | P, 0, X | P, DSM_WALKED_KEEP, 0 },
		{ 0, Y | P, Y | P, DSM_WALKED_KEEP, Y | P },
		/* Accessed and dirty come together. */
		{ X | P, X | P | A, X | P | D, DSM_WALKED_TAKE, X | P | A | D },
		{ X | P | A, X | P, X | P | A | D, DSM_WALKED_TAKE, X | P | A | D },
		/* A change wins over what hardware did, on either side. */
		{ X | P, X | P | A, 0, DSM_WALKED_TAKE, 0 },
		{ X | P, X | P | A, Y | P, DSM_WALKED_TAKE, Y | P },
		{ X | P, 0, X | P | A, DSM_WALKED_KEEP, 0 },
		{ X | P, Y | P, X | P | A, DSM_WALKED_KEEP, Y | P },
		/* ... but a dirty bit stays where the page may still be written. */
		{ X | P, X | P | D, X | P | W, DSM_WALKED_TAKE, X | P | W | D },
		{ X | P, X | P | W, X | P | D, DSM_WALKED_TAKE, X | P | W | D },
		{ X | P, X | P | D, Y | P | W, DSM_WALKED_TAKE, Y | P | W },
		/* Two have changed it. */
		{ X | P, 0, Y | P, DSM_WALKED_CONFLICT, 0 },
		{ 0, X | P, Y | P, DSM_WALKED_CONFLICT, X | P },
		/* What is not present has no such bits. */
		{ 0x100, 0x120, 0x140, DSM_WALKED_CONFLICT, 0x120 },
	};
	uint64_t out;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		enum dsm_walked_way way = dsm_walked_merge(rows[i].base, rows[i].mine,
							   rows[i].theirs, &out);
		if (way != rows[i].way || out != rows[i].out)
			fail_msg("row %zu: way %d, %llx", i, (int)way, (unsigned long long)out);
	}
	assert_int_equal(dsm_walked_dirty(X | P | W), X | P | W | D);
	assert_int_equal(dsm_walked_dirty(X | P), X | P);
	assert_int_equal(dsm_walked_dirty(X | W), X | W);
	assert_true(dsm_walked_mere(X | P, X | P | A));
	assert_false(dsm_walked_mere(X | P, X | P | D));
	assert_false(dsm_walked_mere(X, X | A));
}

/* Whatever two nodes do to an entry, one after the other at the home: both end with the same. */
static void both_ways(void **state)
{
	static const uint64_t some[] = { 0,	    X | P,	   X | P | A,	  X | P | W | D,
					 X | P | D, X | P | W | A | D, Y | P | W | D, 0x100 };
	size_t n = sizeof some / sizeof some[0];

	(void)state;
	for (size_t i = 0; i < n * n * n; i++) {
		uint64_t base = some[i % n], a = some[i / n % n], b = some[i / n / n], at_a, at_b;
		/* The change at A comes to B, then what B has since to A. */
		dsm_walked_merge(base, b, a, &at_b);
		dsm_walked_merge(a, a, at_b, &at_a);
		assert_int_equal(at_a, at_b);
	}
}

/* ---- what entries lead to ---- */

enum { PS = 0x80, OPEN = 7 };

/* Frame 7 is open as long as *ARG. */
static bool is_open(void *arg, uint64_t frame)
{
	return *(const bool *)arg && frame == OPEN;
}

#define AT(f) ((uint64_t)(f) << 12)

static void leading(void **state)
{
	static const struct {
		uint64_t was, now;
		unsigned n;
	} rows[] = {
		{ 0, AT(OPEN) | P, 1 },
		{ AT(OPEN), AT(OPEN) | P, 1 },
		{ AT(6) | P, AT(OPEN) | P | W, 1 },
		{ AT(OPEN) | P | PS, AT(OPEN) | P, 1 },
		{ AT(OPEN) | P, AT(OPEN) | P | W | A, 0 }, /* it did before */
		{ 0, AT(OPEN) | P | PS, 0 },		   /* to no table */
		{ 0, AT(OPEN), 0 },
		{ 0, AT(6) | P, 0 },
		{ AT(OPEN) | P, 0, 0 },
	};
	uint64_t was[DSM_WALKED_WORDS] = { 0 }, now[DSM_WALKED_WORDS] = { 0 };
	bool open = true;
	const struct dsm_walked_guest g = { .frames = FRAMES, .open = is_open, .arg = &open };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		was[100 + i] = rows[i].was;
		now[100 + i] = rows[i].now;
		if (dsm_walked_leads(was, now, &g) != rows[i].n)
			fail_msg("row %zu", i);
		was[100 + i] = now[100 + i] = 0;
	}
	/* That it did before says nothing if others were told that it does no more. */
	now[4] = was[4] = AT(OPEN) | P;
	assert_int_equal(dsm_walked_leads(was, now, &g), 0);
	assert_int_equal(dsm_walked_leads(NULL, now, &g), 1);
}

/* What all have is what was settled and is there still. */
static void agreed(void **state)
{
	uint64_t now[DSM_WALKED_WORDS] = { [0] = AT(5) | P | A }, live[DSM_WALKED_WORDS];
	uint8_t out[DSM_WALKED_DIFF];
	struct dsm_walked w;
	struct dsm_walked_told told;
	bool open = false;
	const struct dsm_walked_guest g = { .frames = FRAMES, .open = is_open, .arg = &open };

	(void)state;
	memcpy(live, now, sizeof live);
	dsm_walked_begin(&w, now, live);
	assert_true(dsm_walked_agreed(&w, live));
	live[0] &= ~(uint64_t)A;
	assert_true(dsm_walked_agreed(&w, live));
	live[0] = now[0];
	live[1] = AT(6) | P;
	assert_false(dsm_walked_agreed(&w, live));
	assert_int_equal(dsm_walked_look(&w, live, &g, out, &told), DSM_WALKED_TELL);
	assert_false(dsm_walked_agreed(&w, live));
	/* Taken back, but told. */
	live[1] = 0;
	assert_false(dsm_walked_agreed(&w, live));
	live[1] = AT(6) | P;
	dsm_walked_settled(&w);
	assert_true(dsm_walked_agreed(&w, live));
}

/* An entry waits for what it leads to; others do not wait for it. */
static void led_later(void **state)
{
	uint64_t now[DSM_WALKED_WORDS] = { [0] = AT(5) | P | A }, live[DSM_WALKED_WORDS];
	uint64_t there[DSM_WALKED_WORDS];
	uint8_t out[DSM_WALKED_DIFF];
	struct dsm_walked w;
	struct dsm_walked_told told;
	bool open = true;
	const struct dsm_walked_guest g = { .frames = FRAMES, .open = is_open, .arg = &open };

	(void)state;
	memcpy(live, now, sizeof live);
	memcpy(there, now, sizeof there);
	dsm_walked_begin(&w, now, live);
	assert_int_equal(dsm_walked_look(&w, live, &g, out, &told), DSM_WALKED_SAME);
	live[1] = AT(OPEN) | P;
	live[2] = AT(6) | P;
	assert_int_equal(dsm_walked_look(&w, live, &g, out, &told), DSM_WALKED_TELL);
	assert_int_equal(told.later, 1);
	dsm_diff_apply(out, told.n, there);
	assert_int_equal(there[1], 0);
	assert_int_equal(there[2], AT(6) | P);
	assert_int_equal(dsm_walked_look(&w, live, &g, out, &told), DSM_WALKED_SAME);
	assert_int_equal(told.later, 1);
	open = false;
	assert_int_equal(dsm_walked_look(&w, live, &g, out, &told), DSM_WALKED_TELL);
	assert_int_equal(told.later, 0);
	dsm_diff_apply(out, told.n, there);
	assert_int_equal(there[1], AT(OPEN) | P);
	assert_int_equal(dsm_walked_look(&w, live, &g, out, &told), DSM_WALKED_SAME);
}

/* What is written between a look at a page and the mode's beginning is not agreed on. */
static void begun_with(void **state)
{
	uint64_t now[DSM_WALKED_WORDS] = { [0] = AT(5) | P | W | A }, live[DSM_WALKED_WORDS];
	uint8_t out[DSM_WALKED_DIFF];
	struct dsm_walked w;
	struct dsm_walked_told told;
	bool open = false;
	const struct dsm_walked_guest g = { .frames = FRAMES, .open = is_open, .arg = &open };

	(void)state;
	memcpy(live, now, sizeof live);
	live[1] = AT(6) | P;
	dsm_walked_begin(&w, now, live);
	assert_int_equal(live[0], AT(5) | P | W | A | D);
	assert_int_equal(w.base[0], live[0]);
	assert_int_equal(w.base[1], 0);
	assert_int_equal(dsm_walked_look(&w, live, &g, out, &told), DSM_WALKED_TELL);
	dsm_diff_apply(out, told.n, w.base);
	assert_int_equal(w.base[1], AT(6) | P);
}

/* ---- a copy ---- */

static bool on_enter(void *arg, uint64_t page)
{
	say(arg, "enter");
	return !((struct scene *)arg)->blind;
}

SAYS(on_settled, "settled")
SAYS(on_leave, "leave")

static bool on_may(void *arg, uint64_t page)
{
	return ((struct scene *)arg)->may;
}

static bool on_merge(void *arg, uint64_t page, const uint8_t *diff, size_t n, bool last)
{
	say(arg, "merge");
	return !((struct scene *)arg)->conflict;
}

static void on_last(void *arg, uint64_t page, struct dsm_msg *m)
{
	m->diff = (const uint8_t *)"x";
	m->ndiff = ((struct scene *)arg)->last;
}

static bool on_leads(void *arg, uint64_t page)
{
	struct scene *s = arg;
	bool is = s->leads & 1;

	s->leads >>= 1;
	return is;
}

static const struct dsm_walk_ops walk_ops = {
	.may = on_may,
	.enter = on_enter,
	.merge = on_merge,
	.settled = on_settled,
	.last = on_last,
	.leave = on_leave,
	.leads = on_leads,
};

static void start(struct scene *s, uint32_t home)
{
	scene_start(s, home, 0, &walk_ops);
}

static void hear(struct scene *s, uint32_t from, struct dsm_msg m)
{
	m.page = PAGE;
	m.diff = (const uint8_t *)"x";
	m.ndiff = m.flags & DSM_BYTES ? 1 : 0;
	assert_int_equal(dsm_receive(s->d, from, &m, 0), 0);
}

enum start_state { INVALID, SHARED, MODIFIED, WANTS, WALKS, TELLS, ENDS, STARTS };
static const char *const start_names[] = { "I", "S", "M", "I writing", "walking", "telling", "ending" };

static void bring_to(struct scene *s, enum start_state to)
{
	start(s, 0);
	if (to == SHARED) {
		fault(s, false);
		hear(s, 2, (struct dsm_msg){ .kind = DSM_DATA, .version = 7, .flags = DSM_BYTES });
	}
	if (to == MODIFIED || to >= WANTS)
		fault(s, true);
	if (to == MODIFIED)
		hear(s, 2,
		     (struct dsm_msg){
			     .kind = DSM_DATA, .version = 7, .flags = DSM_BYTES | DSM_EXCLUSIVE });
	if (to >= WALKS)
		hear(s, 2,
		     (struct dsm_msg){
			     .kind = DSM_DATA, .version = 7, .flags = DSM_BYTES | DSM_WALK });
	if (to == TELLS)
		assert_int_equal(dsm_walk_diff(s->d, PAGE, (const uint8_t *)"x", 1), 0);
	if (to == ENDS)
		dsm_walk_end(s->d, PAGE, 0);
	s->said[0] = 0;
}

static const struct {
	const char *name;
	uint32_t from;
	struct dsm_msg m;
	const char *then[STARTS]; /* NULL: nonsense */
} rows[] = {
	{ "DATA of the mode",
	  2,
	  { .kind = DSM_DATA, .version = 9, .flags = DSM_BYTES | DSM_WALK },
	  { [WANTS] = "W fill enter DONE~>0 map-w" } },
	{ "DATA of the mode, final",
	  0,
	  { .kind = DSM_DATA, .version = 9, .flags = DSM_BYTES | DSM_WALK | DSM_FINAL },
	  { [WANTS] = "W fill enter map-w" } },
	{ "DATA of the mode without bytes", 2, { .kind = DSM_DATA, .flags = DSM_WALK }, { 0 } },
	{ "FWD_GETM, which begins the mode",
	  0,
	  { .kind = DSM_FWD_GETM, .node = 3 },
	  { [MODIFIED] = "W enter DATA~+>3" } },
	{ "FWD_GETM while others have copies",
	  0,
	  { .kind = DSM_FWD_GETM, .node = 3, .acks = 1 },
	  { [MODIFIED] = "I drop DATA!+>3" } },
	{ "FWD_WALK",
	  0,
	  { .kind = DSM_FWD_WALK, .node = 3 },
	  { [WALKS] = "W DATA~+>3", [TELLS] = "W DATA~+>3", [ENDS] = "W DATA~+>3" } },
	{ "FWD_WALK to ourselves", 0, { .kind = DSM_FWD_WALK, .node = 1 }, { 0 } },
	{ "APPLY",
	  0,
	  { .kind = DSM_APPLY, .flags = DSM_BYTES },
	  { [WALKS] = "W merge APPLIED>0",
	    [TELLS] = "W merge APPLIED>0",
	    [ENDS] = "W merge APPLIED>0" } },
	{ "APPLY from who is not the home", 2, { .kind = DSM_APPLY, .flags = DSM_BYTES }, { 0 } },
	{ "SETTLED", 0, { .kind = DSM_SETTLED, .node = 1 }, { [TELLS] = "W settled" } },
	{ "SETTLED, too late",
	  0,
	  { .kind = DSM_SETTLED, .flags = DSM_FINAL, .node = 1 },
	  { [TELLS] = "W" } },
	{ "SETTLED for another", 0, { .kind = DSM_SETTLED, .node = 2 }, { 0 } },
	{ "SETTLED of another's", 0, { .kind = DSM_SETTLED, .flags = DSM_WALK }, { 0 } },
	{ "END",
	  0,
	  { .kind = DSM_END, .node = 3 },
	  { [WALKS] = "I drop ENDED+>3 leave",
	    [TELLS] = "I drop ENDED+>3 leave",
	    [ENDS] = "I drop ENDED+>3 leave" } },
	{ "END for nobody", 0, { .kind = DSM_END, .node = NODES }, { 0 } },
	{ "ENDED before GRANT", 3, { .kind = DSM_ENDED, .flags = DSM_BYTES }, { [ENDS] = "W" } },
	{ "ENDED, nothing was changed", 3, { .kind = DSM_ENDED }, { [ENDS] = "W" } },
	{ "GRANT of the mode's end",
	  0,
	  { .kind = DSM_GRANT, .flags = DSM_WALK | DSM_FINAL },
	  { [ENDS] = "M leave map-w" } },
	{ "GRANT of the mode's end, one is to come",
	  0,
	  { .kind = DSM_GRANT, .flags = DSM_WALK, .acks = 1 },
	  { [ENDS] = "W" } },
	{ "INV", 0, { .kind = DSM_INV, .node = 3 },
	  { [INVALID] = "I ACK>3", [SHARED] = "I drop ACK>3", [WANTS] = "I ACK>3" } },
	{ "DIFF to who is not the home", 2, { .kind = DSM_DIFF, .flags = DSM_BYTES }, { 0 } },
	{ "APPLIED to who is not the home", 2, { .kind = DSM_APPLIED }, { 0 } },
};

static void check_cell(size_t r, int st)
{
	static const char letters[] = "ISOMPW";
	struct scene s;
	char got[600];

	bring_to(&s, (enum start_state)st);
	enum dsm_state before = dsm_state(s.d, PAGE);
	uint64_t nonsense = dsm_stats(s.d)->dropped;
	hear(&s, rows[r].from, rows[r].m);
	snprintf(got, sizeof got, "%c%s%s", letters[dsm_state(s.d, PAGE)], s.said[0] ? " " : "",
		 s.said);
	const char *expected = rows[r].then[st];
	bool none = dsm_stats(s.d)->dropped == nonsense + 1 && dsm_state(s.d, PAGE) == before;
	/* A home that waits for an answer gets one. */
	if (rows[r].m.kind == DSM_APPLY && rows[r].from == 0 && !expected)
		expected = none ? got : NULL;
	if (!expected && (!none || s.said[0]))
		fail_msg("%s in %s: '%s', not nonsense", rows[r].name, start_names[st], got);
	if (expected && strcmp(got, expected) != 0)
		fail_msg("%s in %s: '%s', not '%s'", rows[r].name, start_names[st], got, expected);
	dsm_destroy(s.d);
}

static void copies(void **state)
{
	(void)state;
	for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
		for (int st = 0; st < STARTS; st++)
			check_cell(r, st);
}

static void own_acts(void **state)
{
	struct scene s;

	(void)state;
	bring_to(&s, WALKS);
	assert_int_equal(dsm_walk_pending(s.d), 0);
	fault(&s, true);
	assert_string_equal(s.said, "map-w");
	s.said[0] = 0;
	assert_int_equal(dsm_walk_diff(s.d, PAGE, (const uint8_t *)"x", 1), 0);
	assert_string_equal(s.said, "DIFF+>0");
	assert_int_equal(dsm_walk_pending(s.d), 1);
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_SETTLED, .node = 1 });
	assert_int_equal(dsm_walk_pending(s.d), 0);
	/* Another's, that not all have yet. */
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_APPLY, .flags = DSM_BYTES | DSM_WALK });
	assert_int_equal(dsm_walk_pending(s.d), 1);
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_SETTLED, .node = 2, .flags = DSM_WALK });
	assert_int_equal(dsm_walk_pending(s.d), 0);
	/* Two have changed an entry: it has to be ours alone before anything is told. */
	s.said[0] = 0;
	s.conflict = true;
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_APPLY, .flags = DSM_BYTES });
	assert_string_equal(s.said, "merge GETM>0 APPLIED>0");
	assert_int_equal(dsm_walk_pending(s.d), 1);
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_GRANT, .acks = 1, .flags = DSM_WALK });
	assert_int_equal(dsm_walk_pending(s.d), 1);
	/* Who had something to tell hears when all have ended it, not before. */
	s.said[0] = 0;
	hear(&s, 2, (struct dsm_msg){ .kind = DSM_ENDED, .flags = DSM_BYTES });
	assert_string_equal(s.said, "merge SETTLED>2 leave DONE>0 map-w");
	assert_int_equal(dsm_walk_pending(s.d), 0);
	assert_int_equal(dsm_state(s.d, PAGE), DSM_MODIFIED);
	assert_int_equal(dsm_walk_diff(s.d, PAGE, (const uint8_t *)"x", 1), -EINVAL);
	dsm_destroy(s.d);
}

/* What others had written goes with what all agree on, and that is known with the home's word. */
static void ended_early(void **state)
{
	bool alive[NODES] = { true, true, true, true };
	struct scene s;

	(void)state;
	bring_to(&s, TELLS);
	dsm_walk_end(s.d, PAGE, 0);
	s.said[0] = 0;
	hear(&s, 3, (struct dsm_msg){ .kind = DSM_ENDED, .flags = DSM_BYTES });
	assert_string_equal(s.said, "");
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_SETTLED, .node = 1 });
	assert_string_equal(s.said, "settled");
	s.said[0] = 0;
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_GRANT, .acks = 1, .flags = DSM_WALK });
	assert_string_equal(s.said, "merge SETTLED>3 leave DONE>0 map-w");
	assert_int_equal(dsm_walk_pending(s.d), 0);
	dsm_destroy(s.d);

	/* A home that is no more grants nothing; nothing is lost by that. */
	bring_to(&s, ENDS);
	hear(&s, 3, (struct dsm_msg){ .kind = DSM_ENDED, .flags = DSM_BYTES });
	alive[0] = false;
	assert_int_equal(dsm_view(s.d, 1, alive, 0), 0);
	assert_memory_equal(s.said, "merge", 5);
	dsm_destroy(s.d);
}

/* The mode's end waits for what the page leads to, and goes with the first news after that. */
static void ends_later(void **state)
{
	struct scene s;

	(void)state;
	bring_to(&s, WALKS);
	assert_false(dsm_walk_known(s.d, PAGE));
	s.leads = 1;
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_END, .node = 3 });
	/* dsm_receive() has looked once more. */
	assert_string_equal(s.said, "drop ENDED+>3 leave");
	dsm_destroy(s.d);

	bring_to(&s, WALKS);
	s.leads = 7;
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_END, .node = 3 });
	assert_string_equal(s.said, "");
	assert_int_equal(dsm_state(s.d, PAGE), DSM_WALKING);
	/* The home takes what is told of it now for late: that is not settled before the end is. */
	assert_int_equal(dsm_walk_diff(s.d, PAGE, (const uint8_t *)"x", 1), 0);
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_SETTLED, .node = 1, .flags = DSM_FINAL });
	assert_int_equal(dsm_walk_pending(s.d), 1);
	s.said[0] = 0;
	/* Processors have written it while it was looked at. */
	s.leads = 2;
	dsm_tick(s.d, 0);
	assert_string_equal(s.said, "drop map-w");
	s.said[0] = 0;
	dsm_tick(s.d, 0);
	assert_string_equal(s.said, "drop ENDED+>3 leave");
	assert_int_equal(dsm_stats(s.d)->dropped, 0);
	/* Until all have ended it, others may still have what was there. */
	assert_false(dsm_walk_known(s.d, PAGE));
	assert_int_equal(dsm_walk_pending(s.d), 1);
	hear(&s, 3, (struct dsm_msg){ .kind = DSM_SETTLED, .node = 1, .flags = DSM_OWNER });
	assert_true(dsm_walk_known(s.d, PAGE));
	assert_int_equal(dsm_walk_pending(s.d), 0);
	assert_true(dsm_walk_known(s.d, PAGE + 1));
	assert_true(dsm_walk_known(s.d, SCENE_PAGES));
	dsm_destroy(s.d);
}

/* That the mode has ended everywhere says nothing of differences since it has begun once more. */
static void settled_before(void **state)
{
	struct scene s;

	(void)state;
	bring_to(&s, WALKS);
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_END, .node = 3 });
	fault(&s, true);
	hear(&s, 2, (struct dsm_msg){ .kind = DSM_DATA, .version = 9, .flags = DSM_BYTES | DSM_WALK });
	assert_int_equal(dsm_walk_diff(s.d, PAGE, (const uint8_t *)"x", 1), 0);
	s.said[0] = 0;
	hear(&s, 3, (struct dsm_msg){ .kind = DSM_SETTLED, .node = 1, .flags = DSM_OWNER });
	assert_string_equal(s.said, "");
	assert_int_equal(dsm_walk_pending(s.d), 1);
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_SETTLED, .node = 1 });
	assert_string_equal(s.said, "settled");
	assert_int_equal(dsm_walk_pending(s.d), 0);
	dsm_destroy(s.d);
}

/* ---- the home, node 1 ---- */

static void ask(struct scene *s, uint32_t from, struct dsm_msg m, const char *then)
{
	s->said[0] = 0;
	hear(s, from, m);
	if (strcmp(s->said, then) != 0)
		fail_msg("%s: '%s', not '%s'", dsm_kind_name((enum dsm_kind)m.kind), s->said, then);
}

#define KIND(k)	    ((struct dsm_msg){ .kind = (k), .version = DSM_NO_VERSION })
#define KIND_(k, f) ((struct dsm_msg){ .kind = (k), .flags = (f), .version = 50 })

static void home(void **state)
{
	struct scene s;

	(void)state;
	start(&s, 1);
	ask(&s, 0, KIND(DSM_GETM), "drop DATA!+.>0");
	/* Node 0 begins the mode when node 2 wants the page; node 3 comes in. */
	ask(&s, 2, KIND(DSM_GETM), "FWD_GETM>0");
	ask(&s, 0, KIND_(DSM_DIFF, DSM_BYTES), "");
	ask(&s, 2, KIND_(DSM_DONE, DSM_WALK), "APPLY+>2");
	ask(&s, 3, KIND(DSM_GETS), "");
	ask(&s, 3, KIND(DSM_APPLIED), "");
	ask(&s, 2, KIND(DSM_APPLIED), "SETTLED>0 FWD_WALK>2");
	ask(&s, 3, KIND_(DSM_DONE, DSM_WALK), "");
	/* With three, who has the differences waits until the others have them, too. */
	ask(&s, 3, KIND_(DSM_DIFF, DSM_BYTES), "APPLY~+>0 APPLY~+>2");
	ask(&s, 2, KIND_(DSM_GETM, 0), "");
	ask(&s, 2, KIND(DSM_APPLIED), "");
	ask(&s, 0, KIND(DSM_APPLIED),
	    "SETTLED>3 SETTLED~>0 SETTLED~>2 END>0 END>3 GRANT~>2");
	/* What was changed meanwhile goes with the end: nobody waits for that. */
	ask(&s, 0, KIND_(DSM_DIFF, DSM_BYTES), "SETTLED.>0");
	ask(&s, 2, KIND(DSM_DONE), "");
	ask(&s, 0, KIND(DSM_GETM), "FWD_GETM>2");
	ask(&s, 2, KIND_(DSM_DIFF, DSM_BYTES), "SETTLED.>2");
	ask(&s, 0, KIND_(DSM_DONE, DSM_WALK), "");
	/* Likewise for those that wait behind it. */
	ask(&s, 0, ((struct dsm_msg){ .kind = DSM_DIFF, .flags = DSM_BYTES, .version = 52 }), "APPLY+>2");
	ask(&s, 2, ((struct dsm_msg){ .kind = DSM_GETM, .version = 52 }), "");
	ask(&s, 3, KIND(DSM_GETM), "");
	ask(&s, 0, ((struct dsm_msg){ .kind = DSM_DIFF, .flags = DSM_BYTES, .version = 52 }), "");
	ask(&s, 2, KIND(DSM_APPLIED), "SETTLED>0 END>0 GRANT~>2 SETTLED.>0");
	dsm_destroy(s.d);
}

/* The home's own copy is one of those. */
static void home_itself(void **state)
{
	struct scene s;

	(void)state;
	start(&s, 1);
	fault(&s, true);
	ask(&s, 0, KIND(DSM_GETM), "enter DATA~+.>0");
	ask(&s, 0, KIND_(DSM_DIFF, DSM_BYTES), "merge SETTLED>0");
	s.said[0] = 0;
	assert_int_equal(dsm_walk_diff(s.d, PAGE, (const uint8_t *)"x", 1), 0);
	assert_string_equal(s.said, "APPLY+>0");
	ask(&s, 0, KIND(DSM_APPLIED), "settled");
	ask(&s, 2, KIND(DSM_GETM), "DATA~+>2");
	ask(&s, 2, KIND_(DSM_DONE, DSM_WALK), "");
	ask(&s, 0, KIND_(DSM_DIFF, DSM_BYTES), "merge APPLY~+>2");
	assert_int_equal(dsm_walk_pending(s.d), 1);
	ask(&s, 2, KIND(DSM_APPLIED), "SETTLED>0 SETTLED~>2");
	assert_int_equal(dsm_walk_pending(s.d), 0);
	ask(&s, 2, KIND(DSM_GETM), "END>0 GRANT~>2 drop ENDED+>2 leave");
	assert_int_equal(dsm_walk_pending(s.d), 1);
	ask(&s, 2, KIND_(DSM_SETTLED, 0), "");
	s.said[0] = 0;
	hear(&s, 2, (struct dsm_msg){ .kind = DSM_SETTLED, .node = 1 });
	assert_int_equal(dsm_walk_pending(s.d), 0);
	dsm_destroy(s.d);
}

/*
 * Two want the page alone at once. Who comes second keeps what it wrote itself, which is not what the
 * other one's differences begin with: it gets all bytes.
 */
static void two_ends(void **state)
{
	struct scene s;

	(void)state;
	start(&s, 1);
	fault(&s, true);
	ask(&s, 0, KIND(DSM_GETM), "enter DATA~+.>0");
	uint64_t walked = dsm_version(s.d, PAGE);
	s.said[0] = 0;
	s.may = false;
	dsm_walk_end(s.d, PAGE, 0);
	assert_string_equal(s.said, "END>0");
	ask(&s, 0, ((struct dsm_msg){ .kind = DSM_GETM, .version = walked }), "");
	ask(&s, 0, KIND(DSM_ENDED), "leave map-w drop DATA!+.>0");
	assert_int_equal(s.have, DSM_NO_VERSION);
	dsm_destroy(s.d);
}

/* A node dies: what was written by several is asked for by all that are left, to be theirs alone. */
static void views(void **state)
{
	const bool alive[NODES] = { true, true, false, true };
	struct scene s;

	(void)state;
	bring_to(&s, TELLS);
	assert_int_equal(dsm_view(s.d, 1, alive, 0), 0);
	assert_int_equal(dsm_walk_pending(s.d), 0);
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_MARK, .epoch = 1 });
	s.said[0] = 0;
	hear(&s, 3, (struct dsm_msg){ .kind = DSM_MARK, .epoch = 1 });
	assert_string_equal(s.said, "HOLD>0 HELD>0 HELD>3 GETM>0");
	assert_int_equal(dsm_walk_pending(s.d), 1);
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_GRANT, .flags = DSM_FINAL, .epoch = 1 });
	assert_int_equal(dsm_state(s.d, PAGE), DSM_MODIFIED);
	dsm_destroy(s.d);
	/* Nobody waits for an end of the view before. */
	bring_to(&s, WALKS);
	s.leads = 3;
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_END, .node = 3 });
	assert_int_equal(dsm_view(s.d, 1, alive, 0), 0);
	s.said[0] = 0;
	dsm_tick(s.d, 0);
	assert_string_equal(s.said, "");
	dsm_destroy(s.d);
	/* The new home hears of two. */
	start(&s, 1);
	assert_int_equal(dsm_view(s.d, 1, alive, 0), 0);
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_MARK, .epoch = 1 });
	hear(&s, 3, (struct dsm_msg){ .kind = DSM_MARK, .epoch = 1 });
	for (uint16_t i = 0; i < NODES; i += 3) {
		hear(&s, i,
		     (struct dsm_msg){
			     .kind = DSM_HOLD, .node = i, .state = DSM_WALKING, .epoch = 1 });
		hear(&s, i, (struct dsm_msg){ .kind = DSM_GETM, .epoch = 1 });
		s.said[0] = 0;
		hear(&s, i, (struct dsm_msg){ .kind = DSM_HELD, .epoch = 1 });
	}
	assert_string_equal(s.said, "END>3 GRANT~>0");
	dsm_destroy(s.d);
}

/* ---- sec_: what a peer says many times ---- */

enum { MANY = 20 };

static uint32_t always_us(void *arg, uint64_t page)
{
	(void)arg;
	(void)page;
	return 1;
}

static void hear_each(struct scene *s, struct dsm_msg m)
{
	m.diff = (const uint8_t *)"x";
	for (m.page = 0; m.page < MANY; m.page++) {
		s->said[0] = 0;
		assert_int_equal(dsm_receive(s->d, 2, &m, 0), 0);
	}
}

/* ENDED of many pages comes before our directory is made; what follows from it is for ourselves. */
static void sec_many_ends_at_once(void **state)
{
	static const bool alive[NODES] = { false, true, true, false };
	struct scene s = { .may = true, .home = 1 };
	const struct dsm_config c = { .self = 1,
				      .nodes = NODES,
				      .pages = MANY,
				      .home = always_us,
				      .ops = &ops,
				      .walk = &walk_ops,
				      .arg = &s };

	(void)state;
	assert_int_equal(dsm_create(&s.d, &c), 0);
	for (uint64_t page = 0; page < MANY; page++) {
		s.said[0] = 0;
		assert_int_equal(dsm_fault(s.d, page, true, 0), 0);
	}
	hear_each(&s, (struct dsm_msg){ .kind = DSM_GETM, .version = DSM_NO_VERSION });
	assert_int_equal(dsm_state(s.d, MANY - 1), DSM_WALKING);
	assert_int_equal(dsm_view(s.d, 1, alive, 0), 0);
	hear_each(&s, (struct dsm_msg){ .kind = DSM_MARK, .epoch = 1 });
	hear_each(&s, (struct dsm_msg){
			      .kind = DSM_HOLD, .epoch = 1, .node = 2, .state = DSM_WALKING });
	hear_each(&s, (struct dsm_msg){ .kind = DSM_ENDED, .epoch = 1 });
	hear_each(&s, (struct dsm_msg){ .kind = DSM_HELD, .epoch = 1 });
	for (uint64_t page = 0; page < MANY; page++)
		assert_int_equal(dsm_state(s.d, page), DSM_MODIFIED);
	dsm_destroy(s.d);
}

/* It ends for another one, always. */
static void sec_end_for_ourselves(void **state)
{
	struct scene s;

	(void)state;
	bring_to(&s, WALKS);
	uint64_t before = dsm_stats(s.d)->dropped;
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_END, .node = 1 });
	assert_int_equal(dsm_stats(s.d)->dropped, before + 1);
	assert_int_equal(dsm_state(s.d, PAGE), DSM_WALKING);
	dsm_destroy(s.d);
}

static void lanes(void **state)
{
	(void)state;
	assert_int_equal(dsm_walk_lane(&KIND(DSM_DATA)), DSM_LANE_TELLS);
	assert_int_equal(dsm_walk_lane(&KIND(DSM_ACK)), DSM_LANE_TELLS);
	assert_int_equal(dsm_walk_lane(&KIND(DSM_INV)), DSM_LANE_ORDERED);
	assert_int_equal(dsm_walk_lane(&KIND(DSM_GRANT)), DSM_LANE_TELLS);
	assert_int_equal(dsm_walk_lane(&KIND_(DSM_DATA, DSM_WALK)), DSM_LANE_FREE);
	assert_int_equal(dsm_walk_lane(&KIND_(DSM_GRANT, DSM_WALK)), DSM_LANE_FREE);
	for (int k = DSM_FWD_WALK; k < DSM_KINDS; k++)
		assert_int_equal(dsm_walk_lane(&KIND((uint8_t)k)), DSM_LANE_FREE);
}

static void start_blind(struct scene *s, enum dsm_flag flags)
{
	bring_to(s, WANTS);
	s->blind = true;
	s->last = false;
	hear(s, 2,
	     (struct dsm_msg){
		     .kind = DSM_DATA, .version = 7, .flags = (uint8_t)(DSM_BYTES | DSM_WALK | flags) });
}

/* Without memory to tell what it writes, it writes nothing before the page is its own. */
static void without_memory_it_ends_at_once(void **state)
{
	struct scene s;

	(void)state;
	start_blind(&s, 0);
	assert_string_equal(s.said, "fill enter DONE~>0 GETM>0");
	s.said[0] = 0;
	fault(&s, true);
	assert_string_equal(s.said, "");
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_APPLY, .flags = DSM_BYTES });
	assert_string_equal(s.said, "merge APPLIED>0");
	s.said[0] = 0;
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_GRANT, .flags = DSM_WALK | DSM_FINAL });
	assert_string_equal(s.said, "leave map-w");
	assert_int_equal(dsm_state(s.d, PAGE), DSM_MODIFIED);
	dsm_destroy(s.d);
}

/* Another one ends it first: it goes on wanting. */
static void without_memory_another_ends_it(void **state)
{
	struct scene s;

	(void)state;
	start_blind(&s, DSM_FINAL);
	assert_string_equal(s.said, "fill enter GETM>0");
	s.said[0] = 0;
	hear(&s, 0, (struct dsm_msg){ .kind = DSM_END, .node = 3 });
	assert_string_equal(s.said, "drop ENDED>3 leave");
	s.said[0] = 0;
	hear(&s, 3,
	     (struct dsm_msg){ .kind = DSM_DATA, .version = 9, .flags = DSM_BYTES | DSM_EXCLUSIVE });
	assert_string_equal(s.said, "fill DONE>0 map-w");
	dsm_destroy(s.d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries),     cmocka_unit_test(tables),
		cmocka_unit_test(merging),     cmocka_unit_test(both_ways),
		cmocka_unit_test(leading),     cmocka_unit_test(agreed),
		cmocka_unit_test(led_later),   cmocka_unit_test(begun_with),
		cmocka_unit_test(copies),      cmocka_unit_test(own_acts),
		cmocka_unit_test(ended_early), cmocka_unit_test(ends_later),
		cmocka_unit_test(settled_before),
		cmocka_unit_test(home),	       cmocka_unit_test(home_itself),
		cmocka_unit_test(two_ends),    cmocka_unit_test(views),
		cmocka_unit_test(sec_many_ends_at_once),
		cmocka_unit_test(sec_end_for_ourselves),
		cmocka_unit_test(lanes),
		cmocka_unit_test(without_memory_it_ends_at_once),
		cmocka_unit_test(without_memory_another_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
