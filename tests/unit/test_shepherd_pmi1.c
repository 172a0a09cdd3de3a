/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/shepherd/pmi1.h"
#include "dvm/error.h"
#include "tests/unit/cm.h"

enum { RANKS = 3 };

struct scene {
	struct shep_pmi1 *p;
	char said[RANKS][8192]; /* since the last look */
	uint8_t piece[65536];	/* of the last barrier */
	size_t piece_len;
	int barriers;
	int abort_code;
	char abort_text[256];
	char asked[512]; /* names and spawns */
};

static void on_reply(uint32_t local, const char *line, size_t len, void *arg)
{
	struct scene *s = arg;

	assert_in_range(local, 0, RANKS - 1);
	assert_int_equal(line[len - 1], '\n');
	assert_true(strlen(s->said[local]) + len < sizeof s->said[local]);
	strncat(s->said[local], line, len);
}

static void on_barrier(const uint8_t *data, size_t len, void *arg)
{
	struct scene *s = arg;

	assert_true(len <= sizeof s->piece);
	if (len)
		memcpy(s->piece, data, len);
	s->piece_len = len;
	s->barriers++;
}

static void on_abort(uint32_t local, int code, const char *text, void *arg)
{
	struct scene *s = arg;

	s->abort_code = code;
	snprintf(s->abort_text, sizeof s->abort_text, "%u: %s", local, text);
}

static uint32_t on_program(uint32_t local, void *arg)
{
	return 3 * local;
}

static void on_name(uint32_t local, enum shep_pmi1_name what, const char *service,
		    const char *port, void *arg)
{
	struct scene *s = arg;

	snprintf(s->asked, sizeof s->asked, "%u: %d %s %s", local, (int)what, service,
		 port ? port : "-");
}

/* What is to be spawned, as "ranks x program arguments;… pairs". */
static void on_spawn(uint32_t local, const Pb__PmixSpawn *msg, void *arg)
{
	struct scene *s = arg;
	size_t at = 0;

#define SAY(...) (at += (size_t)snprintf(s->asked + at, sizeof s->asked - at, __VA_ARGS__))
	SAY("%u:", local);
	for (size_t i = 0; i < msg->n_apps; i++) {
		const Pb__PmixApp *a = msg->apps[i];
		SAY(" %u x", a->ranks);
		for (size_t k = 0; k < a->n_argv; k++)
			SAY(" %s", a->argv[k]);
		SAY(" in %s on %s;", a->wdir, a->hosts);
	}
	for (size_t i = 0; i < msg->n_pairs; i++)
		SAY(" %s", msg->pairs[i]);
#undef SAY
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof *s);
	const struct shep_pmi1_config c = { .local = RANKS,
					    .size = 7,
					    .job = 12,
					    .mapping = "(vector,(0,1,7))",
					    .reply = on_reply,
					    .barrier = on_barrier,
					    .abort = on_abort,
					    .program = on_program,
					    .name = on_name,
					    .spawn = on_spawn,
					    .universe = 24,
					    .arg = s };

	*state = s;
	return shep_pmi1_create(&s->p, &c);
}

static int teardown(void **state)
{
	struct scene *s = *state;

	shep_pmi1_destroy(s->p);
	free(s);
	return 0;
}

/* LOCAL says LINE and hears ANSWER, both without newline; "" is nothing. */
static void ask(struct scene *s, uint32_t local, const char *line, const char *answer)
{
	char expected[2048] = "";

	s->said[local][0] = 0;
	assert_int_equal(shep_pmi1_input(s->p, local, line, strlen(line)), 0);
	assert_int_equal(shep_pmi1_input(s->p, local, "\n", 1), 0);
	if (*answer)
		snprintf(expected, sizeof expected, "%s\n", answer);
	assert_string_equal(s->said[local], expected);
}

static void questions(void **state)
{
	struct scene *s = *state;

	assert_int_equal(shep_pmi1_state(s->p, 1), SHEP_PMI1_SILENT);
	ask(s, 1, "cmd=init pmi_version=9 pmi_subversion=1",
	    "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=-1");
	ask(s, 1, "cmd=init pmi_version=1 pmi_subversion=1",
	    "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0");
	assert_int_equal(shep_pmi1_state(s->p, 1), SHEP_PMI1_INIT);
	ask(s, 1, "cmd=get_maxes", "cmd=maxes kvsname_max=256 keylen_max=64 vallen_max=1024");
	ask(s, 1, "cmd=get_appnum", "cmd=appnum appnum=3");
	ask(s, 1, "cmd=get_universe_size", "cmd=universe_size size=24");
	ask(s, 1, "cmd=get_my_kvsname", "cmd=my_kvsname kvsname=dvm_12");
	ask(s, 1, "cmd=get kvsname=dvm_12 key=PMI_process_mapping",
	    "cmd=get_result rc=0 msg=success value=(vector,(0,1,7))");
	ask(s, 1, "cmd=get kvsname=dvm_12 key=other",
	    "cmd=get_result rc=-1 msg=key_not_found value=unknown");
	ask(s, 1, "cmd=finalize", "cmd=finalize_ack");
	assert_int_equal(shep_pmi1_state(s->p, 1), SHEP_PMI1_FINALIZED);
}

static void barrier(void **state)
{
	static const uint8_t others[] = "theirs\0a b\0half";
	struct scene *s = *state;

	ask(s, 0, "cmd=put kvsname=k key=a value=one two", "cmd=put_result rc=0 msg=success");
	ask(s, 2, "cmd=put kvsname=k key=b value=", "cmd=put_result rc=0 msg=success");
	ask(s, 2, "cmd=barrier_in", "");
	ask(s, 0, "cmd=barrier_in", "");
	assert_int_equal(s->barriers, 0);
	ask(s, 1, "cmd=barrier_in", "");
	assert_int_equal(s->barriers, 1);
	assert_int_equal(s->piece_len, 13);
	assert_memory_equal(s->piece, "a\0one two\0b\0", 13);
	shep_pmi1_exchanged(s->p, 0, others, sizeof others - 1);
	for (int i = 0; i < RANKS; i++)
		assert_string_equal(s->said[i], "cmd=barrier_out rc=0\n");
	ask(s, 1, "cmd=get key=theirs", "cmd=get_result rc=0 msg=success value=a b");
	ask(s, 1, "cmd=get key=half", "cmd=get_result rc=-1 msg=key_not_found value=unknown");
	ask(s, 1, "cmd=get key=a", "cmd=get_result rc=0 msg=success value=one two");
	/* What was said once is not said again. */
	for (int i = 0; i < RANKS; i++)
		ask(s, (uint32_t)i, "cmd=barrier_in", "");
	assert_int_equal(s->piece_len, 0);
	shep_pmi1_exchanged(s->p, -DVM_EPEERLOST, NULL, 0);
	assert_non_null(strstr(s->said[0], "cmd=barrier_out rc=-1 msg="));
}

static void aborts(void **state)
{
	struct scene *s = *state;

	ask(s, 2, "cmd=abort exitcode=5 msg=out of luck", "");
	assert_int_equal(s->abort_code, 5);
	assert_string_equal(s->abort_text, "2: out of luck");
}

static void names(void **state)
{
	struct scene *s = *state;

	ask(s, 1, "cmd=publish_name service=ocean port=tag#0$x$", "");
	assert_string_equal(s->asked, "1: 0 ocean tag#0$x$");
	s->said[1][0] = 0;
	shep_pmi1_named(s->p, 1, SHEP_PMI1_PUBLISH, 0, NULL);
	assert_string_equal(s->said[1], "cmd=publish_result info=ok rc=0\n");
	ask(s, 2, "cmd=lookup_name service=ocean", "");
	assert_string_equal(s->asked, "2: 1 ocean -");
	shep_pmi1_named(s->p, 2, SHEP_PMI1_LOOKUP, 0, "tag#0$x$");
	assert_string_equal(s->said[2], "cmd=lookup_result port=tag#0$x$ info=ok rc=0\n");
	ask(s, 2, "cmd=unpublish_name service=ocean", "");
	assert_string_equal(s->asked, "2: 2 ocean -");
	shep_pmi1_named(s->p, 2, SHEP_PMI1_UNPUBLISH, -ENOENT, NULL);
	assert_string_equal(s->said[2],
			    "cmd=unpublish_result info=unknown rc=1 msg=service_not_found\n");
	ask(s, 0, "cmd=lookup_name", "cmd=lookup_result info=failed rc=1 msg=names_are_not_served");
	ask(s, 0, "cmd=publish_name service=x",
	    "cmd=publish_result info=failed rc=1 msg=names_are_not_served");
}

static void say_all(struct scene *s, uint32_t local, const char *const *lines)
{
	for (; *lines; lines++)
		ask(s, local, *lines, "");
}

static void spawns(void **state)
{
	static const char *const lines[] = {
		"mcmd=spawn",	 "nprocs=2",	     "execname=./a b",	   "totspawns=2",
		"spawnssofar=1", "arg1=--x=1 y",     "arg2=",		   "argcnt=2",
		"preput_num=1",	 "preput_key_0=PORT", "preput_val_0=tag=1 $", "info_num=2",
		"info_key_0=wdir", "info_val_0=/w",  "info_key_1=colour", "info_val_1=red",
		"endcmd",	 NULL
	};
	static const char *const more[] = { "mcmd=spawn",    "nprocs=1",	   "execname=c",
					    "totspawns=2",   "spawnssofar=2",	   "argcnt=0",
					    "preput_num=1",  "preput_key_0=PORT",  "preput_val_0=z",
					    "info_num=1",    "info_key_0=host",	   "info_val_0=node2",
					    "endcmd",	     NULL };
	struct scene *s = *state;

	say_all(s, 1, lines);
	assert_string_equal(s->asked, "");
	say_all(s, 1, more);
	assert_string_equal(s->asked,
			    "1: 2 x ./a b --x=1 y  in /w on ; 1 x c in  on node2; PORT=tag=1 $");
	s->said[1][0] = 0;
	shep_pmi1_spawned(s->p, 1, 0);
	assert_string_equal(s->said[1], "cmd=spawn_result rc=0\n");
	ask(s, 1, "cmd=get_appnum", "cmd=appnum appnum=3");
	say_all(s, 2, lines);
	shep_pmi1_spawned(s->p, 1, -ENOENT);
	assert_non_null(strstr(s->said[1], "rc=-1"));
}

static void broken_spawns(void **state)
{
	static const char *const texts[] = {
		"mcmd=spawn\nendcmd\n",
		"mcmd=spawn\nmcmd=spawn\n",
		"mcmd=spawn\nnprocs=-1\n",
		"mcmd=spawn\nnprocs=99999999999\n",
		"mcmd=spawn\nhello\n",
		"mcmd=spawn\narg1=x\n",
		"mcmd=spawn\nexecname=a\nexecname=b\n",
		"mcmd=spawn\npreput_val_0=x\n",
		"mcmd=spawn\nnprocs=1\nexecname=a\ntotspawns=1\nspawnssofar=2\nendcmd\n",
		"mcmd=spawn\nexecname=a\ntotspawns=1\nspawnssofar=1\nendcmd\n",
		"mcmd=spawn\nnprocs=1\nexecname=a\ntotspawns=2\nspawnssofar=1\nendcmd\ncmd=init\n",
	};
	struct scene *s = *state;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_int_equal(shep_pmi1_input(s->p, 0, texts[i], strlen(texts[i])),
				 -DVM_EPROTO);
	assert_string_equal(s->asked, "");
}

static void preput(void **state)
{
	struct scene *s = *state;

	assert_int_equal(shep_pmi1_preput(s->p, "PORT=a=b c"), 0);
	assert_int_equal(shep_pmi1_preput(s->p, "PORT"), -EINVAL);
	assert_int_equal(shep_pmi1_preput(s->p, "=x"), -EINVAL);
	ask(s, 0, "cmd=get key=PORT", "cmd=get_result rc=0 msg=success value=a=b c");
}

static void nonsense(void **state)
{
	static const char *const lines[] = { "hello\n", "cmd=dance\n", "nprocs=2\n", "\n",
					     "cmd=init\0x\n" };
	struct scene *s = *state;
	static char longest[8192];

	for (size_t i = 0; i < 4; i++)
		assert_int_equal(shep_pmi1_input(s->p, 0, lines[i], strlen(lines[i])), -DVM_EPROTO);
	memset(longest, 'x', sizeof longest);
	assert_int_equal(shep_pmi1_input(s->p, 2, longest, sizeof longest), -DVM_EPROTO);
	ask(s, 1, "cmd=put key=k", "cmd=put_result rc=-1 msg=bad_key_or_value");
	ask(s, 1, "cmd=put value=k", "cmd=put_result rc=-1 msg=bad_key_or_value");
	ask(s, 1, "cmd=barrier_in", "");
	assert_int_equal(shep_pmi1_input(s->p, 1, "cmd=barrier_in\n", 15), -DVM_EPROTO);
	assert_int_equal(shep_pmi1_input(s->p, 1, lines[4], 10), -DVM_EPROTO);
}

static void mapping(void **state)
{
	static const struct {
		uint32_t n, node_of[9];
		const char *text;
	} cases[] = {
		{ 1, { 0 }, "(vector,(0,1,1))" },
		{ 4, { 0, 0, 1, 1 }, "(vector,(0,2,2))" },
		{ 5, { 0, 0, 1, 1, 2 }, "(vector,(0,2,2),(2,1,1))" },
		{ 6, { 0, 1, 2, 0, 1, 2 }, "(vector,(0,3,1),(0,3,1))" },
		{ 4, { 1, 1, 0, 0 }, "(vector,(1,1,2),(0,1,2))" },
		{ 9, { 0, 0, 0, 1, 1, 1, 2, 2, 2 }, "(vector,(0,3,3))" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int n = shep_pmi1_mapping(out, sizeof out, cases[i].node_of, cases[i].n);
		assert_string_equal(out, cases[i].text);
		assert_int_equal(n, strlen(out));
	}
	assert_int_equal(shep_pmi1_mapping(out, 10, cases[0].node_of, 1), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(questions, setup, teardown),
		cmocka_unit_test_setup_teardown(barrier, setup, teardown),
		cmocka_unit_test_setup_teardown(aborts, setup, teardown),
		cmocka_unit_test_setup_teardown(names, setup, teardown),
		cmocka_unit_test_setup_teardown(spawns, setup, teardown),
		cmocka_unit_test_setup_teardown(broken_spawns, setup, teardown),
		cmocka_unit_test_setup_teardown(preput, setup, teardown),
		cmocka_unit_test_setup_teardown(nonsense, setup, teardown),
		cmocka_unit_test(mapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
