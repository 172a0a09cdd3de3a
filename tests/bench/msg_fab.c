/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/bench/msg: libfabric itself, tagged messages of a provider ($MSG_PROVIDER). Two ranks
 * without a launcher; the page they share carries their addresses.
 */
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_tagged.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/msg.h"

const unsigned msg_sys_caps = MSG_P2P;
const struct msg_case msg_sys_cases[] = { { .name = NULL } };

#define EVENTS 32

struct op {
	struct fi_context2 context; /* the provider's; comes back with the completion */
	bool done;
};

static struct {
	struct fi_info *info;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_av *av;
	struct fid_cq *cq;
	struct fid_ep *ep;
	fi_addr_t peer;
	struct op ops[MSG_WINDOW], send, recv;
	int rank, size;
} f;

static void check(ssize_t rc, const char *what)
{
	if (rc < 0)
		msg_die(what, fi_strerror((int)-rc));
}

static void find_provider(void)
{
	struct fi_info *hints = fi_allocinfo();
	const char *name = getenv("MSG_PROVIDER"), *address = getenv("MSG_ADDRESS");

	if (!hints || !name)
		msg_die("MSG_PROVIDER", "not set");
	hints->ep_attr->type = FI_EP_RDM;
	hints->caps = FI_TAGGED;
	hints->mode = FI_CONTEXT | FI_CONTEXT2;
	hints->domain_attr->mr_mode = 0;
	hints->domain_attr->av_type = FI_AV_TABLE;
	hints->fabric_attr->prov_name = strdup(name);
	check(fi_getinfo(FI_VERSION(1, 11), address, NULL, address ? FI_SOURCE : 0, hints, &f.info),
	      name);
	fi_freeinfo(hints);
}

static void open_endpoint(void)
{
	struct fi_cq_attr cq = { .size = 1024, .format = FI_CQ_FORMAT_CONTEXT };
	struct fi_av_attr av = { .type = FI_AV_TABLE };

	check(fi_fabric(f.info->fabric_attr, &f.fabric, NULL), "fi_fabric");
	check(fi_domain(f.fabric, f.info, &f.domain, NULL), "fi_domain");
	check(fi_av_open(f.domain, &av, &f.av, NULL), "fi_av_open");
	check(fi_cq_open(f.domain, &cq, &f.cq, NULL), "fi_cq_open");
	check(fi_endpoint(f.domain, f.info, &f.ep, NULL), "fi_endpoint");
	check(fi_ep_bind(f.ep, &f.av->fid, 0), "fi_ep_bind");
	check(fi_ep_bind(f.ep, &f.cq->fid, FI_TRANSMIT | FI_RECV), "fi_ep_bind");
	check(fi_enable(f.ep), "fi_enable");
}

/* A note is the length of the address and the address. */
static void exchange(void)
{
	size_t len = MSG_NOTE - sizeof len;
	char *note = meet_note(f.rank);

	check(fi_getname(&f.ep->fid, note + sizeof len, &len), "fi_getname");
	memcpy(note, &len, sizeof len);
	meet();
	if (fi_av_insert(f.av, meet_note(1 - f.rank) + sizeof len, 1, &f.peer, 0, NULL) != 1)
		msg_die("fi_av_insert", "failed");
}

void sys_open(int *argc, char ***argv)
{
	f.rank = meet_env("MSG_RANK");
	f.size = meet_env("MSG_SIZE");
	if (f.rank < 0 || f.rank > 1 || f.size != 2)
		msg_die("libfabric", "is measured with two ranks");
	find_provider();
	open_endpoint();
	meet_open(f.rank, f.size);
	exchange();
}

int sys_rank(void)
{
	return f.rank;
}

int sys_size(void)
{
	return f.size;
}

void sys_close(void)
{
	fi_close(&f.ep->fid);
	fi_close(&f.cq->fid);
	fi_close(&f.av->fid);
	fi_close(&f.domain->fid);
	fi_close(&f.fabric->fid);
	fi_freeinfo(f.info);
}

static void progress(void)
{
	struct fi_cq_entry events[EVENTS];
	ssize_t n = fi_cq_read(f.cq, events, EVENTS);

	if (n == -FI_EAGAIN)
		return;
	check(n, "fi_cq_read");
	for (ssize_t i = 0; i < n; i++)
		((struct op *)events[i].op_context)->done = true;
}

static void await(struct op *op)
{
	while (!op->done)
		progress();
}

/* What is short is copied at once, as any program would have it. */
static void start_send(struct op *op, const void *buf, size_t len)
{
	bool inject = len <= f.info->tx_attr->inject_size;
	ssize_t rc;

	op->done = inject;
	do {
		rc = inject ? fi_tinject(f.ep, buf, len, f.peer, 1)
			    : fi_tsend(f.ep, buf, len, NULL, f.peer, 1, &op->context);
		if (rc == -FI_EAGAIN)
			progress();
	} while (rc == -FI_EAGAIN);
	check(rc, "fi_tsend");
}

static void start_recv(struct op *op, void *buf, size_t len)
{
	ssize_t rc;

	op->done = false;
	while ((rc = fi_trecv(f.ep, buf, len, NULL, f.peer, 1, 0, &op->context)) == -FI_EAGAIN)
		progress();
	check(rc, "fi_trecv");
}

void sys_send(const void *buf, size_t len, int to)
{
	start_send(&f.send, buf, len);
	await(&f.send);
}

void sys_recv(void *buf, size_t len, int from)
{
	start_recv(&f.recv, buf, len);
	await(&f.recv);
}

void sys_isend(int slot, const void *buf, size_t len, int to)
{
	start_send(&f.ops[slot], buf, len);
}

void sys_irecv(int slot, void *buf, size_t len, int from)
{
	start_recv(&f.ops[slot], buf, len);
}

void sys_waitall(int n)
{
	for (int i = 0; i < n; i++)
		await(&f.ops[i]);
}
