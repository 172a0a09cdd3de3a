/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cli/jobspec.h"
#include "libdvm/base/clock.h"
#include "tests/unit/cm.h"

static char *const environment[] = { (char *)"HOME=/h", (char *)"PATH=/bin", (char *)"junk", NULL };

static const struct dvmi_opt_command run_command = { .name = "dvm run",
						     .operands = "PROG",
						     .options = cli_run_options,
						     .stop_at_operand = true,
						     .min_operands = 1 };
static const struct dvmi_opt_command dvmrun_command = { .name = "dvmrun",
							.operands = "PROG",
							.options = cli_dvmrun_options,
							.stop_at_operand = true,
							.min_operands = 1 };

/* Parses LINE, words between blanks, as CMD's arguments. */
static int parse_as(const struct dvmi_opt_command *cmd, struct cli_jobspec *js, const char *line,
		    dvm_error_t *err)
{
	static char text[1024]; /* the options point into it */
	char *argv[64] = { (char *)cmd->name }, *save;
	int argc = 1, id, rc = 0;
	struct dvmi_opt_parser p;

	strcpy(text, line);
	for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	assert_int_equal(cli_jobspec_init(js, environment, "/here", 022), 0);
	dvmi_opt_init(&p, cmd, argc, argv);
	while (rc >= 0 && (id = dvmi_opt_next(&p, err)) > 0)
		rc = cli_jobspec_set(&p, id, js, err);
	if (rc >= 0 && id == 0)
		rc = cli_programs_finish(js, cmd, p.operands, (size_t)p.n_operands, err);
	return rc < 0 ? rc : id;
}

static struct cli_jobspec good(const struct dvmi_opt_command *cmd, const char *line)
{
	struct cli_jobspec js;
	dvm_error_t err = { 0 };

	if (parse_as(cmd, &js, line, &err) < 0)
		fail_msg("%s: %s", line, err.text);
	return js;
}

static void bad(const struct dvmi_opt_command *cmd, const char *line, const char *part)
{
	struct cli_jobspec js;
	dvm_error_t err = { 0 };

	assert_int_equal(parse_as(cmd, &js, line, &err), -EINVAL);
	if (!strstr(err.text, part))
		fail_msg("%s: \"%s\" does not say \"%s\"", line, err.text, part);
	cli_jobspec_free(&js);
}

static const char *env_of(const struct cli_jobspec *js, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < js->spec->n_env; i++)
		if (!strncmp(js->spec->env[i], name, n) && js->spec->env[i][n] == '=')
			return js->spec->env[i] + n + 1;
	return NULL;
}

static void defaults(void **state)
{
	struct cli_jobspec js = good(&run_command, "/usr/bin/prog -n 3");
	const Pb__JobSpec *s = js.spec;

	assert_int_equal(s->n_argv, 3);
	assert_string_equal(s->argv[1], "-n"); /* the program's own */
	assert_string_equal(s->name, "prog");
	assert_string_equal(s->wdir, "/here");
	assert_int_equal(s->umask, 022);
	assert_int_equal(s->ranks, 0);
	assert_int_equal(s->map_by, PB__MAP_BY__MAP_SLOT);
	assert_int_equal(s->bind_to, PB__BIND_TO__BIND_AUTO);
	assert_int_equal(s->stdin_to, PB__STDIN_TO__STDIN_RANK0);
	assert_int_equal(s->n_env, 2); /* what is no variable does not travel */
	assert_int_equal(js.output, CLI_OUTPUT_AUTO);
	assert_false(s->oversubscribe || s->exclusive || s->keep_going || s->detached ||
		     js.dry_run);
	cli_jobspec_free(&js);
}

static void every_option_of_run(void **state)
{
	struct cli_jobspec js = good(
		&run_command, "-n 8 -N 2 --map-by ppr:4:numa --bind-to thread --exclude x,y[1-2] "
			      "--oversubscribe --exclusive --mem-per-rank 2G -x A=1 -x HOME -x "
			      "HOME=/other --wdir sub -i all --output dir=/o --timeout 1m30s "
			      "--launch-timeout 5 --keep-going --name big --dry-run "
			      "--report-bindings -q p");
	const Pb__JobSpec *s = js.spec;

	assert_int_equal(s->ranks, 8);
	assert_int_equal(s->nodes, 2);
	assert_int_equal(s->map_by, PB__MAP_BY__MAP_PPR_NUMA);
	assert_int_equal(s->per, 4);
	assert_int_equal(s->bind_to, PB__BIND_TO__BIND_THREAD);
	assert_int_equal(s->n_exclude, 3);
	assert_string_equal(s->exclude[2], "y2");
	assert_true(s->oversubscribe && s->exclusive && s->keep_going);
	assert_true(s->mem_per_rank == 2ull << 30);
	assert_string_equal(env_of(&js, "A"), "1");
	assert_string_equal(env_of(&js, "HOME"), "/other");
	assert_int_equal(s->n_env, 3);
	assert_null(js.unset);
	assert_string_equal(s->wdir, "/here/sub");
	assert_int_equal(s->stdin_to, PB__STDIN_TO__STDIN_ALL);
	assert_int_equal(js.output, CLI_OUTPUT_DIR);
	assert_string_equal(js.dir, "/o");
	assert_true(s->timeout_ns == 90 * DVMI_SEC && js.launch_timeout == 5 * DVMI_SEC);
	assert_string_equal(s->name, "big");
	assert_true(js.dry_run && js.report_bindings && js.quiet);
	cli_jobspec_free(&js);
}

static void each_mapping_and_binding(void **state)
{
	static const struct {
		const char *line;
		Pb__MapBy map;
		Pb__BindTo bind;
	} cases[] = {
		{ "--map-by slot --bind-to none p", PB__MAP_BY__MAP_SLOT, PB__BIND_TO__BIND_NONE },
		{ "--map-by node --bind-to core p", PB__MAP_BY__MAP_NODE, PB__BIND_TO__BIND_CORE },
		{ "--map-by core --bind-to numa p", PB__MAP_BY__MAP_CORE, PB__BIND_TO__BIND_NUMA },
		{ "--map-by numa --bind-to auto p", PB__MAP_BY__MAP_NUMA, PB__BIND_TO__BIND_AUTO },
		{ "--map-by socket --bind-to socket p", PB__MAP_BY__MAP_NUMA,
		  PB__BIND_TO__BIND_NUMA },
		{ "--map-by ppr:2:node p", PB__MAP_BY__MAP_PPR_NODE, PB__BIND_TO__BIND_AUTO },
		{ "--per-node 2 --bind-to hwthread p", PB__MAP_BY__MAP_PPR_NODE,
		  PB__BIND_TO__BIND_THREAD },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct cli_jobspec js = good(&run_command, cases[i].line);

		assert_int_equal(js.spec->map_by, cases[i].map);
		assert_int_equal(js.spec->bind_to, cases[i].bind);
		cli_jobspec_free(&js);
	}
}

static void hosts_fold_and_count(void **state)
{
	struct cli_jobspec js = good(&run_command, "-H a,n[1-2,9]:3,b:2 -H c p");
	const Pb__JobSpec *s = js.spec;
	static const char *const names[] = { "a", "n1", "n2", "n9", "b", "c" };
	static const uint32_t slots[] = { 0, 3, 3, 3, 2, 0 };

	assert_int_equal(s->n_hosts, 6);
	for (size_t i = 0; i < 6; i++) {
		assert_string_equal(s->hosts[i]->name, names[i]);
		assert_int_equal(s->hosts[i]->slots, slots[i]);
	}
	cli_jobspec_free(&js);
}

static void host_files(void **state)
{
	struct cli_jobspec js = good(&run_command, "p");
	dvm_error_t err;

	assert_int_equal(
		cli_jobspec_hostfile(js.spec,
				     "# all\n\na slots=4 max_slots=8\n\tb:2 # two\r\nn[1-2]", &err),
		0);
	assert_int_equal(js.spec->n_hosts, 4);
	assert_int_equal(js.spec->hosts[0]->slots, 4);
	assert_int_equal(js.spec->hosts[1]->slots, 2);
	assert_int_equal(js.spec->hosts[3]->slots, 0);
	assert_int_equal(cli_jobspec_hostfile(js.spec, "a\nb slots=0\n", &err), -EINVAL);
	assert_non_null(strstr(err.text, "line 2"));
	assert_int_equal(cli_jobspec_hostfile(js.spec, "b cores=2", &err), -EINVAL);
	assert_int_equal(cli_jobspec_hostfile(js.spec, "b[", &err), -EINVAL);
	cli_jobspec_free(&js);
}

static void spellings_of_mpirun(void **state)
{
	struct cli_jobspec js =
		good(&dvmrun_command, "-np 4 -N 2 --map-by node:OVERSUBSCRIBE -host a:2,b -wdir /w "
				      "--tag-output --mca btl self,tcp -genv A 1 -x B=2 "
				      "--allow-run-as-root --bind-to hwthread p -np 9");

	assert_int_equal(js.spec->ranks, 4);
	assert_int_equal(js.spec->map_by, PB__MAP_BY__MAP_NODE); /* the last one counts */
	assert_true(js.spec->oversubscribe);
	assert_int_equal(js.spec->n_hosts, 2);
	assert_string_equal(js.spec->wdir, "/w");
	assert_int_equal(js.output, CLI_OUTPUT_TAG);
	assert_string_equal(env_of(&js, "OMPI_MCA_btl"), "self,tcp");
	assert_string_equal(env_of(&js, "A"), "1");
	assert_string_equal(env_of(&js, "B"), "2");
	assert_int_equal(js.spec->n_argv, 3);
	cli_jobspec_free(&js);

	static const char *const ranks[] = { "-n 3 p",	"-np 3 p",  "--np 3 p", "-c 3 p",
					     "--n 3 p", "--np=3 p", "-n3 p" };
	for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
		js = good(&dvmrun_command, ranks[i]);
		assert_int_equal(js.spec->ranks, 3);
		cli_jobspec_free(&js);
	}
	static const char *const per_node[] = { "-N 2 p", "-ppn 2 p", "--npernode 2 p",
						"-npernode 2 p", "--map-by ppr:2:node p" };
	for (size_t i = 0; i < sizeof per_node / sizeof per_node[0]; i++) {
		js = good(&dvmrun_command, per_node[i]);
		assert_int_equal(js.spec->map_by, PB__MAP_BY__MAP_PPR_NODE);
		assert_int_equal(js.spec->per, 2);
		cli_jobspec_free(&js);
	}
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const struct {
		const char *line, *part;
	} cases[] = {
		{ "", "PROG" },
		{ "-n 0 p", "-n 0" },
		{ "-n 1x p", "-n 1x" },
		{ "-n 99999999999 p", "-n" },
		{ "-N 0 p", "-N 0" },
		{ "-n 1 -N 2 p", "1 ranks cannot be spread over 2 nodes" },
		{ "--map-by ppr p", "--map-by" },
		{ "--map-by ppr:2 p", "ppr:K:node" },
		{ "--map-by ppr::node p", "ppr:K:node" },
		{ "--map-by nod p", "node" },
		{ "--bind-to cpu p", "--bind-to" },
		{ "-H a:x p", "slots" },
		{ "-H ,a p", "-H" },
		{ "-H a[1- p", "-H" },
		{ "--exclude a,,b p", "--exclude" },
		{ "--mem-per-rank x p", "--mem-per-rank" },
		{ "--cpu-limit 0 p", "--cpu-limit" },
		{ "--cpu-limit 1x p", "--cpu-limit" },
		{ "--cpu-shares 10001 p", "--cpu-shares" },
		{ "--timeout -1 p", "--timeout" },
		{ "-x =1 p", "name" },
		{ "--output xml p", "raw, lines, tag, json or dir=D" },
		{ "-i 1 p", "-i 1" },
		{ "-d --output json p", "exclude each other" },
		{ "--mca btl", "two arguments" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		bad(&run_command, cases[i].line, cases[i].part);
}

static void a_variable_that_is_not_set_is_noted(void **state)
{
	struct cli_jobspec js = good(&run_command, "-x HOM p");

	assert_string_equal(js.unset, "HOM");
	assert_int_equal(js.spec->n_env, 2);
	cli_jobspec_free(&js);
}

static void a_detached_job_reads_nothing(void **state)
{
	struct cli_jobspec js = good(&run_command, "-d p");

	assert_true(js.spec->detached);
	assert_int_equal(js.spec->stdin_to, PB__STDIN_TO__STDIN_NONE);
	cli_jobspec_free(&js);
}

static void several_programs_are_one_job(void **state)
{
	struct cli_jobspec js = good(&run_command, "-n 2 -H x a -n 9 : -n 3 --wdir d -x V=1 -x W b -q"
						    " : c :d");
	const Pb__JobSpec *s = js.spec;

	assert_int_equal(s->ranks, 2 + 3 + 1);
	assert_int_equal(s->n_apps, 3);
	assert_int_equal(s->n_argv, 3);
	assert_string_equal(s->argv[0], "a");
	assert_string_equal(s->name, "a");
	assert_int_equal(s->apps[0]->ranks, 2);
	assert_int_equal(s->apps[0]->n_argv, 3);
	assert_string_equal(s->apps[0]->argv[2], "9");
	assert_string_equal(s->apps[0]->wdir, "");
	assert_int_equal(s->apps[1]->ranks, 3);
	assert_int_equal(s->apps[1]->n_argv, 4);
	assert_string_equal(s->apps[1]->argv[0], "env");
	assert_string_equal(s->apps[1]->argv[1], "V=1");
	assert_string_equal(s->apps[1]->argv[3], "-q");
	assert_string_equal(s->apps[1]->wdir, "/here/d");
	assert_int_equal(s->apps[2]->n_argv, 2);
	assert_string_equal(s->apps[2]->argv[1], ":d");
	cli_jobspec_free(&js);
	bad(&run_command, "-n 2 a : -N 2 b", "-N holds for the whole job");
	bad(&run_command, "-n 2 a :", "PROG");
	bad(&run_command, "-n 1048576 a : b", "at most");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(every_option_of_run),
		cmocka_unit_test(each_mapping_and_binding),
		cmocka_unit_test(hosts_fold_and_count),
		cmocka_unit_test(host_files),
		cmocka_unit_test(spellings_of_mpirun),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(a_variable_that_is_not_set_is_noted),
		cmocka_unit_test(a_detached_job_reads_nothing),
		cmocka_unit_test(several_programs_are_one_job),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
