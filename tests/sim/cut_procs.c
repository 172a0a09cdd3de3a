/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection between two nodes that live is cut: real processes, over TCP. Nobody may wait for
 * ever: the higher end gives up, whoever hears of that goes on, and nobody has bytes of before.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "tests/sim/procs.h"

enum { FDS = 256, ADDS = 200 };

static sigjmp_buf back;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static _Atomic uint64_t *word(struct procs *p, uint32_t page)
{
	return (void *)(p->base + page * PROCS_PAGE);
}

/* False: it is lost. */
static bool add(struct procs *p, uint32_t page, uint64_t n)
{
	if (sigsetjmp(back, 1))
		return false;
	atomic_fetch_add(word(p, page), n);
	return true;
}

/* Connections that there are. */
static int connections(int *fds)
{
	struct sockaddr_in to;
	int n = 0;

	for (int fd = 3; fd < FDS; fd++) {
		socklen_t len = sizeof to;
		if (getpeername(fd, (struct sockaddr *)&to, &len) == 0 && to.sin_family == AF_INET)
			fds[n++] = fd;
	}
	return n;
}

/* All pages become errors, its own first, and so does what is asked for. */
static void expect_out(struct procs *p)
{
	for (uint32_t page = p->nodes; page-- > 0;)
		while (add(p, page, 1))
			usleep(1000);
	int rc = dsm_seg_move_home(p->seg, 0, 1, 0);
	if (rc != -DVM_EPEERLOST)
		procs_fail(p, "out, but a home may move: %d", rc);
}

static bool is_there(struct procs *p, uint32_t node)
{
	dsm_node_enter(p->node);
	bool there = dsm_node_alive(p->node, node);
	dsm_node_leave(p->node);
	return there;
}

/* The last node goes, with its page, which one waits for; the rest goes on. */
static void expect_rest(struct procs *p, uint32_t peer)
{
	uint32_t last = p->nodes - 1;

	if (p->self == peer && add(p, last, 1))
		procs_fail(p, "what has no connection was reached");
	while (is_there(p, last))
		usleep(1000);
	if (add(p, last, 1))
		procs_fail(p, "the page of node %u is there", last);
	for (int i = 0; i < ADDS; i++)
		if (!add(p, 0, 1)) {
			procs_fail(p, "out with another's connection");
			return;
		}
	while (atomic_load(word(p, 0)) < ADDS * last)
		usleep(1000);
}

static int host(struct procs *p, void *arg)
{
	uint32_t last = p->nodes - 1, peer = *(const uint32_t *)arg;
	int fds[FDS], n = 0;

	p->patience = 100 * DVMI_MSEC;
	int rc = procs_join(p, p->nodes);
	if (rc < 0)
		return rc;
	signal(SIGBUS, on_sigbus);
	procs_meet(p);
	/* Its first connection is the one. */
	if (p->self == last) {
		add(p, peer, 0);
		n = connections(fds);
	}
	procs_meet(p);
	for (uint32_t page = 0; page < p->nodes; page++)
		add(p, page, 0);
	procs_meet(p);
	add(p, p->self, 0);
	procs_meet(p);
	if (p->self == last && (n != 1 || shutdown(fds[0], SHUT_RDWR) < 0))
		procs_fail(p, "%d connections", n);
	procs_meet(p);
	if (p->self == last || p->nodes == 2)
		expect_out(p);
	else
		expect_rest(p, peer);
	return 0;
}

int main(void)
{
	static struct {
		uint32_t nodes, peer;
		const char *name;
	} worlds[] = {
		{ 2, 0, "between two, both give up" },
		{ 3, 1, "among three, the higher one gives up" },
		{ 3, 0, "to who decides, others tell it" },
	};
	int n = sizeof worlds / sizeof worlds[0], bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	setenv("DVM_SHM_TRANSPORT", "tcp", 1);
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		int rc = procs_run(worlds[i].nodes, DSM_NO_PREFETCH, host, &worlds[i].peer);
		printf("%s %d - a connection is cut %s%s\n", rc && rc != 77 ? "not ok" : "ok", i + 1,
		       worlds[i].name, rc == 77 ? " # SKIP no userfaultfd" : "");
		bad |= rc && rc != 77;
	}
	return bad;
}
