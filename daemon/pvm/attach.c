/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `dvm-pvm attach`: prints the socket of this node's agent (`find`: if there is one). Where there is none, the virtual machine
 * is not up, or this node is new to it; then a first agent is started, which ends by itself where
 * another one is first already, and the agent of this node is waited for.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/paths.h"
#include "daemon/pvm/agent.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"

#define WAIT_MS	 20000
#define AGAIN_MS 1000 /* then twice that, and so on */
#define STEP_MS	 2

extern char **environ;

/* A rank of a job knows its node by its shepherd; everybody else as the command line does. */
static int find_run(char out[DVMD_SUN_PATH_MAX], dvm_error_t *err)
{
	const char *shepherd = getenv("DVM_SHEPHERD");

	if (!shepherd || strlen(shepherd) >= DVMD_SUN_PATH_MAX)
		return dvmd_paths_find(out, NULL, NULL, err);
	strcpy(out, shepherd);
	for (int i = 0; i < 3; i++) { /* jobs/ID/shep.sock */
		char *slash = strrchr(out, '/');
		if (!slash)
			return dvmd_paths_find(out, NULL, NULL, err);
		*slash = 0;
	}
	return 0;
}

/* Runs ARGV with its output thrown away. Its exit code, or -1. */
static int run(const char *const *argv)
{
	posix_spawn_file_actions_t acts;
	int status = -1;
	pid_t pid;

	if (posix_spawn_file_actions_init(&acts) != 0)
		return -1;
	posix_spawn_file_actions_addopen(&acts, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&acts, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawn(&pid, argv[0], &acts, NULL, (char *const *)(uintptr_t)argv, environ) == 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	posix_spawn_file_actions_destroy(&acts);
	return status;
}

/* Hands the first agent to the machine, as a job that nobody holds. */
static int start(const char *node_run, dvm_error_t *err)
{
	char dvm[PATH_MAX], self[PATH_MAX], node[DVMD_SUN_PATH_MAX];
	int rc = dvmd_paths_program(dvm, sizeof dvm, "dvm", err);

	if (rc == 0)
		rc = dvmd_paths_program(self, sizeof self, "dvm-pvm", err);
	if (rc < 0)
		return rc;
	snprintf(node, sizeof node, "%s", strrchr(node_run, '/') + 1);
	const char *const argv[] = { dvm,   "run",   "--detach", "--quiet", "--no-slots",
				     "--name", "pvm", "-n",	 "1",	    "-H",
				     node,  "--wdir", "/",	 "--mpi",   "none",
				     self,  "serve", NULL };
	setenv("DVM_RUN_DIR", node_run, 1);
	return run(argv) == 0 ? 0 : -ECONNREFUSED;
}

/* Held by one at a time: that of the node's directory, or who may not read that, of a file. */
static int take_lock(const char *node_run)
{
	char path[PATH_MAX];
	int fd = open(node_run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		snprintf(path, sizeof path, "%s/dvm-pvm-%u.lock",
			 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (unsigned)geteuid());
		fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
	}
	if (fd >= 0)
		flock(fd, LOCK_EX);
	return fd;
}

/*
 * One of those who find no agent starts it; the others wait. An agent leaves at once where another is
 * first, and that one may be about to leave, being halted: so it may take more than one.
 */
static char *start_or_wait(const char *node_run, dvm_error_t *err)
{
	uint64_t now = dvmi_clock_mono(), end = now + WAIT_MS * DVMI_MSEC, again = now;
	uint64_t pause = AGAIN_MS * DVMI_MSEC;
	cleanup_fd int lock = take_lock(node_run);
	char *found = pvm_find_socket(node_run);

	(void)lock;
	for (; !found && now < end; now = dvmi_clock_mono()) {
		if (now >= again) {
			if (start(node_run, err) < 0)
				return NULL;
			again = dvmi_clock_mono() + pause;
			pause *= 2;
		}
		usleep(STEP_MS * 1000);
		found = pvm_find_socket(node_run);
	}
	return found;
}

int pvm_host_status(void)
{
	char node_run[DVMD_SUN_PATH_MAX];
	dvm_error_t err = { 0 };
	int rc = find_run(node_run, &err);

	/* In the words of PVM's, for whoever looks closely at them. */
	puts(rc < 0 ? "PvmCantStart" : "ddpro<2316> arch<LINUX64> ip<00000000:0000> mtu<4080>");
	return rc;
}

int pvm_attach(bool start_it)
{
	char node_run[DVMD_SUN_PATH_MAX];
	dvm_error_t err = { 0 };
	int rc = find_run(node_run, &err);

	if (rc < 0) {
		fprintf(stderr, "dvm-pvm: %s\n", err.text);
		return rc;
	}
	char *found = pvm_find_socket(node_run);
	if (!found && !start_it)
		return -ENOENT;
	if (!found)
		found = start_or_wait(node_run, &err);
	if (!found) {
		fprintf(stderr, "dvm-pvm: no agent has come up at %s%s%s\n", node_run,
			err.text[0] ? ": " : "", err.text);
		return -ETIMEDOUT;
	}
	printf("%s\n", found);
	free(found);
	return 0;
}
