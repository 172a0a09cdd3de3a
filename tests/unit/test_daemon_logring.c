/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemon/journal.h"
#include "daemon/logring.h"
#include "tests/unit/cm.h"
#include "tests/unit/tmpdir.h"

static void put(struct dvmd_logring *r, int level, int number)
{
	char text[32];
	struct dvmi_log_record rec = {
		.level = level,
		.subsys = "job",
		.node = "n1",
		.view = 7,
		.wall = 1000 + (uint64_t)number,
		.text = text,
	};

	snprintf(text, sizeof text, "record %d.", number);
	errno = EXDEV;
	dvmd_logring_sink(&rec, r);
	assert_int_equal(errno, EXDEV);
}

/* The reply holds the records FIRST … LAST, or every STEP-th of them. */
static void expect(struct dvmd_logring *r, uint32_t lines, int level, int first, int last, int step)
{
	cleanup_pb Pb__LogReply *reply = dvmd_logring_reply(r, lines, level);
	size_t i = 0;
	char text[32];

	for (int number = first; number <= last; number += step, i++) {
		assert_true(i < reply->n_lines);
		snprintf(text, sizeof text, "job: record %d.", number);
		assert_non_null(strstr(reply->lines[i]->line, text));
		assert_int_equal(reply->lines[i]->wall, 1000 + number);
	}
	assert_int_equal(reply->n_lines, i);
}

static void the_newest_records_are_kept(void **state)
{
	struct dvmd_logring *r;

	assert_int_equal(dvmd_logring_create(&r, 10, DVMD_LOG_QUIET), 0);
	expect(r, 0, LOG_DEBUG, 1, 0, 1);
	for (int i = 1; i <= 35; i++) {
		put(r, LOG_INFO, i);
		expect(r, 0, LOG_DEBUG, i > 10 ? i - 9 : 1, i, 1);
		expect(r, 3, LOG_DEBUG, i > 3 ? i - 2 : 1, i, 1);
		expect(r, 99, LOG_DEBUG, i > 10 ? i - 9 : 1, i, 1);
	}
	dvmd_logring_destroy(r);
	dvmd_logring_destroy(NULL);
}

static void levels_are_chosen(void **state)
{
	struct dvmd_logring *r;

	assert_int_equal(dvmd_logring_create(&r, 20, DVMD_LOG_QUIET), 0);
	for (int i = 1; i <= 20; i++)
		put(r, i % 2 ? LOG_DEBUG : LOG_ERR, i);
	expect(r, 0, LOG_ERR, 2, 20, 2);
	expect(r, 3, LOG_ERR, 16, 20, 2);
	expect(r, 3, LOG_DEBUG, 18, 20, 1);
	expect(r, 0, LOG_CRIT, 1, 0, 1);
	dvmd_logring_destroy(r);
}

/* Lets stderr be FD while FN runs. */
static void with_stderr(int fd, void (*fn)(struct dvmd_logring *r), struct dvmd_logring *r)
{
	int saved = dup(STDERR_FILENO);

	dup2(fd, STDERR_FILENO);
	fn(r);
	dup2(saved, STDERR_FILENO);
	close(saved);
}

static void put_two(struct dvmd_logring *r)
{
	put(r, LOG_INFO, 1);
	put(r, LOG_ERR, 2);
}

static void stderr_gets_whole_lines(void **state)
{
	struct dvmd_logring *r;
	char text[512];
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	assert_int_equal(dvmd_logring_create(&r, 4, DVMD_LOG_STDERR), 0);
	with_stderr(fd[1], put_two, r);
	close(fd[1]);
	ssize_t n = read(fd[0], text, sizeof text - 1);
	assert_true(n > 0);
	text[n] = 0;
	char *second = strchr(text, '\n') + 1;
	assert_non_null(strstr(text, " info node=n1 view=7 job: record 1.\n"));
	assert_non_null(strstr(second, " err node=n1 view=7 job: record 2.\n"));
	assert_int_equal(text[n - 1], '\n');
	close(fd[0]);
	dvmd_logring_destroy(r);
}

static void the_journal_is_recognised(void **state)
{
	char dir[TMPDIR_MAX], path[TMPDIR_MAX + 8], stream[64];
	struct stat st;

	tmpdir_make(dir);
	snprintf(path, sizeof path, "%s/f", dir);
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(fstat(fd, &st), 0);
	unsetenv("JOURNAL_STREAM");
	assert_false(dvmd_journal_has(fd));
	setenv("JOURNAL_STREAM", "nonsense", 1);
	assert_false(dvmd_journal_has(fd));
	snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	assert_false(dvmd_journal_has(fd));
	snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	assert_true(dvmd_journal_has(fd));
	unsetenv("JOURNAL_STREAM");
	close(fd);
	tmpdir_remove(dir);
}

static int listen_journal(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	strcpy(addr.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
	return fd;
}

static void the_journal_gets_fields_that_nobody_can_forge(void **state)
{
	static const struct dvmi_log_record rec = {
		.level = LOG_WARNING,
		.subsys = "member",
		.node = "n\nPRIORITY=0",
		.view = 12,
		.text = "two\nUSER_ID=0",
	};
	char dir[TMPDIR_MAX], path[TMPDIR_MAX + 8], got[2048];

	tmpdir_make(dir);
	snprintf(path, sizeof path, "%s/socket", dir);
	assert_int_equal(dvmd_journal_open(path), -ENOENT);
	int journal = listen_journal(path), fd = dvmd_journal_open(path);
	assert_true(fd >= 0);
	assert_int_equal(dvmd_journal_send(fd, &rec), 0);
	ssize_t n = recv(journal, got, sizeof got - 1, 0);
	assert_true(n > 0);
	got[n] = 0;
	assert_string_equal(got, "PRIORITY=4\nSYSLOG_IDENTIFIER=dvmd\nDVM_NODE=n PRIORITY=0\n"
				 "DVM_VIEW=12\nDVM_SUBSYSTEM=member\nMESSAGE=two USER_ID=0\n");
	/* Nobody reads: records are lost, nobody waits. */
	int rc = 0;
	for (int i = 0; i < 100000 && rc == 0; i++)
		rc = dvmd_journal_send(fd, &rec);
	assert_int_equal(rc, -EAGAIN);
	close(journal);
	assert_int_equal(dvmd_journal_send(fd, &rec), -ECONNREFUSED);
	close(fd);
	tmpdir_remove(dir);
}

static void *put_many(void *arg)
{
	struct dvmi_log_record rec = { .level = LOG_INFO, .subsys = "x", .node = "", .text = "t" };

	for (int i = 0; i < 2000; i++)
		dvmd_logring_sink(&rec, arg);
	return NULL;
}

static void threads_may_log(void **state)
{
	struct dvmd_logring *r;
	pthread_t t[4];

	assert_int_equal(dvmd_logring_create(&r, 50, DVMD_LOG_QUIET), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, put_many, r), 0);
	for (int i = 0; i < 20; i++)
		dvmi_pb_free(dvmd_logring_reply(r, 0, LOG_DEBUG));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	cleanup_pb Pb__LogReply *reply = dvmd_logring_reply(r, 0, LOG_DEBUG);
	assert_int_equal(reply->n_lines, 50);
	dvmd_logring_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_records_are_kept),
		cmocka_unit_test(levels_are_chosen),
		cmocka_unit_test(stderr_gets_whole_lines),
		cmocka_unit_test(the_journal_is_recognised),
		cmocka_unit_test(the_journal_gets_fields_that_nobody_can_forge),
		cmocka_unit_test(threads_may_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
