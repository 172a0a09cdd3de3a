/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/control.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "kvm-node/consoles.h"
#include "kvm-node/control_private.h"
#include "kvm-node/loop.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"

#define CLIENTS	    8u
#define UNSENT_MAX (1u << 20) /* bytes that wait for a client, so that a slow one sees all of it */
#define PIECE	    256u /* of what is typed */

#define PERIOD_MIN (DVMI_SEC / 10)
#define LAST_WORDS DVMI_SEC /* for what clients have not read when the guest has ended; of all */
#define PERIOD_MAX (86400 * DVMI_SEC) /* now and that is no overflow */

struct client {
	struct vmm_control *owner;
	int fd; /* -1: free */
	struct vmm_watch *watch;
	struct vmm_timer *timer; /* the next line of counters */
	uint64_t period;	 /* of these, ns */
	char line[VMM_CONTROL_LINE_MAX];
	size_t len;
	bool console;
	char typed[PIECE]; /* what the guest had no room for: until then, we do not listen */
	size_t typed_len;
	struct dvmi_buf unsent; /* what there was no room for */
	size_t sent;		/* of that, meanwhile */
	bool leaving;		/* with the last of it */
};

struct vmm_control {
	struct vmm *vmm;
	struct vmm_loop *loop;
	uid_t owner; /* who has started us, whatever we are now */
	int listener;
	struct vmm_consoles *consoles;
	struct vmm_watch *listener_watch;
	struct client clients[CLIENTS];
};

/* ---- clients ---- */

static void leave(struct client *c)
{
	vmm_watch_close(c->watch);
	vmm_timer_close(c->timer);
	dvmi_buf_free(&c->unsent);
	close(c->fd);
	c->watch = NULL;
	c->timer = NULL;
	c->fd = -1;
}

/* What it takes of N bytes at once; -EPIPE: it is gone. */
static ssize_t send_some(const struct client *c, const void *p, size_t n)
{
	ssize_t done;

	do
		done = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (done < 0 && errno == EINTR);
	return done >= 0 ? done : errno == EAGAIN ? 0 : -EPIPE;
}

/* Who leaves is not listened to any more: it may have shut its side. */
static void watch(struct client *c)
{
	int listen = c->leaving ? 0 : c->typed_len ? UV_DISCONNECT : UV_READABLE;

	vmm_watch_set(c->watch, listen | (c->unsent.len ? UV_WRITABLE : 0));
}

/*
 * What does not fit now is sent when there is room. A client that does not read is let go: the guest
 * waits for nobody. A single answer may be longer than what it may leave unread.
 */
static void tell(struct client *c, const void *p, size_t n)
{
	size_t waiting = c->unsent.len - c->sent;

	if (c->fd < 0)
		return;
	ssize_t done = waiting ? 0 : send_some(c, p, n);
	if (done < 0 || (waiting && waiting + n > UNSENT_MAX)) {
		leave(c);
		return;
	}
	if ((size_t)done == n)
		return;
	dvmi_buf_consume(&c->unsent, c->sent);
	c->sent = 0;
	dvmi_buf_put(&c->unsent, (const char *)p + done, n - (size_t)done);
	if (c->unsent.err || !c->watch)
		leave(c);
	else
		watch(c);
}

/* The last that C is told. */
static void finish(struct client *c)
{
	if (c->fd >= 0 && c->unsent.len) {
		c->leaving = true;
		watch(c);
	} else if (c->fd >= 0) {
		leave(c);
	}
}

static void send_rest(struct client *c)
{
	ssize_t done = send_some(c, c->unsent.data + c->sent, c->unsent.len - c->sent);

	c->sent += done > 0 ? (size_t)done : 0;
	if (done < 0 || (c->leaving && c->sent == c->unsent.len)) {
		leave(c);
	} else if (c->sent == c->unsent.len) {
		dvmi_buf_free(&c->unsent);
		c->sent = 0;
		watch(c);
	}
}

static void answer(struct client *c, const char *text)
{
	tell(c, text, strlen(text));
	finish(c);
}

static void tell_stat(struct client *c)
{
	struct dvmi_buf b = { 0 };

	vmm_stat(c->owner->vmm, &b);
	dvmi_buf_put_u8(&b, '\n');
	if (!b.err)
		tell(c, b.data, b.len);
	dvmi_buf_free(&b);
}

static void tell_stat_again(void *arg)
{
	struct client *c = arg;
	uint64_t now = dvmi_clock_mono();

	tell_stat(c);
	if (c->fd >= 0)
		vmm_timer_set(c->timer, now + c->period);
}

/* "stat" is one line, "stat 2" one every two seconds until the client leaves. */
static void begin_stat(struct client *c, const char *period)
{
	if (dvmi_text_duration_parse(period, &c->period) < 0 || c->period < PERIOD_MIN ||
	    c->period > PERIOD_MAX) {
		answer(c, "error: that is no period (as 2 or 500ms)\n");
		return;
	}
	if (vmm_timer_open(&c->timer, c->owner->loop, tell_stat_again, c) < 0) {
		answer(c, "error: out of memory\n");
		return;
	}
	tell_stat_again(c);
}

static void tell_isolation(struct client *c)
{
	struct dvmi_buf b = { 0 };

	vmm_isolation(c->owner->vmm, &b);
	dvmi_buf_put_u8(&b, '\n');
	dvmi_buf_put_u8(&b, 0);
	answer(c, b.err ? "error: out of memory\n" : (const char *)b.data);
	dvmi_buf_free(&b);
}

static void tell_client(void *arg, const void *p, size_t n)
{
	tell(arg, p, n);
}

static void join_console(struct client *c)
{
	c->console = true;
	vmm_consoles_replay(c->owner->consoles, tell_client, c);
}

static const struct {
	const char *name;
	enum vmm_ask ask;
} asks[] = {
	{ "pause", VMM_ASK_PAUSE },	   { "resume", VMM_ASK_RESUME }, { "reset", VMM_ASK_RESET },
	{ "stop", VMM_ASK_POWER_BUTTON },  { "kill", VMM_ASK_STOP },
};

static void leave_memory(struct client *c, const char *size)
{
	uint64_t bytes;
	int rc = dvmi_text_size_parse(size, &bytes);

	if (rc == 0)
		rc = vmm_leave_memory(c->owner->vmm, bytes);
	answer(c, rc == 0 ? VMM_CONTROL_OK :
		  rc == -ENODEV ? "error: the guest has no balloon (dvm guest start --balloon)\n" :
		  rc == -ERANGE ? "error: a guest has no more memory than it was started with\n" :
				  "error: that is no size (as 512M or 4G)\n");
}

static void obey(struct client *c)
{
	if (!strncmp(c->line, "balloon ", 8)) {
		leave_memory(c, c->line + 8);
		return;
	}
	if (!strcmp(c->line, "stat")) {
		tell_stat(c);
		finish(c);
		return;
	}
	if (!strncmp(c->line, "stat ", 5)) {
		begin_stat(c, c->line + 5);
		return;
	}
	if (!strcmp(c->line, "isolation")) {
		tell_isolation(c);
		return;
	}
	if (!strcmp(c->line, "console")) {
		join_console(c);
		return;
	}
	if (!strcmp(c->line, "ping")) {
		answer(c, "alive\n"); /* unlike one that ends without having heard */
		return;
	}
	for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++)
		if (!strcmp(c->line, asks[i].name)) {
			int rc = vmm_ask(c->owner->vmm, asks[i].ask);
			answer(c, rc < 0 ? "error: the guest does not take it\n" : VMM_CONTROL_OK);
			return;
		}
	answer(c, "error: nobody knows what that means\n");
}

/* Bytes of a line that is not complete are kept. How many belong to the line. */
static size_t take_line(struct client *c, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n') {
			c->line[c->len] = 0;
			obey(c);
			return i + 1;
		}
		if (c->len + 1 == sizeof c->line) {
			answer(c, "error: too long\n");
			return n;
		}
		c->line[c->len++] = p[i];
	}
	return n;
}

/* To the guest: what fits of N bytes, no more than a piece; the rest later. */
static void type(struct client *c, const char *p, size_t n)
{
	ssize_t done = vmm_consoles_type(c->owner->consoles, p, n);

	if (done < 0) {
		leave(c);
		return;
	}
	c->typed_len = n - (size_t)done;
	memmove(c->typed, p + done, c->typed_len);
	watch(c);
}

static void hear(struct client *c)
{
	char p[PIECE];
	ssize_t n = recv(c->fd, p, sizeof p, MSG_DONTWAIT);
	size_t at = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		leave(c);
		return;
	}
	if (!c->console && !c->timer) /* who has a timer listens only */
		at = take_line(c, p, (size_t)n);
	if (c->fd >= 0 && c->console && at < (size_t)n)
		type(c, p + at, (size_t)n - at);
}

static void on_client(void *arg, int events)
{
	struct client *c = arg;

	if (events & UV_WRITABLE && c->unsent.len)
		send_rest(c);
	if (c->fd < 0)
		return;
	if ((!events && (c->leaving || c->typed_len)) || events & UV_DISCONNECT)
		leave(c);
	else if (!c->leaving && !c->typed_len && (!events || events & UV_READABLE))
		hear(c);
}

static bool may_ask(const struct vmm_control *c, int fd)
{
	struct ucred u;
	socklen_t len = sizeof u;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &len) == 0 && u.uid == c->owner;
}

static void on_listener(void *arg, int events)
{
	struct vmm_control *c = arg;
	int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *free_one = NULL;

	for (unsigned i = 0; i < CLIENTS; i++)
		if (c->clients[i].fd < 0)
			free_one = &c->clients[i];
	if (fd < 0)
		return;
	if (!may_ask(c, fd)) {
		close(fd);
		return;
	}
	struct client extra, *who = free_one ? free_one : &extra;
	*who = (struct client){ .owner = c, .fd = fd };
	if (!free_one)
		answer(who, VMM_CONTROL_FULL);
	else if (vmm_watch_open(&who->watch, c->loop, fd, UV_READABLE, on_client, who) < 0)
		answer(who, "error: out of memory\n");
}

static void on_printed(void *arg, const void *p, size_t n)
{
	struct vmm_control *c = arg;

	for (unsigned i = 0; i < CLIENTS; i++)
		if (c->clients[i].fd >= 0 && c->clients[i].console)
			tell(&c->clients[i], p, n);
}

static void on_room(void *arg)
{
	struct vmm_control *c = arg;

	for (unsigned i = 0; i < CLIENTS; i++)
		if (c->clients[i].fd >= 0 && c->clients[i].typed_len)
			type(&c->clients[i], c->clients[i].typed, c->clients[i].typed_len);
}

/* ---- life ---- */

static int listen_at(const char *name, dvm_error_t *err)
{
	struct sockaddr_un a;
	socklen_t len;
	int rc = vmm_control_address(name, &a, &len);

	if (rc < 0 || strlen(name) > VMM_CONTROL_NAME_MAX)
		return dvmi_error_set(err, -ENAMETOOLONG, "the guest's name is too long");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, 16) == 0)
		return fd;
	rc = -errno;
	if (fd >= 0)
		close(fd);
	return rc == -EADDRINUSE ?
		       dvmi_error_set(err, rc, "a guest called %s runs already", name) :
		       dvmi_error_code(err, rc, "the control socket of %s", name);
}

int vmm_control_create(struct vmm_control **out, const char *name, int out_fd,
		       struct vmm_config *config, dvm_error_t *err)
{
	struct vmm_control *c = calloc(1, sizeof *c);

	if (!c)
		return dvmi_error_code(err, -ENOMEM, "the control socket");
	c->owner = geteuid();
	for (unsigned i = 0; i < CLIENTS; i++)
		c->clients[i].fd = -1;
	c->listener = listen_at(name, err);
	int rc = c->listener < 0 ? c->listener : 0;
	if (rc == 0)
		rc = vmm_consoles_create(&c->consoles, out_fd, config, on_printed, on_room, c, err);
	if (rc == 0 && (rc = vmm_loop_create(&c->loop, "control")) < 0)
		dvmi_error_code(err, rc, "the control thread");
	if (rc < 0) {
		vmm_control_destroy(c);
		return rc;
	}
	*out = c;
	return 0;
}

int vmm_control_start(struct vmm_control *c, struct vmm *v)
{
	c->vmm = v;
	int rc = vmm_watch_open(&c->listener_watch, c->loop, c->listener, UV_READABLE, on_listener, c);
	if (rc == 0)
		rc = vmm_consoles_start(c->consoles, c->loop);
	return rc < 0 ? rc : vmm_loop_start(c->loop);
}

void vmm_control_stop(struct vmm_control *c)
{
	if (c)
		vmm_loop_stop(c->loop);
}

/* Who lags has not heard the end of what the guest said. False: all have, or they do not read. */
static bool send_last(struct vmm_control *c, uint64_t until)
{
	struct pollfd p[CLIENTS];
	uint64_t now = dvmi_clock_mono();
	bool some = false;

	for (unsigned i = 0; i < CLIENTS; i++) {
		const struct client *who = &c->clients[i];
		bool lags = who->fd >= 0 && who->unsent.len;
		p[i] = (struct pollfd){ lags ? who->fd : -1, POLLOUT, 0 };
		some |= lags;
	}
	if (!some || now >= until || poll(p, CLIENTS, (int)((until - now) / DVMI_MSEC) + 1) <= 0)
		return false;
	for (unsigned i = 0; i < CLIENTS; i++)
		if (p[i].revents)
			send_rest(&c->clients[i]);
	return true;
}

void vmm_control_destroy(struct vmm_control *c)
{
	if (!c)
		return;
	vmm_consoles_destroy(c->consoles);
	uint64_t until = dvmi_clock_mono() + LAST_WORDS;
	while (send_last(c, until))
		;
	for (unsigned i = 0; i < CLIENTS; i++)
		if (c->clients[i].fd >= 0)
			leave(&c->clients[i]);
	vmm_watch_close(c->listener_watch);
	vmm_loop_destroy(c->loop);
	if (c->listener >= 0)
		close(c->listener);
	free(c);
}
