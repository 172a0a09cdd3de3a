/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/rng.h"
#include "sched/dsched.h"
#include "tests/unit/cm.h"

static int parse(struct dsched_topo *t, const char *text)
{
	return dsched_topo_parse(t, text, strlen(text));
}

static void assert_format(const struct dsched_topo *t, const char *text)
{
	struct dvmi_buf b = { 0 };

	dsched_topo_format(t, &b);
	dvmi_buf_put_u8(&b, 0);
	assert_int_equal(b.err, 0);
	assert_string_equal(b.data, text);
	dvmi_buf_free(&b);
}

static void assert_canonical(const char *in, const char *out)
{
	struct dsched_topo t;

	assert_int_equal(parse(&t, in), 0);
	assert_format(&t, out);
	dsched_topo_free(&t);
}

static void text_is_understood(void **state)
{
	struct dsched_topo t;

	assert_int_equal(parse(&t, "t1 P0 N0 L 0,8x2 L 2,10 P3 N1 L 4-5 N0 6"), 0);
	assert_int_equal(t.npus, 9);
	assert_int_equal(t.ncores, 5);
	assert_int_equal(t.nl3, 3);
	assert_int_equal(t.nnuma, 2);
	assert_int_equal(t.npackages, 2);
	assert_int_equal(t.package_os[1], 3);
	static const struct dsched_pu want[] = {
		{ 0, 0, 0, 0, 0 }, { 8, 0, 0, 0, 0 }, { 1, 1, 0, 0, 0 },
		{ 9, 1, 0, 0, 0 }, { 2, 2, 1, 0, 0 }, { 10, 2, 1, 0, 0 },
		{ 4, 3, 2, 1, 1 }, { 5, 3, 2, 1, 1 }, { 6, 4, 2, 0, 1 },
	};
	for (uint32_t i = 0; i < t.npus; i++) {
		assert_int_equal(t.pus[i].os, want[i].os);
		assert_int_equal(t.pus[i].core, want[i].core);
		assert_int_equal(t.pus[i].l3, want[i].l3);
		assert_int_equal(t.pus[i].numa, want[i].numa);
		assert_int_equal(t.pus[i].package, want[i].package);
	}
	dsched_topo_free(&t);
}

static void text_becomes_canonical(void **state)
{
	assert_canonical("t1 P0 N0 L 0", "t1 P0 N0 L 0");
	assert_canonical("t1 P0 N0 L 0 1 2", "t1 P0 N0 L 0x3");
	assert_canonical("t1 L P0 N0 0-1 2-3 6-7", "t1 P0 N0 L 0-1x2/2 6-7");
	assert_canonical("t1 P0 N0 L 0,64x1 1,65", "t1 P0 N0 L 0,64x2");
	assert_canonical("t1 P0 N0 L 0x2 L 2x2", "t1 P0 N0 L 0x2 L 2x2");
}

static void bad_text_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"t1",
		"t2 P0 N0 L 0",
		"t1 P0 N0 L",
		"t1 0",
		"t1 P0 N0 0",
		"t1 P0 L 0",
		"t1 N0 L 0",
		"t1 P0 N0 L ",
		"t1 P0 N0 L 0 ",
		"t1  P0 N0 L 0",
		"t1 P0 N0 L 0 0",
		"t1 P0 N0 L 0-3x2",
		"t1 P0 N0 L 0x0",
		"t1 P0 N0 L 0x2/0",
		"t1 P0 N0 L 0x",
		"t1 P0 N0 L 0x2/",
		"t1 P0 N0 L x2",
		"t1 P0 N0 L 8192",
		"t1 P0 N0 L 0x8193",
		"t1 P0 N0 L 8191x2",
		"t1 P0 N0 L 0 P1",
		"t1 P0 N0 L 0 N1",
		"t1 P0 N0 L 0 L",
		"t1 P0 P1 N0 L 0",
		"t1 P0 N0 N1 L 0",
		"t1 P0 N0 L L 0",
		"t1 P0 N0 L 0 P0 1",
		"t1 P N0 L 0",
		"t1 P70000 N0 L 0",
		"t1 P0 N L 0",
		"t1 P0 N0 L1 0",
		"t1P0 N0 L 0",
		"t1 P0 N0 L 0x2/1/1",
		"t1 P0 N0 L -1",
		"t1 P0 N0 L 99999999999",
		"t1 Q0 N0 L 0",
		"t1 P0 N0 L 0\n",
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct dsched_topo t = { .npus = 77 };
		if (parse(&t, bad[i]) != -DVM_EPROTO)
			fail_msg("\"%s\" is taken", bad[i]);
		assert_int_equal(t.npus, 77);
	}
}

static void the_largest_fits(void **state)
{
	struct dsched_topo t;
	struct dvmi_buf b = { 0 };

	assert_int_equal(parse(&t, "t1 P0 N0 L 0x8192"), 0);
	assert_int_equal(t.ncores, DSCHED_PU_MAX);
	dsched_topo_free(&t);

	/* As many groups as there can be, and then one more that is empty. */
	dvmi_buf_printf(&b, "t1");
	for (int i = 0; i < 3000; i++)
		dvmi_buf_printf(&b, " P%d N%d L %d", i, i, i);
	assert_int_equal(dsched_topo_parse(&t, (char *)b.data, b.len), 0);
	assert_int_equal(t.nnuma, 3000);
	dsched_topo_free(&t);
	dvmi_buf_printf(&b, " P9999");
	assert_int_equal(dsched_topo_parse(&t, (char *)b.data, b.len), -DVM_EPROTO);
	dvmi_buf_free(&b);

	dvmi_buf_printf(&b, "t1 P0 N0");
	for (int i = 0; i < DSCHED_PU_MAX; i++)
		dvmi_buf_printf(&b, " L %d", i);
	assert_int_equal(dsched_topo_parse(&t, (char *)b.data, b.len), 0);
	dsched_topo_free(&t);
	dvmi_buf_printf(&b, " L");
	assert_int_equal(dsched_topo_parse(&t, (char *)b.data, b.len), -DVM_EPROTO);
	while (b.len <= DSCHED_TOPO_TEXT_MAX)
		dvmi_buf_printf(&b, " L");
	assert_int_equal(dsched_topo_parse(&t, (char *)b.data, b.len), -DVM_EPROTO);
	dvmi_buf_free(&b);
}

static void a_big_server_is_short(void **state)
{
	/* Two packages of 64 cores and two threads, 8 cores an L3, four NUMA nodes a package. */
	struct dvmi_buf in = { 0 }, out = { 0 };
	struct dsched_topo t;

	dvmi_buf_printf(&in, "t1");
	for (int core = 0; core < 128; core++) {
		if (core % 64 == 0)
			dvmi_buf_printf(&in, " P%d", core / 64);
		if (core % 16 == 0)
			dvmi_buf_printf(&in, " N%d", core / 16);
		if (core % 8 == 0)
			dvmi_buf_printf(&in, " L");
		dvmi_buf_printf(&in, " %d,%d", core, core + 128);
	}
	assert_int_equal(dsched_topo_parse(&t, (char *)in.data, in.len), 0);
	dsched_topo_format(&t, &out);
	assert_true(out.len < 256);
	dsched_topo_free(&t);
	dvmi_buf_free(&in);
	dvmi_buf_free(&out);
}

/* A random machine without regard for what exists. */
static void random_text(struct dvmi_rng *rng, struct dvmi_buf *b)
{
	unsigned os = 0;

	dvmi_buf_printf(b, "t1");
	for (uint64_t p = 0, np = 1 + dvmi_rng_below(rng, 4); p < np; p++) {
		dvmi_buf_printf(b, " P%u", (unsigned)p);
		for (uint64_t c = 0, nc = 1 + dvmi_rng_below(rng, 6); c < nc; c++) {
			if (c == 0 || dvmi_rng_below(rng, 3) == 0)
				dvmi_buf_printf(b, " N%u L", (unsigned)p);
			os += (unsigned)dvmi_rng_below(rng, 3);
			unsigned n = 1 + (unsigned)dvmi_rng_below(rng, 3);
			dvmi_buf_printf(b, " %u-%u", os, os + n - 1);
			os += n;
		}
	}
}

static void random_machines_survive(void **state)
{
	for (uint64_t seed = 1; seed <= 500; seed++) {
		struct dvmi_rng rng;
		struct dvmi_buf in = { 0 }, once = { 0 }, twice = { 0 };
		struct dsched_topo a, b;

		dvmi_rng_seed(&rng, seed);
		random_text(&rng, &in);
		assert_int_equal(dsched_topo_parse(&a, (char *)in.data, in.len), 0);
		dsched_topo_format(&a, &once);
		assert_int_equal(dsched_topo_parse(&b, (char *)once.data, once.len), 0);
		assert_int_equal(a.npus, b.npus);
		assert_int_equal(a.nl3, b.nl3);
		assert_memory_equal(a.pus, b.pus, a.npus * sizeof *a.pus);
		dsched_topo_format(&b, &twice);
		assert_int_equal(once.len, twice.len);
		dsched_topo_free(&a);
		dsched_topo_free(&b);
		dvmi_buf_free(&in);
		dvmi_buf_free(&once);
		dvmi_buf_free(&twice);
	}
}

/* Text of the right letters in any order: what is taken is sane and comes back the same. */
static void random_text_does_no_harm(void **state)
{
	static const char *const words[] = { " P0", " P1",  " N0", " N1", " L",	 " 0",	    " 1-2",
					     " 7",  " 9x3", "x2",  "/2",  ",30", " 40,50x4" };
	struct dvmi_rng rng;
	unsigned taken = 0;

	dvmi_rng_seed(&rng, 5);
	for (int round = 0; round < 20000; round++) {
		struct dvmi_buf in = { 0 }, once = { 0 };
		struct dsched_topo t, back;
		dvmi_buf_printf(&in, "t1");
		for (uint64_t n = 4 + dvmi_rng_below(&rng, 6); n; n--)
			dvmi_buf_printf(&in, "%s",
					words[dvmi_rng_below(&rng, sizeof words / sizeof *words)]);
		if (dsched_topo_parse(&t, (char *)in.data, in.len) == 0) {
			dsched_topo_format(&t, &once);
			assert_int_equal(dsched_topo_parse(&back, (char *)once.data, once.len), 0);
			assert_int_equal(t.npus, back.npus);
			assert_memory_equal(t.pus, back.pus, t.npus * sizeof *t.pus);
			dsched_topo_free(&t);
			dsched_topo_free(&back);
			taken++;
		}
		dvmi_buf_free(&in);
		dvmi_buf_free(&once);
	}
	assert_true(taken > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_understood),
		cmocka_unit_test(text_becomes_canonical),
		cmocka_unit_test(bad_text_is_refused),
		cmocka_unit_test(the_largest_fits),
		cmocka_unit_test(a_big_server_is_short),
		cmocka_unit_test(random_machines_survive),
		cmocka_unit_test(random_text_does_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
