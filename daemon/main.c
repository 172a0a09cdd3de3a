/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvmd: one node of a machine. This file turns what was asked for into a setup, becomes a daemon,
 * and runs the loop; everything else is in dvmd.c and the parts it makes.
 */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "daemon/args.h"
#include "daemon/background.h"
#include "daemon/dvmd.h"
#include "daemon/logring.h"
#include "daemon/topo.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define LOG_RECORDS 4096

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

static int make_setup(struct node *n, struct dvmd_args *a, dvm_error_t *err)
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
				  .kvm_device = c->kvm_device,
				  .queue = c->queue,
				  .queue_shares = c->queue_shares,
				  .queue_tiers = c->queue_tiers };
	n->d.log.level = c->log_level;
	n->ready_fd = a->ready_fd;
	return 0;
}

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
static int prepare(struct node *n, struct dvmd_args *a, dvm_error_t *err)
{
	int rc = make_setup(n, a, err);

	if (rc == 0 && !a->foreground)
		rc = dvmd_background(&n->ready_fd, err);
	if (rc < 0)
		return rc;
	if ((n->pid_fd = dvmd_paths_claim(&n->paths, err)) < 0)
		return n->pid_fd;
	n->fresh = !is_known(n);
	if (!a->foreground)
		dvmd_background_stdio(n->paths.run);
	return 0;
}

static int serve(struct node *n, struct dvmd_args *a, dvm_error_t *err)
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
	dvmd_raise_priority();
	dvmd_raise_descriptors();
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
	struct dvmd_args a;
	struct node *n = calloc(1, sizeof *n);
	dvm_error_t err = { 0 };

	if (!n || sodium_init() < 0) {
		fprintf(stderr, "dvmd: out of memory\n");
		return 1;
	}
	n->pid_fd = n->ready_fd = -1;
	int rc = dvmd_args_read(&a, argc, argv, &err);
	if (rc == 0) {
		rc = serve(n, &a, &err);
		if (rc < 0 && *err.text) {
			fprintf(stderr, "dvmd: %s\n", err.text);
			tell_ready(n, rc, err.text);
		}
	} else if (rc < 0) {
		fprintf(stderr, "dvmd: %s\nTry dvmd --help.\n", err.text);
	}
	dvmd_args_free(&a);
	free(n);
	return rc < 0 ? (rc == -EINVAL ? 2 : 1) : 0;
}
