/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "daemon/shepherd/environ.h"
#include "tests/unit/cm.h"

/* The environment of a job of one node, whose user has ENV. */
static struct shep_environ *made(char **env, size_t n)
{
	static uint32_t ranks[] = { 0 };
	static Pb__NodeShare share;
	static Pb__NodeShare *shares[] = { &share };
	static Pb__Placement placement;
	static Pb__JobSpec spec;
	static Pb__Launch launch;
	struct shep_environ *e = NULL;

	pb__node_share__init(&share);
	pb__placement__init(&placement);
	pb__job_spec__init(&spec);
	pb__launch__init(&launch);
	share.ranks = ranks;
	share.n_ranks = 1;
	share.name = (char *)"node1";
	placement.nodes = shares;
	placement.n_nodes = 1;
	placement.ranks = 1;
	spec.env = env;
	spec.n_env = n;
	launch.job = 7;
	launch.spec = &spec;
	launch.placement = &placement;
	launch.machine = (char *)"m";
	assert_int_equal(shep_environ_create(&e, &launch, 0, "/s"), 0);
	return e;
}

static void ours_win(void **state)
{
	char *env[] = { (char *)"A=1", (char *)"DVM_JOBID=99" };
	struct shep_environ *e = made(env, 2);

	assert_string_equal(shep_environ_get(e, "A"), "1");
	assert_string_equal(shep_environ_get(e, "DVM_JOBID"), "7");
	assert_int_equal(shep_environ_add(e, "A=%d", 2), 0);
	assert_string_equal(shep_environ_get(e, "A"), "2");
	assert_null(shep_environ_get(e, "B"));
	shep_environ_destroy(e);
}

static void a_rank_has_its_numbers(void **state)
{
	struct shep_environ *e = made(NULL, 0);
	char **list = shep_environ_of(e, 5, 3, 8);

	assert_ptr_equal(list, shep_environ_of(e, 5, 3, 8));
	assert_string_equal(shep_environ_get(e, "DVM_RANK"), "5");
	assert_string_equal(shep_environ_get(e, "DVM_LOCAL_RANK"), "3");
	shep_environ_destroy(e);
}

static void launchers_go_and_settings_stay(void **state)
{
	char *env[] = { (char *)"PMI_RANK=1", (char *)"PMIX_RANK=1", (char *)"PMIX_MCA_x=1",
			(char *)"OMPI_COMM_WORLD_SIZE=2", (char *)"OMPI_MCA_btl=self" };
	struct shep_environ *e = made(env, 5);

	shep_environ_drop_launcher(e);
	assert_null(shep_environ_get(e, "PMI_RANK"));
	assert_null(shep_environ_get(e, "PMIX_RANK"));
	assert_null(shep_environ_get(e, "OMPI_COMM_WORLD_SIZE"));
	assert_string_equal(shep_environ_get(e, "PMIX_MCA_x"), "1");
	assert_string_equal(shep_environ_get(e, "OMPI_MCA_btl"), "self");
	shep_environ_destroy(e);
}

static void defaults_are_of_one_job(void **state)
{
	char *env[] = { (char *)"MINE=1" };
	struct shep_environ *e = made(env, 1);

	assert_int_equal(shep_environ_default(e, "MINE", "2"), 0);
	assert_int_equal(shep_environ_default(e, "DIR", "/jobs/7"), 0);
	assert_int_equal(shep_environ_default(e, "KIND", "a,b"), 0);
	assert_string_equal(shep_environ_get(e, "MINE"), "1");
	assert_string_equal(shep_environ_get(e, SHEP_ENV_DEFAULTS), "DIR=/jobs/7;KIND=a,b;");
	/* A rank of it has changed one of them, and starts a job. */
	char *inner[] = { (char *)"MINE=1", (char *)"DIR=/jobs/7", (char *)"KIND=a",
			  (char *)(SHEP_ENV_DEFAULTS "=DIR=/jobs/7;KIND=a,b;") };
	struct shep_environ *child = made(inner, 4);
	shep_environ_drop_launcher(child);
	assert_null(shep_environ_get(child, "DIR"));
	assert_null(shep_environ_get(child, SHEP_ENV_DEFAULTS));
	assert_string_equal(shep_environ_get(child, "KIND"), "a");
	assert_string_equal(shep_environ_get(child, "MINE"), "1");
	assert_int_equal(shep_environ_default(child, "DIR", "/jobs/8"), 0);
	assert_string_equal(shep_environ_get(child, "DIR"), "/jobs/8");
	shep_environ_destroy(child);
	shep_environ_destroy(e);
}

static void lists_are_taken_as_they_are(void **state)
{
	assert_true(shep_environ_is_default("A=1", "A=1"));
	assert_true(shep_environ_is_default("A=1", "B=2;A=1;"));
	assert_false(shep_environ_is_default("A=1", ""));
	assert_false(shep_environ_is_default("A=1", ";;A=12;A=;"));
	assert_false(shep_environ_is_default("", "A=1;"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ours_win),
		cmocka_unit_test(a_rank_has_its_numbers),
		cmocka_unit_test(launchers_go_and_settings_stay),
		cmocka_unit_test(defaults_are_of_one_job),
		cmocka_unit_test(lists_are_taken_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
