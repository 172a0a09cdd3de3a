/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "libdvm/base/rng.h"
#include "libdvm/src/nodes.h"
#include "tests/unit/cm.h"

static void two_nodes(void **state)
{
	static const uint32_t where[] = { 5, 2, 5, 5, 2 };
	struct dvmi_nodes *n = dvmi_nodes_make(where, 5, 6, 3);

	(void)state;
	assert_non_null(n);
	assert_int_equal(n->count, 2);
	assert_int_equal(n->self, 0);
	assert_int_equal(n->place, 2);
	assert_int_equal(n->most, 3);
	assert_int_equal(dvmi_nodes_leader(n, 0), 0);
	assert_int_equal(dvmi_nodes_leader(n, 1), 1);
	assert_int_equal(dvmi_nodes_size(n, 0), 3);
	assert_int_equal(dvmi_nodes_size(n, 1), 2);
	assert_int_equal(n->ranks[1], 2);
	assert_int_equal(n->ranks[4], 4);
	free(n);
}

/* Everything that must hold, whatever the placement. */
static void check(const struct dvmi_nodes *n, const uint32_t *where, uint32_t size, uint32_t self)
{
	uint32_t most = 0, seen = 0;

	assert_int_equal(n->first[0], 0);
	assert_int_equal(n->first[n->count], size);
	for (uint32_t i = 0; i < n->count; i++) {
		uint32_t lead = dvmi_nodes_leader(n, i);
		assert_true(i == 0 ? lead == 0 : lead > dvmi_nodes_leader(n, i - 1));
		assert_true(dvmi_nodes_size(n, i) > 0);
		if (dvmi_nodes_size(n, i) > most)
			most = dvmi_nodes_size(n, i);
		for (uint32_t k = n->first[i]; k < n->first[i + 1]; k++, seen++) {
			assert_int_equal(n->node_of[n->ranks[k]], i);
			assert_int_equal(where[n->ranks[k]], where[lead]);
			assert_true(k == n->first[i] || n->ranks[k] > n->ranks[k - 1]);
		}
	}
	assert_int_equal(seen, size);
	assert_int_equal(n->most, most);
	assert_int_equal(n->self, n->node_of[self]);
	assert_int_equal(n->ranks[n->first[n->self] + n->place], self);
}

static void random_placements(void **state)
{
	struct dvmi_rng rng;

	(void)state;
	dvmi_rng_seed(&rng, 7);
	for (int i = 0; i < 500; i++) {
		uint32_t where[40], size = 1 + (uint32_t)dvmi_rng_below(&rng, 40);
		uint32_t places = 1 + (uint32_t)dvmi_rng_below(&rng, 9);
		for (uint32_t r = 0; r < size; r++)
			where[r] = (uint32_t)dvmi_rng_below(&rng, places);
		uint32_t self = (uint32_t)dvmi_rng_below(&rng, size);
		struct dvmi_nodes *n = dvmi_nodes_make(where, size, places, self);
		assert_non_null(n);
		check(n, where, size, self);
		free(n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_nodes),
		cmocka_unit_test(random_placements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
