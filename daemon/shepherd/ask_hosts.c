/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine's nodes: listed, added, removed, for a rank. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/shepherd/shepherd_private.h"
#include "dvm/error.h"
#include "libdvm/base/cleanup.h"

static uint32_t state_of(const char *state)
{
	return !strcmp(state, "up") ? DVMI_HOST_UP
	       : !strcmp(state, "suspect") ? DVMI_HOST_SUSPECT
					   : DVMI_HOST_DOWN;
}

static void fill(struct dvmi_rank_host *h, const Pb__NodeInfo *n)
{
	*h = (struct dvmi_rank_host){ .id = n->id,
				      .state = state_of(n->state),
				      .cores = n->cores,
				      .slots = n->slots,
				      .slots_used = n->slots_used,
				      .load_100 = n->load_100,
				      .mem_total = n->mem_total,
				      .mem_free = n->mem_free };
	snprintf(h->name, sizeof h->name, "%s", n->name);
	snprintf(h->host, sizeof h->host, "%s", n->host);
}

/* A memfd with one entry for each node. */
static int write_list(const Pb__NodesReply *r)
{
	cleanup_fd int fd = memfd_create("dvm-hosts", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < r->n_nodes; i++) {
		struct dvmi_rank_host h;
		fill(&h, r->nodes[i]);
		if (write(fd, &h, sizeof h) != sizeof h)
			return errno ? -errno : -EIO;
	}
	return take_fd(fd);
}

static void on_nodes(struct shep *s, struct shep_ask *a, const struct shep_said *said)
{
	cleanup_pb Pb__NodesReply *r = NULL;

	if (!shep_ask_unpacked(s, a, said, &pb__nodes_reply__descriptor, &r))
		return;
	cleanup_fd int fd = write_list(r);
	if (fd < 0)
		shep_ask_fail(s, a, fd, "no memory file for the list");
	else
		shep_ask_answer(s, a,
				&(struct shep_reply){ .count = (uint32_t)r->n_nodes, .fd = fd });
}

void shep_ask_hosts(struct shep *s, struct shep_ask *a, const uint8_t *body, size_t len, int fd)
{
	if (len)
		shep_ask_fail(s, a, -EINVAL, "malformed question");
	else
		shep_ask_call(s, a, DVMI_MSG_NODES, NULL, true, on_nodes);
}

static void on_done(struct shep *s, struct shep_ask *a, const struct shep_said *said)
{
	if (!shep_ask_failed(s, a, said))
		shep_ask_answer(s, a, &(struct shep_reply){ 0 });
}

/* The rest of the packet as a string. */
static bool take_text(const uint8_t *body, size_t len, char text[DVMI_RANK_PACKET_MAX])
{
	memcpy(text, body, len);
	text[len] = '\0';
	return strlen(text) == len;
}

void shep_ask_host_add(struct shep *s, struct shep_ask *a, const uint8_t *body, size_t len, int fd)
{
	char text[DVMI_RANK_PACKET_MAX];
	Pb__HostAdd msg = PB__HOST_ADD__INIT;

	msg.hosts = text;
	if (!take_text(body, len, text))
		shep_ask_fail(s, a, -EINVAL, "malformed host list");
	else
		shep_ask_call(s, a, DVMI_MSG_HOST_ADD, &msg, false, on_done);
}

void shep_ask_host_drop(struct shep *s, struct shep_ask *a, const uint8_t *body, size_t len, int fd)
{
	char text[DVMI_RANK_PACKET_MAX];
	Pb__NodeRef msg = PB__NODE_REF__INIT;

	msg.name = text;
	if (!take_text(body, len, text) || !*text)
		shep_ask_fail(s, a, -EINVAL, "malformed name of a node");
	else
		shep_ask_call(s, a, DVMI_MSG_REMOVE, &msg, false, on_done);
}
