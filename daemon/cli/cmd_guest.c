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

static int set_flag(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	*(bool *)arg = true;
	return 0;
}

/* `dvm CMD [OPTION] JOB` of the guest's job. */
static int job_command(struct cli *c, const struct cli_command *cmd, const char *option,
		       const struct cli_guest *g)
{
	struct cli_guest_line l = { .n = 0 };
	char job[24];

	snprintf(job, sizeof job, "%" PRIu64, g->job);
	cli_guest_add(&l, cmd->opt.name);
	if (option)
		cli_guest_add(&l, option);
	cli_guest_add(&l, job);
	l.words[l.n] = NULL;
	return cmd->run(c, cmd, l.n, (char **)(uintptr_t)l.words);
}

/* ---- verbs that are commands of its job ---- */

static int show(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct cli_guest g;
	bool json = false;
	int rc = cli_guest_begin(c, cmd, argc, argv, set_flag, &json, false, &g);

	if (rc == CLI_GO)
		rc = job_command(c, &cli_cmd_jobs, json ? "--json" : NULL, &g);
	if (rc || json || g.ended)
		return rc;
	/* For programs it is among the counters. */
	printf("isolation  ");
	fflush(stdout);
	return cli_guest_ask(c, &g, "isolation");
}

static int log_of(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct cli_guest g;
	bool follow = false;
	int rc = cli_guest_begin(c, cmd, argc, argv, set_flag, &follow, false, &g);

	return rc != CLI_GO ? rc : job_command(c, &cli_cmd_logs, follow ? "--follow" : NULL, &g);
}

static int wait_for(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct cli_guest g;
	int rc = cli_guest_begin(c, cmd, argc, argv, NULL, NULL, false, &g);

	return rc != CLI_GO ? rc : job_command(c, &cli_cmd_wait, NULL, &g);
}

static int kill_it(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct cli_guest g;
	int rc = cli_guest_begin(c, cmd, argc, argv, NULL, NULL, true, &g);

	return rc != CLI_GO ? rc : job_command(c, &cli_cmd_cancel, "--now", &g);
}

/* ---- verbs that the monitor answers ---- */

/* "dvm guest pause": asks for "pause". */
static int ask(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct cli_guest g;
	bool json; /* which is what there is anyway */
	int rc = cli_guest_begin(c, cmd, argc, argv, set_flag, &json, true, &g);

	return rc != CLI_GO ? rc : cli_guest_ask(c, &g, strrchr(cmd->opt.name, ' ') + 1);
}

static int balloon(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct dvmi_opt_parser p;
	struct cli_guest g;
	dvm_error_t err;
	char what[64];
	int rc = cli_options(c, cmd, argc, argv, &p, NULL, NULL);

	if (rc != CLI_GO)
		return rc;
	if (cli_guest_find(c, p.operands[0], &g, &err) < 0)
		return cli_fail(c, &err);
	if (g.ended)
		return cli_failf(c, "guest %s has ended", g.name);
	snprintf(what, sizeof what, "balloon %s", p.operands[1]);
	return cli_guest_ask(c, &g, what);
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

/* In a process of its own, as one that is interrupted dies of that, and the terminal is still ours. */
static int ask_in_child(struct cli *c, const struct cli_guest *g, const char *what)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		exit(cli_guest_ask(c, g, what));
	if (pid < 0)
		return cli_failf(c, "no process for the console: %s", strerror(errno));
	signal(SIGINT, SIG_IGN);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status)) /* left on purpose, which is how it is done */
		return WTERMSIG(status) == SIGINT ? 0 : 128 + WTERMSIG(status);
	return WEXITSTATUS(status);
}

static int console(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct cli_guest g;
	struct termios saved;
	int rc = cli_guest_begin(c, cmd, argc, argv, NULL, NULL, true, &g);

	if (rc != CLI_GO)
		return rc;
	bool terminal = enter_console(&saved);
	if (!terminal)
		return cli_guest_ask(c, &g, "console");
	rc = ask_in_child(c, &g, "console");
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	fprintf(stderr, "\n");
	return rc;
}

/* ---- the table ---- */

static const struct dvmi_opt no_options[] = { CLI_GENERAL_OPTIONS };
static const struct dvmi_opt json_options[] = {
	{ 1, 0, "json", NULL, NULL, "Showing", "print JSON", NULL },
	CLI_GENERAL_OPTIONS,
};
static const struct dvmi_opt log_options[] = {
	{ 1, 'f', "follow", NULL, NULL, "Showing", "go on until the guest ends", NULL },
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
VERB(verb_console, "console", console, no_options, "join a guest's console",
     "Prints what the console has said so far, 64 KiB of it at most, and goes on; what is typed "
     "goes to the guest. Ctrl-] leaves, and the guest goes on. Several may be joined at once.");
VERB(verb_stop, "stop", ask, no_options, "press a guest's power button",
     "A guest that listens to ACPI switches itself off; `dvm guest wait` waits for that. One that "
     "does not is ended by `dvm guest kill`.");
VERB(verb_kill, "kill", kill_it, no_options, "end a guest at once",
     "As if its plug were pulled.");
VERB(verb_pause, "pause", ask, no_options, "let a guest stand still",
     "Its processors and devices stop, and so does its time.");
VERB(verb_resume, "resume", ask, no_options, "let a paused guest go on", NULL);
VERB(verb_reset, "reset", ask, no_options, "press a guest's reset button",
     "Its memory is cleared and its kernel starts again; disks and the console stay.");
VERB(verb_wait, "wait", wait_for, no_options, "wait for a guest's end",
     "The exit code is 0 when it has switched itself off or was stopped.");
VERB(verb_log, "log", log_of, log_options, "print a guest's console from its start",
     "Also of one that has ended.");
VERB(verb_stat, "stat", ask, json_options, "print a guest's counters, as JSON",
     "Exits of each processor by their reason, interrupts, and what the devices have done. The "
     "fields are in dvm(1).");

static const struct cli_command verb_balloon = {
	.opt = { .name = "dvm guest balloon",
		 .operands = "NAME SIZE",
		 .brief = "have a guest get along with less memory, or with more again",
		 .text = "SIZE is what the guest may keep of the memory it was started with; the rest goes "
			 "back to the host, as fast as the guest can spare it. It must have been started "
			 "with --balloon.",
		 .options = no_options,
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
		 .text = "A guest is a job with one rank, the monitor, on a node that has KVM: it is "
			 "listed, waited for, logged and cleaned up like one.",
		 .options = no_options,
		 .words = "start list show console stop kill pause resume reset wait log stat top balloon",
		 .stop_at_operand = true,
		 .min_operands = 1 },
	.family = "Guests",
	.verbs = verbs,
	.run = cli_run_verb,
};
