/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvmd: one node of a machine. This file turns the command line and dvm.conf into a setup, becomes
 * a daemon, and runs the loop; everything else is in dvmd.c and the parts it makes.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "daemon/conf.h"
#include "daemon/dvmd.h"
#include "daemon/logring.h"
#include "daemon/paths.h"
#include "daemon/topo.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"
#include "libdvm/base/opt.h"

#define LOG_RECORDS 4096
#define NICE	    (-10)

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

struct args {
	struct dvmd_conf conf;
	struct dvmd_paths_want want;
	const char *config, *join, *host;
	bool found, foreground;
	int token_fd, ready_fd;
};

/* What main holds while the daemon runs. */
struct node {
	struct dvmd d;
	struct dvmd_paths paths;
	char address[INET6_ADDRSTRLEN], join_address[INET6_ADDRSTRLEN], host[DVMD_TOPO_HOST_MAX];
	char token[256];
	uv_loop_t loop;
	uv_signal_t term, intr;
	int pid_fd, ready_fd;
	dvm_error_t why; /* code 0, or why this node did not come to be */
	bool fresh; /* nothing was here before: a start that fails leaves nothing */
};

/* ---- options ---- */

static int take_conf(struct args *a, const char *key, const struct dvmi_opt_parser *p,
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

static int take_option(struct args *a, int id, const struct dvmi_opt_parser *p, dvm_error_t *err)
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
static int parse(struct args *a, int argc, char **argv, bool config_only, dvm_error_t *err)
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

/* The file first, what the environment says over it, and the command line over both. */
static int configure(struct args *a, int argc, char **argv, dvm_error_t *err)
{
	*a = (struct args){ .token_fd = -1, .ready_fd = -1 };
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

/* ---- the setup ---- */

static int read_token(struct node *n, int fd, dvm_error_t *err)
{
	const char *env = getenv("DVM_TOKEN");
	size_t len = 0;
	ssize_t got;

	if (fd < 0) {
		if (!env)
			return dvmi_error_set(err, -EINVAL, "--join needs a token: --token-fd or $DVM_TOKEN");
		snprintf(n->token, sizeof n->token, "%s", env);
		unsetenv("DVM_TOKEN");
		return 0;
	}
	while (len < sizeof n->token - 1 &&
	       (got = read(fd, n->token + len, sizeof n->token - 1 - len)) != 0) {
		if (got < 0 && errno != EINTR)
			return dvmi_error_code(err, -errno, "reading the token");
		len += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	n->token[len] = 0;
	return 0;
}

/* "host", "host:port", "[v6]:port": the numeric address and the port. */
static int resolve(const char *text, struct node *n, dvm_error_t *err)
{
	struct addrinfo *list = NULL, hints = { .ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(text, ':');
	bool v6 = *text == '[', has_port = colon && (v6 ? colon[-1] == ']' : strchr(text, ':') == colon);
	size_t len = has_port ? (size_t)(colon - text) : strlen(text);
	char host[256], *end;
	unsigned long port = has_port ? strtoul(colon + 1, &end, 10) : DVMD_CONF_PORT;

	if (has_port && (end == colon + 1 || *end || port == 0 || port > 65535))
		return dvmi_error_set(err, -EINVAL, "%s: bad port", text);
	if (v6 && len >= 2) {
		text++;
		len -= 2;
	}
	snprintf(host, sizeof host, "%.*s", (int)len, text);
	int rc = getaddrinfo(host, NULL, &hints, &list);
	if (rc != 0)
		return dvmi_error_set(err, -EHOSTUNREACH, "%s: %s", host, gai_strerror(rc));
	rc = getnameinfo(list->ai_addr, list->ai_addrlen, n->join_address, sizeof n->join_address,
			 NULL, 0, NI_NUMERICHOST);
	freeaddrinfo(list);
	n->d.setup.join_address = n->join_address;
	n->d.setup.join_port = (uint16_t)port;
	return rc ? dvmi_error_set(err, -EHOSTUNREACH, "%s: %s", host, gai_strerror(rc)) : 0;
}

/* A host's name, cut to what a node may be called. */
static void default_name(struct dvmd_conf *c)
{
	char name[DVMD_NAME_MAX + 1] = "";
	dvm_error_t err;

	gethostname(name, sizeof name - 1);
	name[strcspn(name, ".")] = 0;
	if (!*c->name)
		dvmd_conf_set(c, "name", *name ? name : "node", &err);
}

static int make_setup(struct node *n, struct args *a, dvm_error_t *err)
{
	struct dvmd_setup *s = &n->d.setup;
	struct dvmd_conf *c = &a->conf;
	int rc = dvmd_conf_address(c->interface, n->address, err);

	default_name(c);
	a->want.machine = *c->machine ? c->machine : "default";
	a->want.node = c->name;
	a->want.run_base = c->run_dir;
	a->want.state_base = c->state_dir;
	if (rc == 0)
		rc = dvmd_paths_node(&n->paths, &a->want, err);
	if (rc == 0 && a->join)
		rc = resolve(a->join, n, err);
	if (rc == 0 && a->join)
		rc = read_token(n, a->token_fd, err);
	if (rc < 0)
		return rc;
	dvmd_topo_host(n->host);
	*s = (struct dvmd_setup){ .machine = n->paths.machine,
				  .name = n->paths.node,
				  .address = n->address,
				  .host = a->host ? a->host : n->host,
				  .run_dir = n->paths.run,
				  .state_dir = n->paths.state,
				  .join_address = s->join_address,
				  .join_port = s->join_port,
				  .token = n->token,
				  .port = c->port,
				  .port_low = c->port_low,
				  .port_high = c->port_high,
				  .slots = c->slots,
				  .memory = c->memory,
				  .found = a->found,
				  .failure_timeout = c->failure_timeout,
				  .kill_grace = c->kill_grace,
				  .launch_timeout = c->launch_timeout,
				  .job_log_max = c->job_log_max,
				  .gres = c->gres,
				  .queue = c->queue,
				  .queue_shares = c->queue_shares,
				  .queue_tiers = c->queue_tiers };
	n->d.log.level = c->log_level;
	n->ready_fd = a->ready_fd;
	return 0;
}

/* ---- becoming a daemon ---- */

/* One line to whoever waits: "ready", or "error: …". */
static void tell_ready(struct node *n, int code, const char *text)
{
	if (n->ready_fd < 0)
		return;
	if (code < 0)
		dprintf(n->ready_fd, "error: %s\n", text);
	else
		dprintf(n->ready_fd, "ready\n");
	close(n->ready_fd);
	n->ready_fd = -1;
}

/* The parent of a daemon: passes on what the child says and ends with it. */
static _Noreturn void wait_for_child(int fd)
{
	char line[DVM_ERROR_TEXT_MAX + 16];
	size_t len = 0;
	ssize_t got;

	while (len < sizeof line - 1 && (got = read(fd, line + len, sizeof line - 1 - len)) > 0)
		len += (size_t)got;
	line[len] = 0;
	if (strncmp(line, "ready", 5)) {
		fprintf(stderr, "dvmd: %s", len ? line : "ended before it was ready\n");
		_exit(1);
	}
	_exit(0);
}

/* Detaches; without --ready-fd the parent waits for the outcome itself. */
static int daemonise(struct node *n, dvm_error_t *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return dvmi_error_code(err, -errno, "pipe");
	pid_t pid = fork();
	if (pid < 0)
		return dvmi_error_code(err, -errno, "fork");
	if (pid > 0 && n->ready_fd >= 0)
		_exit(0);
	if (pid > 0) {
		close(fds[1]);
		wait_for_child(fds[0]);
	}
	close(fds[0]);
	if (n->ready_fd < 0)
		n->ready_fd = fds[1];
	else
		close(fds[1]);
	setsid();
	return 0;
}

/* From here on, what goes to stderr goes to R/dvmd.log; a daemon holds no terminal. */
static void detach_stdio(const struct node *n)
{
	char path[PATH_MAX];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	snprintf(path, sizeof path, "%s/dvmd.log", n->paths.run);
	int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(log >= 0 ? log : null, STDERR_FILENO);
	if (log >= 0)
		close(log);
	if (null >= 0)
		close(null);
	(void)!chdir("/");
}

/*
 * Answering in time is what keeps a busy node from being called dead. Children start without
 * this: the kernel resets it on fork.
 */
static void raise_priority(void)
{
	const struct sched_param param = { 0 };

	if (sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &param) == 0)
		setpriority(PRIO_PROCESS, 0, NICE);
}

/*
 * A daemon of a large machine holds some hundred connections to peers and to shepherds. The soft
 * limit it was started with is handed on: it is what ranks are to start with (shepherd/setup.c).
 */
static void raise_descriptors(void)
{
	struct rlimit files;
	char soft[24];

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	snprintf(soft, sizeof soft, "%llu", (unsigned long long)files.rlim_cur);
	setenv("DVMD_NOFILE", soft, 1);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

/* ---- running ---- */

static void on_started(struct dvmd *d, int code, const char *text)
{
	struct node *n = (struct node *)((char *)d - offsetof(struct node, d));

	if (code == 0) {
		tell_ready(n, 0, NULL);
		return;
	}
	/* Whoever waits is told when nothing of this node is left. */
	dvmi_log(&d->log, "state", LOG_ERR, "%s", text);
	dvmi_error_set(&n->why, code, "%s", text);
	uv_stop(d->loop);
}

static void on_signal(uv_signal_t *h, int signum)
{
	struct dvmd *d = h->data;

	dvmi_log(&d->log, "state", LOG_NOTICE, "%s: stopping; jobs go on", strsignal(signum));
	dvmd_stop(d, false);
}

static void watch_signals(struct node *n)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	uv_signal_init(&n->loop, &n->term);
	uv_signal_init(&n->loop, &n->intr);
	n->term.data = n->intr.data = &n->d;
	uv_signal_start(&n->term, on_signal, SIGTERM);
	uv_signal_start(&n->intr, on_signal, SIGINT);
}

static int run(struct node *n, dvm_error_t *err)
{
	struct dvmd *d = &n->d;
	int rc = uv_loop_init(&n->loop);

	if (rc < 0)
		return dvmi_error_code(err, rc, "event loop");
	d->loop = &n->loop;
	d->started = on_started;
	watch_signals(n);
	rc = dvmd_start(d, err);
	if (rc == 0)
		uv_run(&n->loop, UV_RUN_DEFAULT);
	dvmd_destroy(d);
	uv_close((uv_handle_t *)&n->term, NULL);
	uv_close((uv_handle_t *)&n->intr, NULL);
	uv_run(&n->loop, UV_RUN_DEFAULT);
	uv_loop_close(&n->loop);
	if (rc == 0 && n->why.code < 0)
		*err = n->why;
	return rc < 0 ? rc : n->why.code;
}

/* Is this node one already? The key of one that was removed stays; its log does not. */
static bool is_known(const struct node *n)
{
	char path[PATH_MAX + 8];

	snprintf(path, sizeof path, "%s/log", n->paths.state);
	return access(path, F_OK) == 0;
}

/* What a node keeps: else one that is none any more, or never came to be, would pass for one. */
static void forget(const struct node *n)
{
	static const char *const files[] = { "clock", "key", "life", "log", "log.lock" };
	char path[PATH_MAX + 16];

	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(path, sizeof path, "%s/%s", n->paths.state, files[i]);
		unlink(path);
	}
	snprintf(path, sizeof path, "%s", n->paths.state);
	if (rmdir(path) == 0) { /* of a machine that has no other node here */
		*strrchr(path, '/') = 0;
		rmdir(path);
	}
}

/* Everything that can be said on the terminal is checked before the daemon leaves it. */
static int prepare(struct node *n, struct args *a, dvm_error_t *err)
{
	int rc = make_setup(n, a, err);

	if (rc == 0 && !a->foreground)
		rc = daemonise(n, err);
	if (rc < 0)
		return rc;
	if ((n->pid_fd = dvmd_paths_claim(&n->paths, err)) < 0)
		return n->pid_fd;
	n->fresh = !is_known(n);
	if (!a->foreground)
		detach_stdio(n);
	return 0;
}

static int serve(struct node *n, struct args *a, dvm_error_t *err)
{
	int rc = prepare(n, a, err);

	if (rc < 0)
		return rc;
	n->d.log.node = n->paths.node;
	n->d.log.sink = dvmd_logring_sink;
	rc = dvmd_logring_create(&n->d.ring, LOG_RECORDS,
				 a->foreground ? DVMD_LOG_AUTO : DVMD_LOG_STDERR);
	if (rc < 0)
		return dvmi_error_code(err, rc, "log");
	n->d.log.arg = n->d.ring;
	raise_priority();
	raise_descriptors();
	rc = run(n, err);
	/* A machine that was halted, or a node that never came to be, leaves nothing behind. */
	if (n->d.halted || (rc < 0 && n->fresh)) {
		forget(n);
		dvmd_paths_release(&n->paths, take_fd(n->pid_fd), NULL);
	}
	dvmd_logring_destroy(n->d.ring);
	return rc;
}

int main(int argc, char **argv)
{
	struct args a;
	struct node *n = calloc(1, sizeof *n);
	dvm_error_t err = { 0 };

	if (!n || sodium_init() < 0) {
		fprintf(stderr, "dvmd: out of memory\n");
		return 1;
	}
	n->pid_fd = n->ready_fd = -1;
	int rc = configure(&a, argc, argv, &err);
	if (rc == 0) {
		rc = serve(n, &a, &err);
		if (rc < 0 && *err.text) {
			fprintf(stderr, "dvmd: %s\n", err.text);
			tell_ready(n, rc, err.text);
		}
	} else if (rc < 0) {
		fprintf(stderr, "dvmd: %s\nTry dvmd --help.\n", err.text);
	}
	dvmd_conf_free(&a.conf);
	free(n);
	return rc < 0 ? (rc == -EINVAL ? 2 : 1) : 0;
}
