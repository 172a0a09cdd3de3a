/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libfabric, loaded at run time, and one endpoint of it with all that belongs to it.
 *
 * Loading is slow: on Debian a constructor of a library that libfabric needs sleeps 200 ms, and
 * looking for providers takes tens more. It can be done by any one thread; afterwards the
 * endpoint is used by one thread at a time.
 */
#ifndef DVMI_NET_FAB_LIB_H
#define DVMI_NET_FAB_LIB_H

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <stddef.h>
#include <stdint.h>

#define DVMI_FAB_ADDR_MAX 256

struct dvmi_fab_lib {
	void *dl;
	int (*getinfo)(uint32_t version, const char *node, const char *service, uint64_t flags,
		       const struct fi_info *hints, struct fi_info **info);
	void (*freeinfo)(struct fi_info *info);
	struct fi_info *(*dupinfo)(const struct fi_info *info);
	int (*fabric)(struct fi_fabric_attr *attr, struct fid_fabric **fabric, void *context);
};

struct dvmi_fab_ep {
	struct dvmi_fab_lib lib;
	struct fi_info *info;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_av *av;
	struct fid_cq *cq;
	struct fid_ep *ep;
	int wait_fd; /* becomes readable on events, or -1 */
	size_t inject_max;
	uint8_t addr[DVMI_FAB_ADDR_MAX]; /* our own */
	size_t addr_len;
	const char *failed; /* what did not work */
};

/* What an endpoint binds to. */
struct dvmi_fab_where {
	const char *interface;	      /* numeric address */
	uint32_t port_low, port_high; /* both inside; 0: any */
};

/*
 * Loads the library and opens an endpoint of PROVIDER at WHERE, on the first
 * port of the range that is free. 0 or -E… (-EADDRINUSE: none is), then e->failed says at what;
 * close it in both cases.
 */
int dvmi_fab_ep_open(struct dvmi_fab_ep *e, const struct dvmi_fab_where *where,
		     const char *provider);
void dvmi_fab_ep_close(struct dvmi_fab_ep *e);

#endif
