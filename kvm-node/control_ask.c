/* SPDX-License-Identifier: BSD-3-Clause */
/* Asking a guest: one line there, whatever comes back here; for the console, both ways. */
#include <poll.h>
#include <string.h>

#include "kvm-node/control.h"
#include "kvm-node/control_private.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define PING_TRIES 100
#define PING_MS	   20

static int dial(const char *name, dvm_error_t *err)
{
	struct sockaddr_un a;
	socklen_t len;
	int rc = vmm_control_address(name, &a, &len);

	if (rc < 0)
		return dvmi_error_set(err, rc, "the guest's name is too long");
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, len) < 0)
		return dvmi_error_set(err, -errno, "no guest called %s answers here", name);
	return take_fd(fd);
}

/* Copies what there is; false at the end. */
static bool copy(int from, int to)
{
	char p[4096];
	ssize_t n = read(from, p, sizeof p);

	if (n < 0 && errno == EINTR)
		return true;
	for (ssize_t at = 0; at < n;) {
		ssize_t done = write(to, p + at, (size_t)(n - at));
		if (done < 0 && errno != EINTR)
			return false;
		at += done > 0 ? done : 0;
	}
	return n > 0;
}

/* Whether anything came back. */
static bool relay(int fd, bool typing)
{
	struct pollfd p[2] = { { fd, POLLIN, 0 }, { typing ? STDIN_FILENO : -1, POLLIN, 0 } };
	bool answered = false;

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return answered;
		if (p[0].revents && !copy(fd, STDOUT_FILENO))
			return answered;
		answered |= p[0].revents != 0;
		if (p[1].revents && !copy(STDIN_FILENO, fd))
			p[1].fd = -1; /* nothing more is typed; the console goes on */
	}
}

/* "ping" waits for a guest that is being made. */
static int dial_patiently(const char *name, const char *what, dvm_error_t *err)
{
	int fd = dial(name, err);

	for (int i = 0; i < PING_TRIES && fd < 0 && !strcmp(what, "ping"); i++) {
		poll(NULL, 0, PING_MS);
		fd = dial(name, err);
	}
	return fd;
}

/* An answer that is an error, as ours. Answers are short and come in one piece. */
static int take_error(int fd, dvm_error_t *err)
{
	static const char mark[] = "error: ";
	const size_t n_mark = sizeof mark - 1;
	char text[256];
	ssize_t n = recv(fd, text, sizeof text - 1, MSG_PEEK);

	if (n < (ssize_t)n_mark || memcmp(text, mark, n_mark) != 0)
		return 0;
	text[n] = 0;
	text[strcspn(text, "\n")] = 0;
	return dvmi_error_set(err, -EINVAL, "%s", text + n_mark);
}

int vmm_control_ask(const char *name, const char *what, dvm_error_t *err)
{
	cleanup_fd int fd = dial_patiently(name, what, err);
	char line[VMM_CONTROL_LINE_MAX];
	int n = snprintf(line, sizeof line, "%s\n", what);

	if (fd < 0)
		return fd;
	if (n >= (int)sizeof line)
		return dvmi_error_set(err, -EINVAL, "nobody knows what \"%s\" means", what);
	if (write(fd, line, (size_t)n) != n)
		return dvmi_error_code(err, -errno, "asking %s", name);
	int rc = strcmp(what, "console") != 0 ? take_error(fd, err) : 0;
	if (rc < 0)
		return rc;
	bool answered = relay(fd, !strcmp(what, "console"));
	if (!answered && !strcmp(what, "ping"))
		return dvmi_error_set(err, -EPIPE, "guest %s has ended", name);
	return 0;
}
