/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/topo.h"
#include "libdvm/base/rng.h"
#include "tests/unit/cm.h"

static char *text_of(const struct dvmd_topo *t)
{
	struct dvmi_buf b = { 0 };

	dsched_topo_format(&t->cpus, &b);
	dvmi_buf_put_u8(&b, 0);
	assert_int_equal(b.err, 0);
	return (char *)b.data;
}

/* What is found on the machine hwloc is told to imagine. */
static void assert_imagined(const char *description, const char *text)
{
	struct dvmd_topo t;

	setenv("HWLOC_SYNTHETIC", description, 1);
	assert_int_equal(dvmd_topo_discover(&t, NULL), 0);
	unsetenv("HWLOC_SYNTHETIC");
	char *got = text_of(&t);
	assert_string_equal(got, text);
	free(got);
	dvmd_topo_free(&t);
}

static void machines_of_all_shapes(void **state)
{
	assert_imagined("pu:1", "t1 P0 N0 L 0");
	assert_imagined("core:4 pu:1", "t1 P0 N0 L 0x4");
	assert_imagined("package:1 l3:1 core:4 pu:2", "t1 P0 N0 L 0-1x4/2");
	assert_imagined("package:2 numa:1 l3:1 core:2 pu:2", "t1 P0 N0 L 0-1x2/2 P1 N1 L 4-5x2/2");
	assert_imagined("package:1 numa:2 l3:2 core:2 pu:1", "t1 P0 N0 L 0x2 L 2x2 N1 L 4x2 L 6x2");
	assert_imagined("numa:1 package:2 core:2 pu:1", "t1 P0 N0 L 0x2 P1 L 2x2");
	assert_imagined("package:8 numa:1 core:1 pu:2",
			"t1 P0 N0 L 0-1 P1 N1 L 2-3 P2 N2 L 4-5 P3 N3 L 6-7 P4 N4 L 8-9 "
			"P5 N5 L 10-11 P6 N6 L 12-13 P7 N7 L 14-15");
	/* Threads of a core numbered apart, as on most servers. */
	assert_imagined("package:1 core:4 pu:2(indexes=0,4,1,5,2,6,3,7)", "t1 P0 N0 L 0,4x4");
}

static void this_host_is_found(void **state)
{
	struct dvmd_topo t;
	cpu_set_t set;

	assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
	assert_int_equal(dvmd_topo_discover(&t, NULL), 0);
	assert_int_equal(t.cpus.npus, CPU_COUNT(&set));
	for (uint32_t i = 0; i < t.cpus.npus; i++)
		assert_true(CPU_ISSET(t.cpus.pus[i].os, &set));
	assert_true(t.mem > 0);
	dvmd_topo_free(&t);
}

static int last_cpu(const cpu_set_t *set)
{
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
		if (CPU_ISSET(cpu, set))
			return cpu;
	return -1;
}

/* As under taskset. */
static void cpu_affinity_is_honoured(void **state)
{
	struct dvmd_topo t;
	cpu_set_t all, one;

	assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
	CPU_ZERO(&one);
	CPU_SET(last_cpu(&all), &one);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
	int rc = dvmd_topo_discover(&t, NULL);
	assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
	assert_int_equal(rc, 0);
	assert_int_equal(t.cpus.npus, 1);
	assert_int_equal(t.cpus.ncores, 1);
	assert_int_equal(t.cpus.pus[0].os, last_cpu(&all));
	dvmd_topo_free(&t);
}

static void the_environment_is_left_alone(void **state)
{
	struct dvmd_topo t;

	setenv("HWLOC_PLUGINS_PATH", "/some/where", 1);
	assert_int_equal(dvmd_topo_discover(&t, NULL), 0);
	assert_string_equal(getenv("HWLOC_PLUGINS_PATH"), "/some/where");
	dvmd_topo_free(&t);
	unsetenv("HWLOC_PLUGINS_PATH");
	assert_int_equal(dvmd_topo_discover(&t, NULL), 0);
	assert_null(getenv("HWLOC_PLUGINS_PATH"));
	dvmd_topo_free(&t);
}

static void the_kernel_has_a_name(void **state)
{
	char a[DVMD_TOPO_HOST_MAX], b[DVMD_TOPO_HOST_MAX];

	dvmd_topo_host(a);
	dvmd_topo_host(b);
	assert_string_equal(a, b);
	assert_true(strlen(a) >= 32);
	assert_null(strchr(a, '\n'));
}

static void make(struct dvmd_topo *t, struct dvmi_buf *bytes)
{
	static const char text[] = "t1 P0 N0 L 0,128x4 L 4,132x4 P1 N1 L 8,136x4";

	*t = (struct dvmd_topo){ .mem = UINT64_C(68719476736) };
	assert_int_equal(dsched_topo_parse(&t->cpus, text, strlen(text)), 0);
	dvmd_topo_encode(t, bytes);
	assert_int_equal(bytes->err, 0);
}

static void bytes_survive(void **state)
{
	struct dvmi_buf b = { 0 };
	struct dvmd_topo t, back;

	make(&t, &b);
	assert_int_equal(dvmd_topo_decode(&back, b.data, b.len), 0);
	assert_int_equal(back.mem, t.mem);
	char *x = text_of(&t), *y = text_of(&back);
	assert_string_equal(x, y);
	free(x);
	free(y);
	dvmd_topo_free(&back);
	dvmd_topo_free(&t);
	dvmi_buf_free(&b);
}

static void wrong_bytes_are_refused(void **state)
{
	struct dvmi_buf b = { 0 };
	struct dvmd_topo t, back;

	make(&t, &b);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(dvmd_topo_decode(&back, b.data, n), -DVM_EPROTO);
	dvmi_buf_put_u8(&b, 0);
	assert_int_equal(dvmd_topo_decode(&back, b.data, b.len), -DVM_EPROTO);
	b.data[0] = 0;
	assert_int_equal(dvmd_topo_decode(&back, b.data, b.len - 1), -DVM_EPROTO);
	b.data[0] = 2;
	assert_int_equal(dvmd_topo_decode(&back, b.data, b.len - 1), -DVM_EVERSION);
	dvmd_topo_free(&t);
	dvmi_buf_free(&b);
}

/* Whatever a changed byte makes of it, decoding ends in a sane topology or a refusal. */
static void flipped_bytes_do_no_harm(void **state)
{
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, 7);
	for (int round = 0; round < 3000; round++) {
		struct dvmi_buf b = { 0 };
		struct dvmd_topo t, back;
		make(&t, &b);
		for (uint64_t k = dvmi_rng_below(&rng, 3) + 1; k; k--)
			b.data[dvmi_rng_below(&rng, b.len)] = (uint8_t)dvmi_rng_next(&rng);
		if (dvmd_topo_decode(&back, b.data, b.len) == 0) {
			assert_true(back.cpus.npus > 0 && back.cpus.npus <= DSCHED_PU_MAX);
			assert_true(back.cpus.ncores <= back.cpus.npus);
			dvmd_topo_free(&back);
		}
		dvmd_topo_free(&t);
		dvmi_buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machines_of_all_shapes),
		cmocka_unit_test(this_host_is_found),
		cmocka_unit_test(cpu_affinity_is_honoured),
		cmocka_unit_test(the_environment_is_left_alone),
		cmocka_unit_test(the_kernel_has_a_name),
		cmocka_unit_test(bytes_survive),
		cmocka_unit_test(wrong_bytes_are_refused),
		cmocka_unit_test(flipped_bytes_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
