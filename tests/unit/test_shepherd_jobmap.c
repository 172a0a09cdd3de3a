/* SPDX-License-Identifier: BSD-3-Clause */
/* The job map, and the environment that points ranks to it: both made from one placement. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/shepherd/environ.h"
#include "daemon/shepherd/jobmap.h"
#include "libdvm/src/domain.h"
#include "tests/unit/cm.h"

/* Five ranks on nodes 11 and 12: 0 2 4 and 1 3. */
struct job {
	Pb__Launch launch;
	Pb__JobSpec spec;
	Pb__Placement placement;
	Pb__NodeShare share[2], *shares[2];
	uint32_t ranks[2][3];
	char *env[3];
};

static void make_job(struct job *j)
{
	static char name0[] = "a", name1[] = "b", machine[] = "m", address[] = "127.0.0.1";
	static char path[] = "PATH=/bin", rank[] = "DVM_RANK=9", mine[] = "DVM_RANKS=mine";

	*j = (struct job){ .launch = PB__LAUNCH__INIT,
			   .spec = PB__JOB_SPEC__INIT,
			   .placement = PB__PLACEMENT__INIT,
			   .share = { PB__NODE_SHARE__INIT, PB__NODE_SHARE__INIT },
			   .ranks = { { 0, 2, 4 }, { 1, 3 } },
			   .env = { path, rank, mine } };
	j->launch.job = 5;
	j->launch.failure_timeout_ns = 60 * DVMI_SEC;
	j->launch.machine = machine;
	j->launch.spec = &j->spec;
	j->launch.placement = &j->placement;
	j->spec.env = j->env;
	j->spec.n_env = 3;
	j->placement.ranks = 5;
	j->placement.n_nodes = 2;
	j->placement.nodes = j->shares;
	for (int i = 0; i < 2; i++) {
		j->shares[i] = &j->share[i];
		j->share[i].node = 11 + (uint32_t)i;
		j->share[i].name = i ? name1 : name0;
		j->share[i].address = address;
		j->share[i].ranks = j->ranks[i];
		j->share[i].n_ranks = i ? 2 : 3;
	}
}

static struct dvmi_jobmap *build(const struct job *j, size_t self, int expect)
{
	struct dvmi_jobmap *map =
		calloc(1, shep_jobmap_bytes(j->placement.ranks, (uint32_t)j->share[self].n_ranks,
					    (uint32_t)j->placement.n_nodes));

	assert_int_equal(shep_jobmap_build(map, &j->launch, self, 0), expect);
	return map;
}

/* Who cannot be reached may be dead for as long as that takes to be known. */
static void shared_memory_waits_for_word_of_a_death(void **state)
{
	(void)state;
	assert_int_equal(dvmi_seg_patience(0), 10 * DVMI_SEC);
	assert_int_equal(dvmi_seg_patience(1 * DVMI_SEC), 10 * DVMI_SEC);
	assert_int_equal(dvmi_seg_patience(10 * DVMI_SEC), 15 * DVMI_SEC);
	assert_int_equal(dvmi_seg_patience(60 * DVMI_SEC), 90 * DVMI_SEC);
}

static void arrays_lie_inside_and_apart(void **state)
{
	struct job j;

	make_job(&j);
	struct dvmi_jobmap *map = build(&j, 0, 0);
	size_t bytes = shep_jobmap_bytes(5, 3, 2);
	assert_int_equal(map->local_size, 3);
	assert_int_equal(map->local_cores, 1);
	assert_int_equal(map->failure_timeout, 60 * DVMI_SEC);
	assert_true(map->node_of_off >= sizeof *map);
	assert_true(map->local_rank_off >= map->node_of_off + 20);
	assert_true(map->doorbell_off >= map->local_rank_off + 20);
	assert_true(map->state_off >= map->doorbell_off + 12);
	assert_true(map->state_off + 5 <= bytes);
	assert_int_equal(map->doorbell_off % 64, 0);
	assert_int_equal(shep_jobmap_node_of(map, 3), 1);
	assert_int_equal(shep_jobmap_node_of(map, 4), 0);
	assert_int_equal(shep_jobmap_node_of(map, 5), -EINVAL);
	free(map);
}

static void states_only_move_on(void **state)
{
	struct job j;

	make_job(&j);
	struct dvmi_jobmap *map = build(&j, 1, 0);
	assert_int_equal(shep_jobmap_state(map, 1), DVMI_RANK_ALIVE);
	assert_false(shep_jobmap_mark(map, 1, DVMI_RANK_ALIVE));
	assert_true(shep_jobmap_mark(map, 1, DVMI_RANK_CLOSED));
	assert_false(shep_jobmap_mark(map, 1, DVMI_RANK_GONE));
	assert_int_equal(shep_jobmap_state(map, 1), DVMI_RANK_CLOSED);
	assert_true(shep_jobmap_mark(map, 0, DVMI_RANK_GONE));
	assert_false(shep_jobmap_mark(map, 0, DVMI_RANK_CLOSED));
	assert_int_equal(shep_jobmap_state(map, 0), DVMI_RANK_GONE);
	assert_false(shep_jobmap_mark(map, 5, DVMI_RANK_GONE));
	shep_jobmap_ring(map, 1);
	shep_jobmap_ring(map, 2); /* not a local rank: nothing happens */
	assert_int_equal(((uint32_t *)((uint8_t *)map + map->doorbell_off))[1], 1);
	free(map);
}

static void odd_placements_are_refused(void **state)
{
	struct job j;

	make_job(&j);
	j.ranks[1][1] = 5;
	free(build(&j, 0, -EINVAL));
	make_job(&j);
	j.ranks[1][1] = 2;
	free(build(&j, 0, -EINVAL));
	make_job(&j);
	j.share[1].n_ranks = 1;
	free(build(&j, 0, -EINVAL));
}

static const char *value(char **env, const char *name)
{
	const char *found = NULL;
	size_t n = strlen(name);

	for (; *env; env++)
		if (!strncmp(*env, name, n) && (*env)[n] == '=') {
			assert_null(found); /* once only */
			found = *env + n + 1;
		}
	return found;
}

static void ranks_get_the_users_environment_and_ours(void **state)
{
	struct shep_environ *e;
	struct job j;

	make_job(&j);
	assert_int_equal(shep_environ_create(&e, &j.launch, 1, "/r/jobs/5/shep.sock"), 0);
	assert_string_equal(shep_environ_get(e, "PATH"), "/bin");
	assert_null(shep_environ_get(e, "PAT"));
	for (uint32_t i = 0; i < 2; i++) {
		char **env = shep_environ_of(e, j.ranks[1][i], i, -1);
		assert_string_equal(value(env, "PATH"), "/bin");
		assert_string_equal(value(env, "DVM_RANKS"), "mine");
		assert_string_equal(value(env, "DVM_RANK"), i ? "3" : "1");
		assert_string_equal(value(env, "DVM_LOCAL_RANK"), i ? "1" : "0");
		assert_string_equal(value(env, "DVM_SIZE"), "5");
		assert_string_equal(value(env, "DVM_NODE"), "1");
		assert_string_equal(value(env, "DVM_NNODES"), "2");
		assert_string_equal(value(env, "DVM_LOCAL_SIZE"), "2");
		assert_string_equal(value(env, "DVM_JOBID"), "5");
		assert_string_equal(value(env, "DVM_NODENAME"), "b");
		assert_string_equal(value(env, "DVM_MACHINE"), "m");
		assert_string_equal(value(env, "DVM_SHEPHERD"), "/r/jobs/5/shep.sock");
	}
	shep_environ_destroy(e);
	shep_environ_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arrays_lie_inside_and_apart),
		cmocka_unit_test(shared_memory_waits_for_word_of_a_death),
		cmocka_unit_test(states_only_move_on),
		cmocka_unit_test(odd_placements_are_refused),
		cmocka_unit_test(ranks_get_the_users_environment_and_ours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
