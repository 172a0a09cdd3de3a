/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm_progress(), dvm_fd() and dvm_arm(). */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "libdvm/base/clock.h"
#include "libdvm/src/handle.h"
#include "libdvm/src/wait.h"

void dvmi_watch_init(struct dvmi_watch *w)
{
	*w = (struct dvmi_watch){ .epoll = -1, .kick = -1 };
}

void dvmi_watch_fini(struct dvmi_watch *w)
{
	if (w->epoll >= 0)
		close(w->epoll);
	if (w->kick >= 0)
		close(w->kick);
	dvmi_watch_init(w);
}

void dvmi_watch_taken(struct dvmi_watch *w)
{
	static const uint64_t one = 1;

	if (!w->armed)
		return;
	w->armed = false;
	if (write(w->kick, &one, sizeof one) < 0)
		return; /* the counter is full: it is readable */
}

static int add(struct dvmi_watch *w, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	/* Numbers of descriptors come back, so what is in there is not known for sure. */
	if (epoll_ctl(w->epoll, EPOLL_CTL_MOD, fd, &e) == 0)
		return 0;
	if (errno == ENOENT && epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e) == 0)
		return 0;
	return -errno;
}

static int open_watch(struct dvmi_watch *w)
{
	if (w->epoll >= 0)
		return 0;
	w->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	int rc = w->kick < 0 || w->epoll < 0 ? -errno : add(w, w->kick, EPOLLIN);
	if (rc < 0)
		dvmi_watch_fini(w);
	return rc;
}

static bool among(const struct pollfd *fds, int n, int fd)
{
	for (int i = 0; i < n; i++)
		if (fds[i].fd == fd)
			return true;
	return false;
}

/* Makes epoll watch FDS and no others. */
static int watch(struct dvmi_watch *w, const struct pollfd *fds, int n)
{
	for (int i = 0; i < w->n; i++)
		if (!among(fds, n, w->fds[i]))
			epoll_ctl(w->epoll, EPOLL_CTL_DEL, w->fds[i], NULL);
	w->n = 0;
	for (int i = 0; i < n; i++) {
		/* poll()'s bits are epoll's. */
		int rc = add(w, fds[i].fd, (uint32_t)fds[i].events);
		if (rc < 0)
			return rc;
		w->fds[w->n++] = fds[i].fd;
	}
	return 0;
}

int dvm_fd(dvm_t *d)
{
	if (!d)
		return -EINVAL;
	dvmi_enter(d);
	int rc = open_watch(&d->watch);
	rc = rc < 0 ? rc : d->watch.epoll;
	dvmi_leave(d);
	return rc;
}

static int arm(dvm_t *d, int *timeout_ms)
{
	struct dvmi_watch *w = &d->watch;
	struct pollfd fds[DVMI_WATCH_FDS];
	uint64_t count;
	int timeout, rc = open_watch(w);

	if (rc < 0)
		return rc;
	if (d->broken)
		return d->broken;
	if (read(w->kick, &count, sizeof count) < 0 && errno != EAGAIN)
		return -errno;
	/* News that are here wait for nobody; and without them a loop may call us only to sleep. */
	if (dvmi_news(d) > 0)
		return 1;
	int n = dvmi_wait_arm(d, fds, DVMI_WATCH_FDS - DVMI_WAIT_OWN, &timeout);
	rc = n < 0 ? 1 : watch(w, fds, n);
	if (rc != 0) {
		dvmi_wait_disarm(d);
		return rc;
	}
	w->armed = true;
	*timeout_ms = dvmi_wait_cap(d, &w->naps, timeout);
	return 0;
}

int dvm_arm(dvm_t *d, int *timeout_ms)
{
	if (!d || !timeout_ms)
		return -EINVAL;
	if (dvmi_am_inside(&d->am))
		return -EBUSY;
	dvmi_enter(d);
	int rc = arm(d, timeout_ms);
	dvmi_leave(d);
	return rc;
}

static int look(dvm_t *d)
{
	if (d->watch.armed) {
		d->watch.armed = false;
		dvmi_wait_disarm(d);
		dvmi_news(d);
	}
	int n = dvmi_progress(d);
	d->threads.rounds++;
	if (n > 0) {
		d->watch.naps = 0;
		dvmi_wait_tell(d);
	}
	return n;
}

/* What another thread has handled since the last call may be what the caller waits for. */
static bool others_took(const dvm_t *d)
{
	return d->watch.seen != d->threads.events;
}

static int wait_for_some(dvm_t *d, int timeout_ms)
{
	struct dvmi_wait w = { 0 };
	int n = 0;

	if (timeout_ms > 0)
		w.until = dvmi_clock_mono() + (uint64_t)timeout_ms * DVMI_MSEC;
	while (n == 0 && !d->broken && (!w.until || dvmi_clock_mono() < w.until)) {
		n = dvmi_wait_round(d, &w);
		if (n == 0 && others_took(d))
			n = 1;
	}
	return n;
}

int dvm_progress(dvm_t *d, int timeout_ms)
{
	if (!d)
		return -EINVAL;
	if (dvmi_am_inside(&d->am))
		return -EBUSY;
	dvmi_enter(d);
	int n = look(d);
	if (n == 0 && others_took(d))
		n = 1;
	if (n == 0 && timeout_ms)
		n = wait_for_some(d, timeout_ms);
	d->watch.seen = d->threads.events;
	int rc = n == 0 ? d->broken : n;
	dvmi_leave(d);
	return rc;
}
