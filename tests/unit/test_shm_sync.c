/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks, conditions, barriers and cells: rules one by one, then programs of many ranks with
 * messages that take their time and ranks that die, watched by a model. SYNC_SEED and SYNC_RUNS
 * repeat one run, or make more of them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/base/rng.h"
#include "shm/sync.h"
#include "tests/unit/cm.h"
#include "tests/unit/sync_world.h"

enum { OBJECTS = 64, ENTRIES = 64, SPACE = 7, LOG = 32 };

/* One home, and what it has said. */
struct scene {
	void *mem;
	struct dsm_sync s;
	struct said {
		uint32_t rank;
		struct dsm_sync_reply r;
	} said[LOG];
	uint32_t nsaid, read;
};

static void note(void *arg, uint32_t rank, const struct dsm_sync_reply *r)
{
	struct scene *sc = arg;

	assert_true(sc->nsaid < LOG);
	sc->said[sc->nsaid++] = (struct said){ rank, *r };
}

static void set_scene(struct scene *sc, uint32_t objects, uint32_t entries)
{
	size_t bytes = (dsm_sync_bytes(objects, entries) + 63) & ~(size_t)63;

	memset(sc, 0, sizeof *sc);
	sc->mem = aligned_alloc(64, bytes);
	assert_non_null(sc->mem);
	memset(sc->mem, 0, bytes);
	dsm_sync_open(&sc->s, sc->mem, objects, entries, note, sc);
}

/* Nothing is left behind, and nothing was said that was not looked at. */
static void end_scene(struct scene *sc)
{
	assert_int_equal(sc->read, sc->nsaid);
	assert_int_equal(dsm_sync_entries(&sc->s), 0);
	assert_int_equal(dsm_sync_objects(&sc->s), 0);
	free(sc->mem);
}

static void serve(struct scene *sc, uint32_t rank, uint64_t ticket, uint32_t op, uint64_t id,
		  uint64_t a, uint64_t b)
{
	struct dsm_sync_req q = {
		.space = SPACE, .id = id, .ticket = ticket, .a = a, .b = b, .rank = rank, .op = op
	};

	dsm_sync_serve(&sc->s, &q);
}

/* The next thing that was said. */
static void heard(struct scene *sc, uint32_t rank, uint64_t ticket, int code, uint64_t value)
{
	assert_true(sc->read < sc->nsaid);
	const struct said *w = &sc->said[sc->read++];
	assert_int_equal(w->rank, rank);
	assert_int_equal(w->r.ticket, ticket);
	assert_int_equal(w->r.code, code);
	assert_int_equal(w->r.value, value);
}

static void silence(struct scene *sc)
{
	assert_int_equal(sc->read, sc->nsaid);
}

static void locks_in_order(void **state)
{
	struct scene sc;

	set_scene(&sc, OBJECTS, ENTRIES);
	serve(&sc, 0, 10, DSM_SYNC_LOCK, 1, 0, 0);
	heard(&sc, 0, 10, 0, 0);
	serve(&sc, 1, 20, DSM_SYNC_LOCK, 1, 0, 0);
	serve(&sc, 2, 30, DSM_SYNC_LOCK, 1, 0, 0);
	serve(&sc, 0, 11, DSM_SYNC_LOCK, 1, 0, 0); /* another thread of rank 0 */
	silence(&sc);
	serve(&sc, 3, 40, DSM_SYNC_TRYLOCK, 1, 0, 0);
	heard(&sc, 3, 40, -EBUSY, 0);
	serve(&sc, 1, 21, DSM_SYNC_UNLOCK, 1, 20, DSM_SYNC_LOCK);
	heard(&sc, 1, 21, -EPERM, 0);
	serve(&sc, 0, 12, DSM_SYNC_UNLOCK, 1, 10, DSM_SYNC_LOCK);
	heard(&sc, 1, 20, 0, 0);
	heard(&sc, 0, 12, 0, 0);
	serve(&sc, 1, 22, DSM_SYNC_UNLOCK, 1, 20, DSM_SYNC_LOCK);
	heard(&sc, 2, 30, 0, 0);
	heard(&sc, 1, 22, 0, 0);
	serve(&sc, 2, 31, DSM_SYNC_UNLOCK, 1, 30, DSM_SYNC_LOCK);
	heard(&sc, 0, 11, 0, 0);
	heard(&sc, 2, 31, 0, 0);
	serve(&sc, 0, 13, DSM_SYNC_UNLOCK, 1, 11, DSM_SYNC_LOCK);
	heard(&sc, 0, 13, 0, 0);
	end_scene(&sc);
}

static void asked_twice(void **state)
{
	struct scene sc;

	set_scene(&sc, OBJECTS, ENTRIES);
	serve(&sc, 0, 10, DSM_SYNC_LOCK, 1, 0, 0);
	serve(&sc, 0, 10, DSM_SYNC_LOCK, 1, 0, 0);
	heard(&sc, 0, 10, 0, 0);
	heard(&sc, 0, 10, 0, 0);
	serve(&sc, 1, 20, DSM_SYNC_LOCK, 1, 0, 0);
	serve(&sc, 1, 20, DSM_SYNC_LOCK, 1, 0, 0);
	silence(&sc);
	serve(&sc, 0, 11, DSM_SYNC_UNLOCK, 1, 10, DSM_SYNC_LOCK);
	heard(&sc, 1, 20, 0, 0);
	heard(&sc, 0, 11, 0, 0);
	serve(&sc, 0, 11, DSM_SYNC_UNLOCK, 1, 10, DSM_SYNC_LOCK);
	heard(&sc, 0, 11, -EPERM, 0);
	serve(&sc, 1, 21, DSM_SYNC_UNLOCK, 1, 20, DSM_SYNC_LOCK);
	heard(&sc, 1, 21, 0, 0);
	end_scene(&sc);
}

static void readers_and_writers(void **state)
{
	struct scene sc;

	set_scene(&sc, OBJECTS, ENTRIES);
	serve(&sc, 0, 10, DSM_SYNC_READ, 1, 0, 0);
	serve(&sc, 1, 20, DSM_SYNC_READ, 1, 0, 0);
	heard(&sc, 0, 10, 0, 0);
	heard(&sc, 1, 20, 0, 0);
	serve(&sc, 2, 30, DSM_SYNC_WRITE, 1, 0, 0);
	serve(&sc, 3, 40, DSM_SYNC_READ, 1, 0, 0); /* not before the writer */
	serve(&sc, 0, 11, DSM_SYNC_READ, 1, 0, 0);
	silence(&sc);
	/* The mutex of the same number is another one. */
	serve(&sc, 4, 50, DSM_SYNC_LOCK, 1, 0, 0);
	heard(&sc, 4, 50, 0, 0);
	serve(&sc, 4, 51, DSM_SYNC_UNLOCK, 1, 50, DSM_SYNC_LOCK);
	heard(&sc, 4, 51, 0, 0);
	serve(&sc, 0, 12, DSM_SYNC_UNLOCK, 1, 10, DSM_SYNC_READ);
	heard(&sc, 0, 12, 0, 0);
	serve(&sc, 1, 21, DSM_SYNC_UNLOCK, 1, 20, DSM_SYNC_READ);
	heard(&sc, 2, 30, 0, 0);
	heard(&sc, 1, 21, 0, 0);
	serve(&sc, 2, 31, DSM_SYNC_UNLOCK, 1, 30, DSM_SYNC_WRITE);
	heard(&sc, 3, 40, 0, 0);
	heard(&sc, 0, 11, 0, 0);
	heard(&sc, 2, 31, 0, 0);
	serve(&sc, 3, 41, DSM_SYNC_UNLOCK, 1, 40, DSM_SYNC_READ);
	serve(&sc, 0, 13, DSM_SYNC_UNLOCK, 1, 11, DSM_SYNC_READ);
	heard(&sc, 3, 41, 0, 0);
	heard(&sc, 0, 13, 0, 0);
	end_scene(&sc);
}

static void holder_dies(void **state)
{
	struct scene sc;

	set_scene(&sc, OBJECTS, ENTRIES);
	serve(&sc, 0, 10, DSM_SYNC_WRITE, 1, 0, 0);
	heard(&sc, 0, 10, 0, 0);
	serve(&sc, 0, 11, DSM_SYNC_WRITE, 1, 0, 0);
	serve(&sc, 1, 20, DSM_SYNC_READ, 1, 0, 0);
	serve(&sc, 2, 30, DSM_SYNC_WRITE, 1, 0, 0);
	serve(&sc, 3, 40, DSM_SYNC_WRITE, 1, 0, 0);
	dsm_sync_death(&sc.s, 0);
	heard(&sc, 1, 20, DSM_SYNC_OWNER_DEAD, 0); /* may only look */
	dsm_sync_death(&sc.s, 0);
	serve(&sc, 1, 21, DSM_SYNC_UNLOCK, 1, 20, DSM_SYNC_READ);
	heard(&sc, 2, 30, DSM_SYNC_OWNER_DEAD, 0); /* may repair */
	heard(&sc, 1, 21, 0, 0);
	serve(&sc, 2, 31, DSM_SYNC_UNLOCK, 1, 30, DSM_SYNC_WRITE);
	heard(&sc, 3, 40, 0, 0);
	heard(&sc, 2, 31, 0, 0);
	serve(&sc, 3, 41, DSM_SYNC_UNLOCK, 1, 40, DSM_SYNC_WRITE);
	heard(&sc, 3, 41, 0, 0);
	/* Nobody waits: it is remembered. A reader's death is nobody's concern. */
	serve(&sc, 1, 22, DSM_SYNC_LOCK, 1, 0, 0);
	serve(&sc, 1, 23, DSM_SYNC_READ, 2, 0, 0);
	heard(&sc, 1, 22, 0, 0);
	heard(&sc, 1, 23, 0, 0);
	dsm_sync_death(&sc.s, 1);
	serve(&sc, 2, 32, DSM_SYNC_TRYLOCK, 1, 0, 0);
	serve(&sc, 2, 33, DSM_SYNC_WRITE, 2, 0, 0);
	heard(&sc, 2, 32, DSM_SYNC_OWNER_DEAD, 0);
	heard(&sc, 2, 33, 0, 0);
	serve(&sc, 2, 34, DSM_SYNC_UNLOCK, 1, 32, DSM_SYNC_LOCK);
	serve(&sc, 2, 35, DSM_SYNC_UNLOCK, 2, 33, DSM_SYNC_WRITE);
	heard(&sc, 2, 34, 0, 0);
	heard(&sc, 2, 35, 0, 0);
	end_scene(&sc);
}

static void conditions(void **state)
{
	struct scene sc;

	set_scene(&sc, OBJECTS, ENTRIES);
	serve(&sc, 0, 10, DSM_SYNC_SIGNAL, 1, 1, 0); /* nobody is there, nothing is kept */
	heard(&sc, 0, 10, 0, 0);
	for (uint32_t r = 0; r < 4; r++) {
		serve(&sc, r, 20 + r, DSM_SYNC_WAIT, 1, 0, 0);
		heard(&sc, r, 20 + r, DSM_SYNC_QUEUED, 0);
	}
	serve(&sc, 4, 30, DSM_SYNC_SIGNAL, 1, 1, 0);
	heard(&sc, 0, 20, 0, 0);
	heard(&sc, 4, 30, 0, 1);
	dsm_sync_death(&sc.s, 1);
	serve(&sc, 2, 31, DSM_SYNC_CANCEL, 1, 22, DSM_SYNC_WAIT);
	heard(&sc, 2, 22, -ECANCELED, 0);
	heard(&sc, 2, 31, 0, 0);
	serve(&sc, 4, 32, DSM_SYNC_SIGNAL, 1, UINT64_MAX, 0);
	heard(&sc, 3, 23, 0, 0);
	heard(&sc, 4, 32, 0, 1);
	serve(&sc, 3, 33, DSM_SYNC_CANCEL, 1, 23, DSM_SYNC_WAIT);
	heard(&sc, 3, 33, -EPERM, 0);
	end_scene(&sc);
}

static void barriers(void **state)
{
	struct scene sc;

	set_scene(&sc, OBJECTS, ENTRIES);
	serve(&sc, 0, 10, DSM_SYNC_BARRIER, 1, 0, 0);
	heard(&sc, 0, 10, -EINVAL, 0);
	serve(&sc, 0, 11, DSM_SYNC_BARRIER, 1, 1, 0);
	heard(&sc, 0, 11, 0, 1);
	for (int round = 0; round < 3; round++) {
		serve(&sc, 0, 20, DSM_SYNC_BARRIER, 1, 3, 0);
		serve(&sc, 1, 21, DSM_SYNC_BARRIER, 1, 2, 0);
		heard(&sc, 1, 21, -EINVAL, 0);
		serve(&sc, 1, 22, DSM_SYNC_BARRIER, 1, 3, 0);
		silence(&sc);
		serve(&sc, 2, 23, DSM_SYNC_BARRIER, 1, 3, 0);
		heard(&sc, 0, 20, 0, 0);
		heard(&sc, 1, 22, 0, 0);
		heard(&sc, 2, 23, 0, 1);
	}
	serve(&sc, 0, 30, DSM_SYNC_BARRIER, 1, 2, 0);
	dsm_sync_death(&sc.s, 0); /* has not come any more */
	serve(&sc, 1, 31, DSM_SYNC_BARRIER, 1, 2, 0);
	silence(&sc);
	serve(&sc, 1, 32, DSM_SYNC_CANCEL, 1, 31, DSM_SYNC_BARRIER);
	heard(&sc, 1, 31, -ECANCELED, 0);
	heard(&sc, 1, 32, 0, 0);
	end_scene(&sc);
}

static void cells(void **state)
{
	struct scene sc;

	set_scene(&sc, OBJECTS, ENTRIES);
	serve(&sc, 0, 1, DSM_SYNC_LOAD, 9, 0, 0);
	heard(&sc, 0, 1, 0, 0);
	serve(&sc, 0, 2, DSM_SYNC_ADD, 9, 5, 0);
	heard(&sc, 0, 2, 0, 0);
	serve(&sc, 0, 3, DSM_SYNC_CAS, 9, 4, 8);
	heard(&sc, 0, 3, 0, 5);
	serve(&sc, 0, 4, DSM_SYNC_CAS, 9, 5, 8);
	heard(&sc, 0, 4, 0, 5);
	serve(&sc, 0, 5, DSM_SYNC_SWAP, 9, 3, 0);
	heard(&sc, 0, 5, 0, 8);
	serve(&sc, 0, 6, DSM_SYNC_STORE, 9, 1, 0);
	heard(&sc, 0, 6, 0, 3);
	serve(&sc, 0, 7, DSM_SYNC_ADD, 9, UINT64_MAX, 0);
	heard(&sc, 0, 7, 0, 1);
	serve(&sc, 0, 8, DSM_SYNC_LOAD, 9, 0, 0);
	heard(&sc, 0, 8, 0, 0);
	end_scene(&sc);
}

static void nonsense(void **state)
{
	struct scene sc;

	set_scene(&sc, OBJECTS, ENTRIES);
	serve(&sc, 0, 1, 0, 9, 0, 0);
	heard(&sc, 0, 1, -EINVAL, 0);
	serve(&sc, 0, 2, DSM_SYNC_OPS, 9, 0, 0);
	heard(&sc, 0, 2, -EINVAL, 0);
	serve(&sc, 0, 3, DSM_SYNC_UNLOCK, 9, 77, 12345);
	heard(&sc, 0, 3, -EPERM, 0);
	serve(&sc, 0, 4, DSM_SYNC_CANCEL, 9, 77, 12345);
	heard(&sc, 0, 4, -EPERM, 0);
	end_scene(&sc);
}

static void no_room(void **state)
{
	struct scene sc;

	set_scene(&sc, 2, 2);
	serve(&sc, 0, 1, DSM_SYNC_LOCK, 1, 0, 0);
	serve(&sc, 0, 2, DSM_SYNC_LOCK, 2, 0, 0);
	heard(&sc, 0, 1, 0, 0);
	heard(&sc, 0, 2, 0, 0);
	serve(&sc, 1, 3, DSM_SYNC_LOCK, 1, 0, 0);
	heard(&sc, 1, 3, -ENOMEM, 0);
	serve(&sc, 1, 4, DSM_SYNC_WAIT, 3, 0, 0);
	heard(&sc, 1, 4, -ENOMEM, 0);
	serve(&sc, 1, 5, DSM_SYNC_ADD, 3, 1, 0);
	heard(&sc, 1, 5, -ENOMEM, 0);
	serve(&sc, 1, 6, DSM_SYNC_BARRIER, 4, 2, 0);
	heard(&sc, 1, 6, -ENOMEM, 0);
	serve(&sc, 0, 7, DSM_SYNC_UNLOCK, 1, 1, DSM_SYNC_LOCK);
	heard(&sc, 0, 7, 0, 0);
	serve(&sc, 1, 8, DSM_SYNC_ADD, 3, 1, 0);
	heard(&sc, 1, 8, 0, 0);
	dsm_sync_forget(&sc.s, SPACE, 0xff);
	end_scene(&sc);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void many_ranks(void **state)
{
	uint64_t first = number("SYNC_SEED", 1), runs = number("SYNC_RUNS", 400);

	for (uint64_t seed = first; seed < first + runs; seed++) {
		char why[256];
		if (sync_world_run(seed, false, why, sizeof why) < 0)
			fail_msg("SYNC_SEED=%llu SYNC_RUNS=1: %s", (unsigned long long)seed, why);
	}
}

/* The model must be able to see what is wrong. */
static void faults_are_seen(void **state)
{
	uint32_t seen = 0;
	char why[256];

	for (uint64_t seed = 1; seed <= 50; seed++)
		seen += sync_world_run(seed, true, why, sizeof why) < 0;
	assert_true(seen > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locks_in_order),
		cmocka_unit_test(asked_twice),
		cmocka_unit_test(readers_and_writers),
		cmocka_unit_test(holder_dies),
		cmocka_unit_test(conditions),
		cmocka_unit_test(barriers),
		cmocka_unit_test(cells),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(no_room),
		cmocka_unit_test(many_ranks),
		cmocka_unit_test(faults_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
