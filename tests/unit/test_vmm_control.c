/* SPDX-License-Identifier: BSD-3-Clause */
/* The console of a guest's control socket, with pipes in the guest's place. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <cmocka.h>

#include "kvm-node/control.h"
#include "kvm-node/control_private.h"

#define PATIENCE_MS 20000

struct scene {
	struct vmm_control *control;
	struct vmm_config config;
	int client;
	char name[32];
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
	socklen_t len = 0;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(vmm_control_address(name, &a, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, len), 0);
	return fd;
}

static int set_up(void **state)
{
	static struct scene scene;

	scene = (struct scene){ .client = -1 };
	snprintf(scene.name, sizeof scene.name, "unit-%d", (int)getpid());
	assert_int_equal(vmm_control_create(&scene.control, scene.name, -1, &scene.config, NULL), 0);
	assert_int_equal(vmm_control_start(scene.control, NULL), 0);
	scene.client = dial(scene.name);
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

/* Its console is the client's from now on. */
static void join(struct scene *s)
{
	say(s->client, "console\n");
	say(s->config.console_out, "hello\n");
	hears(s->client, "hello\n");
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

/* Who is one too many is told so, also as one who asks in earnest. */
static void test_too_many(void **state)
{
	struct scene *s = *state;
	int more[7];
	dvm_error_t err;

	join(s);
	for (size_t i = 0; i < 7; i++) {
		more[i] = dial(s->name);
		say(more[i], "console\n");
		hears(more[i], "hello\n");
	}
	int last = dial(s->name);
	hears(last, "error: too many have joined\n");
	ends(last);
	close(last);
	assert_int_equal(vmm_control_ask(s->name, "ping", &err), -EINVAL);
	assert_string_equal(err.text, "too many have joined");
	assert_int_equal(vmm_control_ask(s->name, "console", &err), -EINVAL);
	assert_string_equal(err.text, "too many have joined");
	for (size_t i = 0; i < 7; i++)
		close(more[i]);
}

/* Prints N bytes, and the last of the pipe is taken. */
static void print(struct scene *s, size_t n)
{
	static char piece[4096];

	memset(piece, 'x', sizeof piece);
	for (size_t at = 0; at < n;) {
		struct pollfd ready = { s->config.console_out, POLLOUT, 0 };
		assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
		ssize_t done = write(s->config.console_out, piece,
				     n - at < sizeof piece ? n - at : sizeof piece);
		at += done > 0 ? (size_t)done : 0;
	}
}

/* ---- what is typed ---- */

/* Soon: those who have left may not have been seen to. */
static void hears_alive(const char *name)
{
	char p[8] = { 0 };

	for (int ms = 0; strcmp(p, "alive\n") != 0 && ms < PATIENCE_MS; ms += 10) {
		int fd = dial(name);
		if (send(fd, "ping\n", 5, MSG_NOSIGNAL) == 5)
			p[hear(fd, p, 6)] = 0;
		close(fd);
		poll(NULL, 0, 10);
	}
	assert_string_equal(p, "alive\n");
}

enum { MUCH_TYPED = 1000000 };

/* Bytes that do not repeat soon. */
static char typed_at(size_t i)
{
	return (char)('a' + (i / 7 + i / 4096) % 26);
}

static void *type_much(void *arg)
{
	static char text[MUCH_TYPED];
	const struct scene *s = arg;

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = typed_at(i);
	for (size_t at = 0; at < sizeof text;) {
		ssize_t n = send(s->client, text + at, sizeof text - at, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	return NULL;
}

/* Waits until a pipe of 64 KiB has no room for what comes in pieces. */
static void fills_up(int fd)
{
	int n = 0;

	for (int ms = 0; n <= 65536 - 256 && ms < PATIENCE_MS; ms += 10) {
		poll(NULL, 0, 10);
		assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
	}
	assert_true(n > 65536 - 256);
}

/* A guest that reads late gets all that was typed, and is heard meanwhile. */
static void test_typed_early(void **state)
{
	static char got[MUCH_TYPED];
	struct scene *s = *state;
	pthread_t thread;

	join(s);
	assert_int_equal(pthread_create(&thread, NULL, type_much, s), 0);
	fills_up(s->config.console_in);
	say(s->config.console_out, "busy\n");
	hears(s->client, "busy\n");
	assert_int_equal(hear(s->config.console_in, got, sizeof got), sizeof got);
	pthread_join(thread, NULL);
	for (size_t i = 0; i < sizeof got; i++)
		assert_int_equal(got[i], typed_at(i));
}

/* What was typed for a console that nobody reads goes to the other one, once that is there. */
static void test_typed_elsewhere(void **state)
{
	static char got[65536 + 4096];
	struct scene *s = *state;
	pthread_t thread;

	say(s->client, "console\n");
	assert_int_equal(pthread_create(&thread, NULL, type_much, s), 0);
	fills_up(s->config.console_in);
	say(s->config.hvc_out, "login:\n");
	hears(s->client, "login:\n");
	assert_int_equal(hear(s->config.hvc_in, got, sizeof got), sizeof got);
	shutdown(s->client, SHUT_RDWR);
	pthread_join(thread, NULL);
}

/* Whoever had printed there is gone, also if that is heard later. */
static void test_typed_after_a_reset(void **state)
{
	struct scene *s = *state;

	say(s->client, "console\n");
	say(s->config.hvc_out, "login:\n");
	hears(s->client, "login:\n");
	say(s->client, "reboot\n");
	hears(s->config.hvc_in, "reboot\n");
	say(s->config.hvc_out, "bye\n");
	s->config.hvc_reset(s->config.hvc_arg);
	hears_alive(s->name); /* the control's thread has seen to it */
	say(s->client, "e\n");
	hears(s->config.console_in, "e\n");
	say(s->config.hvc_out, "login:\n");
	hears(s->client, "bye\nlogin:\n");
	say(s->client, "root\n");
	hears(s->config.hvc_in, "root\n");
}

/* Who leaves while the guest does not read makes room for others. */
static void test_typed_and_gone(void **state)
{
	struct scene *s = *state;
	char text[4096] = { 0 };

	for (unsigned i = 0; i < 20; i++) {
		int fd = dial(s->name);
		say(fd, "console\n");
		say(s->config.console_out, "hello\n");
		hears(fd, "hello\n");
		while (send(fd, text, sizeof text, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
			;
		close(fd);
	}
	hears_alive(s->name);
}

/* Who reads later hears all of it, though it is more than the socket takes. */
static void test_slow(void **state)
{
	enum { MUCH = 700000 };
	static char heard[MUCH];
	struct scene *s = *state;

	join(s);
	print(s, MUCH);
	assert_int_equal(hear(s->client, heard, MUCH), MUCH);
	for (size_t i = 0; i < MUCH; i++)
		assert_int_equal(heard[i], 'x');
	say(s->config.console_out, "bye\n");
	hears(s->client, "bye\n");
}

static void *destroy(void *arg)
{
	vmm_control_destroy(arg);
	return NULL;
}

/* A guest that says much and ends is heard to its end, also by who lags. */
static void test_last_words(void **state)
{
	enum { MUCH = 700000 };
	static char heard[MUCH];
	struct scene *s = *state;
	pthread_t thread;

	join(s);
	print(s, MUCH);
	vmm_control_stop(s->control);
	assert_int_equal(pthread_create(&thread, NULL, destroy, s->control), 0);
	s->control = NULL;
	assert_int_equal(hear(s->client, heard, MUCH), MUCH);
	ends(s->client);
	pthread_join(thread, NULL);
}

/* Who does not read at all is let go, with no more than a bound kept for him. */
static void test_deaf(void **state)
{
	static char heard[1 << 16];
	struct scene *s = *state;
	size_t n = 0, some;

	join(s);
	print(s, 4 << 20);
	while ((some = hear(s->client, heard, sizeof heard)) == sizeof heard)
		n += some;
	assert_true(n + some < 2 << 20);
}

/* ---- who asks, and a guest that is played ---- */

struct played {
	int listener;
	const char *answer;
	bool unread; /* what it said was not heard for long */
};

/* Takes what one client says, and answers. */
static void *play(void *arg)
{
	struct played *p = arg;
	char line[VMM_CONTROL_LINE_MAX];
	int fd = accept(p->listener, NULL, NULL);

	for (size_t n = 0; !n || line[n - 1] != '\n'; n++)
		if (read(fd, line + n, 1) != 1)
			break;
	if (*p->answer && write(fd, p->answer, strlen(p->answer)) < 0)
		perror("answering");
	int left = 1;
	for (int ms = 0; left > 0 && ms < PATIENCE_MS; ms += 10) {
		if (ioctl(fd, SIOCOUTQ, &left) < 0)
			break;
		poll(NULL, 0, left > 0 ? 10 : 0);
	}
	p->unread = left > 0;
	close(fd);
	return NULL;
}

static int asked(const char *what, const char *answer, dvm_error_t *err)
{
	struct played p = { .listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
			    .answer = answer };
	char name[32];
	struct sockaddr_un a;
	socklen_t len = 0;
	pthread_t thread;

	snprintf(name, sizeof name, "played-%d", (int)getpid());
	assert_int_equal(vmm_control_address(name, &a, &len), 0);
	assert_int_equal(bind(p.listener, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(p.listener, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, play, &p), 0);
	int rc = vmm_control_ask(name, what, err);
	puts(""); /* what was answered may have left a line open */
	fflush(stdout);
	pthread_join(thread, NULL);
	close(p.listener);
	assert_false(p.unread);
	return rc;
}

static void test_answers(void **state)
{
	dvm_error_t err;

	assert_int_equal(asked("pause", VMM_CONTROL_OK, &err), 0);
	assert_int_equal(asked("kill", "", &err), 0); /* which may end who would answer */
	assert_int_equal(asked("console", "", &err), 0);
	assert_int_equal(asked("console", "error: of the guest's\n", &err), 0);
	assert_int_equal(asked("console", "login: ", &err), 0);
	assert_int_equal(asked("stat", "{}\n", &err), 0);
	assert_int_equal(asked("stat", "{\"cpus\":[", &err), -EPIPE);
	assert_string_equal(err.text + strlen(err.text) - 7, "cut off");
	assert_int_equal(asked("balloon 1G", "error: no\n", &err), -EINVAL);
	assert_string_equal(err.text, "no");
}

/* An end is no answer: nobody may have heard the question. */
static void test_no_answer(void **state)
{
	static const char *const questions[] = { "stop", "pause",      "resume", "reset",
						 "stat", "balloon 1M", "ping",	 "isolation" };
	dvm_error_t err;

	for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
		assert_int_equal(asked(questions[i], "", &err), -EPIPE);
}

/* While a guest is made its socket is there, and nobody answers; "ping" says so, however many ask. */
static void test_being_made(void **state)
{
	struct scene s = { .client = -1 };
	struct sockaddr_un a;
	socklen_t len = 0;
	int waiting[64], n = 0;
	dvm_error_t err;

	snprintf(s.name, sizeof s.name, "made-%d", (int)getpid());
	assert_int_equal(vmm_control_create(&s.control, s.name, -1, &s.config, NULL), 0);
	alarm(PATIENCE_MS / 1000);
	assert_int_equal(vmm_control_ask(s.name, "ping", &err), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "does not answer yet"));
	assert_int_equal(vmm_control_address(s.name, &a, &len), 0);
	do
		waiting[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	while (connect(waiting[n++], (struct sockaddr *)&a, len) == 0 && n < 64);
	assert_true(n > 1 && n < 64);
	assert_true(vmm_control_ask(s.name, "ping", &err) < 0);
	alarm(0);
	while (n)
		close(waiting[--n]);
	vmm_control_destroy(s.control);
}

/* More is typed than a guest reads: what it says is seen all the same. */
static void test_typing_does_not_block(void **state)
{
	static const char text[1 << 20];
	int stdin_was = dup(STDIN_FILENO);
	FILE *typed = tmpfile();
	dvm_error_t err;

	assert_non_null(typed);
	assert_int_equal(fwrite(text, 1, sizeof text, typed), sizeof text);
	rewind(typed);
	dup2(fileno(typed), STDIN_FILENO);
	int rc = asked("console", "hello\n", &err);
	dup2(stdin_was, STDIN_FILENO);
	close(stdin_was);
	fclose(typed);
	assert_int_equal(rc, 0);
}

/* A name that fits is taken whole, what is left is the machine's. */
static void a_name_is_its_machines(void **state)
{
	char name[VMM_CONTROL_NAME_MAX + 1], machine[200];
	struct sockaddr_un here, there;
	socklen_t len, none;

	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = 0;
	memset(machine, 'm', sizeof machine - 1);
	machine[sizeof machine - 1] = 0;
	assert_int_equal(unsetenv("DVM_MACHINE"), 0);
	assert_int_equal(vmm_control_address("one", &here, &none), 0);
	assert_int_equal(setenv("DVM_MACHINE", "a", 1), 0);
	assert_int_equal(vmm_control_address("one", &there, &len), 0);
	assert_int_equal(len, none + 2);
	assert_memory_equal(here.sun_path + 1, there.sun_path + 1, strlen(here.sun_path + 1));
	assert_int_equal(setenv("DVM_MACHINE", machine, 1), 0);
	assert_int_equal(vmm_control_address(name, &there, &len), 0);
	assert_in_range(len, none, sizeof there);
	assert_int_equal(vmm_control_address(machine, &there, &len), -ENAMETOOLONG);
	assert_int_equal(unsetenv("DVM_MACHINE"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_console, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_typed_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pieces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_long, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_typed_early, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_typed_elsewhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_typed_after_a_reset, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_typed_and_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_slow, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_last_words, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_deaf, set_up, tear_down),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_being_made),
		cmocka_unit_test(test_typing_does_not_block),
		cmocka_unit_test(a_name_is_its_machines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
