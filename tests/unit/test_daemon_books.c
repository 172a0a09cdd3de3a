/* SPDX-License-Identifier: BSD-3-Clause */
/* Pairs, shares and the history's database. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/steady.h"
#include "daemon/histdb.h"
#include "daemon/history_row.h"
#include "daemon/pairs.h"
#include "daemon/shares.h"
#include "tests/unit/cm.h"
#include "tests/unit/tmpdir.h"

#define SEC UINT64_C(1000000000)

/* ---- pairs ---- */

static void pairs_are_taken_one_by_one(void **state)
{
	const char *at = "gpu:2,tape,x:0";
	struct dvmd_pair p;

	assert_int_equal(dvmd_pairs_next(&at, ':', 9, &p, NULL), 1);
	assert_string_equal(p.name, "gpu");
	assert_int_equal(p.value, 2);
	assert_int_equal(dvmd_pairs_next(&at, ':', 9, &p, NULL), 1);
	assert_string_equal(p.name, "tape");
	assert_int_equal(p.value, 1);
	assert_int_equal(dvmd_pairs_next(&at, ':', 9, &p, NULL), 1);
	assert_int_equal(p.value, 0);
	assert_int_equal(dvmd_pairs_next(&at, ':', 9, &p, NULL), 0);
	assert_int_equal(dvmd_pairs_find("ann=2,*=1", "ann", 7), 2);
	assert_int_equal(dvmd_pairs_find("ann=2,*=1", "bob", 7), 7);
}

static void bad_pairs_are_refused(void **state)
{
	static const char *const bad[] = { ":1", "a:", "a:b", "a:10", "a::1", ",a", "a,,b",
					   "a:99999999999999999999999999" };
	dvm_error_t err;
	struct dvmd_pair p;
	char name[80];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const char *at = bad[i];
		int rc = 1;
		while (rc > 0)
			rc = dvmd_pairs_next(&at, ':', 9, &p, &err);
		if (rc != -EINVAL || !*err.text)
			fail_msg("%s: %d", bad[i], rc);
	}
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = 0;
	const char *at = name;
	assert_int_equal(dvmd_pairs_next(&at, ':', 9, &p, &err), -EINVAL);
}

static void kinds_of_resources_are_few(void **state)
{
	Pb__Gres **list = NULL;
	size_t n = 0;
	dvm_error_t err;

	assert_int_equal(dvmd_gres_parse("a:1,b,c:3", &list, &n, &err), 0);
	assert_int_equal(n, 3);
	assert_int_equal(list[2]->count, 3);
	assert_int_equal(dvmd_gres_parse("c", &list, &n, &err), -EINVAL);
	assert_int_equal(dvmd_gres_parse("d,e,f,g,h,i", &list, &n, &err), -EINVAL);
	for (size_t i = 0; i < n; i++)
		dvmi_pb_free(list[i]);
	free(list);
}

/* ---- shares ---- */

static void use_is_forgotten_by_half(void **state)
{
	struct dvmd_shares s = { .half_life = 100 * SEC };

	assert_int_equal(dvmd_shares_charge(&s, "ann", 1000, 0), 0);
	assert_int_equal(dvmd_shares_charge(&s, "bob", 1000, 100 * SEC), 0);
	assert_int_equal(dvmd_shares_charge(&s, "ann", 1000, 100 * SEC), 0);
	/* What is heard of late has been forgotten in part. */
	assert_int_equal(dvmd_shares_charge(&s, "bob", 1000, 0), 0);
	struct dsched_share *v = dvmd_shares_view(&s, 200 * SEC, "ann=3,@bob=9", "");
	assert_non_null(v);
	assert_int_equal(s.n, 2);
	assert_int_equal(v[0].used, 750);
	assert_int_equal(v[1].used, 750);
	assert_int_equal(v[0].shares, 3);
	assert_int_equal(v[1].shares, 1);
	free(v);
	v = dvmd_shares_view(&s, 200 * SEC, "ann=3,@bob=9", "@");
	assert_int_equal(v[0].shares, 1);
	assert_int_equal(v[1].shares, 9);
	free(v);
	dvmd_shares_free(&s);
}

/* ---- the database ---- */

static int make_dir(void **state)
{
	char *dir = malloc(TMPDIR_MAX);

	tmpdir_make(dir);
	*state = dir;
	return 0;
}

static int remove_dir(void **state)
{
	tmpdir_remove(*state);
	free(*state);
	return 0;
}

static Pb__HistoryRow row_of(uint64_t job)
{
	Pb__HistoryRow r = PB__HISTORY_ROW__INIT;

	r.job = job;
	r.user = (char *)(job % 2 ? "ann" : "bob");
	r.state = (char *)(job % 3 ? "done" : "failed");
	r.started = job * SEC;
	r.ended = (job + 1) * SEC;
	r.ranks = 2;
	r.cpu_ns = UINT64_C(1) << 60;
	r.command = (char *)"echo 'a b'; DROP TABLE runs";
	return r;
}

static void add(struct dvmd_histdb *db, uint64_t from, uint64_t to)
{
	dvm_error_t err;

	for (uint64_t i = from; i <= to; i++) {
		Pb__HistoryRow r = row_of(i), *list = &r;
		assert_int_equal(dvmd_histdb_add(db, &list, 1, &err), 0);
	}
}

static size_t count(struct dvmd_histdb *db, const Pb__HistoryRequest *req, bool *more)
{
	Pb__HistoryReply *r = NULL;
	dvm_error_t err;

	assert_int_equal(dvmd_histdb_query(db, req, &r, &err), 0);
	size_t n = r->n_rows;
	for (size_t i = 1; i < n; i++)
		assert_true(r->rows[i]->row < r->rows[i - 1]->row);
	if (n)
		assert_string_equal(r->rows[0]->command, "echo 'a b'; DROP TABLE runs");
	if (more)
		*more = r->more;
	dvmi_pb_free(r);
	return n;
}

static void add_used(const Pb__HistoryRow *row, void *arg)
{
	*(uint64_t *)arg += row->ranks;
}

static void rows_are_kept_and_found(void **state)
{
	Pb__HistoryRequest req = PB__HISTORY_REQUEST__INIT;
	struct dvmd_histdb *db;
	char path[600];
	dvm_error_t err = { 0 };
	uint64_t used = 0;
	bool more;

	snprintf(path, sizeof path, "%s/history.db", (char *)*state);
	assert_int_equal(dvmd_histdb_open(&db, path, &err), 0);
	add(db, 1, 30);
	add(db, 20, 30); /* told twice */
	dvmd_histdb_close(db);
	assert_int_equal(dvmd_histdb_open(&db, path, &err), 0);
	assert_int_equal(count(db, &req, &more), 30);
	assert_false(more);
	req.limit = 7;
	assert_int_equal(count(db, &req, &more), 7);
	assert_true(more);
	req.before = 5;
	assert_int_equal(count(db, &req, &more), 4);
	req = (Pb__HistoryRequest)PB__HISTORY_REQUEST__INIT;
	req.user = (char *)"ann";
	assert_int_equal(count(db, &req, NULL), 15);
	req.state = (char *)"failed";
	assert_int_equal(count(db, &req, NULL), 5);
	req.since = 20 * SEC;
	assert_int_equal(count(db, &req, NULL), 2);
	req.user = (char *)"ann' OR 1";
	assert_int_equal(count(db, &req, NULL), 0);
	assert_int_equal(dvmd_histdb_each_run(db, 21 * SEC, add_used, &used, &err), 0);
	assert_int_equal(used, 22);
	dvmd_histdb_close(db);
}

static void a_damaged_file_is_put_aside(void **state)
{
	Pb__HistoryRequest req = PB__HISTORY_REQUEST__INIT;
	struct dvmd_histdb *db;
	char path[600], bad[610];
	dvm_error_t err = { 0 };

	snprintf(path, sizeof path, "%s/history.db", (char *)*state);
	snprintf(bad, sizeof bad, "%s.bad", path);
	FILE *f = fopen(path, "w");
	for (int i = 0; i < 4096; i++)
		fputc('x', f);
	fclose(f);
	assert_int_equal(dvmd_histdb_open(&db, path, &err), 0);
	assert_int_equal(err.code, -EBADMSG);
	assert_int_equal(access(bad, F_OK), 0);
	add(db, 1, 2);
	assert_int_equal(count(db, &req, NULL), 2);
	dvmd_histdb_close(db);
}

static void a_record_becomes_a_row(void **state)
{
	Pb__JobRecord r = PB__JOB_RECORD__INIT;
	Pb__JobSpec spec = PB__JOB_SPEC__INIT;
	Pb__Placement p = PB__PLACEMENT__INIT;
	Pb__NodeShare shares[2] = { PB__NODE_SHARE__INIT, PB__NODE_SHARE__INIT };
	Pb__NodeShare *nodes[] = { &shares[0], &shares[1] };
	Pb__JobUsage usage = PB__JOB_USAGE__INIT;
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"a b" };

	shares[0].name = (char *)"node1";
	shares[1].name = (char *)"node2";
	p.nodes = nodes;
	p.n_nodes = 2;
	p.ranks = 4;
	spec.argv = argv;
	spec.n_argv = 3;
	usage.how = PB__JOB_HOW__HOW_TIMEOUT;
	usage.cpu_ns = 5;
	r.spec = &spec;
	r.placement = &p;
	r.usage = &usage;
	r.exit_code = 124;
	Pb__HistoryRow *row = dvmd_history_row(&r, NULL, 0);
	assert_non_null(row);
	assert_string_equal(row->command, "sh -c 'a b'");
	assert_string_equal(row->nodes, "node[1-2]");
	assert_string_equal(row->state, "timeout");
	assert_int_equal(row->cpu_ns, 5);
	assert_int_equal(row->ranks, 4);
	dvmi_pb_free(row);
	assert_string_equal(dvmd_history_state((Pb__JobHow)99, 1), "failed");
	assert_string_equal(dvmd_history_state(PB__JOB_HOW__HOW_UNKNOWN, 0), "done");
}

/* The clock of dates is kept over a restart of the daemon, and begins anew with the host. */
static void the_steady_clock_is_of_one_boot(void **state)
{
	uint64_t offset = 7;

	assert_true(dvmd_steady_parse("abc 42", "abc", &offset));
	assert_true(offset == 42);
	assert_true(dvmd_steady_parse("abc 18446744073709551615", "abc", &offset));
	assert_true(offset == UINT64_MAX);
	assert_false(dvmd_steady_parse("abd 42", "abc", &offset));
	assert_false(dvmd_steady_parse("abc", "abc", &offset));
	assert_false(dvmd_steady_parse("abc x", "abc", &offset));
	assert_false(dvmd_steady_parse("abc 42 ", "abc", &offset));
	assert_false(dvmd_steady_parse(" 42", "", &offset));
	assert_true(offset == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_steady_clock_is_of_one_boot),
		cmocka_unit_test(pairs_are_taken_one_by_one),
		cmocka_unit_test(bad_pairs_are_refused),
		cmocka_unit_test(kinds_of_resources_are_few),
		cmocka_unit_test(use_is_forgotten_by_half),
		cmocka_unit_test_setup_teardown(rows_are_kept_and_found, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_damaged_file_is_put_aside, make_dir,
						remove_dir),
		cmocka_unit_test(a_record_becomes_a_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
