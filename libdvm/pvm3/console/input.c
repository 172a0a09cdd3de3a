// SPDX-License-Identifier: BSD-3-Clause
/* Lines from a terminal or a file, and what jobs print in between. */
#include "config.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef HAVE_LIBEDIT
#include <editline/readline.h>
#endif

#include "libdvm/base/cleanup.h"
#include "libdvm/pvm3/console/input.h"

#define LOOK_MS 100 /* how often, at least, jobs are looked after */
#define FDS_MAX 64

/* Waits for something of jobs, or of standard input if INPUT; says whether the latter is there. */
static bool wait_for(bool input, bool jobs)
{
	struct pollfd fds[FDS_MAX] = { { .fd = input ? STDIN_FILENO : -1, .events = POLLIN } };
	int *more, n = jobs ? pvm_getfds(&more) : 0;

	if (n > FDS_MAX - 1)
		n = FDS_MAX - 1;
	for (int i = 0; i < n; i++)
		fds[1 + i] = (struct pollfd){ .fd = more[i], .events = POLLIN };
	if (n < 0)
		n = 0;
	poll(fds, (nfds_t)n + 1, jobs ? LOOK_MS : -1);
	return fds[0].revents != 0;
}

void input_drain(struct console *c)
{
	while (jobs_running(c->jobs)) {
		wait_for(false, true);
		jobs_poll(c->jobs);
	}
}

/* ---- not a terminal ---- */

bool input_file(struct console *c, FILE *f, bool stop)
{
	cleanup_free char *line = NULL;
	size_t size = 0;
	bool good = true;

	while (!c->done && (good || !stop) && getline(&line, &size, f) > 0) {
		if (!console_do(c, line))
			good = false;
		jobs_poll(c->jobs);
	}
	return good;
}

/* What is read is shown, so that a transcript can be understood. */
static bool input_script(struct console *c, bool stop)
{
	cleanup_free char *line = NULL;
	size_t size = 0;
	bool good = true;

	while (!c->done && (good || !stop)) {
		printf(PROMPT);
		if (getline(&line, &size, stdin) <= 0)
			break;
		line[strcspn(line, "\n")] = '\0';
		printf("%s\n", line);
		if (!console_do(c, line))
			good = false;
		jobs_poll(c->jobs);
	}
	if (!c->done)
		printf("quit\n");
	return good;
}

/* ---- a terminal ---- */

#ifdef HAVE_LIBEDIT

/* Callbacks of libedit have no argument. */
static struct {
	struct console *console;
	bool good;
} edited;

static void take_line(char *line)
{
	if (!line) { /* the end: control-D */
		edited.console->done = true;
		printf("quit\n");
		return;
	}
	if (*line)
		add_history(line);
	if (!console_do(edited.console, line))
		edited.good = false;
	fflush(stdout);
	free(line);
}

/* The line that is being typed gives way to what jobs print. */
static void show_jobs(struct console *c)
{
	printf("\r");
	jobs_poll(c->jobs);
	rl_forced_update_display();
}

static bool input_terminal(struct console *c, bool stop)
{
	edited.console = c;
	edited.good = true;
	rl_readline_name = "pvm";
	rl_callback_handler_install(PROMPT, take_line);
	while (!c->done && (edited.good || !stop)) {
		if (wait_for(true, jobs_running(c->jobs)))
			rl_callback_read_char();
		else
			show_jobs(c);
	}
	rl_callback_handler_remove();
	return edited.good;
}

#else

static bool input_terminal(struct console *c, bool stop)
{
	cleanup_free char *line = NULL;
	size_t size = 0;
	bool good = true;

	while (!c->done && (good || !stop)) {
		printf(PROMPT);
		fflush(stdout);
		while (!wait_for(true, jobs_running(c->jobs)))
			jobs_poll(c->jobs);
		if (getline(&line, &size, stdin) <= 0)
			break;
		if (!console_do(c, line))
			good = false;
	}
	return good;
}

#endif

bool input_run(struct console *c, bool stop)
{
	bool good;

	if (isatty(STDIN_FILENO))
		return input_terminal(c, stop);
	good = input_script(c, stop);
	if (!c->done)
		input_drain(c);
	return good;
}
