/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/shepherd/setup.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

/* A daemon that is spared by the kernel must not pass that on to what users run. */
static void reset_oom_score(void)
{
	cleanup_file FILE *f = fopen("/proc/self/oom_score_adj", "r+e");
	int adj;

	if (!f || fscanf(f, "%d", &adj) != 1 || adj >= 0)
		return;
	rewind(f);
	fputs("0", f);
}

static void default_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL }, ign = { .sa_handler = SIG_IGN };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			sigaction(sig, &dfl, NULL);
	/* A reader that is gone is an error code, and a hangup is nobody's business here. */
	sigaction(SIGPIPE, &ign, NULL);
	sigaction(SIGHUP, &ign, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * No pipe of ours may land on 0, 1 or 2, and whoever started the daemon in a pipeline must not
 * wait for us.
 */
static void quiet_stdio(void)
{
	int fd = open("/dev/null", O_RDWR);

	if (fd < 0)
		return;
	dup2(fd, 0);
	dup2(fd, 1);
	if (fcntl(2, F_GETFD) < 0)
		dup2(fd, 2);
	if (fd > 2)
		close(fd);
}

static void raise_nofile(struct rlimit *was)
{
	const char *soft = getenv("DVMD_NOFILE"); /* before dvmd raised it for itself */
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, was) < 0)
		*was = (struct rlimit){ 1024, 1024 };
	lim = *was;
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	if (soft && strtoull(soft, NULL, 10) < was->rlim_cur)
		was->rlim_cur = strtoull(soft, NULL, 10);
	unsetenv("DVMD_NOFILE");
}

void shep_setup_process(struct shep_setup *s)
{
	quiet_stdio();
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	setsid(); /* fails where we lead a session already, which is as good */
	default_signals();
	umask(022);
	reset_oom_score();
	raise_nofile(&s->nofile);
	/* Whatever our ranks leave behind comes to us. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (chdir("/") < 0)
		return;
}

static void forget_stale(int dir)
{
	static const char *const names[] = { "shep.sock", "status", "status.new", "output" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		unlinkat(dir, names[i], 0);
}

static int take_dir(struct shep_setup *s, uid_t uid, gid_t gid)
{
	struct stat st;

	s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir_fd < 0 || fstat(s->dir_fd, &st) < 0)
		return -errno;
	if (st.st_uid != uid && st.st_uid != geteuid())
		return -EEXIST;
	if ((st.st_uid != uid || st.st_gid != gid) && fchown(s->dir_fd, uid, gid) < 0)
		return -errno;
	return fchmod(s->dir_fd, 0700) < 0 ? -errno : 0;
}

int shep_setup_dir(struct shep_setup *s, const char *run_dir, uint64_t job, uid_t uid, gid_t gid,
		   dvm_error_t *err)
{
	char jobs[PATH_MAX];

	s->dir_fd = -1;
	if (snprintf(jobs, sizeof jobs, "%s/jobs", run_dir) >= (int)sizeof jobs ||
	    snprintf(s->dir, sizeof s->dir, "%s/%llu", jobs, (unsigned long long)job) >=
		    (int)sizeof s->dir)
		return dvmi_error_code(err, -ENAMETOOLONG, "%s", run_dir);
	if (mkdir(jobs, 0755) < 0 && errno != EEXIST)
		return dvmi_error_code(err, -errno, "%s", jobs);
	if (mkdir(s->dir, 0700) < 0 && errno != EEXIST)
		return dvmi_error_code(err, -errno, "%s", s->dir);
	int rc = take_dir(s, uid, gid);
	if (rc < 0)
		return dvmi_error_code(err, rc, "%s", s->dir);
	forget_stale(s->dir_fd);
	return 0;
}

static int set_groups(const Pb__JobSpec *spec)
{
	cleanup_free gid_t *groups = calloc(spec->n_groups + 1, sizeof *groups);

	if (!groups)
		return -ENOMEM;
	for (size_t i = 0; i < spec->n_groups; i++)
		groups[i] = spec->groups[i];
	return setgroups(spec->n_groups, groups) < 0 ? -errno : 0;
}

int shep_setup_user(struct shep_setup *s, const Pb__JobSpec *spec, dvm_error_t *err)
{
	if (spec->uid == geteuid())
		return 0;
	if (geteuid() != 0)
		return dvmi_error_set(err, -EPERM,
				      "this daemon cannot run jobs of another user (%s)",
				      spec->user);
	s->other_user = true;
	s->uffd = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	int rc = set_groups(spec);
	if (rc == 0 && (setresgid(spec->gid, spec->gid, spec->gid) < 0 ||
			setresuid(spec->uid, spec->uid, spec->uid) < 0))
		rc = -errno;
	/* Believe what is, not what was answered. */
	if (rc == 0 && (geteuid() != spec->uid || getuid() != spec->uid || setuid(0) == 0))
		rc = -EPERM;
	return rc < 0 ? dvmi_error_code(err, rc, "becoming user %s", spec->user) : 0;
}
