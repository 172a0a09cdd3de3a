/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm-vmm: from the command line to a guest and back; terminal, signals, messages. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "kvm-node/control.h"
#include "kvm-node/jail.h"
#include "kvm-node/kvm.h"
#include "kvm-node/options.h"
#include "kvm-node/spread.h"
#include "kvm-node/vmm.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define ESCAPE (']' & 0x1f)

static void print_record(const struct dvmi_log_record *rec, void *arg)
{
	fprintf(stderr, "dvm-vmm: %s: %s: %s\n", dvmi_log_level_name(rec->level), rec->subsys,
		rec->text);
}

/* ---- the terminal ---- */

struct terminal {
	bool raw;
	struct termios saved;
	int in_flags, out_flags;
};

/* Every key is the guest's, but one. */
static void enter_terminal(struct terminal *t)
{
	struct termios raw;

	t->raw = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &t->saved) == 0;
	if (!t->raw)
		return;
	raw = t->saved;
	cfmakeraw(&raw);
	raw.c_oflag = t->saved.c_oflag;
	raw.c_lflag |= ISIG;
	raw.c_cc[VINTR] = ESCAPE;
	raw.c_cc[VQUIT] = raw.c_cc[VSUSP] = _POSIX_VDISABLE;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fprintf(stderr, "dvm-vmm: Ctrl-] ends the guest\n");
}

static void leave_terminal(const struct terminal *t)
{
	if (t->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &t->saved);
	/* The loop has made them non-blocking, for everybody who shares them. */
	if (t->in_flags >= 0)
		fcntl(STDIN_FILENO, F_SETFL, t->in_flags);
	if (t->out_flags >= 0)
		fcntl(STDOUT_FILENO, F_SETFL, t->out_flags);
}

/* ---- signals ---- */

struct signals {
	sigset_t set;
	pthread_t thread;
	_Atomic bool over;
	struct vmm *vmm;
};

static void block_signals(struct signals *s)
{
	sigemptyset(&s->set);
	sigaddset(&s->set, SIGTERM);
	sigaddset(&s->set, SIGINT);
	sigaddset(&s->set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &s->set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file's limit is an error of who writes to it */
}

/* Asked to end, a guest is asked to switch itself off; asked again, or by hand, it is ended. */
static void *watch_signals(void *arg)
{
	struct signals *s = arg;
	int sig;

	for (bool asked = false; sigwait(&s->set, &sig) == 0 && !s->over; asked = true)
		vmm_ask(s->vmm, sig == SIGTERM && !asked ? VMM_ASK_POWER_BUTTON : VMM_ASK_STOP);
	return NULL;
}

static int start_signals(struct signals *s, struct vmm *v)
{
	s->vmm = v;
	s->over = false;
	return -pthread_create(&s->thread, NULL, watch_signals, s);
}

static void stop_signals(struct signals *s)
{
	s->over = true; /* pthread_cancel() would load a library, which may be out of sight */
	pthread_kill(s->thread, SIGHUP);
	pthread_join(s->thread, NULL);
}

/* ---- the guest ---- */

static void write_stat(struct vmm *v, FILE *f)
{
	struct dvmi_buf b = { 0 };

	vmm_stat(v, &b);
	if (b.err || fwrite(b.data, 1, b.len, f) != b.len || fputc('\n', f) == EOF || fflush(f))
		fprintf(stderr, "dvm-vmm: counters cannot be written\n");
	dvmi_buf_free(&b);
}

static int fail(const dvm_error_t *err, int status)
{
	fprintf(stderr, "dvm-vmm: %s\n", err->text);
	return status;
}

static int exit_status(enum vmm_end end, unsigned code, const dvm_error_t *err)
{
	switch (end) {
	case VMM_END_EXIT: return (int)code;
	case VMM_END_CRASH: return fail(err, 1);
	default: return 0;
	}
}

/* The console is this terminal, or belongs to whoever asks for it. */
static int open_console(struct vmm_options *o, struct terminal *t, struct vmm_control **control,
			dvm_error_t *err)
{
	t->in_flags = fcntl(STDIN_FILENO, F_GETFL);
	t->out_flags = fcntl(STDOUT_FILENO, F_GETFL);
	int in = t->in_flags < 0 ? -1 : STDIN_FILENO, out = t->out_flags < 0 ? -1 : STDOUT_FILENO;
	struct vmm_config *c = &o->config;

	if (o->control) {
		c->hvc = true;
		return vmm_control_create(control, o->control, out, c, err);
	}
	*(c->hvc ? &c->hvc_in : &c->console_in) = in;
	*(c->hvc ? &c->hvc_out : &c->console_out) = out;
	return 0;
}

static int run_guest(struct vmm_options *o, struct vmm *v, struct signals *signals,
		     struct vmm_control *control, enum vmm_end *end, unsigned *code, dvm_error_t *err)
{
	int rc = start_signals(signals, v);

	if (rc < 0)
		return dvmi_error_code(err, rc, "watching signals");
	rc = control ? vmm_control_start(control, v) : 0;
	rc = rc < 0 ? dvmi_error_code(err, rc, "the control socket") : vmm_run(v, end, code, err);
	vmm_control_stop(control);
	stop_signals(signals);
	if (o->stat)
		write_stat(v, o->stat);
	return rc;
}

/* ---- several hosts ---- */

/*
 * Threads wait for pages that nobody has any more: there is no other end than that of the process. What
 * is left of it is the socket of vsock, as of one that was killed.
 */
static void host_lost(void *arg, const char *why)
{
	fprintf(stderr, "dvm-vmm: %s\n", why);
	leave_terminal(arg);
	_exit(1);
}

/* Console, control and counters are the first host's. */
static int join_hosts(struct vmm_options *o, struct dvmi_log *log, struct terminal *t,
		      dvm_error_t *err)
{
	if (o->hosts < 2)
		return 0;
	int rc = vmm_spread_open(&o->config.spread, o->hosts, log, err);
	if (rc < 0)
		return rc;
	vmm_spread_on_loss(o->config.spread, host_lost, t);
	if (vmm_spread_self(o->config.spread) > 0) {
		o->control = o->stat_file = NULL;
		o->follower = true;
	}
	return 0;
}

/*
 * Its sockets are root's, and a monitor of several hosts cannot give up root's rights without its name:
 * it has threads by then, whose capabilities are their own.
 */
static int check_vsock(const struct vmm_options *o, dvm_error_t *err)
{
	const struct vmm_spread *s = o->config.spread;

	if (s && o->config.vsock_cid && o->isolate && geteuid() == 0 && !o->follower &&
	    !vmm_spread_together(s))
		return dvmi_error_set(err, -EINVAL,
				      "root's guest over several hosts cannot have --vsock, but with "
				      "--isolation off; another user's can");
	return 0;
}

/* All could, or nobody goes on. */
static int agree(const struct vmm_options *o, int rc, dvm_error_t *err)
{
	return o->config.spread ? vmm_spread_agree(o->config.spread, rc, err) : rc;
}

/* Of vsock's sockets: the only ones that are still looked for by name. */
static int vsock_dir(const struct vmm_config *c, char dir[PATH_MAX])
{
	const char *path = c->vsock_path ? c->vsock_path : "";
	const char *slash = strrchr(path, '/');
	int n = slash ? (int)(slash - path) + (slash == path) : 0;

	return snprintf(dir, PATH_MAX, "%.*s", n ? n : 1, n ? path : ".") < PATH_MAX ? 0 :
										       -ENAMETOOLONG;
}

/* Everything is open: what is not needed any more goes. */
static int shut_in(struct vmm_options *o, struct vmm_jail *jail, dvm_error_t *err)
{
	struct vmm_jail_config c = { 0 };
	char dir[PATH_MAX];

	if (!o->isolate)
		return 0;
	if (o->config.spread)
		c = (struct vmm_jail_config){ .hosts = true,
					      .together = vmm_spread_together(o->config.spread) };
	else if (o->config.vsock_cid) {
		int rc = vsock_dir(&o->config, dir);
		if (rc < 0)
			return dvmi_error_code(err, rc, "the directory of vsock");
		c = (struct vmm_jail_config){ .dir = dir, .keep_user = true };
	}
	return vmm_jail_enter(jail, &c, err);
}

static int open_stat(struct vmm_options *o, dvm_error_t *err)
{
	if (!o->stat_file)
		return 0;
	o->stat = fopen(o->stat_file, "we");
	o->config.last_stat = true;
	return o->stat ? 0 : dvmi_error_code(err, -errno, "counters in %s", o->stat_file);
}

/* Console, control and counters. */
static int open_ends(struct vmm_options *o, struct terminal *t, struct vmm_control **control,
		     dvm_error_t *err)
{
	int rc = check_vsock(o, err);

	if (rc == 0 && !o->follower)
		rc = open_console(o, t, control, err);
	return rc < 0 ? rc : open_stat(o, err);
}

static int run(struct vmm_options *o, struct dvmi_log *log)
{
	struct signals signals;
	struct terminal terminal = { .in_flags = -1, .out_flags = -1 };
	struct vmm_control *control = NULL;
	struct vmm_jail jail = { 0 };
	enum vmm_end end = VMM_END_NONE;
	unsigned code = 0;
	struct vmm *v = NULL;
	dvm_error_t err = { 0 };

	/* In a namespace of users, monitors of several hosts would not find each other. */
	if (o->isolate && o->hosts < 2)
		vmm_jail_prepare(&jail);
	block_signals(&signals);
	o->config.jail = &jail;
	int rc = join_hosts(o, log, &terminal, &err);
	if (rc == 0)
		rc = agree(o, open_ends(o, &terminal, &control, &err), &err);
	if (rc == 0)
		rc = vmm_create(&v, &o->config, log, &err);
	if (rc == 0)
		rc = agree(o, shut_in(o, &jail, &err), &err);
	if (rc == 0) {
		if (!control && !o->follower)
			enter_terminal(&terminal);
		rc = run_guest(o, v, &signals, control, &end, &code, &err);
	}
	vmm_destroy(v);
	vmm_spread_close(o->config.spread);
	vmm_control_destroy(control);
	leave_terminal(&terminal);
	if (o->stat)
		fclose(o->stat);
	return rc < 0 ? fail(&err, 1) : exit_status(end, code, &err);
}

/* ---- other ways to be called ---- */

static int help(void)
{
	struct dvmi_buf b = { 0 };

	dvmi_opt_help(&vmm_options_command, 0, &b);
	fwrite(b.data, 1, b.len, stdout);
	dvmi_buf_free(&b);
	return 0;
}

static int check(void)
{
	struct vmm_kvm k;
	dvm_error_t err;
	int rc = vmm_kvm_open(&k, &err);

	if (rc == 0) {
		rc = vmm_kvm_check_kernel(&k, &err);
		vmm_kvm_close(&k);
	}
	if (rc < 0)
		return fail(&err, 1);
	puts("this host can run guests");
	return 0;
}

static int ask(const struct vmm_options *o)
{
	dvm_error_t err;

	return vmm_control_ask(o->control, o->ask, &err) < 0 ? fail(&err, 1) : 0;
}

int main(int argc, char **argv)
{
	struct vmm_options o;
	dvm_error_t err;

	if (vmm_options_parse(&o, argc, argv, &err) < 0)
		return fail(&err, 2);
	if (o.help)
		return help();
	if (o.version) {
		puts("dvm-vmm " PACKAGE_VERSION);
		return 0;
	}
	if (o.check)
		return check();
	if (o.ask)
		return ask(&o);
	struct dvmi_log log = { .level = o.log_level, .node = o.config.name, .sink = print_record };
	return run(&o, &log);
}
