/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <stdlib.h>

#include "libdvm/net/split.h"
#include "tests/unit/cm.h"

static void chunks_cover_every_length(void **state)
{
	static const uint64_t wants[] = { 1,	      4096,	  32768,      32769,
					  65536,      100001,	  524287,     524288,
					  524289,     1 << 20,	  3 << 20,    1u << 31,
					  1ull << 33, 1ull << 41, 1ull << 52, UINT64_MAX / 2 };

	for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
		uint64_t w = wants[i], c = dvmi_split_chunk(w), n = dvmi_split_chunks(w);
		assert_true(n >= 1 && n < DVMI_SPLIT_MASK);
		assert_true((n - 1) * c < w);
		assert_true(w / c < n || (w / c == n && w % c == 0));
		assert_int_equal(n == 1, w <= DVMI_SPLIT_ALONE);
	}
	assert_int_equal(dvmi_split_chunk(0), 1);
}

static void both_ends_meet(void **state)
{
	struct dvmi_split s;

	dvmi_split_offer(&s, 7);
	assert_int_equal(dvmi_split_front(&s, 7, 3), 0);
	assert_int_equal(dvmi_split_state(&s, 7, 3), DVMI_SPLIT_OPEN);
	assert_int_equal(dvmi_split_back(&s, 7, 3), 2);
	assert_int_equal(dvmi_split_back(&s, 7, 3), 1);
	assert_int_equal(dvmi_split_back(&s, 7, 3), DVMI_SPLIT_NONE);
	assert_int_equal(dvmi_split_front(&s, 7, 3), DVMI_SPLIT_NONE);
	assert_int_equal(dvmi_split_state(&s, 7, 3), DVMI_SPLIT_WAITING);
	dvmi_split_pushed(&s, true);
	assert_int_equal(dvmi_split_state(&s, 7, 3), DVMI_SPLIT_WAITING);
	dvmi_split_pushed(&s, true);
	assert_int_equal(dvmi_split_state(&s, 7, 3), DVMI_SPLIT_COMPLETE);
}

static void a_closed_one_gives_no_more(void **state)
{
	struct dvmi_split s;

	dvmi_split_offer(&s, 1);
	assert_int_equal(dvmi_split_back(&s, 1, 9), 8);
	dvmi_split_close(&s, 1, 9);
	assert_int_equal(dvmi_split_back(&s, 1, 9), DVMI_SPLIT_NONE);
	assert_int_equal(dvmi_split_front(&s, 1, 9), DVMI_SPLIT_NONE);
	assert_int_equal(dvmi_split_state(&s, 1, 9), DVMI_SPLIT_WAITING);
	dvmi_split_pushed(&s, false);
	assert_int_equal(dvmi_split_state(&s, 1, 9), DVMI_SPLIT_BROKEN);
}

/* A late receiver neither claims nor closes what is another copy by now. */
static void generations_are_apart(void **state)
{
	struct dvmi_split s;

	dvmi_split_offer(&s, 65535);
	assert_int_equal(dvmi_split_front(&s, 65535, 2), 0);
	assert_true(dvmi_split_valid(&s, 65535));
	dvmi_split_withdraw(&s, 65535);
	assert_false(dvmi_split_valid(&s, 65535));
	assert_int_equal(dvmi_split_front(&s, 65535, 2), DVMI_SPLIT_GONE);
	assert_int_equal(dvmi_split_state(&s, 65535, 2), DVMI_SPLIT_WITHDRAWN);
	dvmi_split_offer(&s, 0);
	dvmi_split_close(&s, 65535, 2);
	assert_int_equal(dvmi_split_back(&s, 0, 2), 1);
}

/* Whatever the other process writes there, an index is below N. */
static void nonsense_leads_nowhere(void **state)
{
	static const uint64_t claims[] = {
		UINT64_MAX, DVMI_SPLIT_MASK, DVMI_SPLIT_MASK << DVMI_SPLIT_BITS, 5, 5 << 24, 0
	};
	struct dvmi_split s = { 0 };

	for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++)
		for (int back = 0; back < 2; back++) {
			uint16_t gen = (uint16_t)(claims[i] >> 48);
			atomic_store(&s.claim, claims[i]);
			atomic_store(&s.pushed, UINT64_MAX >> 1);
			int64_t k =
				back ? dvmi_split_back(&s, gen, 4) : dvmi_split_front(&s, gen, 4);
			assert_true(k < 4);
			dvmi_split_close(&s, gen, 4);
			assert_int_not_equal(dvmi_split_state(&s, gen, 4), DVMI_SPLIT_COMPLETE);
		}
}

enum { CHUNKS = 300000 };

struct race {
	struct dvmi_split s;
	uint8_t *seen;
};

static void *push_all(void *arg)
{
	struct race *r = arg;
	int64_t k;

	while ((k = dvmi_split_back(&r->s, 3, CHUNKS)) >= 0) {
		r->seen[k]++;
		dvmi_split_pushed(&r->s, true);
	}
	return NULL;
}

static void each_chunk_belongs_to_one(void **state)
{
	struct race r = { .seen = calloc(CHUNKS, 1) };
	pthread_t id;
	int64_t k;

	dvmi_split_offer(&r.s, 3);
	assert_int_equal(pthread_create(&id, NULL, push_all, &r), 0);
	while ((k = dvmi_split_front(&r.s, 3, CHUNKS)) >= 0)
		r.seen[k]++;
	while (dvmi_split_state(&r.s, 3, CHUNKS) == DVMI_SPLIT_WAITING)
		;
	/* Complete means that the other's writes are seen here, joined or not. */
	assert_int_equal(dvmi_split_state(&r.s, 3, CHUNKS), DVMI_SPLIT_COMPLETE);
	for (int i = 0; i < CHUNKS; i++)
		assert_int_equal(r.seen[i], 1);
	pthread_join(id, NULL);
	free(r.seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_cover_every_length),
		cmocka_unit_test(both_ends_meet),
		cmocka_unit_test(a_closed_one_gives_no_more),
		cmocka_unit_test(generations_are_apart),
		cmocka_unit_test(nonsense_leads_nowhere),
		cmocka_unit_test(each_chunk_belongs_to_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
