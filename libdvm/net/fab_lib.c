/* SPDX-License-Identifier: BSD-3-Clause */
#include <dlfcn.h>
#include <errno.h>
#include <rdma/fi_errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libdvm/net/fab_lib.h"

#define LIBRARY "libfabric.so.1"
#define CQ_SIZE 4096

static int find(struct dvmi_fab_lib *lib, const char *name, void *fn)
{
	void *sym = dlsym(lib->dl, name);

	memcpy(fn, &sym, sizeof sym);
	return sym ? 0 : -ENOSYS;
}

/*
 * Constructors of libraries that Debian's libfabric needs (libinfinipath, libpsm2) set handlers for
 * SIGTERM, SIGSEGV and others that end the process. Signals are the program's: they are put back.
 */
static void *load_quietly(void)
{
	struct sigaction old[_NSIG];
	bool known[_NSIG];

	for (int s = 1; s < _NSIG; s++)
		known[s] = sigaction(s, NULL, &old[s]) == 0;
	void *dl = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	for (int s = 1; s < _NSIG; s++)
		if (known[s] && s != SIGKILL && s != SIGSTOP)
			sigaction(s, &old[s], NULL);
	return dl;
}

static int load(struct dvmi_fab_lib *lib)
{
	lib->dl = load_quietly();
	if (!lib->dl)
		return -ELIBACC;
	int rc = find(lib, "fi_getinfo", &lib->getinfo);
	if (rc == 0)
		rc = find(lib, "fi_freeinfo", &lib->freeinfo);
	if (rc == 0)
		rc = find(lib, "fi_dupinfo", &lib->dupinfo);
	if (rc == 0)
		rc = find(lib, "fi_fabric", &lib->fabric);
	return rc;
}

/* libfabric's codes are errno values, or its own above 255, which mean nothing to our callers. */
static int code_of(int rc)
{
	return rc < -255 ? -EIO : rc;
}

/* SERVICE: the port as text, or NULL for any. */
static int ask_for(struct dvmi_fab_ep *e, const char *interface, const char *service,
		   const char *provider)
{
	struct fi_info *hints = e->lib.dupinfo(NULL);

	if (!hints)
		return -ENOMEM;
	hints->ep_attr->type = FI_EP_RDM;
	hints->caps = FI_MSG;
	hints->mode = 0;
	hints->tx_attr->msg_order = FI_ORDER_SAS;
	hints->rx_attr->msg_order = FI_ORDER_SAS;
	hints->domain_attr->mr_mode = 0;
	hints->domain_attr->threading = FI_THREAD_DOMAIN;
	hints->domain_attr->av_type = FI_AV_TABLE;
	hints->fabric_attr->prov_name = strdup(provider);
	int rc = hints->fabric_attr->prov_name ? e->lib.getinfo(FI_VERSION(1, 11), interface,
								service, FI_SOURCE, hints, &e->info)
					       : -ENOMEM;
	e->lib.freeinfo(hints);
	return code_of(rc);
}

static int open_cq(struct dvmi_fab_ep *e)
{
	struct fi_cq_attr attr = { .size = CQ_SIZE,
				   .format = FI_CQ_FORMAT_MSG,
				   .wait_obj = FI_WAIT_FD };

	e->wait_fd = -1;
	if (fi_cq_open(e->domain, &attr, &e->cq, NULL) == 0) {
		if (fi_control(&e->cq->fid, FI_GETWAIT, &e->wait_fd) < 0)
			e->wait_fd = -1;
		return 0;
	}
	attr.wait_obj = FI_WAIT_NONE;
	return fi_cq_open(e->domain, &attr, &e->cq, NULL);
}

static int open_domain(struct dvmi_fab_ep *e)
{
	struct fi_av_attr av = { .type = FI_AV_TABLE };
	int rc = e->lib.fabric(e->info->fabric_attr, &e->fabric, NULL);

	if (rc == 0)
		rc = fi_domain(e->fabric, e->info, &e->domain, NULL);
	if (rc == 0)
		rc = fi_av_open(e->domain, &av, &e->av, NULL);
	if (rc == 0)
		rc = open_cq(e);
	return rc;
}

static int open_endpoint(struct dvmi_fab_ep *e)
{
	int rc = fi_endpoint(e->domain, e->info, &e->ep, NULL);

	if (rc == 0)
		rc = fi_ep_bind(e->ep, &e->av->fid, 0);
	if (rc == 0)
		rc = fi_ep_bind(e->ep, &e->cq->fid, FI_TRANSMIT | FI_RECV);
	if (rc == 0)
		rc = fi_enable(e->ep);
	if (rc < 0)
		return rc;
	e->addr_len = sizeof e->addr;
	e->inject_max = e->info->tx_attr->inject_size;
	return fi_getname(&e->ep->fid, e->addr, &e->addr_len);
}

static void close_fid(void *fid)
{
	struct fid *f = fid;

	if (f)
		fi_close(f);
}

static void close_objects(struct dvmi_fab_ep *e)
{
	close_fid(e->ep);
	close_fid(e->cq);
	close_fid(e->av);
	close_fid(e->domain);
	close_fid(e->fabric);
	if (e->info)
		e->lib.freeinfo(e->info);
	e->ep = NULL;
	e->cq = NULL;
	e->av = NULL;
	e->domain = NULL;
	e->fabric = NULL;
	e->info = NULL;
	e->wait_fd = -1;
}

static int open_at(struct dvmi_fab_ep *e, const char *interface, const char *service,
		   const char *provider)
{
	e->failed = "finding a provider";
	int rc = ask_for(e, interface, service, provider);
	if (rc < 0)
		return rc;
	e->failed = "opening a domain";
	rc = open_domain(e);
	if (rc < 0)
		return code_of(rc);
	e->failed = "opening an endpoint";
	return code_of(open_endpoint(e));
}

/* Ranks of one node start at different places, so that they do not all try the same ports. */
static int open_in_range(struct dvmi_fab_ep *e, const struct dvmi_fab_where *where,
			 const char *provider)
{
	uint32_t n = where->port_high - where->port_low + 1, first = (uint32_t)getpid() % n;
	char service[16];
	int rc = -EADDRINUSE;

	for (uint32_t i = 0; i < n && rc == -EADDRINUSE; i++) {
		close_objects(e);
		snprintf(service, sizeof service, "%u", where->port_low + (first + i) % n);
		rc = open_at(e, where->interface, service, provider);
	}
	return rc;
}

int dvmi_fab_ep_open(struct dvmi_fab_ep *e, const struct dvmi_fab_where *where,
		     const char *provider)
{
	*e = (struct dvmi_fab_ep){ .wait_fd = -1 };
	e->failed = "loading " LIBRARY;
	int rc = load(&e->lib);
	if (rc < 0)
		return rc;
	if (where->port_low && where->port_low <= where->port_high)
		return open_in_range(e, where, provider);
	return open_at(e, where->interface, NULL, provider);
}

void dvmi_fab_ep_close(struct dvmi_fab_ep *e)
{
	close_objects(e);
	/* The library stays: its providers' threads and exit handlers may still refer to it. */
	*e = (struct dvmi_fab_ep){ .wait_fd = -1 };
}
