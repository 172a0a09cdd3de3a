/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "tests/sim/procs.h"

enum { TOLD = 5, SECONDS = 100 };

void procs_fail(struct procs *p, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	if (atomic_fetch_add(&p->sh->failures, 1) >= TOLD)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	printf("# node %u: %s\n", p->self, text);
}

void procs_meet(struct procs *p)
{
	pthread_barrier_wait(&p->sh->barrier);
}

static int exchange(void *arg, const void *mine, void *all, size_t each)
{
	struct procs *p = arg;

	if (each > sizeof p->sh->exchange[0])
		return -EINVAL;
	memcpy(p->sh->exchange[p->self], mine, each);
	procs_meet(p);
	for (uint32_t i = 0; i < p->nodes; i++)
		memcpy((uint8_t *)all + i * each, p->sh->exchange[i], each);
	procs_meet(p);
	return 0;
}

static uint32_t home(void *arg, uint64_t page)
{
	return (uint32_t)(page % ((struct procs *)arg)->nodes);
}

/* Asked again and again: then a node looks what takes long, too. */
static bool is_dead(void *arg, uint32_t node)
{
	(void)arg;
	(void)node;
	return false;
}

int procs_join(struct procs *p, uint64_t pages)
{
	struct dsm_mesh_config mc = { .self = p->self,
				      .nodes = p->nodes,
				      .interface = "127.0.0.1",
				      .key = 4711,
				      .dir = p->dir,
				      .log = &p->log,
				      .exchange = exchange,
				      .arg = p };
	int rc = dsm_mesh_create(&p->mesh, &mc);
	if (rc < 0)
		return rc;
	rc = dsm_node_create(&p->node, &(struct dsm_node_config){
					       .self = p->self,
					       .nodes = p->nodes,
					       .link = dsm_mesh_link(p->mesh, &p->node),
					       .log = &p->log,
					       .patience = p->patience,
					       .dead = p->flags & PROCS_QUIET ? NULL : is_dead,
				       });
	if (rc < 0)
		return rc;
	rc = dsm_seg_create(p->node, &p->seg,
			    &(struct dsm_seg_config){ .bytes = pages * PROCS_PAGE,
						      .unit = PROCS_PAGE,
						      .flags = p->flags & ~PROCS_QUIET,
						      .hold = 20000,
						      .home = home,
						      .roots = p->roots,
						      .home_arg = p });
	if (rc == 0)
		p->base = dsm_seg_base(p->seg);
	return rc;
}

/* What takes long is told with all that the nodes know of it. */
static void on_log(const struct dvmi_log_record *rec, void *arg)
{
	printf("# node %u: %s\n", ((struct procs *)arg)->self, rec->text);
}

/* In a process of its own. */
static void be(struct procs *p, int (*host)(struct procs *p, void *arg), void *arg)
{
	alarm(SECONDS); /* rather than for ever */
	p->log = (struct dvmi_log){ .level = LOG_WARNING, .node = "", .sink = on_log, .arg = p };
	int rc = host(p, arg);
	if (rc < 0) {
		printf("# node %u: no memory: %s\n", p->self, strerror(-rc));
		_exit(rc == -EPERM || rc == -ENOTSUP ? 77 : 1);
	}
	procs_meet(p);
	dsm_seg_destroy(p->seg);
	dsm_node_destroy(p->node);
	dsm_mesh_destroy(p->mesh);
	exit(0);
}

static struct procs_shared *make_shared(unsigned nodes)
{
	struct procs_shared *sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_barrierattr_t a;

	if (sh == MAP_FAILED)
		return NULL;
	pthread_barrierattr_init(&a);
	pthread_barrierattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&sh->barrier, &a, nodes);
	return sh;
}

int procs_run(uint32_t nodes, uint32_t flags, int (*host)(struct procs *p, void *arg), void *arg)
{
	struct procs p = { .nodes = nodes, .flags = flags, .dir = "/tmp/dsm_procs.XXXXXX" };
	char cmd[80];
	int status, worst = 0;

	if (!mkdtemp(p.dir) || !(p.sh = make_shared(nodes)))
		return 1;
	for (p.self = 0; p.self < nodes; p.self++)
		if (fork() == 0)
			be(&p, host, arg);
	while (wait(&status) > 0) {
		int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		worst = code > worst ? code : worst;
	}
	worst = worst ? worst : p.sh->failures > 0;
	munmap(p.sh, sizeof *p.sh);
	snprintf(cmd, sizeof cmd, "rm -rf %s", p.dir);
	return system(cmd) == 0 ? worst : 1;
}
