/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm guest: virtual machines, started and watched like jobs. Its verbs, but for start and list. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/guest.h"
#include "daemon/cli/relay.h"

/* ---- what all of them do first ---- */

int cli_guest_begin(struct cli *c, const struct cli_command *cmd, int argc, char **argv,
		    cli_option_fn *set, void *arg, bool alive, struct cli_guest *g)
{
	struct dvmi_opt_parser p;
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, set, arg);

	if (rc != CLI_GO)
		return rc;
	if (cli_guest_find(c, p.operands[0], g, &err) < 0)
		return cli_fail(c, &err);
	if (alive && g->ended)
		return cli_failf(c, "guest %s has ended; `dvm guest log %s` shows how", g->name,
				 g->name);
	return CLI_GO;
}

enum { JSON = 1, FOLLOW };

struct choice {
	bool json, follow;
};

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct choice *c = arg;

	c->json |= id == JSON;
	c->follow |= id == FOLLOW;
	return 0;
}

/* `dvm CMD [OPTIONS] JOB` of the guest's job; OPTIONS end with NULL. */
static int job_command(struct cli *c, const struct cli_command *cmd, const char *const *options,
		       const struct cli_guest *g)
{
	struct cli_guest_line l = { .n = 0 };
	char job[24];

	snprintf(job, sizeof job, "%" PRIu64, g->job);
	cli_guest_add(&l, cmd->opt.name);
	while (options && *options)
		cli_guest_add(&l, *options++);
	cli_guest_add(&l, job);
	l.words[l.n] = NULL;
	return cmd->run(c, cmd, l.n, (char **)(uintptr_t)l.words);
}

/* ---- verbs that are commands of its job ---- */

static int show(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	static const char *const as_json[] = { "--json", NULL };
	struct choice choice = { 0 };
	struct cli_guest g;
	int rc = cli_guest_begin(c, cmd, argc, argv, set, &choice, false, &g);

	if (rc != CLI_GO)
		return rc;
	rc = job_command(c, &cli_cmd_jobs, choice.json ? as_json : NULL, &g);
	/* For programs it is among the counters; and a guest that waits, or another's, says nothing. */
	if (rc || choice.json || g.ended || !g.mine || !*g.node)
		return rc;
	printf("isolation  ");
	fflush(stdout);
	return cli_guest_ask(c, &g, "isolation", "raw");
}

static int log_of(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	const char *options[4] = { NULL };
	struct choice choice = { 0 };
	struct cli_guest g;
	int n = 0, rc = cli_guest_begin(c, cmd, argc, argv, set, &choice, false, &g);

	if (choice.follow)
		options[n++] = "--follow";
	if (choice.json) {
		options[n++] = "--output";
		options[n++] = "json";
	}
	return rc != CLI_GO ? rc : job_command(c, &cli_cmd_logs, options, &g);
}

/* Its exit code is the guest's, which is therefore looked up again: was it waited for at all? People
 * are told why one has failed. */
static int wait_for(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct choice choice = { 0 };
	struct cli_guest g, now;
	dvm_error_t err;
	int rc = cli_guest_begin(c, cmd, argc, argv, set, &choice, false, &g);

	if (rc != CLI_GO)
		return rc;
	rc = job_command(c, &cli_cmd_wait, NULL, &g);
	if ((!rc && !choice.json) || cli_guest_find(c, g.name, &now, &err) < 0)
		return rc;
	if (choice.json && (now.ended || now.job != g.job) &&
	    cli_guest_print(&g, "exit_code", json_integer(rc)) < 0)
		return CLI_FAILED;
	if (!choice.json && now.ended && now.job == g.job && now.reason[0])
		cli_failf(c, "guest %s: %s", g.name, now.reason);
	return rc;
}

/* What only does something: as JSON it says to whom. */
static int done(const struct cli_command *cmd, const struct choice *choice, const struct cli_guest *g)
{
	const char *verb = strrchr(cmd->opt.name, ' ') + 1;

	if (choice->json && cli_guest_print(g, "asked", json_string(verb)) < 0)
		return CLI_FAILED;
	return 0;
}

static int kill_it(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	static const char *const now[] = { "--now", NULL };
	struct choice choice = { 0 };
	struct cli_guest g;
	int rc = cli_guest_begin(c, cmd, argc, argv, set, &choice, true, &g);

	if (rc != CLI_GO)
		return rc;
	rc = job_command(c, &cli_cmd_cancel, now, &g);
	return rc ? rc : done(cmd, &choice, &g);
}

/* ---- verbs that the monitor answers ---- */

/* "dvm guest pause": asks for "pause". */
static int ask(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct choice choice = { 0 };
	struct cli_guest g;
	int rc = cli_guest_begin(c, cmd, argc, argv, set, &choice, true, &g);

	if (rc != CLI_GO)
		return rc;
	rc = cli_guest_ask(c, &g, strrchr(cmd->opt.name, ' ') + 1, "raw");
	return rc ? rc : done(cmd, &choice, &g);
}

/* Which is JSON anyway. */
static int show_counters(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct choice choice = { 0 };
	struct cli_guest g;
	int rc = cli_guest_begin(c, cmd, argc, argv, set, &choice, true, &g);

	return rc != CLI_GO ? rc : cli_guest_ask(c, &g, "stat", "raw");
}

static int balloon(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct choice choice = { 0 };
	struct dvmi_opt_parser p;
	struct cli_guest g;
	dvm_error_t err;
	char what[64];
	int rc = cli_options(c, cmd, argc, argv, &p, set, &choice);

	if (rc != CLI_GO)
		return rc;
	if (cli_guest_find(c, p.operands[0], &g, &err) < 0)
		return cli_fail(c, &err);
	if (g.ended)
		return cli_failf(c, "guest %s has ended", g.name);
	snprintf(what, sizeof what, "balloon %s", p.operands[1]);
	rc = cli_guest_ask(c, &g, what, "raw");
	return rc ? rc : done(cmd, &choice, &g);
}

/* Every key is the guest's but Ctrl-], which ends this command as Ctrl-C would. */
static bool enter_console(struct termios *saved)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, saved) < 0)
		return false;
	fprintf(stderr, "Ctrl-] leaves the console\n");
	raw = *saved;
	cfmakeraw(&raw);
	raw.c_oflag = saved->c_oflag;
	raw.c_lflag |= ISIG;
	raw.c_cc[VINTR] = ']' & 0x1f;
	raw.c_cc[VQUIT] = raw.c_cc[VSUSP] = _POSIX_VDISABLE;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	return true;
}

static volatile sig_atomic_t child;

static void pass_on(int sig)
{
	kill(child, sig);
}

/* What ends us ends PID, after which the terminal is as before; Ctrl-C reaches it anyway. */
static void pass_signals_to(pid_t pid)
{
	struct sigaction pass = { .sa_handler = pass_on };
	static const int passed[] = { SIGTERM, SIGHUP };

	child = pid;
	signal(SIGINT, SIG_IGN);
	for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
		if (!cli_relay_ignores(passed[i]))
			sigaction(passed[i], &pass, NULL);
}

/* In a process of its own, as one that is interrupted dies of that, and the terminal is still ours. */
static int ask_in_child(struct cli *c, const struct cli_guest *g, const char *what,
			const char *output)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		exit(cli_guest_ask(c, g, what, output));
	if (pid < 0)
		return cli_failf(c, "no process for the console: %s", strerror(errno));
	pass_signals_to(pid);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status)) /* left on purpose, which is how it is done */
		return WTERMSIG(status) == SIGINT ? 0 : 128 + WTERMSIG(status);
	return WEXITSTATUS(status);
}

static int console(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct choice choice = { 0 };
	struct cli_guest g;
	struct termios saved;
	int rc = cli_guest_begin(c, cmd, argc, argv, set, &choice, true, &g);
	const char *output = choice.json ? "json" : "raw";

	if (rc != CLI_GO)
		return rc;
	bool terminal = enter_console(&saved);
	if (!terminal)
		return cli_guest_ask(c, &g, "console", output);
	rc = ask_in_child(c, &g, "console", output);
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	fprintf(stderr, "\n");
	return rc;
}

/* ---- the table ---- */

static const struct dvmi_opt no_options[] = { CLI_GENERAL_OPTIONS };
static const struct dvmi_opt json_options[] = {
	{ JSON, 0, "json", NULL, NULL, "Output", "print JSON", NULL },
	CLI_GENERAL_OPTIONS,
};
static const struct dvmi_opt log_options[] = {
	{ FOLLOW, 'f', "follow", NULL, NULL, "Output", "go on until the guest ends", NULL },
	{ JSON, 0, "json", NULL, NULL, NULL, "print JSON, an object for each line", NULL },
	CLI_GENERAL_OPTIONS,
};
static const struct dvmi_opt console_options[] = {
	{ JSON, 0, "json", NULL, NULL, "Output", "print JSON, an object for each line", NULL },
	CLI_GENERAL_OPTIONS,
};

#define VERB(var, verb, fn, table, line, more)                                                     \
	static const struct cli_command var = {                                                    \
		.opt = { .name = "dvm guest " verb,                                                \
			 .operands = "NAME",                                                       \
			 .brief = line,                                                            \
			 .text = more,                                                             \
			 .options = table,                                                         \
			 .words = "@guest",                                                        \
			 .min_operands = 1,                                                        \
			 .max_operands = 1 },                                                      \
		.family = "Guests",                                                                \
		.run = fn,                                                                         \
	}

VERB(verb_show, "show", show, json_options, "show a guest as the job it is",
     "Where it runs, since when, how it was started, how it has ended, and what shuts its monitor "
     "in (for programs that is among the counters of `dvm guest stat`).");
VERB(verb_console, "console", console, console_options, "join a guest's console",
     "Prints what the console has said so far, 64 KiB of it at most, and goes on; what is typed "
     "goes to the guest. Ctrl-] leaves, and the guest goes on. Several may be joined at once.");
VERB(verb_stop, "stop", ask, json_options, "press a guest's power button",
     "A guest that listens to ACPI switches itself off; `dvm guest wait` waits for that. One that "
     "does not is ended by `dvm guest kill`.");
VERB(verb_kill, "kill", kill_it, json_options, "end a guest at once",
     "As if its plug were pulled.");
VERB(verb_pause, "pause", ask, json_options, "let a guest stand still",
     "Its processors and devices stop, and so does its time.");
VERB(verb_resume, "resume", ask, json_options, "let a paused guest go on", NULL);
VERB(verb_reset, "reset", ask, json_options, "press a guest's reset button",
     "Its memory is cleared and its kernel starts again; disks and the console stay. A\n"
     "guest that is paused starts when it is resumed.");
VERB(verb_wait, "wait", wait_for, json_options, "wait for a guest's end",
     "The exit code is 0 when it has switched itself off or was stopped, 1 when it has crashed, "
     "137 when it was killed, and of a bare program its own.");
VERB(verb_log, "log", log_of, log_options, "print a guest's console from its start",
     "Also of one that has ended.");
VERB(verb_stat, "stat", show_counters, json_options, "print a guest's counters, as JSON",
     "Exits of each processor by their reason, interrupts, and what the devices have done. The "
     "fields are in dvm(1).");

static const struct cli_command verb_balloon = {
	.opt = { .name = "dvm guest balloon",
		 .operands = "NAME SIZE",
		 .brief = "have a guest get along with less memory, or with more again",
		 .text = "SIZE is what the guest may keep of the memory it was started with; the rest goes "
			 "back to the host, as fast as the guest can spare it. It must have been started "
			 "with --balloon.",
		 .options = json_options,
		 .words = "@guest",
		 .min_operands = 2,
		 .max_operands = 2 },
	.family = "Guests",
	.run = balloon,
};

static const struct cli_command *const verbs[] = {
	&cli_guest_start_verb, &cli_guest_list_verb, &verb_show,  &verb_console, &verb_stop,
	&verb_kill,	       &verb_pause,	     &verb_resume, &verb_reset,	 &verb_wait,
	&verb_log,	       &verb_stat,	     &cli_guest_top_verb, &verb_balloon,
	NULL,
};

const struct cli_command cli_cmd_guest = {
	.opt = { .name = "dvm guest",
		 .operands = "VERB [ARG]…",
		 .brief = "virtual machines: start, list, show, console, stop, kill, pause, …",
		 .text = "A guest is a job, whose ranks are its monitors: one, or one on each of its "
			 "hosts, which need KVM. It is listed, waited for, logged and cleaned up like "
			 "any job.",
		 .options = no_options,
		 .words = "start list show console stop kill pause resume reset wait log stat top balloon",
		 .stop_at_operand = true,
		 .min_operands = 1 },
	.family = "Guests",
	.verbs = verbs,
	.run = cli_run_verb,
};
