/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transport between nodes over libfabric, for networks that are more than TCP.
 *
 * libfabric is loaded when the first packet goes to another node or a peer on another node asks
 * for our address, on a thread of its own, because loading it can take 300 ms.
 */
#ifndef DVMI_NET_FAB_H
#define DVMI_NET_FAB_H

#include "libdvm/net/remote.h"

/* PROVIDER: as libfabric names them; must outlive it. 0 or -ENOMEM. */
int dvmi_fab_create(struct dvmi_tport **out, const struct dvmi_remote_config *cfg,
		    const char *provider);

#endif
