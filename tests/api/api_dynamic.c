/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm/dynamic.h: bad arguments, and a process that is no part of a machine. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <dvm/dvm.h>
#include <dvm/dynamic.h>

#include "tests/api/cm.h"

static dvm_t *d;

static int setup(void **state)
{
	unsetenv("DVM_SHEPHERD");
	return dvm_open(&d, NULL, NULL);
}

static int teardown(void **state)
{
	return dvm_close(d);
}

#define FAILS(call, want, says)                                                                    \
	do {                                                                                       \
		dvm_error_t err = { 0 }; /* named in CALL */                                       \
		assert_int_equal(call, want);                                                      \
		assert_int_equal(err.code, want);                                                  \
		if (!strstr(err.text, says))                                                       \
			fail_msg("'%s' does not say '%s'", err.text, says);                        \
	} while (0)

static void job_ids(void **state)
{
	int rank = 5;

	assert_int_equal(dvm_job_id(NULL), 0);
	assert_int_equal(dvm_job_id(d), 0);
	assert_int_equal(dvm_parent_job(NULL, &rank), 0);
	assert_int_equal(dvm_parent_job(d, &rank), 0);
	assert_int_equal(dvm_parent_job(d, NULL), 0);
	assert_int_equal(rank, 5);
}

static void spawning(void **state)
{
	const char *argv[] = { "true", NULL }, *none[] = { NULL }, *empty[] = { "", NULL };
	const char *odd[] = { "A=1", "B", NULL };
	const dvm_spawn_config_t good = { .size = sizeof good, .argv = argv };
	dvm_spawn_config_t c = good;
	uint64_t job = 7;

	FAILS(dvm_job_spawn(NULL, &c, &job, &err), -EINVAL, "handle");
	FAILS(dvm_job_spawn(d, NULL, &job, &err), -EINVAL, "nothing");
	FAILS(dvm_job_spawn(d, &c, NULL, &err), -EINVAL, "place");
	c.size--;
	FAILS(dvm_job_spawn(d, &c, &job, &err), -EINVAL, "size");
	c = good, c.argv = NULL;
	FAILS(dvm_job_spawn(d, &c, &job, &err), -EINVAL, "program");
	c.argv = none;
	FAILS(dvm_job_spawn(d, &c, &job, &err), -EINVAL, "program");
	c.argv = empty;
	FAILS(dvm_job_spawn(d, &c, &job, &err), -EINVAL, "program");
	c = good, c.wdir = "here";
	FAILS(dvm_job_spawn(d, &c, &job, &err), -EINVAL, "absolute");
	c = good, c.flags = 1u << 31;
	FAILS(dvm_job_spawn(d, &c, &job, &err), -EINVAL, "flags");
	c = good, c.env = odd;
	FAILS(dvm_job_spawn(d, &c, &job, &err), -EINVAL, "\"B\"");
	FAILS(dvm_job_spawn(d, &good, &job, &err), -ENOTCONN, "machine");
	assert_int_equal(dvm_job_spawn(d, &good, &job, NULL), -ENOTCONN);
	assert_int_equal(job, 7);
	FAILS(dvm_job_cancel(NULL, 1, &err), -EINVAL, "handle");
	FAILS(dvm_job_cancel(d, 0, &err), -EINVAL, "job");
	FAILS(dvm_job_cancel(d, 1, &err), -ENOTCONN, "machine");
}

static void a_spawn_that_is_too_long(void **state)
{
	const char *argv[] = { "true", NULL, NULL };
	const dvm_spawn_config_t c = { .size = sizeof c, .argv = argv };
	char *text = malloc((1 << 20) + 1);
	uint64_t job;

	memset(text, 'x', 1 << 20);
	text[1 << 20] = 0;
	argv[1] = text;
	FAILS(dvm_job_spawn(d, &c, &job, &err), -E2BIG, "");
	free(text);
}

static void growing(void **state)
{
	dvm_room_t room = { .size = sizeof room, .max = 7 };

	FAILS(dvm_room(NULL, &room, &err), -EINVAL, "handle");
	FAILS(dvm_room(d, NULL, &err), -EINVAL, "place");
	room.size--;
	FAILS(dvm_room(d, &room, &err), -EINVAL, "size");
	room.size++;
	FAILS(dvm_room(d, &room, &err), -ENOTCONN, "machine");
	assert_int_equal(room.max, 7);
}

static void names(void **state)
{
	char value[257] = "v", long_name[129];
	uint64_t job = 7;
	size_t len = 7;
	int rank = 7;

	memset(long_name, 'n', 128);
	long_name[128] = 0;
	FAILS(dvm_name_publish(NULL, "s", value, 1, &err), -EINVAL, "handle");
	FAILS(dvm_name_publish(d, NULL, value, 1, &err), -EINVAL, "name");
	FAILS(dvm_name_publish(d, "", value, 1, &err), -EINVAL, "127");
	FAILS(dvm_name_publish(d, long_name, value, 1, &err), -EINVAL, "127");
	FAILS(dvm_name_publish(d, "s", value, 257, &err), -EINVAL, "256");
	FAILS(dvm_name_publish(d, "s", NULL, 1, &err), -EINVAL, "256");
	FAILS(dvm_name_publish(d, "s", value, 256, &err), -ENOTCONN, "machine");
	FAILS(dvm_name_publish(d, "s", NULL, 0, &err), -ENOTCONN, "machine");
	FAILS(dvm_name_lookup(NULL, "s", value, 1, &len, &job, &rank, 0, &err), -EINVAL, "handle");
	FAILS(dvm_name_lookup(d, "", value, 1, &len, &job, &rank, 0, &err), -EINVAL, "127");
	FAILS(dvm_name_lookup(d, "s", NULL, 1, &len, &job, &rank, 0, &err), -EINVAL, "place");
	FAILS(dvm_name_lookup(d, "s", value, 1, &len, &job, &rank, 60001, &err), -EINVAL, "60000");
	FAILS(dvm_name_lookup(d, "s", value, 1, &len, &job, &rank, 60000, &err), -ENOTCONN, "");
	FAILS(dvm_name_lookup(d, "s", NULL, 0, NULL, NULL, NULL, 0, &err), -ENOTCONN, "machine");
	assert_int_equal(job, 7);
	assert_int_equal(rank, 7);
	assert_int_equal(len, 7);
	FAILS(dvm_name_unpublish(NULL, "s", &err), -EINVAL, "handle");
	FAILS(dvm_name_unpublish(d, "", &err), -EINVAL, "127");
	FAILS(dvm_name_unpublish(d, "s", &err), -ENOTCONN, "machine");
}

static void hosts(void **state)
{
	dvm_host_t host;

	FAILS(dvm_hosts(NULL, &host, 1, &err), -EINVAL, "handle");
	FAILS(dvm_hosts(d, NULL, 1, &err), -EINVAL, "place");
	FAILS(dvm_hosts(d, &host, -1, &err), -EINVAL, "place");
	FAILS(dvm_hosts(d, NULL, 0, &err), -ENOTCONN, "machine");
	FAILS(dvm_host_add(NULL, "a", &err), -EINVAL, "handle");
	FAILS(dvm_host_add(d, "a", &err), -ENOTCONN, "machine");
	FAILS(dvm_host_remove(NULL, "a", &err), -EINVAL, "handle");
	FAILS(dvm_host_remove(d, NULL, &err), -EINVAL, "node");
	FAILS(dvm_host_remove(d, "", &err), -EINVAL, "node");
	FAILS(dvm_host_remove(d, "a", &err), -ENOTCONN, "machine");
}

static void events(void **state)
{
	dvm_event_t e = { .rank = 7 };

	assert_int_equal(dvm_watch(NULL, DVM_EVENT_ANY), -EINVAL);
	assert_int_equal(dvm_watch(d, DVM_EVENT_ANY + 1), -EINVAL);
	assert_int_equal(dvm_watch(d, DVM_EVENT_ANY), -ENOTCONN);
	assert_int_equal(dvm_event(NULL, &e), -EINVAL);
	assert_int_equal(dvm_event(d, NULL), -EINVAL);
	assert_int_equal(dvm_event(d, &e), 0);
	assert_int_equal(dvm_event_wait(NULL, &e, 0), -EINVAL);
	assert_int_equal(dvm_event_wait(d, NULL, 0), -EINVAL);
	assert_int_equal(dvm_event_wait(d, &e, -2), -EINVAL);
	assert_int_equal(dvm_event_wait(d, &e, 0), -ENOTCONN);
	assert_int_equal(e.rank, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(job_ids), cmocka_unit_test(spawning),
		cmocka_unit_test(a_spawn_that_is_too_long),
		cmocka_unit_test(names),   cmocka_unit_test(hosts), cmocka_unit_test(growing),
		cmocka_unit_test(events),
	};
	return cmocka_run_group_tests(tests, setup, teardown);

}
