/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm guest: virtual machines, started and watched like jobs. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/guest_run.h"
#include "daemon/cli/show.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define OPTIONS_MAX 48
#define WORD_MAX    24

struct choice {
	struct cli_guest_line vmm; /* options that are the monitor's */
	char words[OPTIONS_MAX][WORD_MAX]; /* their names, with dashes */
	unsigned n_words;
	const char *host;
	bool json, all, follow, kernel;
};

enum { HOST = 1, JSON, ALL, FOLLOW, KERNEL, PASS, PASS_FLAG };

static const struct dvmi_opt options[] = {
	{ KERNEL, 'k', "kernel", NULL, "FILE", "Starting", "bzImage, vmlinux, or a bare program",
	  "@file" },
	{ PASS, 0, "initrd", NULL, "FILE", NULL, "initial file system", "@file" },
	{ PASS, 0, "append", NULL, "TEXT", NULL,
	  "the kernel's command line (default: console=ttyS0)", NULL },
	{ PASS, 0, "cpus", NULL, "N", NULL, "virtual CPUs (default: 1)", NULL },
	{ PASS, 0, "mem", NULL, "SIZE", NULL, "memory (default: 256M)", NULL },
	{ PASS, 0, "numa", NULL, "N", NULL, "NUMA nodes to spread them over (default: 1)", NULL },
	{ PASS, 0, "cpu", NULL, "MODEL", NULL, "host, or x86-64-v1 to x86-64-v4 (default: host)",
	  "host x86-64-v1 x86-64-v2 x86-64-v3 x86-64-v4" },
	{ PASS, 0, "disk", NULL, "FILE[,format=raw|qcow2][,ro][,snapshot]", NULL,
	  "a disk; may be repeated", "@file" },
	{ PASS, 0, "net", NULL, "user|tap=IF|none[,mac=ADDR]", NULL, "a network card", NULL },
	{ PASS, 0, "share", NULL, "DIR[,tag=NAME][,ro]", NULL, "a directory of the host", "@dir" },
	{ PASS, 0, "vsock", NULL, "CID", NULL, "sockets between guest and host", NULL },
	{ PASS_FLAG, 0, "rng", NULL, NULL, NULL, "a source of randomness", NULL },
	{ PASS_FLAG, 0, "balloon", NULL, NULL, NULL, "give unused memory back to the host", NULL },
	{ PASS_FLAG, 0, "no-reboot", NULL, NULL, NULL, "a reset ends the guest", NULL },
	{ HOST, 'H', "host", NULL, "HOST", NULL, "the node it runs on", "@node" },
	{ ALL, 'a', "all", NULL, NULL, "Showing", "list ended guests, too", NULL },
	{ FOLLOW, 'f', "follow", NULL, NULL, NULL, "log: go on until the guest ends", NULL },
	{ JSON, 0, "json", NULL, NULL, NULL, "list, show and stat: print JSON", NULL },
	CLI_GENERAL_OPTIONS,
};

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct choice *c = arg;

	switch (id) {
	case HOST: c->host = p->arg; return 0;
	case JSON: c->json = true; return 0;
	case ALL: c->all = true; return 0;
	case FOLLOW: c->follow = true; return 0;
	case KERNEL: c->kernel = true; break;
	default: break;
	}
	if (c->n_words == OPTIONS_MAX)
		return dvmi_opt_bad(p, err, "too many options");
	snprintf(c->words[c->n_words], WORD_MAX, "--%s", p->opt->name);
	cli_guest_add(&c->vmm, c->words[c->n_words++]);
	if (p->arg)
		cli_guest_add(&c->vmm, p->arg);
	return 0;
}

/* ---- verbs ---- */

static int start(struct cli *c, const struct choice *choice, const char *name)
{
	struct cli_guest g;
	dvm_error_t err;

	if (!choice->kernel)
		return cli_failf(c, "a guest needs a --kernel");
	if (cli_guest_check_name(name, &err) < 0)
		return cli_fail(c, &err);
	int rc = cli_guest_find(c, name, &g, &err);
	if (rc < 0 && rc != -ENOENT)
		return cli_fail(c, &err);
	if (rc == 0 && !g.ended)
		return cli_failf(c, "guest %s is there already, on %s", name, g.node);
	return cli_guest_start(c, name, choice->host, &choice->vmm);
}

static void add_row(const Pb__JobInfo *j, const char *name, void *arg)
{
	struct cli_table *t = arg;
	char ago[CLI_TIME_MAX];

	cli_table_add(t, "%s", name);
	cli_table_add(t, "%s", j->state);
	cli_table_add(t, "%s", j->n_nodes ? j->nodes[0] : "-");
	cli_table_add(t, "%" PRIu64, j->id);
	cli_table_add(t, "%s", j->user);
	cli_table_add(t, "%s", cli_time_ago(j->submitted, dvmi_clock_wall(), ago));
}

static void add_object(const Pb__JobInfo *j, const char *name, void *arg)
{
	json_t *o = json_pack("{s:o, s:o, s:o, s:I, s:o}", "name", cli_json_string(name), "state",
			      cli_json_string(j->state), "nodes",
			      cli_json_strings(j->nodes, j->n_nodes), "job", (json_int_t)j->id, "user",
			      cli_json_string(j->user));

	json_object_set_new(o, "started", cli_json_time(j->started));
	json_object_set_new(o, "ended", cli_json_time(j->ended));
	json_object_set_new(o, "exit_code", j->ended ? json_integer(j->exit_code) : json_null());
	json_array_append_new(arg, o);
}

static int list(struct cli *c, const struct choice *choice)
{
	struct cli_table t = { .columns = 6, .right = 0x28 };
	json_t *guests = choice->json ? json_array() : NULL;
	dvm_error_t err;

	if (!choice->json)
		cli_table_heading(&t, "NAME STATE NODE JOB USER AGE");
	int rc = cli_guest_each(c, choice->all, choice->json ? add_object : add_row,
				choice->json ? (void *)guests : (void *)&t, &err);
	if (rc < 0)
		rc = cli_fail(c, &err);
	else if (choice->json)
		rc = cli_json_print(json_pack("{s:O}", "guests", guests)) < 0 ? CLI_FAILED : 0;
	else
		rc = cli_table_print(&t, stdout) < 0 ? CLI_FAILED : 0;
	json_decref(guests);
	cli_table_free(&t);
	return rc;
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

/* Every key is the guest's but Ctrl-], which ends this command as Ctrl-C would. */
static int console(struct cli *c, const struct cli_guest *g)
{
	struct termios saved, raw;
	bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &saved) == 0;

	if (terminal) {
		fprintf(stderr, "Ctrl-] leaves the console\n");
		raw = saved;
		cfmakeraw(&raw);
		raw.c_oflag = saved.c_oflag;
		raw.c_lflag |= ISIG;
		raw.c_cc[VINTR] = ']' & 0x1f;
		raw.c_cc[VQUIT] = raw.c_cc[VSUSP] = _POSIX_VDISABLE;
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	int rc = cli_guest_ask(c, g, "console");
	if (terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	return rc;
}

/* What the monitor itself is asked. */
static const char *const asked[] = { "stop", "pause", "resume", "reset", "stat" };
static const char *const verbs[] = { "start", "list", "show", "console", "stop", "kill", "pause",
				     "resume", "reset", "wait", "log", "stat", NULL };

static int act(struct cli *c, const struct choice *choice, const char *verb, const char *name)
{
	struct cli_guest g;
	dvm_error_t err;

	if (cli_guest_find(c, name, &g, &err) < 0)
		return cli_fail(c, &err);
	if (!strcmp(verb, "show"))
		return job_command(c, &cli_cmd_jobs, choice->json ? "--json" : NULL, &g);
	if (!strcmp(verb, "log"))
		return job_command(c, &cli_cmd_logs, choice->follow ? "--follow" : NULL, &g);
	if (!strcmp(verb, "wait"))
		return job_command(c, &cli_cmd_wait, NULL, &g);
	if (g.ended)
		return cli_failf(c, "guest %s has ended; `dvm guest log %s` shows how", name, name);
	if (!strcmp(verb, "kill"))
		return job_command(c, &cli_cmd_cancel, "--now", &g);
	if (!strcmp(verb, "console"))
		return console(c, &g);
	for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
		if (!strcmp(verb, asked[i]))
			return cli_guest_ask(c, &g, verb);
	return CLI_FAILED;
}

static bool known(const char *verb)
{
	for (size_t i = 0; verbs[i]; i++)
		if (!strcmp(verb, verbs[i]))
			return true;
	return false;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct dvmi_opt_parser p;
	struct choice choice = { .vmm.n = 0 };
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, set, &choice);

	if (rc != CLI_GO)
		return rc;
	const char *verb = p.operands[0];
	if (!known(verb)) {
		dvmi_opt_unknown("verb", verb, verbs, &err);
		return cli_usage(c, cmd, &err);
	}
	if (!strcmp(verb, "list"))
		return list(c, &choice);
	if (p.n_operands < 2) {
		dvmi_error_set(&err, -EINVAL, "%s: which guest?", verb);
		return cli_usage(c, cmd, &err);
	}
	return !strcmp(verb, "start") ? start(c, &choice, p.operands[1]) :
					act(c, &choice, verb, p.operands[1]);
}

const struct cli_command cli_cmd_guest = {
	.opt = { .name = "dvm guest",
		 .operands = "VERB [NAME]",
		 .brief = "virtual machines: start, list, show, console, stop, kill, pause, …",
		 .text = "start boots a kernel in a virtual machine of its own, as a job with one rank "
			 "on a node that has KVM, and comes back when it runs. list and show tell what "
			 "there is, log prints the console from the beginning, console joins it (Ctrl-] "
			 "leaves), stat prints counters. stop presses the power button; kill ends the "
			 "guest at once; pause, resume and reset do as they say; wait waits for its "
			 "end.",
		 .options = options,
		 .words = "start list show console stop kill pause resume reset wait log stat",
		 .min_operands = 1,
		 .max_operands = 2 },
	.family = "Guests",
	.run = run,
};
