/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop, and the life of an agent. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "daemon/pvm/agent.h"
#include "libdvm/src/handle.h"

#define EVENTS 64

int pvm_watch_add(struct agent *a, struct pvm_watch *w, int fd,
		  void (*ready)(struct agent *a, struct pvm_watch *w))
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = w };

	*w = (struct pvm_watch){ .fd = fd, .ready = ready };
	return epoll_ctl(a->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

void pvm_watch_writing(struct agent *a, struct pvm_watch *w, bool on)
{
	struct epoll_event e = { .events = EPOLLIN | (on ? EPOLLOUT : 0), .data.ptr = w };

	epoll_ctl(a->epoll, EPOLL_CTL_MOD, w->fd, &e);
}

void pvm_watch_close(struct agent *a, struct pvm_watch *w)
{
	if (w->fd < 0)
		return;
	epoll_ctl(a->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	close(w->fd);
	w->fd = -1;
}

/* The library's descriptor: what has come is taken before each sleep anyhow. */
static void on_lib(struct agent *a, struct pvm_watch *w)
{
	(void)a;
	(void)w;
}

/* How long to sleep, after everything of libdvm's was dealt with. */
static int prepare(struct agent *a)
{
	int timeout = 0;

	for (;;) {
		if (!pvm_relay_look(a))
			a->stop = true;
		if (a->master)
			pvm_master_events(a);
		int rc = dvm_arm(a->d, &timeout);
		if (rc <= 0) {
			a->stop |= rc < 0;
			return timeout;
		}
		if (dvm_progress(a->d, 0) < 0)
			a->stop = true;
		if (a->stop)
			return 0;
	}
}

static void turn(struct agent *a)
{
	struct epoll_event events[EVENTS];
	int timeout = prepare(a);

	if (a->stop)
		return;
	int n = epoll_wait(a->epoll, events, EVENTS, timeout);
	for (int i = 0; i < n; i++) {
		struct pvm_watch *w = events[i].data.ptr;
		if (w->fd >= 0)
			w->ready(a, w);
	}
	if (dvm_progress(a->d, 0) < 0)
		a->stop = true;
	pvm_clients_bury(a);
}

static int open_all(struct agent *a)
{
	const dvm_config_t config = { .size = sizeof config, .flags = DVM_OPEN_THREADS };
	int rc = dvm_open(&a->d, &config, NULL);

	if (rc < 0)
		return rc;
	a->name = strdup(dvm_node_name(a->d));
	a->dir = strdup(a->d->dir);
	a->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!a->name || !a->dir || a->epoll < 0)
		return -ENOMEM;
	int fd = dvm_fd(a->d);
	rc = fd < 0 ? fd : pvm_watch_add(a, &a->lib, fd, on_lib);
	return rc;
}

/* The first agent is nobody's child; it is the master. Others know theirs. */
static int find_role(struct agent *a)
{
	struct pvm_link *l = calloc(1, sizeof *l);
	int rc = l ? dvm_parent(a->d, &l->g, NULL) : -ENOMEM;

	if (rc < 0) {
		free(l);
		a->master = rc == -ENOENT;
		return a->master ? pvm_master_open(a) : rc;
	}
	a->links = l;
	struct dvmi_buf b = { 0 };
	dvmi_buf_put_str(&b, a->name);
	pvm_link_send(a, l, PVMI_HELLO, 0, 0, &b);
	dvmi_buf_free(&b);
	return 0;
}

static void close_all(struct agent *a)
{
	pvm_clients_close(a);
	pvm_ranks_close(a);
	if (a->master)
		pvm_master_close(a);
	pvm_relay_close(a);
	if (a->lib.fd >= 0)
		epoll_ctl(a->epoll, EPOLL_CTL_DEL, a->lib.fd, NULL);
	dvm_close(a->d);
	if (a->epoll >= 0)
		close(a->epoll);
	free(a->name);
	free(a->dir);
	free(a->wd);
	free(a->ep);
	free(a);
}

int pvm_serve(void)
{
	struct agent *a = calloc(1, sizeof *a);

	if (!a)
		return -ENOMEM;
	a->epoll = a->results_in = -1;
	a->frames.fd = a->ranks.fd = a->lib.fd = a->results.fd = a->hosting.fd = -1;
	int rc = open_all(a);
	if (rc == 0)
		rc = find_role(a);
	while (rc == 0 && !a->stop)
		turn(a);
	close_all(a);
	return rc;
}
