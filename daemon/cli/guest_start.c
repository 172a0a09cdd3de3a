/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm guest start: the options that are the monitor's, and those that are the job's. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/cli/guest.h"
#include "daemon/paths.h"
#include "libdvm/base/buf.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"

#define OPTIONS_MAX 96
#define WORD_MAX    24

struct choice {
	struct cli_guest_line vmm, run; /* options that are the monitor's, and the job's */
	char words[OPTIONS_MAX][WORD_MAX]; /* their names, with dashes */
	unsigned n_words;
	const char *names[OPTIONS_MAX]; /* what was said on the command line */
	unsigned n_names;
	const char *file;
	struct cli_guest_place place;
	bool kernel, json;
};

enum { HOST = 1, HOSTS, KERNEL, PASS, RUN, FILE_, JSON };

static const struct dvmi_opt options[] = {
	{ KERNEL, 'k', "kernel", NULL, "FILE", "Boot", "bzImage, vmlinux, or a bare program",
	  "@file" },
	{ PASS, 'i', "initrd", NULL, "FILE", NULL, "initial file system", "@file" },
	{ PASS, 'a', "append", NULL, "TEXT", NULL,
	  "the kernel's command line (default: console=ttyS0)", NULL },
	{ PASS, 0, "no-tuning", NULL, NULL, NULL,
	  "over several hosts: nothing is put before the command line", NULL },
	{ PASS, 0, "no-reboot", NULL, NULL, NULL, "a reset ends the guest", NULL },
	{ PASS, 'c', "cpus", NULL, "N", "Machine", "virtual CPUs (default: 1)", NULL },
	{ PASS, 'm', "mem", "--memory", "SIZE", NULL, "memory (default: 256M)", NULL },
	{ PASS, 0, "numa", NULL, "N", NULL, "NUMA nodes to spread them over (default: 1)", NULL },
	{ PASS, 0, "node", NULL, "cpus=N,mem=SIZE", NULL,
	  "one more NUMA node, instead of --cpus, --mem and --numa", NULL },
	{ PASS, 0, "distance", NULL, "D", NULL,
	  "between NUMA nodes, 11 to 254, 10 being local (default: 20, over several hosts 40)", NULL },
	{ PASS, 0, "tick-rest", NULL, "N", NULL,
	  "a CPU's timer waits N times as long as its last interrupt took (default: 0, over several "
	  "hosts 12)", NULL },
	{ PASS, 0, "no-gather", NULL, NULL, NULL,
	  "over several hosts: a kernel's CPUs start where they belong, not together on the first one",
	  NULL },
	{ PASS, 0, "stay-apart", NULL, NULL, NULL,
	  "over several hosts: CPUs that wait for each other's pages more than they run do not meet on one",
	  NULL },
	{ PASS, 0, "pages", NULL, "ivy|no-WHAT,…", NULL,
	  "over several hosts, for measurements: how pages go between them (see dvm-vmm(8))", NULL },
	{ PASS, 0, "cpu", NULL, "MODEL", NULL,
	  "host, or x86-64-v1 to x86-64-v4 for a guest that may move (default: host)",
	  "host x86-64-v1 x86-64-v2 x86-64-v3 x86-64-v4" },
	{ PASS, 'd', "disk", NULL, "FILE[,format=raw|qcow2][,backing=FILE][,ro][,snapshot][,host=N]", "Devices",
	  "a disk; may be repeated; over several hosts on the Nth, from 0 on", "@file" },
	{ PASS, 0, "net", NULL, "user|tap=IF|none[,mac=ADDR][,host=N]", NULL,
	  "a network card; may be repeated", "user none" },
	{ PASS, 0, "share", NULL, "DIR[,tag=NAME][,ro]", NULL, "a directory of the host", "@dir" },
	{ PASS, 0, "vsock", NULL, "CID[,path=PATH]", NULL, "sockets between guest and host", NULL },
	{ PASS, 0, "rng", NULL, NULL, NULL, "a source of randomness", NULL },
	{ PASS, 0, "balloon", NULL, NULL, NULL, "give unused memory back to the host", NULL },
	{ PASS, 0, "ksm", NULL, NULL, "Limits", "share equal pages with other guests", NULL },
	{ RUN, 0, "cpu-limit", NULL, "CPUS", NULL, "processors' time it may use on each host (0.5, 2)", NULL },
	{ RUN, 0, "cpu-shares", NULL, "N", NULL,
	  "its weight where processors are short, 1 to 10000 (default: 100)", NULL },
	{ RUN, 0, "mem-limit", NULL, "SIZE", NULL,
	  "memory it is promised and may use on each host, the monitor's included", NULL },
	{ FILE_, 0, "file", NULL, "FILE", "Other",
	  "read options from guest.yaml: keys are their names; those given here win", "@file" },
	{ HOST, 'H', "host", NULL, "HOST", NULL,
	  "the node it runs on, or those, with commas (default: the first that has room and KVM)", "@node" },
	{ HOSTS, 0, "hosts", NULL, "N", NULL,
	  "one guest over N nodes, which have a NUMA node of it each: CPUs and memory are theirs "
	  "together", NULL },
	{ JSON, 0, "json", NULL, NULL, NULL, "print what has been started as JSON", NULL },
	CLI_GENERAL_OPTIONS,
};

static const struct dvmi_opt *option_of(const char *name)
{
	for (const struct dvmi_opt *o = options; o->id; o++)
		if (o->name && !strcmp(o->name, name))
			return o;
	return NULL;
}

/* One that is empty is a variable of a script that is not set, rather than any node. */
static int choose_host(struct choice *c, const char *value, dvm_error_t *err)
{
	if (!*value)
		return dvmi_error_set(err, -EINVAL, "--host is empty: name a node, or leave it out");
	c->place.host = value;
	return 0;
}

static int choose_hosts(struct choice *c, const char *value, dvm_error_t *err)
{
	uint64_t n;

	if (dvmi_text_u64(value, 1, CLI_GUEST_HOSTS, &n) < 0)
		return dvmi_error_set(err, -EINVAL, "--hosts is a number from 1 to %u",
				      CLI_GUEST_HOSTS);
	c->place.hosts = (uint32_t)n;
	return 0;
}

/*
 * OPTION with VALUE (NULL: it takes none), from the command line or the file. It will stand on a
 * command line of `dvm run`, for which a colon is the end of a program.
 */
static int choose(struct choice *c, const struct dvmi_opt *o, const char *value, dvm_error_t *err)
{
	struct cli_guest_line *l = o->id == RUN ? &c->run : &c->vmm;

	if (value && !strcmp(value, ":"))
		return dvmi_error_set(err, -EINVAL, "--%s cannot be \":\" alone", o->name);
	if (o->id == HOST)
		return choose_host(c, value, err);
	if (o->id == HOSTS)
		return choose_hosts(c, value, err);
	c->kernel |= o->id == KERNEL;
	if (c->n_words == OPTIONS_MAX)
		return dvmi_error_set(err, -E2BIG, "that is too much for one guest");
	/* What dvm run calls otherwise, since its ranks are many. */
	bool limit = !strcmp(o->name, "mem-limit");
	snprintf(c->words[c->n_words], WORD_MAX, "--%s", limit ? "mem-per-rank" : o->name);
	cli_guest_add(l, c->words[c->n_words++]);
	if (value)
		cli_guest_add(l, value);
	return 0;
}

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct choice *c = arg;

	if (id == FILE_)
		c->file = p->arg;
	if (id == JSON)
		c->json = true;
	if (id == FILE_ || id == JSON)
		return 0;
	if (c->n_names < OPTIONS_MAX)
		c->names[c->n_names++] = p->opt->name;
	return choose(c, p->opt, p->arg, err);
}

/* ---- the file ---- */

/* Was NAME said on the command line, or what takes its place? */
static bool said(const struct choice *c, const char *name)
{
	static const char *const shape[] = { "cpus", "mem", "numa", NULL };
	bool node = !strcmp(name, "node"), one = false;

	for (size_t i = 0; shape[i]; i++)
		one |= !strcmp(name, shape[i]);
	for (unsigned i = 0; i < c->n_names; i++) {
		if (!strcmp(c->names[i], name) || (one && !strcmp(c->names[i], "node")))
			return true;
		for (size_t k = 0; node && shape[k]; k++)
			if (!strcmp(c->names[i], shape[k]))
				return true;
	}
	return false;
}

static int take_pairs(struct choice *c, const char *at, const char *end, dvm_error_t *err)
{
	int rc = 0;

	for (const char *name = at; rc == 0 && name < end;) {
		const char *value = name + strlen(name) + 1;
		const struct dvmi_opt *o = value < end ? option_of(name) : NULL;
		if (!o)
			return dvmi_error_set(err, -EPROTO, "dvm-guest-file says what nobody knows");
		if (!said(c, name))
			rc = choose(c, o, o->arg ? value : NULL, err);
		name = value + strlen(value) + 1;
	}
	return rc;
}

/* What dvm-guest-file makes of the file is in OUT, strings with their ends; less than 0: it has said
 * why. */
static int read_pairs(const char *program, const char *file, struct dvmi_buf *out)
{
	char piece[4096];
	int fds[2], status = 0;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		execl(program, "dvm-guest-file", file, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	while ((n = read(fds[0], piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			dvmi_buf_put(out, piece, (size_t)n);
	close(fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -ECHILD;
	return status ? -EINVAL : out->err;
}

/* OUT holds the strings for as long as the guest's command line is needed. */
static int read_file(struct cli *c, struct choice *choice, struct dvmi_buf *out)
{
	char program[PATH_MAX];
	dvm_error_t err;

	if (!choice->file)
		return 0;
	if (dvmd_paths_program(program, sizeof program, "dvm-guest-file", &err) < 0)
		return cli_fail(c, &err);
	fflush(stdout);
	if (read_pairs(program, choice->file, out) < 0)
		return CLI_FAILED;
	const char *at = (const char *)out->data;
	return take_pairs(choice, at, at + out->len, &err) < 0 ? cli_fail(c, &err) : 0;
}

static int check(struct cli *c, const struct choice *choice, const char *name)
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
	if (rc == 0 && !g.ended && !*g.node)
		return cli_failf(c, "guest %s is there already, and waits (job %" PRIu64 ")", name, g.job);
	if (rc == 0 && !g.ended)
		return cli_failf(c, "guest %s is there already, on %s", name, g.node);
	return 0;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct choice choice = { .n_words = 0 };
	struct dvmi_opt_parser p;
	struct dvmi_buf strings = { 0 };
	int rc = cli_options(c, cmd, argc, argv, &p, set, &choice);

	if (rc != CLI_GO)
		return rc;
	rc = read_file(c, &choice, &strings);
	if (rc == 0)
		rc = check(c, &choice, p.operands[0]);
	if (rc == 0)
		rc = cli_guest_start(c, p.operands[0], &choice.place, &choice.run, &choice.vmm,
				     choice.json);
	dvmi_buf_free(&strings);
	return rc;
}

const struct cli_command cli_guest_start_verb = {
	.opt = { .name = "dvm guest start",
		 .operands = "NAME",
		 .brief = "boot a kernel in a virtual machine of its own",
		 .text = "Starts the guest on the node that is named, or on the first that has room "
			 "and KVM: `dvm nodes` says which have none. Comes back when the "
			 "guest runs. Files are looked for on that node, from this "
			 "directory. With --hosts the guest is one machine over several nodes; its "
			 "devices, files and console are on the first of them.\n\n"
			 "guest.yaml has options by their names without dashes (kernel: vmlinuz); what may "
			 "be repeated is a list, what takes no argument is true or false. An option given "
			 "on the command line takes the place of all that the file says of it.",
		 .options = options,
		 .min_operands = 1,
		 .max_operands = 1 },
	.family = "Guests",
	.run = run,
};
