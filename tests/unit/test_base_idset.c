/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "libdvm/base/idset.h"
#include "libdvm/base/rng.h"
#include "tests/unit/cm.h"

static void assert_text(const struct dvmi_idset *set, const char *text)
{
	struct dvmi_buf b = { 0 };

	dvmi_idset_format(set, &b);
	dvmi_buf_put_u8(&b, 0);
	assert_int_equal(b.err, 0);
	assert_string_equal(b.data, text);
	dvmi_buf_free(&b);
}

static void assert_parses(const char *in, const char *canonical)
{
	struct dvmi_idset set = { 0 };

	assert_int_equal(dvmi_idset_parse(&set, in, 1000), 0);
	assert_text(&set, canonical);
	dvmi_idset_free(&set);
}

static void text_becomes_canonical(void **state)
{
	assert_parses("", "");
	assert_parses("0", "0");
	assert_parses("0-3,7,9-12", "0-3,7,9-12");
	assert_parses("12,9-11,7,3,2,1,0", "0-3,7,9-12");
	assert_parses("1-5,2-3,5-6", "1-6");
	assert_parses("1,1,1", "1");
	assert_parses("4-5,0-1,2-3", "0-5");
	assert_parses("007", "7");
	assert_parses("1000", "1000");
}

static void assert_refused(const char *in, int code)
{
	struct dvmi_idset set = { 0 };

	assert_int_equal(dvmi_idset_add(&set, 5, 6), 0);
	assert_int_equal(dvmi_idset_parse(&set, in, 1000), code);
	assert_text(&set, "5-6");
	dvmi_idset_free(&set);
}

static void bad_text_is_refused_and_leaves_the_set(void **state)
{
	static const char *const bad[] = { ",",	 "1,",	 ",1",	  "1,,2", "-",	 "1-",
					   "-1", "3-1",	 "1-2-3", "a",	  "1a",	 " 1",
					   "1 ", "1, 2", "+1",	  "0x1",  "1;2", "1\n" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_refused(bad[i], -EINVAL);
	assert_refused("1001", -ERANGE);
	assert_refused("0-1001", -ERANGE);
	assert_refused("18446744073709551617", -ERANGE);
}

static void only_the_given_bytes_are_read(void **state)
{
	struct dvmi_idset set = { 0 };

	assert_int_equal(dvmi_idset_parse_n(&set, "1-34", 3, 100), 0);
	assert_text(&set, "1-3");
	assert_int_equal(dvmi_idset_parse_n(&set, "1-34", 2, 100), -EINVAL);
	dvmi_idset_free(&set);
}

static void the_largest_id_works(void **state)
{
	struct dvmi_idset set = { 0 };

	assert_int_equal(dvmi_idset_parse(&set, "4294967295", UINT32_MAX), -ERANGE);
	assert_int_equal(dvmi_idset_parse(&set, "0-4294967294", UINT32_MAX), 0);
	assert_int_equal(dvmi_idset_count(&set), UINT64_C(4294967295));
	assert_int_equal(dvmi_idset_add(&set, 0, UINT32_MAX), -EINVAL);
	assert_int_equal(dvmi_idset_add(&set, DVMI_IDSET_MAX, DVMI_IDSET_MAX), 0);
	assert_int_equal(dvmi_idset_del(&set, 1, DVMI_IDSET_MAX), 0);
	assert_text(&set, "0");
	assert_int_equal(dvmi_idset_add(&set, 2, 1), -EINVAL);
	dvmi_idset_free(&set);
}

#define UNIVERSE 200

static void check_against(const struct dvmi_idset *set, const bool *model)
{
	uint64_t count = 0;

	for (uint32_t id = 0; id < UNIVERSE; id++) {
		assert_int_equal(dvmi_idset_has(set, id), model[id]);
		count += model[id];
	}
	assert_int_equal(dvmi_idset_count(set), count);
	for (size_t i = 1; i < set->n; i++)
		assert_true(set->r[i].lo > set->r[i - 1].hi + 1);
}

static void random_step(struct dvmi_rng *rng, struct dvmi_idset *set, bool *model)
{
	uint32_t lo = (uint32_t)dvmi_rng_below(rng, UNIVERSE);
	uint32_t hi = lo + (uint32_t)dvmi_rng_below(rng, UNIVERSE - lo);
	bool add = dvmi_rng_below(rng, 2);

	if (hi - lo > 20)
		hi = lo + hi % 20;
	assert_int_equal(add ? dvmi_idset_add(set, lo, hi) : dvmi_idset_del(set, lo, hi), 0);
	memset(model + lo, add, hi - lo + 1);
}

static void agrees_with_an_array_of_flags(void **state)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct dvmi_rng rng;
		struct dvmi_idset set = { 0 };
		bool model[UNIVERSE] = { 0 };

		dvmi_rng_seed(&rng, seed);
		for (int i = 0; i < 60; i++) {
			random_step(&rng, &set, model);
			check_against(&set, model);
		}
		dvmi_idset_free(&set);
	}
}

static void random_sets_unite_and_survive_text(void **state)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct dvmi_rng rng;
		struct dvmi_idset a = { 0 }, b = { 0 }, c = { 0 };
		bool model[UNIVERSE] = { 0 }, other[UNIVERSE] = { 0 };
		struct dvmi_buf text = { 0 };

		dvmi_rng_seed(&rng, seed);
		for (int i = 0; i < 10; i++) {
			random_step(&rng, &a, model);
			random_step(&rng, &b, other);
		}
		assert_int_equal(dvmi_idset_union(&a, &b), 0);
		for (int i = 0; i < UNIVERSE; i++)
			model[i] |= other[i];
		check_against(&a, model);
		dvmi_idset_format(&a, &text);
		assert_int_equal(dvmi_idset_parse_n(&c, (char *)text.data, text.len, UNIVERSE), 0);
		assert_true(dvmi_idset_equal(&a, &c));
		dvmi_idset_free(&a);
		dvmi_idset_free(&b);
		dvmi_idset_free(&c);
		dvmi_buf_free(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_becomes_canonical),
		cmocka_unit_test(bad_text_is_refused_and_leaves_the_set),
		cmocka_unit_test(only_the_given_bytes_are_read),
		cmocka_unit_test(the_largest_id_works),
		cmocka_unit_test(agrees_with_an_array_of_flags),
		cmocka_unit_test(random_sets_unite_and_survive_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
