/* SPDX-License-Identifier: BSD-3-Clause */
/* A socket under a name that may have been used before. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "kvm-node/listener.h"
#include "tests/unit/tmpdir.h"

struct scene {
	char dir[TMPDIR_MAX];
	struct sockaddr_un a;
};

static int set_up(void **state)
{
	static struct scene s;

	s = (struct scene){ .a.sun_family = AF_UNIX };
	tmpdir_make(s.dir);
	assert_true(snprintf(s.a.sun_path, sizeof s.a.sun_path, "%s/vs", s.dir) <
		    (int)sizeof s.a.sun_path);
	*state = &s;
	return 0;
}

static int tear_down(void **state)
{
	tmpdir_remove(((struct scene *)*state)->dir);
	return 0;
}

static int opened(const struct sockaddr_un *a)
{
	dvm_error_t err;
	int fd = vmm_listener_open(a, &err);

	if (fd < 0)
		fail_msg("%s", err.text);
	return fd;
}

static bool answers(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool good = connect(fd, (const struct sockaddr *)a, sizeof *a) == 0;

	close(fd);
	return good;
}

static void test_new(void **state)
{
	const struct scene *s = *state;
	int fd = opened(&s->a);

	assert_true(answers(&s->a));
	close(fd);
}

/* Who was killed has left his name behind. */
static void test_left(void **state)
{
	const struct scene *s = *state;

	close(opened(&s->a));
	assert_false(answers(&s->a));
	int fd = opened(&s->a);
	assert_true(answers(&s->a));
	close(fd);
}

static void test_taken(void **state)
{
	const struct scene *s = *state;
	int fd = opened(&s->a);
	dvm_error_t err;

	assert_int_equal(vmm_listener_open(&s->a, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "another one listens at"));
	assert_true(answers(&s->a));
	close(fd);
}

/* Connecting to a file is refused, as to a socket that nobody listens at. */
static void test_file(void **state)
{
	const struct scene *s = *state;
	FILE *f = fopen(s->a.sun_path, "we");
	struct stat st;
	dvm_error_t err;

	assert_non_null(f);
	fclose(f);
	assert_int_equal(vmm_listener_open(&s->a, &err), -EEXIST);
	assert_int_equal(stat(s->a.sun_path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

/* ---- many at once find what was left ---- */

enum { RACERS = 4, ROUNDS = 300 };

struct race {
	struct sockaddr_un a;
	pthread_barrier_t start;
};

static void *take_over(void *arg)
{
	struct race *r = arg;
	dvm_error_t err;

	pthread_barrier_wait(&r->start);
	return (void *)(intptr_t)vmm_listener_open(&r->a, &err);
}

/* How many have got it; the last one's descriptor in *FD. */
static unsigned race(struct race *r, int *fd)
{
	pthread_t racers[RACERS];
	unsigned won = 0;
	void *got;

	for (unsigned i = 0; i < RACERS; i++)
		assert_int_equal(pthread_create(&racers[i], NULL, take_over, r), 0);
	for (unsigned i = 0; i < RACERS; i++) {
		pthread_join(racers[i], &got);
		if ((intptr_t)got < 0)
			continue;
		won++;
		*fd = (int)(intptr_t)got;
	}
	return won;
}

static void test_one_takes_over(void **state)
{
	const struct scene *s = *state;
	struct race r = { .a = s->a };
	int fd = -1;

	assert_int_equal(pthread_barrier_init(&r.start, NULL, RACERS), 0);
	close(opened(&s->a));
	for (unsigned i = 0; i < ROUNDS; i++) {
		assert_int_equal(race(&r, &fd), 1);
		assert_true(answers(&s->a));
		close(fd);
	}
	pthread_barrier_destroy(&r.start);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_new, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_left, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_takes_over, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
