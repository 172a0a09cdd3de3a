/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One file for the ranks of a node: a page that goes from one to another of them is not copied, it is
 * mapped. Who may touch it when is the protocol's affair as ever; so those that have a file in common
 * are those that live and die by one shepherd's word. All ranks of a node take part, or none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libdvm/src/coll.h"
#include "libdvm/src/mem.h"
#include "libdvm/src/nodes.h"

/* What a rank says of itself. */
struct card {
	int32_t pid, file; /* of who makes it, the lowest rank of its node */
	int32_t willing;
};

static bool all_near(const dvm_seg_t *s, const struct dvmi_nodes *n)
{
	for (uint32_t i = n->first[n->self]; i < n->first[n->self + 1]; i++)
		if (!dsm_mesh_local(s->dom->mesh, n->ranks[i]))
			return false;
	return true;
}

/* Pages in common are never freed one by one: all of them must have room. */
static bool is_willing(dvm_seg_t *s, const struct dvmi_nodes *n, uint64_t room)
{
	if (s->c.flags & (DVM_SEG_NO_SHARE | DVM_SEG_BASELINE_IVY) ||
	    s->c.consistency != DVM_SEG_SEQUENTIAL || (room && room < s->c.bytes) || !all_near(s, n))
		return false;
	int rc = dsm_node_maps(s->dom->node, s->c.faults == DVM_FAULT_SIGBUS);
	if (rc == -EPERM && dvmi_seg_ask_uffd(s->d) == 0)
		rc = dsm_node_maps(s->dom->node, s->c.faults == DVM_FAULT_SIGBUS);
	return rc > 0;
}

static int make_file(const dvm_seg_t *s)
{
	int fd = memfd_create("dvm-segment", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, (off_t)s->c.bytes) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int file_of(const struct card *c)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)c->pid, (int)c->file);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* All ranks of NODE are willing, and they are several; GOOD: who has the file, if known yet. */
static bool agrees(const struct dvmi_nodes *n, uint32_t node, const struct card *all,
		   const uint8_t *good)
{
	for (uint32_t i = n->first[node]; i < n->first[node + 1]; i++)
		if (!all[n->ranks[i]].willing || (good && !good[n->ranks[i]]))
			return false;
	return dvmi_nodes_size(n, node) > 1;
}

/* All say whether they are willing, and then whether they have the file. */
static int share(dvm_seg_t *s, const struct dvmi_nodes *n, struct card mine, uint32_t *hosts,
		 int *file)
{
	dvm_group_t *g = s->dom->g;
	struct card all[DSM_GROUP_MAX];
	uint8_t good[DSM_GROUP_MAX];
	int rc = dvmi_seg_exchange(g, &mine, all, sizeof mine);

	if (rc < 0)
		return rc;
	if (n->place > 0 && agrees(n, n->self, all, NULL))
		*file = file_of(&all[dvmi_nodes_leader(n, n->self)]);
	uint8_t have = *file >= 0;
	rc = dvmi_seg_exchange(g, &have, good, sizeof have);
	for (uint32_t i = 0; i < g->size && rc == 0; i++)
		hosts[i] = agrees(n, n->node_of[i], all, good) ? n->node_of[i] + 1 : 0;
	return rc;
}

int dvmi_seg_one_file(dvm_seg_t *s, uint64_t room, uint32_t *hosts, int *out)
{
	dvm_group_t *g = s->dom->g;
	const struct dvmi_nodes *n;
	int file = -1;

	dvmi_enter(g->d);
	int rc = dvmi_group_nodes(g, &n);
	if (rc < 0) /* nobody shall wait for what we do not say */
		dvmi_coll_revoke(g, rc);
	dvmi_leave(g->d);
	if (rc < 0)
		return rc;
	struct card mine = { .pid = getpid(), .willing = is_willing(s, n, room) };
	if (mine.willing && n->place == 0)
		file = make_file(s);
	mine.file = file;
	rc = share(s, n, mine, hosts, &file);
	if ((rc < 0 || !hosts[g->rank]) && file >= 0) {
		close(file);
		file = -1;
	}
	*out = file;
	return rc;
}
