/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `dvm-pvm task SPAWN NONCE COLLECT PROGRAM ARG...`: what is started for each task. It looks for the
 * program as PVM does, tells the agent of its node, which keeps a place for it, and becomes the
 * program. Where the output is wanted it stays as the program's parent and passes it on.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pvm3.h"
#include "daemon/pvm/agent.h"
#include "libdvm/base/cleanup.h"

#define AGENT_MS  20000
#define FAILED	  127

/* ---- the agent ---- */

/* The agent's directory is that of its job, beside ours. */
static char *agent_socket(void)
{
	const char *shepherd = getenv(DVMI_ENV_SHEPHERD);
	cleanup_free char *run = shepherd ? strdup(shepherd) : NULL;

	for (int i = 0; run && i < 3; i++) {
		char *slash = strrchr(run, '/');
		if (!slash)
			return NULL;
		*slash = 0;
	}
	char *found = NULL;
	for (int ms = 0; run && !found && ms < AGENT_MS; ms += 2) {
		found = pvm_find_socket(run);
		if (!found)
			usleep(2000);
	}
	return found;
}

static int call(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	strncpy(sa.sun_path, path, sizeof sa.sun_path - 1);
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
		return -1;
	return take_fd(fd);
}

static bool put_all(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		ssize_t put = send(fd, at, n, MSG_NOSIGNAL);
		if (put < 0 && errno != EINTR)
			return false;
		at += put > 0 ? put : 0;
		n -= put > 0 ? (size_t)put : 0;
	}
	return true;
}

static bool get_all(int fd, void *p, size_t n)
{
	return recv(fd, p, n, MSG_WAITALL) == (ssize_t)n;
}

static bool send_frame(int fd, uint16_t type, uint32_t id, const void *body, size_t len)
{
	const struct pvmi_frame f = {
		.len = (uint32_t)len, .type = type, .version = PVMI_VERSION, .id = id
	};

	return put_all(fd, &f, sizeof f) && put_all(fd, body, len);
}

/* What the agent says of how tasks begin here. */
struct how {
	bool tasker; /* who will start the program */
	char *wd, *ep;
};

static bool ask_how(int fd, struct how *how)
{
	struct pvmi_frame f;
	struct dvmi_reader r;

	if (!send_frame(fd, PVMI_HOW, 1, NULL, 0) || !get_all(fd, &f, sizeof f) || f.code < 0 ||
	    f.len > 4 * PVMI_NAME_MAX)
		return false;
	cleanup_free uint8_t *body = malloc(f.len + 1);
	if (!body || !get_all(fd, body, f.len))
		return false;
	dvmi_reader_init(&r, body, f.len);
	how->tasker = f.code == 1;
	how->wd = dvmi_get_str(&r, PVMI_NAME_MAX);
	how->ep = dvmi_get_str(&r, PVMI_NAME_MAX);
	return how->wd && how->ep;
}

/*
 * Tells the agent that process PID is ready, or why none is; or that the tasker shall start PATH, if
 * that is not "". The number of its place, or a code.
 */
static int say_ready(int fd, char **argv, int code, pid_t pid, bool collects, const char *path)
{
	struct dvmi_buf b = { 0 };
	struct pvmi_frame f;
	uint32_t slot = 0;
	const char *rank = getenv(DVMI_ENV_RANK);

	dvmi_buf_put_u32(&b, (uint32_t)strtoul(argv[0], NULL, 10));
	dvmi_buf_put_u32(&b, rank ? (uint32_t)strtoul(rank, NULL, 10) : 0);
	dvmi_buf_put_str(&b, argv[1]);
	dvmi_buf_put_u32(&b, (uint32_t)code);
	dvmi_buf_put_u32(&b, (uint32_t)pid);
	dvmi_buf_put_u32(&b, collects);
	dvmi_buf_put_str(&b, path);
	bool good = !b.err && send_frame(fd, PVMI_READY, 1, b.data, b.len) &&
		    get_all(fd, &f, sizeof f) && f.len == sizeof slot &&
		    get_all(fd, &slot, sizeof slot);
	dvmi_buf_free(&b);
	if (!good)
		return PvmSysErr;
	return f.code < 0 ? f.code : (int)slot;
}

/* What the program will find in its environment. */
static void leave_token(const char *socket, int slot, const char *nonce)
{
	char token[64];

	snprintf(token, sizeof token, "%d.%s", slot, nonce);
	setenv(PVMI_ENV_TASK, token, 1);
	setenv(PVMI_ENV_SOCKET, socket, 1);
	unsetenv(PVMI_ENV_NEAR);
	unsetenv(PVMI_ENV_DIR);
	snprintf(token, sizeof token, "%d", (int)getpid());
	setenv("PVMEPID", token, 1);
}

/* With a debugger, if one is wanted and there is one, with the program as its first argument. */
static void become_debugger(const char *path, char **argv)
{
	char debugger[PATH_MAX];
	int n = 0;

	while (argv[n])
		n++;
	char **all = pvm_program_debugger(debugger) ? calloc((size_t)n + 2, sizeof *all) : NULL;
	unsetenv(PVMI_ENV_DEBUG);
	if (!all)
		return;
	memcpy(all + 1, argv, (size_t)n * sizeof *all);
	all[0] = debugger;
	all[1] = (char *)(uintptr_t)path;
	execv(debugger, all);
	free(all);
}

static void become(const char *path, char **argv)
{
	if (getenv(PVMI_ENV_DEBUG))
		become_debugger(path, argv);
	execv(path, argv);
	if (errno == ENOEXEC) { /* a script without a first line */
		execl("/bin/sh", "sh", path, NULL);
	}
	_exit(FAILED);
}

/* ---- with a parent that reads the output ---- */

struct piped {
	pid_t pid;
	int go;	 /* one byte with its place in front lets it run */
	int out; /* what it prints */
};

static int start_held(struct piped *p, const char *path, char **argv, const char *socket)
{
	int go[2], out[2], slot;

	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	p->pid = fork();
	if (p->pid < 0)
		return -errno;
	if (p->pid == 0) {
		close(go[1]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (read(go[0], &slot, sizeof slot) != sizeof slot)
			_exit(FAILED);
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		leave_token(socket, slot, argv[1]);
		become(path, argv + 3);
	}
	close(go[0]);
	close(out[1]);
	p->go = go[1];
	p->out = out[0];
	return 0;
}

static void pass_output(int fd, int out)
{
	char text[4096];
	ssize_t n;

	while ((n = read(out, text, sizeof text)) != 0) {
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0 && !send_frame(fd, PVMI_OUTPUT, 0, text, (size_t)n))
			break;
	}
}

static int run_collected(int fd, const char *path, char **argv, const char *socket)
{
	struct piped p = { 0 };
	int status;

	if (start_held(&p, path, argv, socket) < 0)
		return say_ready(fd, argv, PvmOutOfRes, 0, false, "");
	int slot = say_ready(fd, argv, 0, p.pid, true, "");
	if (slot >= 0 && write(p.go, &slot, sizeof slot) != sizeof slot)
		slot = PvmSysErr;
	close(p.go);
	if (slot >= 0)
		pass_output(fd, p.out);
	while (waitpid(p.pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The tasker's child is the task. While it lives its place is ours: the agent ends the connection. */
static int stand_in(int fd, char **argv, const char *path)
{
	char file[PATH_MAX], byte;

	if (!realpath(path, file) || say_ready(fd, argv, 0, getpid(), true, file) < 0)
		return FAILED;
	while (recv(fd, &byte, 1, 0) < 0 && errno == EINTR)
		;
	return 0;
}

/* Becomes the task, or has somebody else become it. An exit code. */
static int begin(int fd, char **argv, const char *socket, const char *path, bool tasker)
{
	if (tasker)
		return stand_in(fd, argv, path);
	if (strcmp(argv[2], "0") != 0)
		return run_collected(fd, path, argv, socket);
	int slot = say_ready(fd, argv, 0, getpid(), false, "");
	if (slot < 0)
		return FAILED;
	leave_token(socket, slot, argv[1]);
	become(path, argv + 3);
	return FAILED;
}

int pvm_task_main(int argc, char **argv)
{
	char path[PATH_MAX];
	cleanup_free char *socket = argc >= 4 ? agent_socket() : NULL;
	cleanup_fd int fd = socket ? call(socket) : -1;
	struct how how = { 0 };
	int rc = FAILED;

	if (fd >= 0 && ask_how(fd, &how)) {
		pvm_program_place(how.wd);
		if (pvm_program_find(path, argv[3], how.ep))
			rc = begin(fd, argv, socket, path, how.tasker);
		else
			say_ready(fd, argv, PvmNoFile, 0, false, "");
	}
	free(how.wd);
	free(how.ep);
	return rc;
}
