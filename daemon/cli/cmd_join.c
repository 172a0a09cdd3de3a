/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/net.h"
#include "daemon/cli/start.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define TOKEN_MAX 4096

enum { TOKEN = 1, TOKEN_FILE, NAME, INTERFACE, PORT, SLOTS, CONFIG, TIMEOUT, QUIET };

struct choice {
	const char *token, *token_file, *name, *interface, *config;
	uint32_t port, slots;
	uint64_t timeout; /* ns */
	bool quiet;
};

static const struct dvmi_opt options[] = {
	{ TOKEN, 0, "token", NULL, "TOKEN", "Joining",
	  "the token (others on this host can see it there: better --token-file)", NULL },
	{ TOKEN_FILE, 0, "token-file", NULL, "FILE", NULL, "a file that holds it, - for stdin",
	  "@file" },
	{ NAME, 0, "name", NULL, "NAME", "This node",
	  "what it is called (default: the host's name)", NULL },
	{ INTERFACE, 0, "interface", NULL, "IF", NULL,
	  "the interface all planes use: a name, an address or a network (default: the one "
	  "towards ADDRESS)",
	  NULL },
	{ PORT, 0, "port", NULL, "PORT", NULL, "control port (default: 7117)", NULL },
	{ SLOTS, 's', "slots", NULL, "S", NULL, "ranks it takes (default: one a core)", NULL },
	{ CONFIG, 0, "config", NULL, "FILE", NULL, "configuration of the daemon: see dvm.conf(5)",
	  "@file" },
	{ TIMEOUT, 0, "timeout", NULL, "TIME", NULL, "give up after TIME (default: 30s)", NULL },
	{ QUIET, 'q', "quiet", NULL, NULL, NULL, "say nothing when it goes well", NULL },
	CLI_GENERAL_OPTIONS,
};

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct choice *c = arg;

	switch (id) {
	case TOKEN:
		c->token = p->arg;
		return 0;
	case TOKEN_FILE:
		c->token_file = p->arg;
		return 0;
	case NAME:
		if (!*p->arg || *p->arg == '.' || strchr(p->arg, '/'))
			return dvmi_opt_bad(p, err, "not a name");
		c->name = p->arg;
		return 0;
	case INTERFACE:
		c->interface = p->arg;
		return 0;
	case CONFIG:
		c->config = p->arg;
		return 0;
	case PORT:
		return dvmi_opt_u32(p, 1, 65535, &c->port, err);
	case SLOTS:
		return dvmi_opt_u32(p, 1, 100000, &c->slots, err);
	case TIMEOUT:
		return dvmi_opt_duration(p, &c->timeout, err);
	default:
		c->quiet = true;
		return 0;
	}
}

/* The first line of the file, without its newline. */
static int read_token(const char *path, char out[TOKEN_MAX], dvm_error_t *err)
{
	cleanup_fd int opened = -1;
	size_t got = 0;
	ssize_t n = 1;

	if (strcmp(path, "-") != 0 && (opened = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return dvmi_error_code(err, -errno, "%s", path);
	while (n > 0 && got < TOKEN_MAX - 1 && !memchr(out, '\n', got)) {
		n = read(opened < 0 ? STDIN_FILENO : opened, out + got, TOKEN_MAX - 1 - got);
		if (n < 0)
			return dvmi_error_code(err, -errno, "%s", path);
		got += (size_t)n;
	}
	out[got] = '\0';
	out[strcspn(out, " \t\r\n")] = '\0';
	return *out ? 0 : dvmi_error_set(err, -EINVAL, "%s holds no token", path);
}

static int start_node(struct cli *c, const struct choice *choice, const struct cli_start *how)
{
	struct cli_started s;
	dvm_error_t err;

	if (cli_start(&s, how, &err) < 0) {
		cli_started_free(&s);
		return cli_fail(c, &err);
	}
	bool up = cli_start_wait(&s, 1, dvmi_clock_mono() + choice->timeout, NULL) == 1;
	if (!up)
		cli_say(c, "%s", s.why);
	cli_started_free(&s);
	return up ? 0 : CLI_FAILED;
}

/* Which node this becomes: its directories hold what outlives the daemon. */
static int find_paths(const struct cli *c, const struct choice *choice, struct dvmd_paths *paths,
		      dvm_error_t *err)
{
	char host[256] = "";
	struct dvmd_paths_want want = { .machine = c->machine, .node = choice->name };

	gethostname(host, sizeof host - 1);
	host[strcspn(host, ".")] = '\0';
	if (!want.node)
		want.node = host;
	return dvmd_paths_node(paths, &want, err);
}

static int join(struct cli *c, const struct cli_command *cmd, const struct choice *choice,
		const char *where)
{
	char peer[CLI_ADDRESS_MAX * 4], own[CLI_ADDRESS_MAX], text[TOKEN_MAX];
	char there[CLI_ADDRESS_MAX * 4 + 16];
	uint16_t port = CLI_PORT;
	struct dvmd_paths paths;
	dvm_error_t err;

	if (cli_net_parse(where, peer, &port, &err) < 0)
		return cli_usage(c, cmd, &err);
	if (cli_net_own_address(choice->interface, peer, own, &err) < 0 ||
	    find_paths(c, choice, &paths, &err) < 0 ||
	    (choice->token_file && read_token(choice->token_file, text, &err) < 0))
		return cli_fail(c, &err);
	snprintf(there, sizeof there, strchr(peer, ':') ? "[%s]:%u" : "%s:%u", peer, port);
	struct cli_start how = { .paths = &paths,
				 .address = own,
				 .config = choice->config,
				 .port = (uint16_t)choice->port,
				 .slots = choice->slots,
				 .join = there,
				 .token = choice->token_file ? text : choice->token };
	int rc = start_node(c, choice, &how);
	if (rc == 0 && !choice->quiet)
		printf("%s (%s) has joined machine %s\n", paths.node, own, c->machine);
	return rc;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct choice choice = { .port = CLI_PORT, .timeout = 30 * DVMI_SEC };
	struct dvmi_opt_parser p;
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, set, &choice);

	if (rc != CLI_GO)
		return rc;
	if (!choice.token == !choice.token_file) {
		dvmi_error_set(
			&err, -EINVAL,
			"a token is needed: --token-file FILE or --token TOKEN (see `dvm token`)");
		return cli_usage(c, cmd, &err);
	}
	c->machine = c->machine ? c->machine : "default";
	return join(c, cmd, &choice, p.operands[0]);
}

const struct cli_command cli_cmd_join = {
	.opt = { .name = "dvm join",
		 .operands = "ADDRESS[:PORT]",
		 .brief = "make this host a node of a machine elsewhere",
		 .text = "Starts a daemon here that joins the machine whose node listens at "
			 "ADDRESS. "
			 "`dvm token` there makes the token it needs. -M must be the machine's "
			 "name.",
		 .options = options,
		 .words = "@host",
		 .min_operands = 1,
		 .max_operands = 1 },
	.family = "The machine",
	.run = run,
};
