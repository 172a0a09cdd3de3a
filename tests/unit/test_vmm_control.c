/* SPDX-License-Identifier: BSD-3-Clause */
/* The console of a guest's control socket, with pipes in the guest's place. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kvm-node/control.h"
#include "kvm-node/control_private.h"

#define PATIENCE_MS 20000

struct scene {
	struct vmm_control *control;
	struct vmm_config config;
	int client;
};

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* That much, or what there was until the end. */
static size_t hear(int fd, char *p, size_t n)
{
	size_t got = 0;

	while (got < n) {
		struct pollfd ready = { fd, POLLIN, 0 };
		assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
		ssize_t some = read(fd, p + got, n - got);
		if (some <= 0)
			break;
		got += (size_t)some;
	}
	return got;
}

static void hears(int fd, const char *text)
{
	char p[256] = { 0 };

	assert_int_equal(hear(fd, p, strlen(text)), strlen(text));
	assert_string_equal(p, text);
}

static void ends(int fd)
{
	char byte;

	assert_int_equal(hear(fd, &byte, 1), 0);
}

static int dial(const char *name)
{
	struct sockaddr_un a;
	socklen_t len;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(vmm_control_address(name, &a, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, len), 0);
	return fd;
}

static int set_up(void **state)
{
	static struct scene scene;
	char name[32];

	scene = (struct scene){ .client = -1 };
	snprintf(name, sizeof name, "unit-%d", (int)getpid());
	assert_int_equal(vmm_control_create(&scene.control, name, -1, &scene.config, NULL), 0);
	assert_int_equal(vmm_control_start(scene.control, NULL), 0);
	scene.client = dial(name);
	*state = &scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;

	close(s->client);
	vmm_control_stop(s->control);
	vmm_control_destroy(s->control);
	return 0;
}

static void test_console(void **state)
{
	struct scene *s = *state;

	say(s->config.console_out, "booting\n");
	say(s->client, "console\n");
	hears(s->client, "booting\n");
	say(s->client, "ls\n");
	hears(s->config.console_in, "ls\n");
}

/* Who pipes something into a console has it sent together with the line that asks for it. */
static void test_typed_at_once(void **state)
{
	struct scene *s = *state;

	say(s->client, "console\nls -l\n");
	hears(s->config.console_in, "ls -l\n");
	say(s->client, "exit\n");
	hears(s->config.console_in, "exit\n");
}

/* A line may come in pieces, and after one that asks for something else there is nothing. */
static void test_pieces(void **state)
{
	struct scene *s = *state;

	say(s->client, "pi");
	say(s->client, "ng\nconsole\n");
	hears(s->client, "alive\n");
	ends(s->client);
}

static void test_too_long(void **state)
{
	struct scene *s = *state;
	char line[2 * VMM_CONTROL_LINE_MAX];

	memset(line, 'x', sizeof line - 1);
	line[sizeof line - 1] = 0;
	say(s->client, line);
	hears(s->client, "error: too long\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_console, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_typed_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pieces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_long, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
