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
	ask(s, 1, "cmd=get_appnum", "cmd=appnum appnum=0");
	ask(s, 1, "cmd=get_universe_size", "cmd=universe_size size=7");
	ask(s, 1, "cmd=get_my_kvsname", "cmd=my_kvsname kvsname=dvm_12");
	ask(s, 1, "cmd=get kvsname=dvm_12 key=PMI_process_mapping",
	    "cmd=get_result rc=0 msg=success value=(vector,(0,1,7))");
	ask(s, 1, "cmd=get kvsname=dvm_12 key=other",
	    "cmd=get_result rc=-1 msg=key_not_found value=unknown");
	ask(s, 1, "cmd=lookup_name service=x",
	    "cmd=lookup_result info=unknown rc=1 msg=names_are_not_served");
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

static void nonsense(void **state)
{
	static const char *const lines[] = { "hello\n", "cmd=dance\n", "mcmd=spawn\n", "\n",
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
		cmocka_unit_test_setup_teardown(nonsense, setup, teardown),
		cmocka_unit_test(mapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
