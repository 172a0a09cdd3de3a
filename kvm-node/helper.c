/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libdvm/base/cleanup.h"

#define PATIENCE 5 /* seconds for SIGTERM */

/* FROM[i] becomes descriptor i, and there are no others. Out of each other's way first. */
static void keep_only(const int *from, int n)
{
	int high[VMM_HELPER_FILES + VMM_HELPER_FILES_MAX];

	for (int i = 0; i < n; i++)
		if ((high[i] = fcntl(from[i], F_DUPFD, 16)) < 0)
			_exit(127);
	for (int i = 0; i < n; i++)
		if (dup2(high[i], i) < 0)
			_exit(127);
	closefrom(n);
}

static void become(const struct vmm_helper_program *p)
{
	int nothing = open("/dev/null", O_RDWR);
	int fds[VMM_HELPER_FILES + VMM_HELPER_FILES_MAX] = { nothing, nothing, p->messages, p->fd };
	sigset_t none;
	int rc;

	for (unsigned i = 0; i < p->n_files; i++)
		fds[VMM_HELPER_FILES + i] = p->files[i];

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	keep_only(fds, VMM_HELPER_FILES + (int)p->n_files);
	if (p->prepare && (rc = p->prepare(p->arg)) < 0) {
		dprintf(STDERR_FILENO, "%s\n", strerror(-rc));
		_exit(127);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* after whatever changes rights */
	execvp(p->argv[0], (char **)(uintptr_t)p->argv);
	_exit(127);
}

static void end_program(pid_t pid, const sigset_t *child)
{
	const struct timespec patience = { .tv_sec = PATIENCE };

	kill(pid, SIGTERM);
	while (waitpid(pid, NULL, WNOHANG) == 0)
		if (sigtimedwait(child, NULL, &patience) < 0 && errno == EAGAIN)
			kill(pid, SIGKILL);
}

/* Never returns. Who ends the monitor by a signal to its group does not mean us. */
static void keep(const struct vmm_helper_program *p, int line)
{
	sigset_t all, child;
	char c;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	pid_t pid = fork();
	if (pid == 0)
		become(p);
	keep_only(&line, 1);
	while (read(0, &c, 1) < 0 && errno == EINTR)
		;
	if (pid > 0)
		end_program(pid, &child);
	_exit(0);
}

int vmm_helper_start(struct vmm_helper *h, const struct vmm_helper_program *p)
{
	int line[2];

	if (p->n_files > VMM_HELPER_FILES_MAX)
		return -E2BIG;
	if (pipe2(line, O_CLOEXEC) < 0)
		return -errno;
	pid_t keeper = fork();
	if (keeper == 0) {
		close(line[1]);
		keep(p, line[0]);
	}
	int rc = keeper < 0 ? -errno : 0;
	close(line[0]);
	if (rc < 0)
		close(line[1]);
	else
		*h = (struct vmm_helper){ keeper, line[1] };
	return rc;
}

bool vmm_helper_find(const char *name, char *full, size_t size)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/'))
		return snprintf(full, size, "%s", name) < (int)size && access(name, X_OK) == 0;
	while (path && *path) {
		size_t n = strcspn(path, ":");
		if (snprintf(full, size, "%.*s/%s", (int)n, path, name) < (int)size &&
		    access(full, X_OK) == 0)
			return true;
		path += n + (path[n] == ':');
	}
	return false;
}

bool vmm_helper_found(const char *name)
{
	char full[PATH_MAX];

	return vmm_helper_find(name, full, sizeof full);
}

int vmm_helper_listen(struct vmm_helper_place *p, int backlog)
{
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un *a = &p->address;

	snprintf(p->dir, sizeof p->dir, "/tmp/dvm-helper-XXXXXX");
	if (fd < 0 || !mkdtemp(p->dir))
		return -errno;
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(a->sun_path, sizeof a->sun_path, "%s/socket", p->dir);
	if (bind(fd, (struct sockaddr *)a, sizeof *a) < 0 || listen(fd, backlog) < 0) {
		int rc = -errno;
		vmm_helper_leave(p);
		return rc;
	}
	return take_fd(fd);
}

int vmm_helper_connect(const struct vmm_helper_place *p)
{
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&p->address, sizeof p->address) < 0)
		return -errno;
	return take_fd(fd);
}

void vmm_helper_leave(const struct vmm_helper_place *p)
{
	unlink(p->address.sun_path);
	rmdir(p->dir);
}

void vmm_helper_said(int messages, const char *name, char *text, size_t size)
{
	ssize_t n = pread(messages, text, size - 1, 0);
	size_t head = strlen(name);

	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	if (!strncmp(text, name, head) && !strncmp(text + head, ": ", 2))
		memmove(text, text + head + 2, strlen(text + head + 2) + 1);
}

void vmm_helper_end(struct vmm_helper *h)
{
	if (h->keeper <= 0)
		return;
	close(h->line);
	while (waitpid(h->keeper, NULL, 0) < 0 && errno == EINTR)
		;
	h->keeper = 0;
}
