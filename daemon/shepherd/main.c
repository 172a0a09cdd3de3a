/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm-shepherd: starts and watches the ranks of one job on one node, as the job's user.
 *
 *   dvm-shepherd --run-dir R --node-id N [--fd 3] [OPTIONS]
 *
 * Started by dvmd with
 *   - descriptor FD (3): a file, positioned anywhere, that holds the 16 bytes of the cookie
 *     and behind them, to its end, a packed Launch (libdvm/proto/dvm_job.proto). A memfd: neither
 *     is ever seen in an argument or an environment.
 *   - R: the node's run-time directory, with dvmd's `client.sock` in it. The shepherd makes
 *     R/jobs/ID (0700, the job's user's) and keeps `shep.sock`, `output` and `status` there.
 *   - N: the node's id, which must be one of the placement's.
 *   - descriptor 2: where it may log. 0 and 1 are not used.
 * As root for another user it prepares directory and cgroup first and then gives up its rights.
 * A job that cannot begin is reported like any other failed one, through the socket.
 *
 * Options, all for tests and odd places:
 *   --no-cgroup          do without
 *   --orphan-ms MS       without a daemon for so long, ranks are killed (30000)
 *   --linger-ms MS       a finished job waits so long for its release (60000)
 *   --drain-ms MS        pipes may stay open so long after the last rank's end (2000)
 *   --stuck-ms MS        a process that survives SIGKILL so long is given up (5000)
 *   --spool-bytes N      output that is kept for `dvm logs` (64 MiB)
 *   --log-level LEVEL    err … debug (warning)
 *
 * Exit: 0 when the job's end was reported or left in `status`, 1 otherwise, 2 for bad usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/shepherd/guard.h"
#include "daemon/shepherd/shepherd.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

struct args {
	struct shep_options o;
	char run_dir[PATH_MAX];
	uint32_t node;
	bool have_node;
	int fd;
	bool no_cgroup;
	int log_level;
};

enum {
	OPT_RUN_DIR = 256,
	OPT_NODE,
	OPT_FD,
	OPT_NO_CGROUP,
	OPT_ORPHAN,
	OPT_LINGER,
	OPT_DRAIN,
	OPT_STUCK,
	OPT_SPOOL,
	OPT_LOG
};

static const struct option options[] = {
	{ "run-dir", required_argument, NULL, OPT_RUN_DIR },
	{ "node-id", required_argument, NULL, OPT_NODE },
	{ "fd", required_argument, NULL, OPT_FD },
	{ "no-cgroup", no_argument, NULL, OPT_NO_CGROUP },
	{ "orphan-ms", required_argument, NULL, OPT_ORPHAN },
	{ "linger-ms", required_argument, NULL, OPT_LINGER },
	{ "drain-ms", required_argument, NULL, OPT_DRAIN },
	{ "stuck-ms", required_argument, NULL, OPT_STUCK },
	{ "spool-bytes", required_argument, NULL, OPT_SPOOL },
	{ "log-level", required_argument, NULL, OPT_LOG },
	{ 0 },
};

static int number(const char *text, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

static int take_number(struct args *a, int opt, const char *text)
{
	uint64_t v, *ms = opt == OPT_ORPHAN   ? &a->o.orphan_after
			  : opt == OPT_LINGER ? &a->o.linger
			  : opt == OPT_DRAIN  ? &a->o.drain
					      : &a->o.stuck_after;
	int rc = number(text, opt == OPT_FD ? INT32_MAX : UINT32_MAX, &v);

	if (opt == OPT_SPOOL)
		return number(text, UINT64_MAX, &a->o.spool_bound);
	if (rc < 0)
		return rc;
	if (opt == OPT_FD) {
		a->fd = (int)v;
	} else if (opt == OPT_NODE) {
		a->node = (uint32_t)v;
		a->have_node = true;
	} else {
		*ms = v * DVMI_MSEC;
	}
	return 0;
}

static int take_option(struct args *a, int opt)
{
	switch (opt) {
	case OPT_RUN_DIR:
		/* The path marks the job's processes, so it must be the same for everybody. */
		return realpath(optarg, a->run_dir) ? 0 : -errno;
	case OPT_NO_CGROUP:
		a->no_cgroup = true;
		return 0;
	case OPT_LOG:
		a->log_level = dvmi_log_level_parse(optarg);
		return a->log_level < 0 ? -EINVAL : 0;
	case '?':
		return -EINVAL;
	default:
		return take_number(a, opt, optarg);
	}
}

static int parse_args(struct args *a, int argc, char **argv)
{
	int opt;

	*a = (struct args){ .fd = 3,
			    .log_level = LOG_WARNING,
			    .o = { .orphan_after = 30 * DVMI_SEC,
				   .linger = 60 * DVMI_SEC,
				   .drain = 2 * DVMI_SEC,
				   .stuck_after = 5 * DVMI_SEC,
				   .spool_bound = 64 << 20 } };
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		int rc = take_option(a, opt);
		if (rc < 0) {
			if (opt != '?')
				fprintf(stderr, "dvm-shepherd: %s: %s\n",
					optarg ? optarg : argv[optind - 1], dvm_strerror(rc));
			return rc;
		}
	}
	a->o.run_dir = a->run_dir;
	if (optind == argc && a->run_dir[0] && a->have_node)
		return 0;
	fprintf(stderr, "usage: dvm-shepherd --run-dir DIR --node-id N [--fd FD]\n");
	return -EINVAL;
}

static int read_all(int fd, uint8_t *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t got = pread(fd, p + at, n - at, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -DVM_EPROTO;
		at += (size_t)got;
	}
	return 0;
}

static int read_launch(int fd, uint8_t *cookie, Pb__Launch **out)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < SHEP_COOKIE_BYTES)
		return -DVM_EPROTO;
	size_t n = (size_t)st.st_size;
	cleanup_free uint8_t *bytes = malloc(n);
	int rc = bytes ? read_all(fd, bytes, n) : -ENOMEM;
	close(fd);
	if (rc < 0)
		return rc;
	memcpy(cookie, bytes, SHEP_COOKIE_BYTES);
	return dvmi_pb_unpack(&pb__launch__descriptor, bytes + SHEP_COOKIE_BYTES,
			      n - SHEP_COOKIE_BYTES, out);
}

/* The index of our share; -EINVAL for a launch that cannot be one. */
static int64_t check_launch(const Pb__Launch *l, uint32_t node)
{
	if (!l->job || !l->spec || !l->placement || !l->spec->n_argv || !l->placement->ranks)
		return -EINVAL;
	for (size_t i = 0; i < l->placement->n_nodes; i++)
		if (l->placement->nodes[i]->node == node)
			return (int64_t)i;
	return -EINVAL;
}

static struct dvmd_place place_of(const struct args *a, const Pb__Launch *launch)
{
	return (struct dvmd_place){ .run_dir = a->run_dir,
				    .machine = launch->machine,
				    .node = a->node,
				    .job = launch->job };
}

static void prepare_group(const struct args *a, struct shep_config *c)
{
	const Pb__JobSpec *spec = c->launch->spec;
	const struct shep_limits limits = shep_limits_of(spec);
	struct dvmd_place place = place_of(a, c->launch);
	int rc = a->no_cgroup ? -ENOENT
			      : shep_group_make(c->group, &place, spec->uid != geteuid(), spec->uid,
						spec->gid, &limits);

	if (rc < 0)
		dvmi_log(c->log, "shepherd", LOG_INFO, "no cgroup: %s", dvm_strerror(rc));
	if (spec->mem_per_rank && !c->group->memory)
		c->note =
			"no memory controller here: each process's data segment is limited instead";
	else if ((spec->cpu_limit || spec->cpu_shares) && !c->group->cpu)
		c->note = "no cpu controller here: processors are neither limited nor shared out";
}

/* What has to be done with dvmd's rights, and then without them. */
static void prepare(const struct args *a, struct shep_config *c)
{
	const Pb__JobSpec *spec = c->launch->spec;

	int rc = shep_setup_dir(c->setup, a->run_dir, c->launch->job, spec->uid, spec->gid,
				&c->failed);
	if (rc < 0)
		return;
	prepare_group(a, c);
	shep_setup_user(c->setup, spec, &c->failed);
}

static void start_guard(const struct args *a, struct shep_config *c, char **argv)
{
	struct dvmd_place place = place_of(a, c->launch);

	c->guard = shep_guard_start(&place, c->group, argv);
	if (c->guard < 0)
		dvmi_log(c->log, "shepherd", LOG_INFO, "no guard: %s", dvm_strerror(c->guard));
}

static void log_to_stderr(const struct dvmi_log_record *rec, void *arg)
{
	char line[DVMI_LOG_LINE_MAX + 128];

	dvmi_log_format(rec, line, sizeof line);
	fprintf(stderr, "%s\n", line);
}

int main(int argc, char **argv)
{
	struct args a;
	struct shep_setup setup = { .dir_fd = -1, .uffd = -1 };
	struct shep_group group = { .ranks_fd = -1 };
	struct dvmi_log log = { .sink = log_to_stderr };
	struct shep_config c = { .setup = &setup, .group = &group, .log = &log };
	cleanup_pb Pb__Launch *launch = NULL;

	if (parse_args(&a, argc, argv) < 0)
		return 2;
	log.level = a.log_level;
	shep_setup_process(&setup);
	int rc = read_launch(a.fd, c.cookie, &launch);
	int64_t self = rc < 0 ? rc : check_launch(launch, a.node);
	if (self < 0) {
		fprintf(stderr, "dvm-shepherd: descriptor %d holds no launch for node %u: %s\n",
			a.fd, a.node, dvm_strerror((int)self));
		return 1;
	}
	c.o = a.o;
	c.launch = launch;
	c.self = (size_t)self;
	log.node = launch->placement->nodes[self]->name;
	prepare(&a, &c);
	if (!c.failed.code)
		start_guard(&a, &c, argv);
	rc = shep_run(&c);
	shep_guard_end(c.guard);
	shep_group_remove(&group);
	if (rc < 0)
		dvmi_log(&log, "shepherd", LOG_ERR, "job %llu: %s", (unsigned long long)launch->job,
			 dvm_strerror(rc));
	return rc < 0;
}
