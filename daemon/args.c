/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include <stdio.h>

#include "daemon/args.h"
#include "libdvm/base/err.h"
#include "libdvm/base/opt.h"

enum {
	OPT_MACHINE = 1, OPT_NAME, OPT_ADDRESS, OPT_PORT, OPT_SLOTS, OPT_MEMORY, OPT_RUN_DIR,
	OPT_STATE_DIR, OPT_FOUND, OPT_JOIN, OPT_TOKEN_FD, OPT_FOREGROUND, OPT_READY_FD, OPT_CONFIG,
	OPT_HOST, OPT_LOG_LEVEL, OPT_FAILURE_TIMEOUT, OPT_VERSION,
};

static const struct dvmi_opt options[] = {
	{ OPT_MACHINE, 'M', "machine", NULL, "NAME", "Identity", "name of the machine", NULL },
	{ OPT_NAME, 0, "name", NULL, "NAME", NULL, "name of this node (default: the host's)", NULL },
	{ OPT_HOST, 0, "host", NULL, "LABEL", NULL,
	  "what nodes on this kernel have in common (default: its boot id)", NULL },
	{ OPT_FOUND, 0, "found", NULL, NULL, "Joining",
	  "found the machine, unless it is known from before", NULL },
	{ OPT_JOIN, 0, "join", NULL, "ADDR[:PORT]", NULL, "join through the node at this address",
	  NULL },
	{ OPT_TOKEN_FD, 0, "token-fd", NULL, "FD", NULL,
	  "read the token from this descriptor (otherwise from $DVM_TOKEN)", NULL },
	{ OPT_ADDRESS, 0, "address", NULL, "ADDR|IF|CIDR", "Network",
	  "the one address to use, or its interface or network", NULL },
	{ OPT_PORT, 0, "port", NULL, "PORT", NULL, "control port (default 7117)", NULL },
	{ OPT_SLOTS, 0, "slots", NULL, "N", "Resources", "ranks it takes (default: one a core)", NULL },
	{ OPT_MEMORY, 0, "memory", NULL, "SIZE", NULL, "memory jobs may use (default: all)", NULL },
	{ OPT_RUN_DIR, 0, "run-dir", NULL, "DIR", "Running", "run-time directory", "@dir" },
	{ OPT_STATE_DIR, 0, "state-dir", NULL, "DIR", NULL, "directory of the key and the log",
	  "@dir" },
	{ OPT_CONFIG, 0, "config", NULL, "FILE", NULL, "configuration (default: see dvm.conf(5))",
	  "@file" },
	{ OPT_FOREGROUND, 'f', "foreground", NULL, NULL, NULL, "stay attached, log to stderr", NULL },
	{ OPT_READY_FD, 0, "ready-fd", NULL, "FD", NULL,
	  "write one line, \"ready\" or \"error: …\", when that is known", NULL },
	{ OPT_LOG_LEVEL, 0, "log-level", NULL, "LEVEL", NULL, "err, warning, notice, info or debug",
	  "err warning notice info debug" },
	{ OPT_FAILURE_TIMEOUT, 0, "failure-timeout", NULL, "TIME", NULL,
	  "a dead node is known everywhere within this time (default 10s)", NULL },
	{ OPT_VERSION, 'V', "version", NULL, NULL, "General", "show the version", NULL },
	{ 0 },
};

static const struct dvmi_opt_command command = {
	.name = "dvmd",
	.brief = "one node of a dvm machine",
	.text = "Usually started by dvm up, dvm join or systemd. Its jobs survive its restart.",
	.options = options,
};

static int take_conf(struct dvmd_args *a, const char *key, const struct dvmi_opt_parser *p,
		     dvm_error_t *err)
{
	return dvmd_conf_set(&a->conf, key, p->arg, err);
}

static int parse_fd(int *fd, const struct dvmi_opt_parser *p, dvm_error_t *err)
{
	uint32_t n;
	int rc = dvmi_opt_u32(p, 0, INT_MAX, &n, err);

	if (rc == 0)
		*fd = (int)n;
	return rc;
}

static int take_option(struct dvmd_args *a, int id, const struct dvmi_opt_parser *p, dvm_error_t *err)
{
	switch (id) {
	case OPT_MACHINE:
		return take_conf(a, "machine", p, err);
	case OPT_NAME:
		return take_conf(a, "name", p, err);
	case OPT_ADDRESS:
		return take_conf(a, "interface", p, err);
	case OPT_PORT:
		return take_conf(a, "port", p, err);
	case OPT_SLOTS:
		return take_conf(a, "slots", p, err);
	case OPT_MEMORY:
		return take_conf(a, "memory", p, err);
	case OPT_LOG_LEVEL:
		return take_conf(a, "log_level", p, err);
	case OPT_FAILURE_TIMEOUT:
		return take_conf(a, "failure_timeout", p, err);
	case OPT_TOKEN_FD:
		return parse_fd(&a->token_fd, p, err);
	case OPT_READY_FD:
		return parse_fd(&a->ready_fd, p, err);
	case OPT_RUN_DIR:
		a->want.run = p->arg;
		return 0;
	case OPT_STATE_DIR:
		a->want.state = p->arg;
		return 0;
	case OPT_HOST:
		a->host = p->arg;
		return 0;
	case OPT_JOIN:
		a->join = p->arg;
		return 0;
	case OPT_FOUND:
		a->found = true;
		return 0;
	case OPT_FOREGROUND:
		a->foreground = true;
		return 0;
	default:
		return 0;
	}
}

static void print_buf(struct dvmi_buf *b)
{
	if (!b->err)
		fwrite(b->data, 1, b->len, stdout);
	dvmi_buf_free(b);
}

/* Less than 0: an error; 1: answered, nothing to run. CONFIG_ONLY is the first of two passes. */
static int parse(struct dvmd_args *a, int argc, char **argv, bool config_only, dvm_error_t *err)
{
	struct dvmi_opt_parser p;
	struct dvmi_buf help = { 0 };
	int id, rc = 0;

	dvmi_opt_init(&p, &command, argc, argv);
	while (rc == 0 && (id = dvmi_opt_next(&p, err)) > 0) {
		if (id == DVMI_OPT_HELP) {
			dvmi_opt_help(&command, 0, &help);
			print_buf(&help);
			return 1;
		}
		if (id == OPT_VERSION) {
			puts("dvmd " PACKAGE_VERSION);
			return 1;
		}
		if (id == OPT_CONFIG)
			a->config = p.arg;
		else if (!config_only)
			rc = take_option(a, id, &p, err);
	}
	return rc < 0 ? rc : id;
}

int dvmd_args_read(struct dvmd_args *a, int argc, char **argv, dvm_error_t *err)
{
	*a = (struct dvmd_args){ .token_fd = -1, .ready_fd = -1 };
	int rc = dvmd_conf_init(&a->conf);

	if (rc < 0)
		return dvmi_error_code(err, rc, "configuration");
	if ((rc = parse(a, argc, argv, true, err)) != 0)
		return rc;
	if ((rc = dvmd_conf_load(&a->conf, a->config, err)) < 0 ||
	    (rc = dvmd_conf_env(&a->conf, err)) < 0)
		return rc;
	return parse(a, argc, argv, false, err);
}

void dvmd_args_free(struct dvmd_args *a)
{
	dvmd_conf_free(&a->conf);
}
