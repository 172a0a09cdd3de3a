/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/base/rng.h"
#include "libdvm/src/rankmap.h"
#include "tests/unit/cm.h"

static void identity(void **state)
{
	struct dvmi_rankmap m;

	(void)state;
	dvmi_rankmap_init(&m, 3);
	assert_int_equal(dvmi_rankmap_peer(&m, 2), 2);
	assert_int_equal(dvmi_rankmap_rank(&m, 2), 2);
	assert_int_equal(dvmi_rankmap_rank(&m, 3), -ENOENT);
	dvmi_rankmap_fini(&m);
}

static void bad_sets(void **state)
{
	static const uint32_t twice[] = { 4, 1, 4 };
	struct dvmi_rankmap m = { .size = 77 };

	(void)state;
	assert_int_equal(dvmi_rankmap_set(&m, twice, 3), -EINVAL);
	assert_int_equal(dvmi_rankmap_set(&m, twice, 0), -EINVAL);
	assert_int_equal(m.size, 77);
}

/* Any order of any peers: there and back, and nobody else. */
static void shuffled(void **state)
{
	enum { PEERS = 40 };
	struct dvmi_rng rng;

	(void)state;
	dvmi_rng_seed(&rng, 7);
	for (int run = 0; run < 200; run++) {
		uint32_t all[PEERS], n = 1 + (uint32_t)dvmi_rng_below(&rng, PEERS);
		struct dvmi_rankmap m;
		for (uint32_t i = 0; i < PEERS; i++)
			all[i] = i;
		for (uint32_t i = PEERS; i-- > 1;) {
			uint32_t j = (uint32_t)dvmi_rng_below(&rng, i + 1), t = all[i];
			all[i] = all[j];
			all[j] = t;
		}
		assert_int_equal(dvmi_rankmap_set(&m, all, n), 0);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(dvmi_rankmap_peer(&m, i), all[i]);
		for (uint32_t i = 0; i < PEERS; i++)
			assert_int_equal(dvmi_rankmap_rank(&m, all[i]), i < n ? (int)i : -ENOENT);
		dvmi_rankmap_fini(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identity),
		cmocka_unit_test(bad_sets),
		cmocka_unit_test(shuffled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
