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

/* Who is not to wait: the monitor may have more callers waiting than it has seats for them. */
static int dial(const char *name, bool wait, dvm_error_t *err)
{
	struct sockaddr_un a;
	socklen_t len;
	int rc = vmm_control_address(name, &a, &len);

	if (rc < 0)
		return dvmi_error_set(err, rc, "the guest's name is too long");
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (wait ? 0 : SOCK_NONBLOCK), 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, len) < 0)
		return dvmi_error_set(err, -errno, "no guest called %s answers here", name);
	return take_fd(fd);
}

/* Copies what there is; false at the end. LAST becomes the last byte, if there is one. */
static bool copy(int from, int to, char *last)
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
	*last = n > 0 ? p[n - 1] : *last;
	return n > 0;
}

/*
 * What comes first says how it went: 0 if there is more to it, 1 if that is all. Answers are short and
 * come in one piece. What a console says is the guest's, whatever it looks like.
 */
static int judge(int fd, const char *name, const char *what, dvm_error_t *err)
{
	static const char mark[] = "error: ";
	const size_t n_mark = sizeof mark - 1;
	bool console = !strcmp(what, "console");
	char text[256];
	ssize_t n;

	while ((n = recv(fd, text, sizeof text - 1, MSG_PEEK)) < 0 && errno == EINTR)
		;
	if (n <= 0)
		return console || !strcmp(what, "kill") ?
			       1 :
			       dvmi_error_set(err, -EPIPE, "guest %s has gone without an answer", name);
	text[n] = 0;
	if (console ? !strcmp(text, VMM_CONTROL_FULL) : !strncmp(text, mark, n_mark)) {
		text[strcspn(text, "\n")] = 0;
		return dvmi_error_set(err, -EINVAL, "%s", text + n_mark);
	}
	return !console && !strcmp(text, VMM_CONTROL_OK);
}

/* What is typed, on its way to the guest. */
struct typing {
	char p[4096];
	size_t at, len;
	bool over; /* nothing more is typed; the console goes on */
};

static void take_typed(struct typing *t)
{
	ssize_t n = read(STDIN_FILENO, t->p, sizeof t->p);

	t->over = n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN);
	t->at = 0;
	t->len = n > 0 ? (size_t)n : 0;
}

/* A guest that does not read is not waited for: what it prints is to be seen meanwhile. */
static void send_typed(struct typing *t, int fd)
{
	ssize_t n = send(fd, t->p + t->at, t->len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		t->over = true;
		t->len = 0;
	}
	t->at += n > 0 ? (size_t)n : 0;
	t->len -= n > 0 ? (size_t)n : 0;
}

/*
 * It waits for a guest that is being made, but for a while only: while that takes, the socket is there and
 * nobody answers.
 */
static bool is_ping(const char *what)
{
	return !strcmp(what, "ping");
}

/*
 * All that comes back, on standard output; at a console what is typed goes there, too. Every other answer
 * is lines, so one that ends elsewhere is not all there was.
 */
static int relay(int fd, const char *name, const char *what, dvm_error_t *err)
{
	bool console = !strcmp(what, "console"), judged = false;
	int patience = is_ping(what) ? PING_TRIES * PING_MS : -1;
	struct typing t = { .over = !console };
	char last = '\n';

	for (;;) {
		struct pollfd p[2] = { { fd, t.len ? POLLIN | POLLOUT : POLLIN, 0 },
				       { t.over || t.len ? -1 : STDIN_FILENO, POLLIN, 0 } };
		int ready = poll(p, 2, patience);
		if (ready < 0 && errno != EINTR)
			return dvmi_error_code(err, -errno, "waiting for %s", name);
		if (ready == 0)
			return dvmi_error_set(err, -ETIMEDOUT, "guest %s does not answer yet", name);
		bool said = p[0].revents & ~POLLOUT;
		int rc = said && !judged ? judge(fd, name, what, err) : 0;
		if (rc)
			return rc < 0 ? rc : 0;
		judged |= said;
		if (said && !copy(fd, STDOUT_FILENO, &last))
			return console || last == '\n' ?
				       0 :
				       dvmi_error_set(err, -EPIPE, "the answer of %s is cut off", name);
		if (t.len && p[0].revents & POLLOUT)
			send_typed(&t, fd);
		if (p[1].revents)
			take_typed(&t);
	}
}

static int dial_patiently(const char *name, const char *what, dvm_error_t *err)
{
	int fd = dial(name, !is_ping(what), err);

	for (int i = 0; i < PING_TRIES && fd < 0 && is_ping(what); i++) {
		poll(NULL, 0, PING_MS);
		fd = dial(name, false, err);
	}
	return fd;
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
	/* Who does not want to hear it may have said why. */
	if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n && errno != EPIPE)
		return dvmi_error_code(err, -errno, "asking %s", name);
	return relay(fd, name, what, err);
}
