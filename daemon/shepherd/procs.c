/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/shepherd/procs.h"
#include "libdvm/base/cleanup.h"

/* To all that the rank has in its group; to it alone where it has not come to make one yet. */
static void send_signal(pid_t pid, int sig)
{
	if (kill(-pid, sig) < 0 && errno == ESRCH)
		kill(pid, sig);
}

void shep_procs_signal(const struct shep_ranks *ranks, int sig)
{
	for (size_t i = 0; i < ranks->n; i++)
		if (ranks->r[i].pid && !ranks->r[i].exited)
			send_signal(ranks->r[i].pid, sig);
}

bool shep_procs_children(void)
{
	siginfo_t si;

	return waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

/* State and parent of PID; false if it is gone. The name before them may hold anything. */
static bool read_stat(pid_t pid, char *state, pid_t *parent)
{
	char path[40], line[512];

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	cleanup_file FILE *f = fopen(path, "re");
	size_t n = f ? fread(line, 1, sizeof line - 1, f) : 0;
	line[n] = 0;
	const char *p = strrchr(line, ')');
	int ppid;
	if (!p || sscanf(p + 1, " %c %d", state, &ppid) != 2)
		return false;
	*parent = ppid;
	return true;
}

/* Calls FN with each child that is no zombie and not GUARD until it returns true. */
static void each_child(pid_t guard, bool (*fn)(pid_t pid, char state, void *arg), void *arg)
{
	cleanup_dir DIR *proc = opendir("/proc");
	const struct dirent *d;
	pid_t self = getpid(), parent;
	char state;

	while (proc && (d = readdir(proc))) {
		pid_t pid = atoi(d->d_name);
		if (pid > 0 && pid != guard && read_stat(pid, &state, &parent) && parent == self && state != 'Z' &&
		    fn(pid, state, arg))
			return;
	}
}

static bool kill_child(pid_t pid, char state, void *arg)
{
	/* Ours until we reap it: the number cannot have been given to anybody else. */
	kill(pid, SIGKILL);
	return false;
}

void shep_procs_kill_children(pid_t guard)
{
	each_child(guard, kill_child, NULL);
}

struct description {
	char *text;
	size_t size;
};

static bool describe(pid_t pid, char state, void *arg)
{
	struct description *d = arg;
	char path[40], wchan[64] = "";

	snprintf(path, sizeof path, "/proc/%d/wchan", (int)pid);
	cleanup_file FILE *f = fopen(path, "re");
	if (f && !fgets(wchan, sizeof wchan, f))
		wchan[0] = 0;
	bool known = wchan[0] && strcmp(wchan, "0") != 0;
	snprintf(d->text, d->size, "process %d does not die (state %c%s%s)", (int)pid, state,
		 known ? ", waits in " : "", known ? wchan : "");
	return true;
}

void shep_procs_describe_child(pid_t guard, char *text, size_t size)
{
	struct description d = { .text = text, .size = size };

	*text = 0;
	each_child(guard, describe, &d);
}
